//! The layout of a pack, format version 1.
//!
//! ```text
//! pack    = magic 8 | frames | index | trailer
//! index   = n × (id 32 | kind u8 | u64 offset | u32 length), nodes and commits in order of offset
//! trailer = u64 offset of the index | u32 n | BLAKE3 of everything before | magic 8
//! ```

use crate::node::FrameKind;
use crate::node::wire::{Bad, Reader};

/// The last byte is the format version.
pub(super) const MAGIC: &[u8; 8] = b"ANBPACK\x01";
pub(super) const TRAILER_LENGTH: usize = 8 + 4 + 32 + 8;
pub(super) const INDEX_ENTRY_LENGTH: usize = 32 + 1 + 8 + 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IndexEntry {
    pub(super) id: [u8; 32],
    pub(super) kind: FrameKind,
    pub(super) offset: u64,
    pub(super) length: u32,
}

pub(super) fn put_footer(out: &mut Vec<u8>, index: &[IndexEntry]) {
    let index_offset = out.len() as u64;
    for entry in index {
        out.extend_from_slice(&entry.id);
        out.push(entry.kind.to_byte());
        out.extend_from_slice(&entry.offset.to_le_bytes());
        out.extend_from_slice(&entry.length.to_le_bytes());
    }
    out.extend_from_slice(&index_offset.to_le_bytes());
    out.extend_from_slice(&(index.len() as u32).to_le_bytes());
    let hash = blake3::hash(out);
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(MAGIC);
}

/// The end of a pack.
pub(super) struct Trailer {
    pub(super) index_offset: u64,
    pub(super) count: usize,
    pub(super) hash: [u8; 32],
}

pub(super) fn read_trailer(bytes: &[u8]) -> Result<Trailer, Bad> {
    let mut reader = Reader(bytes);
    let index_offset = u64::from_le_bytes(reader.array("trailer")?);
    let count = u32::from_le_bytes(reader.array("trailer")?) as usize;
    let hash = reader.array("trailer")?;
    if reader.array::<8>("trailer")? != *MAGIC {
        return Err(Bad("it does not end like a pack of version 1"));
    }
    reader.end("trailer")?;
    Ok(Trailer { index_offset, count, hash })
}

pub(super) fn read_index(bytes: &[u8], count: usize) -> Result<Vec<IndexEntry>, Bad> {
    if bytes.len() != count.saturating_mul(INDEX_ENTRY_LENGTH) {
        return Err(Bad("length of the index"));
    }
    let mut reader = Reader(bytes);
    let mut index = Vec::with_capacity(count);
    for _ in 0..count {
        index.push(IndexEntry {
            id: reader.array("index")?,
            kind: FrameKind::from_byte(reader.byte("index")?)?,
            offset: u64::from_le_bytes(reader.array("index")?),
            length: u32::from_le_bytes(reader.array("index")?),
        });
    }
    Ok(index)
}
