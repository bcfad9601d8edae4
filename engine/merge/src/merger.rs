//! The `Merger` trait: one input, one outcome, the same for built-in mergers and plugins.

use std::collections::BTreeMap;

use anabranch_types::{Checksum, Entry};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    ChangesPage, Conflict, ConflictValue, Demands, Failure, MergeEdit, MergeOutcome, ObjectAttributes,
    Resolution, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, RowTotals, Strategy, ViolationsInput,
};

/// What a merger works on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UnitKind {
    /// One object.
    Object,
    /// A folder: a table.
    Folder,
}

/// A view could not serve a read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ViewError {
    /// The side has no object at this path.
    #[error("{path} does not exist on {side}")]
    NotFound {
        /// The path, relative to the unit.
        path: String,
        /// The label of the side.
        side: String,
    },
    /// A read above the limit that the caller gave.
    #[error("{path} on {side} has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// The path, relative to the unit.
        path: String,
        /// The label of the side.
        side: String,
        /// The size of the object.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The storage failed.
    #[error("reading {path} on {side} failed: {message}")]
    Storage {
        /// The path, relative to the unit.
        path: String,
        /// The label of the side.
        side: String,
        /// What the storage said.
        message: String,
        /// Whether the same call may succeed later: the storage does not answer now.
        temporary: bool,
    },
}

impl ViewError {
    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, ViewError::Storage { temporary: true, .. })
    }
}

/// One object that differs between two views. Paths are relative to the unit.
#[derive(Clone, PartialEq, Debug)]
pub struct EntryChange {
    /// The path.
    pub path: String,
    /// What it held.
    pub before: Option<Entry>,
    /// What it holds.
    pub after: Option<Entry>,
}

/// One object that at least one side changed since the base.
#[derive(Clone, PartialEq, Debug)]
pub struct EntryMerge {
    /// The path.
    pub path: String,
    /// In the base.
    pub base: Option<Entry>,
    /// On ours.
    pub ours: Option<Entry>,
    /// On theirs.
    pub theirs: Option<Entry>,
}

impl EntryMerge {
    /// Whether ours has what theirs did to the path: nothing, or the same.
    pub(crate) fn theirs_adds_nothing(&self) -> bool {
        same_content(&self.base, &self.theirs) || same_content(&self.ours, &self.theirs)
    }

    /// Whether theirs has what ours did to the path: nothing, or the same.
    pub(crate) fn ours_adds_nothing(&self) -> bool {
        same_content(&self.base, &self.ours) || same_content(&self.ours, &self.theirs)
    }
}

/// Whether both hold the same bytes with the same attributes, or nothing.
pub(crate) fn same_content(left: &Option<Entry>, right: &Option<Entry>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left.same_content(right),
        _ => false,
    }
}

/// A unit as it is at one commit, read-only. Paths are relative to the unit, parts joined by `/`; a unit that is
/// one object has the path `""`. A side that lacks the unit is an empty view.
///
/// Reads are cached below this trait and never change: a view is pinned to its commit.
#[async_trait]
pub trait UnitView: Send + Sync {
    /// What people call it: a branch, a tag, a short commit id.
    fn label(&self) -> &str;
    /// Names the storage behind the view: where it is the same, the same address has the same bytes.
    fn storage(&self) -> [u8; 16];
    /// Names the content of the whole unit: equal ids mean that every path holds the same address and
    /// attributes; that they differ means nothing. Cheap enough to ask first.
    async fn fingerprint(&self) -> Result<[u8; 32], ViewError>;
    /// What a path holds.
    async fn stat(&self, path: &str) -> Result<Option<Entry>, ViewError>;
    /// At most `limit` objects whose path begins with `prefix` and is greater than `after`, in bytewise order.
    async fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>, ViewError>;
    /// Reads an object of this side, or any entry that a view or the writer of the same merge gave out: the bytes
    /// `offset..offset + length`, fewer only at the end of the object.
    async fn read(&self, path: &str, entry: &Entry, offset: u64, length: u64) -> Result<Bytes, ViewError>;
}

/// An object that a merger wrote: durable, and visible nowhere until the merge is published.
pub type NewObject = Entry;

/// Writes new objects of a merge.
#[async_trait]
pub trait UnitWriter: Send + Sync {
    /// Stores `body`. Its time is the time of the merge.
    async fn write(&self, body: Bytes, attributes: ObjectAttributes) -> Result<NewObject, ViewError>;
    /// Begins an object that comes in pieces and need not fit into memory.
    async fn begin<'w>(&'w self) -> Result<Box<dyn UnitUpload + 'w>, ViewError>;
}

/// A new object of a merge on its way. Dropped unfinished, it leaves nothing.
#[async_trait]
pub trait UnitUpload: Send {
    /// Appends bytes, in order. Returns when the storage has taken them, so a writer cannot run ahead. After an error it
    /// takes no more.
    async fn write(&mut self, piece: Bytes) -> Result<(), ViewError>;
    /// Makes the object durable. Its time is the time of the merge. `checksum` is that of all its bytes: who has them computes it,
    /// where that holds up nobody.
    async fn finish(
        self: Box<Self>,
        attributes: ObjectAttributes,
        checksum: Checksum,
    ) -> Result<NewObject, ViewError>;
}

/// What a merger gets. The same for built-in mergers and plugins.
pub struct MergeInput<'a> {
    /// Where the unit lies in the repository, without a `/` at the end. To show, and to name in conflicts.
    pub root: &'a str,
    /// Whether it is one object or a folder.
    pub unit: UnitKind,
    /// The unit in the merge base.
    pub base: &'a dyn UnitView,
    /// The unit on the destination branch.
    pub ours: &'a dyn UnitView,
    /// The unit on the source branch.
    pub theirs: &'a dyn UnitView,
    /// What either side changed since the base, in order of path.
    pub changes: &'a [EntryMerge],
    /// The options of `merge.toml`, as a JSON object.
    pub options: &'a serde_json::Value,
    /// What people decided about the conflicts of an earlier run.
    pub resolutions: &'a [Resolution],
    /// Who wins single rows and cells for which there is no resolution; none: they are conflicts. A merger without such
    /// parts does not look at it.
    pub prefer: Option<Strategy>,
    /// When this merge happens, in milliseconds since the Unix epoch.
    pub merge_time_ms: i64,
    /// Where new names and ids come from: the same for the same preview.
    pub seed: [u8; 32],
    /// How the source is called, for provenance: a branch or a commit id.
    pub source: &'a str,
    /// Where new objects go.
    pub writer: &'a dyn UnitWriter,
}

impl MergeInput<'_> {
    /// The edits when there is nothing to merge, read from the changes alone: none where ours has everything that theirs
    /// changed, theirs as it is where theirs has everything that ours changed. Otherwise `None`.
    pub fn fast_path(&self) -> Option<Vec<MergeEdit>> {
        if self.changes.iter().all(EntryMerge::theirs_adds_nothing) {
            return Some(Vec::new());
        }
        if !self.changes.iter().all(EntryMerge::ours_adds_nothing) {
            return None;
        }
        let changed = self.changes.iter().filter(|change| change.ours != change.theirs);
        let edits = changed.map(|change| match &change.theirs {
            Some(entry) => MergeEdit::Link { path: change.path.clone(), entry: entry.clone() },
            None => MergeEdit::Remove { path: change.path.clone() },
        });
        Some(edits.collect())
    }
}

/// What a merger compares.
pub struct DiffInput<'a> {
    /// Where the unit lies in the repository.
    pub root: &'a str,
    /// Before.
    pub before: &'a dyn UnitView,
    /// After.
    pub after: &'a dyn UnitView,
    /// What differs, in order of path.
    pub changes: &'a [EntryChange],
    /// The options of `merge.toml`, as a JSON object.
    pub options: &'a serde_json::Value,
}

/// What a merger says of two states of a unit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DiffOutcome {
    /// Rows, where they can be known.
    pub rows: Option<RowTotals>,
    /// Data files that only the state after has.
    pub files_added: u64,
    /// Data files that only the state before has.
    pub files_removed: u64,
    /// Changes of schema, properties and partitions, one sentence each.
    pub notes: Vec<String>,
    /// The partitions with files that differ, in order of their values, at most [`PARTITIONS_MAX`] of them; empty where the
    /// table has no partitions.
    pub partitions: Vec<PartitionDiff>,
    /// How many partitions differ, listed or not.
    pub partitions_changed: u64,
    /// The same for programs.
    pub details: Option<ConflictValue>,
}

/// How many partitions a diff lists.
pub const PARTITIONS_MAX: usize = 1_000;

/// What differs in one partition of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartitionDiff {
    /// The value of each partition column, as the table's log spells it.
    pub values: BTreeMap<String, Option<String>>,
    /// Data files that only the state after has.
    pub files_added: u64,
    /// Data files that only the state before has.
    pub files_removed: u64,
    /// Rows of these files, and rows that a deletion vector hides or shows, where they can be known without reading. A
    /// row that stands in a file of both counts twice.
    pub rows: Option<RowTotals>,
}

/// How a merger is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergerDescription {
    /// Its name: `delta`, `text`, or a plugin's.
    pub name: String,
    /// Its version, or a plugin's digest. Part of the id of a preview.
    pub version: String,
    /// What it takes.
    pub unit: UnitKind,
}

/// Merges units of one kind.
///
/// The same input gives the same outcome, bytes included. A merger reads only its input, writes only through its
/// writer, and never guesses: what it cannot decide is a conflict, complete and in order.
#[async_trait]
pub trait Merger: Send + Sync {
    /// How it is called.
    fn description(&self) -> MergerDescription;
    /// Merges one unit that both sides changed differently.
    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome;
    /// Checks the options of a rule of `merge.toml` before it is committed. The error says which option cannot be meant,
    /// and what it takes.
    fn check_options(&self, options: &serde_json::Value) -> Result<(), String>;
    /// What the options of a rule demand of the rows of a unit, beyond its merge. Options that cannot be meant demand
    /// nothing.
    fn demands(&self, options: &serde_json::Value) -> Demands {
        let _ = options;
        Demands::default()
    }
    /// Finds what the result of a merge breaks of these demands: all of it, in order. Reads in proportion to what changed.
    async fn violations(&self, input: ViolationsInput<'_>) -> Result<Vec<Conflict>, Failure> {
        let _ = input;
        Ok(Vec::new())
    }
    /// Compares two states of a unit.
    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError>;
    /// As [`Merger::diff`], but of the changes that it lists in its own words in `details`, as `changes`, only a page, with
    /// what to give as `after` for the next one as `next`; absent at the end. A merger that lists none answers as
    /// [`Merger::diff`] does.
    async fn diff_page(&self, input: DiffInput<'_>, page: &ChangesPage) -> Result<DiffOutcome, RowDiffError> {
        let _ = page;
        Ok(self.diff(input).await?)
    }
    /// Lists the rows that differ between two states of a table, in an order that is the same for each page. Reads
    /// only what differs between the states.
    async fn diff_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
    ) -> Result<RowDiffPage, RowDiffError> {
        let _ = (input, request);
        let name = self.description().name;
        Err(RowDiffError::Unsupported(format!("the merger {name} does not compare rows")))
    }
    /// As [`Merger::diff_rows`], but writes all rows from `after` on, up to the limit, into `sink` as they are found, typed
    /// as the table has them: a stream in Arrow's IPC format of the table's columns with `_change_type` before them, which
    /// is `insert`, `delete`, `update_preimage` or `update_postimage`. Nothing is written before the first row is found or
    /// all are compared, so that an error comes first, as a rule; one that comes later leaves the stream without its end.
    async fn stream_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<(), RowDiffError> {
        let _ = (input, request, sink);
        let name = self.description().name;
        Err(RowDiffError::Unsupported(format!("the merger {name} does not compare rows")))
    }
}
