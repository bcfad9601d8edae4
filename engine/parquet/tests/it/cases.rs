//! What becomes of rows: the file that comes out, or the conflicts.

use anabranch_merge::Strategy;
use anabranch_merge::test_support::UnitCase;
use expect_test::{Expect, expect};
use serde_json::json;

use crate::support::{conflict, decide, merge, merged, shown, stock_case, stock_file, told};

async fn check(base: &str, ours: &str, theirs: &str, expected: Expect) {
    expected.assert_eq(&told(&stock_case(base, ours, theirs)).await);
}

#[tokio::test]
async fn rows_and_cells_of_both_sides_go_together() {
    check(
        "1:a:1 2:b:2 3:c:3 4:d:4",
        "1:a:10 2:b:2 4:d:4 6:f:6",
        "1:x:1 2:b:20 3:c:3 4:d:4 5:e:5",
        expect![[r#"
            1:x:10 2:b:20 4:d:4 5:e:5 6:f:6
        "#]],
    )
    .await;
}

#[tokio::test]
async fn rows_that_are_not_sorted_stand_as_they_stood_and_new_ones_behind_them() {
    check(
        "3:c:3 1:a:1 2:b:2",
        "9:i:9 3:c:3 1:a:10 2:b:2",
        "3:c:30 8:h:8 1:a:1 7:g:7",
        expect![[r#"
            9:i:9 3:c:30 1:a:10 8:h:8 7:g:7
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_is_sorted_backwards_stays_so() {
    check(
        "5:e:5 3:c:3 1:a:1",
        "6:f:6 5:e:5 3:c:30 1:a:1",
        "5:x:5 4:d:4 1:a:1 0:z:0",
        expect![[r#"
            row-conflict: data/stock.parquet {"id":3}: row updated on ours, deleted on theirs [parquet/rows] ours theirs base both value
        "#]],
    )
    .await;
    check(
        "5:e:5 3:c:3 1:a:1",
        "6:f:6 5:e:5 3:c:30 1:a:1",
        "5:x:5 4:d:4 3:c:3 0:z:0",
        expect![[r#"
            6:f:6 5:x:5 4:d:4 3:c:30 0:z:0
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_one_side_sorted_is_not_sorted_again() {
    check(
        "2:b:2 1:a:1",
        "1:a:1 2:b:2",
        "2:b:20 1:a:1 0:z:0",
        expect![[r#"
        1:a:1 2:b:20 0:z:0
    "#]],
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_decided_is_a_conflict_of_a_row_or_cell() {
    check(
        "1:a:1 2:b:2 3:c:3",
        "1:a:10 2:b:20 4:d:4",
        "1:a:11 3:c:30 4:e:4",
        expect![[r#"
            duplicate-key: data/stock.parquet {"id":4}: both sides inserted this key, differently [parquet/rows] ours theirs both value
            row-conflict: data/stock.parquet {"id":1}.amount: both sides changed amount, differently [parquet/rows] ours theirs base value
            row-conflict: data/stock.parquet {"id":3}: row updated on theirs, deleted on ours [parquet/rows] ours theirs base both value
            row-conflict: data/stock.parquet {"id":2}: row updated on ours, deleted on theirs [parquet/rows] ours theirs base both value
        "#]],
    )
    .await;
}

#[tokio::test]
async fn each_conflict_is_decided_on_its_own() {
    let mut case = stock_case("1:a:1 2:b:2 3:c:3", "1:a:10 2:b:20", "1:a:11 3:c:30 4:e:4");
    let conflicts = merge(&case).await.0.unwrap_err();
    assert_eq!(conflicts.len(), 3);
    for conflict in &conflicts {
        let (choice, value) = match conflict.key.as_ref().unwrap()["id"].as_i64().unwrap() {
            1 => ("value", Some(json!(12))),
            2 => ("ours", None),
            _ => ("theirs", None),
        };
        case.resolutions.push(decide(conflict, choice, value));
    }
    expect![[r#"
        1:a:12 2:b:20 3:c:30 4:e:4
        (3 conflicts of rows were decided by somebody)
    "#]]
    .assert_eq(&told(&case).await);
    // All by one side: that side's rows where they clash, and the rest of both.
    case.resolutions.clear();
    case.prefer = Some(Strategy::SourceWins);
    assert_eq!(shown(&merged(&case).await), "1:a:11 3:c:30 4:e:4");
}

#[tokio::test]
async fn a_policy_decides_cells() {
    let mut case = stock_case("1:a:5", "1:a:7", "1:a:10");
    case.options = json!({ "keys": "id", "policies": { "amount": "sum_delta" } });
    assert_eq!(shown(&merged(&case).await), "1:a:12");
    case.options = json!({ "keys": "id", "cell-wise": false });
    assert_eq!(conflict(&case).await.column, None);
}

#[tokio::test]
async fn without_keys_nothing_is_guessed_and_the_conflict_says_what_to_do() {
    let mut case = stock_case("1:a:1 2:b:2", "1:a:10 2:b:2", "1:a:1 2:b:20");
    case.options = json!({});
    let conflict = conflict(&case).await;
    assert_eq!(conflict.kind.as_str(), "object-conflict");
    assert!(conflict.message.contains("changed differently on main and dev"), "{}", conflict.message);
    assert!(conflict.message.contains("options = { keys = [\"id\"] }"), "{}", conflict.message);
    // Nothing is read for that.
    let open = case.open();
    open.run(crate::support::merger()).await;
    assert!(open.ours.accesses().iter().all(|access| access.method != "read"));
}

#[tokio::test]
async fn a_file_that_a_side_removed_is_a_conflict() {
    let case = stock_case("1:a:1", "1:a:2", "1:a:1");
    let case = UnitCase { theirs: Default::default(), ..case };
    assert!(conflict(&case).await.message.contains("removed on dev, changed on main"));
}

#[tokio::test]
async fn a_key_that_is_no_column_is_named() {
    let mut case = stock_case("1:a:1", "1:a:2", "1:b:1");
    case.options = json!({ "keys": ["number"] });
    let conflict = conflict(&case).await;
    assert!(conflict.message.contains("there is no column number: key names it"), "{}", conflict.message);
    assert!(conflict.message.contains("merge.toml"), "{}", conflict.message);
}

#[tokio::test]
async fn keys_may_be_null_and_occur_twice() {
    // All rows of a key are taken from the side that changed them.
    check(
        "-:a:1 5:b:2 5:c:3",
        "-:a:10 5:b:2 5:c:3",
        "-:a:1 5:b:2",
        expect![[r#"
        -:a:10 5:b:2
    "#]],
    )
    .await;
    check("5:b:2 5:c:3", "5:b:20 5:c:3", "5:b:2 5:c:30", expect![[r#"
        row-conflict: data/stock.parquet {"id":5}: several rows share this key, and both sides changed them, differently [parquet/rows] ours theirs base both
    "#]])
    .await;
}

#[tokio::test]
async fn both_sides_may_have_added_the_file() {
    let case = stock_case("1:a:1", "1:a:1 2:b:2", "1:a:1 3:c:3");
    let mut case = UnitCase { base: Default::default(), ..case };
    assert_eq!(shown(&merged(&case).await), "1:a:1 2:b:2 3:c:3");
    case.theirs.insert(String::new(), stock_file("1:x:1"));
    assert_eq!(conflict(&case).await.kind.as_str(), "duplicate-key");
}

#[tokio::test]
async fn files_may_be_empty() {
    check(
        "",
        "1:a:1",
        "2:b:2",
        expect![[r#"
        1:a:1 2:b:2
    "#]],
    )
    .await;
    let file = merged(&stock_case("1:a:1 2:b:2", "1:a:1", "2:b:2")).await;
    assert_eq!((shown(&file).as_str(), crate::support::footer(&file).num_row_groups()), ("", 0));
}

#[tokio::test]
async fn what_changes_nothing_on_ours_writes_nothing() {
    // Theirs has the same rows in another order, ours one row more.
    let case = stock_case("1:a:1 2:b:2", "1:a:1 2:b:2 3:c:3", "2:b:2 1:a:1");
    let open = case.open();
    let outcome = open.run(crate::support::merger()).await;
    assert!(open.writer.written().is_empty(), "{outcome:?}");
}
