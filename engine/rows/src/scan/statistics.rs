//! What row groups say of their keys.

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::file::{FileScan, metadata};
use crate::codec::RowCodec;
use crate::error::{Error, Result};
use crate::range::FileKeys;

/// The keys of each row group: what its statistics say of the first key column, brought into the merged schema.
/// What they do not say for certain is unknown.
pub(super) fn row_groups(
    metadata: &ParquetMetaData,
    column: Option<&str>,
    rows: &SchemaRef,
    key: &[usize],
) -> Result<Vec<FileKeys>> {
    let groups = metadata.row_groups();
    let unknown = |group: &RowGroupMetaData| FileKeys {
        rows: u64::try_from(group.num_rows()).unwrap_or_default(),
        least: None,
        greatest: None,
    };
    let mut keys: Vec<FileKeys> = groups.iter().map(unknown).collect();
    let (Some(column), Some(first)) = (column, key.first()) else { return Ok(keys) };
    let file_schema = metadata.file_metadata();
    let Ok(arrow) = parquet_to_arrow_schema(file_schema.schema_descr(), file_schema.key_value_metadata())
    else {
        return Ok(keys);
    };
    let Ok(found) = bounds(metadata, column, &arrow, rows, *first) else { return Ok(keys) };
    for (index, (group, keys)) in groups.iter().zip(&mut keys).enumerate() {
        let deprecated = found.column.and_then(|column| group.columns().get(column)).is_none_or(|column| {
            // Old writers compared text byte by byte as if bytes were signed.
            column.statistics().is_none_or(|statistics| statistics.is_min_max_deprecated())
        });
        if deprecated {
            continue;
        }
        keys.least = found.least.get(index).cloned().flatten();
        keys.greatest = found.greatest.get(index).cloned().flatten();
    }
    Ok(keys)
}

struct Bounds {
    column: Option<usize>,
    least: Vec<Option<Vec<u8>>>,
    greatest: Vec<Option<Vec<u8>>>,
}

fn bounds(
    metadata: &ParquetMetaData,
    column: &str,
    arrow: &Schema,
    rows: &SchemaRef,
    first: usize,
) -> std::result::Result<Bounds, ParquetError> {
    let field = rows.fields().get(first).ok_or_else(|| ParquetError::General("no key".into()))?;
    let converter = StatisticsConverter::try_new(column, arrow, metadata.file_metadata().schema_descr())?;
    let groups = metadata.row_groups();
    let codec = RowCodec::new(rows).map_err(|error| ParquetError::External(Box::new(error)))?;
    let encode = |array: ArrayRef| -> std::result::Result<Vec<Option<Vec<u8>>>, ParquetError> {
        let array = cast(&array, field.data_type())?;
        let keys = codec.encode_column(first, &array).map_err(|e| ParquetError::External(Box::new(e)))?;
        let of = |(row, key): (usize, arrow::row::Row<'_>)| array.is_valid(row).then(|| key.data().to_vec());
        Ok(keys.iter().enumerate().map(of).collect())
    };
    let mut least = encode(converter.row_group_mins(groups)?)?;
    let mut greatest = encode(converter.row_group_maxes(groups)?)?;
    let nulls = converter.row_group_null_counts(groups)?;
    let null = encode_null(&codec, field.data_type(), first)?;
    for (index, (least, greatest)) in least.iter_mut().zip(&mut greatest).enumerate() {
        // NULL sorts first and is in no statistics; NaN sorts last and is not either.
        if least.is_some() && (nulls.is_null(index) || nulls.value(index) > 0) {
            *least = Some(null.clone());
        }
        if field.data_type().is_floating() {
            *greatest = None;
        }
    }
    Ok(Bounds { column: converter.parquet_column_index(), least, greatest })
}

fn encode_null(
    codec: &RowCodec,
    data_type: &DataType,
    column: usize,
) -> std::result::Result<Vec<u8>, ParquetError> {
    let null = arrow::array::new_null_array(data_type, 1);
    let rows = codec.encode_column(column, &null).map_err(|e| ParquetError::External(Box::new(e)))?;
    Ok(rows.iter().next().map(|row| row.data().to_vec()).unwrap_or_default())
}

/// What a whole file says of its keys, for [`crate::range::cut`]. Reads the footer only.
///
/// # Errors
///
/// The file cannot be read, or is no Parquet file.
pub async fn file_keys(scan: &FileScan, rows: &SchemaRef, key: &[usize]) -> Result<FileKeys> {
    let metadata = metadata(scan).await?;
    let column = rows.fields().get(*key.first().ok_or(Error::Misuse("a key has a column"))?);
    let column = column.and_then(|field| scan.projection.source_of(field.name()));
    let groups = row_groups(&metadata, column, rows, key)?;
    let known = groups.iter().all(|group| group.least.is_some());
    let bounded = groups.iter().all(|group| group.greatest.is_some());
    Ok(FileKeys {
        rows: groups.iter().map(|group| group.rows).sum(),
        least: groups.iter().filter_map(|group| group.least.clone()).min().filter(|_| known),
        greatest: groups.iter().filter_map(|group| group.greatest.clone()).max().filter(|_| bounded),
    })
}
