//! The rows that differ as typed batches, for programs: a change feed as Delta tables have it, in Arrow's stream format.
//!
//! One row of a batch is one row of the table, with `_change_type` before its columns: `insert`, `delete`, or a changed
//! row as it was (`update_preimage`) followed by how it is (`update_postimage`). Both have all columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use crate::codec::EncodedBatch;
use crate::diff::{DiffRow, RowChange, RowView};
use crate::error::{During, Error, Result};
use crate::output::pick;

/// The column that says what happened to a row.
pub const CHANGE_TYPE: &str = "_change_type";
/// The column that names the columns in which a changed row differs; NULL for rows that were added or removed.
pub const CHANGED_COLUMNS: &str = "_changed_columns";

/// How many rows a batch has at most.
const BATCH_ROWS: usize = 8_192;

/// Writes the rows that differ as Arrow's stream format, a piece for each portion of a diff.
pub struct ChangeFeed {
    rows: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
    batch: Pending,
}

/// The rows of the next batch.
#[derive(Default)]
struct Pending {
    sources: Vec<Arc<EncodedBatch>>,
    rows: Vec<(usize, usize)>,
    types: Vec<&'static str>,
    /// The columns of a changed row that differ.
    columns: Vec<Option<Vec<usize>>>,
}

impl ChangeFeed {
    /// A feed of rows of this schema. `about` goes into the metadata of the stream's schema.
    ///
    /// # Errors
    ///
    /// The table has a column that is named as one of ours.
    pub fn new(rows: &SchemaRef, about: &[(&str, String)]) -> Result<ChangeFeed> {
        for column in [CHANGE_TYPE, CHANGED_COLUMNS] {
            if rows.fields().iter().any(|field| field.name() == column) {
                return Err(Error::ReservedColumn { column: column.to_owned() });
            }
        }
        let about = about.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let schema = feed_schema(rows).with_metadata(about.collect());
        let writer = StreamWriter::try_new(Vec::new(), &schema).during("beginning a stream of changes")?;
        Ok(ChangeFeed { rows: rows.clone(), writer, batch: Pending::default() })
    }

    /// The bytes that come next: those of some changes, and at first those of the schema.
    ///
    /// # Errors
    ///
    /// Arrow refuses a batch.
    pub fn write(&mut self, changes: &[DiffRow]) -> Result<Vec<u8>> {
        for change in changes {
            let named = (change.change == RowChange::Changed).then_some(&change.columns);
            // A row stands as often as the table has it, so that counting the rows counts the changes.
            for _ in 0..change.copies {
                for (what, view) in kinds(change) {
                    self.batch.push(what, view, named);
                }
                if self.batch.rows.len() >= BATCH_ROWS {
                    self.flush()?;
                }
            }
        }
        self.flush()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// The bytes at the end.
    ///
    /// # Errors
    ///
    /// As [`ChangeFeed::write`].
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.flush()?;
        self.writer.finish().during("ending a stream of changes")?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.batch);
        if pending.rows.is_empty() {
            return Ok(());
        }
        let batch = pending.into_batch(&self.rows)?;
        self.writer.write(&batch).during("writing a batch of changes")
    }
}

fn feed_schema(rows: &Schema) -> Schema {
    let what = Field::new(CHANGE_TYPE, DataType::Utf8, false);
    let name = Field::new("item", DataType::Utf8, true);
    let columns = Field::new(CHANGED_COLUMNS, DataType::List(Arc::new(name)), true);
    let ours = [what, columns].map(Arc::new);
    Schema::new(ours.into_iter().chain(rows.fields().iter().cloned()).collect::<Vec<_>>())
}

/// The rows of a change, in Delta's words.
fn kinds(change: &DiffRow) -> impl Iterator<Item = (&'static str, &RowView)> {
    let (before, after) = match change.change {
        RowChange::Changed => ("update_preimage", "update_postimage"),
        RowChange::Added | RowChange::Removed => ("delete", "insert"),
    };
    let before = change.before.as_ref().map(|view| (before, view));
    before.into_iter().chain(change.after.as_ref().map(|view| (after, view)))
}

impl Pending {
    fn push(&mut self, what: &'static str, view: &RowView, columns: Option<&Vec<usize>>) {
        let known = self.sources.iter().rposition(|batch| Arc::ptr_eq(batch, &view.0.batch));
        let source = known.unwrap_or_else(|| {
            self.sources.push(view.0.batch.clone());
            self.sources.len() - 1
        });
        self.rows.push((source, view.row()));
        self.types.push(what);
        self.columns.push(columns.cloned());
    }

    fn into_batch(self, rows: &Schema) -> Result<RecordBatch> {
        let mut names = ListBuilder::new(StringBuilder::new());
        for columns in &self.columns {
            for column in columns.iter().flatten() {
                names.values().append_option(rows.fields().get(*column).map(|field| field.name()));
            }
            names.append(columns.is_some());
        }
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(self.types)), Arc::new(names.finish())];
        for column in 0..rows.fields().len() {
            let arrays = self.sources.iter().map(|batch| batch.batch().columns().get(column).cloned());
            let arrays = arrays.collect::<Option<Vec<_>>>();
            let arrays = arrays.ok_or(Error::Misuse("a change of another schema is written"))?;
            columns.push(pick(&arrays, &self.rows)?);
        }
        RecordBatch::try_new(Arc::new(feed_schema(rows)), columns).during("making a batch of changes")
    }
}
