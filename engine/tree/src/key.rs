//! Keys of a tree and ranges of keys.

use std::borrow::Borrow;
use std::fmt;

use anabranch_types::ObjectPath;
use bytes::Bytes;

use crate::TreeError;
use crate::error::shown_key;

/// The key of an entry: UTF-8, 1 to 1,024 bytes, ordered bytewise. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// The most bytes that a key has.
    pub const BYTES_MAX: usize = ObjectPath::BYTES_MAX;

    /// Checks `key` and takes it.
    pub fn new(key: impl Into<Bytes>) -> Result<Key, TreeError> {
        let key = key.into();
        let rule = match key.len() {
            0 => "it is empty",
            length if length > Key::BYTES_MAX => "it is longer than 1,024 bytes",
            _ if std::str::from_utf8(&key).is_err() => "it is not UTF-8",
            _ => return Ok(Key(key)),
        };
        Err(TreeError::InvalidKey { key: shown_key(&key), rule })
    }

    /// Takes bytes that the node decoder has checked.
    pub(crate) fn from_checked(key: Bytes) -> Key {
        Key(key)
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        // Every constructor has checked that the bytes are UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&ObjectPath> for Key {
    fn from(path: &ObjectPath) -> Key {
        Key(Bytes::copy_from_slice(path.as_bytes()))
    }
}

impl From<ObjectPath> for Key {
    fn from(path: ObjectPath) -> Key {
        Key(Bytes::from(path.into_string().into_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// The keys from `start` (with it) to `end` (without it), bytewise; to the last key if there is no end.
///
/// The bounds need not be keys, nor UTF-8. A range whose end is not after its start is empty.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key that may be in the range.
    pub start: Vec<u8>,
    /// The first key after the range.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> KeyRange {
        KeyRange { start: Vec::new(), end: None }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        KeyRange { start: prefix.to_vec(), end: after_prefix(prefix) }
    }

    /// The one key `key`.
    pub fn single(key: &[u8]) -> KeyRange {
        KeyRange { start: key.to_vec(), end: Some(after_key(key)) }
    }

    /// From the first to the last of these keys, both included.
    pub fn between(first: &[u8], last: &[u8]) -> KeyRange {
        KeyRange { start: first.to_vec(), end: Some(after_key(last)) }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && is_before_end(key, self.end.as_deref())
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_deref().is_some_and(|end| end <= self.start.as_slice())
    }

    /// Whether every key of `other` is in this range.
    pub fn covers(&self, other: &KeyRange) -> bool {
        let end_covers = match (&self.end, &other.end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(its)) => its <= mine,
        };
        other.is_empty() || (self.start <= other.start && end_covers)
    }

    /// Whether a key can be in both ranges.
    pub fn overlaps(&self, other: &KeyRange) -> bool {
        !self.intersection(other).is_empty()
    }

    /// The keys that are in both ranges.
    pub fn intersection(&self, other: &KeyRange) -> KeyRange {
        let end = match (&self.end, &other.end) {
            (None, end) | (end, None) => end.clone(),
            (Some(mine), Some(its)) => Some(mine.min(its).clone()),
        };
        KeyRange { start: self.start.clone().max(other.start.clone()), end }
    }

    /// The longest prefix that every key in the range has.
    pub fn common_prefix(&self) -> &[u8] {
        let Some(end) = &self.end else {
            return &[];
        };
        // The largest key below `end` may differ from it in the last byte only: `[a/, a0)` is the prefix `a/`.
        let mut length = self.start.iter().zip(end).take_while(|(a, b)| a == b).count();
        let next_differs_by_one = match (self.start.get(length), end.get(length)) {
            (Some(low), Some(high)) => {
                high.checked_sub(1) == Some(*low) && end.len() == length.saturating_add(1)
            }
            _ => false,
        };
        if next_differs_by_one {
            length = length.saturating_add(1);
        }
        self.start.get(..length).unwrap_or_default()
    }
}

impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}, ", String::from_utf8_lossy(&self.start))?;
        match &self.end {
            Some(end) => write!(f, "{:?})", String::from_utf8_lossy(end)),
            None => f.write_str("…)"),
        }
    }
}

/// The first byte string after every one that begins with `prefix`; none if there is no such string.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    Some(end)
}

/// The first byte string after `key`.
pub fn after_key(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len().saturating_add(1));
    next.extend_from_slice(key);
    next.push(0);
    next
}

pub(crate) fn is_before_end(key: &[u8], end: Option<&[u8]>) -> bool {
    end.is_none_or(|end| key < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_holds_exactly_the_keys_with_the_prefix() {
        let range = KeyRange::prefix(b"a/");
        assert!(range.contains(b"a/") && range.contains("a/\u{10ffff}".as_bytes()));
        assert!(!range.contains(b"a") && !range.contains(b"a0"));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(KeyRange::prefix(b""), KeyRange::all());
    }

    #[test]
    fn the_common_prefix_of_a_range_is_exact() {
        assert_eq!(KeyRange::prefix(b"a/b/").common_prefix(), b"a/b/");
        assert_eq!(KeyRange::between(b"a/b/1", b"a/b/9").common_prefix(), b"a/b/");
        assert_eq!(KeyRange::single(b"a/b").common_prefix(), b"a/b");
        assert_eq!(KeyRange { start: b"a".to_vec(), end: Some(b"b1".to_vec()) }.common_prefix(), b"");
        assert_eq!(KeyRange::all().common_prefix(), b"");
    }

    #[test]
    fn ranges_intersect() {
        let left = KeyRange { start: b"a".to_vec(), end: Some(b"m".to_vec()) };
        let right = KeyRange { start: b"k".to_vec(), end: None };
        assert_eq!(left.intersection(&right), KeyRange { start: b"k".to_vec(), end: Some(b"m".to_vec()) });
        assert!(!left.overlaps(&KeyRange { start: b"m".to_vec(), end: None }));
        assert!(KeyRange::all().covers(&left) && !left.covers(&right));
    }

    #[test]
    fn keys_that_cannot_be_paths_are_refused() {
        assert!(Key::new("a/b").is_ok());
        assert!(Key::new("").is_err());
        assert!(Key::new(vec![b'x'; 1025]).is_err());
        assert!(Key::new(vec![0xff]).is_err());
    }
}
