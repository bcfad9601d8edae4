//! `RefsBackend`: versioned values by partition and key, changed by compare-and-set.

use async_trait::async_trait;
use bytes::Bytes;

use crate::RefsError;

/// The unit of atomicity: one branch with its staging fence, or one kind of record of a repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Partition(pub String);

/// Stands for a value: two reads with equal versions saw the same write. Never given twice for one key,
/// also when the key was deleted in between.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(pub u64);

/// Names one attempt to write, so that a retry after a lost reply is recognised. Fresh and random per write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WriteId(pub [u8; 16]);

/// Names one staging area. Fresh and random; never used again after it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub [u8; 16]);

/// What fences writes to a branch's staging area: kept beside the branch record, moved with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FenceMark {
    /// The staging area that takes writes now.
    pub token: Token,
    /// The head that conditional writes are judged against.
    pub head: [u8; 32],
}

/// A value and its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// What an edit requires of the key before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// The key has no value.
    Absent,
    /// The key has the value of this version.
    Is(Version),
    /// Anything.
    Any,
}

/// What an edit does to its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Sets the value, and with it the fence of a branch record (none for other records).
    Put {
        /// The new value, at most [`VALUE_BYTES_MAX`] bytes.
        value: Bytes,
        /// The fence that staging writes are checked against from now on.
        fence: Option<FenceMark>,
    },
    /// Removes the value.
    Delete,
    /// Changes nothing: only the expectation counts.
    Check,
}

/// One edit of an `apply`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// The key within the partition.
    pub key: String,
    /// The precondition.
    pub expect: Expect,
    /// The change.
    pub operation: Operation,
}

/// How an `apply` ended. A failed precondition is a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefUpdate {
    /// All edits took place, durably. The new version of each put, `None` for the other edits.
    Applied(Vec<Option<Version>>),
    /// None took place.
    Rejected {
        /// The first edit whose precondition failed.
        index: usize,
        /// What the key holds.
        actual: Option<Versioned>,
    },
}

/// Which keys a scan visits: those that begin with `prefix` and are greater than `after`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanRange {
    /// What the keys begin with.
    pub prefix: String,
    /// The key after which the page begins.
    pub after: Option<String>,
}

/// A page of a scan, in bytewise order of key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Keys and values.
    pub rows: Vec<(String, Versioned)>,
    /// Whether keys of the range follow.
    pub more: bool,
}

/// Versioned values by partition and key.
#[async_trait]
pub trait RefsBackend: Send + Sync + std::fmt::Debug {
    /// Reads one key. Strongly consistent: sees every write that was answered before it began.
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError>;

    /// Reads a page of at most `limit` keys in bytewise order. Each page is consistent in itself.
    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError>;

    /// Makes all `edits` (at most [`EDITS_MAX`]) or none, durably, if every precondition holds. No key may
    /// occur twice.
    ///
    /// Idempotent by `write_id` within the same partition: if an earlier call with it took place, answers
    /// `Applied` with the versions of then. `write_id`s are kept for at least ten minutes and a thousand
    /// writes of their partition.
    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError>;
}

/// The most edits one `apply` takes.
pub const EDITS_MAX: usize = 100;
/// The most bytes a value may have.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
