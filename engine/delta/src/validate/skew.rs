//! Write skew: what a side changed because of rows that it read, and the other side wrote such rows meanwhile. Under the
//! usual isolation both changes stand, and a note says where it may have happened.

use anabranch_merge::MergeInput;
use anabranch_rows::predicate::Predicate;
use anabranch_rows::{PerSide, json};
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use serde_json::Value;

use super::columns::Columns;
use super::files::{Bounds, FileRows, rows_beyond};
use super::known::Known;
use super::names_in_log;
use super::scan::{Places, Scan};
use crate::plan::{Read, Reads};
use crate::rows::{Failed, States, source};

/// How many bytes of files are looked at in one merge.
const BYTES_MAX: u64 = 128 << 20;

/// How many commits of a side are looked at.
const READS_MAX: usize = 100;

/// How many rows are said to be such rows at most: to count further tells nobody more.
const ROWS_MAX: u64 = 1_000;

/// Says which commits of a side may have been others, had they seen the other side's rows: those that kept the condition by
/// which they read, where some row that the other side wrote meets it. `reads` are ours' and theirs'.
///
/// # Errors
/// The storage failed. What cannot be read or evaluated is not told, as the commits that keep no condition are not.
pub(crate) async fn possible_skews(
    input: &MergeInput<'_>,
    states: States<'_>,
    reads: &[Reads; 2],
) -> Result<Vec<String>, Failed> {
    let States { base, ours, theirs } = states;
    let [our_reads, their_reads] = reads;
    let mut notes = Vec::new();
    let mut bytes_left = BYTES_MAX;
    for (side, reads, own, other) in
        [("ours", our_reads, ours, theirs), ("theirs", their_reads, theirs, ours)]
    {
        if reads.reads.iter().all(|read| read.condition.is_none()) {
            continue;
        }
        let mut new = rows_beyond(&other.files, &[&base.files, &own.files]);
        new.retain(|rows| rows.add.data_change);
        let files = Files { new: bounded(new), gone: bounded(rows_beyond(&base.files, &[&other.files])) };
        for read in reads.reads.iter().take(READS_MAX) {
            let Some(condition) = &read.condition else { continue };
            match unseen(input, states, condition, &files, &mut bytes_left).await {
                Ok(Unseen::Rows(0)) => {}
                Ok(unseen) => notes.push(note(side, read, condition, unseen)),
                Err(Failed::Storage(error)) => return Err(Failed::Storage(error)),
                Err(_) => {}
            }
        }
    }
    Ok(notes)
}

/// Rows that a commit would have read, had it seen them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unseen {
    Rows(u64),
    /// They were not looked at: too many bytes.
    Unknown,
}

/// The files of one side.
struct Files {
    /// Those with rows that it wrote.
    new: Vec<(Bounds, FileRows)>,
    /// Those of the base that it took away or wrote anew.
    gone: Vec<(Bounds, FileRows)>,
}

fn bounded(files: Vec<FileRows>) -> Vec<(Bounds, FileRows)> {
    files.into_iter().map(|rows| (Bounds::of(&rows.add), rows)).collect()
}

/// Counts the rows of a side that meet a condition and were not there as they are.
async fn unseen(
    input: &MergeInput<'_>,
    states: States<'_>,
    condition: &str,
    files: &Files,
    bytes_left: &mut u64,
) -> Result<Unseen, Failed> {
    let predicate = Predicate::parse(condition).map_err(Failed::Unmergeable)?;
    let all = Columns::of(states.metadata(), |_| true).map_err(Failed::Unmergeable)?;
    let bound = predicate.bind(&all.rows).map_err(Failed::Unmergeable)?;
    let in_log = names_in_log(states, bound.columns());
    let of_condition = Columns::of(states.metadata(), |name| bound.columns().iter().any(|read| read == name));
    let of_condition = of_condition.map_err(Failed::Unmergeable)?;
    let may_hold = |bounds: &Bounds| {
        predicate.may_hold(&|column| {
            let mut names = bound.columns().iter().zip(&in_log);
            bounds.whole_numbers(names.find(|(name, _)| *name == column)?.1)
        })
    };
    let picked = |files: &[(Bounds, FileRows)]| -> Vec<FileRows> {
        files.iter().filter(|(bounds, _)| may_hold(bounds)).map(|(_, rows)| rows.clone()).collect()
    };
    let (new, gone) = (picked(&files.new), picked(&files.gone));
    if new.is_empty() {
        return Ok(Unseen::Rows(0));
    }
    let sizes = new.iter().chain(&gone).map(|rows| u64::try_from(rows.add.size).unwrap_or(u64::MAX));
    let Some(left) = bytes_left.checked_sub(sizes.fold(0, u64::saturating_add)) else {
        return Ok(Unseen::Unknown);
    };
    *bytes_left = left;
    let narrow = Looking { input, predicate: &predicate, columns: &of_condition };
    let most = if gone.is_empty() { ROWS_MAX } else { 0 };
    let mut rows = 0_u64;
    narrow
        .look(&new, |batch| {
            rows = rows.saturating_add(batch.num_rows() as u64);
            Ok(rows <= most)
        })
        .await?;
    if rows == 0 || gone.is_empty() {
        return Ok(Unseen::Rows(rows));
    }
    // Files that are written anew hold rows that were there.
    let whole = Looking { columns: &all, ..narrow };
    let (mut known, mut rows) = (Known::default(), 0_u64);
    whole
        .look(&gone, |batch| {
            each_row(&batch, |row| known.add(&row))?;
            Ok(true)
        })
        .await?;
    whole
        .look(&new, |batch| {
            each_row(&batch, |row| rows = rows.saturating_add(u64::from(!known.take(&row))))?;
            Ok(rows <= ROWS_MAX)
        })
        .await?;
    Ok(Unseen::Rows(rows))
}

fn each_row(batch: &RecordBatch, mut show: impl FnMut(Value)) -> Result<(), Failed> {
    let columns: Vec<usize> = (0..batch.num_columns()).collect();
    for row in 0..batch.num_rows() {
        show(json::row(&batch.schema(), batch.columns(), row, &columns)?);
    }
    Ok(())
}

/// A look for rows that meet a condition.
#[derive(Clone, Copy)]
struct Looking<'a, 'i> {
    input: &'a MergeInput<'i>,
    predicate: &'a Predicate,
    columns: &'a Columns,
}

impl Looking<'_, '_> {
    /// Shows the rows of these files that meet the condition, batch by batch, as long as more are wanted.
    async fn look(
        &self,
        files: &[FileRows],
        mut show: impl FnMut(RecordBatch) -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        let input = self.input;
        let views = PerSide { base: input.base, ours: input.ours, theirs: input.theirs };
        let places = Places { views, new: &Default::default() };
        let bound = self.predicate.bind(&self.columns.rows).map_err(Failed::Unmergeable)?;
        let columns: Vec<usize> = (0..self.columns.rows.fields().len()).collect();
        let failed = |source| anabranch_rows::Error::Arrow { step: "choosing rows by a condition", source };
        let (sources, answers) = source::files();
        let work = async {
            let mut scan = Scan::new(places, &sources, self.columns)?;
            for one in files {
                scan.open(one).await?;
            }
            let mut batches = scan.rows(&[]);
            while let Some(batch) = batches.try_next().await? {
                let held = bound.holds(&batch).map_err(Failed::Unmergeable)?;
                // Without the columns that say where a row stands.
                let rows = batch.project(&columns).map_err(failed)?;
                if !show(filter_record_batch(&rows, &held).map_err(failed)?)? {
                    break;
                }
            }
            Ok(())
        };
        answers.while_running([input.base, input.ours, input.theirs], work).await
    }
}

fn note(side: &str, read: &Read, condition: &str, unseen: Unseen) -> String {
    let other = if side == "ours" { "theirs" } else { "ours" };
    let commit =
        format!("{side}' version {} ({}) went by the rows where {condition}", read.version, read.operation);
    match unseen {
        Unseen::Unknown => format!(
            "possible-write-skew: {commit}; whether {other} wrote such rows was not looked at, because it wrote too much"
        ),
        Unseen::Rows(rows) => {
            let rows = match rows {
                1 => "1 such row".to_owned(),
                2..=ROWS_MAX => format!("{rows} such rows"),
                _ => format!("more than {ROWS_MAX} such rows"),
            };
            format!(
                "possible-write-skew: {commit}, and {other} wrote {rows} that it did not see; with isolation = \
                 \"serializable\" in merge.toml this is a conflict"
            )
        }
    }
}
