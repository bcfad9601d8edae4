//! The delta list of a commit: what it changed against its first parent.
//!
//! ```text
//! delta = version u8 | varint n | n × (varint shared | varint rest | rest of key | sides u8 | [entry before] | [entry after])
//! parts = version u8 | varint n | n × location
//! ```
//! An entry here is body and attributes, as in a leaf. A long list is cut into parts of about 1 MiB.

use std::borrow::Cow;

use anabranch_types::Entry;

use crate::node::wire::{Bad, Reader, put_varint};
use crate::node::{
    Frame, FrameKind, common_prefix, put_attributes, put_body, put_location, read_entry, read_location,
};
use crate::{Difference, Key, Location, TreeError};

const VERSION: u8 = 1;
/// A longer list is not written: the trees are compared instead.
const DIFFERENCES_MAX: usize = 1_000_000;
const PART_BYTES: usize = 1 << 20;
const PARTS_MAX: usize = 1 << 16;

const HAS_BEFORE: u8 = 1;
const HAS_AFTER: u8 = 2;

/// What a commit changed against its first parent, as it is stored: a fraction of what the differences take in memory.
#[derive(Clone, Debug, Default)]
pub struct DeltaList {
    /// Whole parts.
    parts: Vec<Vec<u8>>,
    /// The rows of the part that is being filled, and how many they are.
    rows: Vec<u8>,
    rows_count: u64,
    count: usize,
    behind: Option<Key>,
}

impl DeltaList {
    /// The list of these differences, which are in order of key.
    ///
    /// # Errors
    /// As [`DeltaList::push`].
    pub fn of(differences: &[Difference]) -> Result<DeltaList, TreeError> {
        let mut list = DeltaList::default();
        for difference in differences {
            list.push(&difference.key, difference.before.as_ref(), difference.after.as_ref())?;
        }
        Ok(list)
    }

    /// Adds a difference. Beyond 1,000,000 they are only counted, and the list is not written.
    ///
    /// # Errors
    /// [`TreeError::OutOfOrder`] for a key that is not above all before, [`TreeError::EntryTooLarge`].
    pub fn push(
        &mut self,
        key: &Key,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<(), TreeError> {
        if let Some(behind) = self.behind.as_ref().filter(|behind| *behind >= key) {
            return Err(TreeError::out_of_order(key.as_bytes(), behind.as_bytes()));
        }
        self.count = self.count.saturating_add(1);
        if self.count > DIFFERENCES_MAX {
            (self.parts, self.rows) = (Vec::new(), Vec::new());
            self.behind = Some(key.clone());
            return Ok(());
        }
        // Each part can be read alone.
        let shared_with = if self.rows_count == 0 { None } else { self.behind.as_ref() };
        put_difference(&mut self.rows, key, shared_with, [before, after])?;
        self.rows_count += 1;
        self.behind = Some(key.clone());
        if self.rows.len() >= PART_BYTES {
            self.parts.push(part(self.rows_count, &self.rows));
            self.rows.clear();
            self.rows_count = 0;
        }
        Ok(())
    }

    /// How many differences there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The contents of one or more frames; none when there are too many differences.
    pub(crate) fn frames(&self) -> Option<Vec<Cow<'_, [u8]>>> {
        if self.count > DIFFERENCES_MAX {
            return None;
        }
        let mut frames: Vec<Cow<'_, [u8]>> = self.parts.iter().map(|part| part.as_slice().into()).collect();
        if self.rows_count > 0 || frames.is_empty() {
            frames.push(part(self.rows_count, &self.rows).into());
        }
        Some(frames)
    }
}

fn part(count: u64, rows: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() + 8);
    out.push(VERSION);
    put_varint(&mut out, count);
    out.extend_from_slice(rows);
    out
}

fn put_difference(
    out: &mut Vec<u8>,
    key: &Key,
    shared_with: Option<&Key>,
    sides: [Option<&Entry>; 2],
) -> Result<(), TreeError> {
    let key = key.as_bytes();
    let shared = shared_with.map_or(0, |before| common_prefix(before.as_bytes(), key));
    let rest = key.get(shared..).unwrap_or_default();
    put_varint(out, shared as u64);
    put_varint(out, rest.len() as u64);
    out.extend_from_slice(rest);
    let [before, after] = sides;
    let side = |has: bool, flag: u8| if has { flag } else { 0 };
    out.push(side(before.is_some(), HAS_BEFORE) | side(after.is_some(), HAS_AFTER));
    for entry in sides.into_iter().flatten() {
        put_body(out, entry)?;
        put_attributes(out, entry)?;
    }
    Ok(())
}

/// Reads one frame of a delta list.
pub(crate) fn read_delta_frame(location: &Location, frame: &Frame) -> Result<Vec<Difference>, TreeError> {
    match frame.kind {
        FrameKind::Delta => decode_delta(&frame.raw),
        _ => Err(Bad("it is no delta list")),
    }
    .map_err(|Bad(detail)| TreeError::damaged(format!("delta list in {location}"), detail))
}

/// Reads the contents of a frame. Total; allocates no more than a multiple of its length.
pub(crate) fn decode_delta(bytes: &[u8]) -> Result<Vec<Difference>, Bad> {
    let mut reader = Reader(bytes);
    if reader.byte("delta version")? != VERSION {
        return Err(Bad("delta version"));
    }
    let count = reader.length(bytes.len(), "delta count")?;
    let mut differences: Vec<Difference> = Vec::new();
    for _ in 0..count {
        let before = differences.last().map(|difference| difference.key.as_bytes());
        let key = read_shared_key(&mut reader, before)?;
        let sides = reader.byte("delta sides")?;
        let before = if sides & HAS_BEFORE != 0 { Some(read_entry(&mut reader)?) } else { None };
        let after = if sides & HAS_AFTER != 0 { Some(read_entry(&mut reader)?) } else { None };
        if sides == 0 || sides > (HAS_BEFORE | HAS_AFTER) {
            return Err(Bad("delta sides"));
        }
        differences.push(Difference { key, before, after });
    }
    reader.end("bytes after a delta list")?;
    Ok(differences)
}

fn read_shared_key(reader: &mut Reader<'_>, before: Option<&[u8]>) -> Result<Key, Bad> {
    let shared = reader.length(Key::BYTES_MAX, "delta key")?;
    let length = reader.length(Key::BYTES_MAX, "delta key")?;
    let rest = reader.take(length, "delta key")?;
    let mut key = before.unwrap_or_default().get(..shared).ok_or(Bad("delta key"))?.to_vec();
    key.extend_from_slice(rest);
    if before.is_some_and(|before| before >= key.as_slice()) {
        return Err(Bad("delta order"));
    }
    Key::new(key).map_err(|_| Bad("delta key"))
}

pub(super) fn encode_parts(parts: &[Location], at: &Location) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(&mut out, parts.len() as u64);
    for location in parts {
        put_location(&mut out, location, at);
    }
    out
}

/// Reads the list of parts of a long delta list.
pub(crate) fn read_delta_parts(location: &Location, frame: &Frame) -> Result<Vec<Location>, TreeError> {
    decode_parts(&frame.raw, location)
        .map_err(|Bad(detail)| TreeError::damaged(format!("parts of a delta list in {location}"), detail))
}

pub(super) fn decode_parts(bytes: &[u8], at: &Location) -> Result<Vec<Location>, Bad> {
    let mut reader = Reader(bytes);
    if reader.byte("delta version")? != VERSION {
        return Err(Bad("delta version"));
    }
    let count = reader.length(PARTS_MAX, "delta parts")?;
    let parts = (0..count).map(|_| read_location(&mut reader, at)).collect::<Result<Vec<_>, _>>()?;
    reader.end("bytes after delta parts")?;
    Ok(parts)
}
