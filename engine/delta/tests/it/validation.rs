//! What must hold of the rows that a merge brings together.

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{Conflict, ConflictKind, MergeOutcome, Resolution};
use serde_json::json;

use crate::fixtures::{Merged, merge};
use crate::rows::{Step, Table, base_table, read, unit};

fn append(id: i64, name: &str) -> Step {
    Step::Append(id, (name.to_owned(), Some(id)))
}

fn appended(base: &Table, ours: &[Step], theirs: &[Step], options: serde_json::Value) -> UnitCase {
    let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
    ours.iter().for_each(|step| our_table.run(step));
    theirs.iter().for_each(|step| their_table.run(step));
    unit(base, &our_table, &their_table, options)
}

fn conflicts(merged: &Merged) -> &[Conflict] {
    match &merged.outcome {
        MergeOutcome::Conflicts { conflicts, .. } => conflicts,
        other => panic!("{other:#?}"),
    }
}

fn choose(case: &mut UnitCase, conflicts: &[Conflict], choice: &str) {
    let one = |conflict: &Conflict| Resolution {
        conflict: conflict.id(),
        choice: choice.into(),
        value: None,
        object: None,
    };
    case.resolutions.extend(conflicts.iter().map(one));
}

async fn rows_of(merged: &Merged, id: i64) -> Vec<String> {
    assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome);
    let rows = read(&merged.bodies).await;
    rows.into_iter().filter(|(one, _)| *one == id).map(|(_, cells)| cells.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_appends_of_one_key_are_a_conflict_that_is_decided_row_by_row() {
    let (ours, theirs) = ([append(20, "a"), append(21, "a")], [append(20, "b"), append(22, "b")]);
    let mut case = appended(&base_table(), &ours, &theirs, json!({"keys": ["id"]}));
    let refused = merge(&DeltaMerger::new(), &case).await;
    let found = conflicts(&refused);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (&found[0].kind, found[0].key.as_ref()),
        (&ConflictKind::DuplicateKey, Some(&json!({"id": 20})))
    );
    choose(&mut case, found, "theirs");
    let merged = merge(&DeltaMerger::new(), &case).await;
    assert_eq!(rows_of(&merged, 20).await, ["b"]);
    assert_eq!((rows_of(&merged, 21).await.len(), rows_of(&merged, 22).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_that_both_sides_appended_is_one_row() {
    let case = appended(&base_table(), &[append(20, "a")], &[append(20, "a")], json!({"keys": "id"}));
    assert_eq!(rows_of(&merge(&DeltaMerger::new(), &case).await, 20).await, ["a"]);
    // Without keys, and where the check is off, they are two.
    for options in [json!({}), json!({"keys": "id", "unique": false})] {
        let case = UnitCase { options, ..case.clone() };
        assert_eq!(rows_of(&merge(&DeltaMerger::new(), &case).await, 20).await, ["a", "a"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_rows_are_not_merged_a_key_of_both_sides_is_a_violation_that_can_be_accepted() {
    let feed = json!({"delta.enableChangeDataFeed": "true"});
    let base = Table::with_properties(&[base_table().rows()], feed);
    let mut case = appended(&base, &[append(20, "a")], &[append(20, "b")], json!({"keys": ["id"]}));
    let refused = merge(&DeltaMerger::new(), &case).await;
    let found = conflicts(&refused).to_vec();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].kind, ConflictKind::DuplicateKey);
    assert!(found[0].message.contains("change data feed"), "{}", found[0].message);
    assert!(found[0].ours.as_ref().unwrap()["files"][0].as_str().unwrap().starts_with("ours-"));
    choose(&mut case, &found, "accept");
    assert_eq!(rows_of(&merge(&DeltaMerger::new(), &case).await, 20).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_statistics_tell_their_keys_apart_are_not_read() {
    let case = appended(&base_table(), &[append(20, "a")], &[append(30, "b")], json!({"keys": ["id"]}));
    let open = case.open();
    assert!(matches!(open.run(&DeltaMerger::new()).await, MergeOutcome::Merged { .. }));
    let read = |unit: &anabranch_merge::test_support::MemoryUnit| {
        let data = unit.accesses().into_iter().filter(|a| a.method == "read" && a.path.ends_with(".parquet"));
        data.map(|access| access.path).collect::<Vec<_>>()
    };
    assert_eq!((read(&open.ours), read(&open.theirs)), (vec![], vec![]));
}
