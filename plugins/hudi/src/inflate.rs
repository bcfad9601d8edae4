//! Decompression with a bound on what comes out.

use std::io::Read;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// Inflates a raw deflate stream.
///
/// # Errors
///
/// It is broken, or longer than `limit` bytes.
pub(crate) fn raw(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    decompress_to_vec_with_limit(bytes, limit)
        .map_err(|error| format!("its deflate stream is broken: {error}"))
}

/// Unpacks frames of Zstandard.
///
/// # Errors
///
/// As for [`raw`].
pub(crate) fn zstandard(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let broken = |error: &dyn std::fmt::Display| format!("its Zstandard stream is broken: {error}");
    let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|error| broken(&error))?;
    let mut unpacked = Vec::new();
    // One more than the limit, so that what is longer is seen to be.
    let taken = decoder.take(limit as u64 + 1).read_to_end(&mut unpacked).map_err(|error| broken(&error))?;
    if taken > limit { Err("its Zstandard stream is longer than it says".into()) } else { Ok(unpacked) }
}

/// Inflates a file of gzip.
///
/// # Errors
///
/// As for [`raw`], or its header is broken.
pub(crate) fn gzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const BROKEN: &str = "its gzip header is broken";
    let flags = *bytes.get(3).ok_or(BROKEN)?;
    if !bytes.starts_with(&[0x1f, 0x8b, 8]) {
        return Err(BROKEN.into());
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let size = bytes.get(at..at + 2).ok_or(BROKEN)?;
        at += 2 + size.iter().rev().fold(0, |size, byte| size << 8 | usize::from(*byte));
    }
    // A name and a comment, each up to its zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = bytes.get(at..).ok_or(BROKEN)?;
            at += rest.iter().position(|byte| *byte == 0).ok_or(BROKEN)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    raw(bytes.get(at..).ok_or(BROKEN)?, limit)
}
