//! All rows that differ, typed, written as they are found.

use anabranch_merge::{DiffInput, RowDiffError, RowDiffRequest, RowSink};
use anabranch_rows::ChangeFeed;

use super::cursor::Cursor;
use super::{Comparison, Running, of_engine};
use crate::rows::{RowMeans, source};
use crate::snapshot::Snapshot;

/// The version of the stream's form.
const FORMAT: &str = "1";

/// Writes the rows that differ into a sink. A state is none where there is no table.
pub(crate) async fn stream_rows(
    input: &DiffInput<'_>,
    states: [Option<&Snapshot>; 2],
    request: &RowDiffRequest,
    means: &RowMeans,
    sink: &dyn RowSink,
) -> Result<(), RowDiffError> {
    let cursor = Cursor::begin(input, request).await?;
    let [before, after] = states;
    let Some(any) = after.or(before) else {
        return Err(RowDiffError::Unsupported("there is no table on either side".to_owned()));
    };
    let comparison = Comparison::new(input, [before.unwrap_or(any), after.unwrap_or(any)], request)?;
    let (files, answers) = source::files();
    let work = async {
        let listed = cursor.skip.saturating_add(request.limit);
        let running = Running::begin(input, states, comparison, &files, means, listed).await?;
        write(input.root, running, cursor.skip, request.limit, sink).await
    };
    // The third view is asked for nothing.
    answers.while_running([input.before, input.after, input.after], work).await
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
