//! `isolation = "serializable"`: what a side read may not be what the other side added to or took from, or its changes might
//! have been others had it known. Rows go by files: those that a side wrote anew in another file count as well.

use anabranch_merge::{ConflictKind, MergeInput};
use anabranch_rows::PerSide;
use anabranch_rows::predicate::Predicate;
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::columns::Columns;
use super::files::{FileRows, rows_beyond};
use super::scan::{Places, Scan};
use crate::plan::{Finding, Read, Reads};
use crate::rows::{Failed, States, source};

/// Whether the options ask for more than snapshot isolation.
///
/// # Errors
/// A level that there is not.
pub(crate) fn is_serializable(options: &Value) -> Result<bool, String> {
    match options.get("isolation") {
        None => Ok(false),
        Some(Value::String(level)) if level == "snapshot" => Ok(false),
        Some(Value::String(level)) if level == "serializable" => Ok(true),
        Some(_) => Err("option isolation takes \"snapshot\" or \"serializable\"".into()),
    }
}

/// Finds the reads of each side that rows of the other would have changed. `reads` are ours' and theirs'.
pub(crate) async fn stale_reads(
    input: &MergeInput<'_>,
    states: States<'_>,
    reads: [Reads; 2],
) -> Result<Vec<Finding>, Failed> {
    let States { base, ours, theirs } = states;
    let [our_reads, their_reads] = reads;
    let mut findings = Vec::new();
    for (side, reads, own, other, changed) in [
        ("ours", &our_reads.reads, ours, theirs, &their_reads.changed),
        ("theirs", &their_reads.reads, theirs, ours, &our_reads.changed),
    ] {
        let mut rows = rows_beyond(&other.files, &[&base.files, &own.files]);
        rows.retain(|rows| rows.add.data_change);
        let gone = rows_beyond(&base.files, &[&other.files]);
        rows.extend(gone.into_iter().filter(|rows| changed.contains(&rows.add.key)));
        if rows.is_empty() {
            continue;
        }
        for read in reads {
            if is_met(input, states, read, &rows).await? {
                findings.push(finding(side, read, &rows));
            }
        }
    }
    Ok(findings)
}

/// Whether a commit would have read one of these rows; what cannot be told counts as read.
async fn is_met(
    input: &MergeInput<'_>,
    states: States<'_>,
    read: &Read,
    rows: &[FileRows],
) -> Result<bool, Failed> {
    let Some(condition) = &read.condition else { return Ok(true) };
    match some_hold(input, states, condition, rows).await {
        Err(Failed::Unmergeable(_)) => Ok(true),
        answer => answer,
    }
}

async fn some_hold(
    input: &MergeInput<'_>,
    states: States<'_>,
    condition: &str,
    rows: &[FileRows],
) -> Result<bool, Failed> {
    let States { base, ours, theirs } = states;
    let sides = PerSide { base: &*base.metadata, ours: &*ours.metadata, theirs: &*theirs.metadata };
    let predicate = Predicate::parse(condition).map_err(Failed::Unmergeable)?;
    let all = Columns::of(sides, |_| true).map_err(Failed::Unmergeable)?;
    let bound = predicate.bind(&all.rows).map_err(Failed::Unmergeable)?;
    let columns = Columns::of(sides, |name| bound.columns().iter().any(|read| read == name));
    let columns = columns.map_err(Failed::Unmergeable)?;
    let bound = predicate.bind(&columns.rows).map_err(Failed::Unmergeable)?;
    let places = Places {
        views: PerSide { base: input.base, ours: input.ours, theirs: input.theirs },
        new: &Default::default(),
    };
    let (files, answers) = source::files();
    let work = async {
        let mut scan = Scan::new(places, &files, &columns)?;
        for one in rows {
            scan.open(one).await?;
        }
        let mut batches = scan.rows(&[]);
        while let Some(batch) = batches.try_next().await? {
            if bound.holds(&batch).map_err(Failed::Unmergeable)?.true_count() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    };
    answers.while_running([input.base, input.ours, input.theirs], work).await
}

fn finding(side: &'static str, read: &Read, rows: &[FileRows]) -> Finding {
    let other = if side == "ours" { "theirs" } else { "ours" };
    let what = match &read.condition {
        Some(condition) => format!("the rows where {condition}"),
        None => "rows that it does not name".to_owned(),
    };
    let message = format!(
        "{side}' version {} ({}) read {what}, and {other} wrote such rows without it: isolation is serializable",
        read.version, read.operation
    );
    let reader =
        Some(json!({"version": read.version, "operation": read.operation, "condition": read.condition}));
    let writer = Some(json!({"files": rows.iter().map(|rows| &rows.add.key).take(100).collect::<Vec<_>>()}));
    let values = if side == "ours" { (reader, writer) } else { (writer, reader) };
    Finding::table(ConflictKind::ReadAppend, "isolation", message).values(None, values.0, values.1)
}
