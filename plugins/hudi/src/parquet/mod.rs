//! The record keys of a base file: what its footer says of them, and the column `_hoodie_record_key` itself.
//!
//! Nothing else of Parquet is read. What this cannot read is an error that says so, and never an empty list of keys.

mod pages;
mod thrift;

use thrift::Struct;

/// The column that every record of a table with meta fields has.
pub(crate) const KEY_COLUMN: &str = "_hoodie_record_key";
/// How many bytes at the end of a file are read for the length of its footer: the length of the footer and the magic number.
pub(crate) const TAIL: usize = 8;
/// The largest footer that is read.
const FOOTER_MAX: u64 = 64 * 1024 * 1024;

/// What the footer of a base file says of its record keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Footer {
    /// The least and the greatest key, which Hudi notes there.
    pub(crate) range: Option<(String, String)>,
    pub(crate) chunks: Vec<Chunk>,
}

/// The record keys of one row group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    codec: i64,
    values: usize,
    is_optional: bool,
}

/// How long the footer is that the last [`TAIL`] bytes of a file tell of, without these.
///
/// # Errors
///
/// It is no Parquet file, or its footer is too long.
pub(crate) fn footer_length(tail: &[u8], size: u64) -> Result<u64, String> {
    let Some((length, magic)) = tail.split_first_chunk::<4>() else {
        return Err("it is too short for a Parquet file".into());
    };
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted".into()),
        _ => return Err("it is no Parquet file".into()),
    }
    let length = u64::from(u32::from_le_bytes(*length));
    if length > FOOTER_MAX || length + TAIL as u64 > size {
        return Err(format!("its footer claims {length} bytes"));
    }
    Ok(length)
}

/// Reads a footer.
///
/// # Errors
///
/// It is broken, or the file has no record keys.
pub(crate) fn footer(bytes: &[u8], size: u64) -> Result<Footer, String> {
    let (metadata, _) = Struct::read(bytes)?;
    let of_key = |name: &str| {
        let entry = metadata.structures(5).find(|entry| entry.text(1) == Some(name))?;
        entry.text(2).map(str::to_owned)
    };
    let range = of_key("hoodie_min_record_key").zip(of_key("hoodie_max_record_key"));
    let element = metadata.structures(2).skip(1).find(|element| element.text(4) == Some(KEY_COLUMN));
    let element = element.ok_or_else(|| format!("it has no column {KEY_COLUMN}"))?;
    // 6: BYTE_ARRAY. 0, 1, 2: required, optional, repeated.
    let (kind, repetition) = (element.int(1), element.int(3).unwrap_or_default());
    if kind != Some(6) || !(0..=1).contains(&repetition) {
        return Err(format!("its column {KEY_COLUMN} holds no texts"));
    }
    let chunks = metadata.structures(4).map(|group| chunk(group, repetition == 1, size));
    Ok(Footer { range, chunks: chunks.collect::<Result<_, _>>()? })
}

fn chunk(group: &Struct<'_>, is_optional: bool, size: u64) -> Result<Chunk, String> {
    let is_key = |column: &&Struct<'_>| {
        let path = column.list(3);
        matches!(path, [thrift::Value::Bytes(name)] if *name == KEY_COLUMN.as_bytes())
    };
    let column = group.structures(1).filter_map(|column| column.structure(3)).find(is_key);
    let column = column.ok_or_else(|| format!("a row group has no column {KEY_COLUMN}"))?;
    let broken = || format!("a row group does not say where its {KEY_COLUMN} lies");
    let data = column.size(9).ok_or_else(broken)?;
    let offset = column.size(11).filter(|dictionary| (1..data).contains(dictionary)).unwrap_or(data);
    let length = column.size(7).ok_or_else(broken)?;
    let (offset, length) = (offset as u64, length as u64);
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!("a row group says that its {KEY_COLUMN} lies behind the end of the file"));
    }
    let codec = column.int(4).unwrap_or_default();
    Ok(Chunk { offset, length, codec, values: column.size(5).ok_or_else(broken)?, is_optional })
}

/// Hands over each key of a chunk, whose bytes these are.
///
/// # Errors
///
/// A page is broken, or written in a way that is not read here.
pub(crate) fn keys(chunk: &Chunk, bytes: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    pages::keys(chunk, bytes, visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = include_bytes!("tests/gzip.parquet");

    fn all(bytes: &[u8]) -> Result<(Footer, Vec<String>), String> {
        let size = bytes.len() as u64;
        let tail = bytes.get(bytes.len().saturating_sub(8)..).unwrap_or_default();
        let length = footer_length(tail, size)? as usize;
        let read = footer(&bytes[bytes.len() - 8 - length..bytes.len() - 8], size)?;
        let mut found = Vec::new();
        for chunk in &read.chunks {
            let part = &bytes[chunk.offset as usize..][..chunk.length as usize];
            keys(chunk, part, &mut |key| found.push(String::from_utf8_lossy(key).into_owned()))?;
        }
        Ok((read, found))
    }

    #[test]
    fn keys_are_read_however_they_are_written() {
        let wanted: Vec<String> = (0..300).map(|number| format!("key-{}", number % 250)).collect();
        for (name, bytes) in [
            ("gzip, dictionary", SMALL),
            ("snappy, plain", include_bytes!("tests/snappy-plain.parquet")),
            ("uncompressed, pages of version 2", include_bytes!("tests/none-v2.parquet")),
            ("Zstandard", include_bytes!("tests/zstd.parquet")),
            ("delta byte arrays", include_bytes!("tests/delta.parquet")),
            ("delta length", include_bytes!("tests/delta-length.parquet")),
            ("two row groups, required", include_bytes!("tests/required.parquet")),
        ] {
            let (footer, found) = all(bytes).expect(name);
            assert_eq!(found, wanted, "{name}");
            assert_eq!(footer.range, Some(("key-0".into(), "key-99".into())), "{name}");
        }
    }

    #[test]
    fn what_is_not_read_says_so() {
        let said = all(include_bytes!("tests/brotli.parquet")).expect_err("brotli");
        assert!(said.contains("Brotli"), "{said}");
        assert!(all(b"PAR1").expect_err("short").contains("no Parquet file"));
    }

    #[test]
    fn a_broken_file_is_an_error_or_other_keys_and_never_a_panic() {
        for whole in [SMALL, include_bytes!("tests/zstd.parquet"), include_bytes!("tests/delta.parquet")] {
            for at in 0..whole.len() {
                for flipped in [0x01, 0xff] {
                    let mut bytes = whole.to_vec();
                    bytes[at] ^= flipped;
                    let _ = all(&bytes);
                }
                let _ = all(&whole[..at]);
            }
        }
    }
}
