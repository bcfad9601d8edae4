//! The encoding of an entry: a body that differs from entry to entry, and attributes that many entries share.
//!
//! ```text
//! body       = flags u8 | size varint | checksum 16 | modified zigzag varint | [parts varint] | [offset varint]
//!            | [length varint] | object
//! object     = 24 bytes for a key `data/<20>/<20>`, otherwise text
//! attributes = content type text | varint n | n × (name text, value text), names ascending
//! text       = varint length | UTF-8
//! entry      = version u8 | body | attributes
//! ```
//!
//! Every entry has exactly one encoding.

use std::collections::BTreeMap;

use anabranch_types::{Address, Checksum, Entry, ObjectKey};

use super::object_id::{ID_LENGTH, ids_of_key, two_part_key};
use super::wire::{Bad, Reader, put_text, put_varint, unzigzag, zigzag};
use crate::TreeError;

const VERSION: u8 = 1;
const OWN_OBJECT: u8 = 1;
const HAS_PARTS: u8 = 2;
const HAS_OFFSET: u8 = 4;
const HAS_LENGTH: u8 = 8;
const OWN_FOLDER: &str = "data";

/// The longest name of an object in bytes.
const OBJECT_BYTES_MAX: usize = 1024;
/// Content type and metadata of one entry take at most this many bytes. S3 refuses more than 2 KiB of metadata.
pub(crate) const ATTRIBUTE_BYTES_MAX: usize = 8 << 10;
/// No body is longer.
pub(crate) const BODY_BYTES_MAX: usize = OBJECT_BYTES_MAX + 80;

/// The canonical encoding of an entry, with a format version: equal entries have equal bytes.
///
/// # Errors
/// [`TreeError::EntryTooLarge`] when the object key, or content type and metadata together, exceed what a tree holds.
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, TreeError> {
    let mut out = vec![VERSION];
    put_body(&mut out, entry)?;
    put_attributes(&mut out, entry)?;
    Ok(out)
}

/// Reads what [`encode_entry`] wrote. Total: any bytes give an entry or an error.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, TreeError> {
    let damaged = |Bad(detail)| TreeError::damaged("entry", detail);
    let mut reader = Reader(bytes);
    match reader.byte("its version is missing").map_err(damaged)? {
        VERSION => {}
        found => return Err(TreeError::UnknownVersion { what: "entry", found }),
    }
    let entry = read_entry(&mut reader).map_err(damaged)?;
    reader.end("bytes after its end").map_err(damaged)?;
    Ok(entry)
}

fn too_large(field: &'static str, bytes: usize, bytes_max: usize) -> TreeError {
    TreeError::EntryTooLarge { key: String::new(), field, bytes, bytes_max }
}

pub(crate) fn put_body(out: &mut Vec<u8>, entry: &Entry) -> Result<(), TreeError> {
    let object = entry.address.object.as_str();
    if object.len() > OBJECT_BYTES_MAX {
        return Err(too_large("object key", object.len(), OBJECT_BYTES_MAX));
    }
    let own = ids_of_key(OWN_FOLDER, object);
    let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
    let has_length = entry.address.length != entry.size;
    out.push(
        flag(own.is_some(), OWN_OBJECT)
            | flag(entry.parts != 0, HAS_PARTS)
            | flag(entry.address.offset != 0, HAS_OFFSET)
            | flag(has_length, HAS_LENGTH),
    );
    put_varint(out, entry.size);
    out.extend_from_slice(entry.checksum.as_bytes());
    put_varint(out, zigzag(entry.modified_ms));
    if entry.parts != 0 {
        put_varint(out, u64::from(entry.parts));
    }
    if entry.address.offset != 0 {
        put_varint(out, entry.address.offset);
    }
    if has_length {
        put_varint(out, entry.address.length);
    }
    match own {
        Some((slice, id)) => {
            out.extend_from_slice(&slice);
            out.extend_from_slice(&id);
        }
        None => put_text(out, object.as_bytes()),
    }
    Ok(())
}

pub(crate) fn put_attributes(out: &mut Vec<u8>, entry: &Entry) -> Result<(), TreeError> {
    let start = out.len();
    put_text(out, entry.content_type.as_bytes());
    put_varint(out, entry.metadata.len() as u64);
    for (name, value) in &entry.metadata {
        put_text(out, name.as_bytes());
        put_text(out, value.as_bytes());
    }
    match out.len().saturating_sub(start) {
        bytes if bytes > ATTRIBUTE_BYTES_MAX => {
            Err(too_large("content type and metadata", bytes, ATTRIBUTE_BYTES_MAX))
        }
        _ => Ok(()),
    }
}

/// The size of an entry, without reading the rest of its body.
pub(crate) fn size_of_body(body: &[u8]) -> Result<u64, Bad> {
    let mut reader = Reader(body);
    reader.byte("entry flags")?;
    reader.varint("entry size")
}

/// Reads an entry from its two halves, which must end with it.
pub(crate) fn entry_of_row(body: &[u8], attributes: &[u8]) -> Result<Entry, Bad> {
    let mut reader = Reader(body);
    let mut entry = read_body(&mut reader)?;
    reader.end("entry is longer than its fields")?;
    let mut reader = Reader(attributes);
    read_attributes(&mut reader, &mut entry)?;
    reader.end("attributes are longer than their fields")?;
    Ok(entry)
}

/// Splits the body and the attributes of one entry off the reader, checking both.
pub(crate) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Bad> {
    let mut entry = read_body(reader)?;
    read_attributes(reader, &mut entry)?;
    Ok(entry)
}

fn read_body(reader: &mut Reader<'_>) -> Result<Entry, Bad> {
    let flags = reader.byte("entry flags")?;
    if flags >= HAS_LENGTH << 1 {
        return Err(Bad("entry flags"));
    }
    let size = reader.varint("entry size")?;
    let checksum = Checksum::from_md5(reader.array("entry checksum")?);
    let modified_ms = unzigzag(reader.varint("entry time")?);
    let parts = match optional(reader, flags & HAS_PARTS, "entry parts")? {
        Some(parts) => u32::try_from(parts).map_err(|_| Bad("entry parts"))?,
        None => 0,
    };
    let offset = optional(reader, flags & HAS_OFFSET, "entry offset")?.unwrap_or(0);
    let length = match flags & HAS_LENGTH {
        0 => size,
        _ => match reader.varint("entry length")? {
            length if length == size => return Err(Bad("entry length")),
            length => length,
        },
    };
    let object = read_object(reader, flags & OWN_OBJECT != 0)?;
    let address = Address { object, offset, length };
    Ok(Entry {
        address,
        size,
        checksum,
        parts,
        modified_ms,
        content_type: String::new(),
        metadata: BTreeMap::new(),
    })
}

/// A number that is written only when it is not 0.
fn optional(reader: &mut Reader<'_>, flag: u8, what: &'static str) -> Result<Option<u64>, Bad> {
    match flag {
        0 => Ok(None),
        _ => match reader.varint(what)? {
            0 => Err(Bad(what)),
            value => Ok(Some(value)),
        },
    }
}

fn read_object(reader: &mut Reader<'_>, own: bool) -> Result<ObjectKey, Bad> {
    if own {
        let slice: [u8; ID_LENGTH] = reader.array("entry object")?;
        let id: [u8; ID_LENGTH] = reader.array("entry object")?;
        return Ok(ObjectKey::new(two_part_key(OWN_FOLDER, &slice, &id)));
    }
    let text = read_text(reader, OBJECT_BYTES_MAX, "entry object")?;
    if ids_of_key(OWN_FOLDER, &text).is_some() {
        return Err(Bad("entry object"));
    }
    Ok(ObjectKey::new(text))
}

fn read_attributes(reader: &mut Reader<'_>, entry: &mut Entry) -> Result<(), Bad> {
    let before = reader.0.len();
    entry.content_type = read_text(reader, ATTRIBUTE_BYTES_MAX, "content type")?;
    let count = reader.length(ATTRIBUTE_BYTES_MAX, "metadata")?;
    for _ in 0..count {
        let name = read_text(reader, ATTRIBUTE_BYTES_MAX, "metadata")?;
        if entry.metadata.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(Bad("metadata order"));
        }
        entry.metadata.insert(name, read_text(reader, ATTRIBUTE_BYTES_MAX, "metadata")?);
    }
    match before.saturating_sub(reader.0.len()) {
        bytes if bytes > ATTRIBUTE_BYTES_MAX => Err(Bad("content type and metadata")),
        _ => Ok(()),
    }
}

pub(crate) fn read_text(reader: &mut Reader<'_>, max: usize, what: &'static str) -> Result<String, Bad> {
    let length = reader.length(max, what)?;
    let bytes = reader.take(length, what)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Bad(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::entries;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_has_one_encoding(entry in entries(), other in entries()) {
            let bytes = encode_entry(&entry).unwrap();
            prop_assert_eq!(decode_entry(&bytes).unwrap(), entry.clone());
            prop_assert_eq!(encode_entry(&other).unwrap() == bytes, entry == other);
        }

        #[test]
        fn decoding_is_total_and_exact(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut bytes = bytes;
            if let Some(version) = bytes.first_mut() {
                *version = VERSION;
            }
            if let Ok(entry) = decode_entry(&bytes) {
                prop_assert_eq!(encode_entry(&entry).unwrap(), bytes);
            }
        }

        #[test]
        fn a_damaged_entry_is_refused_or_another_one(entry in entries(), at in 0_usize..200, flip in 1_u8..=255) {
            let mut bytes = encode_entry(&entry).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(decoded) = decode_entry(&bytes) {
                prop_assert_eq!(encode_entry(&decoded).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn an_ordinary_entry_is_small() {
        let mut entry = crate::test_support::entry(1);
        entry.address.object = ObjectKey::new(two_part_key("data", &[7; 12], &[9; 12]));
        let mut body = Vec::new();
        put_body(&mut body, &entry).unwrap();
        assert!(body.len() <= 52, "{} bytes", body.len());
    }

    #[test]
    fn too_much_metadata_is_refused() {
        let mut entry = crate::test_support::entry(1);
        entry.metadata.insert("x".to_owned(), "y".repeat(ATTRIBUTE_BYTES_MAX));
        assert!(matches!(encode_entry(&entry), Err(TreeError::EntryTooLarge { .. })));
    }
}
