//! The parts that an object was put together from: their sizes are kept, so that one can be read by its number.

use std::fmt::Write;
use std::ops::Range;

use anabranch_types::{Attribute, Entry, ObjectPath};

use crate::AppError;
use crate::objects::check_size;

/// The name of the attribute.
const SIZES: &str = "sizes";
/// What the sizes take at most as text, in an entry that every listing reads. Clients cut objects into parts of one size;
/// only an object of many different ones has its sizes not kept.
const TEXT_BYTES_MAX: usize = 512;

/// One part of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRange {
    /// Where its bytes are.
    pub range: Range<u64>,
    /// How many parts the object has; 0 for one that was written in one piece.
    pub count: u32,
}

/// The bytes of a part of an object, the first one being 1. An object in one piece is its own first part.
///
/// # Errors
/// [`AppError::NoSuchPart`]; [`AppError::PartsUnknown`] for an object whose sizes were not kept.
pub fn part_range(path: &str, entry: &Entry, number: u32) -> Result<PartRange, AppError> {
    let count = entry.parts;
    if number == 0 || number > count.max(1) {
        return Err(AppError::NoSuchPart { path: path.to_owned(), number, parts: count.max(1) });
    }
    if count <= 1 {
        return Ok(PartRange { range: 0..entry.size, count });
    }
    let sizes = entry.attributes(Attribute::Parts).find(|(name, _)| *name == SIZES);
    let range = sizes.and_then(|(_, text)| range_in(text, entry, number));
    let unknown = || AppError::PartsUnknown { path: path.to_owned(), parts: count };
    range.map(|range| PartRange { range, count }).ok_or_else(unknown)
}

/// Makes an entry carry the sizes of its parts, where there is room for them beside what its user attached.
pub(crate) fn attach(path: &ObjectPath, entry: &mut Entry, sizes: impl IntoIterator<Item = u64>) {
    let text = written(sizes);
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    entry.replace_attributes(Attribute::Parts, [(SIZES.to_owned(), text)]);
    if check_size(path, entry).is_err() {
        entry.replace_attributes(Attribute::Parts, []);
    }
}

/// `8388608*119,77`: equal sizes in a row with their number.
fn written(sizes: impl IntoIterator<Item = u64>) -> String {
    let mut text = String::new();
    let mut run = None;
    let mut end = |run: Option<(u64, u32)>| {
        if let Some((size, count)) = run {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = match count {
                1 => write!(text, "{comma}{size}"),
                count => write!(text, "{comma}{size}*{count}"),
            };
        }
    };
    for size in sizes {
        run = match run {
            Some((last, count)) if last == size => Some((size, count + 1)),
            before => {
                end(before);
                Some((size, 1))
            }
        };
    }
    end(run);
    text
}

/// Where a part is, if the sizes are those of this entry's parts.
fn range_in(text: &str, entry: &Entry, number: u32) -> Option<Range<u64>> {
    let (mut begin, mut counted, mut found) = (0_u64, 0_u32, None);
    for run in text.split(',') {
        let (size, count) = run.split_once('*').unwrap_or((run, "1"));
        let (size, count): (u64, u32) = (size.parse().ok()?, count.parse().ok()?);
        let after = counted.checked_add(count)?;
        if counted < number && number <= after {
            let start = begin.checked_add(size.checked_mul(u64::from(number - counted - 1))?)?;
            found = Some(start..start.checked_add(size)?);
        }
        begin = begin.checked_add(size.checked_mul(u64::from(count))?)?;
        counted = after;
    }
    found.filter(|_| begin == entry.size && counted == entry.parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anabranch_types::{Address, Checksum, ObjectKey};
    use proptest::prelude::*;

    use super::*;

    fn entry(sizes: &[u64]) -> Entry {
        let size = sizes.iter().sum();
        let mut entry = Entry {
            address: Address { object: ObjectKey::new("data/x"), offset: 0, length: size },
            size,
            checksum: Checksum::from_md5([0; 16]),
            parts: sizes.len() as u32,
            modified_ms: 0,
            content_type: String::new(),
            metadata: BTreeMap::new(),
        };
        attach(&ObjectPath::new("a").unwrap(), &mut entry, sizes.iter().copied());
        entry
    }

    #[test]
    fn what_the_user_attached_comes_first() {
        let mut full = entry(&[]);
        full.metadata = BTreeMap::from([("note".to_owned(), "x".repeat(7_930))]);
        let before = full.clone();
        attach(&ObjectPath::new("a").unwrap(), &mut full, [5, 2]);
        assert_eq!(full, before);
    }

    #[test]
    fn equal_sizes_are_written_once() {
        assert_eq!(written([5; 10_000].into_iter().chain([3])), "5*10000,3");
        assert_eq!(written([1, 2, 2, 1]), "1,2*2,1");
        assert_eq!(written([]), "");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let plain = Entry { parts: 0, ..entry(&[7]) };
        assert_eq!(part_range("a", &plain, 1).unwrap(), PartRange { range: 0..7, count: 0 });
        for (entry, number) in [(&plain, 2), (&entry(&[5, 2]), 3), (&entry(&[5, 2]), 0)] {
            let missing = part_range("a", entry, number);
            assert!(matches!(missing, Err(AppError::NoSuchPart { .. })), "{number}: {missing:?}");
        }
        // More different sizes than are kept, as in an object that was written before they were.
        let many: Vec<u64> = (0..200).collect();
        let unknown = part_range("a", &entry(&many), 4);
        assert!(matches!(unknown, Err(AppError::PartsUnknown { parts: 200, .. })), "{unknown:?}");
    }

    proptest! {
        #[test]
        fn parts_follow_one_another(sizes in prop::collection::vec(prop_oneof![Just(5_u64), 0_u64..9], 1..40)) {
            let entry = entry(&sizes);
            let mut begin = 0;
            for (number, size) in (1..).zip(&sizes) {
                let part = part_range("a", &entry, number).unwrap();
                prop_assert_eq!(part, PartRange { range: begin..begin + size, count: sizes.len() as u32 });
                begin += size;
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9*,x]{0,40}", number in 1_u32..5) {
            let mut entry = entry(&[5, 5, 2]);
            entry.replace_attributes(Attribute::Parts, [(SIZES.to_owned(), text)]);
            if let Ok(part) = part_range("a", &entry, number) {
                prop_assert!(part.range.start <= part.range.end && part.range.end <= entry.size);
            }
        }
    }
}
