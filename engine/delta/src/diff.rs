//! What differs between two states of a table, for people and programs.

use std::sync::Arc;

use anabranch_merge::{
    DiffInput, DiffOutcome, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals, ViewError,
};
use serde_json::json;

use crate::plan::{changed_files, schema_changes};
use crate::read::{ReadError, SnapshotCache, read_log};
use crate::rows::{self, RowBudget};
use crate::snapshot::Snapshot;

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
    budget: &RowBudget,
) -> Result<RowDiffPage, RowDiffError> {
    let [before, after] = states(cache, &input).await?.map_err(RowDiffError::Damaged)?;
    rows::diff_rows(&input, [before.as_deref(), after.as_deref()], request, budget).await
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
        details: None,
    }
}

fn compare(before: &Snapshot, after: &Snapshot) -> DiffOutcome {
    let changed = changed_files(&before.files, &after.files);
    let (mut added, mut removed) = (Some(0_u64), Some(0_u64));
    let (mut files_added, mut files_removed) = (0, 0);
    for (old, new) in changed.values() {
        let rows = |file: &crate::action::Add| file.live_rows();
        match (old, new) {
            (Some(old), Some(new)) => {
                // Another deletion vector of one file: only the difference counts.
                let (old, new) = (rows(old), rows(new));
                let less = old.zip(new).map(|(old, new)| (old.saturating_sub(new), new.saturating_sub(old)));
                removed = removed.zip(less).map(|(sum, (less, _))| sum + less);
                added = added.zip(less).map(|(sum, (_, more))| sum + more);
            }
            (None, Some(new)) => {
                files_added += 1;
                added = added.zip(rows(new)).map(|(sum, rows)| sum + rows);
            }
            (Some(old), None) => {
                files_removed += 1;
                removed = removed.zip(rows(old)).map(|(sum, rows)| sum + rows);
            }
            (None, None) => {}
        }
    }
    let notes = notes(before, after);
    let rows =
        added.zip(removed).map(|(added, removed)| RowTotals { added, removed, ..RowTotals::default() });
    let details = json!({
        "format": "delta",
        "versionBefore": before.version,
        "versionAfter": after.version,
        "filesAdded": files_added,
        "filesRemoved": files_removed,
        "notes": notes,
    });
    DiffOutcome { rows, files_added, files_removed, notes, details: Some(details) }
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
