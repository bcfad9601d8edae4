//! Reading data files: what stands in them, with the values of their partitions.

use std::sync::Arc;

use anabranch_rows::Error;
use anabranch_rows::scan::{self, FileScan, RowStream};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::partition::Partitions;

/// The rows of one file, in its order.
///
/// # Errors
///
/// As [`scan::read`].
pub(crate) async fn read_file(
    scan: FileScan,
    rows: SchemaRef,
    key: &[usize],
    partitions: Arc<Partitions>,
    partition: Vec<ArrayRef>,
) -> Result<RowStream, Error> {
    let stream = scan::read(scan, rows, key).await?;
    let filled = stream.map(move |batch| {
        let filled = partitions.fill(&batch?, &partition);
        filled.map_err(|source| Error::Arrow { step: "filling in partition values", source })
    });
    Ok(filled.boxed())
}

/// The rows of files with their partitions, one file behind the other.
pub(crate) fn read_files(
    files: Vec<(FileScan, Vec<ArrayRef>)>,
    rows: &SchemaRef,
    key: &[usize],
    partitions: &Arc<Partitions>,
) -> RowStream {
    let (rows, key, partitions) = (rows.clone(), key.to_vec(), partitions.clone());
    let streams = stream::iter(files).then(move |(scan, partition)| {
        let (rows, key, partitions) = (rows.clone(), key.clone(), partitions.clone());
        async move { read_file(scan, rows, &key, partitions, partition).await }
    });
    streams.try_flatten().boxed()
}
