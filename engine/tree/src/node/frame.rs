//! Frames: how anything is stored in a pack.
//!
//! ```text
//! frame = u32 length of payload | u8 kind | u8 codec (0 raw, 1 lz4) | u32 crc32c of kind, codec, raw length and payload
//!       | u32 raw length | payload
//! node  = varint length of the hashed bytes | hashed bytes | locations of the children (internal nodes only)
//! ```

use bytes::Bytes;

use super::wire::{Bad, Reader};

pub(crate) const FRAME_HEADER_LENGTH: usize = 14;
/// No frame is larger, before or after compression.
const RAW_BYTES_MAX: usize = 96 << 20;
const RAW: u8 = 0;
const LZ4: u8 = 1;

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameKind {
    Node,
    Delta,
    DeltaParts,
    Commit,
}

impl FrameKind {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            FrameKind::Node => 1,
            FrameKind::Delta => 2,
            FrameKind::DeltaParts => 3,
            FrameKind::Commit => 4,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Result<FrameKind, Bad> {
        match byte {
            1 => Ok(FrameKind::Node),
            2 => Ok(FrameKind::Delta),
            3 => Ok(FrameKind::DeltaParts),
            4 => Ok(FrameKind::Commit),
            _ => Err(Bad("kind of frame")),
        }
    }
}

/// A frame that was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// The payload, uncompressed.
    pub(crate) raw: Bytes,
    /// How many bytes the frame takes.
    pub(crate) length: usize,
}

/// Appends a frame and answers its length. Compresses where that saves a quarter or more: ordinary leaves are mostly
/// random bytes, and reading them back is a good deal faster without.
pub(crate) fn put_frame(out: &mut Vec<u8>, kind: FrameKind, raw: &[u8]) -> u32 {
    let compressed = if promises_to_shrink(raw) { compressed(raw) } else { None };
    match compressed {
        Some(payload) => put_compressed_frame(out, kind, raw.len(), &payload),
        None => put_raw_frame(out, kind, &[raw]),
    }
}

/// The payload of a compressed frame; none where that saves less than a quarter.
pub(crate) fn compressed(raw: &[u8]) -> Option<Vec<u8>> {
    let payload = lz4_flex::block::compress(raw);
    shrinks(raw.len(), payload.len()).then_some(payload)
}

/// Appends a frame whose payload [`compressed`] has made, and answers its length.
pub(crate) fn put_compressed_frame(
    out: &mut Vec<u8>,
    kind: FrameKind,
    raw_length: usize,
    payload: &[u8],
) -> u32 {
    put_payload(out, kind, LZ4, raw_length, &[payload])
}

/// Appends a frame of these pieces as they are, and answers its length.
pub(crate) fn put_raw_frame(out: &mut Vec<u8>, kind: FrameKind, pieces: &[&[u8]]) -> u32 {
    put_payload(out, kind, RAW, pieces.iter().map(|piece| piece.len()).sum(), pieces)
}

fn put_payload(out: &mut Vec<u8>, kind: FrameKind, codec: u8, raw_length: usize, pieces: &[&[u8]]) -> u32 {
    let start = out.len();
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let raw_length = (raw_length as u32).to_le_bytes();
    let kind = kind.to_byte();
    let [a, b, c, d] = raw_length;
    let header = crc32c::crc32c(&[kind, codec, a, b, c, d]);
    let checksum = pieces.iter().fold(header, |sum, piece| crc32c::crc32c_append(sum, piece));
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&[kind, codec]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&raw_length);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    (out.len() - start) as u32
}

fn shrinks(before: usize, after: usize) -> bool {
    after < before - before / 4
}

/// Tries it on a piece from the middle, where a leaf has its entries.
pub(crate) fn promises_to_shrink(raw: &[u8]) -> bool {
    const SAMPLE: usize = 2048;
    match raw.get(raw.len() / 2..raw.len() / 2 + SAMPLE) {
        Some(sample) => shrinks(SAMPLE, lz4_flex::block::compress(sample).len()),
        None => true,
    }
}

fn checksum(kind: u8, codec: u8, raw_length: [u8; 4], payload: &[u8]) -> u32 {
    let [a, b, c, d] = raw_length;
    crc32c::crc32c_append(crc32c::crc32c(&[kind, codec, a, b, c, d]), payload)
}

/// Reads the frame at the front of `bytes`. Total, and checks the checksum: where children lie is covered by no hash.
pub(crate) fn read_frame(bytes: &Bytes) -> Result<Frame, Bad> {
    read(bytes, true)
}

/// The same for a frame whose content the caller compares with its hash, all of it: a leaf. The checksum is not looked
/// at, because nothing that it finds escapes the hash.
pub(crate) fn read_hashed_frame(bytes: &Bytes) -> Result<Frame, Bad> {
    read(bytes, false)
}

fn read(bytes: &Bytes, check: bool) -> Result<Frame, Bad> {
    let mut reader = Reader(bytes);
    let length = u32::from_le_bytes(reader.array("frame header")?) as usize;
    let [kind, codec] = reader.array("frame header")?;
    let stored_checksum = u32::from_le_bytes(reader.array("frame header")?);
    let raw_length: [u8; 4] = reader.array("frame header")?;
    let payload = reader.take(length, "frame is cut short")?;
    if check && checksum(kind, codec, raw_length, payload) != stored_checksum {
        return Err(Bad("frame checksum"));
    }
    let raw_length = u32::from_le_bytes(raw_length) as usize;
    if raw_length > RAW_BYTES_MAX {
        return Err(Bad("frame length"));
    }
    let raw = match codec {
        // A frame that was read alone is used in place; a part of something larger would keep all of it in memory.
        RAW if raw_length == length && reader.0.is_empty() => bytes.slice_ref(payload),
        RAW if raw_length == length => Bytes::copy_from_slice(payload),
        // Lz4 makes at most 255 bytes of one, so a small frame cannot ask for a large allocation.
        LZ4 if raw_length <= length.saturating_mul(255) => {
            let raw =
                lz4_flex::block::decompress(payload, raw_length).map_err(|_| Bad("frame compression"))?;
            if raw.len() != raw_length {
                return Err(Bad("frame length"));
            }
            Bytes::from(raw)
        }
        _ => return Err(Bad("frame codec")),
    };
    Ok(Frame { kind: FrameKind::from_byte(kind)?, raw, length: FRAME_HEADER_LENGTH.saturating_add(length) })
}
