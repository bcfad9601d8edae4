//! Keys that stand more than once, or that refer to each other: rows of several files, sorted by key and walked over once.

use std::collections::BTreeSet;

use anabranch_rows::scan::{FILE_COLUMN, RowStream};
use anabranch_rows::{EncodedBatch, RowCodec, json};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use futures::TryStreamExt;
use serde_json::Value;

/// The rows of one key.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The key's columns as an object.
    pub(crate) key: Value,
    /// Whether one of the key's columns is NULL.
    pub(crate) has_null: bool,
    /// How many rows each file holds of it, by its number, in order.
    pub(crate) rows: Vec<(i64, u64)>,
}

impl Group {
    fn count_in(&mut self, file: i64) {
        match self.rows.iter_mut().find(|(number, _)| *number == file) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.rows.push((file, 1)),
        }
    }

    /// The numbers of the files that hold it.
    pub(crate) fn files(&self) -> BTreeSet<i64> {
        self.rows.iter().map(|(file, _)| *file).collect()
    }

    /// How many rows there are in the files for which `is` says so.
    pub(crate) fn count(&self, is: impl Fn(i64) -> bool) -> u64 {
        self.rows.iter().filter(|(file, _)| is(*file)).map(|(_, count)| count).sum()
    }
}

/// Which keys are shown.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// Those that stand more than once.
    Repeated,
    /// Those of which files of lower numbers hold a row.
    Below(usize),
}

impl Wanted {
    fn is_met(self, rows: u64, file: i64) -> bool {
        match self {
            Wanted::Repeated => rows > 1,
            Wanted::Below(end) => usize::try_from(file).is_ok_and(|file| file < end),
        }
    }
}

/// Walks over rows that are sorted by `key`, and shows each key that is wanted.
///
/// # Errors
/// Those of the stream.
pub(crate) async fn each_key(
    mut rows: RowStream,
    schema: &SchemaRef,
    key: &[usize],
    wanted: Wanted,
    mut show: impl FnMut(Group),
) -> Result<(), anabranch_rows::Error> {
    let codec = RowCodec::new(schema)?;
    let mut current: Vec<u8> = Vec::new();
    let mut group = Group::default();
    while let Some(batch) = rows.try_next().await? {
        let encoded = codec.encode(batch)?;
        for row in 0..encoded.rows() {
            let bytes = encoded.key(row, key);
            let file = file_of(&encoded, row);
            if group.rows.is_empty() || current != bytes {
                finish(&mut group, &mut show);
                current = bytes;
            }
            let stands = group.count(|_| true).saturating_add(1);
            if group.key.is_null() && wanted.is_met(stands, file) {
                // Written out for those only that are shown.
                let columns = encoded.batch().columns();
                group.key = json::row(schema, columns, row, key)?;
                group.has_null =
                    key.iter().any(|at| columns.get(*at).is_some_and(|array| array.is_null(row)));
            }
            group.count_in(file);
        }
    }
    finish(&mut group, &mut show);
    Ok(())
}

fn finish(group: &mut Group, show: &mut impl FnMut(Group)) {
    let group = std::mem::take(group);
    if !group.key.is_null() {
        show(group);
    }
}

fn file_of(encoded: &EncodedBatch, row: usize) -> i64 {
    let numbers = encoded.batch().column_by_name(FILE_COLUMN);
    let numbers = numbers.and_then(|column| column.as_primitive_opt::<Int64Type>());
    numbers.filter(|numbers| row < numbers.len()).map_or(-1, |numbers| numbers.value(row))
}
