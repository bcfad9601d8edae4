//! Files that Spark wrote.

use bytes::Bytes;
use expect_test::expect;
use parquet::schema::printer::print_schema;

use crate::support::{case, conflict, footer, merged, rows};

fn file(name: &str) -> Bytes {
    let path = format!("{}/../../testdata/parquet/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap().into()
}

fn printed(file: &Bytes) -> String {
    let mut text = Vec::new();
    print_schema(&mut text, footer(file).file_metadata().schema());
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn three_states_of_a_file_of_spark() {
    let ours = file("ours");
    // Theirs has a row that ours removed, unchanged.
    let merged = merged(&case(file("base"), ours.clone(), file("theirs"))).await;
    let told: Vec<String> = rows(&merged)
        .iter()
        .map(|row| {
            format!("{} {} {} {} {}", row["id"], row["note"], row["price"], row["moment"], row["tags"])
        })
        .collect();
    expect![[r#"
        1 "ours" "1.50" "2026-01-01T00:00:01Z" ["a","ours"]
        3 "theirs" "3.50" "2026-01-01T00:00:03Z" ["a","theirs"]
        4 "d" "4.50" "2026-01-01T00:00:04Z" ["a","d"]
        5 "e" "5.50" "2026-01-01T00:00:05Z" ["a","e"]"#]]
    .assert_eq(&told.join("\n"));
    assert_eq!(printed(&merged), printed(&ours));
    // Spark reads the columns from its own description, which still holds.
    let described = |file: &Bytes| {
        let footer = footer(file);
        let pairs = footer.file_metadata().key_value_metadata().unwrap().clone();
        pairs.into_iter().map(|pair| (pair.key, pair.value)).collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(described(&merged), described(&ours));
    let codecs = |file: &Bytes| {
        footer(file).row_group(0).columns().iter().map(|c| c.compression()).collect::<Vec<_>>()
    };
    assert_eq!(codecs(&merged), codecs(&ours));
}

#[tokio::test]
async fn timestamps_as_int96_are_refused_with_what_to_do() {
    let found = conflict(&case(file("int96"), file("ours"), file("theirs"))).await;
    assert!(found.message.contains("column moment is stored as INT96"), "{}", found.message);
    assert!(found.message.contains("spark.sql.parquet.outputTimestampType"), "{}", found.message);
}
