//! Rows on their way to a writer, in batches that do not depend on those they came in.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{DataType, SchemaRef};

use crate::error::{During, Result};

/// How many bytes the values of a batch have: with the row that reaches them it is full.
const BATCH_BYTES: u64 = 32 << 20;

/// Collects rows into batches of so many rows, or fewer where they are large. Where a batch ends follows from the rows alone.
#[derive(Debug)]
pub struct RowBatches {
    batches: BatchCoalescer,
    rows_max: usize,
    /// How many bytes the values have that are collected.
    bytes: u64,
    bytes_max: u64,
}

impl RowBatches {
    /// Batches of rows of this schema, of at most so many.
    pub fn new(schema: SchemaRef, rows: usize) -> RowBatches {
        let rows_max = rows.max(1);
        RowBatches {
            batches: BatchCoalescer::new(schema, rows_max),
            rows_max,
            bytes: 0,
            bytes_max: BATCH_BYTES,
        }
    }

    /// Appends rows: full batches are to be taken after that.
    ///
    /// # Errors
    ///
    /// They are of another schema.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let room = self.rows_max.saturating_sub(self.batches.get_buffered_rows());
            let most = batch.num_rows().min(start.saturating_add(room.max(1)));
            let left = self.bytes_max.saturating_sub(self.bytes);
            let end = until(batch, start..most, left);
            let part = batch.slice(start, end.saturating_sub(start));
            self.bytes = self.bytes.saturating_add(bytes(batch, start..end));
            self.batches.push_batch(part).during("collecting rows to write")?;
            if self.bytes >= self.bytes_max {
                self.batches.finish_buffered_batch().during("collecting rows to write")?;
            }
            if self.batches.get_buffered_rows() == 0 {
                self.bytes = 0;
            }
            start = end;
        }
        Ok(())
    }

    /// The next batch that is full.
    pub fn take(&mut self) -> Option<RecordBatch> {
        self.batches.next_completed_batch()
    }

    /// Makes a batch of what is left: the last one that is to be taken.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn finish(&mut self) -> Result<()> {
        self.batches.finish_buffered_batch().during("collecting rows to write")
    }
}

/// Where the rows end whose values have `most` bytes: behind the one that reaches them, or at the end.
fn until(batch: &RecordBatch, rows: Range<usize>, most: u64) -> usize {
    let (mut before, mut end) = (rows.start, rows.end);
    if bytes(batch, before..end) < most {
        return end;
    }
    // The rows up to `before` have fewer, those up to `end` have as many.
    while end.saturating_sub(before) > 1 {
        let middle = before.midpoint(end);
        if bytes(batch, rows.start..middle) < most { before = middle } else { end = middle }
    }
    end
}

fn bytes(batch: &RecordBatch, rows: Range<usize>) -> u64 {
    batch.columns().iter().fold(0, |sum, column| sum.saturating_add(value_bytes(column, rows.clone())))
}

/// How many bytes some values of an array have: as many as those of its parts together, wherever it is parted.
fn value_bytes(array: &ArrayRef, at: Range<usize>) -> u64 {
    let of_all = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
    let count = at.len() as u64;
    let between = |offsets: Option<(i64, i64)>| {
        offsets.map_or(0, |(start, end)| u64::try_from(end.saturating_sub(start)).unwrap_or_default())
    };
    macro_rules! ends {
        ($offsets:expr) => {{
            let offsets = $offsets;
            offsets
                .get(at.start)
                .zip(offsets.get(at.end))
                .map(|(start, end)| (i64::from(*start), i64::from(*end)))
        }};
    }
    let within = |values: &ArrayRef, offsets: Option<(i64, i64)>| {
        let place = |offset: i64| usize::try_from(offset).unwrap_or_default();
        offsets.map_or(0, |(start, end)| value_bytes(values, place(start)..place(end).min(values.len())))
    };
    match array.data_type() {
        DataType::Utf8 => between(ends!(array.as_string::<i32>().value_offsets())),
        DataType::LargeUtf8 => between(ends!(array.as_string::<i64>().value_offsets())),
        DataType::Binary => between(ends!(array.as_binary::<i32>().value_offsets())),
        DataType::LargeBinary => between(ends!(array.as_binary::<i64>().value_offsets())),
        DataType::Utf8View => {
            let views = array.as_string_view().views().get(at).unwrap_or_default();
            of_all(&mut views.iter().map(|view| u64::from(*view as u32)))
        }
        DataType::BinaryView => {
            let views = array.as_binary_view().views().get(at).unwrap_or_default();
            of_all(&mut views.iter().map(|view| u64::from(*view as u32)))
        }
        DataType::FixedSizeBinary(length) => count.saturating_mul(u64::from(length.unsigned_abs())),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            within(list.values(), ends!(list.value_offsets()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            within(list.values(), ends!(list.value_offsets()))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            within(&entries, ends!(map.value_offsets()))
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or_default();
            let values = array.as_fixed_size_list().values();
            let end = at.end.saturating_mul(length).min(values.len());
            value_bytes(values, at.start.saturating_mul(length).min(end)..end)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            of_all(&mut columns.iter().map(|column| value_bytes(column, at.clone())))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.normalized_keys();
            let keys = keys.get(at).unwrap_or_default();
            of_all(&mut keys.iter().map(|key| value_bytes(dictionary.values(), *key..key.saturating_add(1))))
        }
        other => count.saturating_mul(other.primitive_width().unwrap_or_default() as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryViewArray, DictionaryArray, Int64Array, ListArray, MapBuilder, StringArray, StringBuilder,
        StructArray,
    };
    use arrow::compute::concat_batches;
    use arrow::datatypes::{Field, Int8Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    /// Rows of texts of these lengths, in columns of many types.
    fn rows(lengths: &[usize]) -> RecordBatch {
        let texts: Vec<Option<String>> =
            lengths.iter().map(|length| (*length % 5 > 0).then(|| "x".repeat(*length))).collect();
        let text: ArrayRef = Arc::new(texts.iter().map(Option::as_deref).collect::<StringArray>());
        let views = texts.iter().map(|text| text.as_ref().map(String::as_bytes));
        let lists = lengths.iter().map(|length| Some(vec![Some(1); length % 7]));
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for text in texts.iter().flatten() {
            map.keys().append_value(text);
            map.values().append_value("y");
            map.append(true).unwrap();
        }
        for _ in texts.iter().filter(|text| text.is_none()) {
            map.append(false).unwrap();
        }
        let field = Arc::new(Field::new("text", DataType::Utf8, true));
        let names = lengths.iter().map(|length| ["short", "a longer one"][length % 2]);
        RecordBatch::try_from_iter_with_nullable([
            ("number", Arc::new(Int64Array::from_iter_values(0..lengths.len() as i64)) as ArrayRef, true),
            ("nested", Arc::new(StructArray::from(vec![(field, text.clone())])), true),
            ("text", text, true),
            ("view", Arc::new(views.collect::<BinaryViewArray>()), true),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)), true),
            ("map", Arc::new(map.finish()), true),
            ("name", Arc::new(names.collect::<DictionaryArray<Int8Type>>()), true),
        ])
        .unwrap()
    }

    fn collected(parts: &[RecordBatch], rows: usize, bytes_max: u64) -> Vec<RecordBatch> {
        let mut batches = RowBatches { bytes_max, ..RowBatches::new(parts[0].schema(), rows) };
        let mut taken = Vec::new();
        for part in parts {
            batches.push(part).unwrap();
            taken.extend(std::iter::from_fn(|| batches.take()));
        }
        batches.finish().unwrap();
        taken.extend(std::iter::from_fn(|| batches.take()));
        taken
    }

    proptest! {
        #[test]
        fn batches_follow_from_the_rows(
            lengths in prop::collection::vec(0..60_usize, 1..80),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            most in 1..30_usize,
            bytes_max in 1..2_000_u64,
        ) {
            let all = rows(&lengths);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(lengths.len())).collect();
            cuts.extend([0, lengths.len()]);
            cuts.sort_unstable();
            let parts: Vec<RecordBatch> = cuts.windows(2).map(|cut| all.slice(cut[0], cut[1] - cut[0])).collect();
            let batches = collected(&parts, most, bytes_max);
            prop_assert_eq!(&concat_batches(&all.schema(), &batches).unwrap(), &all);
            prop_assert_eq!(&collected(std::slice::from_ref(&all), most, bytes_max), &batches);
            // A batch is full with its last row, and not before.
            let mut start = 0;
            for (number, batch) in batches.iter().enumerate() {
                let end = start + batch.num_rows();
                prop_assert!(bytes(&all, start..end - 1) < bytes_max);
                prop_assert!(batch.num_rows() <= most);
                let full = batch.num_rows() == most || bytes(&all, start..end) >= bytes_max;
                prop_assert!(full || number + 1 == batches.len());
                start = end;
            }
        }
    }

    #[test]
    fn the_bytes_of_values_are_counted() {
        let all = rows(&[3, 0, 12]);
        let of = |name: &str, at: Range<usize>| value_bytes(all.column_by_name(name).unwrap(), at);
        assert_eq!(
            (of("number", 0..3), of("text", 0..3), of("text", 1..2), of("nested", 2..3)),
            (24, 15, 0, 12)
        );
        assert_eq!(
            (of("view", 0..3), of("view", 2..3), of("list", 0..1), of("list", 1..3)),
            (15, 12, 24, 40)
        );
        assert_eq!((of("map", 0..1), of("map", 0..3), of("name", 0..1), of("name", 0..3)), (4, 17, 12, 22));
    }
}
