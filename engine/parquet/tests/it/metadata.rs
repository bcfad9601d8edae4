//! What stands in a file beside its rows.

use bytes::Bytes;
use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{case, conflict, decide, footer, merge, merged, stock_file, with_pairs};

fn pair(file: &Bytes, key: &str) -> Option<String> {
    let footer = footer(file);
    let pairs = footer.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.clone()
}

fn json_pair(file: &Bytes, key: &str) -> Value {
    serde_json::from_str(&pair(file, key).unwrap()).unwrap()
}

const BASE: &str = "1:a:1 2:b:2";
const OURS: &str = "1:a:10 2:b:2";
const THEIRS: &str = "1:a:1 2:b:2 3:c:3";

#[tokio::test]
async fn keys_are_merged_one_by_one() {
    let base = with_pairs(BASE, &[("a", "1"), ("b", "1"), ("c", "1")]);
    let ours = with_pairs(OURS, &[("a", "2"), ("b", "1"), ("o", "1")]);
    let theirs = with_pairs(THEIRS, &[("a", "1"), ("b", "2"), ("c", "1"), ("t", "1")]);
    let file = merged(&case(base, ours, theirs)).await;
    let footer = footer(&file);
    let pairs = footer.file_metadata().key_value_metadata().unwrap();
    let shown: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{}={}", pair.key, pair.value.as_deref().unwrap_or_default().len()))
        .collect();
    expect!["a=1 b=1 o=1 t=1 ARROW:schema=504"].assert_eq(&shown.join(" "));
    assert_eq!((pair(&file, "a").unwrap(), pair(&file, "b").unwrap()), ("2".into(), "2".into()));
}

#[tokio::test]
async fn a_key_that_both_sides_set_differently_is_decided_by_somebody() {
    let mut case = case(
        with_pairs(BASE, &[("a", "1")]),
        with_pairs(OURS, &[("a", "2")]),
        with_pairs(THEIRS, &[("a", "3")]),
    );
    let found = conflict(&case).await;
    expect![[r#"property-conflict: data/stock.parquet {"metadata":"a"}: both sides set a in the file's metadata, differently"#]]
        .assert_eq(&found.to_string());
    for (choice, expected) in [("ours", "2"), ("theirs", "3"), ("base", "1")] {
        case.resolutions = vec![decide(&found, choice, None)];
        let (outcome, _) = merge(&case).await;
        assert_eq!(pair(&outcome.unwrap().unwrap(), "a").unwrap(), expected, "{choice}");
    }
}

fn pandas(columns: &[&str], rows: i64) -> String {
    let column = |name: &&str| json!({"name": name, "field_name": name, "pandas_type": "int64", "numpy_type": "int64"});
    json!({
        "index_columns": [{"kind": "range", "name": null, "start": 0, "stop": rows, "step": 1}],
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "creator": {"library": "pyarrow"},
    })
    .to_string()
}

#[tokio::test]
async fn the_description_of_pandas_fits_the_merged_rows() {
    let all = ["id", "note", "amount"];
    let base = with_pairs(BASE, &[("pandas", &pandas(&all, 2))]);
    let ours = with_pairs(OURS, &[("pandas", &pandas(&all, 2))]);
    let theirs = with_pairs(THEIRS, &[("pandas", &pandas(&all, 3))]);
    let file = merged(&case(base.clone(), ours, theirs)).await;
    assert_eq!(pair(&file, "pandas").unwrap(), pandas(&all, 3));
    // Nor does a writer that does not know it matter.
    let file =
        merged(&case(base, with_pairs(OURS, &[("pandas", &pandas(&all, 2))]), stock_file(THEIRS))).await;
    assert_eq!(json_pair(&file, "pandas")["index_columns"][0]["stop"], 3);
}

fn geo(crs: &str, types: &[&str], bbox: &[i64]) -> String {
    json!({
        "version": "1.1.0",
        "primary_column": "note",
        "columns": {"note": {"encoding": "WKB", "crs": crs, "geometry_types": types, "bbox": bbox}},
    })
    .to_string()
}

#[tokio::test]
async fn a_description_of_geometries_does_not_claim_what_it_does_not_know() {
    let point = geo("EPSG:4326", &["Point"], &[0, 0, 1, 1]);
    let polygon = geo("EPSG:4326", &["Polygon"], &[0, 0, 9, 9]);
    let (base, ours) = (with_pairs(BASE, &[("geo", &point)]), with_pairs(OURS, &[("geo", &point)]));
    let file = merged(&case(base.clone(), ours.clone(), with_pairs(THEIRS, &[("geo", &polygon)]))).await;
    assert_eq!(
        json_pair(&file, "geo"),
        json!({
            "version": "1.1.0",
            "primary_column": "note",
            "columns": {"note": {"encoding": "WKB", "crs": "EPSG:4326", "geometry_types": []}},
        })
    );
    let file = merged(&case(base.clone(), ours.clone(), with_pairs(THEIRS, &[("geo", &point)]))).await;
    assert_eq!(json_pair(&file, "geo")["columns"]["note"]["geometry_types"], json!(["Point"]));
    let other = geo("EPSG:25832", &["Point"], &[0, 0, 1, 1]);
    let found = conflict(&case(base, ours, with_pairs(THEIRS, &[("geo", &other)]))).await;
    assert_eq!(found.kind.as_str(), "object-conflict");
    assert!(found.message.contains("coordinates of column note differently (crs)"), "{}", found.message);
}

#[tokio::test]
async fn what_describes_the_columns_holds_as_long_as_they_do() {
    const SPARK: &str = "org.apache.spark.sql.parquet.row.metadata";
    let with = |rows: &str| with_pairs(rows, &[(SPARK, "{}"), ("org.apache.spark.version", "4.0")]);
    let file = merged(&case(with(BASE), with(OURS), with(THEIRS))).await;
    assert_eq!(pair(&file, SPARK).as_deref(), Some("{}"));
    // Another column.
    let mut columns = crate::support::stock(THEIRS);
    columns.push(("more", columns[0].1.clone()));
    let (outcome, report) =
        merge(&case(with(BASE), with(OURS), crate::support::file_of(&columns, None))).await;
    assert_eq!(pair(&outcome.unwrap().unwrap(), SPARK), None);
    assert!(report.notes.iter().any(|note| note.contains(SPARK)), "{:?}", report.notes);
    // Calendars that differ are no matter of taste.
    let old = with_pairs(THEIRS, &[("org.apache.spark.legacyDateTime", "")]);
    let found = conflict(&case(with(BASE), with(OURS), old)).await;
    assert!(found.message.contains("legacyDateTime"), "{}", found.message);
}
