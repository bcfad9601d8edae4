use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use expect_test::{Expect, expect};

use super::Condition;

fn rows() -> RecordBatch {
    let prices = Decimal128Array::from(vec![Some(1050), Some(-200), None, Some(999)]);
    let times = TimestampMicrosecondArray::from(vec![Some(0), Some(1_767_225_600_000_000), None, Some(1)]);
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("Name", Arc::new(StringArray::from(vec![Some("ann"), Some("bob"), None, Some("Änne")]))),
        ("price", Arc::new(prices.with_precision_and_scale(10, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(20_454), None, Some(20_455)]))),
        ("seen at", Arc::new(times.with_timezone("UTC"))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(-1.0)]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The ids of the rows that fulfil a condition, or what is wrong with it.
fn answer(condition: &str) -> String {
    let rows = rows();
    let mask = Condition::parse(condition)
        .and_then(|condition| condition.on(&rows.schema()))
        .and_then(|filter| filter.mask(&rows));
    match mask {
        Ok(mask) => {
            let ids = (0..4).filter(|row| mask.value(*row)).map(|row| (row + 1).to_string());
            ids.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn conditions_say_which_rows() {
    for (condition, expected) in [
        ("id = 2", "2"),
        ("ID >= 3 OR name = 'ann'", "1 3 4"),
        ("\"Name\" LIKE 'a%'", "1"),
        ("name ILIKE 'Ä%' AND NOT id < 4", "4"),
        ("name IS NULL", "3"),
        ("name IN ('ann', 'bob', 'eve') AND id NOT IN (2)", "1"),
        ("id NOT BETWEEN 2 AND 3", "1 4"),
        ("price = 10.5", "1"),
        ("price < 9.995", "2 4"),
        ("price IN (-2, 9.99)", "2 4"),
        ("price * 2 > 20", "1"),
        ("day >= '2026-01-01'", "2 4"),
        ("day = DATE '2026-01-01'", "2"),
        ("\"seen at\" >= TIMESTAMP '2026-01-01 00:00:00'", "2"),
        ("\"seen at\" = '2026-01-01T00:00:00Z'", "2"),
        ("x <= 0.5", "1 4"),
        ("ok", "1 4"),
        ("ok IS NOT TRUE", "2 3"),
        ("(ok IS DISTINCT FROM true) AND id % 2 = 1", "3"),
        ("id = '3'", "3"),
        ("CAST(id AS VARCHAR) = '4' OR id::DOUBLE = 1e0", "1 4"),
        ("TRY_CAST(name AS INT) IS NULL", "1 2 3 4"),
        ("id + 1 = -(-3)", "2"),
        ("NULL", ""),
        ("name = NULL", ""),
        ("1 = 1", "1 2 3 4"),
        ("(((id)) = (1))", "1"),
    ] {
        assert_eq!(answer(condition), expected, "{condition}");
    }
    let many: Vec<String> = (2..900).map(|id| id.to_string()).collect();
    assert_eq!(answer(&format!("id IN ({})", many.join(","))), "2 3 4");
}

fn check(conditions: &[&str], expected: Expect) {
    let all: String = conditions.iter().map(|one| format!("{one}\n  {}\n", answer(one))).collect();
    expected.assert_eq(&all);
}

#[test]
fn what_is_wrong_has_a_place() {
    check(
        &[
            "",
            "id = ",
            "id = 1 id",
            "id == 'a",
            "colour = 'red'",
            "id = 1 AND\n  colour = 2",
            "name = \"ann\"",
            "id > 'a'",
            "day < '2026-13-01'",
            "day < DATE 'soon'",
            "id AND ok",
            "NOT id",
            "id",
            "name + 1 = 2",
            "id LIKE 'a%'",
            "name LIKE 'a!%' ESCAPE '!'",
            "lower(name) = 'ann'",
            "id IN (SELECT 1)",
            "id = ?",
            "id = 1; DROP TABLE t",
            "id / (id - id) = 1",
            "CAST(id AS UUID) = 1",
            "ok IS DISTINCT FROM true AND id = 1",
        ],
        expect![[r#"

              where: at the end: Expected: an expression, found: EOF
            id = 
              where: at the end: Expected: an expression, found: EOF
            id = 1 id
              where: at character 8: id is one too many
            id == 'a
              where: at character 7: Unterminated string literal
            colour = 'red'
              where: at character 1: the table has no column "colour"; text stands in single quotes
            id = 1 AND
              colour = 2
              where: at line 2, character 3: the table has no column "colour"; text stands in single quotes
            name = "ann"
              where: at character 8: the table has no column "ann"; text stands in single quotes
            id > 'a'
              where: at character 6: a is no Int64
            day < '2026-13-01'
              where: at character 7: 2026-13-01 is no Date32
            day < DATE 'soon'
              where: at character 12: soon is no Date32
            id AND ok
              where: at character 1: AND does not go between values of type Int64 and Boolean
            NOT id
              where: at character 5: NOT wants what is true or false, not a Int64
            id
              where: as a whole: it is a Int64, and has to be true or false
            name + 1 = 2
              where: at character 1: + does not go between values of type Utf8 and Int64
            id LIKE 'a%'
              where: at character 1: LIKE wants text, not a Int64
            name LIKE 'a!%' ESCAPE '!'
              where: at character 1: this is not known here
            lower(name) = 'ann'
              where: at character 1: a condition is made of columns, values, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, arithmetic and CAST; nothing else is known here
            id IN (SELECT 1)
              where: at character 1: a condition is made of columns, values, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, arithmetic and CAST; nothing else is known here
            id = ?
              where: at character 6: ? is a kind of value that a condition cannot have
            id = 1; DROP TABLE t
              where: at character 7: ; is one too many
            id / (id - id) = 1
              where: as a whole: it cannot be evaluated: Arrow error: Divide by zero error
            CAST(id AS UUID) = 1
              where: at character 6: UUID is no type here: use BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), VARCHAR, DATE or TIMESTAMP
            ok IS DISTINCT FROM true AND id = 1
              where: at character 1: put IS DISTINCT FROM and its two values in parentheses
        "#]],
    );
    let deep = format!("{}id{} = 1", "(".repeat(400), ")".repeat(400));
    assert!(answer(&deep).contains("nested too deeply"), "{}", answer(&deep));
    let chain = vec!["id = 1"; 300].join(" OR ");
    assert!(answer(&chain).contains("use IN"), "{}", answer(&chain));
    assert!(answer(&"x".repeat(5_000)).contains("longer than"));
}
