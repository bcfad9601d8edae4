//! Three-way merge of rows. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::sequence::{self, Winner, part};
use crate::{Failure, RowTotals};

/// A row with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// Which row it is.
    pub key: String,
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
pub struct MergedRecords<T> {
    /// In order.
    pub records: Vec<Record<T>>,
    /// What the merge changed in ours.
    pub rows: RowTotals,
    /// Both sides put the rows that they share into orders that differ, and ours stands.
    pub order_clash: bool,
}

/// The first key that stands twice.
pub fn duplicate<T>(records: &[Record<T>]) -> Option<&str> {
    let mut seen = HashSet::new();
    records.iter().map(|record| record.key.as_str()).find(|key| !seen.insert(*key))
}

/// Merges rows with distinct keys. `both` merges a row that both sides changed, differently (base, ours and theirs, `None`
/// where a side lacks it), and answers what stands; `None` removes it.
///
/// # Errors
///
/// Those of `both`.
pub fn merge<T: Row>(
    base: &[Record<T>],
    ours: &[Record<T>],
    theirs: &[Record<T>],
    both: &mut dyn FnMut(&str, [Option<&T>; 3]) -> Result<Option<T>, Failure>,
) -> Result<MergedRecords<T>, Failure> {
    let keys = |records: &'_ [Record<T>]| records.iter().map(|record| record.key.clone()).collect::<Vec<_>>();
    let order = sequence::order(&keys(base), &keys(ours), &keys(theirs));
    let by_key = [base, ours, theirs].map(|records| {
        records.iter().map(|record| (record.key.as_str(), &record.value)).collect::<HashMap<_, _>>()
    });
    let mut merged = MergedRecords {
        records: Vec::with_capacity(order.items.len()),
        rows: RowTotals { added: 0, removed: 0, modified: 0, cells: 0 },
        order_clash: order.clash,
    };
    for key in order.items {
        let [base, ours, theirs] = by_key.each_ref().map(|rows| rows.get(key.as_str()).copied());
        let stands = if ours == theirs || base == theirs {
            ours.cloned()
        } else if base == ours {
            theirs.cloned()
        } else {
            both(&key, [base, ours, theirs])?
        };
        count(&mut merged.rows, ours, stands.as_ref());
        merged.records.extend(stands.map(|value| Record { key, value }));
    }
    Ok(merged)
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

/// The keys of two states in one order, that of `after` leading.
pub fn keys_of_both<T>(before: &[Record<T>], after: &[Record<T>]) -> Vec<String> {
    let keys = |records: &[Record<T>]| records.iter().map(|record| record.key.clone()).collect::<Vec<_>>();
    let (before, after) = (keys(before), keys(after));
    sequence::order(&before, &after, &before).items
}

/// Rows that both sides changed, differently, where rows have no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash<'a, T> {
    /// The first of these rows in the base, from 0 on.
    pub start: usize,
    /// The rows in the base.
    pub base: &'a [T],
    /// The rows in ours.
    pub ours: &'a [T],
    /// The rows in theirs.
    pub theirs: &'a [T],
}

/// Merges rows without keys, as lines are merged, with one difference: what both sides inserted in one place stands there
/// one behind the other, ours first. Equal rows that both inserted there stand once. `decide` answers what stands in
/// the place of rows that both changed.
///
/// # Errors
///
/// Those of `decide`.
pub fn merge_unkeyed<T: Eq + Hash + Clone>(
    base: &[T],
    ours: &[T],
    theirs: &[T],
    decide: &mut dyn FnMut(&Clash<'_, T>) -> Result<Vec<T>, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut merged = Vec::with_capacity(ours.len().max(theirs.len()));
    for region in sequence::regions(base, ours, theirs) {
        let start = region.base.start;
        let (base, ours, theirs) =
            (part(base, region.base), part(ours, region.ours), part(theirs, region.theirs));
        match region.winner {
            Winner::Ours => merged.extend_from_slice(ours),
            Winner::Theirs => merged.extend_from_slice(theirs),
            Winner::Nobody if base.is_empty() => {
                merged.extend_from_slice(ours);
                merged.extend(beyond(ours, theirs).cloned());
            }
            Winner::Nobody => merged.extend(decide(&Clash { start, base, ours, theirs })?),
        }
    }
    Ok(merged)
}

/// The items of `theirs` that `ours` does not have, as often as they stand there more often.
fn beyond<'t, T: Eq + Hash>(ours: &[T], theirs: &'t [T]) -> impl Iterator<Item = &'t T> {
    let mut had: HashMap<&T, usize> = HashMap::new();
    for item in ours {
        *had.entry(item).or_default() += 1;
    }
    let new: Vec<&T> = theirs
        .iter()
        .filter(|item| match had.get_mut(item) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect();
    new.into_iter()
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
        let both = &mut |_: &str, [_, ours, theirs]: [Option<&u32>; 3]| Ok(ours.max(theirs).copied());
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
        assert_eq!(duplicate(&rows("a=1 b=1 a=2")), Some("a"));
    }

    #[test]
    fn rows_without_keys_are_kept_on_both_sides_where_both_inserted() {
        let run = |base: &str, ours: &str, theirs: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let decide = &mut |clash: &Clash<'_, char>| Ok(vec!['<', clash.base[0], '>']);
            let merged =
                merge_unkeyed(&chars(base), &chars(ours), &chars(theirs), decide).expect("it decides");
            merged.into_iter().collect::<String>()
        };
        assert_eq!(run("ab", "abx", "aby"), "abxy");
        assert_eq!(run("ab", "abx", "abxy"), "abxy");
        assert_eq!(run("ab", "abxx", "abxxx"), "abxxx");
        assert_eq!(run("abc", "axc", "ayc"), "a<b>c");
        assert_eq!(run("abc", "ac", "abcd"), "acd");
    }
}
