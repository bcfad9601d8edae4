//! Small files, written and read back.

use std::fmt::Write as _;
use std::sync::Arc;

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{Conflict, MergeOutcome, MergeReport, Merger, Resolution, UnitKind};
use anabranch_parquet::ParquetMerger;
use anabranch_rows::json;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

pub(crate) const PATH: &str = "data/stock.parquet";

/// A file of these columns.
pub(crate) fn file_of(columns: &[(&str, ArrayRef)], properties: Option<WriterProperties>) -> Bytes {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, array)| (*name, array.clone(), true)),
    )
    .unwrap();
    file_of_batch(&batch, properties)
}

pub(crate) fn file_of_batch(batch: &RecordBatch, properties: Option<WriterProperties>) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), properties).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// The columns of rows in the notation `id:note:amount`, with `-` for NULL.
pub(crate) fn stock(rows: &str) -> Vec<(&'static str, ArrayRef)> {
    let rows: Vec<Vec<&str>> = rows.split_whitespace().map(|row| row.split(':').collect()).collect();
    let number = |at: usize| -> ArrayRef {
        Arc::new(
            rows.iter().map(|row| row.get(at).and_then(|cell| cell.parse().ok())).collect::<Int64Array>(),
        )
    };
    let text = |at: usize| -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(at).copied().filter(|cell| *cell != "-"));
        Arc::new(cells.collect::<StringArray>())
    };
    vec![("id", number(0)), ("note", text(1)), ("amount", number(2))]
}

pub(crate) fn stock_file(rows: &str) -> Bytes {
    file_of(&stock(rows), None)
}

/// The same with metadata.
pub(crate) fn with_pairs(rows: &str, pairs: &[(&str, &str)]) -> Bytes {
    let pairs = pairs.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned()));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs.collect())).build();
    file_of(&stock(rows), Some(properties))
}

pub(crate) fn case(base: Bytes, ours: Bytes, theirs: Bytes) -> UnitCase {
    let case =
        UnitCase::new("a file", PATH, UnitKind::Object).base("", base).ours("", ours).theirs("", theirs);
    UnitCase { options: json!({ "keys": ["id"] }), ..case }
}

pub(crate) fn stock_case(base: &str, ours: &str, theirs: &str) -> UnitCase {
    case(stock_file(base), stock_file(ours), stock_file(theirs))
}

pub(crate) async fn merge(case: &UnitCase) -> (Result<Option<Bytes>, Vec<Conflict>>, MergeReport) {
    let open = case.open();
    let outcome = open.run(&ParquetMerger::default()).await;
    let bodies = open.merged_bodies(&outcome);
    match outcome {
        MergeOutcome::Merged { report, .. } => (Ok(bodies.unwrap().remove("")), report),
        MergeOutcome::Conflicts { conflicts, report } => (Err(conflicts), report),
        MergeOutcome::Failed(failure) => panic!("{failure:?}"),
    }
}

/// The merged file, or the panic that it is none.
pub(crate) async fn merged(case: &UnitCase) -> Bytes {
    match merge(case).await.0 {
        Ok(Some(body)) => body,
        other => panic!("not merged: {other:?}"),
    }
}

/// The only conflict.
pub(crate) async fn conflict(case: &UnitCase) -> Conflict {
    let mut conflicts = merge(case).await.0.unwrap_err();
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    conflicts.remove(0)
}

pub(crate) fn footer(file: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(file).unwrap()
}

/// The rows of a file in its order.
pub(crate) fn rows(file: &Bytes) -> Vec<Value> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let all: Vec<usize> = (0..batch.num_columns()).collect();
        for row in 0..batch.num_rows() {
            rows.push(json::row(&batch.schema(), batch.columns(), row, &all).unwrap());
        }
    }
    rows
}

/// The rows of a file in the notation of [`stock`].
pub(crate) fn shown(file: &Bytes) -> String {
    let cell = |cell: &Value| match cell {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |row: &Value| row.as_object().unwrap().values().map(cell).collect::<Vec<_>>().join(":");
    rows(file).iter().map(row).collect::<Vec<_>>().join(" ")
}

/// What a merge comes to: its rows, or its conflicts, one a line.
pub(crate) async fn told(case: &UnitCase) -> String {
    let (outcome, report) = merge(case).await;
    let mut text = String::new();
    match outcome {
        Ok(body) => writeln!(text, "{}", body.as_ref().map(shown).unwrap_or_default()).unwrap(),
        Err(conflicts) => {
            for conflict in conflicts {
                let choices: Vec<&str> = conflict.choices.iter().map(|choice| choice.id.as_str()).collect();
                writeln!(text, "{conflict} [{}] {}", conflict.rule, choices.join(" ")).unwrap();
            }
        }
    }
    for note in report.notes {
        writeln!(text, "({note})").unwrap();
    }
    text
}

pub(crate) fn decide(conflict: &Conflict, choice: &str, value: Option<Value>) -> Resolution {
    Resolution { conflict: conflict.id(), choice: choice.to_owned(), value, object: None }
}

pub(crate) fn merger() -> &'static dyn Merger {
    static MERGER: std::sync::LazyLock<ParquetMerger> = std::sync::LazyLock::new(ParquetMerger::default);
    &*MERGER
}
