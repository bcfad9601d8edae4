//! What is seen of the pages of a column only once they are decompressed.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::super::decoder::caught;
use super::lengths::{self, Lengths};
use super::levels::Spread;
use super::{Column, let_others_go_on};

/// The bytes of a column, at its place in the file.
struct Placed {
    start: u64,
    bytes: Bytes,
}

impl Placed {
    fn from(&self, at: u64) -> parquet::errors::Result<Bytes> {
        let at = at.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let at = at.filter(|at| *at <= self.bytes.len());
        at.map(|at| self.bytes.slice(at..)).ok_or_else(outside)
    }
}

fn outside() -> ParquetError {
    ParquetError::General("a page lies outside of its column".into())
}

impl Length for Placed {
    fn len(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }
}

impl ChunkReader for Placed {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.from(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(outside());
        }
        Ok(bytes.slice(..length))
    }
}

fn reader(chunk: &ColumnChunkMetaData, column: &Column) -> Result<SerializedPageReader<Placed>, String> {
    let placed = Placed { start: column.range.start, bytes: column.bytes.clone() };
    let reader = caught(|| SerializedPageReader::new(Arc::new(placed), chunk, 0, None));
    reader.map_err(|error| error.to_string())
}

/// How long the longest value of a column's dictionary is.
pub(super) fn longest(chunk: &ColumnChunkMetaData, column: &Column) -> Result<u64, String> {
    let mut reader = reader(chunk, column)?;
    let page = caught(|| reader.get_next_page()).map_err(|error| error.to_string())?;
    // Without one the values cannot be decoded.
    let Some(Page::DictionaryPage { buf, .. }) = page else { return Ok(0) };
    let (mut left, mut longest) = (&buf[..], 0);
    while let Some((length, rest)) = left.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        longest = longest.max(u64::from(length));
        left = rest.get(length as usize..).unwrap_or_default();
    }
    Ok(longest)
}

/// What is seen of a page once it is decompressed.
pub(super) struct Look {
    pub(super) spread: Spread,
    /// How long its values are, where that is encoded by itself.
    pub(super) lengths: Option<Lengths>,
}

/// Looks at the data pages of a column that have values.
pub(super) async fn look(
    chunk: &ColumnChunkMetaData,
    column: &Column,
    pages: usize,
) -> Result<Vec<Look>, String> {
    let leaf = chunk.column_descr();
    let mut reader = reader(chunk, column)?;
    let mut looks = Vec::with_capacity(pages);
    while let Some(page) = caught(|| reader.get_next_page()).map_err(|error| error.to_string())? {
        let count = u64::from(page.num_values());
        let (levels, values) = match &page {
            Page::DataPage { buf, rep_level_encoding, def_level_encoding, .. } => {
                let (repetition, rest) = leveled(buf, leaf.max_rep_level(), *rep_level_encoding);
                let (_, values) = rest
                    .map_or((None, None), |rest| leveled(rest, leaf.max_def_level(), *def_level_encoding));
                (repetition, values)
            }
            Page::DataPageV2 { buf, rep_levels_byte_len, def_levels_byte_len, .. } => {
                let (repetition, definition) = (*rep_levels_byte_len as usize, *def_levels_byte_len as usize);
                (buf.get(..repetition), buf.get(repetition.saturating_add(definition)..))
            }
            Page::DictionaryPage { .. } => continue,
        };
        if count == 0 {
            continue;
        }
        let spread = match (leaf.max_rep_level(), levels) {
            (0, _) => Spread::flat(count),
            (most, Some(levels)) => Spread::of(levels, most, count),
            (_, None) => Spread::unknown(count),
        };
        let lengths = match page.encoding() {
            Encoding::DELTA_BYTE_ARRAY => values.and_then(|values| lengths::of_both(values, count)),
            Encoding::DELTA_LENGTH_BYTE_ARRAY => values.and_then(|values| lengths::of(values, count)),
            _ => None,
        };
        if lengths.is_none()
            && matches!(page.encoding(), Encoding::DELTA_BYTE_ARRAY | Encoding::DELTA_LENGTH_BYTE_ARRAY)
        {
            // The decoder makes room for as many as the page says.
            return Err("a page of it does not say how long its values are".into());
        }
        looks.push(Look { spread, lengths });
        let_others_go_on().await;
    }
    Ok(looks)
}

/// The levels at the beginning of a page of the first version, and what comes after them. Nothing where they have an encoding that no
/// writer of today uses.
fn leveled(page: &[u8], most: i16, encoding: Encoding) -> (Option<&[u8]>, Option<&[u8]>) {
    if most == 0 {
        return (Some(&[]), Some(page));
    }
    let parts = page.split_first_chunk().filter(|_| encoding == Encoding::RLE);
    let parts = parts.and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
    parts.unzip()
}
