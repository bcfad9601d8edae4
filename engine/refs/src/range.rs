//! Ranges of keys in bytewise order, and the overlay of several staging areas.

use std::collections::BTreeMap;

use crate::{ScanRange, StagedPage, StagedRow, StagedValue};

/// A half-open range of keys as bytes: from `from` (included) to `until` (excluded).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyRange {
    pub(crate) from: Vec<u8>,
    pub(crate) until: Vec<u8>,
}

impl KeyRange {
    /// The keys that begin with `prefix` and are greater than `after`.
    pub(crate) fn new(prefix: &str, after: Option<&str>) -> Self {
        // Nothing lies between a string and itself with a zero byte appended.
        let beyond = after.map(|after| [after.as_bytes(), &[0]].concat());
        let from = beyond.unwrap_or_default().max(prefix.as_bytes().to_vec());
        KeyRange { from, until: end_of_prefix(prefix) }
    }
}

impl From<&ScanRange> for KeyRange {
    fn from(range: &ScanRange) -> Self {
        KeyRange::new(&range.prefix, range.after.as_deref())
    }
}

/// The least byte string above all UTF-8 strings that begin with `prefix`.
fn end_of_prefix(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // The byte 0xFF occurs nowhere in UTF-8, so this neither overflows nor skips a key.
        Some(last) => *last = last.saturating_add(1),
        None => end.push(0xFF),
    }
    end
}

/// Splits off what a page of `limit` does not hold. Backends read one row more than they give, to know of `more`.
pub(crate) fn cut_page<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

/// The page over several staging areas (newest first). Each must bring its first `limit + 1` rows of the range.
pub(crate) fn overlay(areas: Vec<Vec<StagedRow>>, limit: usize) -> StagedPage {
    let mut newest: BTreeMap<String, StagedValue> = BTreeMap::new();
    for row in areas.into_iter().rev().flatten() {
        newest.insert(row.path, row.value);
    }
    let more = newest.len() > limit;
    let rows = newest.into_iter().take(limit).map(|(path, value)| StagedRow { path, value }).collect();
    StagedPage { rows, more }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_holds_exactly_the_keys_of_the_prefix_beyond_after(
            key in "[a\u{0}\u{7f}é\u{10ffff}]{0,4}",
            prefix in "[a\u{0}\u{7f}é\u{10ffff}]{0,2}",
            after in prop::option::of("[a\u{0}\u{7f}é\u{10ffff}]{0,4}"),
        ) {
            let range = KeyRange::new(&prefix, after.as_deref());
            let inside = range.from.as_slice() <= key.as_bytes() && key.as_bytes() < range.until.as_slice();
            let expected = key.starts_with(&prefix) && after.is_none_or(|after| key > after);
            prop_assert_eq!(inside, expected);
        }

        #[test]
        fn an_overlay_of_pages_is_the_page_of_the_overlay(
            areas in prop::collection::vec(prop::collection::btree_map("[a-e]{1,2}", any::<bool>(), 0..8), 0..4),
            limit in 0usize..10,
        ) {
            let row = |(path, deleted): (&String, &bool)| StagedRow {
                path: path.clone(),
                value: if *deleted {
                    StagedValue::Deleted
                } else {
                    StagedValue::Present { entry: bytes::Bytes::new(), etag: path.clone() }
                },
            };
            let mut model = BTreeMap::new();
            for area in areas.iter().rev() {
                model.extend(area.iter().map(|(path, deleted)| (path.clone(), *deleted)));
            }
            let pages = areas.iter().map(|area| area.iter().take(limit + 1).map(row).collect()).collect();
            let page = overlay(pages, limit);
            prop_assert_eq!(page.rows, model.iter().take(limit).map(row).collect::<Vec<_>>());
            prop_assert_eq!(page.more, model.len() > limit);
        }
    }
}
