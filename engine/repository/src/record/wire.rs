//! The pieces that records are encoded from. All integers are little-endian; a text is its length as u32 and its UTF-8.

use std::collections::BTreeMap;

/// The longest text of a record, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The most pairs of a map.
const PAIRS_MAX: usize = 10_000;

/// The bytes are no record of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// A newer server wrote it.
    #[error("the {kind} record has format version {found}; this server reads version {known}")]
    UnknownVersion {
        /// Which kind of record.
        kind: &'static str,
        /// The version it says.
        found: u8,
        /// The version that is known here.
        known: u8,
    },
    /// It ends early, is too long, or a field is out of bounds.
    #[error("the {kind} record is damaged: {what}")]
    Damaged {
        /// Which kind of record.
        kind: &'static str,
        /// Which field.
        what: &'static str,
    },
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

pub(super) fn put_map(out: &mut Vec<u8>, map: &BTreeMap<String, String>) {
    out.extend((map.len() as u32).to_le_bytes());
    for (name, value) in map {
        put_text(out, name);
        put_text(out, value);
    }
}

/// Reads fields off the front; every method answers an error at the end of the bytes.
pub(super) struct Reader<'a> {
    kind: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the version, which must be `known`.
    pub(super) fn new(kind: &'static str, known: u8, bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader { kind, rest: bytes };
        let [found] = reader.array("version")?;
        if found == known { Ok(reader) } else { Err(RecordError::UnknownVersion { kind, found, known }) }
    }

    pub(super) fn damaged(&self, what: &'static str) -> RecordError {
        RecordError::Damaged { kind: self.kind, what }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.damaged(what)),
        }
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, RecordError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, RecordError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, RecordError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        let length = u32::from_le_bytes(self.array(what)?) as usize;
        if length > TEXT_BYTES_MAX {
            return Err(self.damaged(what));
        }
        let (head, rest) = self.rest.split_at_checked(length).ok_or(self.damaged(what))?;
        self.rest = rest;
        String::from_utf8(head.to_vec()).map_err(|_| self.damaged(what))
    }

    pub(super) fn map(&mut self, what: &'static str) -> Result<BTreeMap<String, String>, RecordError> {
        let count = u32::from_le_bytes(self.array(what)?) as usize;
        if count > PAIRS_MAX {
            return Err(self.damaged(what));
        }
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let name = self.text(what)?;
            let value = self.text(what)?;
            map.insert(name, value);
        }
        Ok(map)
    }

    /// Every byte must have been read.
    pub(super) fn finish(self) -> Result<(), RecordError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("bytes after the end")) }
    }
}
