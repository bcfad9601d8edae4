//! Ranges of keys, as plain values that can be sent to another machine, and how work is cut into them.

use serde::{Deserialize, Serialize};

/// A half-open range of encoded keys: from `start` on, before `end`. A bound may be the encoding of the first
/// columns of a key only; rows of one key never fall into two ranges that touch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeyRange {
    /// The first key; none: from the beginning.
    pub start: Option<Vec<u8>>,
    /// The first key that is not in it; none: to the end.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        KeyRange::default()
    }

    /// Whether a key is before the range.
    pub fn is_before(&self, key: &[u8]) -> bool {
        self.start.as_deref().is_some_and(|start| key < start)
    }

    /// Whether a key is after the range.
    pub fn is_after(&self, key: &[u8]) -> bool {
        self.end.as_deref().is_some_and(|end| key >= end)
    }

    /// Whether a key is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        !self.is_before(key) && !self.is_after(key)
    }
}

/// What is known of a file without reading it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileKeys {
    /// How many rows it has.
    pub rows: u64,
    /// The encoded least value of the key's first column, NULL included; none: unknown.
    pub least: Option<Vec<u8>>,
    /// The encoded greatest value of the key's first column, NaN included; none: unknown.
    pub greatest: Option<Vec<u8>>,
}

/// A piece of work that needs no other: a range of keys, and the files that can hold rows of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkRange {
    /// The keys.
    pub range: KeyRange,
    /// Indices of the files, in the order in which they were given.
    pub files: Vec<usize>,
}

/// Cuts the work on these files (of all three sides) into at most `pieces` ranges of about as many rows each.
/// The ranges cover all keys and do not overlap, so that running each on its own, anywhere, and putting the
/// results one after the other is the whole merge.
pub fn cut(files: &[FileKeys], pieces: usize) -> Vec<WorkRange> {
    let bounds = bounds(files, pieces.max(1));
    let starts = std::iter::once(None).chain(bounds.iter().cloned().map(Some));
    let ends = bounds.iter().cloned().map(Some).chain(std::iter::once(None));
    let ranges = starts.zip(ends).map(|(start, end)| KeyRange { start, end });
    let files_of = |range: KeyRange| {
        let touching = files.iter().enumerate().filter(|(_, file)| may_hold(file, &range));
        WorkRange { files: touching.map(|(index, _)| index).collect(), range }
    };
    ranges.map(files_of).collect()
}

/// Whether a file can have rows in a range. A bound is compared with the first column of a key only, so a file
/// whose greatest value begins the range is in.
pub fn may_hold(file: &FileKeys, range: &KeyRange) -> bool {
    // The first column of a key lies before a longer bound that begins with it.
    let ends_before = |greatest: &[u8], start: &[u8]| greatest < start && !start.starts_with(greatest);
    let begins_after = |least: &[u8], end: &[u8]| least >= end;
    let before = file.greatest.as_deref().zip(range.start.as_deref()).is_some_and(|(g, s)| ends_before(g, s));
    let after = file.least.as_deref().zip(range.end.as_deref()).is_some_and(|(l, e)| begins_after(l, e));
    !before && !after
}

/// The inner bounds: least values of files, at about equal numbers of rows.
fn bounds(files: &[FileKeys], pieces: usize) -> Vec<Vec<u8>> {
    let mut known: Vec<(&[u8], u64)> =
        files.iter().filter_map(|file| Some((file.least.as_deref()?, file.rows))).collect();
    known.sort();
    let total: u64 = known.iter().map(|(_, rows)| rows).sum();
    let mut bounds: Vec<Vec<u8>> = Vec::new();
    let mut before = 0;
    let lowest = known.first().map(|(least, _)| *least);
    for (least, rows) in &known {
        let due = total.saturating_mul(bounds.len() as u64 + 1) / pieces as u64;
        let fresh = Some(*least) != lowest && bounds.last().is_none_or(|last| last.as_slice() < *least);
        if bounds.len() + 1 < pieces && before >= due && fresh {
            bounds.push(least.to_vec());
        }
        before += rows;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_is_in_exactly_one_range_and_its_file_is_listed(
            files in prop::collection::vec((0u8..50, 0u8..20, 1u64..100, any::<bool>()), 0..12),
            pieces in 1usize..6,
        ) {
            let spans: Vec<(u8, u8)> = files.iter().map(|(least, width, ..)| (*least, least + width)).collect();
            let files: Vec<FileKeys> = files
                .iter()
                .map(|(least, width, rows, known)| FileKeys {
                    rows: *rows,
                    least: known.then(|| vec![*least]),
                    greatest: known.then(|| vec![least + width]),
                })
                .collect();
            let work = cut(&files, pieces);
            prop_assert!(work.len() <= pieces);
            for (index, (least, greatest)) in spans.iter().enumerate() {
                for first in *least..=*greatest {
                    for second in [0u8, 255] {
                        let key = [first, second];
                        let holding: Vec<&WorkRange> =
                            work.iter().filter(|w| w.range.contains(&key)).collect();
                        prop_assert_eq!(holding.len(), 1);
                        prop_assert!(holding[0].files.contains(&index));
                    }
                }
            }
        }
    }
}
