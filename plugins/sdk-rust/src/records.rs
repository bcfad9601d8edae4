//! Three-way merge of rows. Pure.

pub mod plain;
mod unkeyed;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

pub use unkeyed::{Clash, merge_unkeyed};

use crate::{Failure, RowTotals, sequence};

/// A row with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<T, K = String> {
    /// Which row it is.
    pub key: K,
    /// Its content.
    pub value: T,
}

/// What rows are made of.
pub trait Row: Clone + PartialEq {
    /// How many cells differ.
    fn cells_changed(&self, other: &Self) -> u64;
}

/// Merged rows.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedRecords<T, K = String> {
    /// In order.
    pub records: Vec<Record<T, K>>,
    /// What the merge changed in ours.
    pub rows: RowTotals,
    /// Both sides put the rows that they share into orders that differ, and ours stands.
    pub order_clash: bool,
}

/// The first key that stands twice.
pub fn duplicate<T, K: Eq + Hash>(records: &[Record<T, K>]) -> Option<&K> {
    let mut seen = HashSet::new();
    records.iter().map(|record| &record.key).find(|key| !seen.insert(*key))
}

/// Merges rows with distinct keys. `both` merges a row that both sides changed, differently (base, ours and theirs, `None`
/// where a side lacks it), and answers what stands; `None` removes it.
///
/// # Errors
///
/// Those of `both`.
pub fn merge<T: Row, K: Eq + Hash + Clone>(
    base: &[Record<T, K>],
    ours: &[Record<T, K>],
    theirs: &[Record<T, K>],
    both: &mut dyn FnMut(&K, [Option<&T>; 3]) -> Result<Option<T>, Failure>,
) -> Result<MergedRecords<T, K>, Failure> {
    let order = sequence::order(&keys(base), &keys(ours), &keys(theirs));
    let rows = [base, ours, theirs].map(by_key);
    let mut merged = MergedRecords {
        records: Vec::with_capacity(order.items.len()),
        rows: RowTotals { added: 0, removed: 0, modified: 0, cells: 0 },
        order_clash: order.clash,
    };
    for key in order.items {
        let [base, ours, theirs] = rows.each_ref().map(|rows| rows.get(key).copied());
        let stands = if ours == theirs || base == theirs {
            ours.cloned()
        } else if base == ours {
            theirs.cloned()
        } else {
            both(key, [base, ours, theirs])?
        };
        count(&mut merged.rows, ours, stands.as_ref());
        merged.records.extend(stands.map(|value| Record { key: key.clone(), value }));
    }
    Ok(merged)
}

fn keys<T, K>(records: &[Record<T, K>]) -> Vec<&K> {
    records.iter().map(|record| &record.key).collect()
}

fn by_key<T, K: Eq + Hash>(records: &[Record<T, K>]) -> HashMap<&K, &T> {
    records.iter().map(|record| (&record.key, &record.value)).collect()
}

/// Counts what happened to a row.
pub fn count<T: Row>(rows: &mut RowTotals, before: Option<&T>, after: Option<&T>) {
    match (before, after) {
        (None, Some(_)) => rows.added += 1,
        (Some(_), None) => rows.removed += 1,
        (Some(before), Some(after)) if before != after => {
            rows.modified += 1;
            rows.cells += before.cells_changed(after);
        }
        _ => {}
    }
}

/// The rows of two states by key, in one order, that of `after` leading.
pub fn pairs<'t, T, K: Eq + Hash>(
    before: &'t [Record<T, K>],
    after: &'t [Record<T, K>],
) -> Vec<(&'t K, Option<&'t T>, Option<&'t T>)> {
    let (was, is) = (by_key(before), by_key(after));
    let order = sequence::order(&keys(before), &keys(after), &keys(before));
    order.items.into_iter().map(|key| (key, was.get(key).copied(), is.get(key).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for u32 {
        fn cells_changed(&self, _: &Self) -> u64 {
            1
        }
    }

    fn rows(text: &str) -> Vec<Record<u32>> {
        let row = |word: &str| {
            let (key, value) = word.split_once('=')?;
            Some(Record { key: key.to_owned(), value: value.parse().ok()? })
        };
        text.split_whitespace().map(|word| row(word).expect(word)).collect()
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let both = &mut |_: &String, [_, ours, theirs]: [Option<&u32>; 3]| Ok(ours.max(theirs).copied());
        let merged = merge(&rows(base), &rows(ours), &rows(theirs), both).expect("it decides");
        let told: Vec<String> =
            merged.records.iter().map(|record| format!("{}={}", record.key, record.value)).collect();
        let RowTotals { added, removed, modified, cells } = merged.rows;
        format!("{} +{added} -{removed} ~{modified}/{cells}", told.join(" "))
    }

    #[test]
    fn rows_are_merged_by_key() {
        assert_eq!(merged("a=1 b=1 c=1", "a=2 b=1 c=1", "a=1 c=1 d=1"), "a=2 c=1 d=1 +1 -1 ~0/0");
        assert_eq!(merged("a=1", "a=2", "a=3"), "a=3 +0 -0 ~1/1");
        assert_eq!(merged("a=1 b=1", "b=1", "a=1 b=5"), "b=5 +0 -0 ~1/1");
        assert_eq!(merged("", "a=1 b=1", "c=1 a=1"), "c=1 a=1 b=1 +1 -0 ~0/0");
        assert_eq!(duplicate(&rows("a=1 b=1 a=2")), Some(&"a".to_owned()));
    }
}
