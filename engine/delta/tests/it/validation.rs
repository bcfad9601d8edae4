//! What must hold of the rows that a merge brings together.

mod complete;
mod generated;
mod mapped;
mod skew;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::{MemoryObjects, MemoryUnit, UnitCase};
use anabranch_merge::{
    Conflict, ConflictKind, MergeOutcome, Merger, Resolution, UnitOpener, UnitStates, UnitView, ViewError,
    ViolationsInput,
};
use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;

use crate::fixtures::{self, Bodies, Merged, merge};
use crate::rows::{Step, Table, apply, base_table, read, steps, unit};

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

/// Kinds and messages of a merge and of the same with the sides swapped.
async fn outcomes(case: &UnitCase) -> [Vec<String>; 2] {
    let shown = |outcome: &MergeOutcome| match outcome {
        MergeOutcome::Merged { .. } => vec!["merged".to_owned()],
        MergeOutcome::Conflicts { conflicts, .. } => {
            conflicts.iter().map(|conflict| format!("{}: {}", conflict.kind, conflict.message)).collect()
        }
        MergeOutcome::Failed(failure) => vec![format!("failed: {}", failure.message)],
    };
    let merger = DeltaMerger::new();
    let (merged, swapped) = (merge(&merger, case).await, merge(&merger, &case.swapped()).await);
    [shown(&merged.outcome), shown(&swapped.outcome)]
}

async fn check(case: &UnitCase, expected: &[&str], swapped: &[&str]) {
    assert_eq!(outcomes(case).await, [expected.to_vec(), swapped.to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_checked_against_a_constraint_that_the_other_side_added() {
    let case = |condition| {
        appended(&base_table(), &[Step::Constrain(condition)], &[append(20, "a"), append(21, "b")], json!({}))
    };
    check(&case("id < 100"), &["merged"], &["merged"]).await;
    check(
        &case("id <> 20"),
        &["constraint-violation: 1 row that theirs wrote breaks rule (id <> 20), which ours added"],
        &["constraint-violation: 1 row that ours wrote breaks rule (id <> 20), which theirs added"],
    )
    .await;
    check(
        &case("n / 2 < 100"),
        &["constraint-unverifiable: rule (n / 2 < 100), which ours added, cannot be checked here for the rows of theirs: \
           n / 2 is not evaluated here"],
        &["constraint-unverifiable: rule (n / 2 < 100), which theirs added, cannot be checked here for the rows of ours: \
           n / 2 is not evaluated here"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_no_answer_to_a_constraint_and_breaks_not_null() {
    let null = Step::Append(20, ("a".to_owned(), None));
    let case = |rule| appended(&base_table(), &[rule], std::slice::from_ref(&null), json!({"keys": "id"}));
    let violated = case(Step::Constrain("n < 100"));
    let refused = merge(&DeltaMerger::new(), &violated).await;
    let found = conflicts(&refused);
    assert_eq!(found[0].kind, ConflictKind::ConstraintViolation);
    assert_eq!(found[0].theirs, Some(json!({"rows": 1, "shown": [{"id": 20, "n": null}]})));
    assert!(found[0].choices.iter().map(|choice| choice.id.as_str()).eq(["ours", "theirs"]), "{found:#?}");
    check(
        &case(Step::Require("n")),
        &["constraint-violation: 1 row that theirs wrote breaks NOT NULL of column n, which ours added"],
        &["constraint-violation: 1 row that ours wrote breaks NOT NULL of column n, which theirs added"],
    )
    .await;
    check(&case(Step::Require("name")), &["merged"], &["merged"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_rows_are_checked_and_conflicts_do_not_hide_violations() {
    let ours = [Step::Rename([1].into(), "b".into()), Step::Constrain("n >= 0")];
    let theirs = [Step::Number([2].into(), Some(-5)), append(20, "a")];
    let message = "constraint-violation: 1 row that theirs wrote breaks rule (n >= 0), which ours added";
    let swapped = "constraint-violation: 1 row that ours wrote breaks rule (n >= 0), which theirs added";
    check(&appended(&base_table(), &ours, &theirs, json!({"keys": "id"})), &[message], &[swapped]).await;
    // Beside it a row in conflict, in another file.
    let ours = [Step::Rename([1].into(), "b".into()), Step::Constrain("n >= 0")];
    let theirs = [Step::Rename([1].into(), "c".into()), Step::Append(20, ("a".into(), Some(-1)))];
    let case = appended(&base_table(), &ours, &theirs, json!({"keys": "id"}));
    let both = outcomes(&case).await;
    assert_eq!(both[0].len(), 2, "{both:#?}");
    assert!(both[0].contains(&message.to_owned()) && both[1].contains(&swapped.to_owned()), "{both:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_deletion_vector_hides_do_not_count() {
    let mut base = fixtures::side("deletion-vectors", "base");
    let theirs = fixtures::side("deletion-vectors", "theirs");
    // Theirs added the second file and deleted row 14 of it.
    base.retain(|path, _| !path.contains("00002") && !path.contains("f7140037"));
    let first = String::from_utf8(base["_delta_log/00000000000000000000.json"].to_vec()).unwrap();
    let metadata = first.lines().find(|line| line.contains("\"metaData\"")).unwrap();
    for (condition, expected) in [("id <> 14", None), ("id <> 15", Some(1))] {
        let mut ours = base.clone();
        let constrained = metadata.replace(
            "\"configuration\":{",
            &format!("\"configuration\":{{\"delta.constraints.rule\":\"{condition}\","),
        );
        assert_ne!(constrained, metadata);
        let protocol = json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors", "appendOnly", "invariants", "checkConstraints"]}});
        let commit =
            format!("{{\"commitInfo\":{{\"operation\":\"ADD CONSTRAINT\"}}}}\n{protocol}\n{constrained}\n");
        ours.insert("_delta_log/00000000000000000002.json".into(), commit.into());
        let merged =
            merge(&DeltaMerger::new(), &fixtures::case("vectors", base.clone(), ours, theirs.clone())).await;
        match expected {
            None => assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome),
            Some(rows) => assert_eq!(conflicts(&merged)[0].theirs.as_ref().unwrap()["rows"], rows),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_merge_toml_declares_is_asked_of_what_the_merge_brings() {
    let (ours, theirs) = ([append(20, "a")], [append(21, "a"), Step::Append(22, ("x".into(), None))]);
    let case = |options| appended(&base_table(), &ours, &theirs, options);
    check(
        &case(json!({"not-null": "n"})),
        &["constraint-violation: 1 row that the merge brings breaks NOT NULL of column n, which merge.toml has"],
        &["merged"],
    )
    .await;
    check(
        &case(json!({"check": {"short": "id < 22"}})),
        &["constraint-violation: 1 row that the merge brings breaks short (id < 22), which merge.toml has"],
        &["merged"],
    )
    .await;
    let mut case = case(json!({"check": {"short": "id < 22"}}));
    let refused = merge(&DeltaMerger::new(), &case).await;
    choose(&mut case, conflicts(&refused), "accept");
    assert_eq!(rows_of(&merge(&DeltaMerger::new(), &case).await, 22).await, ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_columns_are_counted_over_the_whole_merged_table() {
    // Id 3 is in the base, 20 comes from both sides, 30 is there twice on ours already.
    let twice = Step::Append(30, ("a".into(), Some(0)));
    let ours = [append(20, "a"), twice.clone(), twice, Step::Rename([1].into(), "o".into())];
    let theirs = [append(20, "b"), append(3, "b"), Step::Rename([2].into(), "t".into())];
    let case = appended(&base_table(), &ours, &theirs, json!({"unique": ["id"]}));
    let merged = merge(&DeltaMerger::new(), &case).await;
    let id = |one: &Conflict| one.key.as_ref().unwrap()["id"].as_i64().unwrap();
    let keys: BTreeSet<i64> = conflicts(&merged).iter().map(id).collect();
    assert_eq!(keys, [3, 20].into(), "{:#?}", merged.outcome);
    let pairs = appended(&base_table(), &ours, &theirs, json!({"unique": [["id", "name"]]}));
    let merged = merge(&DeltaMerger::new(), &pairs).await;
    assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome);
    let unknown = appended(&base_table(), &ours, &theirs, json!({"unique": "nope"}));
    assert!(outcomes(&unknown).await[0][0].contains("merge.toml: there is no column nope"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever two branches did whose ids are unique on each: a merge that goes through leaves them unique, whether they
    /// are declared as keys or as unique alone. One that is refused for it has an id that both added.
    #[test]
    fn a_clean_merge_leaves_keys_unique(ours in steps(100), theirs in steps(200), keys in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let base = base_table();
            let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
            apply(&mut our_table, &ours);
            apply(&mut their_table, &theirs);
            let options = if keys { json!({"keys": ["id"]}) } else { json!({"unique": ["id"]}) };
            let merged = merge(&DeltaMerger::new(), &unit(&base, &our_table, &their_table, options)).await;
            let both_added = our_table.rows().contains_key(&99) && their_table.rows().contains_key(&99);
            match &merged.outcome {
                MergeOutcome::Merged { .. } => {
                    let rows = read(&merged.bodies).await;
                    let ids: BTreeSet<i64> = rows.iter().map(|(id, _)| *id).collect();
                    assert_eq!(ids.len(), rows.len(), "{rows:?}");
                }
                MergeOutcome::Conflicts { conflicts, .. } => {
                    let twice = conflicts.iter().filter(|conflict| conflict.kind == ConflictKind::DuplicateKey);
                    for conflict in twice {
                        assert!(both_added, "{conflict:#?}");
                        assert_eq!(conflict.key, Some(json!({"id": 99})));
                    }
                }
                MergeOutcome::Failed(failure) => panic!("{failure:?}"),
            }
        });
    }
}

/// Tables before a merge and after it.
struct Tables {
    objects: Arc<MemoryObjects>,
    states: BTreeMap<&'static str, [Bodies; 2]>,
}

impl Tables {
    fn new(states: impl IntoIterator<Item = (&'static str, [Table; 2])>) -> Tables {
        Tables::of(states.into_iter().map(|(root, states)| (root, states.map(|table| table.bodies))))
    }

    fn of(states: impl IntoIterator<Item = (&'static str, [Bodies; 2])>) -> Tables {
        Tables { objects: MemoryObjects::new(), states: states.into_iter().collect() }
    }

    fn unit(&self, root: &str, after: usize) -> Box<dyn UnitView> {
        let mut unit = MemoryUnit::new("main", &self.objects);
        for (path, body) in self.states.get(root).iter().flat_map(|states| &states[after]) {
            unit.put(path.clone(), body.clone());
        }
        Box::new(unit)
    }

    async fn violations(&self, root: &str, options: serde_json::Value) -> Vec<String> {
        let states = self.open(root).await.unwrap().unwrap();
        let (root, options, resolutions) = (root, &options, &[]);
        let input = ViolationsInput { root, states, options, own_rows: true, units: self, resolutions };
        let found = DeltaMerger::new().violations(input).await.unwrap();
        assert!(found.iter().all(|one| one.kind.is_violation() && one.choices.len() == 1), "{found:#?}");
        let key = |one: &Conflict| one.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
        found.iter().map(|one| format!("{}{}: {}", one.kind, key(one), one.message)).collect()
    }
}

#[async_trait]
impl UnitOpener for Tables {
    async fn open(&self, root: &str) -> Result<Option<UnitStates<'_>>, ViewError> {
        Ok(Some(UnitStates { before: self.unit(root, 0), after: self.unit(root, 1) }))
    }
}

fn after(table: &Table, steps: &[Step]) -> [Table; 2] {
    let mut after = table.fork("after");
    steps.iter().for_each(|step| after.run(step));
    [table.clone(), after]
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_refer_to_rows_of_another_table() {
    let row = |id: i64, n: Option<i64>| (id, ("order".to_owned(), n));
    let orders =
        Table::with_properties(&[[row(0, Some(3)), row(1, Some(77)), row(2, None)].into()], json!({}));
    let options = json!({"references": [{"columns": ["n"], "table": "customers", "to": ["id"]}]});
    let found = |new_orders: Vec<Step>, new_customers: Vec<Step>| {
        let (orders, customers) = (after(&orders, &new_orders), after(&base_table(), &new_customers));
        let options = options.clone();
        async move {
            Tables::new([("orders", orders), ("customers", customers)]).violations("orders", options).await
        }
    };
    let order = |n: Option<i64>| Step::Append(20, ("x".into(), n));
    // Order 1 has referred to nothing for long.
    assert_eq!(found(vec![], vec![]).await, [""; 0]);
    assert_eq!(found(vec![order(Some(5)), order(None)], vec![]).await, [""; 0]);
    assert_eq!(found(vec![order(Some(30))], vec![append(30, "new")]).await, [""; 0]);
    assert_eq!(
        found(vec![order(Some(30))], vec![]).await,
        [
            "reference-violation {\"n\":30}: 1 row refers to a row of customers that the merge does not have: it is not there"
        ]
    );
    let deleted = "reference-violation {\"n\":3}: 1 row refers to a row of customers that the merge does not have: one side \
                   deleted it there";
    assert_eq!(found(vec![], vec![Step::Delete([3].into())]).await, [deleted]);
    assert_eq!(found(vec![], vec![Step::Delete([4].into())]).await, [""; 0]);
    assert_eq!(found(vec![Step::Delete([0].into())], vec![Step::Delete([3].into())]).await, [""; 0]);
    assert_eq!(
        found(vec![order(Some(4))], vec![Step::Delete([3, 4].into()), Step::Optimize]).await.len(),
        2,
        "one of each side"
    );
    // Nothing was lost by arranging files anew.
    assert_eq!(found(vec![Step::Optimize], vec![Step::Optimize]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_cannot_be_referred_to_are_unverifiable() {
    let orders = after(&base_table(), &[append(20, "x")]);
    let found = |table: &'static str, to: &'static str| {
        let tables = Tables::new([("orders", orders.clone()), ("customers", after(&base_table(), &[]))]);
        let options = json!({"references": [{"columns": ["id"], "table": table, "to": [to]}]});
        async move { tables.violations("orders", options).await }
    };
    let unverifiable = "constraint-unverifiable: whether id refers to rows of ";
    assert_eq!(
        found("nowhere", "id").await,
        [format!("{unverifiable}nowhere cannot be checked: there is no table nowhere")]
    );
    assert_eq!(
        found("customers", "nope").await,
        [format!("{unverifiable}customers cannot be checked: there is no column nope")]
    );
    assert!(found("customers", "name").await[0].starts_with(unverifiable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_comes_whole_from_a_side_is_asked_what_merge_toml_declares() {
    let steps = [append(20, "x"), Step::Number([3].into(), None), Step::Optimize];
    let tables = Tables::new([("t", after(&base_table(), &steps))]);
    let options = json!({"unique": "id", "not-null": "n", "check": {"small": "id < 20"}});
    let mut found = tables.violations("t", options).await;
    found.sort();
    assert_eq!(
        found,
        [
            "constraint-violation: 1 row that the merge brings breaks NOT NULL of column n, which merge.toml has",
            "constraint-violation: 1 row that the merge brings breaks small (id < 20), which merge.toml has",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ours_breaks_already_is_not_the_doing_of_a_merge_that_writes_it_anew() {
    let mut base = base_table();
    base.run(&Step::Number([1].into(), None));
    let (ours, theirs) = ([Step::Rename([2].into(), "b".into())], [Step::Rename([3].into(), "c".into())]);
    let options = json!({"keys": "id", "not-null": "n", "check": {"some": "n >= 0"}});
    check(&appended(&base, &ours, &theirs, options.clone()), &["merged"], &["merged"]).await;
    let theirs = [Step::Number([3].into(), None)];
    let found = outcomes(&appended(&base, &ours, &theirs, options)).await;
    assert_eq!(found[0].len(), 2, "{found:#?}");
    assert!(found[0][0].contains("1 row that the merge brings"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serializable_table_refuses_what_was_read_and_written_on_both_sides() {
    let case = |ours: &[Step], theirs: &[Step]| {
        let options = json!({"isolation": "serializable"});
        appended(&base_table(), ours, theirs, options)
    };
    let kinds = |found: [Vec<String>; 2]| found.map(|side| side.len());
    // Appends read nothing; arranging files anew neither.
    check(&case(&[append(20, "a")], &[append(21, "a")]), &["merged"], &["merged"]).await;
    check(&case(&[Step::Optimize], &[Step::Rename([1].into(), "b".into())]), &["merged"], &["merged"]).await;
    // An update that does not say what it read may have read what the other side appended.
    let update = Step::Rename([1].into(), "b".into());
    let found = outcomes(&case(&[append(20, "a")], std::slice::from_ref(&update))).await;
    assert!(found[0][0].starts_with("read-append: theirs' version 1 (UPDATE) read rows"), "{found:#?}");
    assert_eq!(kinds(found), [1, 1]);
    // And both, of each other.
    let other = Step::Rename([7].into(), "c".into());
    assert_eq!(kinds(outcomes(&case(&[other], &[update])).await), [2, 2]);
}
