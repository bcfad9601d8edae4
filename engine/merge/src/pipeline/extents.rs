//! Where one side changed something, as far as a walk says it without opening more: questions about it read nothing.

use anabranch_tree::{KeyRange, WalkItem};

use super::survey::Side;
use crate::roots::folder_prefix;

/// Single keys and unopened ranges, in order and apart from one another.
pub(super) struct Extents<'w>(Vec<Extent<'w>>);

struct Extent<'w> {
    start: &'w [u8],
    /// The first key behind it; that of a single key is its successor.
    end: End<'w>,
}

enum End<'w> {
    Itself,
    Before(&'w [u8]),
    Nowhere,
}

impl<'w> Extent<'w> {
    fn of(range: &'w KeyRange) -> Extent<'w> {
        let end = range.end.as_deref().map_or(End::Nowhere, End::Before);
        Extent { start: &range.start, end }
    }

    fn ends_before(&self, key: &[u8]) -> bool {
        match self.end {
            End::Itself => self.start < key,
            End::Before(end) => end <= key,
            End::Nowhere => false,
        }
    }
}

impl<'w> Extents<'w> {
    /// Where a side changed something according to a walk.
    pub(super) fn of_walk(items: &'w [WalkItem], side: Side) -> Extents<'w> {
        let extent = |item: &'w WalkItem| match (item, side) {
            (WalkItem::Entry { key, base, ours: own, .. }, Side::Ours)
            | (WalkItem::Entry { key, base, theirs: own, .. }, Side::Theirs)
                if base != own =>
            {
                Some(Extent { start: key.as_bytes(), end: End::Itself })
            }
            (WalkItem::OnlyOurs { range }, Side::Ours) | (WalkItem::OnlyTheirs { range }, Side::Theirs) => {
                Some(Extent::of(range))
            }
            _ => None,
        };
        Extents(items.iter().filter_map(extent).collect())
    }

    /// Ranges in order.
    pub(super) fn of_ranges(ranges: &'w [KeyRange]) -> Extents<'w> {
        Extents(ranges.iter().map(Extent::of).collect())
    }

    /// The first one that does not end before a key.
    fn from(&self, key: &[u8]) -> Option<&Extent<'w>> {
        self.0.get(self.0.partition_point(|extent| extent.ends_before(key)))
    }

    /// Whether this very key may have changed.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.from(key).is_some_and(|extent| extent.start <= key)
    }

    /// Whether something in a folder, at any depth, may have changed.
    pub(super) fn anything_in(&self, folder: &str) -> bool {
        let prefix = folder_prefix(folder);
        let prefix = prefix.as_bytes();
        self.from(prefix).is_some_and(|extent| extent.start < prefix || extent.start.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_keys_are_found_where_they_reach() {
        let range = |start: &str, end: Option<&str>| KeyRange {
            start: start.as_bytes().to_vec(),
            end: end.map(|end| end.as_bytes().to_vec()),
        };
        let ranges = [range("a/b/1", Some("a/c/2")), range("d/x", Some("d/y")), range("f", None)];
        let extents = Extents::of_ranges(&ranges);
        for (folder, is_in) in
            [("", true), ("a", true), ("a/b", true), ("a/bb", true), ("a/c", true), ("a/d", false)]
        {
            assert_eq!(extents.anything_in(folder), is_in, "{folder}");
        }
        for (folder, is_in) in [("b", false), ("d", true), ("d/x", true), ("d/y", false), ("g/h", true)] {
            assert_eq!(extents.anything_in(folder), is_in, "{folder}");
        }
        for (key, is_in) in [("a/b/0", false), ("a/b/1", true), ("a/c/2", false), ("d/y", false), ("z", true)]
        {
            assert_eq!(extents.contains(key.as_bytes()), is_in, "{key}");
        }
    }
}
