//! What comes out of merging the fixtures: rows, verification, conflicts.

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{MergeEdit, MergeOutcome, MergeReport, Verification};

use crate::fixtures::{self, Merged, case, fixture, ids, merge, rows, side};

fn report(merged: &Merged) -> &MergeReport {
    match &merged.outcome {
        MergeOutcome::Merged { report, .. } => report,
        other => panic!("{}: {other:#?}", merged.open.case.name),
    }
}

fn kinds(merged: &Merged) -> Vec<String> {
    match &merged.outcome {
        MergeOutcome::Conflicts { conflicts, .. } => conflicts.iter().map(|c| c.kind.to_string()).collect(),
        other => panic!("{}: {other:#?}", merged.open.case.name),
    }
}

/// base + (ours − base) + (theirs − base), and what a side took away is gone.
fn union(base: &[i64], ours: &[i64], theirs: &[i64]) -> Vec<i64> {
    let mut all: Vec<i64> = ours.iter().chain(theirs).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|id| !base.contains(id) || (ours.contains(id) && theirs.contains(id)));
    all
}

/// Merges, verifies, and gives the merged table.
async fn check_clean(merger: &DeltaMerger, case: &UnitCase, expected: &[i64]) -> Merged {
    let merged = merge(merger, case).await;
    let report = report(&merged);
    assert_eq!(report.verification, Verification::Agrees, "{}", case.name);
    assert_eq!(ids(&merged.bodies).await, expected, "{}", case.name);
    check_log_is_ours(&merged);
    merged
}

/// Ours' log is appended to, and nothing of theirs' log came along.
fn check_log_is_ours(merged: &Merged) {
    let ours = merged.open.ours.entries();
    for (path, entry) in ours {
        assert_eq!(merged.entries.get(path), Some(entry), "{path} of ours changed");
    }
    let MergeOutcome::Merged { edits, .. } = &merged.outcome else { return };
    for edit in edits {
        match edit {
            MergeEdit::Put { path, .. } => {
                let commits = path.starts_with("_delta_log/") && path.ends_with(".json");
                assert!(
                    commits || (path.ends_with(".parquet") && !path.starts_with("_delta_log/")),
                    "{path}"
                );
            }
            MergeEdit::Link { path, entry } => {
                assert!(!path.starts_with("_delta_log/"), "{path} travelled");
                assert_eq!(entry.modified_ms, anabranch_merge::test_support::MERGE_TIME_MS);
            }
            MergeEdit::Remove { path } => panic!("{path} was removed"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_apart_merges() {
    let merger = DeltaMerger::new();
    for name in [
        "append-append",
        "classic-checkpoint",
        "multi-part-checkpoint",
        "cleaned-log",
        "partitioned",
        "optimize-theirs",
        "optimize-ours",
        "optimize-dropped",
        "same-file",
        "add-columns",
        "vacuum",
    ] {
        let expected = union(&rows(name, "base"), &rows(name, "ours"), &rows(name, "theirs"));
        check_clean(&merger, &fixture(name), &expected).await;
        // The other direction gives the same rows; a deletion in a file that ours compacted is merged by rows.
        check_clean(&merger, &fixture(name).swapped(), &expected).await;
    }
}

#[tokio::test]
async fn what_overlaps_is_a_conflict() {
    let merger = DeltaMerger::new();
    let expected = vec!["overwrite-vs-change"];
    assert_eq!(kinds(&merge(&merger, &fixture("overwrite")).await), expected);
    assert_eq!(kinds(&merge(&merger, &fixture("overwrite").swapped()).await), expected, "swapped");
}

#[tokio::test]
async fn deletion_vectors_on_both_sides_merge_when_their_files_are_apart() {
    let merger = DeltaMerger::new();
    let merged = merge(&merger, &fixture("deletion-vectors")).await;
    assert_eq!(report(&merged).verification, Verification::Agrees);
    let theirs = side("deletion-vectors", "theirs");
    let vectors: Vec<&String> = theirs.keys().filter(|path| path.ends_with(".bin")).collect();
    assert!(!vectors.is_empty() && vectors.iter().all(|path| merged.bodies.contains_key(*path)));
    check_log_is_ours(&merged);
}

#[tokio::test]
async fn a_second_merge_and_a_merge_back_repeat_nothing() {
    let merger = DeltaMerger::new();
    let name = "append-append";
    let (base, ours) = (rows(name, "base"), rows(name, "ours"));
    let (theirs, later) = (rows(name, "theirs"), rows(name, "later"));
    let first = check_clean(&merger, &fixture(name), &union(&base, &ours, &theirs)).await;

    let expected = union(&theirs, &union(&base, &ours, &theirs), &later);
    let second = case(name, side(name, "theirs"), first.bodies.clone(), side(name, "later"));
    let second = check_clean(&merger, &second, &expected).await;

    let back = case(name, side(name, "theirs"), side(name, "later"), first.bodies.clone());
    let back = check_clean(&merger, &back, &expected).await;
    let commits = |bodies: &fixtures::Bodies| bodies.keys().filter(|path| path.ends_with(".json")).count();
    // Only ours' own commit comes back, not theirs' replayed ones.
    assert_eq!(commits(&back.bodies), commits(&side(name, "later")) + 1);

    let again = case(name, side(name, "later"), second.bodies.clone(), side(name, "later"));
    let again = merge(&merger, &again).await;
    assert!(matches!(&again.outcome, MergeOutcome::Merged { edits, .. } if edits.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_engines_read_the_merged_rows() {
    let merger = DeltaMerger::new();
    for name in [
        "append-append",
        "partitioned",
        "cleaned-log",
        "optimize-theirs",
        "add-columns",
        "vacuum",
        "deletion-vectors",
    ] {
        let merged = merge(&merger, &fixture(name)).await;
        let Some(read) = fixtures::foreign_ids(&merged.bodies) else { return };
        let expected = union(&rows(name, "base"), &rows(name, "ours"), &rows(name, "theirs"));
        for (engine, ids) in read {
            assert_eq!(ids, expected, "{name} as {engine} reads it");
        }
    }
}

#[tokio::test]
async fn what_a_cleanup_took_comes_back_where_the_merged_log_lists_it() {
    let merger = DeltaMerger::new();
    let mut case = fixture("append-append");
    let file = case.base.keys().find(|path| path.ends_with(".parquet")).unwrap().clone();
    // Theirs took a live file away physically, or ours did: the merged log lists it all the same.
    case.theirs.remove(&file);
    let merged = merge(&merger, &case).await;
    assert!(report(&merged).files_added > 0 && merged.bodies.contains_key(&file));
    let mut case = fixture("append-append");
    case.ours.remove(&file);
    let merged = merge(&merger, &case).await;
    assert!(report(&merged).files_added > 0 && merged.bodies.contains_key(&file));
    // A file that theirs deleted and cleaned up stays on ours, where its log lists it as a tombstone.
    let vacuumed = merge(&merger, &fixture("vacuum")).await;
    let theirs = side("vacuum", "theirs");
    let kept = side("vacuum", "base")
        .into_keys()
        .filter(|path| path.ends_with(".parquet") && !theirs.contains_key(path));
    assert!(kept.into_iter().all(|path| vacuumed.bodies.contains_key(&path)));
}

#[tokio::test]
async fn choosing_one_side_for_every_conflict_takes_it_whole() {
    let merger = DeltaMerger::new();
    let mut case = fixture("overwrite");
    let outcome = merge(&merger, &case).await.outcome;
    let MergeOutcome::Conflicts { conflicts, .. } = outcome else { panic!("{outcome:?}") };
    for (choice, expected) in [("ours", case.ours.clone()), ("theirs", case.theirs.clone())] {
        case.resolutions = conflicts
            .iter()
            .map(|conflict| anabranch_merge::Resolution {
                conflict: conflict.id(),
                choice: choice.into(),
                value: None,
                object: None,
            })
            .collect();
        let merged = merge(&merger, &case).await;
        assert_eq!(merged.bodies, expected, "{choice}");
    }
}

#[tokio::test]
async fn a_diff_counts_files_and_rows() {
    use anabranch_merge::test_support::entry_changes;
    use anabranch_merge::{DiffInput, Merger};
    let open = fixture("add-columns").open();
    let changes = entry_changes(&open.base, &open.ours);
    let input = DiffInput {
        root: "t",
        before: &open.base,
        after: &open.ours,
        changes: &changes,
        options: &serde_json::json!({}),
    };
    let diff = DeltaMerger::new().diff(input).await.unwrap();
    assert_eq!((diff.files_added, diff.files_removed), (1, 0));
    assert_eq!(diff.rows.map(|rows| (rows.added, rows.removed)), Some((5, 0)));
    assert_eq!(diff.notes, ["column ours added"]);
}

#[tokio::test]
async fn the_quickstart_table_merges() {
    let sides = ["base", "main", "dev"].map(|name| side("../quickstart", &format!("{name}/flights")));
    let [base, ours, theirs] = sides;
    // A branch's folder holds what it wrote on top of the base.
    let on_top = |new| base.clone().into_iter().chain(new).collect::<fixtures::Bodies>();
    let (ours, theirs) = (on_top(ours), on_top(theirs));
    assert!(!base.is_empty() && ours.len() > base.len() && theirs.len() > base.len());
    let merged = merge(&DeltaMerger::new(), &case("flights", base, ours, theirs)).await;
    assert_eq!(report(&merged).verification, Verification::Agrees);
    assert!(report(&merged).files_added > 0);
    check_log_is_ours(&merged);
}
