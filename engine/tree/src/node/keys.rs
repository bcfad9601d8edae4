//! The keys of a node: prefix-compressed when written, side by side when decoded.
//!
//! ```text
//! keys = n × (shared varint, rest varint), then the rests; every 16th key shares nothing
//! ```
//! `shared` is the longest prefix that a key has in common with the key before it.

use bytes::Bytes;

use super::wire::{Bad, Reader, put_varint};
use crate::Key;

/// Every how many keys the prefix compression starts anew.
const RESTART: usize = 16;

/// Decoded keys, in strictly ascending order.
#[derive(Debug)]
pub(crate) struct Keys {
    arena: Bytes,
    /// Where each key ends in the arena.
    ends: Vec<u32>,
}

impl Keys {
    /// Keys that end at these places of the arena, if each is UTF-8.
    pub(crate) fn checked(arena: Vec<u8>, ends: Vec<u32>) -> Result<Keys, Bad> {
        let text = std::str::from_utf8(&arena).map_err(|_| Bad("key is not UTF-8"))?;
        if !ends.iter().all(|end| text.is_char_boundary(*end as usize)) {
            return Err(Bad("key is not UTF-8"));
        }
        Ok(Keys { arena: Bytes::from(arena), ends })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn bounds(&self, index: usize) -> Option<(usize, usize)> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        Some((start, end))
    }

    /// The key at `index`; empty past the end.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        self.bounds(index).and_then(|(start, end)| self.arena.get(start..end)).unwrap_or_default()
    }

    pub(crate) fn key(&self, index: usize) -> Option<Key> {
        let (start, end) = self.bounds(index)?;
        (end <= self.arena.len()).then(|| Key::from_checked(self.arena.slice(start..end)))
    }

    /// The index of the first key that is not below `key`, from `from` on.
    pub(crate) fn lower_bound(&self, key: &[u8], from: usize) -> usize {
        let (mut low, mut high) = (from, self.len().max(from));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How many of the next `rows` keys are equal in both, from these places on.
    pub(crate) fn equal_from(&self, from: usize, other: &Keys, other_from: usize, rows: usize) -> usize {
        let (this, other) = ((&*self.arena, &*self.ends), (&*other.arena, &*other.ends));
        equal_cells(this, from, other, other_from, rows)
    }

    pub(crate) fn memory(&self) -> usize {
        self.arena.len() + 4 * self.ends.len()
    }
}

/// Writes keys that come one after the other in `arena`.
pub(crate) fn put_keys<'a>(out: &mut Vec<u8>, keys: impl Iterator<Item = &'a [u8]> + Clone) {
    let mut rests = Vec::new();
    let mut before: &[u8] = &[];
    for (index, key) in keys.enumerate() {
        let shared = if index % RESTART == 0 { 0 } else { common_prefix(before, key) };
        let rest = key.get(shared..).unwrap_or_default();
        put_varint(out, shared as u64);
        put_varint(out, rest.len() as u64);
        rests.extend_from_slice(rest);
        before = key;
    }
    out.extend_from_slice(&rests);
}

/// How many of the next `rows` cells are equal in two arenas, each with the ends of its cells. Most are, so the bytes
/// of all are compared before the cells are told apart.
pub(crate) fn equal_cells(
    (left, left_ends): (&[u8], &[u32]),
    left_from: usize,
    (right, right_ends): (&[u8], &[u32]),
    right_from: usize,
    rows: usize,
) -> usize {
    let cells = |ends: &[u32], from: usize| -> Option<(u32, usize)> {
        let start = from.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
        Some((start, *ends.get(from.checked_add(rows)?.checked_sub(1)?)? as usize))
    };
    let (Some((left_start, left_end)), Some((right_start, right_end))) =
        (cells(left_ends, left_from), cells(right_ends, right_from))
    else {
        return 0;
    };
    let left = left.get(left_start as usize..left_end).unwrap_or_default();
    let right = right.get(right_start as usize..right_end).unwrap_or_default();
    let equal_bytes = long_common_prefix(left, right);
    let left_ends = left_ends.get(left_from..).unwrap_or_default();
    let right_ends = right_ends.get(right_from..).unwrap_or_default();
    let ends = left_ends.iter().zip(right_ends).take(rows);
    ends.take_while(|(left, right)| {
        let (left, right) = (left.wrapping_sub(left_start), right.wrapping_sub(right_start));
        left == right && left as usize <= equal_bytes
    })
    .count()
}

/// As [`common_prefix`], for texts that are mostly equal: large blocks first.
fn long_common_prefix(left: &[u8], right: &[u8]) -> usize {
    const BLOCK: usize = 512;
    let (left_blocks, _) = left.as_chunks::<BLOCK>();
    let (right_blocks, _) = right.as_chunks::<BLOCK>();
    let from = BLOCK * left_blocks.iter().zip(right_blocks).take_while(|(a, b)| a == b).count();
    from + common_prefix(left.get(from..).unwrap_or_default(), right.get(from..).unwrap_or_default())
}

pub(crate) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    // Eight bytes at a time: neighbouring keys share most of their bytes.
    let (left_words, _) = left.as_chunks::<8>();
    let (right_words, _) = right.as_chunks::<8>();
    let words = left_words.iter().zip(right_words).take_while(|(a, b)| a == b).count();
    let from = words * 8;
    let (left, right) = (left.get(from..).unwrap_or_default(), right.get(from..).unwrap_or_default());
    from + left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// Reads `count` keys. Checks order, length, UTF-8, and that the compression is the one that [`put_keys`] makes.
pub(crate) fn read_keys(reader: &mut Reader<'_>, count: usize) -> Result<Keys, Bad> {
    let mut lengths = *reader;
    let (mut total, mut whole) = (0_usize, 0_usize);
    for _ in 0..count {
        let shared = reader.length(Key::BYTES_MAX, "key prefix")?;
        let rest = reader.length(Key::BYTES_MAX, "key length")?;
        total = total.saturating_add(rest);
        whole = whole.saturating_add(shared).saturating_add(rest);
    }
    let mut rests = Reader(reader.take(total, "keys")?);
    // Lengths that are not checked yet ask for no more than a small multiple of what is there.
    let mut arena: Vec<u8> = Vec::with_capacity(whole.min(total.saturating_mul(16)));
    let mut ends: Vec<u32> = Vec::with_capacity(count);
    let mut before = 0..0;
    for index in 0..count {
        let shared = lengths.length(Key::BYTES_MAX, "key prefix")?;
        let rest = rests.take(lengths.length(Key::BYTES_MAX, "key length")?, "keys")?;
        let start = arena.len();
        let length = shared.saturating_add(rest.len());
        if length == 0 || length > Key::BYTES_MAX || shared > before.len() {
            return Err(Bad("key length"));
        }
        if index % RESTART == 0 {
            let previous = arena.get(before.clone()).unwrap_or_default();
            if shared != 0 || (index > 0 && previous >= rest) {
                return Err(Bad("key order"));
            }
        } else {
            // The keys ascend, and the prefix is the longest, if the first byte after it is greater than before.
            let previous = arena.get(before.start.saturating_add(shared)..before.end).unwrap_or_default();
            match (previous.first(), rest.first()) {
                (_, None) => return Err(Bad("key order")),
                (Some(old), Some(new)) if new <= old => return Err(Bad("key order")),
                _ => {}
            }
            arena.extend_from_within(before.start..before.start.saturating_add(shared));
        }
        arena.extend_from_slice(rest);
        before = start..arena.len();
        ends.push(u32::try_from(arena.len()).map_err(|_| Bad("keys"))?);
    }
    Keys::checked(arena, ends)
}
