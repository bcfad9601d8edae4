//! Pages of rows: what changed, what is read for it, and what is not compared.

use anabranch_merge::test_support::MemoryObjects;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_a_changed_row_names_its_columns_and_only_files_that_differ_are_read() {
    let before = state([
        ("same.parquet", SAME),
        ("old.parquet", &[(3, ("c", Some(3))), (4, ("d", Some(4))), (5, ("e", Some(5)))]),
    ]);
    let after = state([
        ("same.parquet", SAME),
        ("new.parquet", &[(5, ("e", Some(5))), (3, ("x", None))]),
        ("more.parquet", &[(6, ("f", None))]),
    ]);
    let case = Case::new(&before, &after, keys());
    let page = case.all().await;
    use RowChange::{Added, Changed, Removed};
    let null = Value::Null;
    let expected = [
        row(
            Changed,
            json!({"id": 3}),
            &["name", "n"],
            json!({"name": "c", "n": 3}),
            json!({"name": "x", "n": null}),
        ),
        row(Removed, json!({"id": 4}), &[], json!({"id": 4, "name": "d", "n": 4}), null.clone()),
        row(Added, json!({"id": 6}), &[], null, json!({"id": 6, "name": "f", "n": null})),
    ];
    assert_eq!(page.rows, expected);
    assert_eq!((page.totals, page.next), (totals(1, 1, 1, 2), None));
    assert_eq!(
        (page.keys, page.columns),
        (vec!["id".to_owned()], ["id", "name", "n"].map(str::to_owned).to_vec())
    );
    let read = [("before", "old"), ("after", "more"), ("after", "new")];
    assert_eq!(case.read(), read.map(|(side, name)| (side, format!("{name}.parquet"))).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_rows_are_a_multiset() {
    let before = state([("a.parquet", &[(1, ("a", None)), (1, ("a", None)), (2, ("b", None))])]);
    let after = state([("b.parquet", &[(2, ("b", None)), (3, ("c", None)), (3, ("c", None))])]);
    let page = Case::new(&before, &after, json!({})).all().await;
    assert_eq!((page.totals, page.keys.len()), (totals(2, 2, 0, 0), 0));
    let shown: Vec<_> = page.rows.iter().map(|row| (row.change, row.copies, row.key.is_none())).collect();
    assert_eq!(shown, [(RowChange::Removed, 2, true), (RowChange::Added, 2, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_with_another_deletion_vector_only_what_one_hides_is_compared() {
    let mut before = state([("a.parquet", &[(1, ("a", None)), (2, ("b", None)), (3, ("c", None))])]);
    let mut after = before.clone();
    after.files.get_mut("a.parquet").unwrap().hidden = [1].into();
    let case = Case::new(&before, &after, json!({}));
    let page = case.all().await;
    assert_eq!(page.totals, totals(0, 1, 0, 0));
    assert_eq!(page.rows[0].before.as_ref().unwrap()["id"], 2);
    assert_eq!(
        case.read(),
        [("before", "a.parquet".to_owned())].into(),
        "after hides nothing that before has not"
    );

    before.files.get_mut("a.parquet").unwrap().hidden = [0, 1].into();
    after.files.get_mut("a.parquet").unwrap().hidden = [1, 2].into();
    after.files.extend(state([("b.parquet", &[(3, ("z", None))])]).files);
    let page = Case::new(&before, &after, keys()).all().await;
    assert_eq!(page.totals, totals(1, 0, 1, 1), "row 1 is back, row 3 moved with another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_columns_and_states_may_be_partitioned_differently() {
    let mut before = state([("a.parquet", SAME)]);
    before.partitioned = true;
    before.files.get_mut("a.parquet").unwrap().day = Some("2026-01-01");
    let mut after = before.clone();
    let mut moved = after.files.remove("a.parquet").unwrap();
    moved.day = None;
    after.files.insert("b.parquet", moved);
    let page = Case::new(&before, &after, keys()).all().await;
    assert_eq!(page.totals, totals(0, 0, 2, 2));
    let null = json!({"day": null});
    let expected = row(RowChange::Changed, json!({"id": 1}), &["day"], json!({"day": "2026-01-01"}), null);
    assert_eq!(page.rows[0], expected);

    let mut flat = state([("c.parquet", SAME)]);
    flat.more = vec!["day"];
    let case = Case::new(&state([("a.parquet", SAME)]), &flat, keys());
    assert_eq!(case.all().await.totals, totals(0, 0, 0, 0), "a new column without values changes no row");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_columns_that_are_asked_for_are_compared() {
    let before = state([("a.parquet", &[(1, ("a", Some(1))), (2, ("b", Some(2)))])]);
    let after = state([("b.parquet", &[(1, ("z", Some(1))), (2, ("b", Some(3)))])]);
    let case = Case::new(&before, &after, keys());
    let only = |columns: &[&str]| RowDiffRequest {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..everything()
    };
    let page = case.ask(&only(&["n"])).await.unwrap();
    assert_eq!(page.totals, totals(0, 0, 1, 1));
    assert_eq!((page.columns.join(" "), &page.rows[0].columns), ("id n".into(), &vec!["n".to_owned()]));
    let refused = case.ask(&only(&["colour"])).await.unwrap_err();
    assert!(matches!(&refused, RowDiffError::Invalid(why) if why.contains("\"colour\"")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_add_up_and_belong_to_one_comparison() {
    let rows: Vec<(i64, Cells)> = (0..25).map(|id| (id, ("a", None))).collect();
    let case = Case::new(&state([]), &state([("a.parquet", &rows)]), keys());
    let mut seen = Vec::new();
    let mut request = RowDiffRequest { limit: 10, ..everything() };
    loop {
        let page = case.ask(&request).await.unwrap();
        assert_eq!(page.totals, totals(25, 0, 0, 0), "totals are of all pages");
        seen.extend(page.rows.iter().map(|row| row.key.as_ref().unwrap()["id"].as_i64().unwrap()));
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
        assert_eq!(seen.len() % 10, 0);
    }
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    let first = case.ask(&RowDiffRequest { limit: 10, ..everything() }).await.unwrap();
    let other = Case::new(&state([]), &state([("b.parquet", &rows)]), keys());
    let refused = other.ask(&RowDiffRequest { after: first.next, ..everything() }).await.unwrap_err();
    assert!(refused.to_string().contains("another comparison"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_many_rows_goes_over_pages_too() {
    let before: Vec<(i64, Cells)> = (0..5).map(|n| (7, ("a", Some(n)))).collect();
    let after: Vec<(i64, Cells)> = (10..15).map(|n| (7, ("a", Some(n)))).collect();
    let case = Case::new(&state([("a.parquet", &before)]), &state([("b.parquet", &after)]), keys());
    let mut request = RowDiffRequest { limit: 4, ..everything() };
    let mut sizes = Vec::new();
    loop {
        let page = case.ask(&request).await.unwrap();
        sizes.push(page.rows.len());
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_is_all_added_and_a_dropped_one_all_removed() {
    let table = state([("a.parquet", SAME)]);
    let mut case = Case::new(&table, &table, json!({}));
    case.before = MemoryUnit::new("main", &MemoryObjects::new());
    assert_eq!(case.all().await.totals, totals(2, 0, 0, 0));
    std::mem::swap(&mut case.before, &mut case.after);
    assert_eq!(case.all().await.totals, totals(0, 2, 0, 0));
    case.before = MemoryUnit::new("main", &MemoryObjects::new());
    assert_eq!(case.all().await, RowDiffPage::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_compared_says_why() {
    let before = state([("a.parquet", SAME)]);
    let mut after = state([("b.parquet", &[(1, ("b", None))])]);
    let refused = async |after: &State, options: Value| {
        Case::new(&before, after, options).ask(&everything()).await.unwrap_err()
    };
    let error = refused(&after, json!({"keys": ["sku"]})).await;
    assert!(matches!(&error, RowDiffError::Invalid(why) if why.contains("sku")), "{error:?}");
    let error = refused(&after, json!({"keys": 1})).await;
    assert!(matches!(&error, RowDiffError::Invalid(why) if why.contains("merge.toml")), "{error:?}");
    after.configuration.insert("delta.columnMapping.mode", "name");
    let error = refused(&after, json!({})).await;
    assert!(
        matches!(&error, RowDiffError::Unsupported(why) if why.contains("maps its columns")),
        "{error:?}"
    );

    let after = state([("b.parquet", SAME)]);
    let mut case = Case::new(&before, &after, json!({}));
    case.after.remove("b.parquet");
    let error = case.ask(&everything()).await.unwrap_err();
    assert!(matches!(&error, RowDiffError::Damaged(why) if why.contains("b.parquet")), "{error:?}");
    for reads in 0..40 {
        let case = Case::new(&before, &after, json!({}));
        case.after.fail_after(reads);
        match case.ask(&everything()).await {
            Ok(_) => assert!(reads > 3),
            Err(error) => assert!(matches!(error, RowDiffError::View(_)), "{reads}: {error:?}"),
        }
    }
}
