//! Nodes, format version 1.

use anabranch_types::{Entry, NodeId};

use crate::TreeError;

pub(crate) fn empty_leaf_id() -> NodeId {
    NodeId::of(&[])
}

/// The canonical encoding of an entry, with a format version: equal entries have equal bytes.
///
/// # Errors
/// [`TreeError::EntryTooLarge`] when the object key, or content type and metadata together, exceed what a tree holds.
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, TreeError> {
    let _ = entry;
    Err(crate::diff::unfinished())
}

/// Reads what [`encode_entry`] wrote. Total: any bytes give an entry or an error.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, TreeError> {
    let _ = bytes;
    Err(crate::diff::unfinished())
}
