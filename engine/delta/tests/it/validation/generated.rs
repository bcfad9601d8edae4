//! Generated columns: where their expression can be evaluated, rows are checked for them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_checked_for_a_column_that_the_other_side_made_a_generated_one() {
    let case = |expression, n| {
        let theirs = [Step::Append(20, ("a".to_owned(), n))];
        appended(&base_table(), &[Step::Generate("n", expression)], &theirs, json!({"keys": "id"}))
    };
    check(&case("id * 2", Some(40)), &["merged"], &["merged"]).await;
    for n in [Some(41), None] {
        check(
            &case("id * 2", n),
            &["constraint-violation: 1 row that theirs wrote breaks the generated column n (`n` <=> (id * 2)), which ours added"],
            &["constraint-violation: 1 row that ours wrote breaks the generated column n (`n` <=> (id * 2)), which theirs added"],
        )
        .await;
    }
    let kept = |side: &str| {
        format!(
            "column-conflict: {side} made n a generated column by CAST(id AS BIGINT), which cannot be evaluated here, and the \
             other side wrote rows without it"
        )
    };
    check(&case("CAST(id AS BIGINT)", Some(20)), &[&kept("ours")], &[&kept("theirs")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_no_longer_generated_demands_nothing() {
    let mut base = base_table();
    base.run(&Step::Generate("n", "id * 0"));
    let theirs = [Step::Append(20, ("a".to_owned(), Some(0)))];
    let mut ours = base.fork("ours");
    ours.forget_generated();
    let mut their_table = base.fork("theirs");
    theirs.iter().for_each(|step| their_table.run(step));
    check(&unit(&base, &ours, &their_table, json!({})), &["merged"], &["merged"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_given_by_hand_is_checked_for_generated_columns() {
    let mut base = base_table();
    base.run(&Step::Generate("n", "id * 0"));
    let (ours, theirs) = ([Step::Rename([1].into(), "b".into())], [Step::Rename([1].into(), "c".into())]);
    for (n, expected) in [(0, None), (7, Some("1 row that was chosen by hand breaks the generated column n"))]
    {
        let mut case = appended(&base, &ours, &theirs, json!({"keys": "id"}));
        let refused = merge(&DeltaMerger::new(), &case).await;
        let [conflict] = conflicts(&refused) else { panic!("{:#?}", refused.outcome) };
        let value = Some(json!({"id": 1, "name": "d", "n": n}));
        case.resolutions =
            vec![Resolution { conflict: conflict.id(), choice: "value".into(), value, object: None }];
        let merged = merge(&DeltaMerger::new(), &case).await;
        match expected {
            None => assert_eq!(rows_of(&merged, 1).await, ["d"]),
            Some(message) => {
                assert!(conflicts(&merged)[0].message.contains(message), "{:#?}", merged.outcome)
            }
        }
    }
}
