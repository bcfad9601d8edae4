//! The rows that differ between two states of a table.
//!
//! A file that both states hold, with one deletion vector, is on both sides and not read. Of a file whose deletion
//! vector alone differs those rows are compared that one vector hides and the other does not. What is left goes to
//! [`anabranch_parquet::difference`].

mod versions;

use anabranch_merge::{DiffInput, RowDiffError, RowDiffPage, RowDiffRequest, RowSink};
use anabranch_parquet::difference::{Comparison, Cursor, page, stream};
use arrow::datatypes::Schema;

use self::versions::Versions;
use super::partition::Partitions;
use super::{RowMeans, schema, source};
use crate::snapshot::Snapshot;

/// One page of the rows that differ. A state is none where there is no table.
pub(crate) async fn diff_rows(
    input: &DiffInput<'_>,
    states: [Option<&Snapshot>; 2],
    request: &RowDiffRequest,
    means: &RowMeans,
) -> Result<RowDiffPage, RowDiffError> {
    let cursor = Cursor::begin(input, request).await?;
    let [before, after] = states;
    let Some(any) = after.or(before) else { return Ok(RowDiffPage::default()) };
    let (comparison, partitions) = compare(input, [before.unwrap_or(any), after.unwrap_or(any)], request)?;
    let (files, answers) = source::files();
    let work = async {
        let versions = Versions::open(input, states, &comparison, partitions, &files).await?;
        let rows = versions.unsorted(&comparison);
        page(comparison, rows, means, cursor, request.limit).await
    };
    // The third view is asked for nothing.
    answers.while_running([input.before, input.after, input.after], work).await
}

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
    let (comparison, partitions) = compare(input, [before.unwrap_or(any), after.unwrap_or(any)], request)?;
    let (files, answers) = source::files();
    let work = async {
        let versions = Versions::open(input, states, &comparison, partitions, &files).await?;
        let rows = versions.unsorted(&comparison);
        stream(input.root, comparison, rows, means, cursor, request.limit, sink).await
    };
    // The third view is asked for nothing.
    answers.while_running([input.before, input.after, input.after], work).await
}

/// What is compared, and the partitions before and after: the states may be partitioned differently.
fn compare(
    input: &DiffInput<'_>,
    states: [&Snapshot; 2],
    request: &RowDiffRequest,
) -> Result<(Comparison, [Partitions; 2]), RowDiffError> {
    if states.into_iter().any(maps_columns) {
        let why = "the table maps its columns to other names, and rows of such tables are not compared yet";
        return Err(RowDiffError::Unsupported(why.to_owned()));
    }
    let [before, after] = states.map(arrow_schema);
    let comparison = Comparison::new(input, request, [&before?, &after?], "table")?;
    let rows = &comparison.schema().rows;
    let partitions = |state: &Snapshot| {
        let in_rows = |name: &&String| rows.index_of(name).is_ok();
        let names: Vec<String> = state.metadata.partition_columns.iter().filter(in_rows).cloned().collect();
        Partitions::new(rows, &names).map_err(RowDiffError::Unsupported)
    };
    let [before, after] = states.map(partitions);
    Ok((comparison, [before?, after?]))
}

/// Whether the columns of the files have other names than those of the table.
fn maps_columns(state: &Snapshot) -> bool {
    state.metadata.configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none")
}

fn arrow_schema(state: &Snapshot) -> Result<Schema, RowDiffError> {
    schema::arrow_schema(&state.metadata).map_err(RowDiffError::Unsupported)
}
