//! Sorts in memory what fits into it, and with the disk what does not.

use anabranch_rows::scan::{self, RowStream, SortBudget};
use anabranch_rows::sort::sort_batches;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::{BATCH_ROWS, RowMeans};

/// Why rows were not sorted.
#[derive(Debug)]
pub enum Unsorted {
    /// They take more memory than this, in bytes, and there is no folder for them.
    TooLarge(usize),
    /// The row engine failed.
    Engine(anabranch_rows::Error),
}

impl From<anabranch_rows::Error> for Unsorted {
    fn from(error: anabranch_rows::Error) -> Self {
        Unsorted::Engine(error)
    }
}

/// The rows of a stream in the order of their keys, within one of `parts` equal parts of the budget: unsorted and sorted rows
/// may stand beside each other.
///
/// # Errors
///
/// As those of the stream; neither memory nor disk suffice.
pub async fn sorted(
    mut unsorted: RowStream,
    rows: &SchemaRef,
    key: &[usize],
    means: &RowMeans,
    parts: usize,
) -> Result<RowStream, Unsorted> {
    let budget = &means.budget;
    let share = budget.memory_bytes / parts.max(1).saturating_mul(2);
    let (mut batches, mut rows_read, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    while let Some(batch) = unsorted.try_next().await? {
        bytes = bytes.saturating_add(batch.get_array_memory_size());
        rows_read = rows_read.saturating_add(batch.num_rows());
        batches.push(batch);
        if bytes <= share {
            continue;
        }
        let Some(folder) = budget.folder.clone() else { return Err(Unsorted::TooLarge(share)) };
        let memory_bytes = budget.memory_bytes / parts.max(1);
        let on_disk = SortBudget {
            memory_bytes,
            folder,
            disk_bytes_max: budget.disk_bytes / parts.max(1) as u64,
            batch_rows: scan::batch_rows(memory_bytes, rows_read, bytes, BATCH_ROWS),
            meter: means.meter.clone(),
        };
        let all = stream::iter(batches.into_iter().map(Ok)).chain(unsorted).boxed();
        return Ok(scan::sort(rows.clone(), key, all, &on_disk)?.boxed());
    }
    let sorted = sort_batches(rows, key, &batches, BATCH_ROWS)?;
    let held = means.meter.hold(bytes);
    let counted = move |batch| {
        // Counted as long as the stream is.
        let _ = &held;
        Ok(batch)
    };
    Ok(stream::iter(sorted.into_iter().map(counted)).boxed())
}
