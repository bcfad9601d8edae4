//! Bytes that stand for values: equal bytes are equal values, and bytes compare as the values do.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{During, Error, Result};
use crate::normal::{join, normal_type, normalise};

/// Encodes the columns of batches, each on its own: a key is the bytes of its columns one after the other, which
/// is again an order, because no encoding of a column is the beginning of another.
#[derive(Debug)]
pub struct RowCodec {
    columns: Vec<ColumnCodec>,
}

#[derive(Debug)]
struct ColumnCodec {
    normal: DataType,
    converter: RowConverter,
}

impl RowCodec {
    /// The codec of rows of one schema.
    ///
    /// # Errors
    ///
    /// A column whose type has no equality.
    pub fn new(schema: &Schema) -> Result<RowCodec> {
        Self::joined(&[schema])
    }

    /// The codec under which rows of several schemas, column by column, compare by value.
    ///
    /// # Errors
    ///
    /// Columns of types that cannot be compared, or schemas of different lengths.
    pub fn joined(schemas: &[&Schema]) -> Result<RowCodec> {
        let first = schemas.first().ok_or(Error::Misuse("a codec needs a schema"))?;
        if schemas.iter().any(|schema| schema.fields().len() != first.fields().len()) {
            return Err(Error::Misuse("schemas of different lengths cannot be joined"));
        }
        let mut columns = Vec::with_capacity(first.fields().len());
        for (index, field) in first.fields().iter().enumerate() {
            let types = schemas.iter().filter_map(|schema| schema.fields().get(index)).map(|f| f.data_type());
            let types: Vec<&DataType> = types.collect();
            let incomparable = || Error::Incomparable {
                column: field.name().clone(),
                types: types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" and "),
            };
            let mut normal = DataType::Null;
            for data_type in &types {
                let other = normal_type(data_type).ok_or_else(incomparable)?;
                normal = join(&normal, &other).ok_or_else(incomparable)?;
            }
            let fields = vec![SortField::new(normal.clone())];
            if !RowConverter::supports_fields(&fields) {
                return Err(incomparable());
            }
            let converter = RowConverter::new(fields).during("making the encoder of a column")?;
            columns.push(ColumnCodec { normal, converter });
        }
        Ok(RowCodec { columns })
    }

    /// Encodes all columns of a batch.
    ///
    /// # Errors
    ///
    /// A value that the common form of its column cannot hold (a decimal of too many digits).
    pub fn encode(&self, batch: RecordBatch) -> Result<EncodedBatch> {
        let encode = |(index, array)| self.encode_column(index, array);
        let columns = batch.columns().iter().enumerate().map(encode).collect::<Result<Vec<_>>>()?;
        Ok(EncodedBatch { batch, columns, wanted: None })
    }

    /// Encodes values of one column.
    ///
    /// # Errors
    ///
    /// As [`RowCodec::encode`]; a column that does not exist.
    pub fn encode_column(&self, column: usize, array: &ArrayRef) -> Result<Rows> {
        let codec = self.columns.get(column).ok_or(Error::Misuse("a column beyond the schema is encoded"))?;
        let normal = normalise(array, &codec.normal).during("bringing values into their normal form")?;
        codec.converter.convert_columns(std::slice::from_ref(&normal)).during("encoding values")
    }
}

/// A batch and the bytes of its cells.
#[derive(Debug)]
pub struct EncodedBatch {
    batch: RecordBatch,
    columns: Vec<Rows>,
    /// Which rows fulfil the condition of a diff; none: all of them.
    wanted: Option<BooleanArray>,
}

impl EncodedBatch {
    /// Notes which rows fulfil a condition.
    pub(crate) fn with_wanted(self, wanted: BooleanArray) -> EncodedBatch {
        EncodedBatch { wanted: Some(wanted), ..self }
    }

    /// Whether a row fulfils the condition; true where there is none.
    pub(crate) fn is_wanted(&self, row: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| row < wanted.len() && wanted.value(row))
    }

    /// The batch as it came: its values are not normalised.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// How many bytes of memory it takes, about.
    pub fn bytes(&self) -> usize {
        let encoded: usize = self.columns.iter().map(Rows::size).sum();
        self.batch.get_array_memory_size().saturating_add(encoded)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The bytes of a cell; empty beyond the batch.
    pub fn cell(&self, row: usize, column: usize) -> &[u8] {
        match self.columns.get(column) {
            Some(rows) if row < rows.num_rows() => rows.row(row).data(),
            _ => &[],
        }
    }

    /// Compares two rows, perhaps of different batches of one codec, by some columns.
    pub fn compare(&self, row: usize, other: &EncodedBatch, other_row: usize, columns: &[usize]) -> Ordering {
        for column in columns {
            match self.cell(row, *column).cmp(other.cell(other_row, *column)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        Ordering::Equal
    }

    /// The bytes of a row's columns, one after the other.
    pub fn key(&self, row: usize, columns: &[usize]) -> Vec<u8> {
        columns.iter().flat_map(|column| self.cell(row, *column)).copied().collect()
    }
}
