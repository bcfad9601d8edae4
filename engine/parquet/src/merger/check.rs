//! Compares what stands in a written file with what was to stand there: a file of another layout than its writer expects
//! comes out wrong without a word.

use anabranch_rows::scan::check_pages;
use anabranch_rows::{Error, Result, RowCodec};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use crate::BATCH_ROWS;

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// Takes in rows, column by column, whatever the batches are that they come in.
pub(super) struct Digest {
    rows: SchemaRef,
    codec: RowCodec,
    columns: Vec<blake3::Hasher>,
}

impl Digest {
    /// Of rows of this schema.
    pub(super) fn new(rows: &SchemaRef) -> Result<Digest> {
        let columns = vec![blake3::Hasher::new(); rows.fields().len()];
        Ok(Digest { rows: rows.clone(), codec: RowCodec::new(rows)?, columns })
    }

    /// Takes in the next rows.
    pub(super) fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        for ((at, hasher), column) in self.columns.iter_mut().enumerate().zip(rows.columns()) {
            for row in &self.codec.encode_column(at, column)? {
                hasher.update(row.data());
            }
        }
        Ok(())
    }

    /// The columns of a file that do not hold the rows that were taken in.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn differences(&self, file: Bytes) -> std::result::Result<Vec<String>, ParquetError> {
        let external = |error: Error| ParquetError::External(Box::new(error));
        let mut found = Digest::new(&self.rows).map_err(external)?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone())?;
        let batch_rows = check_pages(&file, reader.metadata(), Some(reader.schema()), BATCH_ROWS);
        let batch_rows = batch_rows.map_err(ParquetError::General)?;
        for batch in reader.with_batch_size(batch_rows).build()? {
            let batch = batch?;
            let columns = batch.columns().iter().zip(self.rows.fields());
            let fitted = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &CAST));
            let fitted = fitted.collect::<std::result::Result<Vec<ArrayRef>, _>>()?;
            found.add(&RecordBatch::try_new(self.rows.clone(), fitted)?).map_err(external)?;
        }
        let both = self.columns.iter().zip(&found.columns).zip(self.rows.fields());
        let other = both.filter(|((to_be, is), _)| to_be.finalize() != is.finalize());
        Ok(other.map(|(_, field)| field.name().clone()).collect())
    }
}
