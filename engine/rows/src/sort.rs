//! The order of the streams: by the bytes of the key columns. Here in memory; [`crate::scan`] sorts what does not
//! fit.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
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
    let keys = (0..batch.num_rows()).map(|row| {
        bytes.clear();
        columns.iter().for_each(|column| bytes.extend_from_slice(column.row(row).data()));
        bytes.clone()
    });
    Ok(Arc::new(LargeBinaryArray::from_iter_values(keys)))
}

/// Sorts batches that fit into memory, and writes them out in batches of `batch_rows`. Rows of one key keep the
/// order in which they came.
///
/// # Errors
///
/// As [`RowCodec::encode`]; batches of another schema.
pub fn sort_batches(
    schema: &SchemaRef,
    key: &[usize],
    batches: &[RecordBatch],
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    let codec = RowCodec::new(schema)?;
    let all = concat_batches(schema, batches).during("joining batches to sort them")?;
    let keys = key_array(&codec, key, &all)?;
    let keys = arrow::array::AsArray::as_binary::<i64>(&keys);
    let rows = u32::try_from(all.num_rows()).map_err(|_| Error::Misuse("too many rows to sort in memory"))?;
    let mut order: Vec<u32> = (0..rows).collect();
    order.sort_by(|a, b| keys.value(*a as usize).cmp(keys.value(*b as usize)));
    let sorted = order
        .chunks(batch_rows.max(1))
        .map(|rows| take_record_batch(&all, &UInt32Array::from(rows.to_vec())).during("sorting a batch"));
    sorted.collect()
}
