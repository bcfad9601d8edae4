//! As what types a Parquet file is read.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as PhysicalType;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

/// How a file with this footer is read. Timestamps that are stored as INT96, as Spark does if nobody tells it otherwise, are
/// read in microseconds: in nanoseconds, which the reader would take, those after the year 2262 are others without a word.
///
/// # Errors
///
/// A schema that is none.
pub fn readable(footer: &Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let readable = ArrowReaderMetadata::try_new(Arc::clone(footer), ArrowReaderOptions::new())?;
    let stored = footer.file_metadata().schema_descr();
    let leaves = stored.columns().iter().enumerate();
    let int96 = leaves.filter(|(_, leaf)| leaf.physical_type() == PhysicalType::INT96);
    let columns: Vec<usize> = int96.map(|(leaf, _)| stored.get_column_root_idx(leaf)).collect();
    if columns.is_empty() {
        return Ok(readable);
    }
    let fields = readable.schema().fields().iter().enumerate();
    let fields =
        fields.map(|(at, field)| if columns.contains(&at) { in_micros(field) } else { field.clone() });
    let schema = Schema::new_with_metadata(fields.collect::<Fields>(), readable.schema().metadata().clone());
    ArrowReaderMetadata::try_new(Arc::clone(footer), ArrowReaderOptions::new().with_schema(Arc::new(schema)))
}

fn in_micros(field: &FieldRef) -> FieldRef {
    use DataType::*;
    let within = |field: &FieldRef| in_micros(field);
    let data_type = match field.data_type() {
        Timestamp(TimeUnit::Nanosecond, zone) => Timestamp(TimeUnit::Microsecond, zone.clone()),
        List(item) => List(within(item)),
        LargeList(item) => LargeList(within(item)),
        FixedSizeList(item, length) => FixedSizeList(within(item), *length),
        Struct(fields) => Struct(fields.iter().map(within).collect()),
        Map(entries, sorted) => Map(within(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}
