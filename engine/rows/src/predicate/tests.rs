use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields};
use expect_test::{Expect, expect};

use super::Predicate;

/// Four rows: ordinary values, greater ones, special ones, NULL.
fn rows() -> RecordBatch {
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(5), Some(9), Some(7)]));
    let fields = Fields::from(vec![Field::new("b", DataType::Int64, true)]);
    let nulls = arrow::buffer::NullBuffer::from(vec![true, true, true, false]);
    let nested: ArrayRef = Arc::new(StructArray::new(fields, vec![inner], Some(nulls)));
    let decimals = Decimal128Array::from(vec![Some(150), Some(2_000), Some(-5), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(20), Some(i64::MAX), None]))),
        ("n", Arc::new(Int32Array::from(vec![Some(1), Some(2), Some(-3), None]))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.1), Some(-0.0), Some(f64::NAN), None]))),
        ("f", Arc::new(Float32Array::from(vec![Some(0.5), Some(2.0), Some(f32::NAN), None]))),
        ("d", Arc::new(decimals.with_precision_and_scale(10, 2).unwrap())),
        ("t", Arc::new(StringArray::from(vec![Some("abc"), Some("äb"), Some(""), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(19_782), Some(-1), None]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(1), Some(2), None]))),
        ("a", nested),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn check(conditions: &[&str], expected: Expect) {
    let rows = rows();
    let mut lines = String::new();
    for condition in conditions {
        let bound = Predicate::parse(condition).and_then(|predicate| predicate.bind(&rows.schema()));
        let held = bound.and_then(|bound| bound.holds(&rows)).map(|held| {
            held.iter().map(|truth| if truth == Some(true) { 'T' } else { '-' }).collect::<String>()
        });
        let line = held.unwrap_or_else(|why| format!("? {why}"));
        lines.push_str(&format!("{condition}: {line}\n"));
    }
    expected.assert_eq(&lines);
}

#[test]
fn numbers_are_compared_by_value_and_null_never_holds() {
    check(
        &[
            "id > 1",
            "id >= 1 AND n < 2",
            "NOT (id > 1)",
            "id = n",
            "d >= 1.5",
            "d = id",
            "n < 1.5",
            "n IN (1, 2)",
            "n NOT IN (1, NULL)",
            "id BETWEEN 1 AND 20",
            "id IS NULL OR id <> 20",
            "id <=> NULL",
            "N == 2",
            "`n` != 2",
        ],
        expect![[r#"
            id > 1: -TT-
            id >= 1 AND n < 2: T-T-
            NOT (id > 1): T---
            id = n: T---
            d >= 1.5: TT--
            d = id: -T--
            n < 1.5: T-T-
            n IN (1, 2): TT--
            n NOT IN (1, NULL): ----
            id BETWEEN 1 AND 20: TT--
            id IS NULL OR id <> 20: T-TT
            id <=> NULL: ---T
            N == 2: -T--
            `n` != 2: T-T-
        "#]],
    );
}

#[test]
fn floats_are_values() {
    check(
        &[
            "x = 0.1",
            "x = 0",
            "x > 1000",
            "x < 1",
            "f = 0.5",
            "f >= 2",
            "x IS NOT NULL",
            "f = x",
            "x + 1 > 1",
            "d > x",
        ],
        expect![[r#"
            x = 0.1: T---
            x = 0: -T--
            x > 1000: --T-
            x < 1: TT--
            f = 0.5: T---
            f >= 2: -TT-
            x IS NOT NULL: TTT-
            f = x: --T-
            x + 1 > 1: T-T-
            d > x: ? a decimal beside a floating-point number is rounded
        "#]],
    );
}

#[test]
fn texts_days_truths_and_fields() {
    check(
        &[
            "t = 'abc'",
            "t LIKE '%b%'",
            "t NOT LIKE 'a__'",
            "length(t) > 1",
            "t > 'b'",
            "ok",
            "NOT ok",
            "ok IS NOT TRUE",
            "ok = true",
            "day >= '1970-01-01'",
            "day < DATE '2024-02-29'",
            "ts = ts",
            "a.b > 1",
            "a.b IS NULL",
            "A.B = 9",
        ],
        expect![[r#"
            t = 'abc': T---
            t LIKE '%b%': TT--
            t NOT LIKE 'a__': -TT-
            length(t) > 1: TT--
            t > 'b': -T--
            ok: T-T-
            NOT ok: -T--
            ok IS NOT TRUE: -T-T
            ok = true: T-T-
            day >= '1970-01-01': TT--
            day < DATE '2024-02-29': T-T-
            ts = ts: TTT-
            a.b > 1: -TT-
            a.b IS NULL: ---T
            A.B = 9: --T-
        "#]],
    );
}

#[test]
fn what_engines_read_in_different_ways_is_refused() {
    check(
        &[
            "id / 2 > 0",
            "t = 1",
            "t = \"abc\"",
            "t = 'a\\b'",
            "ts > '2024-01-01'",
            "day > '2024-1-1'",
            "upper(t) = 'A'",
            "CAST(t AS INT) > 0",
            "id + 1 > 0",
            "n % 2 = 1",
            "n + n > 1",
            "nope = 1",
            "a.c = 1",
            "a = a",
            "id",
            "id >",
            "id > 1; DROP TABLE t",
            "id IN (SELECT 1)",
            "f > 16777217",
            "f = id",
            "t RLIKE 'a'",
            "n = 0x10",
        ],
        expect![[r#"
            id / 2 > 0: ? id / 2 is not evaluated here
            t = 1: ? Utf8 beside Int32 is not compared here
            t = "abc": ? "abc" is read differently by different engines
            t = 'a\b': ? 'a\b' is read differently by different engines
            ts > '2024-01-01': ? Timestamp(µs) beside Utf8 is not compared here
            day > '2024-1-1': ? "2024-1-1" is no day like 2024-12-31
            upper(t) = 'A': ? upper(t) is not evaluated here
            CAST(t AS INT) > 0: ? CAST(t AS INT) is not evaluated here
            id + 1 > 0: ? Arithmetic overflow: Overflow happened on: 9223372036854775807 + 1
            n % 2 = 1: T---
            n + n > 1: TT--
            nope = 1: ? there is no column nope
            a.c = 1: ? there is no column a.c
            a = a: ? Struct("b": Int64) beside Struct("b": Int64) is not compared here
            id: ? a value of type Int64 is no condition
            id >: ? sql parser error: Expected: an expression, found: EOF
            id > 1; DROP TABLE t: ? ; stands behind the condition
            id IN (SELECT 1): ? id IN (SELECT 1) is not evaluated here
            f > 16777217: ? Float32 beside Int32 is not compared here
            f = id: ? Float32 beside Int64 is not compared here
            t RLIKE 'a': ? t RLIKE 'a' is not evaluated here
            n = 0x10: ? X'10' is read differently by different engines
        "#]],
    );
}

#[test]
fn deep_and_long_conditions_are_refused_and_not_run_out_of_stack() {
    let deep = format!("{}id > 1{}", "(".repeat(2_000), ")".repeat(2_000));
    assert!(Predicate::parse(&deep).is_err());
    let wide = vec!["id > 1"; 6_000].join(" AND ");
    assert!(Predicate::parse(&wide).is_err());
    assert!(Predicate::parse(&vec!["id > 1"; 60].join(" AND ")).is_ok());
}
