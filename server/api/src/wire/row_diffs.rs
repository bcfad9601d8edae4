//! What differs in one table, row by row. Of our own.

use std::collections::BTreeMap;

use anabranch_merge::RowDiffRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Pagination;
use super::tables::{RowTotals, TableChange, TableDiff};

/// The version of the form.
const FORMAT: u8 = 1;

/// Data files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileTotals {
    /// Files that only the right side has.
    pub added: u64,
    /// Files that only the left side has.
    pub removed: u64,
}

/// What happened to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// Only the right side has it.
    Added,
    /// Only the left side has it.
    Removed,
    /// Both have it, with different values. Only where keys say which row is which.
    Changed,
}

/// A row that differs. Numbers that JSON readers would round are strings, and so are decimals and times; binary is
/// base64.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedRow {
    /// What happened to it.
    pub change: RowChange,
    /// How many equal rows this stands for.
    pub copies: u64,
    /// Its key; none without keys.
    #[schema(value_type = Option<Object>)]
    pub key: Option<Map<String, Value>>,
    /// Of a changed row: the columns that differ.
    pub columns: Vec<String>,
    /// The row on the left; of a changed row only the columns that differ.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Map<String, Value>>,
    /// The row on the right; of a changed row only the columns that differ.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Map<String, Value>>,
}

impl From<anabranch_merge::ChangedRow> for ChangedRow {
    fn from(row: anabranch_merge::ChangedRow) -> Self {
        ChangedRow {
            change: match row.change {
                anabranch_merge::RowChange::Added => RowChange::Added,
                anabranch_merge::RowChange::Removed => RowChange::Removed,
                anabranch_merge::RowChange::Changed => RowChange::Changed,
            },
            copies: row.copies,
            key: row.key,
            columns: row.columns,
            before: row.before,
            after: row.after,
        }
    }
}

/// What differs in one partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PartitionDiff {
    /// The value of each partition column, as the table's log spells it.
    pub values: BTreeMap<String, Option<String>>,
    /// Data files.
    pub files: FileTotals,
    /// Rows of these files, where the log counts them; a row in a file of either side counts twice.
    pub rows: Option<RowTotals>,
}

/// The partitions with files that differ.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PartitionDiffs {
    /// How many there are.
    pub total: u64,
    /// The first 1,000 of them, in order of their values.
    pub results: Vec<PartitionDiff>,
}

impl From<anabranch_merge::PartitionDiff> for PartitionDiff {
    fn from(partition: anabranch_merge::PartitionDiff) -> Self {
        PartitionDiff {
            values: partition.values,
            files: FileTotals { added: partition.files_added, removed: partition.files_removed },
            rows: partition.rows.map(RowTotals::from),
        }
    }
}

/// The rows that differ, in the order of their keys.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedRows {
    /// The columns that say which row is which, from `_anabranch/merge.toml`; empty: rows are compared as a multiset,
    /// and none is `changed`.
    pub keys: Vec<String>,
    /// The columns that were compared, keys included.
    pub columns: Vec<String>,
    /// The condition that a row before or after a change has to fulfil; none: all changes.
    #[serde(default)]
    pub r#where: Option<String>,
    /// Which part of all keys is compared; none: all of them. The totals are those of the sample.
    #[serde(default)]
    pub sample: Option<f64>,
    /// All rows that differ, on this page or not.
    pub totals: RowTotals,
    /// The rows of this page.
    pub results: Vec<ChangedRow>,
    /// Which page this is.
    pub pagination: Pagination,
}

/// A change in the words of a plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlaceChange {
    /// `added`, `removed` or `modified`.
    pub kind: String,
    /// What changed: `object`, `row`, `column`, `schema`, `property`, `cell`, `metadata`, or a word of the plugin's own.
    pub what: String,
    /// In which object, relative to the unit; empty: the unit is one object.
    pub path: String,
    /// Where in the object: a row's key, a JSON pointer, a column; empty: all of it.
    pub key: String,
    /// The value on the left.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The value on the right.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// What differs, in the words of a plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlaceChanges {
    /// How many were added.
    pub added: u64,
    /// How many were removed.
    pub removed: u64,
    /// How many were changed.
    pub modified: u64,
    /// Whether the numbers are those of all changes.
    pub complete: bool,
    /// Those of this page, in the plugin's order.
    pub results: Vec<PlaceChange>,
    /// Which page this is.
    #[serde(default)]
    pub pagination: Pagination,
}

/// The details of a merger that lists its changes in its own words.
#[derive(Deserialize)]
struct PlaceDetails {
    added: u64,
    removed: u64,
    modified: u64,
    complete: bool,
    changes: Vec<PlaceChange>,
    next: Option<String>,
}

impl PlaceChanges {
    fn new(details: PlaceDetails, amount_max: usize) -> Self {
        let pagination = Pagination {
            has_more: details.next.is_some(),
            next_offset: details.next.unwrap_or_default(),
            results: details.changes.len(),
            max_per_page: amount_max,
        };
        PlaceChanges {
            added: details.added,
            removed: details.removed,
            modified: details.modified,
            complete: details.complete,
            results: details.changes,
            pagination,
        }
    }
}

/// What differs in one table, or in one object that a merger takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableRowDiff {
    /// The version of this form: 1.
    pub format: u8,
    /// The table's root.
    pub root: String,
    /// What happened to it as a whole.
    pub change: TableChange,
    /// Which merger compared it; none when no merger knows the format.
    pub merger: Option<String>,
    /// Changes of schema, properties and partitions, one sentence each.
    pub schema: Vec<String>,
    /// Data files.
    pub files: FileTotals,
    /// Partitions; none of a table without.
    #[serde(default)]
    pub partitions: PartitionDiffs,
    /// The rows; none where they cannot be compared.
    pub rows: Option<ChangedRows>,
    /// Why rows are not compared, if they are not.
    pub reason: Option<String>,
    /// What a plugin says of the differences; absent where none compared.
    #[serde(default)]
    pub changes: Option<PlaceChanges>,
}

impl TableRowDiff {
    pub(crate) fn new(
        mut diff: anabranch_app::TableRowDiff,
        request: &RowDiffRequest,
        amount_max: usize,
    ) -> Self {
        let partitions = PartitionDiffs {
            total: diff.table.outcome.partitions_changed,
            results: std::mem::take(&mut diff.table.outcome.partitions)
                .into_iter()
                .map(PartitionDiff::from)
                .collect(),
        };
        let table = TableDiff::from(diff.table);
        // Other mergers have details of another form.
        let details = table.details.and_then(|details| serde_json::from_value(details).ok());
        let changes = details.map(|details| PlaceChanges::new(details, amount_max));
        let (rows, reason) = match diff.rows {
            Ok(page) => (Some(ChangedRows::new(page, request, amount_max)), None),
            Err(reason) => (None, Some(reason)),
        };
        TableRowDiff {
            format: FORMAT,
            root: table.root,
            change: table.change,
            merger: table.merger,
            schema: table.notes.into_iter().chain(table.failure).collect(),
            files: FileTotals { added: table.files_added, removed: table.files_removed },
            partitions,
            rows,
            reason,
            changes,
        }
    }
}

impl ChangedRows {
    fn new(page: anabranch_merge::RowDiffPage, request: &RowDiffRequest, amount_max: usize) -> Self {
        let pagination = Pagination {
            has_more: page.next.is_some(),
            next_offset: page.next.unwrap_or_default(),
            results: page.rows.len(),
            max_per_page: amount_max,
        };
        ChangedRows {
            keys: page.keys,
            columns: page.columns,
            r#where: request.condition.clone(),
            sample: request.sample.map(anabranch_merge::Sample::fraction),
            totals: page.totals.into(),
            results: page.rows.into_iter().map(ChangedRow::from).collect(),
            pagination,
        }
    }
}
