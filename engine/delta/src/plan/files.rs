//! The live files of the merged table, and which of theirs' commits bring them there.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::{ConflictKind, ConflictValue};
use serde_json::json;

use super::contested::MergedComponent;
use super::finding::Finding;
use super::history::{advance, changed_files};
use super::matrix::{self, Classified, Operation};
use crate::action::{Add, Commit};
use crate::snapshot::LiveFiles;

/// What happens to the files.
#[derive(Debug, Default)]
pub(crate) struct FilePlan {
    /// Theirs' commits that are replayed, in order.
    pub commits: Vec<Arc<Commit>>,
    /// The live files that must come out.
    pub live: LiveFiles,
    /// What cannot be decided.
    pub findings: Vec<Finding>,
    /// Files that both sides changed, so that their rows have to be merged; and the same as findings, for tables whose
    /// rows cannot be.
    pub contested: BTreeSet<Arc<str>>,
    pub contested_findings: Vec<Finding>,
    /// What was left out.
    pub notes: Vec<String>,
    /// Whether theirs only added rows.
    pub appends_only: bool,
}

/// Merges the files: theirs' commits on top of ours, less the compactions whose input ours changed, and less those that
/// `merged` rows stand for.
pub(crate) fn plan_files(
    base: &LiveFiles,
    ours: &LiveFiles,
    our_commits: &[Arc<Commit>],
    their_commits: &[Arc<Commit>],
    merged: Option<&MergedComponent>,
) -> FilePlan {
    let our_changes = changed_files(base, ours);
    let mut plan = FilePlan::default();
    let stood_for = merged.map(|merged| merged.versions.clone()).unwrap_or_default();
    let mut dropped: BTreeSet<u64> = stood_for.clone();
    let theirs = loop {
        let kept: Vec<Arc<Commit>> =
            their_commits.iter().filter(|commit| !dropped.contains(&commit.version)).cloned().collect();
        let ghosts: BTreeSet<&Arc<str>> = their_commits
            .iter()
            .filter(|commit| dropped.contains(&commit.version))
            .flat_map(|commit| commit.adds().map(|add| &add.key))
            .filter(|key| !base.contains_key(*key))
            .collect();
        let lost = |commit: &&Arc<Commit>| {
            commit.is_layout_only()
                && commit
                    .removes()
                    .any(|remove| our_changes.contains_key(&remove.key) || ghosts.contains(&remove.key))
        };
        if let Some(lost) = kept.iter().find(lost) {
            dropped.insert(lost.version);
            continue;
        }
        match replay(base, &kept, &ghosts) {
            Ok(theirs) => {
                plan.commits = kept;
                break theirs;
            }
            Err((version, key)) => {
                let message = format!(
                    "theirs changed rows in version {version} of a file that theirs had compacted, and ours changed the compaction's input"
                );
                plan.contested_findings.push(Finding::file(
                    ConflictKind::RowConflict,
                    "layout",
                    &key,
                    message,
                ));
                plan.contested.insert(key);
                let changed_too = their_commits.iter().flat_map(|commit| commit.removes());
                let changed_too =
                    changed_too.map(|remove| &remove.key).filter(|key| our_changes.contains_key(*key));
                plan.contested.extend(changed_too.cloned());
                plan.findings = matrix_findings(base, ours, our_commits, their_commits);
                plan.live = all_of(base, ours, their_commits);
                return plan;
            }
        }
    };
    for version in dropped.difference(&stood_for) {
        plan.notes
            .push(format!("theirs' version {version} only arranged files that ours changed; it is left out"));
    }
    plan.live = merge_live(base, ours, &theirs, our_commits, &mut plan);
    for key in merged.iter().flat_map(|merged| &merged.removed) {
        plan.live.remove(key);
    }
    for add in merged.iter().flat_map(|merged| &merged.added) {
        plan.live.insert(add.key.clone(), add.clone());
    }
    let theirs_classified = classify_all(base, &plan.commits, ours);
    let ours_classified = classify_all(base, our_commits, &theirs);
    plan.appends_only = theirs_classified.iter().all(|c| {
        !matches!(
            c.operation,
            Operation::ChangeRows | Operation::PartitionOverwrite | Operation::Overwrite | Operation::Restore
        )
    });
    plan.findings.extend(matrix::check(&theirs_classified, &ours_classified));
    plan
}

/// Ours' files and theirs' new ones, where theirs' commits cannot be put on the base.
fn all_of(base: &LiveFiles, ours: &LiveFiles, their_commits: &[Arc<Commit>]) -> LiveFiles {
    let mut theirs = base.clone();
    for commit in their_commits {
        let _ = advance(&mut theirs, commit);
    }
    let mut live = ours.clone();
    for (key, add) in theirs.into_iter().filter(|(key, _)| !base.contains_key(key)) {
        live.entry(key).or_insert(add);
    }
    live
}

/// The pairs of operations that a person must decide, whatever becomes of the files.
fn matrix_findings(
    base: &LiveFiles,
    ours: &LiveFiles,
    our_commits: &[Arc<Commit>],
    their_commits: &[Arc<Commit>],
) -> Vec<Finding> {
    // A commit that cannot be applied to the base stands on a compaction: it is classified all the same.
    let mut theirs = base.clone();
    for commit in their_commits {
        let _ = advance(&mut theirs, commit);
    }
    matrix::check(&classify_all(base, their_commits, ours), &classify_all(base, our_commits, &theirs))
}

/// Theirs' state without the dropped commits; the version and file of a commit that needs one of those.
fn replay(
    base: &LiveFiles,
    commits: &[Arc<Commit>],
    ghosts: &BTreeSet<&Arc<str>>,
) -> Result<LiveFiles, (u64, Arc<str>)> {
    let mut live = base.clone();
    for commit in commits {
        let ghost =
            commit.removes().find(|remove| ghosts.contains(&remove.key)).map(|remove| remove.key.clone());
        let ghost =
            ghost.or_else(|| commit.adds().find(|add| ghosts.contains(&add.key)).map(|add| add.key.clone()));
        if let Some(key) = ghost {
            return Err((commit.version, key));
        }
        advance(&mut live, commit).map_err(|key| (commit.version, key))?;
    }
    Ok(live)
}

/// The commits of a side with what they did, less those that the other side already holds.
fn classify_all<'a>(base: &LiveFiles, commits: &'a [Arc<Commit>], other: &LiveFiles) -> Vec<Classified<'a>> {
    let mut before = base.clone();
    let mut classified = Vec::new();
    for commit in commits {
        if !is_applied(commit, other) {
            classified.push(Classified::new(commit, &before));
        }
        // A commit that cannot be applied was refused before.
        let _ = advance(&mut before, commit);
    }
    classified
}

/// Whether a state already holds all that a commit did to files: an earlier cherry-pick or merge brought it.
fn is_applied(commit: &Commit, live: &LiveFiles) -> bool {
    let mut adds = commit.adds().peekable();
    adds.peek().is_some()
        && adds.all(|add| live.get(&add.key).is_some_and(|other| other.same_file(add)))
        && !commit
            .removes()
            .any(|remove| live.get(&remove.key).is_some_and(|other| other.vector_id() == remove.vector_id()))
}

/// The three-way merge of the live files by identity.
fn merge_live(
    base: &LiveFiles,
    ours: &LiveFiles,
    theirs: &LiveFiles,
    our_commits: &[Arc<Commit>],
    plan: &mut FilePlan,
) -> LiveFiles {
    let their_commits = std::mem::take(&mut plan.commits);
    let mut live = ours.clone();
    for (key, (before, after)) in changed_files(base, theirs) {
        let our_file = ours.get(&key);
        let ours_unchanged = match (&before, our_file) {
            (None, None) => true,
            (Some(before), Some(ours)) => before.same_file(ours),
            _ => false,
        };
        if ours_unchanged {
            match after {
                Some(add) => live.insert(key, add),
                None => live.remove(&key),
            };
            continue;
        }
        let converges = match (our_file, &after) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.same_file(theirs),
            _ => false,
        };
        let images_missing =
            |commits: &[Arc<Commit>], other: &LiveFiles| {
                commits.iter().filter(|commit| touches(commit, &key)).flat_map(|commit| commit.adds()).any(
                    |add| add.key != key && !other.get(&add.key).is_some_and(|other| other.same_file(add)),
                )
            };
        if converges && !images_missing(&their_commits, ours) && !images_missing(our_commits, theirs) {
            continue;
        }
        plan.contested_findings.push(file_conflict(
            &key,
            before.as_ref(),
            our_file,
            after.as_ref(),
            our_commits,
            &their_commits,
        ));
        plan.contested.insert(key);
    }
    plan.commits = their_commits;
    live
}

fn touches(commit: &Commit, key: &Arc<str>) -> bool {
    commit.removes().any(|remove| remove.key == *key) || commit.adds().any(|add| add.key == *key)
}

fn file_conflict(
    key: &Arc<str>,
    before: Option<&Arc<Add>>,
    ours: Option<&Arc<Add>>,
    theirs: Option<&Arc<Add>>,
    our_commits: &[Arc<Commit>],
    their_commits: &[Arc<Commit>],
) -> Finding {
    let state = |add: Option<&Arc<Add>>, commits: &[Arc<Commit>]| -> ConflictValue {
        let by = commits.iter().rev().find(|commit| touches(commit, key));
        json!({
            "file": if add.is_some() { "live" } else { "removed" },
            "deletionVector": add.map(|add| add.vector_id()).filter(|id| !id.is_empty()),
            "version": by.map(|commit| commit.version),
            "operation": by.map(|commit| commit.operation()),
        })
    };
    let message = match (before.is_some(), ours.is_some(), theirs.is_some()) {
        (true, false, false) => "both sides replaced this file",
        (true, false, true) => "ours replaced this file, theirs deleted rows in it",
        (true, true, false) => "theirs replaced this file, ours deleted rows in it",
        (true, true, true) => "both sides deleted rows in this file",
        _ => "both sides added this file, with different deletion vectors",
    };
    let base = before.map(|add| json!({"file": "live", "deletionVector": add.vector_id()}));
    Finding::file(ConflictKind::RowConflict, "file", key, message).values(
        base,
        Some(state(ours, our_commits)),
        Some(state(theirs, their_commits)),
    )
}
