//! What every merger must keep, built in or plugin: run [`all`] over a merger and cases of its own.
//!
//! Each check panics with the name of the case. The cases should hold at least one that merges, one that conflicts,
//! one in which the sides came to the same, and one in which a side lacks the unit.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_types::ObjectPath;
use bytes::Bytes;

use crate::test_support::{OpenCase, UnitCase, entry_changes};
use crate::{Conflict, ConflictKind, ConflictValue, DiffInput, MergeEdit, MergeOutcome, Merger, UnitKind};

/// What a unit means, for comparing results: two states with equal meanings are equally good. For a table, what its
/// log lists; for an object, its bytes.
pub type Meaning<'a> = &'a (dyn Fn(&BTreeMap<String, Bytes>) -> String + Send + Sync);

/// The meaning of units in which every byte counts.
pub fn bytes_count(bodies: &BTreeMap<String, Bytes>) -> String {
    format!("{bodies:?}")
}

/// How many failing reads per side are tried, at most.
const FAILURES_MAX: usize = 40;

/// Runs every check on every case.
pub async fn all(merger: &dyn Merger, cases: &[UnitCase], meaning: Meaning<'_>) {
    for case in cases {
        deterministic(merger, case).await;
        reads_only_its_input(merger, case).await;
        edits_keep_their_contract(merger, case).await;
        conflicts_keep_their_contract(merger, case).await;
        an_unchanged_side_takes_the_other(merger, case, meaning).await;
        swapping_sides_swaps_labels(merger, case, meaning).await;
        a_failing_storage_fails_the_merge(merger, case).await;
        equal_states_have_no_difference(merger, case).await;
    }
}

/// The same input gives the same outcome and writes the same bytes.
pub async fn deterministic(merger: &dyn Merger, case: &UnitCase) {
    let (first, second) = (case.open(), case.open());
    let outcomes = (first.run(merger).await, second.run(merger).await);
    assert_eq!(outcomes.0, outcomes.1, "{}: two runs on the same input differ", case.name);
    assert_eq!(
        first.writer.written(),
        second.writer.written(),
        "{}: two runs wrote different bytes",
        case.name
    );
}

/// Every path that is asked for lies within the unit, and every byte that is read belongs to an entry of a view.
pub async fn reads_only_its_input(merger: &dyn Merger, case: &UnitCase) {
    let open = case.open();
    open.run(merger).await;
    let views = [&open.base, &open.ours, &open.theirs];
    let written = open.writer.written();
    let mut known: BTreeSet<_> =
        views.iter().flat_map(|v| v.entries().values()).map(|e| e.address.clone()).collect();
    known.extend(written.into_iter().map(|(entry, _)| entry.address));
    for access in views.iter().flat_map(|view| view.accesses()) {
        let inside = !access.path.starts_with('/') && !access.path.split('/').any(|part| part == "..");
        assert!(inside, "{}: {} asked for {:?}", case.name, access.method, access.path);
        if let Some(address) = access.address {
            assert!(known.contains(&address), "{}: {address:?} is of no view", case.name);
        }
    }
}

/// Edits are in order of path, each path once, all within the unit; puts were written by the writer, links were read
/// from a view; the report counts what was written.
pub async fn edits_keep_their_contract(merger: &dyn Merger, case: &UnitCase) {
    let open = case.open();
    let MergeOutcome::Merged { edits, report } = open.run(merger).await else {
        return;
    };
    let paths: Vec<&str> = edits.iter().map(MergeEdit::path).collect();
    let mut sorted = paths.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(paths, sorted, "{}: edits are not in order, or name a path twice", case.name);
    let views = [&open.base, &open.ours, &open.theirs];
    let written = open.writer.written();
    for edit in &edits {
        match case.unit {
            UnitKind::Object => assert_eq!(edit.path(), "", "{}: an object has one path", case.name),
            UnitKind::Folder => {
                let full = ObjectPath::new(format!("{}/{}", case.root, edit.path()));
                assert!(full.is_ok() && !edit.path().is_empty(), "{}: {:?}", case.name, edit.path());
            }
        }
        let (source, found) = match edit {
            // Only the address: a table format may want increasing times.
            MergeEdit::Put { entry, .. } => {
                ("the writer", written.iter().any(|(made, _)| made.address == entry.address))
            }
            MergeEdit::Link { entry, .. } => {
                let is_it = |known: &anabranch_types::Entry| known.address == entry.address;
                ("a view", views.iter().any(|view| view.entries().values().any(is_it)))
            }
            MergeEdit::Remove { .. } => ("ours", true),
        };
        assert!(found, "{}: the entry of {:?} is not from {source}", case.name, edit.path());
    }
    let bytes: u64 = written.iter().map(|(_, body)| body.len() as u64).sum();
    assert_eq!(report.bytes_written, bytes, "{}: the report counts other bytes than were written", case.name);
}

/// Conflicts are there, in order, told apart by their ids, name a place in the unit, and can be chosen from.
pub async fn conflicts_keep_their_contract(merger: &dyn Merger, case: &UnitCase) {
    let MergeOutcome::Conflicts { conflicts, .. } = case.run(merger).await else {
        return;
    };
    assert!(!conflicts.is_empty(), "{}: conflicts without a conflict", case.name);
    let mut sorted = conflicts.clone();
    Conflict::sort(&mut sorted);
    assert_eq!(conflicts, sorted, "{}: conflicts are not in order", case.name);
    let ids: BTreeSet<_> = conflicts.iter().map(Conflict::id).collect();
    assert_eq!(ids.len(), conflicts.len(), "{}: two conflicts have one id", case.name);
    for conflict in &conflicts {
        let inside = conflict.path == case.root || conflict.path.starts_with(&format!("{}/", case.root));
        assert!(inside, "{}: {conflict} is outside of the unit", case.name);
        if case.unit == UnitKind::Folder {
            assert_eq!(conflict.table.as_ref(), Some(&case.root), "{}: {conflict} names no table", case.name);
        }
        assert!(!conflict.message.is_empty() && !conflict.rule.is_empty(), "{}: {conflict:?}", case.name);
        let choices: BTreeSet<_> = conflict.choices.iter().map(|choice| &choice.id).collect();
        assert_eq!(choices.len(), conflict.choices.len(), "{}: {conflict} has a choice twice", case.name);
        if let ConflictKind::Plugin(kind) = &conflict.kind {
            assert!(kind.starts_with("x-"), "{}: a plugin's own kind begins with x-, not {kind}", case.name);
        }
        assert_ne!(conflict.kind, ConflictKind::MergerFailed, "{}: failing is no conflict", case.name);
    }
}

/// Where only one side changed, or both did the same, the result is that side.
pub async fn an_unchanged_side_takes_the_other(merger: &dyn Merger, case: &UnitCase, meaning: Meaning<'_>) {
    for (what, ours, theirs, expected) in [
        ("only theirs changed", &case.base, &case.theirs, &case.theirs),
        ("only ours changed", &case.ours, &case.base, &case.ours),
        ("both came to the same", &case.theirs, &case.theirs, &case.theirs),
        ("nobody changed", &case.base, &case.base, &case.base),
    ] {
        let open = UnitCase { ours: ours.clone(), theirs: theirs.clone(), ..case.clone() }.open();
        let outcome = open.run(merger).await;
        let merged = merged(&open, &outcome, &format!("{}, {what}", case.name));
        assert_eq!(meaning(&merged), meaning(expected), "{}: {what}", case.name);
    }
}

fn merged(open: &OpenCase, outcome: &MergeOutcome, what: &str) -> BTreeMap<String, Bytes> {
    let merged = open.merged_bodies(outcome);
    assert!(merged.is_some(), "{what}: not merged, or an object is missing: {outcome:?}");
    merged.unwrap_or_default()
}

/// With the sides swapped, what merged merges to the same, and what conflicts has the same conflicts the other way
/// around.
pub async fn swapping_sides_swaps_labels(merger: &dyn Merger, case: &UnitCase, meaning: Meaning<'_>) {
    let (open, swapped) = (case.open(), case.swapped().open());
    let (outcome, other) = (open.run(merger).await, swapped.run(merger).await);
    match (&outcome, &other) {
        (MergeOutcome::Merged { .. }, MergeOutcome::Merged { .. }) => {
            let left = merged(&open, &outcome, &case.name);
            let right = merged(&swapped, &other, &case.name);
            assert_eq!(
                meaning(&left),
                meaning(&right),
                "{}: swapped sides merge to something else",
                case.name
            );
        }
        (
            MergeOutcome::Conflicts { conflicts: left, .. },
            MergeOutcome::Conflicts { conflicts: right, .. },
        ) => {
            let left: BTreeSet<String> = left.iter().map(|c| place(c, &c.ours, &c.theirs)).collect();
            let right: BTreeSet<String> = right.iter().map(|c| place(c, &c.theirs, &c.ours)).collect();
            assert_eq!(left, right, "{}: swapped sides have other conflicts", case.name);
        }
        (MergeOutcome::Failed(_), MergeOutcome::Failed(_)) => {}
        (left, right) => {
            assert_eq!(
                format!("{left:?}"),
                format!("{right:?}"),
                "{}: swapped sides end otherwise",
                case.name
            );
        }
    }
}

/// Kind, place and values of a conflict, as they are with the sides one way around.
fn place(conflict: &Conflict, ours: &Option<ConflictValue>, theirs: &Option<ConflictValue>) -> String {
    let kind = conflict.kind.as_str();
    serde_json::json!([kind, conflict.path, conflict.key, conflict.column, conflict.base, ours, theirs])
        .to_string()
}

/// A storage that fails at any one point makes the merge fail, or goes unnoticed because the read was not needed; it
/// never changes the outcome.
pub async fn a_failing_storage_fails_the_merge(merger: &dyn Merger, case: &UnitCase) {
    let clean = case.open();
    let expected = clean.run(merger).await;
    let check = |outcome: &MergeOutcome, what: String| match outcome {
        MergeOutcome::Failed(failure) => {
            assert!(!failure.message.is_empty(), "{}: {what}: a failure without a message", case.name);
        }
        other => assert_eq!(other, &expected, "{}: {what} changed the outcome", case.name),
    };
    for side in 0..3 {
        let accesses = match side {
            0 => clean.base.accesses().len(),
            1 => clean.ours.accesses().len(),
            _ => clean.theirs.accesses().len(),
        };
        for count in 0..accesses.min(FAILURES_MAX) {
            let open = case.open();
            match side {
                0 => open.base.fail_after(count),
                1 => open.ours.fail_after(count),
                _ => open.theirs.fail_after(count),
            }
            check(&open.run(merger).await, format!("read {count} of side {side} failing"));
        }
    }
    for count in 0..clean.writer.written().len().min(FAILURES_MAX) {
        let open = case.open();
        open.writer.fail_after(count);
        let outcome = open.run(merger).await;
        let failed = matches!(outcome, MergeOutcome::Failed(_));
        assert!(failed, "{}: write {count} failing did not fail the merge: {outcome:?}", case.name);
    }
}

/// A state compared with itself shows nothing.
pub async fn equal_states_have_no_difference(merger: &dyn Merger, case: &UnitCase) {
    let open = UnitCase { ours: case.base.clone(), ..case.clone() }.open();
    let changes = entry_changes(&open.base, &open.ours);
    let input = DiffInput {
        root: &case.root,
        before: &open.base,
        after: &open.ours,
        changes: &changes,
        options: &case.options,
    };
    let diff = merger.diff(input).await;
    let quiet = diff.as_ref().is_ok_and(|diff| {
        diff.files_added == 0
            && diff.files_removed == 0
            && diff.rows.unwrap_or_default() == Default::default()
    });
    assert!(quiet, "{}: a state differs from itself: {diff:?}", case.name);
}
