//! A plan becomes edits: new commits are written, theirs' objects are linked, and nothing that the merged log lists is
//! left without its object.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{ConflictKind, EntryMerge, MergeEdit, MergeInput, ObjectAttributes, ViewError};
use anabranch_types::Entry;

use crate::action::{DeletionVector, VectorStorage};
use crate::plan::{Finding, Plan};
use crate::read::same_object;
use crate::snapshot::{Snapshot, commit_path};

/// The three entries of a path.
struct Sides {
    base: Option<Entry>,
    ours: Option<Entry>,
    theirs: Option<Entry>,
}

/// Finds the objects that ours needs from another side. Links carry a fresh time: an old one would let the next
/// clean-up on ours take them away.
pub(crate) async fn link_objects(
    input: &MergeInput<'_>,
    plan: &Plan,
    merged: &Snapshot,
) -> Result<(Vec<MergeEdit>, Vec<Finding>), ViewError> {
    let changes: BTreeMap<&str, &EntryMerge> =
        input.changes.iter().map(|change| (change.path.as_str(), change)).collect();
    let mut links: BTreeMap<String, Entry> = BTreeMap::new();
    let mut findings = Vec::new();
    for wanted in &plan.wanted {
        let sides = sides(input, &changes, &wanted.path).await?;
        let live = plan.live.get(wanted.path.as_str());
        match (sides.theirs, sides.ours) {
            (Some(theirs), Some(ours)) if !same_object(&theirs, &ours) => {
                let message = "both sides hold different bytes under the name of this file";
                findings.push(Finding::file(
                    ConflictKind::DataFilePathCollision,
                    "data-file",
                    &wanted.path,
                    message,
                ));
            }
            (_, Some(_)) => {}
            (Some(entry), None) => {
                let size = live.and_then(|add| u64::try_from(add.size).ok());
                if size.is_some_and(|size| size != entry.size) {
                    let message =
                        format!("theirs' log gives this file another size than its {} bytes", entry.size);
                    findings.push(Finding::file(
                        ConflictKind::TableDamaged,
                        "data-file",
                        &wanted.path,
                        message,
                    ));
                }
                links.insert(wanted.path.clone(), entry);
            }
            (None, None) => match sides.base {
                Some(entry) => {
                    links.insert(wanted.path.clone(), entry);
                }
                None if wanted.required => {
                    let message = "theirs' log lists this object, and no side holds it";
                    findings.push(Finding::file(
                        ConflictKind::MissingDataFile,
                        "data-file",
                        &wanted.path,
                        message,
                    ));
                }
                None => {}
            },
        }
    }
    keep_listed(input, merged, &mut links);
    let edits = links.into_iter().map(|(path, entry)| {
        let entry = Entry { modified_ms: input.merge_time_ms, ..entry };
        MergeEdit::Link { path, entry }
    });
    Ok((edits.collect(), findings))
}

async fn sides(
    input: &MergeInput<'_>,
    changes: &BTreeMap<&str, &EntryMerge>,
    path: &str,
) -> Result<Sides, ViewError> {
    if let Some(change) = changes.get(path) {
        let change = EntryMerge::clone(change);
        return Ok(Sides { base: change.base, ours: change.ours, theirs: change.theirs });
    }
    // No side changed it: all hold the same.
    let entry = input.ours.stat(path).await?;
    Ok(Sides { base: entry.clone(), ours: entry.clone(), theirs: entry })
}

/// Brings back what ours deleted physically although the merged log lists it, live or as a tombstone.
fn keep_listed(input: &MergeInput<'_>, merged: &Snapshot, links: &mut BTreeMap<String, Entry>) {
    let gone = input.changes.iter().filter(|change| {
        change.ours.is_none() && !change.path.starts_with("_delta_log/") && !links.contains_key(&change.path)
    });
    let gone: Vec<&EntryMerge> = gone.collect();
    if gone.is_empty() {
        return;
    }
    let live = merged.files.values().filter_map(|add| add.vector.as_ref());
    let removed = merged.tombstones.values().filter_map(|remove| remove.vector.as_ref());
    let vectors: BTreeSet<&str> = live.chain(removed).filter_map(vector_object).collect();
    for change in gone {
        let listed = merged.lists(&change.path) || vectors.contains(change.path.as_str());
        let entry = change.theirs.as_ref().or(change.base.as_ref());
        if let Some(entry) = entry.filter(|_| listed) {
            links.insert(change.path.clone(), entry.clone());
        }
    }
}

fn vector_object(vector: &DeletionVector) -> Option<&str> {
    match &vector.storage {
        VectorStorage::Object(path) => Some(path),
        VectorStorage::Inline | VectorStorage::Absolute(_) => None,
    }
}

/// Writes the new commits; their edits in order, and how many bytes they have.
pub(crate) async fn write_commits(
    input: &MergeInput<'_>,
    plan: &Plan,
) -> Result<(Vec<MergeEdit>, u64), ViewError> {
    let mut edits = Vec::new();
    let mut bytes = 0;
    for commit in &plan.commits {
        let text = commit.text();
        bytes += text.len() as u64;
        let attributes = ObjectAttributes { content_type: "application/json".into(), ..Default::default() };
        let entry = input.writer.write(text.into(), attributes).await?;
        let entry = Entry { modified_ms: commit.modified_ms, ..entry };
        edits.push(MergeEdit::Put { path: commit_path(commit.version), entry });
    }
    Ok((edits, bytes))
}
