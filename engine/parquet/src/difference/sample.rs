//! A part of all keys, so that a look at a big table sorts and compares little.

use anabranch_merge::Sample;
use anabranch_rows::RowCodec;
use anabranch_rows::scan::RowStream;
use anabranch_rows::sort::key_array;
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use futures::stream::StreamExt;

/// Leaves the rows whose key is in the sample. Equal keys have equal bytes, in either state.
pub(super) fn sampled(
    unsorted: RowStream,
    rows: &SchemaRef,
    key: &[usize],
    sample: Sample,
) -> Result<RowStream, anabranch_rows::Error> {
    let (codec, key) = (RowCodec::new(rows)?, key.to_vec());
    Ok(unsorted.map(move |batch| of_batch(&codec, &key, batch?, sample)).boxed())
}

fn of_batch(
    codec: &RowCodec,
    key: &[usize],
    batch: RecordBatch,
    sample: Sample,
) -> Result<RecordBatch, anabranch_rows::Error> {
    let keys = key_array(codec, key, &batch)?;
    let kept: BooleanArray =
        keys.as_binary::<i64>().iter().map(|key| Some(sample.holds(hash(key.unwrap_or_default())))).collect();
    filter_record_batch(&batch, &kept)
        .map_err(|source| anabranch_rows::Error::Arrow { step: "taking a sample of the rows", source })
}

fn hash(key: &[u8]) -> u64 {
    let bytes = blake3::hash(key);
    bytes.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
