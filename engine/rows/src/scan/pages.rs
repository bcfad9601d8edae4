//! The pages of a column, looked over before they are decoded: the decoder makes as much room as a page says it needs, and with some
//! codecs as much as it turns out to need, so that a small file could take all memory.
//!
//! Source: the Parquet format, `PageHeader` in `parquet.thrift`, in Thrift's compact protocol.

// By their paths, because the fuzz target takes this file in from another place.
#[path = "pages/bounds.rs"]
mod bounds;
#[path = "pages/lengths.rs"]
mod lengths;
#[path = "pages/levels.rs"]
mod levels;
#[path = "pages/look.rs"]
mod look;

use std::io::Read;
use std::ops::Range;
use std::task::Poll;

use arrow::datatypes::Schema;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use bounds::{DataPage, Profile};
pub(super) use bounds::{Filling, fillings};

use super::footer::shape::{DATA_PAGE, DATA_PAGE_V2, DICTIONARY_PAGE, PAGE_HEADER, Shape};
use super::footer::{I32, STRUCT, TRUE, Walk};

/// The most bytes of one page when it is decompressed. Writers make pages of a MiB; one value that is larger makes a larger one.
const PAGE_BYTES_MAX: u64 = 256 << 20;
/// The most bytes that the columns of a row group need at one time: of each its largest page, and its dictionary.
const COLUMNS_BYTES_MAX: u64 = 2 << 30;

/// How a page of LZ4's own framing begins, whose length nothing tells beforehand.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// The most pages of a column in a row group. Writers make thousands.
const PAGES_MAX: usize = 1 << 20;
/// How many bytes columns with lists may take in all their rows together before it is looked at how long their lists are.
const LISTS_BYTES_MAX: u64 = 256 << 20;

/// Kinds of pages.
const DATA: i32 = 0;
const DICTIONARY: i32 = 2;
const DATA_V2: i32 = 3;

/// A column of a row group.
#[derive(Debug)]
pub(super) struct Column {
    /// Which of the leaves of the schema.
    pub(super) leaf: usize,
    /// Where it lies in the file.
    pub(super) range: Range<u64>,
    pub(super) bytes: Bytes,
    pub(super) filling: Filling,
}

/// Looks over the pages of a file that is at hand as a whole, once its footer is decoded. How many of its rows are to be decoded at a
/// time: `batch_rows`, or fewer where they would take too much memory. `schema` is the one that they are decoded to; none for a reader
/// that fills nothing up.
///
/// # Errors
///
/// What is wrong with them, or that a single row takes too much.
pub fn check_pages(
    file: &Bytes,
    footer: &ParquetMetaData,
    schema: Option<&Schema>,
    batch_rows: usize,
) -> Result<usize, String> {
    let fillings = schema.map(fillings);
    let mut fitting = batch_rows.max(1);
    for group in footer.row_groups() {
        let columns = group.columns().iter().enumerate().map(|(leaf, column)| {
            let range = range(column)?;
            let inside = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let inside = inside.filter(|(_, end)| *end <= file.len());
            let (start, end) = inside.ok_or("a column of it lies outside of the file")?;
            let filling = match &fillings {
                Some(fillings) => *fillings.get(leaf).ok_or("its columns are not its schema's")?,
                None => Filling::NONE,
            };
            Ok(Column { leaf, range, bytes: file.slice(start..end), filling })
        });
        let columns = columns.collect::<Result<Vec<_>, String>>()?;
        fitting = futures::executor::block_on(check_group(group, &columns, fitting))?;
    }
    Ok(fitting)
}

/// Looks over columns of a row group. How many of its rows are to be decoded at a time: `batch_rows`, or fewer. Lets other work go on
/// between pages that have to be decompressed for it.
///
/// # Errors
///
/// What is wrong with them, or that they need too much memory together.
pub(super) async fn check_group(
    group: &RowGroupMetaData,
    columns: &[Column],
    batch_rows: usize,
) -> Result<usize, String> {
    check_apart(columns)?;
    let lists =
        group.columns().iter().filter(|chunk| chunk.column_descr().max_rep_level() > 0).count() as u64;
    let profiles = profiles(group, columns, LISTS_BYTES_MAX.checked_div(lists).unwrap_or_default()).await?;
    bounds::batch_rows(&profiles, batch_rows)
}

/// Looks over columns, and what their rows take: each by itself where that is more than `few` together.
pub(super) async fn profiles(
    group: &RowGroupMetaData,
    columns: &[Column],
    few: u64,
) -> Result<Vec<Profile>, String> {
    let (mut room, mut profiles) = (Room::default(), Vec::with_capacity(columns.len()));
    for column in columns {
        let chunk = group.columns().get(column.leaf).ok_or("a row group of it lacks a column")?;
        let mut pages = Pages::of(&column.bytes, chunk.compression());
        let mut data = Vec::new();
        while let Some(page) = pages.check_next()? {
            data.extend(page);
            if data.len() > PAGES_MAX {
                return Err(format!("a column of it has more than {PAGES_MAX} pages in a row group"));
            }
            if is_measured(chunk.compression()) {
                let_others_go_on().await;
            }
        }
        room.take(pages.needed())?;
        bounds::check_dictionary(chunk, &pages.dictionary)?;
        profiles.push(bounds::profile(chunk, column, &data, pages.dictionary.bytes, few).await?);
    }
    Ok(profiles)
}

/// Refuses columns that lie in one place: each of thousands would be looked over as often as there are others.
fn check_apart(columns: &[Column]) -> Result<(), String> {
    let ranges = columns.iter().map(|column| &column.range).filter(|range| !range.is_empty());
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable_by_key(|range| range.start);
    match ranges.array_windows().any(|[left, right]| left.end > right.start) {
        true => Err("two columns of it lie in one place".into()),
        false => Ok(()),
    }
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
///
/// # Errors
///
/// It lies nowhere.
pub(super) fn range(column: &ColumnChunkMetaData) -> Result<Range<u64>, String> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let (start, length) = (u64::try_from(start), u64::try_from(column.compressed_size()));
    let (Ok(start), Ok(length)) = (start, length) else {
        return Err("a column of it lies before its first byte, or has less than none".into());
    };
    Ok(start..start.saturating_add(length))
}

/// The pages of a column in one row group.
struct Pages<'a> {
    walk: Walk<'a>,
    codec: Compression,
    dictionary: DataPage,
    largest: u64,
}

impl<'a> Pages<'a> {
    fn of(column: &'a [u8], codec: Compression) -> Self {
        Pages { walk: Walk::of(column, "a page of it"), codec, dictionary: DataPage::default(), largest: 0 }
    }

    /// How many bytes those that were looked over need at one time.
    fn needed(&self) -> u64 {
        self.dictionary.bytes.saturating_add(self.largest)
    }

    /// Looks over the next page; none at the end of the column. What it says of its values, if it has any.
    fn check_next(&mut self) -> Result<Option<Option<DataPage>>, String> {
        let Some(page) = Page::read(&mut self.walk)? else { return Ok(None) };
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
        let (values, encoding) = match page.kind {
            DATA => page.first,
            DATA_V2 => (page.second.values, page.second.encoding),
            DICTIONARY => page.dictionary,
            _ => (0, 0),
        };
        let values = u64::try_from(values).map_err(|_| "a page of it has less than no values")?;
        let read = DataPage { values, bytes: page.bytes, encoding };
        if page.kind == DICTIONARY {
            // The decoder reads the first one, whichever that is here.
            let known = self.dictionary;
            self.dictionary.bytes = known.bytes.max(read.bytes);
            self.dictionary.values = known.values.max(read.values);
        } else {
            self.largest = page.bytes.max(self.largest);
        }
        Ok(Some(matches!(page.kind, DATA | DATA_V2).then_some(read)))
    }
}

/// A page as its header describes it.
struct Page<'a> {
    kind: i32,
    /// How many bytes it has decompressed.
    bytes: u64,
    body: &'a [u8],
    /// How many values a data page of the first version has, and their encoding.
    first: (i32, i32),
    /// The same of a dictionary.
    dictionary: (i32, i32),
    second: Second,
}

impl<'a> Page<'a> {
    /// The next page; none at the end of the column.
    fn read(walk: &mut Walk<'a>) -> Result<Option<Self>, String> {
        if walk.is_at_end() {
            return Ok(None);
        }
        let (mut kind, mut bytes, mut stored) = (0, None, None);
        let (mut first, mut dictionary, mut second) = ((0, 0), (0, 0), Second::default());
        walk.fields(Some(&PAGE_HEADER), 0, |walk, id, of| {
            match (id, of) {
                (1, I32) => kind = number(walk)?,
                (2, I32) => bytes = Some(number(walk)?),
                (3, I32) => stored = Some(number(walk)?),
                (5, STRUCT) => first = values_header(walk, &DATA_PAGE)?,
                (7, STRUCT) => dictionary = values_header(walk, &DICTIONARY_PAGE)?,
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
        Ok(Some(Page { kind, bytes, body, first, dictionary, second }))
    }
}

/// How many values a page has, and their encoding: what its header begins with.
fn values_header(walk: &mut Walk<'_>, shape: &Shape) -> Result<(i32, i32), String> {
    let mut header = (0, 0);
    walk.fields(Some(shape), 1, |walk, id, of| {
        match (id, of) {
            (1, I32) => header.0 = number(walk)?,
            (2, I32) => header.1 = number(walk)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(header)
}

/// What is said of data pages of the second version only. Of a field that comes twice the last one counts, as for the decoder.
struct Second {
    values: i32,
    encoding: i32,
    /// How many bytes of the page are levels, which are not compressed.
    levels: u64,
    is_compressed: bool,
}

impl Default for Second {
    fn default() -> Self {
        Second { values: 0, encoding: 0, levels: 0, is_compressed: true }
    }
}

impl Second {
    fn read(walk: &mut Walk<'_>) -> Result<Self, String> {
        let (mut values, mut encoding, mut levels, mut is_compressed) = (0, 0, [0, 0], true);
        walk.fields(Some(&DATA_PAGE_V2), 1, |walk, id, of| {
            match (id, of) {
                (1, I32) => values = number(walk)?,
                (4, I32) => encoding = number(walk)?,
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
        Ok(Second { values, encoding, levels: definition + repetition, is_compressed })
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
