//! The pages of a column, looked over before they are decoded: the decoder makes as much room as a page says it needs, and with some
//! codecs as much as it turns out to need, so that a small file could take all memory.
//!
//! Source: the Parquet format, `PageHeader` in `parquet.thrift`, in Thrift's compact protocol.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::task::Poll;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::footer::shape::{DATA_PAGE_V2, PAGE_HEADER};
use super::footer::{I32, STRUCT, TRUE, Walk};

/// The most bytes of one page when it is decompressed. Writers make pages of a MiB; one value that is larger makes a larger one.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// The most bytes that the columns of a row group need at one time: of each its largest page, and its dictionary.
const COLUMNS_BYTES_MAX: u64 = 2 << 30;

/// How a page of LZ4's own framing begins, whose length nothing tells beforehand.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Kinds of pages.
const DICTIONARY: i32 = 2;

/// Looks over the pages of a file that is at hand as a whole, once its footer is decoded.
///
/// # Errors
///
/// What is wrong with them.
pub fn check_pages(file: &[u8], footer: &ParquetMetaData) -> Result<(), String> {
    for group in footer.row_groups() {
        let mut room = Room::default();
        for column in group.columns() {
            let range = range(column)?;
            let inside = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let bytes = inside.and_then(|(start, end)| file.get(start..end));
            room.take(check(bytes.ok_or("a column of it lies outside of the file")?, column.compression())?)?;
        }
    }
    Ok(())
}

/// Looks over columns of a row group, each with where it lies in the file. Lets other work go on between pages that have to be
/// decompressed for it.
///
/// # Errors
///
/// What is wrong with them, or that they need too much memory together.
pub(super) async fn check_group(
    group: &RowGroupMetaData,
    columns: &[(Range<u64>, Bytes)],
) -> Result<(), String> {
    let mut own: HashMap<Range<u64>, Vec<Compression>> = HashMap::new();
    for column in group.columns() {
        // Several columns may claim to lie in one place, with a codec each: thousands, so each codec is looked at once.
        let codecs = own.entry(range(column)?).or_default();
        if !codecs.contains(&column.compression()) {
            codecs.push(column.compression());
        }
    }
    let mut room = Room::default();
    for (range, bytes) in columns {
        let codecs = own.get(range).ok_or("no column of its row group lies where one is read")?;
        for codec in codecs {
            let mut pages = Pages::of(bytes, *codec);
            while pages.check_next()? {
                if is_measured(*codec) {
                    let_others_go_on().await;
                }
            }
            room.take(pages.needed())?;
        }
    }
    Ok(())
}

/// Is ready when it is asked again.
async fn let_others_go_on() {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the columns of a row group need together.
#[derive(Default)]
struct Room(u64);

impl Room {
    fn take(&mut self, bytes: u64) -> Result<(), String> {
        self.0 = self.0.saturating_add(bytes);
        match self.0 {
            needed if needed > COLUMNS_BYTES_MAX => Err(format!(
                "the pages of a row group need {needed} bytes or more at one time; at most {COLUMNS_BYTES_MAX} are read"
            )),
            _ => Ok(()),
        }
    }
}

/// Where a column lies: from its dictionary, if it has one, or its first page.
fn range(column: &ColumnChunkMetaData) -> Result<Range<u64>, String> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let (start, length) = (u64::try_from(start), u64::try_from(column.compressed_size()));
    let (Ok(start), Ok(length)) = (start, length) else {
        return Err("a column of it lies before its first byte, or has less than none".into());
    };
    Ok(start..start.saturating_add(length))
}

/// Looks over the pages of a column in one row group. How many bytes are needed at one time to read them.
///
/// # Errors
///
/// What is wrong with them.
pub(super) fn check(column: &[u8], codec: Compression) -> Result<u64, String> {
    let mut pages = Pages::of(column, codec);
    while pages.check_next()? {}
    Ok(pages.needed())
}

/// The pages of a column in one row group.
struct Pages<'a> {
    walk: Walk<'a>,
    codec: Compression,
    dictionary: u64,
    largest: u64,
}

impl<'a> Pages<'a> {
    fn of(column: &'a [u8], codec: Compression) -> Self {
        Pages { walk: Walk::of(column, "a page of it"), codec, dictionary: 0, largest: 0 }
    }

    /// How many bytes those that were looked over need at one time.
    fn needed(&self) -> u64 {
        self.dictionary.saturating_add(self.largest)
    }

    /// Looks over the next page. Whether there was one.
    fn check_next(&mut self) -> Result<bool, String> {
        let Some(page) = Page::read(&mut self.walk)? else { return Ok(false) };
        if page.bytes > PAGE_BYTES_MAX {
            return Err(format!(
                "a page of it would have {} bytes decompressed; at most {PAGE_BYTES_MAX} are read",
                page.bytes
            ));
        }
        if page.second.is_compressed {
            let levels = usize::try_from(page.second.levels).ok();
            let compressed = levels.and_then(|levels| page.body.get(levels..));
            let compressed = compressed.ok_or("a page of it has more bytes of levels than bytes")?;
            measure(compressed, self.codec, page.bytes.saturating_sub(page.second.levels))?;
        }
        match page.kind {
            DICTIONARY => self.dictionary = page.bytes,
            _ => self.largest = page.bytes.max(self.largest),
        }
        Ok(true)
    }
}

/// A page as its header describes it.
struct Page<'a> {
    kind: i32,
    /// How many bytes it has decompressed.
    bytes: u64,
    body: &'a [u8],
    second: Second,
}

impl<'a> Page<'a> {
    /// The next page; none at the end of the column.
    fn read(walk: &mut Walk<'a>) -> Result<Option<Self>, String> {
        if walk.is_at_end() {
            return Ok(None);
        }
        let (mut kind, mut bytes, mut stored) = (0, None, None);
        let mut second = Second::default();
        walk.fields(Some(&PAGE_HEADER), 0, |walk, id, of| {
            match (id, of) {
                (1, I32) => kind = number(walk)?,
                (2, I32) => bytes = Some(number(walk)?),
                (3, I32) => stored = Some(number(walk)?),
                (8, STRUCT) => second = Second::read(walk)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let size = |size: Option<i32>| {
            let size = size.and_then(|size| u64::try_from(size).ok());
            size.ok_or_else(|| "a page of it does not say how long it is".to_owned())
        };
        let (bytes, body) = (size(bytes)?, walk.take(size(stored)?)?);
        Ok(Some(Page { kind, bytes, body, second }))
    }
}

/// What is said of data pages of the second version only. Of a field that comes twice the last one counts, as for the decoder.
struct Second {
    /// How many bytes of the page are levels, which are not compressed.
    levels: u64,
    is_compressed: bool,
}

impl Default for Second {
    fn default() -> Self {
        Second { levels: 0, is_compressed: true }
    }
}

impl Second {
    fn read(walk: &mut Walk<'_>) -> Result<Self, String> {
        let (mut levels, mut is_compressed) = ([0, 0], true);
        walk.fields(Some(&DATA_PAGE_V2), 1, |walk, id, of| {
            match (id, of) {
                (5, I32) => levels[0] = number(walk)?,
                (6, I32) => levels[1] = number(walk)?,
                (7, of) => is_compressed = of == TRUE,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let levels = levels.map(|bytes| u64::try_from(bytes).ok());
        let [Some(definition), Some(repetition)] = levels else {
            return Err("a page of it has levels of less than no bytes".into());
        };
        Ok(Second { levels: definition + repetition, is_compressed })
    }
}

/// A number of 32 bits: of a longer one the decoder would take a part.
fn number(walk: &mut Walk<'_>) -> Result<i32, String> {
    let number = walk.signed()?;
    i32::try_from(number)
        .map_err(|_| format!("a page of it has a number {number}, which has more than 32 bits"))
}

/// Whether pages of a codec are decompressed to see how long they are.
fn is_measured(codec: Compression) -> bool {
    matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_))
}

/// Whether a compressed body has no more than `bytes`, for codecs whose decoders do not look.
fn measure(body: &[u8], codec: Compression, bytes: u64) -> Result<(), String> {
    let enough = bytes.saturating_add(1);
    let has = match codec {
        Compression::GZIP(_) => count(flate2::read::MultiGzDecoder::new(body).take(enough)),
        Compression::BROTLI(_) => count(brotli::Decompressor::new(body, 4096).take(enough)),
        Compression::LZ4 if body.starts_with(&LZ4_FRAME) => {
            return Err("a page of it is an LZ4 frame, which is not read here: write it with LZ4_RAW".into());
        }
        _ => return Ok(()),
    };
    match has {
        more if more > bytes => {
            Err(format!("a page of it says that it has {bytes} bytes decompressed, and it has more"))
        }
        _ => Ok(()),
    }
}

/// How many bytes come. What cannot be decompressed is for the decoder to name.
fn count(mut from: impl Read) -> u64 {
    let mut buffer = [0; 8192];
    let mut bytes = 0_u64;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(read) => bytes = bytes.saturating_add(read as u64),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return bytes,
        }
    }
}

#[cfg(test)]
mod tests;
