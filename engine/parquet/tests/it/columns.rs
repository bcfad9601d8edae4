//! Columns that come, go and change their types; and how they are stored.

use std::sync::Arc;

use anabranch_merge::test_support::UnitCase;
use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int8Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray, StructArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Int8Type, Int64Type, Schema};
use bytes::Bytes;
use expect_test::expect;
use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::schema::parser::parse_message_type;
use parquet::schema::printer::print_schema;
use serde_json::json;

use crate::support::{
    case, conflict, file_of, file_of_batch, footer, merged, rows, shown, stock, stock_file,
};

fn printed(file: &Bytes) -> String {
    let mut text = Vec::new();
    print_schema(&mut text, footer(file).file_metadata().schema());
    String::from_utf8(text).unwrap()
}

/// [`stock`] with another column behind.
fn with_column(rows: &str, name: &'static str, column: ArrayRef) -> Bytes {
    let mut columns = stock(rows);
    columns.push((name, column));
    file_of(&columns, None)
}

fn without_note(rows: &str) -> Bytes {
    let columns: Vec<_> = stock(rows).into_iter().filter(|(name, _)| *name != "note").collect();
    file_of(&columns, None)
}

#[tokio::test]
async fn a_new_column_of_each_side() {
    let ours =
        with_column("1:a:1 2:b:2 3:c:3", "colour", Arc::new(StringArray::from(vec!["red", "blue", "green"])));
    let theirs =
        with_column("1:a:10 2:b:2 4:d:4", "weight", Arc::new(Float64Array::from(vec![1.5, 2.5, 4.5])));
    let file = merged(&case(stock_file("1:a:1 2:b:2"), ours, theirs)).await;
    assert_eq!(shown(&file), "1:a:10:red:1.5 2:b:2:blue:2.5 3:c:3:green:- 4:d:4:-:4.5");
}

#[tokio::test]
async fn a_column_that_one_side_dropped_is_gone_unless_the_other_wrote_into_it() {
    let base = stock_file("1:a:1 2:b:2");
    // Rows that only lack a value there are no loss.
    let clean = case(base.clone(), without_note("1:a:10 2:b:2"), stock_file("1:a:1 2:b:20 3:-:3"));
    assert_eq!(shown(&merged(&clean).await), "1:10 2:20 3:3");
    for theirs in ["1:x:1 2:b:2", "1:a:1 2:b:2 3:c:3"] {
        let case = case(base.clone(), without_note("1:a:1 2:b:2"), stock_file(theirs));
        let found = conflict(&case).await;
        assert_eq!(
            (found.kind.as_str(), found.column.as_deref()),
            ("drop-vs-write", Some("note")),
            "{found}"
        );
        // One side's file as a whole.
        let resolutions = vec![crate::support::decide(&found, "theirs", None)];
        let decided = UnitCase { resolutions, ..case };
        assert_eq!(shown(&merged(&decided).await), theirs);
    }
}

#[tokio::test]
async fn types_are_widened_and_never_guessed() {
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![1, 1 << 40]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    let file = |amount: &ArrayRef, first: i64| {
        file_of(
            &[("id", Arc::new(Int64Array::from(vec![first, 2])) as ArrayRef), ("amount", amount.clone())],
            None,
        )
    };
    let widened = merged(&case(file(&narrow, 1), file(&narrow, 0), file(&wide, 1))).await;
    assert_eq!(
        footer(&widened).file_metadata().schema_descr().column(1).physical_type(),
        PhysicalType::INT64
    );
    assert_eq!(shown(&widened), format!("0:1 2:{}", 1_i64 << 40));
    let conflict = conflict(&case(file(&narrow, 1), file(&narrow, 0), file(&text, 1))).await;
    assert_eq!(
        conflict.to_string(),
        "type-conflict: data/stock.parquet.amount: amount is Int32 in the base, Int32 on ours, Utf8 on theirs"
    );
}

#[tokio::test]
async fn other_writers_of_one_column_make_no_difference() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let file = |note: ArrayRef, amount: i64| {
        let amounts: ArrayRef = Arc::new(Int64Array::from(vec![amount, 2]));
        file_of(&[("id", ids.clone()), ("note", note), ("amount", amounts)], None)
    };
    let categories: DictionaryArray<Int8Type> = vec!["a", "b"].into_iter().collect();
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["a", "x"]));
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "b"]));
    let view: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
    for (base, ours) in [(&large, &view), (&view, &large), (&large, &(Arc::new(categories) as ArrayRef))] {
        let base = file(base.clone(), 1);
        let ours = file(ours.clone(), 10);
        let file = merged(&case(base, ours.clone(), file(plain.clone(), 1))).await;
        assert_eq!(shown(&file), "1:a:10 2:x:2");
        // Readers see the types that ours had, dictionaries by what they hold.
        let read = |file: &Bytes| {
            let schema = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file.clone());
            schema.unwrap().schema().field(1).data_type().clone()
        };
        match (read(&file), read(&ours)) {
            (DataType::Dictionary(_, merged), DataType::Dictionary(_, ours)) => assert_eq!(merged, ours),
            (merged, ours) => assert_eq!(merged, ours),
        }
    }
}

/// Columns of many types, in rows of these ids; `changed` is the id whose values differ.
fn many(ids: &[i64], changed: i64) -> RecordBatch {
    let by = |value: i64, other: i64| -> Vec<i64> {
        ids.iter().map(|id| if *id == changed { other } else { value + id }).collect()
    };
    let decimal = Decimal128Array::from_iter_values(by(100, 1).iter().map(|value| i128::from(*value)));
    let uuid =
        FixedSizeBinaryArray::try_from_iter(by(1, 7).into_iter().map(|value| [value as u8; 16])).unwrap();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(
        by(1, 9).into_iter().map(|value| (value % 3 != 0).then(|| vec![Some(value), None])),
    );
    let inner = Field::new("inner", DataType::Int64, false);
    let nested =
        StructArray::new(vec![inner].into(), vec![Arc::new(Int64Array::from(by(5, 50))) as ArrayRef], None);
    let map = {
        let mut builder = arrow::array::MapBuilder::new(
            None,
            arrow::array::StringBuilder::new(),
            arrow::array::Int64Builder::new(),
        );
        for value in by(3, 30) {
            builder.keys().append_value("key");
            builder.values().append_value(value);
            builder.append(true).unwrap();
        }
        builder.finish()
    };
    let nanos = TimestampNanosecondArray::from(by(1_000, 5)).with_timezone("Europe/Berlin");
    let millis = TimestampMillisecondArray::from(by(1_000, 6));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        ("price", Arc::new(decimal.with_precision_and_scale(12, 2).unwrap())),
        ("uuid", Arc::new(uuid)),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
        ("map", Arc::new(map)),
        ("nanos", Arc::new(nanos)),
        ("millis", Arc::new(millis)),
        (
            "tiny",
            Arc::new(Int8Array::from(by(1, 9).into_iter().map(|value| value as i8).collect::<Vec<_>>())),
        ),
    ];
    let fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), *name != "id"));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

#[tokio::test]
async fn columns_of_many_types_are_stored_as_they_were() {
    let base = file_of_batch(&many(&[1, 2, 3, 4, 5], 0), None);
    let ours = file_of_batch(&many(&[1, 2, 3, 4, 5, 6], 2), None);
    let theirs = file_of_batch(&many(&[1, 3, 4, 5, 7], 4), None);
    // Theirs removed a row that ours changed.
    let mut case = case(base, ours.clone(), theirs);
    let clash = conflict(&case).await;
    case.resolutions.push(crate::support::decide(&clash, "ours", None));
    let file = merged(&case).await;
    assert_eq!(printed(&file), printed(&ours));
    let expected = file_of_batch(&many(&[1, 2, 3, 4, 5, 6, 7], 2), None);
    let expected = rows(&expected);
    let other = rows(&file_of_batch(&many(&[4], 4), None));
    let merged = rows(&file);
    for (at, row) in merged.iter().enumerate() {
        assert_eq!(row, if at == 3 { &other[0] } else { &expected[at] });
    }
    assert_eq!(merged.len(), 7);
}

#[tokio::test]
async fn a_column_stays_required_as_long_as_all_sides_say_so() {
    let required = |ids: &[i64], nullable: bool| {
        let field = |name: &str, nullable: bool| Field::new(name, DataType::Int64, nullable);
        let schema = Schema::new(vec![field("id", false), field("amount", nullable)]);
        let column = || Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef;
        file_of_batch(&RecordBatch::try_new(Arc::new(schema), vec![column(), column()]).unwrap(), None)
    };
    let repetition = |file: &Bytes, column: usize| {
        footer(file).file_metadata().schema().get_fields()[column].get_basic_info().repetition()
    };
    let all = merged(&case(required(&[1], false), required(&[1, 2], false), required(&[1, 3], false))).await;
    assert_eq!((repetition(&all, 0), repetition(&all, 1)), (Repetition::REQUIRED, Repetition::REQUIRED));
    let one = merged(&case(required(&[1], false), required(&[1, 2], false), required(&[1, 3], true))).await;
    assert_eq!((repetition(&one, 0), repetition(&one, 1)), (Repetition::REQUIRED, Repetition::OPTIONAL));
    // A column that the rows of the other side lack is optional, whatever its writer said.
    let ids = |ids: &[i64]| file_of(&[("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef)], None);
    let new = merged(&case(ids(&[1]), required(&[1, 2], false), ids(&[1, 3]))).await;
    assert_eq!(repetition(&new, 1), Repetition::OPTIONAL);
    assert_eq!(shown(&new), "1:1 2:2 3:-");
}

/// A file of a schema in Parquet's own notation, with one column of numbers beside the id.
fn of_message(message: &str, ids: &[i64], values: &[i64]) -> Bytes {
    use parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    if message.contains("repeated") {
        // Two values a row.
        let twice: Vec<i64> = values.iter().flat_map(|value| [*value, value + 1]).collect();
        let repetition: Vec<i16> = (0..twice.len()).map(|at| (at % 2) as i16).collect();
        let definition = vec![2; twice.len()];
        column.typed::<Int64Type>().write_batch(&twice, Some(&definition), Some(&repetition)).unwrap();
    } else {
        let bytes = |value: &i64| FixedLenByteArray::from(ByteArray::from(value.to_be_bytes()[3..].to_vec()));
        let values: Vec<FixedLenByteArray> = values.iter().map(bytes).collect();
        column.typed::<FixedLenByteArrayType>().write_batch(&values, None, None).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

#[tokio::test]
async fn what_other_writers_store_otherwise_stays_so() {
    let old_list = "message hive { required int64 id; optional group v (LIST) { repeated int64 array; } }";
    let wide_decimal =
        "message m { required int64 id; required fixed_len_byte_array(5) v (DECIMAL(9, 2)) = 7; }";
    for message in [old_list, wide_decimal] {
        let base = of_message(message, &[1, 2], &[10, 20]);
        let ours = of_message(message, &[1, 2, 3], &[11, 20, 30]);
        let theirs = of_message(message, &[1, 2, 4], &[10, 22, 40]);
        let file = merged(&case(base, ours.clone(), theirs)).await;
        // A decimal has no more bytes than its digits need.
        assert_eq!(printed(&file), printed(&ours).replace("(5)", "(4)"));
        let expected = of_message(message, &[1, 2, 3, 4], &[11, 22, 30, 40]);
        assert_eq!(rows(&file), rows(&expected));
    }
}

#[tokio::test]
async fn a_struct_that_both_sides_extended() {
    // A field of its own on each side, which only the last row has.
    let file = |ids: &[i64], own: Option<&str>| {
        let of = |name: &str, nullable: bool, values: Int64Array| {
            (Arc::new(Field::new(name, DataType::Int64, nullable)), Arc::new(values) as ArrayRef)
        };
        let mut fields = vec![of("a", false, ids.to_vec().into())];
        fields.extend(own.map(|name| {
            let last = ids.iter().map(|id| Some(*id).filter(|id| Some(id) == ids.last()));
            of(name, true, last.collect())
        }));
        let nested: ArrayRef = Arc::new(StructArray::from(fields));
        file_of(&[("id", Arc::new(Int64Array::from(ids.to_vec()))), ("s", nested)], None)
    };
    let case = case(file(&[1, 2], None), file(&[1, 2, 3], Some("o")), file(&[1, 2, 4], Some("t")));
    let merged = merged(&case).await;
    expect![[r#"
        message arrow_schema {
          OPTIONAL INT64 id;
          OPTIONAL group s {
            OPTIONAL INT64 a;
            OPTIONAL INT64 o;
            OPTIONAL INT64 t;
          }
        }
    "#]]
    .assert_eq(&printed(&merged));
    assert_eq!(rows(&merged)[2], json!({"id": 3, "s": {"a": 3, "o": 3, "t": null}}));
    assert_eq!(rows(&merged)[3], json!({"id": 4, "s": {"a": 4, "o": null, "t": 4}}));
}

#[tokio::test]
async fn columns_that_are_not_written_are_refused_by_name() {
    let int96 = {
        use parquet::data_type::{Int64Type, Int96, Int96Type};
        use parquet::file::writer::SerializedFileWriter;
        let schema =
            Arc::new(parse_message_type("message m { required int64 id; required int96 at; }").unwrap());
        move |ids: &[i64]| -> Bytes {
            let mut writer =
                SerializedFileWriter::new(Vec::new(), schema.clone(), Default::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(ids, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int96Type>().write_batch(&vec![Int96::new(); ids.len()], None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.into_inner().unwrap().into()
        }
    };
    let found = conflict(&case(int96(&[1]), int96(&[1, 2]), int96(&[1, 3]))).await;
    assert_eq!(found.kind.as_str(), "object-conflict");
    assert!(found.message.contains("column at is stored as INT96"), "{}", found.message);
}

#[tokio::test]
async fn columns_that_are_named_as_ours_are_refused() {
    let file = |rows: &str| with_column(rows, "__position", stock(rows)[0].1.clone());
    let found = conflict(&case(file("1:a:1"), file("1:a:2"), file("1:b:1"))).await;
    assert!(found.message.contains("a column __position"), "{}", found.message);
}
