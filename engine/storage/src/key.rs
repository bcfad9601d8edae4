//! Which keys every storage takes, and the keys of the objects that the server writes.

use anabranch_types::{Clock, IdSource, ObjectKey};
use base32::Alphabet;

use crate::StorageError;

/// The longest key, in bytes: S3's limit.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Objects of one hour share a slice, so that garbage collection can go through them by age.
const SLICE_MS: u64 = 3_600_000;

const TIME_MASK: u64 = (1 << 48) - 1;
const ALPHABET: Alphabet = Alphabet::Rfc4648HexLower { padding: false };

/// Checks the rules that are the same for all storages, so that what one takes, each takes.
///
/// A key has 1 to 1,024 bytes in segments between `/`; no segment is empty, `.` or `..`, and there are no
/// control characters.
pub fn check_key(key: &ObjectKey) -> Result<(), StorageError> {
    let text = key.as_str();
    if text.is_empty() {
        return Err(refused(key, "it is empty"));
    }
    if text.len() > KEY_BYTES_MAX {
        return Err(refused(key, "it has more than 1,024 bytes"));
    }
    if text.chars().any(|c| c.is_control()) {
        return Err(refused(key, "it has a control character"));
    }
    for segment in text.split('/') {
        match segment {
            "" => return Err(refused(key, "it has an empty segment (`//`, or a `/` at either end)")),
            "." | ".." => {
                return Err(refused(key, "it has a segment `.` or `..`, which a folder would resolve"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The error for a key that breaks `rule`.
pub(crate) fn refused(key: &ObjectKey, rule: &'static str) -> StorageError {
    StorageError::InvalidKey { key: key.as_str().chars().take(80).collect(), rule }
}

/// What a key `data/<slice>/<id>` is made of, each part 20 base32hex characters.
///
/// The id is the time in milliseconds (6 bytes, big-endian), then 6 random bytes; the slice is the hour of that time,
/// then the tag. So keys sort by slice and time, and neither a clash nor a guess is to be expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyParts {
    /// When the key was made, in milliseconds since the Unix epoch: at most 48 bits.
    pub time_ms: u64,
    /// What makes it unlike every other.
    pub random: [u8; 6],
    /// Zero in the keys that the server makes for its own writes; otherwise what tells that it gave the key away.
    pub tag: [u8; 6],
}

impl KeyParts {
    /// Fresh parts, with a tag of zero.
    pub fn fresh(clock: &dyn Clock, ids: &dyn IdSource) -> Self {
        let mut random = [0; 6];
        ids.fill(&mut random);
        KeyParts { time_ms: u64::try_from(clock.now_ms()).unwrap_or(0) & TIME_MASK, random, tag: [0; 6] }
    }

    /// The key.
    pub fn key(&self) -> ObjectKey {
        let slice = encode(self.time_ms - self.time_ms % SLICE_MS, self.tag);
        let id = encode(self.time_ms, self.random);
        ObjectKey::new(format!("data/{slice}/{id}"))
    }

    /// The parts of a key; none if it is not of this form.
    pub fn of(key: &ObjectKey) -> Option<Self> {
        let (slice, id) = key.as_str().strip_prefix("data/")?.split_once('/')?;
        let ((_, tag), (time_ms, random)) = (decode(slice)?, decode(id)?);
        let parts = KeyParts { time_ms, random, tag };
        (parts.key() == *key).then_some(parts)
    }
}

/// A fresh key for an object that the server writes. See [`KeyParts`].
pub fn new_object_key(clock: &dyn Clock, ids: &dyn IdSource) -> ObjectKey {
    KeyParts::fresh(clock, ids).key()
}

fn encode(time_ms: u64, rest: [u8; 6]) -> String {
    let [_, _, time @ ..] = time_ms.to_be_bytes();
    let mut id = [0; 12];
    for (target, byte) in id.iter_mut().zip(time.into_iter().chain(rest)) {
        *target = byte;
    }
    base32::encode(ALPHABET, &id)
}

fn decode(text: &str) -> Option<(u64, [u8; 6])> {
    let bytes = base32::decode(ALPHABET, text)?;
    let (time, rest) = bytes.split_first_chunk::<6>()?;
    let time_ms = time.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
    Some((time_ms, rest.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_types::test_support::{ManualClock, SeededIds};
    use expect_test::{Expect, expect};

    fn check(key: &str, expect: Expect) {
        let answer = match check_key(&ObjectKey::new(key)) {
            Ok(()) => "taken".to_string(),
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&answer);
    }

    #[test]
    fn keys_that_a_folder_would_resolve_are_refused() {
        check("a/b-c/ü.txt", expect!["taken"]);
        check("...", expect!["taken"]);
        check("", expect![[r#"object key "" is refused: it is empty"#]]);
        check(
            "/a",
            expect![[
                r#"object key "/a" is refused: it has an empty segment (`//`, or a `/` at either end)"#
            ]],
        );
        check(
            "a/",
            expect![[
                r#"object key "a/" is refused: it has an empty segment (`//`, or a `/` at either end)"#
            ]],
        );
        check(
            "a/../b",
            expect![[
                r#"object key "a/../b" is refused: it has a segment `.` or `..`, which a folder would resolve"#
            ]],
        );
        check("a\0b", expect![[r#"object key "a\0b" is refused: it has a control character"#]]);
    }

    #[test]
    fn the_longest_key_is_taken_and_one_byte_more_is_refused() {
        let longest = "abc/".repeat(KEY_BYTES_MAX / 4 - 1) + "abcd";
        assert!(check_key(&ObjectKey::new(longest.clone())).is_ok());
        assert!(check_key(&ObjectKey::new(longest + "e")).is_err());
    }

    #[test]
    fn object_keys_sort_by_time_and_share_the_slice_of_their_hour() {
        let clock = ManualClock::at(1_767_225_600_000);
        let ids = SeededIds::new(7);
        let first = new_object_key(&clock, &ids);
        let twin = new_object_key(&clock, &ids);
        clock.advance(3_599_999);
        let same_hour = new_object_key(&clock, &ids);
        clock.advance(1);
        let next_hour = new_object_key(&clock, &ids);
        let slice = |key: &ObjectKey| key.as_str().split('/').nth(1).unwrap().to_string();

        assert_ne!(first, twin);
        assert_eq!(slice(&first), slice(&same_hour));
        assert!(slice(&same_hour) < slice(&next_hour));
        assert!(first < same_hour && same_hour < next_hour);
        for key in [&first, &next_hour] {
            let parts: Vec<&str> = key.as_str().split('/').collect();
            assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("data", 20, 20), "{key}");
        }
    }

    #[test]
    fn the_parts_of_a_key_are_read_back() {
        let parts = KeyParts { time_ms: 1_767_225_612_345, random: [1, 2, 3, 4, 5, 6], tag: [9; 6] };
        assert_eq!(KeyParts::of(&parts.key()), Some(parts));
        let plain = new_object_key(&ManualClock::at(1_767_225_600_000), &SeededIds::new(7));
        assert_eq!(KeyParts::of(&plain).unwrap().tag, [0; 6]);
        let text = parts.key().to_string();
        for bad in [
            "",
            "data",
            "data//",
            "packs/x",
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &text.replace("data", "d"),
        ] {
            assert_eq!(KeyParts::of(&ObjectKey::new(bad)), None, "{bad}");
        }
        // The slice must be the hour of the id.
        let other = KeyParts { time_ms: 0, ..parts }.key().to_string();
        let mixed = format!("{}/{}", other.rsplit_once('/').unwrap().0, text.rsplit_once('/').unwrap().1);
        assert_eq!(KeyParts::of(&ObjectKey::new(mixed)), None);
    }

    #[test]
    fn a_clock_before_1970_still_makes_keys() {
        let key = new_object_key(&ManualClock::at(-5), &SeededIds::new(1));
        assert!(key.as_str().starts_with("data/00000000000000000000/000000000"), "{key}");
    }
}
