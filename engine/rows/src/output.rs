//! The merged rows, collected from the batches they came in, and written out batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;

use crate::codec::EncodedBatch;
use crate::cursor::RowRef;
use crate::error::{During, Error, Result};
use crate::plan::Plan;
use crate::side::Side;

/// Where a row of the result comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Ours has it as it is.
    Ours,
    /// Theirs', and ours has it otherwise or not at all.
    Theirs,
    /// The base's, by somebody's choice.
    Base,
    /// Put together from cells of several sides, by a policy or by somebody's choice.
    Merged,
}

/// What becomes of a row that ours has and the result has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// It is deleted.
    Removed,
    /// A row of the result takes its place.
    Changed,
}

/// A batch of the result.
#[derive(Clone, Debug)]
pub struct MergedBatch {
    /// Rows, in the order of their keys, in the merged schema. Their values are as they were written.
    pub rows: RecordBatch,
    /// Where each row comes from.
    pub origins: Vec<Origin>,
    /// Rows of ours that are not in the result, with the columns that were carried along.
    pub gone: RecordBatch,
    /// What becomes of each of these.
    pub gone_as: Vec<Gone>,
}

/// A cell of the result that is not that of its row.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Of(RowRef),
    Value(ArrayRef, Vec<u8>),
}

impl Cell {
    pub(crate) fn bytes(&self, column: usize) -> &[u8] {
        match self {
            Cell::Of(row) => row.cell(column),
            Cell::Value(_, bytes) => bytes,
        }
    }
}

/// Above this number of batches in hand a batch of the result is written, however short: small batches of the
/// sides must not pile up.
const SOURCES_MAX: usize = 64;
/// The same of their bytes, for rows that are large.
const SOURCES_BYTES_MAX: usize = 128 << 20;

#[derive(Debug, Default)]
pub(crate) struct Output {
    sources: Vec<Arc<EncodedBatch>>,
    source_bytes: usize,
    rows: Vec<(usize, usize)>,
    origins: Vec<Origin>,
    /// By column: cells that replace those of a row of the result.
    cells: BTreeMap<usize, Vec<(usize, Cell)>>,
    gone: Vec<(usize, usize)>,
    gone_as: Vec<Gone>,
}

impl Output {
    /// Appends a row to the result.
    pub(crate) fn push(&mut self, row: &RowRef, origin: Origin) {
        let place = self.place(row);
        self.rows.push(place);
        self.origins.push(origin);
    }

    /// Appends a row with some cells replaced.
    pub(crate) fn push_cells(&mut self, row: &RowRef, cells: Vec<(usize, Cell)>) {
        for (column, cell) in cells {
            self.cells.entry(column).or_default().push((self.rows.len(), cell));
        }
        self.push(row, Origin::Merged);
    }

    /// Notes a row of ours that the result does not have.
    pub(crate) fn push_gone(&mut self, row: &RowRef, as_: Gone) {
        let place = self.place(row);
        self.gone.push(place);
        self.gone_as.push(as_);
    }

    pub(crate) fn is_full(&self, plan: &Plan) -> bool {
        self.rows.len() >= plan.batch_rows
            || self.gone.len() >= plan.batch_rows
            || self.sources.len() >= SOURCES_MAX
            || self.source_bytes >= SOURCES_BYTES_MAX
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.gone.is_empty()
    }

    /// Writes what was collected, and lets the batches go.
    pub(crate) fn flush(&mut self, plan: &Plan) -> Result<MergedBatch> {
        let all = std::mem::take(self);
        let none = BTreeMap::new();
        Ok(MergedBatch {
            rows: gather(plan, &all.sources, &all.rows, &all.cells)?,
            origins: all.origins,
            gone: gather(plan, &all.sources, &all.gone, &none)?,
            gone_as: all.gone_as,
        })
    }

    fn place(&mut self, row: &RowRef) -> (usize, usize) {
        let known = self.sources.iter().rposition(|batch| Arc::ptr_eq(batch, &row.batch));
        let source = known.unwrap_or_else(|| {
            self.source_bytes = self.source_bytes.saturating_add(row.batch.bytes());
            self.sources.push(row.batch.clone());
            self.sources.len() - 1
        });
        (source, row.row)
    }
}

fn gather(
    plan: &Plan,
    sources: &[Arc<EncodedBatch>],
    rows: &[(usize, usize)],
    cells: &BTreeMap<usize, Vec<(usize, Cell)>>,
) -> Result<RecordBatch> {
    if rows.is_empty() {
        return Ok(RecordBatch::new_empty(plan.schema.clone()));
    }
    let mut columns = Vec::with_capacity(plan.schema.fields().len());
    for column in 0..plan.schema.fields().len() {
        let mut arrays = sources.iter().map(|batch| array(batch, column)).collect::<Result<Vec<_>>>()?;
        let replaced = cells.get(&column).map(Vec::as_slice).unwrap_or_default();
        if replaced.is_empty() {
            columns.push(pick(&arrays, rows)?);
            continue;
        }
        let mut picks = rows.to_vec();
        for (row, cell) in replaced {
            let value = match cell {
                Cell::Of(row) => array(&row.batch, column)?.slice(row.row, 1),
                Cell::Value(value, _) => value.clone(),
            };
            if let Some(pick) = picks.get_mut(*row) {
                *pick = (arrays.len(), 0);
            }
            arrays.push(value);
        }
        columns.push(pick(&arrays, &picks)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(plan.schema.clone(), columns, &options).during("making a merged batch")
}

fn array(batch: &EncodedBatch, column: usize) -> Result<ArrayRef> {
    let array = batch.batch().columns().get(column).cloned();
    array.ok_or(Error::Misuse("a column beyond the schema is written"))
}

pub(crate) fn pick(arrays: &[ArrayRef], rows: &[(usize, usize)]) -> Result<ArrayRef> {
    if let Some(slice) = as_slice(arrays, rows) {
        return Ok(slice);
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    interleave(&arrays, rows).during("collecting merged rows")
}

/// Rows that follow one another in one batch need no copy.
fn as_slice(arrays: &[ArrayRef], rows: &[(usize, usize)]) -> Option<ArrayRef> {
    let (source, start) = *rows.first()?;
    let follows = |(index, row): (usize, &(usize, usize))| *row == (source, start + index);
    rows.iter().enumerate().all(follows).then(|| arrays.get(source).map(|a| a.slice(start, rows.len())))?
}

/// The origin of a row that is taken from a side as it is.
pub(crate) fn origin_of(side: Side) -> Origin {
    match side {
        Side::Base => Origin::Base,
        Side::Ours => Origin::Ours,
        Side::Theirs => Origin::Theirs,
    }
}
