//! How locations are written into frames.
//!
//! ```text
//! location = pack | varint offset | varint length
//! pack     = u8 1, 24 bytes: packs/<20>/<20> | u8 3, 24 bytes: pack-segments/<20>/<20> | u8 2: the frame's own | u8 0, text
//! ```
//! The offset of a location in the frame's own pack is its distance back from the beginning of the frame. So a pack says
//! nothing of where it lies itself, and can be put anywhere in an object that many packs share.

use anabranch_types::ObjectKey;

use super::object_id::{ID_LENGTH, ids_of_key, two_part_key};
use super::read_text;
use super::wire::{Bad, Reader, put_text, put_varint};
use crate::Location;

/// The folder of packs that are objects of their own.
pub(crate) const PACK_FOLDER: &str = "packs";
/// The folder of objects that small packs share.
pub(crate) const SHARED_FOLDER: &str = "pack-segments";

const PACK_KEY_BYTES_MAX: usize = 1024;

const TEXT: u8 = 0;
const OF_ITS_OWN: u8 = 1;
const OWN: u8 = 2;
const SHARED: u8 = 3;

/// The pack of a location as it is written.
#[derive(Clone)]
pub(crate) enum WrittenPack {
    /// The pack of the frame that is read.
    Own,
    /// Another one.
    Other(ObjectKey),
}

/// Writes a location into the frame that begins at `at`.
pub(crate) fn put_location(out: &mut Vec<u8>, location: &Location, at: &Location) {
    put_pack(out, &location.pack, at);
    put_place(out, location, at);
}

/// Reads a location from the frame that begins at `at`.
pub(crate) fn read_location(reader: &mut Reader<'_>, at: &Location) -> Result<Location, Bad> {
    let pack = read_pack(reader)?;
    read_place(reader, pack, at)
}

/// Writes which pack it is.
pub(crate) fn put_pack(out: &mut Vec<u8>, pack: &ObjectKey, at: &Location) {
    if *pack == at.pack {
        return out.push(OWN);
    }
    let folders = [(OF_ITS_OWN, PACK_FOLDER), (SHARED, SHARED_FOLDER)];
    let ids = |(code, folder)| Some((code, ids_of_key(folder, pack.as_str())?));
    match folders.into_iter().find_map(ids) {
        Some((code, (slice, id))) => {
            out.push(code);
            out.extend_from_slice(&slice);
            out.extend_from_slice(&id);
        }
        None => {
            out.push(TEXT);
            put_text(out, pack.as_str().as_bytes());
        }
    }
}

/// Reads what [`put_pack`] wrote.
pub(crate) fn read_pack(reader: &mut Reader<'_>) -> Result<WrittenPack, Bad> {
    let folder = match reader.byte("pack")? {
        TEXT => {
            return Ok(WrittenPack::Other(ObjectKey::new(read_text(reader, PACK_KEY_BYTES_MAX, "pack")?)));
        }
        OWN => return Ok(WrittenPack::Own),
        OF_ITS_OWN => PACK_FOLDER,
        SHARED => SHARED_FOLDER,
        _ => return Err(Bad("pack")),
    };
    let slice: [u8; ID_LENGTH] = reader.array("pack")?;
    let id: [u8; ID_LENGTH] = reader.array("pack")?;
    Ok(WrittenPack::Other(ObjectKey::new(two_part_key(folder, &slice, &id))))
}

/// Writes where in its pack the location is.
pub(crate) fn put_place(out: &mut Vec<u8>, location: &Location, at: &Location) {
    let own = location.pack == at.pack;
    // What a frame refers to lies before it; should it not, the distance wraps, and is long but right.
    put_varint(out, if own { at.offset.wrapping_sub(location.offset) } else { location.offset });
    put_varint(out, u64::from(location.length));
}

/// Reads what [`put_place`] wrote.
pub(crate) fn read_place(reader: &mut Reader<'_>, pack: WrittenPack, at: &Location) -> Result<Location, Bad> {
    let written = reader.varint("offset")?;
    let length = u32::try_from(reader.varint("length")?).map_err(|_| Bad("length"))?;
    let (pack, offset) = match pack {
        WrittenPack::Own => (at.pack.clone(), at.offset.wrapping_sub(written)),
        WrittenPack::Other(pack) => (pack, written),
    };
    Ok(Location { pack, offset, length })
}
