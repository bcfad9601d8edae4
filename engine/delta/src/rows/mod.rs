//! Merges the rows of files that both sides changed.
//!
//! Base, ours and theirs of a component are read, sorted by their keys (or by all columns) and walked over at once. Of
//! ours' files those are rewritten that lose a row; what comes from theirs goes into new files. The walk is made
//! twice: once to find conflicts and the files to rewrite, once to write. Where there are keys it is cut into ranges of
//! them that are walked over side by side; the outcome is that of one walk.

mod conflicts;
mod difference;
pub(crate) mod files;
pub(crate) mod mapping;
mod options;
pub(crate) mod partition;
mod piece;
mod ranges;
pub(crate) mod schema;
mod sides;
mod statistics;
pub(crate) mod vector;
mod walk;
mod write;

use std::sync::Arc;

use anabranch_merge::{MergeEdit, MergeInput, RowTotals, ViewError};
pub use anabranch_parquet::RowBudget;
pub(crate) use anabranch_parquet::options::row_options;
pub(crate) use anabranch_parquet::{RowMeans, sorted, source};
use anabranch_rows::scan::{FILE_COLUMN, POSITION_COLUMN, survey};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{
    BagSurvey, Copies, Identity, MergeOptions, MergeReport, OpenRows, PerSide, RowSurvey, key_columns,
};

pub(crate) use difference::{diff_rows, stream_rows};
pub(crate) use options::check_options;
use partition::Partitions;
use sides::Sides;
use write::{RowWriter, WriteFailure};

use crate::action::Metadata;
use crate::plan::{Component, Finding, MergedComponent};
use crate::snapshot::Snapshot;

/// What part of the memory the files that are being written may take: what is not in the pools of sorts.
const PARTS_FOR_WRITING: usize = 4;

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
    /// Conflicts that nobody has decided: the merged rows are then all but theirs, good to be looked at only.
    pub(crate) open: Vec<Finding>,
}

/// Why rows were not merged.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Rows are in conflict, and nobody looks at the others; or a file cannot be read: all findings.
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
        use anabranch_rows::Error::{Incomparable, KeyTooCommon, NoFieldIds, Policy, Sort, UnknownColumn};
        match error {
            error @ (Incomparable { .. } | NoFieldIds { .. }) => Failed::Unmergeable(error.to_string()),
            error @ (UnknownColumn { .. } | Policy { .. }) => Failed::Options(error.to_string()),
            error @ KeyTooCommon { .. } => Failed::TooLarge(error.to_string()),
            Sort(source) => Failed::TooLarge(format!("sorting rows by their keys: {source}")),
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

impl States<'_> {
    /// What each says of the table.
    pub(crate) fn metadata(&self) -> PerSide<&Metadata> {
        PerSide { base: &self.base.metadata, ours: &self.ours.metadata, theirs: &self.theirs.metadata }
    }
}

/// Merges the rows of a component. What is written is referred to by nothing yet. Where rows are in conflict, the others are
/// written only if they are `looked_at`.
pub(crate) async fn merge_rows(
    input: &MergeInput<'_>,
    states: States<'_>,
    component: &Component,
    looked_at: bool,
    means: &RowMeans,
) -> Result<MergedRows, Failed> {
    let States { base, ours, theirs } = states;
    if let Some(why) = schema::obstacle(base, ours, theirs) {
        return Err(Failed::Unmergeable(why.to_owned()));
    }
    let mut options = row_options(input.options).map_err(Failed::Options)?;
    options.cell_wise &= [base, ours, theirs].iter().all(|side| !schema::has_row_rules(&side.metadata));
    // Without keys it is not known which rows are new forms of a row in conflict, and a side is taken whole: then no other row
    // is in the result whatever is decided.
    let is_left_out = looked_at && options.identity != Identity::Bag;
    options.open_rows = if is_left_out { OpenRows::LeftOut } else { OpenRows::Ours };
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
    let work = run(input, component, &merged, partitions, options, &files, means);
    answers.while_running([input.base, input.ours, input.theirs], work).await
}

async fn run(
    input: &MergeInput<'_>,
    component: &Component,
    schema: &MergedSchema,
    partitions: Partitions,
    options: MergeOptions,
    files: &source::Files,
    means: &RowMeans,
) -> Result<MergedRows, Failed> {
    let placed = anabranch_rows::scan::with_positions(&schema.rows);
    let key = key_columns(&placed, &options.identity, &options.carried)?;
    let sides = Sides::open(input, component, schema, partitions, key, files).await?;
    let (mut pieces, counted) = match options.identity {
        Identity::Bag => {
            // The sums that the rule needs are of all rows, and so is the one piece.
            let mut pieces = sides.whole(means);
            let mut counted = (BagSurvey::default(), Copies::default());
            for piece in &mut pieces {
                let options = walk::within(means, options.clone());
                let rows = RowSurvey::new(sides.schema().clone(), &options)?;
                counted = survey(rows, &mut piece.sorted().await?).await?;
            }
            (pieces, Some(counted))
        }
        Identity::Key(_) | Identity::RowId(_) => (sides.cut(means).await?, None),
    };
    let walks = walk::Walks { input, options: &options, means, counted };
    let (surveyed, report) = walks.survey(pieces).await?;
    pieces = surveyed.pieces;
    let open = findings(&report, &options.identity);
    if !open.is_empty() && options.open_rows == OpenRows::Ours {
        return Err(Failed::Conflicts(open));
    }
    let rewritten = Arc::new(surveyed.rewritten);
    let partitions = sides.partitions().clone();
    let rows = sides.rows().clone();
    let mut writer = RowWriter::new(&rows, &partitions, input.writer, input.merge_time_ms, input.seed)
        .map_err(Failed::Unmergeable)?
        .within(means.budget.memory_bytes / PARTS_FOR_WRITING);
    walks.write(pieces, &rewritten, &rows, &mut writer).await?;
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
        open,
    })
}

/// The conflicts of a merge.
fn findings(report: &MergeReport, identity: &Identity) -> Vec<Finding> {
    let further = report.conflict_count.saturating_sub(report.conflicts.len() as u64);
    let finding = match identity {
        Identity::Bag => conflicts::finding_of_bag,
        Identity::Key(_) | Identity::RowId(_) => conflicts::finding,
    };
    let mut findings: Vec<Finding> = report.conflicts.iter().cloned().map(finding).collect();
    if further > 0 {
        findings.push(conflicts::further(further));
    }
    findings
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
