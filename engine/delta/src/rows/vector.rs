//! Deletion vectors: which rows of a file are deleted. Decoding is total.
//!
//! Source: the Delta protocol, "Deletion Vector Format". A vector in a file is `size u32 BE | data | CRC-32 u32 BE`; its
//! data are `1681511377 u32 LE | 64-bit roaring bitmap, portable`.

use anabranch_merge::{UnitView, ViewError};
use roaring::RoaringTreemap;
use serde::Deserialize;

use crate::action::{Add, VectorStorage};

/// What the data of a vector begin with.
const MAGIC: u32 = 1_681_511_377;

/// The most bytes one vector may have.
pub(crate) const VECTOR_BYTES_MAX: u64 = 256 << 20;

/// Where the bits of a vector stand, as the action says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    path_or_inline_dv: String,
    offset: Option<u64>,
    size_in_bytes: u64,
}

/// The rows of a file that its deletion vector hides; none without one. The inner error says what is wrong with it.
pub(crate) async fn deleted_rows(
    view: &dyn UnitView,
    add: &Add,
) -> Result<Result<Option<RoaringTreemap>, String>, ViewError> {
    let Some(vector) = &add.vector else { return Ok(Ok(None)) };
    let place = add.object().and_then(|object| object.read::<Place>("deletionVector"));
    let place = match place {
        Ok(Some(place)) => place,
        Ok(None) => return Ok(Err("it is not described".into())),
        Err(error) => return Ok(Err(error)),
    };
    let object = match &vector.storage {
        VectorStorage::Inline => {
            return Ok(inline(&place.path_or_inline_dv).and_then(|data| decode(&data)).map(Some));
        }
        VectorStorage::Absolute(path) => return Ok(Err(format!("it lies at the absolute path {path}"))),
        VectorStorage::Object(object) => object,
    };
    if place.size_in_bytes > VECTOR_BYTES_MAX {
        return Ok(Err(format!("it has {} bytes; at most {VECTOR_BYTES_MAX} are read", place.size_in_bytes)));
    }
    let Some(entry) = view.stat(object).await? else {
        return Ok(Err(format!("{object} does not exist")));
    };
    // Size before it and checksum behind it. Its file begins with a version of one byte.
    let bytes =
        view.read(object, &entry, place.offset.unwrap_or(1), place.size_in_bytes.saturating_add(8)).await?;
    Ok(framed(&bytes).and_then(decode).map(Some))
}

/// Reads the data of a vector.
pub(crate) fn decode(data: &[u8]) -> Result<RoaringTreemap, String> {
    let (magic, bitmap) = data.split_first_chunk::<4>().ok_or("it ends before its magic number")?;
    if u32::from_le_bytes(*magic) != MAGIC {
        return Err(format!("it begins with {magic:?}, which is no deletion vector"));
    }
    RoaringTreemap::deserialize_from(bitmap).map_err(|error| error.to_string())
}

/// Takes the data of a vector out of what stands in its file at its offset, and checks them.
pub(crate) fn framed(bytes: &[u8]) -> Result<&[u8], String> {
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or("it ends before its size")?;
    let size = u32::from_be_bytes(*size) as usize;
    let data = rest.get(..size).ok_or("it is shorter than it says")?;
    let sum = rest.get(size..).and_then(|rest| rest.first_chunk::<4>()).ok_or("it lacks its checksum")?;
    if crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(data) != u32::from_be_bytes(*sum) {
        return Err("its checksum does not match".into());
    }
    Ok(data)
}

/// The data of a vector that stands in the action itself.
pub(crate) fn inline(text: &str) -> Result<Vec<u8>, String> {
    // Padded to whole groups of five characters by writers; what follows the bitmap is not read.
    z85::decode(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(rows: &[u64]) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        rows.iter().copied().collect::<RoaringTreemap>().serialize_into(&mut bytes).unwrap();
        bytes
    }

    fn frame(data: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(data);
        bytes.extend(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(data).to_be_bytes());
        bytes
    }

    #[test]
    fn vectors_are_read_as_they_were_written() {
        let rows = [0, 3, 7, 1 << 33];
        let framed_bytes = frame(&data(&rows));
        let read = decode(framed(&framed_bytes).unwrap()).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), rows);
    }

    /// The example of the protocol's text.
    #[test]
    fn the_protocols_inline_example_is_read() {
        let bytes = inline("^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L").unwrap();
        assert_eq!(decode(&bytes).unwrap().iter().collect::<Vec<_>>(), [3, 4, 7, 11, 18, 29]);
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..60, byte in any::<u8>()) {
            let _ = framed(&bytes).map(decode);
            let mut damaged = frame(&data(&[1, 5, 70_000]));
            if let Some(place) = damaged.get_mut(at) {
                *place = byte;
            }
            let _ = framed(&damaged).map(decode);
            let _ = decode(&damaged);
        }
    }
}
