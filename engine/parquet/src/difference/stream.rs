//! All rows that differ, typed, written as they are found.

use anabranch_merge::{RowDiffError, RowSink};
use anabranch_rows::ChangeFeed;
use anabranch_rows::scan::RowStream;

use super::cursor::Cursor;
use super::{Comparison, Running, of_engine};
use crate::RowMeans;

/// The version of the stream's form.
const FORMAT: &str = "1";

/// Writes the rows that differ, of the states before and after, into a sink: from where the cursor stands, so many at most.
///
/// # Errors
///
/// As [`super::page`]; nobody reads any more.
pub async fn stream(
    root: &str,
    comparison: Comparison,
    unsorted: [RowStream; 2],
    means: &RowMeans,
    cursor: Cursor,
    limit: usize,
    sink: &dyn RowSink,
) -> Result<(), RowDiffError> {
    let running = Running::begin(comparison, unsorted, means, cursor.skip.saturating_add(limit)).await?;
    write(root, running, cursor.skip, limit, sink).await
}

async fn write(
    root: &str,
    mut running: Running,
    mut skip: usize,
    mut limit: usize,
    sink: &dyn RowSink,
) -> Result<(), RowDiffError> {
    let about = [
        ("anabranch.format", FORMAT.to_owned()),
        ("anabranch.table", root.to_owned()),
        ("anabranch.keys", serde_json::json!(running.keys).to_string()),
    ];
    let mut feed = ChangeFeed::new(&running.rows, &about).map_err(of_engine)?;
    while limit > 0
        && let Some(mut changes) = running.next().await?
    {
        let skipped = skip.min(changes.len());
        skip -= skipped;
        changes.drain(..skipped);
        changes.truncate(limit);
        limit -= changes.len();
        if changes.is_empty() {
            continue;
        }
        let piece = feed.write(&changes).map_err(of_engine)?;
        if !sink.write(piece.into()).await {
            return Err(RowDiffError::Abandoned);
        }
    }
    let end = feed.finish().map_err(of_engine)?;
    if sink.write(end.into()).await { Ok(()) } else { Err(RowDiffError::Abandoned) }
}
