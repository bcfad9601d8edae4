//! Which rows of a table differ, on a terminal.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use expect_test::expect;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::lake::Lake;

fn parquet(rows: &[(i64, &str)]) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, note)| *note)));
    let batch = RecordBatch::try_from_iter([("id", ids), ("note", notes)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Writes a file and the commit that adds it, in place of `removed`.
fn commit(lake: &Lake, version: u64, file: &str, rows: &[(i64, &str)], removed: Option<&str>) {
    let field =
        |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let schema =
        json!({"type": "struct", "fields": [field("id", "long"), field("note", "string")]}).to_string();
    let body = parquet(rows);
    let mut actions: Vec<Value> = Vec::new();
    if version == 0 {
        actions.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
        actions.push(json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema, "partitionColumns": [], "configuration": {}, "createdTime": 0}}));
    }
    actions
        .push(json!({"add": {"path": file, "partitionValues": {}, "size": body.len(), "modificationTime": 0,
        "dataChange": true, "stats": json!({"numRecords": rows.len()}).to_string()}}));
    if let Some(path) = removed {
        actions.push(json!({"remove": {"path": path, "deletionTimestamp": 0, "dataChange": true}}));
    }
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    lake.write(&format!("stock/{file}"), body);
    lake.write(&format!("stock/_delta_log/{version:020}.json"), text);
}

/// `main` and `dev`, where one row of the table is another, one is gone and one is new.
fn lake(rules: Option<&str>) -> Lake {
    let lake = Lake::with_repository();
    commit(&lake, 0, "a.parquet", &[(1, "one"), (2, "two"), (3, "three")], None);
    lake.run("put sales main tables/stock stock");
    if let Some(rules) = rules {
        lake.write("merge.toml", rules);
        lake.run("put sales main _anabranch/merge.toml merge.toml");
    }
    lake.run("commit sales main -m table");
    lake.run("branch create sales dev");
    commit(&lake, 1, "b.parquet", &[(1, "one"), (2, "2"), (4, "four")], Some("a.parquet"));
    lake.run("put sales dev tables/stock stock");
    lake.run("commit sales dev -m changed");
    lake
}

#[test]
fn with_keys_a_row_is_changed() {
    let lake = lake(Some("[[rule]]\npath = 'tables/stock/'\nmerge = 'delta'\noptions = { keys = ['id'] }\n"));
    lake.check(
        "diff sales main dev --table tables/stock",
        expect![[r#"
        table tables/stock: changed, rows +1 -1 ~1, files +1 -1
           id  column  before  after
        ~  2   note    two     2
        -  3   note=three
        +  4   note=four
        exit code 1
    "#]],
    );
    lake.check(
        "diff sales main dev --table tables/stock --limit 1",
        expect![[r#"
        table tables/stock: changed, rows +1 -1 ~1, files +1 -1
           id  column  before  after
        ~  2   note    two     2
        1 difference shown, more follow: a greater --limit shows them
        exit code 1
    "#]],
    );
    let shown = lake.shown(&mut lake.against("diff sales main dev --table tables/stock --limit 1 --json"));
    let json: Value = serde_json::from_str(shown.strip_suffix("exit code 1\n").unwrap()).unwrap();
    assert_eq!((&json["format"], &json["rows"]["pagination"]["has_more"]), (&json!(1), &json!(true)));
    assert_eq!(json["rows"]["results"][0]["after"], json!({"note": "2"}));
    lake.check(
        "diff sales main dev --table tables/stock --markdown",
        expect![[r#"
        # Table `tables/stock` changed

        rows +1 -1 \~1 (1 cell), data files +1 -1

        ## Changed rows

        | Row | Before → after |
        | --- | --- |
        | `id` `2` | `note` `two` → `2` |

        ## Removed rows

        | Row | Values |
        | --- | --- |
        | `id` `3` | `note` `three` |

        ## Added rows

        | Row | Values |
        | --- | --- |
        | `id` `4` | `note` `four` |
        exit code 1
    "#]],
    );
}

#[test]
fn without_keys_it_is_removed_and_added() {
    let lake = lake(None);
    lake.check(
        "diff sales main dev --table tables/stock",
        expect![[r#"
        table tables/stock: changed, rows +2 -2 ~0, files +1 -1
           row
        +  id=2, note=2
        -  id=2, note=two
        -  id=3, note=three
        +  id=4, note=four
        exit code 1
    "#]],
    );
    lake.check(
        "diff sales main main --table tables/stock",
        expect![[r#"
        table tables/stock: no differences, rows +0 -0 ~0
    "#]],
    );
    lake.check(
        "diff sales main dev --table tables",
        expect![[r#"
            anabranch: table tables does not exist on main or dev: give the folder that its log lies in, or an object that a merger takes
            exit code 2
        "#]],
    );
    lake.check(
        "diff sales main --table tables/stock",
        expect![[r#"
        error: the following required arguments were not provided:
          <RIGHT>

        Usage: anabranch diff --table <ROOT> <REPOSITORY> <LEFT> <RIGHT>

        For more information, try '--help'.
        exit code 2
    "#]],
    );
}
