//! The order of the streams: by the bytes of the key columns. Here in memory; [`crate::scan`] sorts what does not
//! fit.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray, LargeBinaryBuilder, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;

use crate::codec::RowCodec;
use crate::error::{During, Error, Result};

/// The keys of a batch's rows as bytes: sorting by them is the order that merge and diff want.
///
/// # Errors
///
/// As [`RowCodec::encode`].
pub fn key_array(codec: &RowCodec, key: &[usize], batch: &RecordBatch) -> Result<ArrayRef> {
    let mut columns = Vec::with_capacity(key.len());
    for column in key {
        let array = batch.columns().get(*column).ok_or(Error::Misuse("a key column beyond the schema"))?;
        columns.push(codec.encode_column(*column, array)?);
    }
    let mut bytes = Vec::new();
    let mut keys = LargeBinaryBuilder::with_capacity(batch.num_rows(), 0);
    for row in 0..batch.num_rows() {
        bytes.clear();
        columns.iter().for_each(|column| bytes.extend_from_slice(column.row(row).data()));
        keys.append_value(&bytes);
    }
    Ok(Arc::new(keys.finish()))
}

/// Sorts batches that fit into memory, and writes them out in batches of at most `batch_rows`. Rows of one key keep the
/// order in which they came. Batches that are in order already, as those of a file that was written in order, are not copied.
///
/// # Errors
///
/// As [`RowCodec::encode`]; batches whose columns have not the same types.
pub fn sort_batches(
    schema: &SchemaRef,
    key: &[usize],
    batches: &[RecordBatch],
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    let codec = RowCodec::new(schema)?;
    let keys = batches.iter().map(|batch| key_array(&codec, key, batch)).collect::<Result<Vec<_>>>()?;
    let keys: Vec<&LargeBinaryArray> = keys.iter().map(|keys| keys.as_binary::<i64>()).collect();
    let mut order: Vec<(u32, u32)> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (number, batch) in batches.iter().enumerate() {
        let too_many = |_| Error::Misuse("too many rows to sort in memory");
        let number = u32::try_from(number).map_err(too_many)?;
        let rows = u32::try_from(batch.num_rows()).map_err(too_many)?;
        order.extend((0..rows).map(|row| (number, row)));
    }
    let key_of = |(number, row): &(u32, u32)| {
        keys.get(*number as usize).map_or(&[][..], |keys| keys.value(*row as usize))
    };
    if order.is_sorted_by_key(key_of) {
        return Ok(batches.iter().flat_map(|batch| slices(batch, batch_rows)).collect());
    }
    order.sort_by(|a, b| key_of(a).cmp(key_of(b)));
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let sorted = order.chunks(batch_rows.max(1)).map(|rows| {
        let rows: Vec<(usize, usize)> =
            rows.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
        interleave_record_batch(&sources, &rows).during("sorting a batch")
    });
    sorted.collect()
}

/// A batch in pieces of at most so many rows; nothing of an empty one.
fn slices(batch: &RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> {
    let (rows, all) = (rows.max(1), batch.num_rows());
    (0..all).step_by(rows).map(move |start| batch.slice(start, rows.min(all - start)))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;

    fn schema() -> SchemaRef {
        let field = |name: &str| Field::new(name, DataType::Int64, false);
        Arc::new(Schema::new(vec![field("key"), field("place")]))
    }

    fn batches_of(keys: &[Vec<i64>]) -> Vec<RecordBatch> {
        let mut place = 0;
        let batch = |keys: &Vec<i64>| {
            let places: Vec<i64> = (place..).take(keys.len()).collect();
            place += keys.len() as i64;
            let columns: [ArrayRef; 2] =
                [Arc::new(Int64Array::from(keys.clone())), Arc::new(Int64Array::from(places))];
            RecordBatch::try_new(schema(), columns.to_vec()).unwrap()
        };
        keys.iter().map(batch).collect()
    }

    fn rows(batches: &[RecordBatch]) -> Vec<(i64, i64)> {
        let column = |batch: &RecordBatch, column: usize| {
            batch.column(column).as_primitive::<Int64Type>().values().to_vec()
        };
        batches.iter().flat_map(|batch| column(batch, 0).into_iter().zip(column(batch, 1))).collect()
    }

    proptest! {
        #[test]
        fn rows_come_in_order_and_those_of_one_key_as_they_came(
            keys in proptest::collection::vec(proptest::collection::vec(-3..3_i64, 0..6), 0..5),
            is_sorted: bool, batch_rows in 1..4_usize,
        ) {
            let mut keys = keys;
            if is_sorted {
                let mut all = keys.concat();
                all.sort_unstable();
                let mut all = all.into_iter();
                keys.iter_mut().for_each(|batch| *batch = all.by_ref().take(batch.len()).collect());
            }
            let batches = batches_of(&keys);
            let mut expected = rows(&batches);
            expected.sort_by_key(|(key, _)| *key);
            let sorted = sort_batches(&schema(), &[0], &batches, batch_rows).unwrap();
            prop_assert_eq!(rows(&sorted), expected);
            prop_assert!(sorted.iter().all(|batch| (1..=batch_rows).contains(&batch.num_rows())));
        }
    }

    #[test]
    fn what_is_in_order_is_not_copied() {
        let batches = batches_of(&[vec![1, 2], vec![2, 7]]);
        let sorted = sort_batches(&schema(), &[0], &batches, 10).unwrap();
        let place = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().as_ptr();
        assert_eq!(
            sorted.iter().map(place).collect::<Vec<_>>(),
            batches.iter().map(place).collect::<Vec<_>>()
        );
    }
}
