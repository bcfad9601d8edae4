//! Row-level diff and three-way row merge over Arrow batches.
//!
//! The way of a merge: [`schema`] joins the three schemas and says how each side's batches come into the result;
//! [`sort`] puts each side in the order of its keys; [`RowMerge`] walks over all three at once and writes merged
//! batches, numbers and conflicts. Equality is that of [`normal`], everywhere. A diff is [`RowDiff`]; [`ChangeFeed`]
//! makes typed batches of it, and [`filter`] says which rows somebody wants to see.

mod bag;
mod batches;
mod codec;
mod compute;
mod conflict;
mod cursor;
mod decide;
mod diff;
mod error;
mod feed;
pub mod filter;
mod groups;
pub mod json;
pub mod json_read;
mod merge;
pub mod normal;
mod output;
mod plan;
pub mod predicate;
pub mod range;
pub mod scan;
pub mod schema;
mod settle;
mod side;
pub mod sort;
mod totals;

pub use bag::BagSurvey;
pub use batches::RowBatches;
pub use codec::{EncodedBatch, RowCodec};
pub use conflict::{Choice, Resolver, RowConflict, RowConflictKind, resolve_from};
pub use diff::{
    DiffOptions, DiffRow, DiffStep, DiffTotals, RowChange, RowDiff, RowView, Version, diff_batches,
};
pub use error::{Error, GroupLimit, Result};
pub use feed::{CHANGE_TYPE, CHANGED_COLUMNS, ChangeFeed};
pub use groups::Copies;
pub use merge::{RowMerge, RowSurvey, Step, merge_batches, survey_batches};
pub use output::{Gone, MergedBatch, Origin};
pub use plan::{Identity, MergeOptions, OpenRows, Policy, key_columns};
pub use side::{PerSide, Side};
pub use totals::{MergeReport, RowDelta};
