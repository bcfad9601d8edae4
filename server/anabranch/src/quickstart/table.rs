//! Reads the demonstration's table as any reader would: log first, then the files that are live.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::client::Client;

/// What the demonstration shows of a table.
pub(super) struct Table {
    pub(super) version: u64,
    pub(super) rows: usize,
    pub(super) rows_by_day: BTreeMap<i64, usize>,
    batches: Vec<RecordBatch>,
}

/// Reads a small table without checkpoints.
pub(super) async fn read(
    client: &Client,
    repository: &str,
    branch: &str,
    root: &str,
) -> anyhow::Result<Table> {
    let mut live = BTreeSet::new();
    let mut version = 0;
    for path in client.list(repository, branch, &format!("{root}/_delta_log/")).await? {
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some(number) = name.strip_suffix(".json").and_then(|stem| stem.parse().ok()) else { continue };
        version = number;
        let log = client.read(repository, branch, &path).await?;
        for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value =
                serde_json::from_slice(line).with_context(|| format!("{path} holds a broken line"))?;
            let file = |kind: &str| {
                action.pointer(&format!("/{kind}/path")).and_then(Value::as_str).map(str::to_owned)
            };
            if let Some(file) = file("remove") {
                live.remove(&file);
            }
            if let Some(file) = file("add") {
                live.insert(file);
            }
        }
    }
    let mut table = Table { version, rows: 0, rows_by_day: BTreeMap::new(), batches: Vec::new() };
    for file in live {
        let content = client.read(repository, branch, &format!("{root}/{file}")).await?;
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(content).with_context(|| file.clone())?.build()?;
        for batch in reader {
            table.add(batch?)?;
        }
    }
    Ok(table)
}

impl Table {
    fn add(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        let day = batch.column_by_name("day").context("the table has no column day")?;
        let day = arrow::compute::cast(day, &DataType::Int64)?;
        for value in day.as_primitive::<Int64Type>().iter().flatten() {
            *self.rows_by_day.entry(value).or_default() += 1;
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        Ok(())
    }

    /// The first row of each day, as a table of text.
    pub(super) fn sample(&self) -> anyhow::Result<Vec<String>> {
        let mut seen = BTreeMap::new();
        for batch in &self.batches {
            let Some(day) = batch.column_by_name("day") else { continue };
            let day = arrow::compute::cast(day, &DataType::Int64)?;
            for (row, value) in day.as_primitive::<Int64Type>().iter().enumerate() {
                if let Some(value) = value {
                    seen.entry(value).or_insert_with(|| batch.slice(row, 1));
                }
            }
        }
        let rows: Vec<RecordBatch> = seen.into_values().collect();
        let schema = rows.first().context("the table is empty")?.schema();
        let mut aligned = Vec::new();
        for row in rows {
            let mut columns = Vec::new();
            for field in schema.fields() {
                let column = row.column_by_name(field.name()).context("a file lacks a column")?;
                columns.push(arrow::compute::cast(column, field.data_type())?);
            }
            aligned.push(RecordBatch::try_new(schema.clone(), columns)?);
        }
        Ok(arrow::util::pretty::pretty_format_batches(&aligned)?
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect())
    }
}
