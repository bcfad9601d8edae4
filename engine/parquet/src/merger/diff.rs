//! What differs between two states of a file, as a whole and row by row.

use std::panic::AssertUnwindSafe;

use anabranch_merge::{
    DiffInput, DiffOutcome, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, RowTotals, UnitView,
    ViewError,
};
use anabranch_rows::scan::{self, RowStream};
use anabranch_rows::{PerSide, Side};
use anabranch_types::Entry;
use arrow::datatypes::Schema;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use super::sides::{OpenFile, Unopened};
use super::stop::Stop;
use crate::RowMeans;
use crate::difference::{Comparison, Cursor, page, stream as stream_changes};
use crate::source::{self, Files};

/// Which side of a merge each state stands for.
const STATES: [Side; 2] = [Side::Base, Side::Ours];

/// Compares two states by their footers. A file that cannot be read is a note: the bytes can still be compared.
pub(super) async fn diff(input: &DiffInput<'_>, means: &RowMeans) -> Result<DiffOutcome, ViewError> {
    if input.changes.is_empty() {
        return Ok(DiffOutcome::default());
    }
    let states = [input.before.stat("").await?, input.after.stat("").await?];
    let (files, answers) = source::files();
    let opened = async {
        let [before, after] = unopened(&files, input, &states);
        Ok([open(before, means).await?, open(after, means).await?])
    };
    let views = [input.before, input.after, input.after];
    match answers.while_running(views, kept_within(opened)).await {
        Ok([before, after]) => Ok(compare(before.as_ref(), after.as_ref())),
        Err(RowDiffError::View(error)) => Err(error),
        Err(why) => Ok(DiffOutcome { notes: vec![why.to_string()], ..DiffOutcome::default() }),
    }
}

/// One page of the rows that differ.
pub(super) async fn diff_rows(
    input: &DiffInput<'_>,
    request: &RowDiffRequest,
    means: &RowMeans,
) -> Result<RowDiffPage, RowDiffError> {
    let cursor = Cursor::begin(input, request).await?;
    let states = [input.before.stat("").await?, input.after.stat("").await?];
    if states.iter().all(Option::is_none) {
        return Ok(RowDiffPage::default());
    }
    let (files, answers) = source::files();
    let work = async {
        let (comparison, rows) = begin(&files, input, &states, request, means).await?;
        page(comparison, rows, means, cursor, request.limit).await
    };
    // The third view is asked for nothing.
    answers.while_running([input.before, input.after, input.after], kept_within(work)).await
}

/// Writes the rows that differ into a sink.
pub(super) async fn stream_rows(
    input: &DiffInput<'_>,
    request: &RowDiffRequest,
    means: &RowMeans,
    sink: &dyn RowSink,
) -> Result<(), RowDiffError> {
    let cursor = Cursor::begin(input, request).await?;
    let states = [input.before.stat("").await?, input.after.stat("").await?];
    if states.iter().all(Option::is_none) {
        return Err(RowDiffError::Unsupported("there is no file on either side".to_owned()));
    }
    let (files, answers) = source::files();
    let work = async {
        let (comparison, rows) = begin(&files, input, &states, request, means).await?;
        stream_changes(input.root, comparison, rows, means, cursor, request.limit, sink).await
    };
    answers.while_running([input.before, input.after, input.after], kept_within(work)).await
}

/// Work on files of others: whatever a hostile one makes of its reader ends here.
async fn kept_within<T>(work: impl Future<Output = Result<T, RowDiffError>>) -> Result<T, RowDiffError> {
    let broke_off = |_| Err(RowDiffError::Damaged("a file cannot be read: its reader broke off".to_owned()));
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(broke_off)
}

/// What is compared, and the rows of both states in the order of their files.
async fn begin(
    files: &Files,
    input: &DiffInput<'_>,
    states: &[Option<Entry>; 2],
    request: &RowDiffRequest,
    means: &RowMeans,
) -> Result<(Comparison, [RowStream; 2]), RowDiffError> {
    let [before, after] = unopened(files, input, states);
    let (before, after) = (open(before, means).await?, open(after, means).await?);
    let none = Schema::empty();
    let plain = |file: &Option<OpenFile>| file.as_ref().map(|file| file.columns.plain.clone());
    let (old, new) = (plain(&before), plain(&after));
    // Where a state has no file it has the columns of the other, and no rows.
    let schemas = [old.as_ref().or(new.as_ref()), new.as_ref().or(old.as_ref())];
    let comparison = Comparison::new(input, request, schemas.map(|schema| schema.unwrap_or(&none)), "file")?;
    let (rows, key) = (comparison.schema().rows.clone(), comparison.key().to_vec());
    let projections = PerSide::from_fn(|side| comparison.schema().projections.get(side).clone());
    let unsorted = [before, after].into_iter().zip(STATES).map(|(file, side)| {
        let Some(file) = file else { return stream::empty().boxed() };
        let (rows, key) = (rows.clone(), key.clone());
        let scan = file.scan(projections.get(side), None);
        stream::once(async move { scan::read(scan, rows, &key).await }).try_flatten().boxed()
    });
    let mut unsorted = unsorted.collect::<Vec<RowStream>>().into_iter();
    let mut next = || unsorted.next().unwrap_or_else(|| stream::empty().boxed());
    Ok((comparison, [next(), next()]))
}

fn unopened(files: &Files, input: &DiffInput<'_>, states: &[Option<Entry>; 2]) -> [Option<Unopened>; 2] {
    let [before, after] = states;
    let views: [(&dyn UnitView, &Option<Entry>, Side); 2] =
        [(input.before, before, Side::Base), (input.after, after, Side::Ours)];
    views.map(|(view, entry, side)| Unopened::of(files, side, view, input.root, entry.as_ref()))
}

async fn open(file: Option<Unopened>, means: &RowMeans) -> Result<Option<OpenFile>, RowDiffError> {
    let Some(file) = file else { return Ok(None) };
    match file.open_to_read(means.budget.memory_bytes).await {
        Ok(file) => Ok(Some(file)),
        Err(Stop::Storage(error)) => Err(RowDiffError::View(error)),
        Err(Stop::Failed(failure)) => Err(RowDiffError::TooLarge(failure.message)),
        Err(Stop::Whole(message)) => Err(RowDiffError::Damaged(message)),
        Err(Stop::Conflicts(_)) => Err(RowDiffError::Damaged("the file cannot be read".to_owned())),
    }
}

fn compare(before: Option<&OpenFile>, after: Option<&OpenFile>) -> DiffOutcome {
    let rows = |file: Option<&OpenFile>| file.map_or(0, |file| file.rows);
    let (old, new) = (rows(before), rows(after));
    let (notes, totals) = match (before, after) {
        (None, Some(_)) => (
            vec![format!("{new} rows in a new file")],
            Some(RowTotals { added: new, ..RowTotals::default() }),
        ),
        (Some(_), None) => (
            vec![format!("{old} rows in a file that is gone")],
            Some(RowTotals { removed: old, ..RowTotals::default() }),
        ),
        (Some(before), Some(after)) => {
            let mut notes = columns(&before.columns.plain, &after.columns.plain);
            notes.push(format!("{old} rows before, {new} after"));
            (notes, None)
        }
        (None, None) => (Vec::new(), None),
    };
    let details = json!({ "format": "parquet", "rowsBefore": old, "rowsAfter": new, "notes": notes });
    DiffOutcome { rows: totals, notes, details: Some(details), ..DiffOutcome::default() }
}

/// What differs between the columns of two states.
fn columns(before: &Schema, after: &Schema) -> Vec<String> {
    let mut notes = Vec::new();
    for old in before.fields() {
        let name = old.name();
        notes.extend(match after.field_with_name(name) {
            Err(_) => Some(format!("column {name} dropped")),
            Ok(new) if new.data_type() != old.data_type() => {
                Some(format!("column {name} became {} (was {})", new.data_type(), old.data_type()))
            }
            Ok(_) => None,
        });
    }
    let added = after.fields().iter().filter(|new| before.field_with_name(new.name()).is_err());
    notes.extend(added.map(|new| format!("column {} added", new.name())));
    notes
}
