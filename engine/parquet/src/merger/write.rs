//! Writes the merged file, in memory: an object is given to the storage as a whole.

use anabranch_rows::Error;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::check::Digest;
use super::metadata::Pairs;
use super::schema::MergedColumns;
use super::stop::Stop;

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// See the module.
pub(super) struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    columns: SchemaRef,
    bytes_max: usize,
    rows: u64,
    to_be: Digest,
}

impl FileWriter {
    /// A file of these columns, of rows of this schema, that takes at most so much memory.
    pub(super) fn new(
        columns: &MergedColumns,
        rows: &SchemaRef,
        properties: WriterProperties,
        bytes_max: usize,
    ) -> Result<FileWriter, Stop> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_parquet_schema(columns.stored.as_ref().clone())
            // The schema as it was shown is one of the pairs, if the file had it.
            .with_skip_arrow_metadata(true);
        let written = columns.written.clone();
        let writer = ArrowWriter::try_new_with_options(Vec::new(), written.clone(), options);
        let to_be = Digest::new(rows)?;
        Ok(FileWriter { writer: writer.map_err(failed)?, columns: written, bytes_max, rows: 0, to_be })
    }

    /// Appends rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), Stop> {
        self.to_be.add(rows)?;
        let fields = self.columns.fields().iter().zip(rows.columns());
        let columns = fields.map(|(field, column)| cast_with_options(column, field.data_type(), &CAST));
        let refused = |source| Error::Arrow { step: "bringing rows into the merged file", source };
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let fitted = RecordBatch::try_new_with_options(self.columns.clone(), columns, &options);
        self.writer.write(&fitted.map_err(refused)?).map_err(failed)?;
        self.rows = self.rows.saturating_add(rows.num_rows() as u64);
        match self.writer.bytes_written().saturating_add(self.writer.memory_size()) > self.bytes_max {
            true => Err(Stop::limit(format!(
                "the merged file has more than {} bytes, which it may have in memory while it is written: raise \
                 limits.rows_bytes",
                self.bytes_max
            ))),
            false => Ok(()),
        }
    }

    /// The bytes of the file, with these pairs in its metadata.
    pub(super) fn finish(mut self, pairs: Pairs) -> Result<Bytes, Stop> {
        for (key, value) in pairs {
            self.writer.append_key_value_metadata(KeyValue { key, value });
        }
        let footer = self.writer.finish().map_err(failed)?;
        if u64::try_from(footer.file_metadata().num_rows()) != Ok(self.rows) {
            return Err(Stop::broken("the merged file has not as many rows as were written".to_owned()));
        }
        // Nothing is buffered before them any more.
        let file = Bytes::from(std::mem::take(self.writer.inner_mut()));
        let others = self.to_be.differences(file.clone());
        match others.map_err(failed)?.as_slice() {
            [] => Ok(file),
            names => {
                Err(Stop::broken(format!("the merged file would not hold its rows in {}", names.join(", "))))
            }
        }
    }
}

fn failed(error: ParquetError) -> Stop {
    Stop::broken(format!("writing the merged file: {error}"))
}
