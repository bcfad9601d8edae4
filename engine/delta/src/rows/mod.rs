//! Merges the rows of files that both sides changed.
//!
//! Base, ours and theirs of a component are read, sorted by their keys (or by all columns) and walked over at once. Of
//! ours' files those are rewritten that lose a row; what comes from theirs goes into new files. The walk is made
//! twice where the rows do not fit into memory: once to find conflicts and the files to rewrite, once to write.

mod conflicts;
mod difference;
mod options;
pub(crate) mod partition;
pub(crate) mod schema;
mod sides;
pub(crate) mod sorted;
pub(crate) mod source;
mod statistics;
pub(crate) mod vector;
mod write;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anabranch_merge::{MergeEdit, MergeInput, RowTotals, ViewError};
use anabranch_rows::scan::{FILE_COLUMN, POSITION_COLUMN, RowStream, merge_next, survey};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{
    BagSurvey, Identity, MergeOptions, MergeReport, MergedBatch, Origin, PerSide, RowMerge, RowSurvey,
    key_columns,
};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;

pub(crate) use difference::diff_rows;
pub(crate) use options::{check_options, row_options};
use partition::Partitions;
use sides::Sides;
use write::{RowWriter, WriteFailure};

use crate::plan::{Component, Finding, MergedComponent};
use crate::snapshot::Snapshot;

/// What a merge of rows may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowBudget {
    /// Memory for rows, in bytes.
    pub memory_bytes: usize,
    /// The folder for rows that do not fit; none: such a merge fails with the limit.
    pub folder: Option<PathBuf>,
    /// Disk in that folder, in bytes.
    pub disk_bytes: u64,
}

impl Default for RowBudget {
    /// 256 MiB of memory and no disk.
    fn default() -> Self {
        RowBudget { memory_bytes: 256 << 20, folder: None, disk_bytes: 16 << 30 }
    }
}

/// Merged rows.
#[derive(Debug)]
pub(crate) struct MergedRows {
    /// What becomes of the files.
    pub(crate) component: MergedComponent,
    /// The new objects.
    pub(crate) edits: Vec<MergeEdit>,
    /// What came to ours.
    pub(crate) totals: RowTotals,
    pub(crate) bytes_written: u64,
    pub(crate) notes: Vec<String>,
}

/// Why rows were not merged.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Rows are in conflict, or a file cannot be read: all findings.
    Conflicts(Vec<Finding>),
    /// Tables like this one are not merged by rows: why.
    Unmergeable(String),
    /// The options of the table do not fit it.
    Options(String),
    /// More rows than the budget allows.
    TooLarge(String),
    /// The storage failed.
    Storage(ViewError),
    /// The row engine failed.
    Engine(anabranch_rows::Error),
}

impl From<ViewError> for Failed {
    fn from(error: ViewError) -> Self {
        Failed::Storage(error)
    }
}

impl From<anabranch_rows::Error> for Failed {
    fn from(error: anabranch_rows::Error) -> Self {
        use anabranch_rows::Error::{Incomparable, Policy, UnknownColumn};
        match error {
            error @ Incomparable { .. } => Failed::Unmergeable(error.to_string()),
            error @ (UnknownColumn { .. } | Policy { .. }) => Failed::Options(error.to_string()),
            error => Failed::Engine(error),
        }
    }
}

impl From<WriteFailure> for Failed {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Storage(error) => Failed::Storage(error),
            WriteFailure::Rows(message) => Failed::Unmergeable(message),
        }
    }
}

/// The three states of the table.
#[derive(Clone, Copy)]
pub(crate) struct States<'a> {
    pub(crate) base: &'a Snapshot,
    pub(crate) ours: &'a Snapshot,
    pub(crate) theirs: &'a Snapshot,
}

/// Merges the rows of a component. What is written is referred to by nothing yet.
pub(crate) async fn merge_rows(
    input: &MergeInput<'_>,
    states: States<'_>,
    component: &Component,
    budget: RowBudget,
) -> Result<MergedRows, Failed> {
    let States { base, ours, theirs } = states;
    if let Some(why) = schema::obstacle(base, ours, theirs) {
        return Err(Failed::Unmergeable(why.to_owned()));
    }
    let mut options = row_options(input.options).map_err(Failed::Options)?;
    options.cell_wise &= [base, ours, theirs].iter().all(|side| !schema::has_row_rules(&side.metadata));
    options.carried = vec![FILE_COLUMN.to_owned(), POSITION_COLUMN.to_owned()];
    let arrow = |side: &Snapshot| schema::arrow_schema(&side.metadata).map_err(Failed::Unmergeable);
    let schemas = PerSide { base: arrow(base)?, ours: arrow(ours)?, theirs: arrow(theirs)? };
    let merged = reconcile(PerSide { base: &schemas.base, ours: &schemas.ours, theirs: &schemas.theirs });
    let merged = merged.map_err(|findings| {
        let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Failed::Unmergeable(all.join("; "))
    })?;
    let partitions = Partitions::new(&merged.rows, &ours.metadata.partition_columns);
    let partitions = partitions.map_err(Failed::Unmergeable)?;
    let (files, answers) = source::files();
    let work = run(input, component, &merged, partitions, options, &files, budget);
    answers.while_running([input.base, input.ours, input.theirs], work).await
}

async fn run(
    input: &MergeInput<'_>,
    component: &Component,
    schema: &MergedSchema,
    partitions: Partitions,
    options: MergeOptions,
    files: &source::Files,
    budget: RowBudget,
) -> Result<MergedRows, Failed> {
    let placed = anabranch_rows::scan::with_positions(&schema.rows);
    let key = key_columns(&placed, &options.identity, &options.carried)?;
    let mut sides = Sides::open(input, component, schema, partitions, key, files, budget).await?;
    let counted = match options.identity {
        Identity::Bag => {
            let rows = RowSurvey::new(sides.schema().clone(), &options)?;
            Some(survey(rows, &mut sides.sorted().await?).await?)
        }
        Identity::Key(_) | Identity::RowId(_) => None,
    };
    // Ours' files that lose a row.
    let mut rewritten: BTreeSet<i64> = BTreeSet::new();
    let mut walk = Walk::begin(input, &mut sides, &options, counted).await?;
    while let Some(batch) = walk.next().await? {
        rewritten.extend(file_numbers(&batch.gone));
    }
    let report = walk.finish();
    if report.conflict_count > 0 {
        let further = report.conflict_count.saturating_sub(report.conflicts.len() as u64);
        let finding = match options.identity {
            Identity::Bag => conflicts::finding_of_bag,
            Identity::Key(_) | Identity::RowId(_) => conflicts::finding,
        };
        let mut findings: Vec<Finding> = report.conflicts.into_iter().map(finding).collect();
        if further > 0 {
            findings.push(conflicts::further(further));
        }
        return Err(Failed::Conflicts(findings));
    }
    let partitions = sides.partitions().clone();
    let rows = sides.rows().clone();
    let mut writer = RowWriter::new(&rows, &partitions, input.writer, input.merge_time_ms, input.seed)
        .map_err(Failed::Unmergeable)?;
    let mut walk = Walk::begin(input, &mut sides, &options, counted).await?;
    while let Some(batch) = walk.next().await? {
        writer.write(&new_rows(&batch, &rewritten, rows.fields().len())?).await?;
    }
    let written = writer.finish().await?;
    let is_rewritten =
        |number: &usize| i64::try_from(*number).is_ok_and(|number| rewritten.contains(&number));
    let removed = component.ours.iter().enumerate().filter(|(number, _)| is_rewritten(number));
    Ok(MergedRows {
        component: MergedComponent {
            versions: component.versions.clone(),
            removed: removed.map(|(_, add)| add.key.clone()).collect(),
            added: written.added,
        },
        edits: written.edits,
        totals: totals(&report),
        bytes_written: written.bytes,
        notes: notes(&report),
    })
}

/// One walk over the rows of all sides.
struct Walk {
    merge: RowMerge,
    streams: PerSide<RowStream>,
}

impl Walk {
    async fn begin(
        input: &MergeInput<'_>,
        sides: &mut Sides,
        options: &MergeOptions,
        counted: Option<BagSurvey>,
    ) -> Result<Walk, Failed> {
        let mut merge = RowMerge::new(sides.schema().clone(), options, counted)?;
        let resolver = conflicts::resolver(input.root, input.resolutions, input.prefer);
        if let Some(resolver) = resolver.filter(|_| options.identity != Identity::Bag) {
            merge = merge.with_resolver(resolver);
        }
        Ok(Walk { merge, streams: sides.sorted().await? })
    }

    async fn next(&mut self) -> Result<Option<MergedBatch>, anabranch_rows::Error> {
        merge_next(&mut self.merge, &mut self.streams).await
    }

    fn finish(self) -> MergeReport {
        self.merge.finish()
    }
}

fn totals(report: &MergeReport) -> RowTotals {
    let from_ours = report.from_ours;
    RowTotals {
        added: from_ours.added,
        removed: from_ours.removed,
        modified: from_ours.changed,
        cells: from_ours.cells,
    }
}

fn notes(report: &MergeReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.by_policy > 0 {
        notes.push(format!("{} cells were decided by a policy", report.by_policy));
    }
    if report.resolved > 0 {
        notes.push(format!("{} conflicts of rows were decided by somebody", report.resolved));
    }
    notes
}

/// Which of ours' files some rows were read from.
fn file_numbers(rows: &RecordBatch) -> impl Iterator<Item = i64> {
    let numbers = rows.column_by_name(FILE_COLUMN).map(|column| column.as_primitive::<Int64Type>().clone());
    numbers.into_iter().flat_map(|numbers| numbers.iter().flatten().collect::<Vec<_>>())
}

/// The rows of a batch that have to be written: those that ours does not have, and those of files that are rewritten.
fn new_rows(
    batch: &MergedBatch,
    rewritten: &BTreeSet<i64>,
    columns: usize,
) -> Result<RecordBatch, anabranch_rows::Error> {
    let failed = |source| anabranch_rows::Error::Arrow { step: "choosing the rows to write", source };
    let numbers = batch.rows.column_by_name(FILE_COLUMN).map(|column| column.as_primitive::<Int64Type>());
    let number_of =
        |row: usize| numbers.filter(|numbers| row < numbers.len()).map(|numbers| numbers.value(row));
    let wanted: BooleanArray = batch
        .origins
        .iter()
        .enumerate()
        .map(|(row, origin)| {
            Some(*origin != Origin::Ours || number_of(row).is_some_and(|number| rewritten.contains(&number)))
        })
        .collect();
    let all: Vec<usize> = (0..columns).collect();
    let rows = batch.rows.project(&all).map_err(failed)?;
    filter_record_batch(&rows, &wanted).map_err(failed)
}
