//! Rows as plain values, and the way into batches and back.

use std::sync::Arc;

use anabranch_rows::{
    Identity, MergeOptions, MergeReport, MergedBatch, PerSide, key_columns, merge_batches, sort,
};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use proptest::prelude::*;

/// One row: a value or NULL in each column.
pub(crate) type Row = Vec<Option<i64>>;

pub(crate) const COLUMNS: usize = 3;

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(["k", "a", "b"].map(|name| Field::new(name, DataType::Int64, true)).to_vec()))
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let column =
        |index: usize| Arc::new(rows.iter().map(|row| row[index]).collect::<Int64Array>()) as ArrayRef;
    RecordBatch::try_new(schema(), (0..COLUMNS).map(column).collect()).unwrap()
}

pub(crate) fn rows(batch: &RecordBatch) -> Vec<Row> {
    let columns: Vec<_> = batch.columns().iter().map(|c| c.as_primitive::<Int64Type>().clone()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.is_valid(row).then(|| c.value(row))).collect())
        .collect()
}

/// Sorted for an identity, in small batches.
pub(crate) fn sorted(identity: &Identity, rows: &[Row], batch_rows: usize) -> Vec<RecordBatch> {
    let key = key_columns(&schema(), identity, &[]).unwrap();
    sort::sort_batches(&schema(), &key, &[batch(rows)], batch_rows).unwrap()
}

pub(crate) fn merge(
    options: &MergeOptions,
    sides: &PerSide<Vec<Row>>,
    batch_rows: usize,
) -> (Vec<MergedBatch>, MergeReport) {
    let batches = PerSide {
        base: sorted(&options.identity, &sides.base, batch_rows),
        ours: sorted(&options.identity, &sides.ours, batch_rows),
        theirs: sorted(&options.identity, &sides.theirs, batch_rows),
    };
    merge_batches(schema(), options, &batches, None).unwrap()
}

/// The rows of a result, sorted as plain values.
pub(crate) fn merged_rows(merged: &[MergedBatch]) -> Vec<Row> {
    let mut all: Vec<Row> = merged.iter().flat_map(|batch| rows(&batch.rows)).collect();
    all.sort();
    all
}

pub(crate) fn by_key() -> MergeOptions {
    MergeOptions::new(Identity::Key(vec!["k".into()]))
}

pub(crate) fn by_row_id() -> MergeOptions {
    MergeOptions::new(Identity::RowId("k".into()))
}

pub(crate) fn bag() -> MergeOptions {
    MergeOptions::new(Identity::Bag)
}

pub(crate) fn any_identity() -> impl Strategy<Value = MergeOptions> {
    prop_oneof![Just(by_key()), Just(by_row_id()), Just(bag())]
}

fn any_cell(values: i64) -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 6 => (0..values).prop_map(Some)]
}

pub(crate) fn any_row() -> impl Strategy<Value = Row> {
    (any_cell(6), any_cell(3), any_cell(3)).prop_map(|(k, a, b)| vec![k, a, b])
}

pub(crate) fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(any_row(), 0..9)
}

/// A base, and sides that come from it by a few edits each, some of them on both sides.
pub(crate) fn any_sides() -> impl Strategy<Value = PerSide<Vec<Row>>> {
    let edit = || (0usize..8, 0u8..4, any_row());
    let edits = || prop::collection::vec(edit(), 0..4);
    (any_rows(), any::<bool>(), edits(), edits(), edits()).prop_map(
        |(mut base, unique, both, ours, theirs)| {
            if unique {
                base.sort();
                base.dedup_by_key(|row| row[0]);
            }
            let apply = |edits: &[(usize, u8, Row)]| {
                let mut rows = base.clone();
                for (at, what, row) in both.iter().chain(edits) {
                    let at = at % rows.len().max(1);
                    match what {
                        0 if at < rows.len() => drop(rows.remove(at)),
                        1 if at < rows.len() => rows[at][1] = row[1],
                        2 if at < rows.len() => rows[at][2] = row[2],
                        _ if unique && rows.iter().any(|other| other[0] == row[0]) => {}
                        _ => rows.push(row.clone()),
                    }
                }
                rows
            };
            PerSide { ours: apply(&ours), theirs: apply(&theirs), base }
        },
    )
}
