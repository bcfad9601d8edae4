//! Policies and choices: rows as JSON in, rows and conflicts as text out.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_rows::{
    Choice, Identity, MergeOptions, PerSide, RowConflict, json, json_read, key_columns, merge_batches, sort,
};
use arrow::array::RecordBatch;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use expect_test::{Expect, expect};
use serde_json::Value;

fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, false),
        Field::new("n", DataType::Int8, true),
        Field::new("price", DataType::Decimal128(4, 2), true),
        Field::new("tags", list, true),
        Field::new("at", DataType::Date32, true),
        Field::new("name", DataType::Utf8, true),
    ]))
}

/// Rows as JSON objects; columns left out are NULL.
fn batches(schema: &SchemaRef, rows: &str) -> Vec<RecordBatch> {
    let rows: Vec<Value> = serde_json::from_str(&format!("[{rows}]")).unwrap();
    if rows.is_empty() {
        return vec![RecordBatch::new_empty(schema.clone())];
    }
    let column = |field: &Arc<Field>| {
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                json_read::parse(row.get(field.name()).unwrap_or(&Value::Null), field.data_type()).unwrap()
            })
            .collect();
        concat(&cells.iter().map(|c| c.as_ref()).collect::<Vec<_>>()).unwrap()
    };
    vec![RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()]
}

fn check_with(
    identity: Identity,
    policies: &str,
    rows: [&str; 3],
    choose: impl Fn(&RowConflict) -> Option<Choice> + Send + Sync + 'static,
    expected: Expect,
) {
    let schema = schema();
    let mut options = MergeOptions::new(identity);
    options.policies = policies
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(column, policy)| (column.to_owned(), policy.parse().unwrap()))
        .collect::<BTreeMap<_, _>>();
    let key = key_columns(&schema, &options.identity, &[]).unwrap();
    let side = |rows| sort::sort_batches(&schema, &key, &batches(&schema, rows), 2).unwrap();
    let sides = PerSide { base: side(rows[0]), ours: side(rows[1]), theirs: side(rows[2]) };
    let text = match merge_batches(schema.clone(), &options, &sides, Some(Box::new(choose))) {
        Err(error) => format!("error: {error}\n"),
        Ok((merged, report)) => {
            let mut text = String::new();
            for batch in &merged {
                for row in 0..batch.rows.num_rows() {
                    let shown = json::row(&schema, batch.rows.columns(), row, &[0, 1, 2, 3, 4, 5]).unwrap();
                    let Value::Object(mut shown) = shown else { panic!("a row is an object") };
                    shown.retain(|_, value| !value.is_null());
                    text += &format!("{:?} {}\n", batch.origins[row], Value::Object(shown));
                }
            }
            for conflict in &report.conflicts {
                let show = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
                let policy = conflict.policy.as_ref().map_or(String::new(), |p| format!(" [{p}]"));
                text += &format!(
                    "{conflict}{policy}: {} | {} | {}\n",
                    show(&conflict.base),
                    show(&conflict.ours),
                    show(&conflict.theirs)
                );
            }
            text
        }
    };
    expected.assert_eq(&text);
}

fn key() -> Identity {
    Identity::Key(vec!["id".into()])
}

fn check(policies: &str, rows: [&str; 3], expected: Expect) {
    check_with(key(), policies, rows, |_| None, expected);
}

#[test]
fn different_columns_of_one_row_go_together() {
    check(
        "",
        [r#"{"id":1,"n":1,"name":"x"}"#, r#"{"id":1,"n":2,"name":"x"}"#, r#"{"id":1,"n":1,"name":"y"}"#],
        expect![[r#"
            Merged {"id":1,"n":2,"name":"y"}
        "#]],
    );
}

#[test]
fn one_cell_changed_twice_is_a_conflict_of_that_cell() {
    check(
        "",
        [r#"{"id":1,"n":1,"name":"x"}"#, r#"{"id":1,"n":2,"name":"x"}"#, r#"{"id":1,"n":3,"name":"y"}"#],
        expect![[r#"
            Merged {"id":1,"n":2,"name":"y"}
            row-conflict {"id":1}.n: both sides changed n, differently: 1 | 2 | 3
        "#]],
    );
}

#[test]
fn a_row_deleted_and_changed_is_a_conflict() {
    check(
        "",
        [r#"{"id":1,"n":1},{"id":2,"n":1},{"id":3,"n":1}"#, r#"{"id":2,"n":2}"#, r#"{"id":1,"n":5}"#],
        expect![[r#"
            Ours {"id":2,"n":2}
            row-conflict {"id":1}: row updated on theirs, deleted on ours: {"id":1,"n":1,"price":null,"tags":null,"at":null,"name":null} | - | {"id":1,"n":5,"price":null,"tags":null,"at":null,"name":null}
            row-conflict {"id":2}: row updated on ours, deleted on theirs: {"id":2,"n":1,"price":null,"tags":null,"at":null,"name":null} | {"id":2,"n":2,"price":null,"tags":null,"at":null,"name":null} | -
        "#]],
    );
}

#[test]
fn numbers_add_up_and_do_not_overflow() {
    let row = |n: i32, price: &str| format!(r#"{{"id":1,"n":{n},"price":"{price}"}}"#);
    check(
        "n=sum_delta price=sum_delta",
        [&row(10, "1.00"), &row(15, "1.50"), &row(7, "0.75")],
        expect![[r#"
            Merged {"id":1,"n":12,"price":"1.25"}
        "#]],
    );
    check(
        "n=sum_delta price=sum_delta",
        [&row(0, "0"), &row(100, "99.99"), &row(28, "0.01")],
        expect![[r#"
            Ours {"id":1,"n":100,"price":"99.99"}
            row-conflict {"id":1}.n: both sides changed n, differently [sum_delta]: 0 | 100 | 28
            row-conflict {"id":1}.price: both sides changed price, differently [sum_delta]: "0.00" | "99.99" | "0.01"
        "#]],
    );
}

#[test]
fn the_greater_the_smaller_and_a_side() {
    let rows = [
        r#"{"id":1,"n":1,"at":"2020-01-01","name":"b"},{"id":2,"n":1}"#,
        r#"{"id":1,"n":2,"at":"2020-01-03","name":"o"},{"id":2,"n":5}"#,
        r#"{"id":1,"n":3,"at":"2020-01-02","name":"t"},{"id":2}"#,
    ];
    check(
        "n=max at=min name=ours",
        rows,
        expect![[r#"
            Merged {"id":1,"n":3,"at":"2020-01-02","name":"o"}
            Ours {"id":2,"n":5}
        "#]],
    );
    check(
        "n=min at=ours name=theirs",
        rows,
        expect![[r#"
            Merged {"id":1,"n":2,"at":"2020-01-03","name":"t"}
            Ours {"id":2,"n":5}
        "#]],
    );
}

#[test]
fn the_latest_row_decides_and_a_tie_does_not() {
    let row = |at: &str, name: &str| format!(r#"{{"id":1,"at":"{at}","name":"{name}"}}"#);
    check(
        "name=latest_by(at)",
        [&row("2020-01-01", "b"), &row("2020-01-02", "o"), &row("2020-01-03", "t")],
        expect![[r#"
            Theirs {"id":1,"at":"2020-01-03","name":"t"}
        "#]],
    );
    check(
        "name=latest_by(at)",
        [&row("2020-01-01", "b"), &row("2020-01-02", "o"), &row("2020-01-02", "t")],
        expect![[r#"
            Ours {"id":1,"at":"2020-01-02","name":"o"}
            row-conflict {"id":1}.name: both sides changed name, differently [latest_by(at)]: "b" | "o" | "t"
        "#]],
    );
}

#[test]
fn lists_are_merged_as_sets() {
    check(
        "tags=union_set",
        [
            r#"{"id":1,"tags":["a","b","c"]}"#,
            r#"{"id":1,"tags":["c","b","x"]}"#,
            r#"{"id":1,"tags":["a","c","y",null]}"#,
        ],
        expect![[r#"
            Merged {"id":1,"tags":["c","x","y",null]}
        "#]],
    );
}

#[test]
fn one_key_inserted_twice() {
    let rows = ["", r#"{"id":1,"n":1},{"id":2,"n":1}"#, r#"{"id":1,"n":1},{"id":2,"n":2}"#];
    check(
        "",
        rows,
        expect![[r#"
            Ours {"id":1,"n":1}
            Ours {"id":2,"n":1}
            duplicate-key {"id":2}: both sides inserted this key, differently: - | {"id":2,"n":1,"price":null,"tags":null,"at":null,"name":null} | {"id":2,"n":2,"price":null,"tags":null,"at":null,"name":null}
        "#]],
    );
    check(
        "n=max",
        rows,
        expect![[r#"
            Ours {"id":1,"n":1}
            Theirs {"id":2,"n":2}
        "#]],
    );
    let id = Identity::RowId("id".into());
    check_with(
        id,
        "",
        rows,
        |_| None,
        expect![[r#"
            Ours {"id":1,"n":1}
            Theirs {"id":1,"n":1}
            Ours {"id":2,"n":1}
            Theirs {"id":2,"n":2}
        "#]],
    );
}

#[test]
fn a_key_that_occurs_twice_is_one_group() {
    check(
        "",
        [
            r#"{"id":1,"n":1},{"id":1,"n":2}"#,
            r#"{"id":1,"n":2},{"id":1,"n":1}"#,
            r#"{"id":1,"n":1},{"id":1,"n":3}"#,
        ],
        expect![[r#"
            Ours {"id":1,"n":1}
            Theirs {"id":1,"n":3}
        "#]],
    );
}

#[test]
fn choices_decide_conflicts() {
    let rows = [
        r#"{"id":1,"n":1},{"id":2,"n":1},{"id":3,"n":1}"#,
        r#"{"id":1,"n":2},{"id":3,"n":2},{"id":4,"n":1}"#,
        r#"{"id":1,"n":3},{"id":2,"n":9},{"id":3,"n":3},{"id":4,"n":2}"#,
    ];
    let choose = |choice: fn(i64) -> Option<Choice>| {
        move |conflict: &RowConflict| choice(conflict.key["id"].as_i64().unwrap())
    };
    check_with(
        key(),
        "",
        rows,
        choose(|id| match id {
            1 => Some(Choice::Theirs),
            2 => Some(Choice::Base),
            3 => Some(Choice::Value(Value::from(77))),
            _ => Some(Choice::Both),
        }),
        expect![[r#"
            Theirs {"id":1,"n":3}
            Base {"id":2,"n":1}
            Merged {"id":3,"n":77}
            Ours {"id":4,"n":1}
            Theirs {"id":4,"n":2}
        "#]],
    );
    let row = r#"{"n":5,"price":"1.5","tags":null,"at":null,"name":"chosen"}"#;
    let chosen: Value = serde_json::from_str(row).unwrap();
    check_with(
        key(),
        "",
        ["", r#"{"id":4,"n":1}"#, r#"{"id":4,"n":2}"#],
        move |_| Some(Choice::Value(chosen.clone())),
        expect![[r#"
            Merged {"id":4,"n":5,"price":"1.50","name":"chosen"}
        "#]],
    );
    check_with(
        key(),
        "",
        rows,
        choose(|_| Some(Choice::Value(Value::from(1_000)))),
        expect![[r#"
            error: a choice does not fit its conflict at {"id":1}: n: 1000 is no Int8: Cast error: Cannot cast string '1000' to value of Int8 type
        "#]],
    );
}

#[test]
fn rows_without_identity_are_counted() {
    check_with(
        Identity::Bag,
        "",
        [r#"{"id":1},{"id":2}"#, r#"{"id":3},{"id":2}"#, r#"{"id":4},{"id":2},{"id":5}"#],
        |_| None,
        expect![[r#"
            Ours {"id":2}
            Ours {"id":3}
            Theirs {"id":4}
            Theirs {"id":5}
            row-conflict {"id":1,"n":null,"price":null,"tags":null,"at":null,"name":null}: both sides deleted this row, and a side inserted others that may be its new form: {"count":1,"rows":[{"id":1,"n":null,"price":null,"tags":null,"at":null,"name":null}]} | - | -
        "#]],
    );
}
