//! How the merge of one unit ends.

use anabranch_types::Entry;
use serde::{Deserialize, Serialize};

use crate::Conflict;

/// One change of ours that a merger asks for. Paths are relative to the unit.
#[derive(Clone, PartialEq, Debug)]
pub enum MergeEdit {
    /// The path holds an object that the merger wrote.
    Put {
        /// The path.
        path: String,
        /// What it holds.
        entry: Entry,
    },
    /// The path holds what another side (or path) has: no byte moves.
    Link {
        /// The path.
        path: String,
        /// The entry as it was read, with a fresh time where the format wants one.
        entry: Entry,
    },
    /// The path holds nothing any more.
    Remove {
        /// The path.
        path: String,
    },
}

impl MergeEdit {
    /// The path that is edited, relative to the unit.
    pub fn path(&self) -> &str {
        match self {
            MergeEdit::Put { path, .. } | MergeEdit::Link { path, .. } | MergeEdit::Remove { path } => path,
        }
    }
}

/// Rows and cells that a merge brought to ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RowTotals {
    /// Rows added.
    pub added: u64,
    /// Rows removed.
    pub removed: u64,
    /// Rows changed.
    pub modified: u64,
    /// Cells changed.
    pub cells: u64,
}

/// What an implementation that is not ours says of a merged table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// Nothing was to be verified: a side was taken whole, or the unit is no table.
    NotNeeded,
    /// It sees the planned files and schema.
    Agrees,
    /// It does not know a feature of the table; our own linter has passed it.
    Unverified {
        /// Why it cannot judge.
        reason: String,
    },
}

/// What a merge of one unit did, for people and programs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MergeReport {
    /// How it was merged: `fast-forward`, `metadata`, `rows`, `object`, `text`, or a plugin's name and digest.
    pub how: String,
    /// Rows, where the unit has rows and they are known.
    pub rows: Option<RowTotals>,
    /// Data files that came to ours, and left it.
    pub files_added: u64,
    /// Data files that left ours.
    pub files_removed: u64,
    /// Bytes that the merger wrote. Links write none.
    pub bytes_written: u64,
    /// What the independent verifier said.
    pub verification: Verification,
    /// Sentences worth reading: what was dropped, squashed or decided by a policy.
    pub notes: Vec<String>,
}

impl MergeReport {
    /// The report of a merge that did nothing yet.
    pub fn new(how: impl Into<String>) -> Self {
        MergeReport {
            how: how.into(),
            rows: None,
            files_added: 0,
            files_removed: 0,
            bytes_written: 0,
            verification: Verification::NotNeeded,
            notes: Vec::new(),
        }
    }
}

/// Why a merger could not do its work. Nothing is published, and no other rule takes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureReason {
    /// The storage failed under it. Trying again may help.
    Storage,
    /// A limit on size, time or memory.
    Limit,
    /// The independent verifier saw something else than was planned.
    VerificationDisagrees,
    /// The merger declined the unit and no rule says what then.
    Declined,
    /// The merger broke its contract, or trapped.
    Broken,
}

/// A merger's failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// What happened, with the path: one sentence.
    pub message: String,
}

/// The three ends of a merge of one unit.
#[derive(Clone, PartialEq, Debug)]
pub enum MergeOutcome {
    /// The unit is merged: these edits to ours, each path at most once, in order of path.
    Merged {
        /// What changes on ours.
        edits: Vec<MergeEdit>,
        /// What was done.
        report: MergeReport,
    },
    /// It cannot be decided: the complete list, in order.
    Conflicts {
        /// All conflicts of the unit; never empty.
        conflicts: Vec<Conflict>,
        /// What would have been done beside them.
        report: MergeReport,
    },
    /// The merger failed.
    Failed(Failure),
}
