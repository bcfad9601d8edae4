//! What a merge did to a table, and what differs in one. Of our own: lakeFS clients ignore it.

use anabranch_merge::Change;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pagination;

/// The version of the form of a list of tables.
const FORMAT: u8 = 1;

/// Rows and cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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

impl From<anabranch_merge::RowTotals> for RowTotals {
    fn from(rows: anabranch_merge::RowTotals) -> Self {
        RowTotals { added: rows.added, removed: rows.removed, modified: rows.modified, cells: rows.cells }
    }
}

/// What an implementation that is not ours says of a merged table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Verification {
    /// Nothing was to be verified.
    NotNeeded,
    /// It sees the planned files and schema.
    Agrees,
    /// It does not know a feature of the table.
    Unverified {
        /// Why it cannot judge.
        reason: String,
    },
}

/// What a merge did to a table or unit.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableSummary {
    /// Its root.
    pub root: String,
    /// Whether it is a single object that a merger took.
    #[serde(default)]
    pub is_object: bool,
    /// Its format, if it is a table that is known by its files: `Delta`, `Iceberg`, `Hudi`.
    pub format: Option<String>,
    /// The merger that was asked; none when none had to be.
    pub merger: Option<String>,
    /// Whose state it has: `ours`, `theirs`, `merged`, `conflicts`, `took-ours`, `took-theirs`, `took-base`.
    pub decision: String,
    /// How it was merged: `fast-forward`, `metadata`, `rows`, `object`, `text`, or a plugin's name and digest.
    pub how: String,
    /// Rows, where they are known.
    pub rows: Option<RowTotals>,
    /// Data files that came to the destination.
    pub files_added: u64,
    /// Data files that left it.
    pub files_removed: u64,
    /// Bytes that the merger wrote.
    pub bytes_written: u64,
    /// What the independent verifier said.
    pub verification: Verification,
    /// Sentences worth reading.
    pub notes: Vec<String>,
}

impl From<anabranch_app::TableSummary> for TableSummary {
    fn from(table: anabranch_app::TableSummary) -> Self {
        let report = table.report;
        TableSummary {
            root: table.root,
            is_object: table.is_object,
            format: table.format.map(|format| format.to_string()),
            merger: table.merger,
            decision: table.decision.as_str().to_owned(),
            how: report.how,
            rows: report.rows.map(RowTotals::from),
            files_added: report.files_added,
            files_removed: report.files_removed,
            bytes_written: report.bytes_written,
            verification: match report.verification {
                anabranch_merge::Verification::NotNeeded => Verification::NotNeeded,
                anabranch_merge::Verification::Agrees => Verification::Agrees,
                anabranch_merge::Verification::Unverified { reason } => Verification::Unverified { reason },
            },
            notes: report.notes,
        }
    }
}

/// What happened to a table as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableChange {
    /// It is there and was not.
    Added,
    /// It was there and is not.
    Removed,
    /// It is another.
    Changed,
}

/// What differs in one table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableDiff {
    /// Its root.
    pub root: String,
    /// What happened to it.
    pub change: TableChange,
    /// Which merger compared it; none when no merger knows the format.
    pub merger: Option<String>,
    /// How many objects below the root differ.
    pub objects_changed: u64,
    /// Rows, where they are known.
    pub rows: Option<RowTotals>,
    /// Data files that only the right side has.
    pub files_added: u64,
    /// Data files that only the left side has.
    pub files_removed: u64,
    /// Partitions with files that differ.
    #[serde(default)]
    pub partitions_changed: u64,
    /// Changes of schema, properties and partitions.
    pub notes: Vec<String>,
    /// The same for programs, in the merger's own form.
    pub details: Option<serde_json::Value>,
    /// Why the merger could not compare it, if it could not.
    pub failure: Option<String>,
}

impl From<anabranch_app::TableDiff> for TableDiff {
    fn from(table: anabranch_app::TableDiff) -> Self {
        TableDiff {
            root: table.root,
            change: match table.change {
                Change::Added => TableChange::Added,
                Change::Removed => TableChange::Removed,
                Change::Modified => TableChange::Changed,
            },
            merger: table.merger,
            objects_changed: table.objects_changed,
            rows: table.outcome.rows.map(RowTotals::from),
            files_added: table.outcome.files_added,
            files_removed: table.outcome.files_removed,
            partitions_changed: table.outcome.partitions_changed,
            notes: table.outcome.notes,
            details: table.outcome.details,
            failure: table.failure,
        }
    }
}

/// The tables that differ between two refs, in order of root.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableDiffList {
    /// The version of this form: 1.
    pub format: u8,
    /// The left ref.
    pub left: String,
    /// The right ref.
    pub right: String,
    /// Which page this is.
    pub pagination: Pagination,
    /// The tables.
    pub results: Vec<TableDiff>,
}

impl TableDiffList {
    pub(crate) fn new(left: String, right: String, pagination: Pagination, results: Vec<TableDiff>) -> Self {
        TableDiffList { format: FORMAT, left, right, pagination, results }
    }
}
