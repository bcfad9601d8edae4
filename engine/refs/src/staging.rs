//! `StagingStore`: what was written to a branch and is not committed yet.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Partition, RefsError, Token};

/// What a staged row says of its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StagedValue {
    /// The path holds this encoded entry.
    Present {
        /// The encoded entry.
        entry: Bytes,
        /// Its entity tag, which conditions are judged by.
        etag: String,
    },
    /// The path is deleted.
    Deleted,
}

/// One staged row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagedRow {
    /// The object path.
    pub path: String,
    /// What it holds.
    pub value: StagedValue,
}

/// What a write requires of the branch record at (`partition`, `key`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fence {
    /// The partition of the branch record.
    pub partition: Partition,
    /// The key of the branch record.
    pub key: String,
    /// The staging area that must be the branch's open one.
    pub token: Token,
}

/// What a conditional write requires of its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The path holds nothing (`If-None-Match: *`).
    Absent,
    /// The path holds an entry with this entity tag (`If-Match`).
    Matches(String),
    /// The path holds an entry, whichever (`If-Match: *`).
    Present,
}

/// A conditional write of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConditionalRow {
    /// The row to write.
    pub row: StagedRow,
    /// What the path must hold before.
    pub condition: Condition,
    /// The branch's sealed staging areas, newest first, read with the fence.
    pub sealed: Vec<Token>,
    /// The head that `in_head` was read from.
    pub head: [u8; 32],
    /// The entity tag of the path's entry in the tree of `head`; none if it has none.
    pub in_head: Option<String>,
}

/// How a write to a staging area ended. Lost races and failed conditions are values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Staged {
    /// The rows are durable and visible.
    Done,
    /// The fence (token, or head for a conditional write) moved: read the branch record and try again.
    Moved,
    /// The condition did not hold. Nothing was written.
    Refused {
        /// The entity tag that the path has.
        actual: Option<String>,
    },
}

/// A page of an overlay scan, in bytewise order of path; the newest row of each path, deletions included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagedPage {
    /// The rows.
    pub rows: Vec<StagedRow>,
    /// Whether paths of the range follow.
    pub more: bool,
}

/// Whether a staging area holds more rows to drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// Call again.
    More,
    /// It is empty.
    All,
}

/// What was written to branches and is not committed yet.
#[async_trait]
pub trait StagingStore: Send + Sync + std::fmt::Debug {
    /// Writes rows if the fence holds: all or none, one fenced statement, durable when answered. A later row
    /// of the same path in the same staging area replaces an earlier one. An encoded entry has at most
    /// [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX) bytes.
    ///
    /// Safe to repeat: writing the same rows twice is writing them once.
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError>;

    /// Writes one row if the fence holds for (token, head) and the condition holds over
    /// staging ∪ sealed ∪ head; bumps the version of the branch record in the same transaction. Of several
    /// racing writes with [`Condition::Absent`] exactly one is `Done`.
    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError>;

    /// The newest row of one path over `tokens` (newest first).
    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError>;

    /// A page of at most `limit` paths that begin with `prefix` and are greater than `after`, the newest row
    /// of each over `tokens` (newest first).
    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError>;

    /// Drops some rows of a staging area that no branch record names any more. Idempotent.
    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError>;
}
