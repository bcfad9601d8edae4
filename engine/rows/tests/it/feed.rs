//! The rows that differ as typed batches, read as any reader of Arrow's stream format reads them; conditions; and what is
//! held in memory meanwhile.

use std::sync::Arc;

use anabranch_rows::filter::Condition;
use anabranch_rows::{
    ChangeFeed, DiffOptions, DiffStep, Error, Identity, MergeOptions, PerSide, RowDiff, Version,
    diff_batches, merge_batches,
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::ipc::reader::StreamReader;
use arrow::util::pretty::pretty_format_batches;
use expect_test::expect_file;

use crate::support::{Row, batch, by_key, schema, sorted};

fn typed(rows: &[(i64, Option<&str>, i64)]) -> RecordBatch {
    let seen = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2)).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("name", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ("seen", Arc::new(seen)),
    ];
    let fields = [
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("seen", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    RecordBatch::try_new(schema, columns.map(|(_, column)| column).to_vec()).unwrap()
}

fn read(bytes: &[u8]) -> (Arc<Schema>, Vec<RecordBatch>) {
    let reader = StreamReader::try_new(bytes, None).unwrap();
    (reader.schema(), reader.map(Result::unwrap).collect())
}

#[test]
fn a_change_feed_is_typed_and_in_deltas_words() {
    let before = typed(&[(1, Some("a"), 0), (2, None, 1), (3, Some("c"), 2), (3, Some("c"), 2)]);
    let after = typed(&[(1, Some("z"), 5), (2, None, 1), (4, Some("d"), 1_767_225_600_000_000)]);
    let options = DiffOptions::new(Identity::Key(vec!["id".into()]));
    let (changes, _) =
        diff_batches(before.schema(), &options, std::slice::from_ref(&before), &[after]).unwrap();
    let mut feed = ChangeFeed::new(&before.schema(), &[("anabranch.keys", "[\"id\"]".into())]).unwrap();
    let mut bytes = feed.write(&changes[..1]).unwrap();
    bytes.extend(feed.write(&changes[1..]).unwrap());
    bytes.extend(feed.finish().unwrap());
    let (schema, batches) = read(&bytes);
    let table = pretty_format_batches(&batches).unwrap();
    let fields: String = schema
        .fields()
        .iter()
        .map(|f| {
            format!("{}: {}{}\n", f.name(), f.data_type(), if f.is_nullable() { "" } else { ", never NULL" })
        })
        .collect();
    expect_file!["golden/change-feed.txt"].assert_eq(&format!("{fields}{:?}\n{table}\n", schema.metadata()));
}

#[test]
fn a_feed_without_changes_has_a_schema_and_names_of_its_own_are_refused() {
    let rows = typed(&[]);
    let feed = ChangeFeed::new(&rows.schema(), &[]).unwrap();
    let (schema, batches) = read(&feed.finish().unwrap());
    assert_eq!((schema.fields().len(), batches.len()), (5, 0));
    let taken = Arc::new(Schema::new(vec![Field::new("_change_type", DataType::Utf8, true)]));
    assert!(matches!(ChangeFeed::new(&taken, &[]), Err(Error::ReservedColumn { .. })));
}

fn bag() -> Identity {
    Identity::Bag
}

#[test]
fn a_condition_holds_of_the_row_before_or_of_the_row_after() {
    let before: Vec<Row> =
        vec![vec![Some(1), Some(5), None], vec![Some(2), Some(1), None], vec![Some(3), Some(9), None]];
    let after: Vec<Row> =
        vec![vec![Some(1), Some(1), None], vec![Some(2), Some(2), None], vec![Some(4), Some(9), None]];
    let identity = Identity::Key(vec!["k".into()]);
    let filter = Condition::parse("a >= 5").unwrap().on(&schema()).unwrap();
    let options = DiffOptions { filter: Some(filter), ..DiffOptions::new(identity.clone()) };
    let (changes, totals) =
        diff_batches(schema(), &options, &sorted(&identity, &before, 2), &sorted(&identity, &after, 2))
            .unwrap();
    let kinds: Vec<String> = changes.iter().map(|change| change.change.to_string()).collect();
    assert_eq!(kinds, ["changed", "removed", "added"], "row 2 has 1 before and 2 after");
    assert_eq!((totals.delta.added, totals.delta.removed, totals.delta.changed), (1, 1, 1));
}

#[test]
fn any_number_of_equal_rows_is_counted_without_being_held() {
    let rows = |count: usize| vec![vec![Some(7), None, Some(1)]; count];
    let options = DiffOptions::new(bag());
    let (before, after) = (sorted(&bag(), &rows(5_000), 64), sorted(&bag(), &rows(4_000), 64));
    let (changes, totals) = diff_batches(schema(), &options, &before, &after).unwrap();
    assert_eq!((changes.len(), changes[0].copies, totals.delta.removed), (1, 1_000, 1_000));
    let mut feed = ChangeFeed::new(&schema(), &[]).unwrap();
    let mut bytes = feed.write(&changes).unwrap();
    bytes.extend(feed.finish().unwrap());
    assert_eq!(read(&bytes).1.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000);
    let (changes, _) = diff_batches(schema(), &options, &before, &before).unwrap();
    assert!(changes.is_empty());
}

#[test]
fn a_key_of_too_many_rows_is_refused_with_its_name_and_the_limit() {
    let rows: Vec<Row> = (0..20).map(|row| vec![Some(7), Some(row), None]).collect();
    let identity = Identity::Key(vec!["k".into()]);
    let side = sorted(&identity, &rows, 3);
    let options = MergeOptions { identity, group_rows_max: 10, ..by_key() };
    let sides = PerSide { base: side.clone(), ours: side.clone(), theirs: side.clone() };
    let error = merge_batches(schema(), &options, &sides, None).unwrap_err().to_string();
    assert!(error.contains("base: more than 10 rows") && error.contains("\"k\":7"), "{error}");
    let options = MergeOptions { group_rows_max: usize::MAX, group_bytes_max: 500, ..options };
    let error = merge_batches(schema(), &options, &sides, None).unwrap_err().to_string();
    assert!(error.contains("more than 500 bytes of rows") && error.contains("\"k\":7"), "{error}");
}

/// Each listed change keeps its batches: few changes in many batches must not keep them all.
#[test]
fn changes_far_apart_are_handed_out_before_they_hold_many_batches() {
    let options = DiffOptions::new(Identity::Key(vec!["k".into()]));
    let mut diff = RowDiff::new(schema(), &options).unwrap();
    let part = |part: i64, changed: i64| -> RecordBatch {
        let row = |row: i64| vec![Some(part * 100 + row), Some(if row == 50 { changed } else { 0 }), None];
        batch(&(0..100).map(row).collect::<Vec<_>>())
    };
    let (mut before, mut after) = ((0..1_000).map(|n| part(n, 1)), (0..1_000).map(|n| part(n, 2)));
    let (mut largest, mut all) = (0, 0);
    loop {
        match diff.step().unwrap() {
            DiffStep::Wants(Version::Before) => diff.feed(Version::Before, before.next()).unwrap(),
            DiffStep::Wants(Version::After) => diff.feed(Version::After, after.next()).unwrap(),
            DiffStep::Rows(rows) => {
                largest = largest.max(rows.len());
                all += rows.len();
            }
            DiffStep::Done => break,
        }
    }
    assert_eq!(all, 1_000);
    assert!(largest <= 32, "{largest} changes of two batches each");
}
