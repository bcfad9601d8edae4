//! What can go wrong with rows: each variant is a case that a caller tells apart.

use std::fmt;

use arrow::error::ArrowError;

use crate::Side;

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why rows could not be compared, merged, or read. Conflicts are not errors: they are values of the result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The values of a column have no equality here.
    #[error("column {column}: values of type {types} cannot be compared")]
    Incomparable {
        /// The column.
        column: String,
        /// Its type, or its types on the sides.
        types: String,
    },
    /// A column that was named does not exist.
    #[error("there is no column {column}: {wanted_for} names it")]
    UnknownColumn {
        /// The name.
        column: String,
        /// What names it: `key`, `policy`, …
        wanted_for: &'static str,
    },
    /// A policy cannot work on this column.
    #[error("column {column}: policy {policy} {why}")]
    Policy {
        /// The column.
        column: String,
        /// The policy, as it is written.
        policy: String,
        /// What it wants.
        why: &'static str,
    },
    /// A batch does not have the schema that was announced.
    #[error("{side}: a batch does not have the merged schema: {why}")]
    Schema {
        /// Whose batch.
        side: Side,
        /// Where it differs.
        why: String,
    },
    /// A stream is not in the order of its keys.
    #[error("{side}: the rows are not sorted by their keys")]
    Unsorted {
        /// Whose rows.
        side: Side,
    },
    /// A choice does not fit its conflict.
    #[error("a choice does not fit its conflict at {place}: {why}")]
    Choice {
        /// The conflict's key and column.
        place: String,
        /// What does not fit.
        why: String,
    },
    /// A file could not be read, or is no such Parquet file.
    #[error("{file}: {step}")]
    Read {
        /// The file, as its source names it.
        file: String,
        /// Which step.
        step: &'static str,
        /// What the reader says.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A table finds its columns by field ids, and a file of it has none.
    #[error("{file} has no field ids, and the table finds its columns by them")]
    NoFieldIds {
        /// The file, as its source names it.
        file: String,
    },
    /// Sorting failed: neither memory nor the disk behind it sufficed, or the input failed.
    #[error("sorting rows by their keys")]
    Sort(#[source] Box<datafusion_common::DataFusionError>),
    /// A condition on rows cannot be read, does not fit the columns, or fails on a value.
    #[error("where: {place}: {why}")]
    Condition {
        /// Where in its text.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// More rows share one key than may be held at once.
    #[error("{side}: more than {limit} share the key {key}: they cannot be compared at once")]
    KeyTooCommon {
        /// Whose rows.
        side: Side,
        /// The key; without identity the row.
        key: String,
        /// How much one key of a side may have.
        limit: GroupLimit,
    },
    /// The table has a column that is named as one of the columns that say what happened.
    #[error(
        "the table has a column {column}, which is the name of a column that says what happened: ask for other columns"
    )]
    ReservedColumn {
        /// The column.
        column: String,
    },
    /// A rows stream was used against its contract.
    #[error("{0}")]
    Misuse(&'static str),
    /// Arrow refused.
    #[error("{step}")]
    Arrow {
        /// Which step.
        step: &'static str,
        /// What Arrow says.
        #[source]
        source: ArrowError,
    },
}

/// How much of one key is held at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupLimit {
    /// So many rows.
    Rows(usize),
    /// Rows in batches of so many bytes.
    Bytes(usize),
}

impl fmt::Display for GroupLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupLimit::Rows(rows) => write!(f, "{rows} rows"),
            GroupLimit::Bytes(bytes) => write!(f, "{bytes} bytes of rows"),
        }
    }
}

/// Names the step at which Arrow refused.
pub(crate) trait During<T> {
    /// Turns Arrow's error into ours.
    fn during(self, step: &'static str) -> Result<T>;
}

impl<T> During<T> for std::result::Result<T, ArrowError> {
    fn during(self, step: &'static str) -> Result<T> {
        self.map_err(|source| Error::Arrow { step, source })
    }
}
