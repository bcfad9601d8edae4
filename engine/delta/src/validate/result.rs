//! What `merge.toml` demands of the result of a merge, whichever way a table came to it.

use std::sync::Arc;

use anabranch_merge::{
    ACCEPT_CHOICE, Conflict, Demands, Failure, FailureReason, UnitStates, ViewError, ViolationsInput,
    full_message,
};
use anabranch_rows::PerSide;
use serde_json::Value;

use super::references::{Versions, broken};
use super::{Places, declared, violations};
use crate::plan::Finding;
use crate::read::{ReadError, SnapshotCache, read_log};
use crate::rows::{Failed, RowMeans, States};
use crate::snapshot::Snapshot;

/// What the options demand.
pub(crate) fn demands(options: &Value) -> Demands {
    let Ok(declared) = declared(options) else { return Demands::default() };
    Demands {
        of_rows: !declared.unique.is_empty() || !declared.rows.is_empty(),
        refers_to: declared.references.into_iter().map(|reference| reference.table).collect(),
    }
}

/// Finds what the result breaks.
pub(crate) async fn violations_of_result(
    input: &ViolationsInput<'_>,
    snapshots: &SnapshotCache,
    means: &RowMeans,
) -> Result<Vec<Conflict>, Failure> {
    let found = find(input, snapshots, means).await.map_err(|failed| failure(input.root, failed))?;
    let mut conflicts: Vec<Conflict> =
        found.into_iter().map(|finding| finding.into_conflict(input.root)).collect();
    for conflict in &mut conflicts {
        // There is no merge of this table that could be taken back: it came whole from a side, or others refer to it.
        conflict.choices.retain(|choice| choice.id == ACCEPT_CHOICE);
    }
    Conflict::sort(&mut conflicts);
    Ok(conflicts)
}

async fn find(
    input: &ViolationsInput<'_>,
    snapshots: &SnapshotCache,
    means: &RowMeans,
) -> Result<Vec<Finding>, Failed> {
    let declared = declared(input.options).map_err(Failed::Options)?;
    let (before, after) = read(&input.states, snapshots).await?;
    let mut findings = Vec::new();
    if let Some(after) = after.as_deref().filter(|_| input.own_rows) {
        let nothing = Snapshot { files: Default::default(), ..after.clone() };
        let before = before.as_deref().unwrap_or(&nothing);
        // As a merge into ours of what the result is: then all that comes is new to ours.
        let states = States { base: before, ours: before, theirs: after };
        let (old, new) = (&*input.states.before, &*input.states.after);
        let places =
            Places { views: PerSide { base: old, ours: old, theirs: new }, new: &Default::default() };
        findings = violations(states, &after.files, places, input.options, &[], means).await?;
    }
    let table = Versions {
        before: before.as_deref(),
        after: after.as_deref(),
        views: [&*input.states.before, &*input.states.after],
    };
    for reference in &declared.references {
        let Some(states) = input.units.open(&reference.table).await? else { continue };
        let (before, after) = read(&states, snapshots).await?;
        let other = Versions {
            before: before.as_deref(),
            after: after.as_deref(),
            views: [&*states.before, &*states.after],
        };
        findings.extend(broken(reference, &table, &other, means).await?);
    }
    Ok(findings)
}

type Pair = (Option<Arc<Snapshot>>, Option<Arc<Snapshot>>);

async fn read(states: &UnitStates<'_>, snapshots: &SnapshotCache) -> Result<Pair, Failed> {
    let before = read_log(&*states.before, snapshots).await.map_err(unreadable)?;
    let after = read_log(&*states.after, snapshots).await.map_err(unreadable)?;
    Ok((before.map(|log| log.snapshot), after.map(|log| log.snapshot)))
}

fn unreadable(error: ReadError) -> Failed {
    match error {
        ReadError::Damaged(damage) => Failed::Conflicts(vec![Finding::damage("ours", damage)]),
        ReadError::View(error) => Failed::Storage(error),
    }
}

fn failure(root: &str, failed: Failed) -> Failure {
    let of = |reason, why: String| Failure {
        reason,
        message: format!("{root}: what merge.toml demands of its rows could not be checked: {why}"),
    };
    match failed {
        Failed::Conflicts(findings) => {
            let all = findings.into_iter().map(|finding| finding.into_conflict(root).message);
            of(FailureReason::Broken, all.collect::<Vec<_>>().join("; "))
        }
        Failed::Unmergeable(why) | Failed::Options(why) => of(FailureReason::Broken, why),
        Failed::TooLarge(why) => of(FailureReason::Limit, why),
        Failed::Storage(error @ (ViewError::Storage { .. } | ViewError::NotFound { .. })) => {
            of(FailureReason::Storage, error.to_string())
        }
        Failed::Storage(error) => of(FailureReason::Limit, error.to_string()),
        Failed::Engine(error) => of(FailureReason::Broken, full_message(&error)),
    }
}
