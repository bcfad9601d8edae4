//! Leaves: sorted rows of a key, the body of an entry, and its attributes.

use std::collections::HashMap;

use anabranch_types::Entry;
use bytes::Bytes;

use super::entry::{ATTRIBUTE_BYTES_MAX, BODY_BYTES_MAX, entry_of_row, size_of_body};
use super::keys::{Keys, equal_cells, put_keys, read_keys};
use super::put_header;
use super::wire::{Bad, Reader, put_text, put_varint};
use crate::Key;

/// An entry of a leaf, still encoded. Rows are equal if all three parts are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) attributes: &'a [u8],
}

impl Row<'_> {
    pub(crate) fn same_entry(&self, other: &Row<'_>) -> bool {
        self.body == other.body && self.attributes == other.attributes
    }

    pub(crate) fn entry(&self) -> Result<Entry, Bad> {
        entry_of_row(self.body, self.attributes)
    }
}

/// A decoded leaf. Bodies and attributes stay encoded until they are asked for.
#[derive(Debug)]
pub(crate) struct Leaf {
    keys: Keys,
    bodies: Bytes,
    body_ends: Vec<u32>,
    attributes: Vec<Bytes>,
    attribute_numbers: Vec<u16>,
    memory: usize,
}

impl Leaf {
    pub(super) fn read(logical: &Bytes, mut reader: Reader<'_>, count: usize) -> Result<Leaf, Bad> {
        let keys = read_keys(&mut reader, count)?;
        let mut body_ends = Vec::with_capacity(count);
        let mut total = 0_u32;
        for _ in 0..count {
            total = total.saturating_add(reader.length(BODY_BYTES_MAX, "entry length")? as u32);
            body_ends.push(total);
        }
        let bodies = logical.slice_ref(reader.take(total as usize, "entries")?);
        let attribute_count = reader.length(count, "attribute count")?;
        let mut attributes = Vec::with_capacity(attribute_count);
        for _ in 0..attribute_count {
            let length = reader.length(ATTRIBUTE_BYTES_MAX, "attribute length")?;
            attributes.push(logical.slice_ref(reader.take(length, "attributes")?));
        }
        let attribute_numbers = read_numbers(&mut reader, count, attribute_count)?;
        reader.end("bytes after a leaf")?;
        let memory = logical.len() + keys.memory() + 6 * count + 40 * attribute_count;
        Ok(Leaf { keys, bodies, body_ends, attributes, attribute_numbers, memory })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn key_bytes(&self, index: usize) -> &[u8] {
        self.keys.get(index)
    }

    pub(crate) fn key(&self, index: usize) -> Option<Key> {
        self.keys.key(index)
    }

    pub(crate) fn row(&self, index: usize) -> Option<Row<'_>> {
        let end = *self.body_ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.body_ends.get(before)? as usize,
            None => 0,
        };
        let attributes = self.attributes_of(index)?;
        Some(Row { key: self.keys.get(index), body: self.bodies.get(start..end)?, attributes })
    }

    fn attributes_of(&self, index: usize) -> Option<&Bytes> {
        self.attributes.get(usize::from(*self.attribute_numbers.get(index)?))
    }

    /// How many rows are equal in both leaves, from these places on.
    pub(crate) fn equal_rows(&self, from: usize, other: &Leaf, other_from: usize) -> usize {
        let rows = self.len().saturating_sub(from).min(other.len().saturating_sub(other_from));
        let rows = self.keys.equal_from(from, &other.keys, other_from, rows);
        let (ours, theirs) = ((&*self.bodies, &*self.body_ends), (&*other.bodies, &*other.body_ends));
        let rows = equal_cells(ours, from, theirs, other_from, rows);
        if self.attributes.len() <= 1 && self.attributes == other.attributes {
            return rows;
        }
        (0..rows)
            .take_while(|row| self.attributes_of(from + row) == other.attributes_of(other_from + row))
            .count()
    }

    pub(crate) fn lower_bound(&self, key: &[u8], from: usize) -> usize {
        self.keys.lower_bound(key, from)
    }

    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The sum of the sizes of all entries, reading every entry: an error if one is damaged.
    pub(crate) fn verify(&self) -> Result<u64, Bad> {
        let mut bytes = 0_u64;
        for index in 0..self.len() {
            let entry = self.row(index).ok_or(Bad("leaf row"))?.entry()?;
            bytes = bytes.wrapping_add(entry.size);
        }
        Ok(bytes)
    }
}

/// Reads which attributes each row has; new ones must appear in order.
fn read_numbers(reader: &mut Reader<'_>, count: usize, attribute_count: usize) -> Result<Vec<u16>, Bad> {
    let numbers: Vec<u16> = match attribute_count {
        0 | 1 => vec![0; count],
        2..=256 => reader.take(count, "attribute numbers")?.iter().map(|number| u16::from(*number)).collect(),
        _ => {
            let (pairs, _) = reader.take(count.saturating_mul(2), "attribute numbers")?.as_chunks::<2>();
            pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
        }
    };
    let mut used = 0_usize;
    for number in &numbers {
        match usize::from(*number) {
            number if number == used => used += 1,
            number if number > used => return Err(Bad("attribute numbers")),
            _ => {}
        }
    }
    if used == attribute_count { Ok(numbers) } else { Err(Bad("attribute count")) }
}

/// Collects the rows of a leaf that is being made.
#[derive(Default)]
pub(crate) struct LeafBuffer {
    keys: Vec<u8>,
    key_ends: Vec<usize>,
    bodies: Vec<u8>,
    body_ends: Vec<usize>,
    attributes: Vec<Box<[u8]>>,
    numbers_by_attributes: HashMap<Box<[u8]>, u16>,
    attribute_numbers: Vec<u16>,
    bytes: u64,
}

impl LeafBuffer {
    pub(crate) fn len(&self) -> usize {
        self.key_ends.len()
    }

    /// The sum of the sizes of the entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a row whose key is greater than every key so far. At most 4,096 rows.
    pub(crate) fn push(&mut self, row: Row<'_>) -> Result<(), Bad> {
        self.bytes = self.bytes.wrapping_add(size_of_body(row.body)?);
        self.keys.extend_from_slice(row.key);
        self.key_ends.push(self.keys.len());
        self.bodies.extend_from_slice(row.body);
        self.body_ends.push(self.bodies.len());
        let number = self.number_of(row.attributes);
        self.attribute_numbers.push(number);
        Ok(())
    }

    fn number_of(&mut self, attributes: &[u8]) -> u16 {
        // Neighbours mostly have the same content type and no metadata.
        if let Some(last) = self.attribute_numbers.last()
            && self.attributes.get(usize::from(*last)).is_some_and(|known| **known == *attributes)
        {
            return *last;
        }
        if let Some(number) = self.numbers_by_attributes.get(attributes) {
            return *number;
        }
        let number = self.attributes.len() as u16;
        self.attributes.push(attributes.into());
        self.numbers_by_attributes.insert(attributes.into(), number);
        number
    }

    pub(crate) fn key(&self, index: usize) -> &[u8] {
        slice_at(&self.keys, &self.key_ends, index)
    }

    /// The hashed bytes of the leaf.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = self.len();
        let mut out = Vec::with_capacity(self.keys.len() + self.bodies.len() + 4 * count + 64);
        put_header(&mut out, 0, count);
        put_keys(&mut out, (0..count).map(|index| self.key(index)));
        for index in 0..count {
            put_varint(&mut out, slice_at(&self.bodies, &self.body_ends, index).len() as u64);
        }
        out.extend_from_slice(&self.bodies);
        put_varint(&mut out, self.attributes.len() as u64);
        for attributes in &self.attributes {
            put_text(&mut out, attributes);
        }
        match self.attributes.len() {
            0 | 1 => {}
            2..=256 => out.extend(self.attribute_numbers.iter().map(|number| *number as u8)),
            _ => out.extend(self.attribute_numbers.iter().flat_map(|number| number.to_le_bytes())),
        }
        out
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.bodies.clear();
        self.body_ends.clear();
        self.attributes.clear();
        self.numbers_by_attributes.clear();
        self.attribute_numbers.clear();
        self.bytes = 0;
    }
}

fn slice_at<'a>(arena: &'a [u8], ends: &[usize], index: usize) -> &'a [u8] {
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(index).and_then(|end| arena.get(start..*end)).unwrap_or_default()
}
