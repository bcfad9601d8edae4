//! Writes merged rows as data files: a file or several for each partition.

use std::collections::HashMap;
use std::sync::Arc;

use anabranch_merge::{MergeEdit, ObjectAttributes, UnitWriter, ViewError};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::partition::{Partitions, Spelling};
use super::statistics::Statistics;
use crate::action::Add;

/// A file is closed once it has this many bytes.
const FILE_BYTES: usize = 128 << 20;

/// How many files are written at the same time. Above it the largest is closed.
const OPEN_MAX: usize = 32;

/// Why rows could not be written.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// The storage failed.
    Storage(ViewError),
    /// The rows cannot be written as this table's.
    Rows(String),
}

impl From<ViewError> for WriteFailure {
    fn from(error: ViewError) -> Self {
        WriteFailure::Storage(error)
    }
}

impl From<String> for WriteFailure {
    fn from(message: String) -> Self {
        WriteFailure::Rows(message)
    }
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) added: Vec<Arc<Add>>,
    pub(super) edits: Vec<MergeEdit>,
    pub(super) bytes: u64,
}

/// Writes rows, partition by partition.
pub(super) struct RowWriter<'a> {
    partitions: &'a Partitions,
    /// The schema of the files: without the partition columns.
    schema: SchemaRef,
    /// The places of the files' columns among those of the rows.
    columns: Vec<usize>,
    writer: &'a dyn UnitWriter,
    modified_ms: i64,
    seed: [u8; 32],
    open: HashMap<Vec<u8>, OpenFile>,
    /// How many bytes the open files have at most, together.
    open_bytes_max: usize,
    written: Written,
}

struct OpenFile {
    spelling: Spelling,
    parquet: ArrowWriter<Vec<u8>>,
    statistics: Statistics,
}

impl OpenFile {
    fn bytes(&self) -> usize {
        self.parquet.bytes_written().saturating_add(self.parquet.in_progress_size())
    }

    /// What it takes of the memory: also what is not encoded yet.
    fn memory(&self) -> usize {
        self.parquet.bytes_written().saturating_add(self.parquet.memory_size())
    }
}

impl<'a> RowWriter<'a> {
    /// A writer of rows of this schema, which has the partition columns.
    pub(super) fn new(
        rows: &SchemaRef,
        partitions: &'a Partitions,
        writer: &'a dyn UnitWriter,
        modified_ms: i64,
        seed: [u8; 32],
    ) -> Result<RowWriter<'a>, String> {
        let columns: Vec<usize> =
            (0..rows.fields().len()).filter(|column| !partitions.columns().contains(column)).collect();
        let schema = Arc::new(rows.project(&columns).map_err(|error| error.to_string())?);
        let (open, written) = (HashMap::new(), Written::default());
        let open_bytes_max = usize::MAX;
        Ok(RowWriter {
            partitions,
            schema,
            columns,
            writer,
            modified_ms,
            seed,
            open,
            open_bytes_max,
            written,
        })
    }

    /// Closes files early, so that those that are open have at most so many bytes together.
    #[must_use]
    pub(super) fn within(self, open_bytes_max: usize) -> RowWriter<'a> {
        RowWriter { open_bytes_max, ..self }
    }

    /// Takes rows. Memory is bounded by the open files.
    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<(), WriteFailure> {
        let mut by_partition: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
        for (row, id) in self.partitions.of_rows(rows)?.into_iter().enumerate() {
            let row = u32::try_from(row).map_err(|error| error.to_string())?;
            by_partition.entry(id).or_default().push(row);
        }
        let mut by_partition: Vec<_> = by_partition.into_iter().collect();
        // In one order in every run, because the names of the files follow from it.
        by_partition.sort();
        for (id, picked) in by_partition {
            let part =
                take_record_batch(rows, &UInt32Array::from(picked)).map_err(|error| error.to_string())?;
            self.write_part(id, &part.project(&self.columns).map_err(|error| error.to_string())?).await?;
        }
        Ok(())
    }

    async fn write_part(&mut self, id: Vec<u8>, rows: &RecordBatch) -> Result<(), WriteFailure> {
        if !self.open.contains_key(&id) {
            if self.open.len() >= OPEN_MAX {
                self.close_largest().await?;
            }
            let spelling = self.partitions.spelling(&id).cloned();
            let spelling = spelling
                .ok_or_else(|| "a merged row is in a partition that no file of the merge is in".to_owned())?;
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            let parquet = ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(properties));
            let parquet = parquet.map_err(|error| error.to_string())?;
            self.open.insert(id.clone(), OpenFile { spelling, parquet, statistics: Statistics::default() });
        }
        let Some(file) = self.open.get_mut(&id) else { return Ok(()) };
        file.parquet.write(rows).map_err(|error| error.to_string())?;
        file.statistics.add(rows);
        if file.bytes() >= FILE_BYTES {
            self.close(&id).await?;
        }
        while self.open.values().map(OpenFile::memory).sum::<usize>() > self.open_bytes_max {
            self.close_largest().await?;
        }
        Ok(())
    }

    async fn close_largest(&mut self) -> Result<(), WriteFailure> {
        let largest = self.open.iter().max_by_key(|(id, file)| (file.memory(), (*id).clone()));
        match largest.map(|(id, _)| id.clone()) {
            Some(largest) => self.close(&largest).await,
            None => Ok(()),
        }
    }

    /// Closes all files: what was written.
    pub(super) async fn finish(mut self) -> Result<Written, WriteFailure> {
        let mut ids: Vec<Vec<u8>> = self.open.keys().cloned().collect();
        ids.sort();
        for id in ids {
            self.close(&id).await?;
        }
        Ok(self.written)
    }

    async fn close(&mut self, id: &[u8]) -> Result<(), WriteFailure> {
        let Some(OpenFile { spelling, parquet, statistics }) = self.open.remove(id) else { return Ok(()) };
        if statistics.rows() == 0 {
            return Ok(());
        }
        let bytes = parquet.into_inner().map_err(|error| error.to_string())?;
        let size = bytes.len() as u64;
        let name = self.name();
        let body = json!({
            "path": format!("{}{name}", spelling.url_folder),
            "partitionValues": spelling.values,
            "size": size,
            "modificationTime": self.modified_ms,
            "dataChange": true,
            "stats": statistics.to_json().to_string(),
        });
        let add = Add::parse(&body.to_string())?;
        let attributes =
            ObjectAttributes { content_type: "application/vnd.apache.parquet".into(), ..Default::default() };
        let entry = self.writer.write(bytes.into(), attributes).await?;
        self.written.edits.push(MergeEdit::Put { path: format!("{}{name}", spelling.folder), entry });
        self.written.added.push(Arc::new(add));
        self.written.bytes = self.written.bytes.saturating_add(size);
        Ok(())
    }

    /// The name of the next file: random-looking, and the same in every run of the same merge.
    fn name(&self) -> String {
        let number = self.written.added.len();
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(b"data file");
        hasher.update(&(number as u64).to_le_bytes());
        let hex = hasher.finalize().to_hex();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "part-{number:05}-{}-{}-4{}-a{}-{}-c000.snappy.parquet",
            part(0, 8),
            part(8, 12),
            part(12, 15),
            part(15, 18),
            part(18, 30)
        )
    }
}
