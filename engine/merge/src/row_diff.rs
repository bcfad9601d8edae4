//! What a merger says of the rows that differ between two states of a table.

use serde_json::{Map, Value};

use crate::{RowTotals, ViewError};

/// Which part of a diff of rows is asked for. The totals are always of all rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowDiffRequest {
    /// How many rows are listed at most.
    pub limit: usize,
    /// [`RowDiffPage::next`] of the page before.
    pub after: Option<String>,
    /// Only these columns, beside the keys, are compared and shown; empty: all.
    pub columns: Vec<String>,
}

/// What happened to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowChange {
    /// Only the state after has it.
    Added,
    /// Only the state before has it.
    Removed,
    /// Both have it, with different values.
    Changed,
}

/// A row that differs. Values are as JSON shows them.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangedRow {
    /// What happened to it.
    pub change: RowChange,
    /// How many equal rows this stands for.
    pub copies: u64,
    /// Its key; none where nothing tells rows apart.
    pub key: Option<Map<String, Value>>,
    /// Of a changed row: the columns that differ, in the table's order.
    pub columns: Vec<String>,
    /// The row before; of a changed row only the columns that differ.
    pub before: Option<Map<String, Value>>,
    /// The row after; of a changed row only the columns that differ.
    pub after: Option<Map<String, Value>>,
}

/// One page of a diff of rows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RowDiffPage {
    /// The columns that say which row is which; empty: rows were compared as a multiset.
    pub keys: Vec<String>,
    /// The columns that were compared, keys included, in the table's order.
    pub columns: Vec<String>,
    /// All rows that differ, listed or not.
    pub totals: RowTotals,
    /// The rows of this page, in the order of their keys.
    pub rows: Vec<ChangedRow>,
    /// What to give as `after` for the next page; none at the end.
    pub next: Option<String>,
}

/// Why rows were not compared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RowDiffError {
    /// Rows of tables like this one are not compared: why.
    #[error("{0}")]
    Unsupported(String),
    /// The request, or the options of the table's rule, cannot be meant: what is wrong, and what to do.
    #[error("{0}")]
    Invalid(String),
    /// More rows differ than may be compared at once.
    #[error("{0}")]
    TooLarge(String),
    /// A file of the table is missing, or is not what the table says.
    #[error("{0}")]
    Damaged(String),
    /// The storage failed.
    #[error(transparent)]
    View(#[from] ViewError),
}
