//! How much memory rows take once they are decoded, and how many of them are decoded at a time.
//!
//! A page takes as much as it says, but its rows may take far more: one large value of a dictionary stands in many rows, values share their
//! beginnings, values that are missing are filled up, and one row may have thousands of millions of values in a few bytes.
//!
//! Source: the Parquet format, `Encodings.md`, and the Arrow format for what is filled up.

use std::ops::Range;

use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::basic::Type;
use parquet::file::metadata::ColumnChunkMetaData;

use super::Column;
use super::lengths::Lengths;
use super::levels::Spread;
use super::look::{longest, look};

/// What a value takes beside its own bytes, at most: its place, whether it is there, its levels.
const SLOT: u64 = 32;
/// Rows that take more, and three times more than one of them, are decoded in smaller batches.
const BATCH_BYTES_MAX: u64 = 32 << 20;
/// The most that a single row may take.
const ROW_BYTES_MAX: u64 = 2 << 30;
/// How long a dictionary is before it is looked at how long its values are.
const UNSEEN_BYTES_MAX: u64 = 1 << 10;

/// Encodings, by their numbers.
const PLAIN_DICTIONARY: i32 = 2;
const DELTA_LENGTH_BYTE_ARRAY: i32 = 6;
const DELTA_BYTE_ARRAY: i32 = 7;
const RLE_DICTIONARY: i32 = 8;

/// A page of values, as its header describes it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct DataPage {
    /// How many values it has, missing ones counted.
    pub(super) values: u64,
    pub(super) bytes: u64,
    pub(super) encoding: i32,
}

/// How many values are made for those that are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Filling {
    /// For a row.
    of_row: u64,
    /// For a value.
    of_value: u64,
}

impl Filling {
    pub(in super::super) const NONE: Filling = Filling { of_row: 1, of_value: 1 };
}

/// How the leaves of a schema are filled up, in their order: a list of fixed length has all its values also where it is missing.
pub(in super::super) fn fillings(schema: &Schema) -> Vec<Filling> {
    let mut leaves = Vec::new();
    for field in schema.fields() {
        add_fillings(field, Filling::NONE, false, &mut leaves);
    }
    leaves
}

fn add_fillings(field: &FieldRef, filling: Filling, in_list: bool, leaves: &mut Vec<Filling>) {
    match field.data_type() {
        DataType::Struct(fields) => {
            fields.iter().for_each(|field| add_fillings(field, filling, in_list, leaves))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => add_fillings(item, filling, true, leaves),
        DataType::FixedSizeList(item, length) => {
            let mut inner = filling;
            let of = if in_list { &mut inner.of_value } else { &mut inner.of_row };
            *of = of.saturating_mul(u64::try_from(*length).unwrap_or_default().max(1));
            add_fillings(item, inner, in_list, leaves);
        }
        _ => leaves.push(filling),
    }
}

/// What the rows of a column take.
#[derive(Debug)]
pub(in super::super) enum Profile {
    /// All of them together, whatever that is a row.
    Few(u64),
    Spans(Vec<Span>),
}

/// The rows of a page.
#[derive(Debug)]
pub(in super::super) struct Span {
    rows: Range<u64>,
    /// What all of them take.
    all: u64,
    /// What one takes, at most.
    one: u64,
}

impl Profile {
    /// What so many rows in a row take, at most.
    pub(in super::super) fn needed(&self, rows: u64) -> u64 {
        let spans = match self {
            Profile::Few(bytes) => return *bytes,
            Profile::Spans(spans) => spans,
        };
        let cost = |span: &Span| {
            // The row that it goes on with is one more.
            let most = rows.min(span.rows.end.saturating_sub(span.rows.start));
            span.all.min(most.saturating_mul(span.one))
        };
        // Those that begin with the last row of a span reach furthest.
        let (mut worst, mut sum) = (0_u64, 0_u64);
        let mut ahead = spans.iter().peekable();
        for span in spans {
            let end = span.rows.end.saturating_sub(1).saturating_add(rows);
            while let Some(next) = ahead.next_if(|next| next.rows.start < end) {
                sum = sum.saturating_add(cost(next));
            }
            worst = worst.max(sum);
            sum = sum.saturating_sub(cost(span));
        }
        worst
    }
}

/// How many rows are decoded at a time: `most`, or fewer where they take much and fewer take less.
///
/// # Errors
///
/// A row takes too much.
pub(super) fn batch_rows(columns: &[Profile], most: usize) -> Result<usize, String> {
    let needed = |rows: usize| {
        columns.iter().fold(0_u64, |sum, column| sum.saturating_add(column.needed(rows as u64)))
    };
    let one = needed(1);
    if one > ROW_BYTES_MAX {
        return Err(format!(
            "a row of it may take {one} bytes when it is decoded; at most {ROW_BYTES_MAX} are read"
        ));
    }
    // Of an ordinary page a single row may be all, as far as can be seen, and rows that lie beside each other may lie in two.
    let enough = BATCH_BYTES_MAX.max(one.saturating_mul(3));
    let mut rows = most.max(1);
    while rows > 1 && needed(rows) > enough {
        rows /= 2;
    }
    Ok(rows)
}

/// Refuses a dictionary that has more values than there can be: the decoder makes room for as many as it says.
///
/// # Errors
///
/// It has more.
pub(super) fn check_dictionary(chunk: &ColumnChunkMetaData, dictionary: &DataPage) -> Result<(), String> {
    let leaf = chunk.column_descr();
    let least = match leaf.physical_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(leaf.type_length()).unwrap_or_default().max(1),
    };
    match dictionary.values.checked_mul(least) {
        Some(bytes) if bytes <= dictionary.bytes => Ok(()),
        _ => Err(format!(
            "a dictionary of it says that it has {} values, and has {} bytes",
            dictionary.values, dictionary.bytes
        )),
    }
}

/// What the rows of a column take. Lists that take no more than `few` together are not looked at one by one.
///
/// # Errors
///
/// Its pages cannot be decoded.
pub(super) async fn profile(
    chunk: &ColumnChunkMetaData,
    column: &Column,
    pages: &[DataPage],
    dictionary: u64,
    few: u64,
) -> Result<Profile, String> {
    let leaf = chunk.column_descr();
    let fixed = match leaf.physical_type() {
        Type::BYTE_ARRAY => None,
        Type::FIXED_LEN_BYTE_ARRAY => Some(u64::try_from(leaf.type_length()).unwrap_or_default()),
        // Decimals of any width take no more than a slot has room for.
        _ => Some(0),
    };
    let longest = match fixed {
        None if pages.iter().any(DataPage::is_of_dictionary) && dictionary > UNSEEN_BYTES_MAX => {
            longest(chunk, column)?.min(dictionary)
        }
        _ => dictionary,
    };
    let costs: Vec<Cost> = pages.iter().map(|page| Cost::of(page, fixed, longest, column.filling)).collect();
    let all = costs.iter().fold(0_u64, |sum, cost| sum.saturating_add(cost.all));
    let has_lengths = pages.iter().any(DataPage::has_lengths);
    let has_lists = leaf.max_rep_level() > 0;
    if has_lists && all <= few && !has_lengths && column.filling.of_row <= 1 {
        return Ok(Profile::Few(all));
    }
    let looked = has_lists || has_lengths;
    let mut looks = match looked {
        true => look(chunk, column, pages.len()).await?,
        false => Vec::new(),
    }
    .into_iter();
    let slot = fixed.unwrap_or_default().saturating_add(SLOT);
    let filled = match column.filling.of_row {
        1 => 0,
        values => values.saturating_mul(slot),
    };
    let costs = costs.into_iter().filter(|cost| cost.values > 0).map(|cost| {
        let spread = || if has_lists { Spread::unknown(cost.values) } else { Spread::flat(cost.values) };
        match looks.next() {
            Some(look) => (look.spread, cost.with(look.lengths.filter(|_| fixed.is_none()), column.filling)),
            // More pages than the decoder finds are not decoded.
            None => (spread(), cost),
        }
    });
    Ok(Profile::Spans(spans(costs, filled)))
}

/// What the values of a page take.
struct Cost {
    values: u64,
    /// All together.
    all: u64,
    /// One, at most.
    one: u64,
}

impl Cost {
    fn of(page: &DataPage, fixed: Option<u64>, longest: u64, filling: Filling) -> Cost {
        let slots = page.values.saturating_mul(SLOT);
        let (all, one) = match fixed {
            Some(bytes) => (page.values.saturating_mul(bytes).saturating_add(slots), bytes),
            None if page.is_of_dictionary() => {
                (page.values.saturating_mul(longest).saturating_add(slots), longest)
            }
            // Values may have the whole of one before them in common.
            None if page.encoding == DELTA_BYTE_ARRAY => {
                (page.values.saturating_mul(page.bytes).saturating_add(slots), page.bytes)
            }
            None => (page.bytes.saturating_add(slots), page.bytes),
        };
        Cost {
            values: page.values,
            all: all.saturating_mul(filling.of_value),
            one: one.saturating_add(SLOT).saturating_mul(filling.of_value),
        }
    }

    /// What they take if they are so long.
    fn with(self, lengths: Option<Lengths>, filling: Filling) -> Cost {
        let Some(Lengths { sum, longest }) = lengths else { return self };
        let slots = self.values.saturating_mul(SLOT);
        Cost {
            all: sum.saturating_add(slots).saturating_mul(filling.of_value),
            one: longest.saturating_add(SLOT).saturating_mul(filling.of_value),
            ..self
        }
    }
}

impl DataPage {
    /// Whether how long its values are is encoded by itself.
    fn has_lengths(&self) -> bool {
        matches!(self.encoding, DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY)
    }

    fn is_of_dictionary(&self) -> bool {
        matches!(self.encoding, PLAIN_DICTIONARY | RLE_DICTIONARY)
    }
}

/// The rows of pages, each of which takes `filled` at least.
fn spans(costs: impl Iterator<Item = (Spread, Cost)>, filled: u64) -> Vec<Span> {
    let mut begun = 0_u64;
    let spans = costs.map(|(of, cost)| {
        let start = begun.saturating_sub(u64::from(of.goes_on));
        begun = begun.saturating_add(of.begun);
        let rows = start..begun.max(start.saturating_add(1));
        let count = rows.end.saturating_sub(rows.start);
        let one = of.longest.saturating_mul(cost.one).max(filled);
        Span { all: cost.all.saturating_add(count.saturating_mul(filled)), one, rows }
    });
    spans.collect()
}

#[cfg(test)]
#[path = "bounds/tests.rs"]
mod tests;
