//! Conflicts of rows hide no violation: in the first answer stands everything that is broken whatever people decide.

use std::collections::BTreeMap;

use super::*;

fn chosen(conflict: &Conflict, choice: &str) -> Resolution {
    Resolution { conflict: conflict.id(), choice: choice.into(), value: None, object: None }
}

fn split(found: &[Conflict]) -> (Vec<Conflict>, Vec<Conflict>) {
    let is_of_rows = |one: &&Conflict| one.choices.iter().any(|choice| choice.id == "value");
    (
        found.iter().filter(is_of_rows).cloned().collect(),
        found.iter().filter(|one| !is_of_rows(one)).cloned().collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_conflict_does_not_hide_what_another_row_of_its_file_breaks() {
    let ours = [Step::Rename([1].into(), "b".into()), Step::Constrain("n >= 0")];
    let theirs = [Step::Rename([1].into(), "c".into()), Step::Number([2].into(), Some(-5))];
    let case = appended(&base_table(), &ours, &theirs, json!({"keys": "id"}));
    let broken = "constraint-violation: 1 row that theirs wrote breaks rule (n >= 0), which ours added";
    let swapped = "constraint-violation: 1 row that ours wrote breaks rule (n >= 0), which theirs added";
    let clash = "row-conflict: both sides changed the row, differently";
    check(&case, &[broken, clash], &[swapped, clash]).await;
    let refused = merge(&DeltaMerger::new(), &case).await;
    assert_eq!(conflicts(&refused)[0].theirs, Some(json!({"rows": 1, "shown": [{"id": 2, "n": -5}]})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_both_sides_does_not_hide_what_another_row_of_its_file_breaks() {
    let ours = [append(99, "a"), Step::Constrain("n >= 0")];
    let theirs = [
        append(99, "b"),
        Step::Append(98, ("b".into(), Some(-1))),
        Step::Rename([98, 99].into(), "t".into()),
    ];
    for options in [json!({"keys": "id"}), json!({"keys": "id", "unique": "name"})] {
        let case = appended(&base_table(), &ours, &theirs, options);
        let refused = merge(&DeltaMerger::new(), &case).await;
        let (rows, violations) = split(conflicts(&refused));
        assert_eq!((rows.len(), violations.len()), (1, 1), "{:#?}", refused.outcome);
        assert_eq!(
            (&rows[0].key, &violations[0].kind),
            (&Some(json!({"id": 99})), &ConflictKind::ConstraintViolation)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_violations_are_decided_at_once() {
    let ours = [Step::Rename([1].into(), "b".into()), append(20, "o")];
    let theirs = [Step::Rename([1].into(), "c".into()), Step::Number([2].into(), Some(-5)), append(21, "o")];
    let options = json!({"keys": "id", "check": {"positive": "n >= 0"}, "unique": [["name"]]});
    let base =
        Table::with_properties(&[(0..3).map(|id| (id, (format!("r{id}"), Some(0)))).collect()], json!({}));
    for choice in ["ours", "theirs", "base"] {
        let mut case = appended(&base, &ours, &theirs, options.clone());
        let first = merge(&DeltaMerger::new(), &case).await;
        let (rows, violations) = split(conflicts(&first));
        assert_eq!((rows.len(), violations.len()), (1, 2), "{:#?}", first.outcome);
        case.resolutions.extend(rows.iter().map(|one| chosen(one, choice)));
        let second = merge(&DeltaMerger::new(), &case).await;
        assert_eq!(conflicts(&second), violations, "what is said of them does not depend on the row");
        case.resolutions.extend(violations.iter().map(|one| chosen(one, "accept")));
        let merged = merge(&DeltaMerger::new(), &case).await;
        assert_eq!(rows_of(&merged, 2).await, ["r2"]);
        assert_eq!(
            rows_of(&merged, 1).await,
            [match choice {
                "ours" => "b",
                "theirs" => "c",
                _ => "r1",
            }]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_decision_brings_comes_in_the_answer_after_it_and_can_be_accepted() {
    let ours = [Step::Number([1].into(), Some(5))];
    let theirs = [Step::Number([1].into(), Some(-7))];
    let options = json!({"keys": "id", "check": {"positive": "n >= 0"}});
    let mut case = appended(&base_table(), &ours, &theirs, options);
    let first = merge(&DeltaMerger::new(), &case).await;
    let (rows, violations) = split(conflicts(&first));
    assert_eq!((rows.len(), violations.len()), (1, 0));
    case.resolutions.push(chosen(&rows[0], "theirs"));
    let second = merge(&DeltaMerger::new(), &case).await;
    let (rows, violations) = split(conflicts(&second));
    assert_eq!((rows.len(), violations.len()), (0, 1), "{:#?}", second.outcome);
    assert_eq!(violations[0].theirs, Some(json!({"rows": 1, "shown": [{"id": 1, "n": -7}]})));
    case.resolutions.push(chosen(&violations[0], "accept"));
    assert_eq!(rows_of(&merge(&DeltaMerger::new(), &case).await, 1).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rule_nothing_is_written_for_rows_in_conflict() {
    let ours = [Step::Rename([1].into(), "b".into())];
    let theirs = [Step::Rename([1].into(), "c".into()), Step::Rename([2].into(), "c".into())];
    for (options, written) in [(json!({"keys": "id"}), false), (json!({"keys": "id", "not-null": "n"}), true)]
    {
        let case = appended(&base_table(), &ours, &theirs, options);
        let open = case.open();
        assert!(matches!(open.run(&DeltaMerger::new()).await, MergeOutcome::Conflicts { .. }));
        assert_eq!(!open.writer.written().is_empty(), written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_the_new_forms_of_a_row_are_not_two_rows() {
    let (ours, theirs) = ([Step::Rename([1].into(), "b".into())], [Step::Rename([1].into(), "c".into())]);
    let clash = "row-conflict: both sides deleted this row, and a side inserted others that may be its new form; with keys in \
                 merge.toml rows are decided one by one";
    check(&appended(&base_table(), &ours, &theirs, json!({"unique": "id"})), &[clash], &[clash]).await;
}

/// The rows and keys that violations name: rule or columns, and the row's id or the value.
fn named(violations: &[Conflict]) -> BTreeSet<(String, i64)> {
    let mut named = BTreeSet::new();
    for one in violations {
        match &one.key {
            Some(key) => drop(named.insert(("unique n".to_owned(), key["n"].as_i64().unwrap()))),
            None => {
                let rule = one.column.clone().unwrap();
                let shown = one.theirs.as_ref().unwrap()["shown"].as_array().unwrap();
                assert!(shown.len() < 10, "more rows than are shown");
                named.extend(shown.iter().map(|row| (rule.clone(), row["id"].as_i64().unwrap())));
            }
        }
    }
    named
}

fn few_steps(first_new: i64) -> impl Strategy<Value = Vec<Step>> {
    let id = 0_i64..4;
    let ids = || prop::collection::btree_set(0_i64..4, 1..3);
    let number = || prop::option::of(-2_i64..3);
    let step = prop_oneof![
        2 => (id, number()).prop_map(move |(id, n)| Step::Append(first_new + id, ("x".into(), n))),
        1 => number().prop_map(|n| Step::Append(99, ("y".into(), n))),
        3 => (ids(), number()).prop_map(|(ids, n)| Step::Number(ids, n)),
        2 => (ids(), "[a-b]").prop_map(|(ids, name)| Step::Rename(ids, name)),
        1 => ids().prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Deciding conflicts never reveals a violation of a row that was not itself in conflict, and takes none away that was
    /// listed before.
    #[test]
    fn deciding_rows_reveals_only_what_these_rows_break(
        ours in few_steps(100),
        theirs in few_steps(200),
        picks in prop::collection::vec(0_usize..4, 8),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let rows = [(0..2).map(|id| (id, ("a".to_owned(), Some(id + 10)))).collect(), (2..4).map(|id| (id, ("a".to_owned(), Some(id + 10)))).collect()];
            let base = Table::with_properties(&rows, json!({}));
            let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
            apply(&mut our_table, &ours);
            apply(&mut their_table, &theirs);
            let options = json!({"keys": "id", "not-null": "n", "check": {"positive": "n >= 0"}, "unique": [["n"]]});
            let mut case = unit(&base, &our_table, &their_table, options);
            let merger = DeltaMerger::new();
            let MergeOutcome::Conflicts { conflicts: first, .. } = merge(&merger, &case).await.outcome else { return };
            let (of_rows, before) = split(&first);
            let open: BTreeSet<i64> =
                of_rows.iter().map(|one| one.key.as_ref().unwrap()["id"].as_i64().unwrap()).collect();
            for (number, conflict) in of_rows.iter().enumerate() {
                let choices: Vec<&str> = conflict.choices.iter().map(|choice| choice.id.as_str()).filter(|id| *id != "value").collect();
                case.resolutions.push(chosen(conflict, choices[picks[number % picks.len()] % choices.len()]));
            }
            let second = merge(&merger, &case).await.outcome;
            let after = match second {
                MergeOutcome::Conflicts { conflicts, .. } => conflicts,
                MergeOutcome::Merged { .. } => Vec::new(),
                MergeOutcome::Failed(failure) => panic!("{failure:?}"),
            };
            assert!(split(&after).0.is_empty(), "{after:#?}");
            let (before_named, after_named) = (named(&before), named(&after));
            assert!(after_named.is_superset(&before_named), "{before:#?}\n{after:#?}");
            case.resolutions.extend(after.iter().map(|one| chosen(one, "accept")));
            let merged = merge(&merger, &case).await;
            assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome);
            let mut values: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for (id, (_, n)) in read(&merged.bodies).await {
                values.entry(n.unwrap_or(i64::MIN)).or_default().push(id);
            }
            for (rule, place) in after_named.difference(&before_named) {
                let ids = if rule == "unique n" { values[place].clone() } else { vec![*place] };
                assert!(ids.iter().any(|id| open.contains(id)), "{rule} {place}: {before:#?}\n{after:#?}");
            }
            // What was listed before and is the same now has the same id, so that it can be decided at once.
            for one in &before {
                let same = after.iter().find(|other| (&other.key, &other.column, &other.theirs) == (&one.key, &one.column, &one.theirs));
                assert!(same.is_none_or(|same| same.id() == one.id()), "{one:#?}\n{same:#?}");
            }
        });
    }
}
