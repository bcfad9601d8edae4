//! What a merger says of the rows that differ between two states of a table.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{RowTotals, ViewError};

/// Which part of a diff of rows is asked for. The totals are always of all rows that the condition and the sample leave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowDiffRequest {
    /// How many rows are listed at most.
    pub limit: usize,
    /// [`RowDiffPage::next`] of the page before.
    pub after: Option<String>,
    /// Only these columns, beside the keys, are compared and shown; empty: all.
    pub columns: Vec<String>,
    /// Only changes whose row before or row after fulfils this condition, as `WHERE` has it. The columns that it names
    /// are compared and shown like those of `columns`.
    pub condition: Option<String>,
    /// Only this part of the keys is compared; none: all of them.
    pub sample: Option<Sample>,
}

/// Which part of the changes that a merger lists in its own words is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChangesPage {
    /// How many are listed at most.
    pub limit: usize,
    /// What the details of the page before gave as `next`.
    pub after: Option<String>,
}

/// A part of all keys, chosen by their hash: of a key either all rows of both states are in it, or none, and the same keys
/// are in it each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    millionths: u32,
}

impl Sample {
    /// A fraction; none unless it is above 0 (at least a millionth) and at most 1.
    pub fn new(fraction: f64) -> Option<Sample> {
        let millionths = (fraction * 1e6).round();
        // NaN is in no range.
        (1.0..=1e6).contains(&millionths).then_some(Sample { millionths: millionths as u32 })
    }

    /// The fraction.
    pub fn fraction(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }

    /// Whether a key with this hash, whose bits are all as good as random, is in it.
    pub fn holds(self, hash: u64) -> bool {
        hash % 1_000_000 < u64::from(self.millionths)
    }
}

/// Takes the pieces of a long answer as they are made.
#[async_trait]
pub trait RowSink: Send + Sync {
    /// Takes the next piece, and waits while the reader is slow. False: nobody reads any more.
    async fn write(&self, piece: Bytes) -> bool;
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
    /// Whoever asked for the rows does not read them any more.
    #[error("nobody reads the rows any more")]
    Abandoned,
    /// The storage failed.
    #[error(transparent)]
    View(#[from] ViewError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_fraction_of_all_hashes() {
        for refused in [0.0, -1.0, 1e-9, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sample::new(refused), None, "{refused}");
        }
        let tenth = Sample::new(0.1).unwrap();
        assert_eq!(tenth.fraction(), 0.1);
        assert_eq!((0..1_000_000).filter(|hash| tenth.holds(*hash)).count(), 100_000);
        assert!(Sample::new(1.0).unwrap().holds(u64::MAX));
    }
}
