use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::*;

fn codecs() -> [Compression; 6] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ]
}

fn written(codec: Compression, version: WriterVersion, dictionary: bool) -> Vec<u8> {
    let lists = (0..5_000).map(|row| (row % 3 > 0).then(|| vec![Some(row), None]));
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..5_000))),
        (
            "note",
            Arc::new(
                (0..5_000)
                    .map(|row| (row % 7 > 0).then(|| format!("note {}", row % 90)))
                    .collect::<StringArray>(),
            ),
        ),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .set_data_page_size_limit(4_000)
        .set_write_batch_size(500)
        .set_max_row_group_row_count(Some(2_000));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Looks over the pages of a column in one row group. How many bytes are needed at one time to read them.
fn check(column: &[u8], codec: Compression) -> Result<u64, String> {
    let mut pages = Pages::of(column, codec);
    while pages.check_next()?.is_some() {}
    Ok(pages.needed())
}

pub(super) fn footer(file: &[u8]) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file)).unwrap()
}

#[test]
fn pages_that_a_writer_made_are_as_they_should_be() {
    for codec in codecs() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [false, true] {
                let file = written(codec, version, dictionary);
                let footer = footer(&file);
                assert!(footer.num_row_groups() > 1);
                check_pages(&file.into(), &footer, None, 1_024)
                    .unwrap_or_else(|why| panic!("{codec:?} {version:?}: {why}"));
            }
        }
    }
}

/// A number of Thrift's compact protocol.
fn varint(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A page of version 1 with these sizes.
fn page(bytes: i64, body: &[u8]) -> Vec<u8> {
    let mut page = vec![0x15, 0x00, 0x15];
    page.extend(varint(bytes));
    page.push(0x15);
    page.extend(varint(body.len() as i64));
    page.push(0);
    page.extend(body);
    page
}

/// A data page of version 2, whose body begins with so many bytes of levels.
fn second_page(bytes: i64, levels: &[i64], compressed: bool, body: &[u8]) -> Vec<u8> {
    let mut page = page(bytes, body);
    page.truncate(page.len() - body.len() - 1);
    // Field 8, five after field 3.
    page.push(0x5c);
    let mut id = 0;
    for (field, levels) in (5..).zip(levels) {
        page.push(((field - id) << 4) as u8 | 0x05);
        page.extend(varint(*levels));
        id = field;
    }
    page.push(((7 - id) << 4) as u8 | if compressed { 1 } else { 2 });
    page.extend([0, 0]);
    page.extend(body);
    page
}

fn gzip(bytes: usize) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(&vec![0; bytes]).unwrap();
    writer.finish().unwrap()
}

fn brotli(bytes: usize) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = ::brotli::CompressorWriter::new(&mut packed, 4096, 5, 22);
    writer.write_all(&vec![0; bytes]).unwrap();
    drop(writer);
    packed
}

#[test]
fn a_page_that_decompresses_to_more_than_it_says_is_refused() {
    let (by_gzip, by_brotli) =
        (Compression::GZIP(GzipLevel::default()), Compression::BROTLI(BrotliLevel::default()));
    for (codec, body) in [(by_gzip, gzip(10_000_000)), (by_brotli, brotli(10_000_000))] {
        assert!(body.len() < 20_000, "{codec:?}");
        assert_eq!(check(&page(10_000_000, &body), codec), Ok(10_000_000));
        for less in [0, 100, 9_999_999] {
            let refused = check(&page(less, &body), codec).unwrap_err();
            assert!(refused.contains("it has more"), "{refused}");
        }
        // Levels come before, as they are.
        let leveled = [b"levels!", &body[..]].concat();
        assert_eq!(check(&second_page(10_000_007, &[3, 4], true, &leveled), codec), Ok(10_000_007));
        assert!(
            check(&second_page(10_000_006, &[3, 4], true, &leveled), codec)
                .unwrap_err()
                .contains("it has more")
        );
        assert!(check(&second_page(10_000_007, &[3, i64::from(i32::MAX)], true, &leveled), codec).is_err());
        assert!(check(&second_page(10_000_007, &[-1, 8], true, &leveled), codec).is_err());
        // As long as it is stored, it takes no room beyond that.
        assert_eq!(check(&second_page(10, &[3, 4], false, &leveled), codec), Ok(10));
    }
    // Two members of gzip follow one another.
    let twice = [gzip(1_000), gzip(1_000)].concat();
    assert_eq!(check(&page(2_000, &twice), by_gzip), Ok(2_000));
    assert!(check(&page(1_000, &twice), by_gzip).is_err());
}

#[test]
fn what_a_page_claims_is_bounded() {
    for (column, expected) in [
        (page(300 << 20, b"x"), "at most 268435456 are read"),
        (page(-1, b"x"), "does not say how long it is"),
        (page((1 << 32) + 1, b"x"), "more than 32 bits"),
        (vec![0x15, 0x00, 0x00], "does not say how long it is"),
        (page(1, b"x")[..7].to_vec(), "a page of it ends early"),
        // Field 2 as a number of 64 bits.
        (vec![0x15, 0x00, 0x16, 0x02, 0x15, 0x00, 0x00], "another type than Parquet's"),
    ] {
        let refused = check(&column, Compression::SNAPPY).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    let framed = page(10, &[&LZ4_FRAME[..], b"rest"].concat());
    assert!(check(&framed, Compression::LZ4).unwrap_err().contains("LZ4_RAW"));
    assert_eq!(check(&framed, Compression::LZ4_RAW), Ok(10));
    // A column needs its dictionary and its largest page.
    let mut dictionary = page(1_000, b"");
    dictionary[1] = 0x04;
    let column = [dictionary, page(10, b""), page(500, b""), page(20, b"")].concat();
    assert_eq!(check(&column, Compression::SNAPPY), Ok(1_500));
}

/// The columns of a row group.
pub(super) fn columns(file: &[u8], group: &RowGroupMetaData) -> Vec<Column> {
    let column = |(leaf, column): (usize, &ColumnChunkMetaData)| {
        let range = range(column).unwrap();
        let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
        Column { leaf, range, bytes, filling: Filling::NONE }
    };
    group.columns().iter().enumerate().map(column).collect()
}

#[test]
fn a_row_group_needs_no_more_than_there_is() {
    let footer = footer(&written(Compression::SNAPPY, WriterVersion::PARQUET_1_0, false));
    let group = &footer.row_groups()[0];
    let large = Bytes::from(page(200 << 20, b""));
    let column = |number: usize| {
        let start = (number * large.len()) as u64;
        let range = start..start + large.len() as u64;
        Column { leaf: number % 3, range, bytes: large.clone(), filling: Filling::NONE }
    };
    let checked = |columns: Vec<Column>| futures::executor::block_on(check_group(group, &columns, 100));
    assert_eq!(checked((0..10).map(column).collect()), Ok(100));
    assert!(checked((0..11).map(column).collect()).unwrap_err().contains("at one time"));
    assert!(checked(vec![Column { leaf: 3, ..column(0) }]).unwrap_err().contains("lacks a column"));
    assert!(checked(vec![column(0), column(1), column(0)]).unwrap_err().contains("in one place"));
    let within = Column { range: 1..2, ..column(1) };
    assert!(checked(vec![column(0), within]).unwrap_err().contains("in one place"));
    // One that lies nowhere between them is no excuse.
    let nowhere = Column { range: 5..5, bytes: Bytes::new(), ..column(1) };
    let within = Column { range: 9..10, ..column(2) };
    assert!(checked(vec![column(0), nowhere, within]).unwrap_err().contains("in one place"));
}

#[test]
fn other_work_goes_on_while_pages_are_measured() {
    let file = written(Compression::GZIP(GzipLevel::default()), WriterVersion::PARQUET_1_0, false);
    let footer = footer(&file);
    let group = &footer.row_groups()[0];
    let columns = columns(&file, group);
    let mut checking = std::pin::pin!(check_group(group, &columns, 100));
    let mut turns = 0;
    while checking.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending() {
        turns += 1;
    }
    assert!(turns > 5, "{turns}");
}

proptest! {
    #[test]
    fn hostile_columns_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300), codec in 0..6_usize) {
        let _ = check(&bytes, codecs()[codec]);
    }

    #[test]
    fn columns_with_other_bytes_are_answered(at in any::<prop::sample::Index>(), byte in any::<u8>(), codec in 0..6_usize) {
        let mut file = written(codecs()[codec], WriterVersion::PARQUET_2_0, true);
        let footer = footer(&file);
        let range = range(footer.row_group(0).column(1)).unwrap();
        let column = &mut file[range.start as usize..range.end as usize];
        let at = at.index(column.len());
        column[at] = byte;
        let _ = check(column, codecs()[codec]);
    }
}
