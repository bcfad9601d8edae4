//! The rows that differ between two states, whatever holds the files together: both are sorted by their keys (or by all
//! columns) and walked over at once.

mod cursor;
mod sample;
mod stream;

use anabranch_merge::{ChangedRow, DiffInput, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals, Sample};
use anabranch_rows::filter::{Condition, RowFilter};
use anabranch_rows::scan::{RowStream, diff_next};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{DiffOptions, DiffRow, Identity, PerSide, RowDiff, RowView, json, key_columns};
use arrow::datatypes::{Schema, SchemaRef};
use serde_json::{Map, Value};

pub use self::cursor::Cursor;
pub use self::stream::stream;

use self::sample::sampled;
use crate::RowMeans;
use crate::options::row_options;
use crate::sorted::{Unsorted, sorted};

/// What part of the memory the rows of one key may take.
const PARTS_FOR_A_KEY: usize = 4;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct Comparison {
    schema: MergedSchema,
    identity: Identity,
    /// Which changes are wanted; none: all.
    filter: Option<RowFilter>,
    /// Which keys are compared; none: all.
    sample: Option<Sample>,
    /// The places of the columns by which rows are sorted.
    key: Vec<usize>,
}

impl Comparison {
    /// A comparison of rows of these schemas, before and after. `what` is a table or a file.
    ///
    /// # Errors
    ///
    /// The request or the options of the rule cannot be meant, or the columns cannot be compared.
    pub fn new(
        input: &DiffInput<'_>,
        request: &RowDiffRequest,
        schemas: [&Schema; 2],
        what: &str,
    ) -> Result<Comparison, RowDiffError> {
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
        let [before, after] = schemas.map(|schema| {
            let fields = schema.fields().iter().filter(|field| wanted(field.name())).cloned();
            Schema::new(fields.collect::<Vec<_>>())
        });
        known_columns(&request.columns, [&before, &after], what)?;
        // Both later sides of a merge are the state after: then what it says of a column stands.
        let schema = reconcile(PerSide { base: &before, ours: &after, theirs: &after });
        let schema = schema.map_err(|findings| {
            let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
            RowDiffError::Unsupported(format!("the columns cannot be compared: {}", all.join("; ")))
        })?;
        let key = key_columns(&schema.rows, &options.identity, &[]).map_err(of_engine)?;
        let filter = condition.map(|condition| condition.on(&schema.rows)).transpose().map_err(of_engine)?;
        Ok(Comparison { schema, identity: options.identity, filter, sample: request.sample, key })
    }

    /// The columns that are compared; the state before is the base, the one after both others.
    pub fn schema(&self) -> &MergedSchema {
        &self.schema
    }

    /// The places of the columns by which rows are sorted.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    fn columns(&self) -> SchemaRef {
        self.schema.rows.clone()
    }
}

fn keys_of(identity: &Identity) -> &[String] {
    match identity {
        Identity::Key(keys) => keys,
        Identity::RowId(_) | Identity::Bag => &[],
    }
}

fn known_columns(asked: &[String], states: [&Schema; 2], what: &str) -> Result<(), RowDiffError> {
    let unknown = asked.iter().find(|name| states.iter().all(|state| state.index_of(name).is_err()));
    match unknown {
        None => Ok(()),
        Some(name) => Err(RowDiffError::Invalid(format!(
            "columns: the {what} has no column {name:?}, neither before nor after"
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
        comparison: Comparison,
        unsorted: [RowStream; 2],
        means: &RowMeans,
        listed: usize,
    ) -> Result<Running, RowDiffError> {
        let (identity, rows) = (comparison.identity.clone(), comparison.columns());
        let [before, after] = unsorted.map(|rows| comparison.sorted(rows, means));
        let (before, after) = (before.await?, after.await?);
        let group_bytes_max = means.budget.memory_bytes / PARTS_FOR_A_KEY;
        let filter = comparison.filter;
        let options =
            DiffOptions { limit: listed, filter, group_bytes_max, ..DiffOptions::new(identity.clone()) };
        let diff = RowDiff::new(rows.clone(), &options).map_err(of_engine)?;
        Ok(Running { diff, before, after, rows, keys: keys_of(&identity).to_vec() })
    }

    async fn next(&mut self) -> Result<Option<Vec<DiffRow>>, RowDiffError> {
        diff_next(&mut self.diff, &mut self.before, &mut self.after).await.map_err(of_engine)
    }
}

impl Comparison {
    /// The rows of one state, as far as they are in the sample, in the order of their keys.
    async fn sorted(&self, rows: RowStream, means: &RowMeans) -> Result<RowStream, RowDiffError> {
        let schema = self.columns();
        let rows = match self.sample {
            None => rows,
            Some(sample) => sampled(rows, &schema, &self.key, sample).map_err(of_engine)?,
        };
        sorted(rows, &schema, &self.key, means, 2).await.map_err(too_large)
    }
}

fn too_large(why: Unsorted) -> RowDiffError {
    match why {
        Unsorted::TooLarge(share) => RowDiffError::TooLarge(format!(
            "the rows of the files that differ take more than {share} bytes of memory, and no folder is set up for what \
             does not fit"
        )),
        Unsorted::Engine(error) => of_engine(error),
    }
}

/// One page of the rows that differ, of the states before and after.
///
/// # Errors
///
/// As those of the streams; more rows than the means allow.
pub async fn page(
    comparison: Comparison,
    unsorted: [RowStream; 2],
    means: &RowMeans,
    cursor: Cursor,
    limit: usize,
) -> Result<RowDiffPage, RowDiffError> {
    let listed = cursor.skip.saturating_add(limit);
    let mut running = Running::begin(comparison, unsorted, means, listed).await?;
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
pub fn of_engine(error: anabranch_rows::Error) -> RowDiffError {
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
