//! What differs between two states of a table, for people and programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{
    DiffInput, DiffOutcome, PARTITIONS_MAX, PartitionDiff, RowDiffError, RowDiffPage, RowDiffRequest,
    RowSink, RowTotals, ViewError,
};
use serde_json::json;

use crate::action::Add;
use crate::plan::{ChangedFiles, changed_files, schema_changes};
use crate::read::{ReadError, SnapshotCache, read_log};
use crate::rows::{self, RowMeans};
use crate::snapshot::{LiveFiles, Snapshot};

/// The table before and after; none where there is none.
type States = [Option<Arc<Snapshot>>; 2];

/// Compares two states. A log that cannot be read is a note, not an error: the objects can still be compared.
pub(crate) async fn diff(cache: &SnapshotCache, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
    match states(cache, &input).await? {
        Ok([Some(before), Some(after)]) => Ok(compare(&before, &after)),
        Ok([None, Some(after)]) => Ok(created_or_dropped(&after, true)),
        Ok([Some(before), None]) => Ok(created_or_dropped(&before, false)),
        Ok([None, None]) => Ok(DiffOutcome::default()),
        Err(note) => Ok(DiffOutcome { notes: vec![note], ..DiffOutcome::default() }),
    }
}

/// Lists the rows that differ.
pub(crate) async fn diff_rows(
    cache: &SnapshotCache,
    input: DiffInput<'_>,
    request: &RowDiffRequest,
    means: &RowMeans,
) -> Result<RowDiffPage, RowDiffError> {
    let [before, after] = states(cache, &input).await?.map_err(RowDiffError::Damaged)?;
    rows::diff_rows(&input, [before.as_deref(), after.as_deref()], request, means).await
}

/// Writes the rows that differ into a sink.
pub(crate) async fn stream_rows(
    cache: &SnapshotCache,
    input: DiffInput<'_>,
    request: &RowDiffRequest,
    means: &RowMeans,
    sink: &dyn RowSink,
) -> Result<(), RowDiffError> {
    let [before, after] = states(cache, &input).await?.map_err(RowDiffError::Damaged)?;
    rows::stream_rows(&input, [before.as_deref(), after.as_deref()], request, means, sink).await
}

/// Reads both logs. The inner error says which one cannot be read, and why.
async fn states(cache: &SnapshotCache, input: &DiffInput<'_>) -> Result<Result<States, String>, ViewError> {
    let mut states = [None, None];
    let sides = [("before", input.before), ("after", input.after)];
    for (state, (side, view)) in states.iter_mut().zip(sides) {
        match read_log(view, cache).await {
            Ok(log) => *state = log.map(|log| log.snapshot),
            Err(ReadError::View(error)) => return Err(error),
            Err(ReadError::Damaged(damage)) => {
                let note = format!("the table cannot be read {side}: {}: {}", damage.file, damage.message);
                return Ok(Err(note));
            }
        }
    }
    Ok(Ok(states))
}

fn created_or_dropped(state: &Snapshot, created: bool) -> DiffOutcome {
    let none = LiveFiles::new();
    let (before, after) = if created { (&none, &state.files) } else { (&state.files, &none) };
    let partitions = match state.metadata.partition_columns.is_empty() {
        true => Vec::new(),
        false => partitions(&changed_files(before, after)),
    };
    let files = state.files.len() as u64;
    let rows = state.files.values().map(|add| add.live_rows()).sum::<Option<u64>>();
    let (files_added, files_removed) = if created { (files, 0) } else { (0, files) };
    let totals = |rows| {
        if created {
            RowTotals { added: rows, ..RowTotals::default() }
        } else {
            RowTotals { removed: rows, ..RowTotals::default() }
        }
    };
    DiffOutcome {
        rows: rows.map(totals),
        files_added,
        files_removed,
        notes: vec![if created { "table created".into() } else { "table dropped".into() }],
        ..of_partitions(partitions)
    }
}

/// An outcome that lists some of the partitions.
fn of_partitions(mut partitions: Vec<PartitionDiff>) -> DiffOutcome {
    let partitions_changed = partitions.len() as u64;
    partitions.truncate(PARTITIONS_MAX);
    DiffOutcome { partitions, partitions_changed, ..DiffOutcome::default() }
}

/// Files that differ, and their rows, as the log counts them.
#[derive(Clone, Copy)]
struct Counts {
    files_added: u64,
    files_removed: u64,
    /// None: unknown.
    rows_added: Option<u64>,
    rows_removed: Option<u64>,
}

impl Counts {
    const NONE: Counts =
        Counts { files_added: 0, files_removed: 0, rows_added: Some(0), rows_removed: Some(0) };

    fn take(&mut self, old: Option<&Add>, new: Option<&Add>) {
        let rows = |file: &Add| file.live_rows();
        let (added, removed) = match (old, new) {
            (Some(old), Some(new)) => {
                // Another deletion vector of one file: only the difference counts.
                let both = rows(old).zip(rows(new));
                let less = both.map(|(old, new)| (new.saturating_sub(old), old.saturating_sub(new)));
                (less.map(|(more, _)| more), less.map(|(_, less)| less))
            }
            (None, Some(new)) => {
                self.files_added += 1;
                (rows(new), Some(0))
            }
            (Some(old), None) => {
                self.files_removed += 1;
                (Some(0), rows(old))
            }
            (None, None) => (Some(0), Some(0)),
        };
        let sum = |sum: Option<u64>, more: Option<u64>| Some(sum?.saturating_add(more?));
        self.rows_added = sum(self.rows_added, added);
        self.rows_removed = sum(self.rows_removed, removed);
    }

    fn rows(&self) -> Option<RowTotals> {
        let both = self.rows_added.zip(self.rows_removed);
        both.map(|(added, removed)| RowTotals { added, removed, ..RowTotals::default() })
    }
}

/// What differs in each partition. A file whose partition cannot be read is in none.
fn partitions(changed: &ChangedFiles) -> Vec<PartitionDiff> {
    let mut counts: BTreeMap<BTreeMap<String, Option<String>>, Counts> = BTreeMap::new();
    for (old, new) in changed.values() {
        let Some(values) = new.as_ref().or(old.as_ref()).and_then(|add| add.partition()) else { continue };
        counts.entry(values).or_insert(Counts::NONE).take(old.as_deref(), new.as_deref());
    }
    let partition = |(values, counts): (_, Counts)| PartitionDiff {
        values,
        files_added: counts.files_added,
        files_removed: counts.files_removed,
        rows: counts.rows(),
    };
    counts.into_iter().map(partition).collect()
}

fn compare(before: &Snapshot, after: &Snapshot) -> DiffOutcome {
    let changed = changed_files(&before.files, &after.files);
    let mut counts = Counts::NONE;
    for (old, new) in changed.values() {
        counts.take(old.as_deref(), new.as_deref());
    }
    let is_partitioned = [before, after].iter().any(|state| !state.metadata.partition_columns.is_empty());
    let partitions = if is_partitioned { partitions(&changed) } else { Vec::new() };
    let notes = notes(before, after);
    let Counts { files_added, files_removed, .. } = counts;
    let rows = counts.rows();
    let details = json!({
        "format": "delta",
        "versionBefore": before.version,
        "versionAfter": after.version,
        "filesAdded": files_added,
        "filesRemoved": files_removed,
        "notes": notes,
    });
    DiffOutcome {
        rows,
        files_added,
        files_removed,
        notes,
        details: Some(details),
        ..of_partitions(partitions)
    }
}

fn notes(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    use crate::plan::ColumnChange::*;
    let mut notes = Vec::new();
    let (old, new) = (&before.metadata, &after.metadata);
    if old.id != new.id {
        notes.push(format!("the table was replaced: id {} became {}", old.id, new.id));
    }
    for change in schema_changes(&old.schema, &new.schema) {
        let column = change.column();
        notes.push(match &change {
            AddedPlain(_) | AddedSpecial(_) => format!("column {column} added"),
            Dropped(_) => format!("column {column} dropped"),
            Retyped(_) => format!("column {column} changed its type"),
            Required(_) => format!("column {column} became required"),
            Guarded(_) => format!("column {column} got another invariant"),
            Relaxed(_) => format!("column {column} became nullable, or its comment changed"),
            Generated(_, expression) => format!("column {column} is generated by {expression}"),
            Altered(_) => format!("the metadata of column {column} changed"),
        });
    }
    let keys: std::collections::BTreeSet<&String> =
        old.configuration.keys().chain(new.configuration.keys()).collect();
    for key in keys {
        match (old.configuration.get(key), new.configuration.get(key)) {
            (None, Some(value)) => notes.push(format!("property {key} set to {value:?}")),
            (Some(_), None) => notes.push(format!("property {key} removed")),
            (Some(was), Some(is)) if was != is => {
                notes.push(format!("property {key} changed from {was:?} to {is:?}"))
            }
            _ => {}
        }
    }
    if old.partition_columns != new.partition_columns {
        notes.push(format!("partition columns changed to {:?}", new.partition_columns));
    }
    if !before.protocol.same(&after.protocol) {
        let (reader, writer) = (after.protocol.min_reader_version, after.protocol.min_writer_version);
        notes.push(format!("the protocol became ({reader}, {writer})"));
    }
    notes
}
