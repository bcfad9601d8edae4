//! Equality and JSON, type by type. Each case is a column of values and says which of them are equal.

use std::sync::Arc;

use anabranch_rows::{
    Identity, MergeOptions, PerSide, RowCodec, json, json_read, key_columns, merge_batches, sort,
};
use arrow::array::*;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;

fn schema_of(array: &ArrayRef) -> Schema {
    Schema::new(vec![Field::new("v", array.data_type().clone(), true)])
}

/// For each pair of values of two arrays, whether they are equal.
fn equal(left: ArrayRef, right: ArrayRef) -> Vec<bool> {
    let codec = RowCodec::joined(&[&schema_of(&left), &schema_of(&right)]).unwrap();
    let (left, right) = (codec.encode_column(0, &left).unwrap(), codec.encode_column(0, &right).unwrap());
    (0..left.num_rows()).map(|row| left.row(row).data() == right.row(row).data()).collect()
}

#[test]
fn floats_have_one_nan_and_one_zero() {
    let strange = f64::from_bits(0xfff8_dead_beef_0001);
    let left: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(0.0), Some(1.0), None]));
    let right: ArrayRef = Arc::new(Float64Array::from(vec![Some(strange), Some(-0.0), Some(1.5), None]));
    assert_eq!(equal(left.clone(), right.clone()), [true, true, false, true]);
    for narrow in [DataType::Float32, DataType::Float16] {
        let (left, right) = (cast(&left, &narrow).unwrap(), cast(&right, &narrow).unwrap());
        assert_eq!(equal(left.clone(), right), [true, true, false, true]);
        assert_eq!(
            equal(
                left,
                cast(
                    &(Arc::new(Float64Array::from(vec![f64::NAN, -0.0, 1.0, 9.0])) as ArrayRef),
                    &DataType::Float64
                )
                .unwrap()
            ),
            [true, true, true, false]
        );
    }
}

#[test]
fn decimals_are_equal_by_value() {
    let left: ArrayRef = Arc::new(
        Decimal128Array::from(vec![Some(150), Some(-100), None, Some(1)])
            .with_precision_and_scale(10, 2)
            .unwrap(),
    );
    let right: ArrayRef = Arc::new(
        Decimal128Array::from(vec![Some(15000), Some(-10000), None, Some(1)])
            .with_precision_and_scale(20, 4)
            .unwrap(),
    );
    assert_eq!(equal(left.clone(), right), [true, true, true, false]);
    let wide = cast(&left, &DataType::Decimal256(70, 10)).unwrap();
    assert_eq!(equal(left, wide), [true; 4]);
}

#[test]
fn instants_are_equal_whatever_their_unit_and_zone() {
    let micros: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![-1_500_000, 1_000_000, 5]).with_timezone("UTC"));
    let nanos: ArrayRef = Arc::new(
        TimestampNanosecondArray::from(vec![-1_500_000_000, 1_000_000_000, 5_001]).with_timezone("+02:00"),
    );
    assert_eq!(equal(micros.clone(), nanos), [true, true, false]);
    let local: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-1_500_000, 1_000_000, 5]));
    assert_eq!(
        equal(local.clone(), Arc::new(TimestampMillisecondArray::from(vec![-1500, 1000, 0]))),
        [true, true, false]
    );
    assert!(RowCodec::joined(&[&schema_of(&micros), &schema_of(&local)]).is_err());
    // Order is that of time, also before 1970.
    let codec = RowCodec::joined(&[
        &schema_of(&local),
        &Schema::new(vec![Field::new("v", DataType::Timestamp(TimeUnit::Second, None), true)]),
    ])
    .unwrap();
    let rows = codec.encode_column(0, &local).unwrap();
    assert!(rows.row(0).data() < rows.row(2).data() && rows.row(2).data() < rows.row(1).data());
}

#[test]
fn text_and_binary_are_equal_however_they_are_written() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some(""),
        None,
        Some("a longer text than fits into a view"),
    ]));
    for data_type in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    ] {
        assert_eq!(equal(text.clone(), cast(&text, &data_type).unwrap()), [true; 4], "{data_type}");
    }
    let fixed: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].into_iter()).unwrap());
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![&b"ab"[..], &b"cdx"[..]]));
    assert_eq!(equal(fixed, binary), [true, false]);
}

fn map(entries: &[&[(&str, Option<i32>)]]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for entry in entries {
        for (key, value) in *entry {
            builder.keys().append_value(key);
            builder.values().append_option(*value);
        }
        builder.append(true).unwrap();
    }
    builder.append(false).unwrap();
    Arc::new(builder.finish())
}

#[test]
fn maps_are_sets_of_entries_also_within_structs() {
    let left = map(&[&[("a", Some(1)), ("b", None)], &[], &[("a", Some(1))]]);
    let right = map(&[&[("b", None), ("a", Some(1))], &[], &[("a", Some(2))]]);
    assert_eq!(equal(left.clone(), right.clone()), [true, true, false, true]);
    let within = |map: ArrayRef| -> ArrayRef {
        let field = Arc::new(Field::new("m", map.data_type().clone(), true));
        Arc::new(StructArray::from(vec![(field, map)]))
    };
    assert_eq!(equal(within(left), within(right)), [true, true, false, true]);
}

#[test]
fn lists_are_equal_however_they_are_written() {
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        Some(vec![Some(3), Some(4)]),
        None,
    ]));
    let large =
        cast(&list, &DataType::LargeList(Arc::new(Field::new("element", DataType::Int64, true)))).unwrap();
    assert_eq!(equal(list.clone(), large), [true; 3]);
    let fixed = cast(&list, &DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int32, true)), 2))
        .unwrap();
    assert_eq!(equal(list, fixed), [true; 3]);
}

/// Columns of every type that Parquet has, three values each: some value, another, NULL.
fn all_types() -> Vec<(&'static str, ArrayRef)> {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(100), None]));
    let to = |data_type: DataType| cast(&ints, &data_type).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), Some("é\n"), None]));
    let nulls = NullBuffer::from(vec![true, true, false]);
    let fields =
        Fields::from(vec![Field::new("p", DataType::Int32, true), Field::new("q", DataType::Utf8, true)]);
    let structs =
        StructArray::try_new(fields, vec![ints.clone(), texts.clone()], Some(nulls.clone())).unwrap();
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let lists = ListArray::try_new(
        item,
        OffsetBuffer::new(vec![0, 1, 3, 3].into()),
        texts.clone(),
        Some(nulls.clone()),
    )
    .unwrap();
    let fixed = FixedSizeBinaryArray::try_new(2, Buffer::from(b"abcdef".to_vec()), Some(nulls)).unwrap();
    vec![
        ("null", new_null_array(&DataType::Null, 3)),
        ("bool", Arc::new(BooleanArray::from(vec![Some(false), Some(true), None]))),
        ("int8", to(DataType::Int8)),
        ("int16", to(DataType::Int16)),
        ("int32", ints.clone()),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(1 << 53), None]))),
        ("uint8", to(DataType::UInt8)),
        ("uint16", to(DataType::UInt16)),
        ("uint32", to(DataType::UInt32)),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(7), None]))),
        ("float16", to(DataType::Float16)),
        ("float32", Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::NEG_INFINITY), None]))),
        ("float64", Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(-2.5e300), None]))),
        ("decimal32", to(DataType::Decimal32(9, 2))),
        ("decimal64", to(DataType::Decimal64(18, 2))),
        ("decimal128", to(DataType::Decimal128(38, 10))),
        ("decimal256", to(DataType::Decimal256(76, 20))),
        ("date32", cast(&ints, &DataType::Date32).unwrap()),
        ("date64", cast(&to(DataType::Date32), &DataType::Date64).unwrap()),
        ("time32", cast(&ints, &DataType::Time32(TimeUnit::Millisecond)).unwrap()),
        ("time64", cast(&to(DataType::Int64), &DataType::Time64(TimeUnit::Microsecond)).unwrap()),
        ("local", cast(&to(DataType::Int64), &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap()),
        (
            "instant",
            cast(&to(DataType::Int64), &DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))
                .unwrap(),
        ),
        ("text", texts.clone()),
        ("text view", cast(&texts, &DataType::Utf8View).unwrap()),
        (
            "dictionary",
            cast(&texts, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))).unwrap(),
        ),
        ("binary", cast(&texts, &DataType::Binary).unwrap()),
        ("fixed binary", Arc::new(fixed)),
        ("list", Arc::new(lists.clone())),
        (
            "large list",
            cast(&lists, &DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8, true)))).unwrap(),
        ),
        ("struct", Arc::new(structs)),
        ("map", map(&[&[("a", Some(1)), ("b", None)], &[]])),
    ]
}

#[test]
fn every_type_goes_through_json_and_back() {
    for (name, array) in all_types() {
        for row in 0..array.len() {
            let value = json::cell(&array, row).unwrap();
            let back = json_read::parse(&value, array.data_type()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(back.data_type(), array.data_type(), "{name}");
            assert_eq!(equal(back, array.slice(row, 1)), [true], "{name} {value}");
        }
    }
}

#[test]
fn json_keeps_what_numbers_lose() {
    let shown = |array: ArrayRef| json::cell(&array, 0).unwrap().to_string();
    assert_eq!(shown(Arc::new(Int64Array::from(vec![1i64 << 53]))), "9007199254740992");
    assert_eq!(shown(Arc::new(Int64Array::from(vec![(1i64 << 53) + 1]))), "\"9007199254740993\"");
    assert_eq!(shown(Arc::new(Float32Array::from(vec![0.1]))), "0.1");
    assert_eq!(shown(Arc::new(Float64Array::from(vec![f64::NAN]))), "\"NaN\"");
    assert_eq!(shown(Arc::new(Float64Array::from(vec![f64::INFINITY]))), "\"Infinity\"");
    assert_eq!(shown(Arc::new(BinaryArray::from(vec![&b"ab\xff"[..]]))), "\"YWL/\"");
    let decimal = Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(shown(Arc::new(decimal)), "\"1.50\"");
    let instant = TimestampMicrosecondArray::from(vec![1_000_001]).with_timezone("+02:00");
    assert_eq!(shown(Arc::new(instant)), "\"1970-01-01T00:00:01.000001Z\"");
}

/// Each type as the value column and as the key of a merge in which theirs changes the second row.
#[test]
fn every_type_is_merged_and_comes_out_as_it_was() {
    for (name, array) in all_types() {
        if name == "null" {
            continue;
        }
        let schema = Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int32, true),
            Field::new("v", array.data_type().clone(), true),
        ]));
        let batch = |picks: [u64; 3]| {
            let values = arrow::compute::take(&array, &UInt64Array::from(picks.to_vec()), None).unwrap();
            let keys: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
            RecordBatch::try_new(schema.clone(), vec![keys, values]).unwrap()
        };
        let sides = PerSide { base: batch([0, 1, 2]), ours: batch([0, 1, 0]), theirs: batch([0, 0, 2]) };
        for identity in
            [Identity::Key(vec!["k".into()]), Identity::Key(vec!["v".into(), "k".into()]), Identity::Bag]
        {
            let key = key_columns(&schema, &identity, &[]).unwrap();
            let sorted = PerSide::from_fn(|side| {
                sort::sort_batches(&schema, &key, &[sides.get(side).clone()], 2).unwrap()
            });
            let (merged, report) =
                merge_batches(schema.clone(), &MergeOptions::new(identity), &sorted, None).unwrap();
            assert_eq!(report.conflict_count, 0, "{name}: {:?}", report.conflicts);
            let batches: Vec<RecordBatch> = merged.into_iter().map(|batch| batch.rows).collect();
            let merged = sort::sort_batches(&schema, &[0], &batches, 10).unwrap();
            let expected = batch([0, 0, 0]);
            assert_eq!(merged[0].num_rows(), 3, "{name}");
            assert_eq!(merged[0].column(0), expected.column(0), "{name}");
            assert_eq!(equal(merged[0].column(1).clone(), expected.column(1).clone()), [true; 3], "{name}");
        }
    }
}

#[test]
fn a_key_is_one_key_however_its_zero_is_signed_and_ours_value_is_kept() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Float64, true),
        Field::new("v", DataType::Float64, true),
    ]));
    let batch = |k: f64, v: f64| {
        let column = |x: f64| Arc::new(Float64Array::from(vec![x])) as ArrayRef;
        vec![RecordBatch::try_new(schema.clone(), vec![column(k), column(v)]).unwrap()]
    };
    let sides = PerSide { base: batch(0.0, 0.0), ours: batch(-0.0, -0.0), theirs: batch(0.0, f64::NAN) };
    let options = MergeOptions::new(Identity::Key(vec!["k".into()]));
    let (merged, report) = merge_batches(schema.clone(), &options, &sides, None).unwrap();
    assert_eq!(report.conflict_count, 0);
    assert!(merged[0].rows.column(1).as_primitive::<Float64Type>().value(0).is_nan());
    let sides = PerSide { base: batch(0.0, 0.0), ours: batch(-0.0, -0.0), theirs: batch(0.0, 0.0) };
    let (merged, _) = merge_batches(schema, &options, &sides, None).unwrap();
    assert!(merged[0].rows.column(1).as_primitive::<Float64Type>().value(0).is_sign_negative());
}
