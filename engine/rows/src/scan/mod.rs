//! The way from Parquet files to sorted streams: reading, leaving out deleted rows and row groups beyond a range,
//! and sorting by key under a memory budget with the disk behind it. The only place here that waits.

mod decoder;
mod drive;
mod file;
mod footer;
mod meter;
mod pages;
mod readable;
mod sorting;
mod source;
mod statistics;

use futures::stream::BoxStream;

use arrow::array::RecordBatch;

pub use drive::{diff_next, merge_next, survey};
pub use file::{FILE_COLUMN, FileScan, POSITION_COLUMN, RowMask, footer, read, with_positions};
pub use footer::check_file;
pub use meter::{Held, SortMeter};
pub use pages::check_pages;
pub use readable::readable;
pub use sorting::{SortBudget, SortedRows, batch_rows, sort};
pub use source::{ByteSource, ReadError};
pub use statistics::file_keys;

use crate::error::Result;

/// Batches of rows of one schema.
pub type RowStream = BoxStream<'static, Result<RecordBatch>>;
