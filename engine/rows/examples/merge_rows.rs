//! Merges triples of row sets, so that other implementations can be compared with: JSON lines in, JSON lines out.
//!
//! The first line says how: `{"columns": [["k", "int64"], …], "key": ["k"]}`; types are `int64`, `float64` and
//! `utf8`, and without a `key` rows are a multiset. Each further line is a triple
//! `{"base": [[…], …], "ours": …, "theirs": …}` of rows as arrays, and is answered by
//! `{"rows": […], "conflicts": [{"kind", "key", "column"}, …]}`.

use std::io::{BufRead, Write};
use std::sync::Arc;

use anabranch_rows::{Identity, MergeOptions, PerSide, json, json_read, key_columns, merge_batches, sort};
use arrow::array::RecordBatch;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut lines = std::io::stdin().lock().lines();
    let head: Value = serde_json::from_str(&lines.next().ok_or("the first line says how")??)?;
    let schema = schema(&head)?;
    let names =
        |value: &Value| value.as_array().map(|names| names.iter().filter_map(text).collect::<Vec<_>>());
    let identity = head.get("key").and_then(names).map_or(Identity::Bag, Identity::Key);
    let options = MergeOptions::new(identity);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in lines {
        let answer = merge(&schema, &options, &serde_json::from_str(&line?)?)?;
        writeln!(out, "{answer}")?;
    }
    Ok(out.flush()?)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn schema(head: &Value) -> Result<SchemaRef, Failure> {
    let mut fields = Vec::new();
    for column in head.get("columns").and_then(Value::as_array).ok_or("columns are missing")? {
        let name = column.get(0).and_then(text).ok_or("a column has a name")?;
        let data_type = match column.get(1).and_then(Value::as_str) {
            Some("int64") => DataType::Int64,
            Some("float64") => DataType::Float64,
            Some("utf8") => DataType::Utf8,
            other => return Err(format!("unknown type {other:?}").into()),
        };
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn merge(schema: &SchemaRef, options: &MergeOptions, triple: &Value) -> Result<Value, Failure> {
    let key = key_columns(schema, &options.identity, &[])?;
    let side = |name: &str| -> Result<Vec<RecordBatch>, Failure> {
        let batch = batch(schema, triple.get(name).and_then(Value::as_array).ok_or("a side is missing")?)?;
        Ok(sort::sort_batches(schema, &key, &[batch], 1_024)?)
    };
    let sides = PerSide { base: side("base")?, ours: side("ours")?, theirs: side("theirs")? };
    let (merged, report) = merge_batches(schema.clone(), options, &sides, None)?;
    let mut rows = Vec::new();
    for batch in &merged {
        for row in 0..batch.rows.num_rows() {
            let cells = batch.rows.columns().iter().map(|column| json::cell(column, row));
            rows.push(Value::Array(cells.collect::<Result<_, _>>()?));
        }
    }
    let conflicts: Vec<Value> = report
        .conflicts
        .iter()
        .map(|conflict| json!({"kind": conflict.kind.as_str(), "key": conflict.key, "column": conflict.column}))
        .collect();
    Ok(json!({"rows": rows, "conflicts": conflicts}))
}

fn batch(schema: &SchemaRef, rows: &[Value]) -> Result<RecordBatch, Failure> {
    if rows.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let cells = rows
            .iter()
            .map(|row| json_read::parse(row.get(index).unwrap_or(&Value::Null), field.data_type()));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        columns.push(concat(&cells.iter().map(|cell| cell.as_ref()).collect::<Vec<_>>())?);
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
