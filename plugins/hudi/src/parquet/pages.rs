//! Pages of a column of byte arrays.

use super::Chunk;
use super::thrift::Struct;
use crate::inflate;

/// The largest page that is unpacked.
const PAGE_MAX: usize = 128 * 1024 * 1024;
/// Why a page cannot be read whose bytes do not suffice.
const SHORT: &str = "a page of its record keys ends too early";

/// Hands over each value of the column chunk, in order; nulls are left out.
pub(super) fn keys(chunk: &Chunk, bytes: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let mut rest = bytes;
    let mut dictionary: Vec<u8> = Vec::new();
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut left = chunk.values;
    while left > 0 {
        let (header, size) = Struct::read(rest)?;
        let body = rest.get(size..).unwrap_or_default();
        let (packed, unpacked) = (header.size(3).ok_or(SHORT)?, header.size(2).ok_or(SHORT)?);
        let (body, after) = body.split_at_checked(packed).ok_or(SHORT)?;
        rest = after;
        if unpacked > PAGE_MAX {
            return Err(format!("a page of its record keys has {unpacked} bytes"));
        }
        let mut page = match header.int(1) {
            Some(2) => {
                dictionary = unpack(chunk.codec, body, unpacked)?;
                let count = header.structure(7).and_then(|page| page.size(1)).ok_or(SHORT)?;
                places = plain(&dictionary, count)?;
                continue;
            }
            Some(0) => Page::of_version_1(chunk, &header, body, unpacked)?,
            Some(3) => Page::of_version_2(chunk, &header, body, unpacked)?,
            // Pages of another kind hold no values, such as indexes.
            _ => continue,
        };
        left = left.checked_sub(page.values).filter(|_| page.values > 0).ok_or(SHORT)?;
        page.visit(&dictionary, &places, visit)?;
    }
    Ok(())
}

/// A page without its levels.
struct Page {
    bytes: Vec<u8>,
    /// How many values it has, with nulls and without.
    values: usize,
    present: usize,
    encoding: i64,
}

impl Page {
    fn of_version_1(
        chunk: &Chunk,
        header: &Struct<'_>,
        body: &[u8],
        unpacked: usize,
    ) -> Result<Self, String> {
        let page = header.structure(5).ok_or(SHORT)?;
        let values = page.size(1).ok_or(SHORT)?;
        let mut bytes = unpack(chunk.codec, body, unpacked)?;
        let mut present = values;
        if chunk.is_optional {
            if page.int(3) != Some(3) {
                return Err("the levels of a page are not run lengths".into());
            }
            let size = bytes.first_chunk::<4>().ok_or(SHORT)?;
            let size = u32::from_le_bytes(*size) as usize;
            let levels = bytes.get(4..).and_then(|rest| rest.get(..size)).ok_or(SHORT)?;
            present = ones(levels, values)?;
            bytes.drain(..4 + size);
        }
        Ok(Self { bytes, values, present, encoding: page.int(2).unwrap_or_default() })
    }

    fn of_version_2(
        chunk: &Chunk,
        header: &Struct<'_>,
        body: &[u8],
        unpacked: usize,
    ) -> Result<Self, String> {
        let page = header.structure(8).ok_or(SHORT)?;
        let (values, nulls) = (page.size(1).ok_or(SHORT)?, page.size(2).unwrap_or_default());
        let levels = page.size(5).unwrap_or_default().saturating_add(page.size(6).unwrap_or_default());
        let body = body.get(levels..).ok_or(SHORT)?;
        let unpacked = unpacked.checked_sub(levels).ok_or(SHORT)?;
        let is_packed = page.flag(7).unwrap_or(true);
        let bytes = if is_packed { unpack(chunk.codec, body, unpacked)? } else { body.to_vec() };
        let present = values.checked_sub(nulls).ok_or(SHORT)?;
        Ok(Self { bytes, values, present, encoding: page.int(4).unwrap_or_default() })
    }

    fn visit(
        &mut self,
        dictionary: &[u8],
        places: &[(usize, usize)],
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), String> {
        match self.encoding {
            0 => {
                for (start, end) in plain(&self.bytes, self.present)? {
                    visit(self.bytes.get(start..end).ok_or(SHORT)?);
                }
                Ok(())
            }
            2 | 8 => {
                let (width, indexes) = self.bytes.split_first().ok_or(SHORT)?;
                runs(indexes, u32::from(*width), self.present, &mut |index, count| {
                    let (start, end) =
                        *places.get(index as usize).ok_or("a key that its dictionary lacks")?;
                    let key = dictionary.get(start..end).ok_or(SHORT)?;
                    (0..count).for_each(|_| visit(key));
                    Ok(())
                })
            }
            6 => {
                let (lengths, rest) = delta_numbers(&self.bytes, self.present)?;
                let mut at = 0_usize;
                for length in lengths {
                    let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
                    let end = end.ok_or(SHORT)?;
                    visit(rest.get(at..end).ok_or(SHORT)?);
                    at = end;
                }
                Ok(())
            }
            7 => self.visit_delta(visit),
            other => Err(format!("its record keys have the encoding {other}, which is not read here")),
        }
    }

    /// Byte arrays that share their beginning with the one before.
    fn visit_delta(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let (prefixes, rest) = delta_numbers(&self.bytes, self.present)?;
        let (suffixes, mut rest) = delta_numbers(rest, self.present)?;
        let mut key: Vec<u8> = Vec::new();
        for (prefix, suffix) in prefixes.into_iter().zip(suffixes) {
            let (prefix, suffix) = (usize::try_from(prefix), usize::try_from(suffix));
            let (Ok(prefix), Ok(suffix)) = (prefix, suffix) else { return Err(SHORT.into()) };
            let (more, after) = rest.split_at_checked(suffix).ok_or(SHORT)?;
            if prefix > key.len() {
                return Err(SHORT.into());
            }
            key.truncate(prefix);
            key.extend_from_slice(more);
            rest = after;
            visit(&key);
        }
        Ok(())
    }
}

fn unpack(codec: i64, bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let unpacked = match codec {
        0 => bytes.to_vec(),
        1 => {
            let claimed = snap::raw::decompress_len(bytes).map_err(|error| error.to_string())?;
            if claimed != size {
                return Err(SHORT.into());
            }
            snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| error.to_string())?
        }
        2 => inflate::gzip(bytes, size)?,
        6 => inflate::zstandard(bytes, size)?,
        other => {
            let name = match other {
                3 => "LZO",
                4 => "Brotli",
                5 | 7 => "LZ4",
                _ => "a codec of a newer kind",
            };
            return Err(format!(
                "it is compressed with {name}, and only gzip, Snappy, Zstandard and none are read here"
            ));
        }
    };
    if unpacked.len() == size { Ok(unpacked) } else { Err(SHORT.into()) }
}

/// Where each of `count` byte arrays lies that stand behind their lengths.
fn plain(bytes: &[u8], count: usize) -> Result<Vec<(usize, usize)>, String> {
    if count > bytes.len() / 4 {
        return Err(SHORT.into());
    }
    let mut places = Vec::with_capacity(count);
    let mut at = 0_usize;
    for _ in 0..count {
        let length = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(SHORT)?;
        let start = at + 4;
        let end = start.checked_add(u32::from_le_bytes(*length) as usize).filter(|end| *end <= bytes.len());
        at = end.ok_or(SHORT)?;
        places.push((start, at));
    }
    Ok(places)
}

/// How many of `count` levels are 1.
fn ones(levels: &[u8], count: usize) -> Result<usize, String> {
    let mut sum = 0;
    runs(levels, 1, count, &mut |level, times| {
        sum += level as usize * times;
        Ok(())
    })?;
    Ok(sum)
}

/// Hands over `count` numbers that are written as runs and as packed bits, each with how often it stands in a row.
fn runs(
    mut bytes: &[u8],
    width: u32,
    count: usize,
    each: &mut dyn FnMut(u64, usize) -> Result<(), String>,
) -> Result<(), String> {
    if width > 32 {
        return Err("numbers of a page have more than 32 bits".into());
    }
    let mut left = count;
    while left > 0 {
        let header = unsigned(&mut bytes)?;
        let times = usize::try_from(header >> 1).map_err(|_| SHORT)?;
        if header & 1 == 1 {
            let size = times.checked_mul(width as usize).ok_or(SHORT)?;
            let (packed, after) = bytes.split_at_checked(size).ok_or(SHORT)?;
            bytes = after;
            let taken = times.checked_mul(8).ok_or(SHORT)?.min(left);
            for index in 0..taken {
                each(bits(packed, index * width as usize, width), 1)?;
            }
            left = left.checked_sub(taken).filter(|_| taken > 0).ok_or(SHORT)?;
        } else {
            let (value, after) = bytes.split_at_checked(width.div_ceil(8) as usize).ok_or(SHORT)?;
            bytes = after;
            let taken = times.min(left);
            each(value.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)), taken)?;
            left = left.checked_sub(taken).filter(|_| taken > 0).ok_or(SHORT)?;
        }
    }
    Ok(())
}

/// The number of `width` bits at a place in packed bits, the least significant ones first.
fn bits(packed: &[u8], at: usize, width: u32) -> u64 {
    (0..width as usize).fold(0, |value, bit| {
        let at = at + bit;
        let byte = packed.get(at / 8).copied().unwrap_or_default();
        value | u64::from(byte >> (at % 8) & 1) << bit
    })
}

fn unsigned(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(SHORT)?;
        *bytes = rest;
        if shift < 64 {
            number |= u64::from(byte & 0x7f) << shift;
        }
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(SHORT.into())
}

/// Numbers written as differences (`DELTA_BINARY_PACKED`), of which there must be `count`, and what comes behind them.
fn delta_numbers(bytes: &[u8], count: usize) -> Result<(Vec<i64>, &[u8]), String> {
    let zigzag = |number: u64| (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    let mut rest = bytes;
    let block = usize::try_from(unsigned(&mut rest)?).map_err(|_| SHORT)?;
    let minis = usize::try_from(unsigned(&mut rest)?).map_err(|_| SHORT)?;
    let total = usize::try_from(unsigned(&mut rest)?).map_err(|_| SHORT)?;
    let mut value = zigzag(unsigned(&mut rest)?);
    let per_mini = block.checked_div(minis).filter(|size| *size > 0 && size % 8 == 0 && block <= 1 << 20);
    let per_mini = per_mini.ok_or("the blocks of a page are of an odd size")?;
    if total != count {
        return Err(SHORT.into());
    }
    let mut numbers = Vec::new();
    if total > 0 {
        numbers.push(value);
    }
    while numbers.len() < total {
        let least = zigzag(unsigned(&mut rest)?);
        let (widths, after) = rest.split_at_checked(minis).ok_or(SHORT)?;
        rest = after;
        for width in widths {
            if numbers.len() >= total {
                break;
            }
            let width = u32::from(*width);
            if width > 64 {
                return Err(SHORT.into());
            }
            let (packed, after) = rest.split_at_checked(per_mini / 8 * width as usize).ok_or(SHORT)?;
            rest = after;
            for index in 0..per_mini.min(total - numbers.len()) {
                let delta = bits(packed, index * width as usize, width).cast_signed();
                value = value.wrapping_add(least).wrapping_add(delta);
                numbers.push(value);
            }
        }
    }
    Ok((numbers, rest))
}
