//! Doors for fuzzing: records that are otherwise read from the ref-store only, and ref expressions.

use crate::record::{BranchRecord, RepositoryRecord, TagRecord, parse_index_key};
use crate::refs_expr;

/// Reads the record of a branch.
///
/// # Panics
/// If a record that was read is not the one encoding of what it holds.
pub fn branch(bytes: &[u8]) {
    if let Ok(record) = BranchRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
}

/// Reads the record of a tag.
///
/// # Panics
/// As [`branch`].
pub fn tag(bytes: &[u8]) {
    if let Ok(record) = TagRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
}

/// Reads the record of a repository.
///
/// # Panics
/// If a record that was read does not survive being written.
pub fn repository(bytes: &[u8]) {
    if let Ok(record) = RepositoryRecord::decode(bytes) {
        assert_eq!(RepositoryRecord::decode(&record.encode()), Ok(record));
    }
}

/// Reads a ref expression and a key of the index of branches.
pub fn names(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = refs_expr::parse(text);
        let _ = parse_index_key(text);
    }
}
