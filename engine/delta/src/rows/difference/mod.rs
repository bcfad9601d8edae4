//! The rows that differ between two states of a table.
//!
//! A file that both states hold, with one deletion vector, is on both sides and not read. Of a file whose deletion
//! vector alone differs those rows are compared that one vector hides and the other does not. What is left is sorted
//! by its keys (or by all columns) and walked over at once.

mod cursor;
mod sample;
mod stream;
mod versions;

use anabranch_merge::{ChangedRow, DiffInput, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals, Sample};
use anabranch_rows::filter::{Condition, RowFilter};
use anabranch_rows::scan::{RowStream, diff_next};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{DiffOptions, DiffRow, Identity, PerSide, RowDiff, RowView, json, key_columns};
use arrow::datatypes::{Schema, SchemaRef};
use serde_json::{Map, Value};

pub(crate) use self::stream::stream_rows;

use self::cursor::Cursor;
use self::versions::Versions;
use super::partition::Partitions;
use super::{RowMeans, row_options, schema, source};
use crate::snapshot::Snapshot;

/// What part of the memory the rows of one key may take.
const PARTS_FOR_A_KEY: usize = 4;

/// What is compared, and how.
struct Comparison {
    schema: MergedSchema,
    identity: Identity,
    /// Which changes are wanted; none: all.
    filter: Option<RowFilter>,
    /// Which keys are compared; none: all.
    sample: Option<Sample>,
    /// The places of the columns by which rows are sorted.
    key: Vec<usize>,
    /// The partitions before and after: the states may be partitioned differently.
    partitions: [Partitions; 2],
}

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
    let comparison = Comparison::new(input, [before.unwrap_or(any), after.unwrap_or(any)], request)?;
    let (files, answers) = source::files();
    let work = compare(input, states, comparison, &files, means, cursor, request.limit);
    // The third view is asked for nothing.
    answers.while_running([input.before, input.after, input.after], work).await
}

impl Comparison {
    fn new(
        input: &DiffInput<'_>,
        states: [&Snapshot; 2],
        request: &RowDiffRequest,
    ) -> Result<Comparison, RowDiffError> {
        if states.into_iter().any(maps_columns) {
            let why =
                "the table maps its columns to other names, and rows of such tables are not compared yet";
            return Err(RowDiffError::Unsupported(why.to_owned()));
        }
        let options = row_options(input.options).map_err(|why| {
            RowDiffError::Invalid(format!("{}: the options of its rule in merge.toml: {why}", input.root))
        })?;
        let keys = keys_of(&options.identity);
        let condition = request.condition.as_deref().map(Condition::parse).transpose().map_err(of_engine)?;
        let wanted = |name: &str| {
            let named = |names: &[String]| names.iter().any(|one| one == name);
            let in_condition = condition.as_ref().is_some_and(|condition| condition.names(name));
            request.columns.is_empty() || named(&request.columns) || named(keys) || in_condition
        };
        let [before, after] = states.map(|state| arrow_schema(state, wanted));
        let (before, after) = (before?, after?);
        known_columns(&request.columns, [&before, &after])?;
        // Both later sides of a merge are the state after: then what it says of a column stands.
        let schema = reconcile(PerSide { base: &before, ours: &after, theirs: &after });
        let schema = schema.map_err(|findings| {
            let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
            RowDiffError::Unsupported(format!("the columns cannot be compared: {}", all.join("; ")))
        })?;
        let key = key_columns(&schema.rows, &options.identity, &[]).map_err(of_engine)?;
        let partitions = |state: &Snapshot| {
            let in_rows = |name: &&String| schema.rows.index_of(name).is_ok();
            let names: Vec<String> =
                state.metadata.partition_columns.iter().filter(in_rows).cloned().collect();
            Partitions::new(&schema.rows, &names).map_err(RowDiffError::Unsupported)
        };
        let [before, after] = states.map(partitions);
        let partitions = [before?, after?];
        let filter = condition.map(|condition| condition.on(&schema.rows)).transpose().map_err(of_engine)?;
        let (identity, sample) = (options.identity, request.sample);
        Ok(Comparison { schema, identity, filter, sample, key, partitions })
    }

    fn columns(&self) -> SchemaRef {
        self.schema.rows.clone()
    }
}

/// Whether the columns of the files have other names than those of the table.
fn maps_columns(state: &Snapshot) -> bool {
    state.metadata.configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none")
}

fn keys_of(identity: &Identity) -> &[String] {
    match identity {
        Identity::Key(keys) => keys,
        Identity::RowId(_) | Identity::Bag => &[],
    }
}

fn arrow_schema(state: &Snapshot, wanted: impl Fn(&str) -> bool) -> Result<Schema, RowDiffError> {
    let all = schema::arrow_schema(&state.metadata).map_err(RowDiffError::Unsupported)?;
    let fields = all.fields().iter().filter(|field| wanted(field.name())).cloned();
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

fn known_columns(asked: &[String], states: [&Schema; 2]) -> Result<(), RowDiffError> {
    let unknown = asked.iter().find(|name| states.iter().all(|state| state.index_of(name).is_err()));
    match unknown {
        None => Ok(()),
        Some(name) => Err(RowDiffError::Invalid(format!(
            "columns: the table has no column {name:?}, neither before nor after"
        ))),
    }
}

/// A comparison under way.
struct Running {
    diff: RowDiff,
    before: RowStream,
    after: RowStream,
    rows: SchemaRef,
    /// The columns that say which row is which.
    keys: Vec<String>,
}

impl Running {
    /// Sorts the rows of both states. At most `listed` changes will be listed.
    async fn begin(
        input: &DiffInput<'_>,
        states: [Option<&Snapshot>; 2],
        comparison: Comparison,
        files: &source::Files,
        means: &RowMeans,
        listed: usize,
    ) -> Result<Running, RowDiffError> {
        let (identity, rows) = (comparison.identity.clone(), comparison.columns());
        let filter = comparison.filter.clone();
        let versions = Versions::open(input, states, comparison, files).await?;
        let [before, after] = versions.sorted(means).await?;
        let group_bytes_max = means.budget.memory_bytes / PARTS_FOR_A_KEY;
        let options =
            DiffOptions { limit: listed, filter, group_bytes_max, ..DiffOptions::new(identity.clone()) };
        let diff = RowDiff::new(rows.clone(), &options).map_err(of_engine)?;
        Ok(Running { diff, before, after, rows, keys: keys_of(&identity).to_vec() })
    }

    async fn next(&mut self) -> Result<Option<Vec<DiffRow>>, RowDiffError> {
        diff_next(&mut self.diff, &mut self.before, &mut self.after).await.map_err(of_engine)
    }
}

async fn compare(
    input: &DiffInput<'_>,
    states: [Option<&Snapshot>; 2],
    comparison: Comparison,
    files: &source::Files,
    means: &RowMeans,
    cursor: Cursor,
    limit: usize,
) -> Result<RowDiffPage, RowDiffError> {
    let listed = cursor.skip.saturating_add(limit);
    let mut running = Running::begin(input, states, comparison, files, means, listed).await?;
    let key: Vec<usize> = if running.keys.is_empty() { Vec::new() } else { running.diff.key().to_vec() };
    let (mut page, mut seen) = (Vec::new(), 0_usize);
    while let Some(changes) = running.next().await? {
        for change in &changes {
            // The changes of one key come together, so that there may be more than were asked for.
            if seen >= cursor.skip && page.len() < limit {
                page.push(changed_row(change, &running.rows, &key).map_err(of_engine)?);
            }
            seen = seen.saturating_add(1);
        }
    }
    let Running { diff, rows, keys, .. } = running;
    let totals = diff.finish();
    let next = (totals.more || seen > listed).then(|| cursor.at(listed));
    let delta = totals.delta;
    Ok(RowDiffPage {
        keys,
        columns: rows.fields().iter().map(|field| field.name().clone()).collect(),
        totals: RowTotals {
            added: delta.added,
            removed: delta.removed,
            modified: delta.changed,
            cells: delta.cells,
        },
        rows: page,
        next,
    })
}

fn changed_row(row: &DiffRow, schema: &Schema, key: &[usize]) -> Result<ChangedRow, anabranch_rows::Error> {
    use anabranch_merge::RowChange::{Added, Changed, Removed};
    let change = match row.change {
        anabranch_rows::RowChange::Added => Added,
        anabranch_rows::RowChange::Removed => Removed,
        anabranch_rows::RowChange::Changed => Changed,
    };
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let columns = if change == Changed { row.columns.as_slice() } else { all.as_slice() };
    let names = row.columns.iter().filter_map(|column| schema.fields().get(*column));
    let any = row.after.as_ref().or(row.before.as_ref()).filter(|_| !key.is_empty());
    Ok(ChangedRow {
        change,
        copies: row.copies,
        key: any.map(|view| object(view, key)).transpose()?,
        columns: names.map(|field| field.name().clone()).collect(),
        before: row.before.as_ref().map(|view| object(view, columns)).transpose()?,
        after: row.after.as_ref().map(|view| object(view, columns)).transpose()?,
    })
}

fn object(view: &RowView, columns: &[usize]) -> Result<Map<String, Value>, anabranch_rows::Error> {
    let batch = view.batch();
    match json::row(&batch.schema(), batch.columns(), view.row(), columns)? {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

/// What an error of the row engine means for a diff.
fn of_engine(error: anabranch_rows::Error) -> RowDiffError {
    use anabranch_rows::Error::{Condition, Incomparable, KeyTooCommon, ReservedColumn, Sort, UnknownColumn};
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut message = String::new();
    while let Some(inner) = source {
        // What a file's reader could not get from the storage comes back as it was.
        if let Some(view) = inner.downcast_ref::<anabranch_merge::ViewError>() {
            return RowDiffError::View(view.clone());
        }
        let before = if message.is_empty() { "" } else { ": " };
        message.push_str(&format!("{before}{inner}"));
        source = inner.source();
    }
    match error {
        Incomparable { .. } => RowDiffError::Unsupported(message),
        UnknownColumn { .. } => RowDiffError::Invalid(format!("{message}: correct the rule in merge.toml")),
        Condition { .. } | ReservedColumn { .. } => RowDiffError::Invalid(message),
        Sort(_) | KeyTooCommon { .. } => RowDiffError::TooLarge(message),
        _ => RowDiffError::Damaged(message),
    }
}
