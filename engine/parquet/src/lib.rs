//! Rows in Parquet files of units: what all mergers of rows share, and the merger of single Parquet files.
//!
//! A merger of rows reads files through the views of its input ([`source`]), sorts within a budget ([`sorted`]), lets
//! `engine/rows` decide, and shows what is open in the words that all share ([`conflicts`], [`options`]). Which rows differ
//! between two states is [`difference`]'s to say, whatever holds the files together. [`ParquetMerger`] merges files that
//! belong to no table.

mod budget;
pub mod conflicts;
pub mod difference;
mod merger;
pub mod options;
pub mod sorted;
pub mod source;
mod thread;

pub use budget::{BATCH_ROWS, RowBudget, RowMeans, RowTurns};
pub use merger::ParquetMerger;
pub use thread::on_a_thread;
