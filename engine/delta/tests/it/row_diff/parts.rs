//! Parts of the answer: a condition, a sample, partitions; and all of it as a typed stream.

use std::sync::Mutex;

use anabranch_merge::{RowSink, Sample};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use expect_test::expect;

use super::*;

/// Keeps what it is given, up to a number of pieces.
#[derive(Default)]
struct Kept {
    pieces: Mutex<Vec<Bytes>>,
    most: Option<usize>,
}

#[async_trait::async_trait]
impl RowSink for Kept {
    async fn write(&self, piece: Bytes) -> bool {
        let mut pieces = self.pieces.lock().unwrap();
        pieces.push(piece);
        self.most.is_none_or(|most| pieces.len() < most)
    }
}

impl Case {
    async fn stream(&self, request: &RowDiffRequest, sink: &Kept) -> Result<String, RowDiffError> {
        let changes = entry_changes(&self.before, &self.after);
        let input = DiffInput {
            root: "tables/t",
            before: &self.before,
            after: &self.after,
            changes: &changes,
            options: &self.options,
        };
        self.merger.stream_rows(input, request, sink).await?;
        let bytes = sink.pieces.lock().unwrap().concat();
        let reader = StreamReader::try_new(&bytes[..], None).unwrap();
        let reader_schema = reader.schema();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let columns: Vec<String> = reader_schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(format!(
            "{}\n{}",
            columns.join(" "),
            arrow::util::pretty::pretty_format_batches(&batches).unwrap()
        ))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_come_as_a_typed_stream() {
    let before = state([("a.parquet", &[(1, ("a", Some(1))), (2, ("b", None)), (3, ("c", None))])]);
    let after = state([("b.parquet", &[(1, ("z", Some(1))), (3, ("c", None)), (4, ("d", Some(9)))])]);
    let mut case = Case::new(&before, &after, keys());
    let all = RowDiffRequest { limit: usize::MAX, ..everything() };
    let streamed = case.stream(&all, &Kept::default()).await.unwrap();
    expect![[r#"
        _change_type _changed_columns id name n
        +------------------+------------------+----+------+---+
        | _change_type     | _changed_columns | id | name | n |
        +------------------+------------------+----+------+---+
        | update_preimage  | [name]           | 1  | a    | 1 |
        | update_postimage | [name]           | 1  | z    | 1 |
        | delete           |                  | 2  | b    |   |
        | insert           |                  | 4  | d    | 9 |
        +------------------+------------------+----+------+---+"#]]
    .assert_eq(&streamed);
    // A page of it, from where a page of JSON ended.
    let first = case.ask(&RowDiffRequest { limit: 1, ..everything() }).await.unwrap();
    let second = RowDiffRequest { limit: 1, after: first.next, ..everything() };
    let page = case.stream(&second, &Kept::default()).await.unwrap();
    assert!(page.contains("delete") && !page.contains("update") && !page.contains("insert"), "{page}");
    let same = Case::new(&before, &before, keys()).stream(&all, &Kept::default()).await.unwrap();
    assert!(same.contains("_change_type") && !same.contains("delete"), "{same}");
    // Who reads no more stops it.
    let gone = case.stream(&all, &Kept { most: Some(1), ..Kept::default() }).await.unwrap_err();
    assert_eq!(gone, RowDiffError::Abandoned);
    // What fails is known before anything is written.
    case.after.remove("b.parquet");
    let sink = Kept::default();
    assert!(matches!(case.stream(&all, &sink).await, Err(RowDiffError::Damaged(_))));
    assert!(sink.pieces.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_leaves_the_changes_whose_row_fulfils_it() {
    let before = state([("a.parquet", &[(1, ("a", Some(1))), (2, ("b", Some(2))), (3, ("c", Some(3)))])]);
    let after = state([("b.parquet", &[(1, ("z", Some(1))), (2, ("b", Some(20))), (4, ("d", Some(1)))])]);
    let case = Case::new(&before, &after, keys());
    let ask = async |condition: &str, columns: &[&str]| {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        case.ask(&RowDiffRequest { condition: Some(condition.into()), columns, ..everything() }).await
    };
    assert_eq!(ask("n > 2", &[]).await.unwrap().totals, totals(0, 1, 1, 1));
    assert_eq!(ask("name = 'z' OR name = 'd'", &[]).await.unwrap().totals, totals(1, 0, 1, 1));
    let page = ask("n > 2", &["name"]).await.unwrap();
    assert_eq!(page.columns.join(" "), "id name n", "what the condition names is compared and shown");
    for (condition, expected) in [
        ("n >", "where: at the end"),
        ("colour = 1", "where: at character 1: the table has no column"),
        ("n / 0 = 1", "Divide by zero"),
    ] {
        let refused = ask(condition, &[]).await.unwrap_err();
        assert!(matches!(&refused, RowDiffError::Invalid(why) if why.contains(expected)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_compares_the_same_keys_of_both_states_each_time() {
    let rows = |name: &'static str| (0..2_000).map(|id| (id, (name, None))).collect::<Vec<(i64, Cells)>>();
    let case = Case::new(&state([("a.parquet", &rows("a"))]), &state([("b.parquet", &rows("b"))]), keys());
    let sampled = RowDiffRequest { sample: Sample::new(0.1), ..everything() };
    let page = case.ask(&sampled).await.unwrap();
    assert_eq!((page.totals.added, page.totals.removed), (0, 0), "of each key both rows, or none");
    assert!((100..300).contains(&page.totals.modified), "{:?}", page.totals);
    assert_eq!(case.ask(&sampled).await.unwrap(), page);
    let all = case.ask(&RowDiffRequest { sample: Sample::new(1.0), ..everything() }).await.unwrap();
    assert_eq!(all.totals.modified, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_with_files_that_differ_are_counted() {
    let mut before = state([("a.parquet", SAME), ("b.parquet", SAME), ("same.parquet", SAME)]);
    before.partitioned = true;
    before.files.get_mut("a.parquet").unwrap().day = Some("2026-01-01");
    let mut after = before.clone();
    let moved = after.files.remove("a.parquet").unwrap();
    after.files.insert("c.parquet", moved);
    after.files.get_mut("b.parquet").unwrap().hidden = [0].into();
    let case = Case::new(&before, &after, keys());
    let changes = entry_changes(&case.before, &case.after);
    let input = DiffInput {
        root: "t",
        before: &case.before,
        after: &case.after,
        changes: &changes,
        options: &case.options,
    };
    let outcome = case.merger.diff(input).await.unwrap();
    let shown = outcome.partitions.iter().map(|one| {
        let rows = one.rows.unwrap();
        (one.values["day"].as_deref(), one.files_added, one.files_removed, rows.added, rows.removed)
    });
    assert_eq!(shown.collect::<Vec<_>>(), [(None, 0, 0, 0, 1), (Some("2026-01-01"), 1, 1, 2, 2)]);
    assert_eq!(outcome.partitions_changed, 2);
}
