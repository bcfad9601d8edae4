//! Reading one Parquet file: the columns that the result needs, the row groups that a range can touch, and not the
//! rows that are deleted.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::TryStreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::decoder::{caught, caught_stream};
use super::pages::{self, Column};
use super::readable::readable;
use super::source::{ByteSource, Reader};
use super::{RowStream, statistics};
use crate::error::{During, Error, Result};
use crate::range::{KeyRange, may_hold};
use crate::schema::Projection;

/// The column that says which file a row was read from: [`FileScan::number`].
pub const FILE_COLUMN: &str = "__file";
/// The column that says which row of its file it was, deleted ones counted.
pub const POSITION_COLUMN: &str = "__position";

/// About how many bytes a batch has at most, by what the file says of its size.
const BATCH_BYTES: i64 = 8 << 20;

/// Which rows of a file are deleted, by their position.
pub type RowMask = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// One file to read.
#[derive(Clone)]
pub struct FileScan {
    /// Its bytes.
    pub source: Arc<dyn ByteSource>,
    /// How its rows come into the merged schema.
    pub projection: Projection,
    /// Rows to leave out.
    pub deleted: Option<RowMask>,
    /// Row groups that cannot hold a key of this range are not read. Rows beyond it may still come.
    pub range: KeyRange,
    /// The number to give the file in [`FILE_COLUMN`]; none: its rows do not say where they come from.
    pub number: Option<i64>,
    /// How many rows a batch has at most.
    pub batch_rows: usize,
}

/// A schema of rows that say where they come from: to be named in [`crate::MergeOptions::carried`].
pub fn with_positions(rows: &Schema) -> SchemaRef {
    let place = [FILE_COLUMN, POSITION_COLUMN].map(|name| Arc::new(Field::new(name, DataType::Int64, true)));
    Arc::new(Schema::new(rows.fields().iter().cloned().chain(place).collect::<Vec<_>>()))
}

/// Reads the rows of a file, in its own order, brought into the merged schema `rows` (of the projection; if the scan
/// has a number, with [`with_positions`]). `key` are the columns of the key in that schema.
///
/// # Errors
///
/// The file cannot be read, is no Parquet file, or holds a value that the merged schema cannot. In the stream as here.
pub async fn read(scan: FileScan, rows: SchemaRef, key: &[usize]) -> Result<RowStream> {
    let metadata = metadata(&scan).await?;
    let first = key.first().and_then(|first| rows.fields().get(*first));
    let column = first.and_then(|field| scan.projection.source_of(field.name()));
    let keys = statistics::row_groups(&metadata, column, &rows, key)?;
    let mut wanted: Vec<(usize, u64)> = Vec::new();
    let mut position = 0;
    for (index, keys) in keys.iter().enumerate() {
        if may_hold(keys, &scan.range) {
            wanted.push((index, position));
        }
        position += keys.rows;
    }
    let groups = futures::stream::iter(wanted).then(move |(index, position)| {
        let (scan, metadata) = (scan.clone(), metadata.clone());
        async move { row_group(scan, metadata, index, position).await }
    });
    Ok(groups.try_flatten().boxed())
}

/// The footer of a file.
///
/// # Errors
///
/// The file cannot be read, is no Parquet file, or is an encrypted one.
pub async fn footer(source: &Arc<dyn ByteSource>) -> Result<Arc<ParquetMetaData>> {
    let mut reader = Reader { source: source.clone(), metadata: None, columns: None };
    reader.get_metadata(None).await.map_err(failed(source, "reading its footer"))
}

pub(super) async fn metadata(scan: &FileScan) -> Result<Arc<ParquetMetaData>> {
    footer(&scan.source).await
}

fn failed(source: &Arc<dyn ByteSource>, step: &'static str) -> impl Fn(ParquetError) -> Error + use<> {
    let file = source.name().to_owned();
    move |source| Error::Read { file: file.clone(), step, source }
}

async fn row_group(
    scan: FileScan,
    metadata: Arc<ParquetMetaData>,
    index: usize,
    mut position: u64,
) -> Result<RowStream> {
    let reading = failed(&scan.source, "reading a row group");
    let arrow = caught(|| readable(&metadata)).map_err(&reading)?;
    if scan.projection.lacks_ids(arrow.schema()) {
        return Err(Error::NoFieldIds { file: scan.source.name().to_owned() });
    }
    let columns = arrow.schema().fields().iter().enumerate();
    let roots: Vec<usize> =
        columns.filter(|(_, field)| scan.projection.reads(field)).map(|(index, _)| index).collect();
    let mask = ProjectionMask::roots(arrow.parquet_schema(), roots);
    let group = metadata.row_groups().get(index);
    let group = group.ok_or_else(|| reading(ParquetError::General("there is no such row group".into())))?;
    let columns = read_columns(&scan.source, group, &mask, arrow.schema()).await.map_err(&reading)?;
    let batch_rows = pages::check_group(group, &columns, batch_rows(scan.batch_rows, group)).await;
    let batch_rows = batch_rows.map_err(ParquetError::General).map_err(&reading)?;
    let reader = Reader { source: scan.source.clone(), metadata: Some(metadata), columns: Some(columns) };
    let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, arrow)
        .with_projection(mask)
        .with_row_groups(vec![index])
        .with_batch_size(batch_rows)
        .build()
        .map_err(&reading)?;
    let batches = caught_stream(stream).map(move |batch| {
        let batch = batch.map_err(&reading)?;
        let start = position;
        position += batch.num_rows() as u64;
        place(&scan, &batch, start)
    });
    Ok(batches.boxed())
}

/// The columns of a row group that are read, each as a whole.
async fn read_columns(
    source: &Arc<dyn ByteSource>,
    group: &RowGroupMetaData,
    mask: &ProjectionMask,
    schema: &Schema,
) -> parquet::errors::Result<Vec<Column>> {
    let fillings = pages::fillings(schema);
    let mut reader = Reader { source: source.clone(), metadata: None, columns: None };
    let mut columns = Vec::new();
    for (leaf, chunk) in group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf)) {
        let filling = fillings.get(leaf).copied();
        let filling =
            filling.ok_or_else(|| ParquetError::General("its columns are not its schema's".into()))?;
        let range = pages::range(chunk).map_err(ParquetError::General)?;
        let bytes = reader.get_bytes(range.clone()).await?;
        columns.push(Column { leaf, range, bytes, filling });
    }
    Ok(columns)
}

/// How many rows a batch has: fewer where they are wide, as far as the file says.
fn batch_rows(most: usize, group: &RowGroupMetaData) -> usize {
    let (bytes, rows) = (group.total_byte_size().max(0), group.num_rows().max(1));
    let fitting = BATCH_BYTES / (bytes / rows).max(1);
    usize::try_from(fitting).unwrap_or(usize::MAX).clamp(1, most.max(1))
}

/// Brings a batch whose first row is at `start` into the merged schema, without its deleted rows.
fn place(scan: &FileScan, batch: &RecordBatch, start: u64) -> Result<RecordBatch> {
    let positions = || (start..).take(batch.num_rows());
    let mut rows = scan.projection.apply(batch)?;
    if let Some(number) = scan.number {
        let positions = positions().map(|position| i64::try_from(position).unwrap_or(i64::MAX));
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(Int64Array::from(vec![number; batch.num_rows()])) as ArrayRef);
        columns.push(Arc::new(Int64Array::from_iter_values(positions)));
        rows = RecordBatch::try_new(with_positions(&rows.schema()), columns)
            .during("noting where rows stand")?;
    }
    let Some(deleted) = &scan.deleted else { return Ok(rows) };
    let kept: BooleanArray = positions().map(|position| Some(!deleted(position))).collect();
    filter_record_batch(&rows, &kept).during("leaving out deleted rows")
}
