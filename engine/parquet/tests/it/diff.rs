//! Which rows differ between two states of a file.

use std::sync::Mutex;

use anabranch_merge::test_support::{OpenCase, UnitCase, entry_changes};
use anabranch_merge::{
    DiffInput, DiffOutcome, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, RowTotals, Sample,
};
use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;

use crate::support::{PATH, merger, stock, stock_case};

async fn on<T>(open: &OpenCase, ask: impl AsyncFnOnce(DiffInput<'_>) -> T) -> T {
    let changes = entry_changes(&open.base, &open.ours);
    let (before, after, options) = (&open.base, &open.ours, &open.case.options);
    ask(DiffInput { root: PATH, before, after, changes: &changes, options }).await
}

async fn page(case: &UnitCase, request: &RowDiffRequest) -> Result<RowDiffPage, RowDiffError> {
    on(&case.open(), async |input| merger().diff_rows(input, request).await).await
}

async fn whole(case: &UnitCase) -> DiffOutcome {
    on(&case.open(), async |input| merger().diff(input).await).await.unwrap()
}

fn two(before: &str, after: &str) -> UnitCase {
    stock_case(before, after, before)
}

fn first(limit: usize) -> RowDiffRequest {
    RowDiffRequest { limit, ..RowDiffRequest::default() }
}

#[tokio::test]
async fn rows_are_compared_by_key_and_come_in_pages() {
    let case = two("1:a:1 2:b:2 3:c:3", "3:c:3 1:x:10 4:d:4");
    let all = page(&case, &first(10)).await.unwrap();
    assert_eq!(all.keys, ["id"]);
    assert_eq!(all.totals, RowTotals { added: 1, removed: 1, modified: 1, cells: 2 });
    let keys: Vec<i64> =
        all.rows.iter().map(|row| row.key.as_ref().unwrap()["id"].as_i64().unwrap()).collect();
    assert_eq!(keys, [1, 2, 4]);
    assert_eq!(all.rows[0].columns, ["note", "amount"]);
    assert_eq!(json!(all.rows[0].after), json!({"note": "x", "amount": 10}));
    let start = page(&case, &first(2)).await.unwrap();
    assert_eq!((start.rows.len(), start.totals), (2, all.totals));
    let rest = page(&case, &RowDiffRequest { after: start.next, ..first(2) }).await.unwrap();
    assert_eq!((rest.rows.as_slice(), rest.next), (&all.rows[2..], None));
}

#[tokio::test]
async fn conditions_columns_and_samples_are_those_of_tables() {
    let case = two("1:a:1 2:b:2 3:c:3", "1:a:10 2:b:20 3:x:3");
    let request = RowDiffRequest { condition: Some("amount > 15".into()), ..first(10) };
    assert_eq!(page(&case, &request).await.unwrap().totals.modified, 1);
    let request = RowDiffRequest { columns: vec!["note".into()], ..first(10) };
    assert_eq!(page(&case, &request).await.unwrap().totals.modified, 1);
    let request = RowDiffRequest { sample: Sample::new(1.0), ..first(10) };
    assert_eq!(page(&case, &request).await.unwrap().totals.modified, 3);
    let request = RowDiffRequest { columns: vec!["colour".into()], ..first(10) };
    let refused = page(&case, &request).await.unwrap_err();
    assert_eq!(refused.to_string(), "columns: the file has no column \"colour\", neither before nor after");
}

#[tokio::test]
async fn without_keys_rows_are_a_multiset() {
    let case = UnitCase { options: json!({}), ..two("1:a:1 1:a:1", "1:a:1 2:b:2") };
    let page = page(&case, &first(10)).await.unwrap();
    assert!(page.keys.is_empty());
    assert_eq!(page.totals, RowTotals { added: 1, removed: 1, ..RowTotals::default() });
}

#[tokio::test]
async fn a_file_that_is_new_or_gone_has_all_its_rows() {
    let mut case = two("1:a:1", "1:a:1 2:b:2");
    case.base.clear();
    assert_eq!(page(&case, &first(10)).await.unwrap().totals.added, 2);
    assert_eq!(whole(&case).await.rows.unwrap().added, 2);
    std::mem::swap(&mut case.base, &mut case.ours);
    assert_eq!(page(&case, &first(10)).await.unwrap().totals.removed, 2);
    assert_eq!(whole(&case).await.rows.unwrap().removed, 2);
}

#[tokio::test]
async fn a_file_as_a_whole() {
    let mut case = two("1:a:1 2:b:2", "1:a:1");
    let mut columns = stock("1:a:1");
    columns.remove(1);
    columns.push(("more", columns[0].1.clone()));
    case.ours.insert(String::new(), crate::support::file_of(&columns, None));
    let outcome = whole(&case).await;
    assert_eq!(outcome.notes, ["column note dropped", "column more added", "2 rows before, 1 after"]);
    case.ours.insert(String::new(), "text".into());
    assert!(
        whole(&case).await.notes[0].contains("it does not end as a Parquet file does"),
        "{:?}",
        whole(&case).await.notes
    );
    assert!(matches!(page(&case, &first(10)).await, Err(RowDiffError::Damaged(_))));
}

#[derive(Default)]
struct Collecting(Mutex<Vec<u8>>);

#[async_trait]
impl RowSink for Collecting {
    async fn write(&self, piece: Bytes) -> bool {
        self.0.lock().unwrap().extend_from_slice(&piece);
        true
    }
}

#[tokio::test]
async fn changes_stream_as_typed_batches() {
    let case = two("1:a:1 2:b:2", "1:a:10 3:c:3");
    let sink = Collecting::default();
    let open = case.open();
    on(&open, async |input| merger().stream_rows(input, &first(usize::MAX), &sink).await).await.unwrap();
    let bytes = sink.0.into_inner().unwrap();
    let reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(reader.schema().metadata()["anabranch.table"], PATH);
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4);
}

/// A file of ids and instants, stored as INT96.
fn instants(rows: &[(i64, i32)]) -> Bytes {
    use parquet::data_type::{Int64Type, Int96, Int96Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message m { required int64 id; required int96 at; }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let days: Vec<Int96> = rows
        .iter()
        .map(|(_, day)| {
            let mut instant = Int96::new();
            instant.set_data(0, 0, *day as u32);
            instant
        })
        .collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&days, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

#[tokio::test]
async fn timestamps_far_away_are_read_as_they_are() {
    // Julian days: the first of January 2026, and the last day of the year 9999, as which some mean "never".
    let (now, never) = (2_461_042, 5_373_484);
    let case = crate::support::case(instants(&[(1, now)]), instants(&[(1, now), (2, never)]), instants(&[]));
    let page = page(&case, &first(10)).await.unwrap();
    assert_eq!(json!(page.rows[0].after), json!({"id": 2, "at": "9999-12-31T00:00:00"}));
    assert_eq!(page.totals.added, 1);
}
