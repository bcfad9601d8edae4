//! A side's rows in the order of their keys, one batch at a time.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::codec::EncodedBatch;
use crate::error::{Error, GroupLimit, Result};
use crate::json;
use crate::plan::Plan;
use crate::side::Side;

/// How much of a key an error shows.
const KEY_CHARACTERS_MAX: usize = 200;

/// One row of a batch that is kept as long as the row is.
#[derive(Clone, Debug)]
pub(crate) struct RowRef {
    pub(crate) batch: Arc<EncodedBatch>,
    pub(crate) row: usize,
}

impl RowRef {
    pub(crate) fn cell(&self, column: usize) -> &[u8] {
        self.batch.cell(self.row, column)
    }

    /// Whether it is the very same row of the same batch.
    pub(crate) fn is(&self, other: &RowRef) -> bool {
        self.row == other.row && Arc::ptr_eq(&self.batch, &other.batch)
    }

    pub(crate) fn same(&self, other: &RowRef, columns: &[usize]) -> bool {
        self.batch.compare(self.row, &other.batch, other.row, columns).is_eq()
    }

    pub(crate) fn compare(&self, other: &RowRef, columns: &[usize]) -> Ordering {
        self.batch.compare(self.row, &other.batch, other.row, columns)
    }
}

/// Reads one side. It holds one batch, and asks for the next one when that is used up.
#[derive(Debug)]
pub(crate) struct Cursor {
    side: Side,
    batch: Option<Arc<EncodedBatch>>,
    row: usize,
    /// Rows of the batch from here on are beyond the range.
    rows: usize,
    ended: bool,
}

impl Cursor {
    pub(crate) fn new(side: Side) -> Cursor {
        Cursor { side, batch: None, row: 0, rows: 0, ended: false }
    }

    /// Whether nothing can be said of this side before it gets its next batch.
    pub(crate) fn wants(&self) -> bool {
        !self.ended && self.row >= self.rows
    }

    /// Takes the next batch; none: there are no more.
    pub(crate) fn feed(&mut self, plan: &Plan, batch: Option<RecordBatch>) -> Result<()> {
        if !self.wants() {
            return Err(Error::Misuse("a side was given a batch that it did not want"));
        }
        let Some(batch) = batch else {
            self.ended = true;
            self.batch = None;
            return Ok(());
        };
        check_schema(self.side, plan, &batch)?;
        let wanted = plan.filter.as_ref().map(|filter| filter.mask(&batch)).transpose()?;
        let mut encoded = plan.codec.encode(batch)?;
        if let Some(wanted) = wanted {
            encoded = encoded.with_wanted(wanted);
        }
        let key = |row: usize| encoded.key(row, &plan.key);
        let (mut start, mut end) = (0, encoded.rows());
        if plan.range.start.is_some() {
            start = partition_point(end, |row| plan.range.is_before(&key(row)));
        }
        if plan.range.end.is_some() {
            end = partition_point(end, |row| !plan.range.is_after(&key(row)));
            self.ended = end < encoded.rows();
        }
        (self.row, self.rows) = (start, end);
        self.batch = Some(Arc::new(encoded));
        Ok(())
    }

    /// The row that comes next.
    pub(crate) fn peek(&self) -> Option<RowRef> {
        let batch = self.batch.as_ref()?;
        (self.row < self.rows).then(|| RowRef { batch: batch.clone(), row: self.row })
    }

    /// Moves the next rows with the key of `key` into `rows`, as far as the batch goes, and answers how many there
    /// were. `counting` keeps only the last one; otherwise there are at most so many.
    pub(crate) fn collect(
        &mut self,
        plan: &Plan,
        key: &RowRef,
        rows: &mut Vec<RowRef>,
        counting: bool,
        most: usize,
    ) -> Result<u64> {
        let mut collected = 0;
        while let Some(batch) = &self.batch
            && self.row < self.rows
        {
            match batch.compare(self.row, &key.batch, key.row, &plan.key) {
                Ordering::Equal => {
                    if counting {
                        rows.clear();
                    } else if rows.len() >= most {
                        return Err(too_common(self.side, plan, key, GroupLimit::Rows(most)));
                    }
                    rows.push(RowRef { batch: batch.clone(), row: self.row });
                    collected += 1;
                }
                Ordering::Greater => return Ok(collected),
                Ordering::Less => return Err(Error::Unsorted { side: self.side }),
            }
            self.row += 1;
        }
        // A used-up batch is let go, so that only rows still in work keep it.
        self.batch = None;
        Ok(collected)
    }
}

/// The error of a key that has too many rows.
pub(crate) fn too_common(side: Side, plan: &Plan, key: &RowRef, limit: GroupLimit) -> Error {
    let shown = json::row(&plan.schema, key.batch.batch().columns(), key.row, &plan.key);
    let key = shown.map(|shown| shown.to_string()).unwrap_or_default();
    Error::KeyTooCommon { side, key: cut(key), limit }
}

/// A key as far as an error shows it.
fn cut(text: String) -> String {
    match text.char_indices().nth(KEY_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

fn partition_point(rows: usize, in_first_part: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if in_first_part(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn check_schema(side: Side, plan: &Plan, batch: &RecordBatch) -> Result<()> {
    let wrong = |why: String| Err(Error::Schema { side, why });
    if batch.num_columns() != plan.schema.fields().len() {
        return wrong(format!("{} columns, not {}", batch.num_columns(), plan.schema.fields().len()));
    }
    for (field, array) in plan.schema.fields().iter().zip(batch.columns()) {
        if field.data_type() != array.data_type() {
            return wrong(format!(
                "{} has type {}, not {}",
                field.name(),
                array.data_type(),
                field.data_type()
            ));
        }
    }
    Ok(())
}
