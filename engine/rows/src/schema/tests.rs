//! Schemas in, findings or the merged schema out, as text.

use std::collections::HashMap;

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::TimeUnit;
use expect_test::{Expect, expect};

use super::*;

fn parse_type(text: &str) -> DataType {
    match text {
        "int" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "text" => DataType::Utf8,
        "bigtext" => DataType::LargeUtf8,
        "date" => DataType::Date32,
        "time" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "dec10" => DataType::Decimal128(10, 2),
        "dec20" => DataType::Decimal128(20, 2),
        "dec20.4" => DataType::Decimal128(20, 4),
        _ => {
            if let Some(inner) = text.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
                return DataType::List(Arc::new(Field::new("item", parse_type(inner), true)));
            }
            let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect(text);
            DataType::Struct(parse_fields(inner, ','))
        }
    }
}

/// `name:type`, `!` after the name for NOT NULL, `#id` before it.
fn parse_fields(text: &str, separator: char) -> Fields {
    let one = |text: &str| {
        let (name, data_type) = text.trim().split_once(':').expect(text);
        let (id, name) = name.strip_prefix('#').and_then(|r| r.split_once('/')).unwrap_or(("", name));
        let nullable = !name.ends_with('!');
        let metadata = HashMap::from([(FIELD_ID.to_owned(), id.to_owned())].map(|pair| pair))
            .into_iter()
            .filter(|(_, id)| !id.is_empty());
        Field::new(name.trim_end_matches('!'), parse_type(data_type), nullable)
            .with_metadata(metadata.collect())
    };
    text.split(separator).filter(|text| !text.trim().is_empty()).map(one).collect()
}

fn schema(text: &str) -> Schema {
    Schema::new(parse_fields(text, ' '))
}

fn show(fields: &Fields) -> String {
    let one = |field: &FieldRef| {
        let mark = if field.is_nullable() { "" } else { "!" };
        let data_type = match field.data_type() {
            DataType::Struct(fields) => format!("{{{}}}", show(fields)),
            other => other.to_string(),
        };
        format!("{}{mark}:{data_type}", field.name())
    };
    fields.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn check(base: &str, ours: &str, theirs: &str, expected: Expect) {
    let (base, ours, theirs) = (schema(base), schema(ours), schema(theirs));
    let merged = reconcile(PerSide { base: &base, ours: &ours, theirs: &theirs });
    let text = match &merged {
        Ok(merged) => show(merged.schema.fields()),
        Err(findings) => findings.iter().map(|f| format!("{}: {f}", f.kind())).collect::<Vec<_>>().join("\n"),
    };
    expected.assert_eq(&text);
    // Swapping the sides finds as much, and the same columns.
    let swapped = reconcile(PerSide { base: &base, ours: &theirs, theirs: &ours });
    match (merged, swapped) {
        (Ok(merged), Ok(swapped)) => {
            let names = |m: &MergedSchema| {
                let mut names: Vec<_> = m.schema.fields().iter().map(|f| f.name().clone()).collect();
                names.sort();
                names
            };
            assert_eq!(names(&merged), names(&swapped));
            for field in merged.schema.fields() {
                let other = swapped.schema.field_with_name(field.name()).expect("the same names");
                assert!(
                    matches!(field.data_type(), DataType::Struct(_))
                        || same_type(field.data_type(), other.data_type())
                );
            }
        }
        (Err(findings), Err(swapped)) => assert_eq!(findings.len(), swapped.len()),
        _ => panic!("swapping the sides changes the verdict"),
    }
}

#[test]
fn columns_that_one_side_added_are_in() {
    check("a:int", "a:int b:text", "a:int c:text", expect!["a:Int32 b:Utf8 c:Utf8"]);
    check("a:int", "b:text a:int", "a:int", expect!["b:Utf8 a:Int32"]);
    check("a:int", "a:int b:text", "a:int b:bigtext", expect!["a:Int32 b:Utf8"]);
}

#[test]
fn columns_added_differently_are_findings() {
    check(
        "a:int",
        "a:int b:text",
        "a:int b:long",
        expect!["column-conflict: both sides added b: as Utf8 on ours, as Int64 on theirs"],
    );
    check(
        "a:int",
        "a:int Foo:text",
        "a:int foo:text",
        expect!["column-case-collision: Foo and foo differ only by case"],
    );
}

#[test]
fn a_drop_goes_through_unless_the_other_side_changed_the_column() {
    check("a:int b:int", "a:int", "a:int b:int", expect!["a:Int32"]);
    check("a:int b:int", "a:int", "a:int", expect!["a:Int32"]);
    check(
        "a:int b:int",
        "a:int",
        "a:int b:long",
        expect!["column-conflict: b was dropped on ours, and became b Int64 on the other side"],
    );
}

#[test]
fn types_widen_to_the_wider_side() {
    check("a:int", "a:long", "a:int", expect!["a:Int64"]);
    check("a:float b:dec10", "a:float b:dec20", "a:double b:dec10", expect!["a:Float64 b:Decimal128(20, 2)"]);
    check(
        "a:int",
        "a:text",
        "a:int",
        expect!["type-conflict: a is Int32 in the base, Utf8 on ours, Int32 on theirs"],
    );
    check(
        "a:date",
        "a:date",
        "a:time",
        expect![[
            r#"type-conflict: a is Date32 in the base, Date32 on ours, Timestamp(µs, "UTC") on theirs"#
        ]],
    );
    check(
        "a:long",
        "a:int",
        "a:long",
        expect!["type-conflict: a is Int64 in the base, Int32 on ours, Int64 on theirs"],
    );
    check(
        "a:dec10",
        "a:dec20",
        "a:dec20.4",
        expect![
            "type-conflict: a is Decimal128(10, 2) in the base, Decimal128(20, 2) on ours, Decimal128(20, 4) on theirs"
        ],
    );
}

#[test]
fn ids_follow_a_rename() {
    check("#1/a:int #2/b:int", "#1/x:int #2/b:int", "#1/a:int #2/b:long", expect!["x:Int32 b:Int64"]);
    check(
        "#1/a:int",
        "#1/x:int",
        "#1/y:int",
        expect!["column-conflict: a was renamed x on ours, y on theirs"],
    );
    check(
        "#1/a:int",
        "#1/a:int #2/b:int",
        "#1/a:int #2/c:int",
        expect!["field-id-collision: field id 2 was given to b on ours, to c on theirs"],
    );
    check(
        "#1/a:int",
        "#1/a:int #2/b:int",
        "#1/a:int #3/b:int",
        expect!["column-case-collision: two columns would be named b"],
    );
}

#[test]
fn nested_fields_are_joined_one_by_one() {
    check("a:{x:int}", "a:{x:int,y:text}", "a:{x:long,z:text}", expect!["a:{x:Int64 y:Utf8 z:Utf8}"]);
    check("a:list<int>", "a:list<int>", "a:list<long>", expect!["a:List(Int64)"]);
    check(
        "a:list<{x:int}>",
        "a:list<{x:int,y:int}>",
        "a:list<{x:int,y:text}>",
        expect!["column-conflict: both sides added a.element.y: as Int32 on ours, as Utf8 on theirs"],
    );
}

#[test]
fn maps_are_joined_whatever_their_parts_are_named() {
    let map = |key: &str, value: DataType| {
        let fields = vec![Field::new(key, DataType::Utf8, false), Field::new("v", value, true)];
        let entries = Field::new("entries", DataType::Struct(fields.into()), false);
        Schema::new(vec![Field::new("m", DataType::Map(Arc::new(entries), false), true)])
    };
    let (base, theirs) = (map("key", DataType::Int32), map("k", DataType::Int64));
    let merged = reconcile(PerSide { base: &base, ours: &base, theirs: &theirs }).unwrap();
    let mut builder = arrow::array::MapBuilder::new(
        Some(arrow::array::MapFieldNames { entry: "entries".into(), key: "key".into(), value: "v".into() }),
        arrow::array::StringBuilder::new(),
        arrow::array::Int32Builder::new(),
    );
    builder.keys().append_value("a");
    builder.values().append_value(1);
    builder.append(true).unwrap();
    let batch =
        RecordBatch::try_from_iter([("m", Arc::new(builder.finish()) as arrow::array::ArrayRef)]).unwrap();
    let brought = merged.projections.base.apply(&batch).unwrap();
    let row = crate::json::row(&brought.schema(), brought.columns(), 0, &[0]).unwrap();
    assert_eq!(row.to_string(), r#"{"m":[{"key":"a","v":1}]}"#);
    assert_eq!(parts(brought.column(0).data_type()).unwrap().1.data_type(), &DataType::Int64);
}

#[test]
fn not_null_is_merged_three_way() {
    check("a!:int b:int", "a:int b:int", "a!:int b!:int", expect!["a:Int32 b!:Int32"]);
}

#[test]
fn batches_come_into_the_merged_schema() {
    let (base, ours, theirs) =
        (schema("#1/a:int #2/b:text"), schema("#1/x:int #2/b:text"), schema("#2/b:text #1/a:long #3/c:date"));
    let merged = reconcile(PerSide { base: &base, ours: &ours, theirs: &theirs }).unwrap();
    let batch = RecordBatch::try_new(
        Arc::new(base),
        vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["p", "q"]))],
    )
    .unwrap();
    let brought = merged.projections.base.apply(&batch).unwrap();
    assert_eq!(show(brought.schema().fields()), "x:Int64 b:Utf8 c:Date32");
    let row = crate::json::row(&brought.schema(), brought.columns(), 1, &[0, 1, 2]).unwrap();
    assert_eq!(row.to_string(), r#"{"x":2,"b":"q","c":null}"#);
}
