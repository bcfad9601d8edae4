use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListBuilder, ListBuilder, RecordBatch, StringArray,
    StringBuilder,
};
use arrow::datatypes::Field;
use bytes::Bytes;
use futures::executor::block_on;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::super::tests::{columns, footer};
use super::super::{check_group, profiles};
use super::*;
use crate::scan::readable::readable;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
struct Writing {
    second: bool,
    dictionary: bool,
    /// Whether values are written as what they do not have in common with the one before.
    shared: bool,
    packed: bool,
    page_bytes: usize,
}

fn write(columns: Vec<(&str, ArrayRef)>, writing: Writing) -> Bytes {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.unwrap();
    let version = if writing.second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let mut properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(writing.dictionary)
        .set_compression(if writing.packed { Compression::SNAPPY } else { Compression::UNCOMPRESSED })
        .set_data_page_size_limit(writing.page_bytes)
        .set_dictionary_page_size_limit(1 << 20)
        .set_write_batch_size(7);
    if writing.shared {
        properties = properties.set_encoding(Encoding::DELTA_BYTE_ARRAY);
    } else {
        properties = properties.set_encoding(Encoding::PLAIN);
    }
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn filled_columns(file: &Bytes, footer: &Arc<ParquetMetaData>) -> Vec<Column> {
    let fillings = fillings(readable(footer).unwrap().schema());
    let mut columns = columns(file, footer.row_group(0));
    assert_eq!(fillings.len(), columns.len());
    for (column, filling) in columns.iter_mut().zip(fillings) {
        column.filling = filling;
    }
    columns
}

/// How many rows are decoded at a time.
fn fitting(file: &Bytes, most: usize) -> Result<usize, String> {
    let footer = Arc::new(footer(file));
    block_on(check_group(footer.row_group(0), &filled_columns(file, &footer), most))
}

const PLAIN: Writing =
    Writing { second: false, dictionary: false, shared: false, packed: true, page_bytes: 1 << 20 };

/// Texts of these lengths, none where there is none.
fn texts(lengths: &[Option<usize>]) -> ArrayRef {
    let text = |length: &Option<usize>| length.map(|length| "x".repeat(length));
    Arc::new(lengths.iter().map(text).collect::<StringArray>())
}

fn lists(rows: &[Option<Vec<usize>>]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for length in row.iter().flatten() {
            lists.values().append_value("y".repeat(*length));
        }
        lists.append(row.is_some());
    }
    Arc::new(lists.finish())
}

/// Lists of five texts each, in lists.
fn fixed(rows: &[Option<Vec<usize>>]) -> [ArrayRef; 2] {
    let mut outer = FixedSizeListBuilder::new(StringBuilder::new(), 5);
    let mut inner = ListBuilder::new(FixedSizeListBuilder::new(StringBuilder::new(), 3));
    for row in rows {
        for number in 0..5 {
            outer
                .values()
                .append_option(row.as_ref().map(|row| "z".repeat(row.get(number).copied().unwrap_or(1))));
        }
        outer.append(row.is_some());
        for length in row.iter().flatten() {
            for _ in 0..3 {
                inner.values().values().append_value("z".repeat(*length));
            }
            inner.values().append(length % 2 == 0);
        }
        inner.append(row.is_some());
    }
    [Arc::new(outer.finish()), Arc::new(inner.finish())]
}

fn writing() -> impl Strategy<Value = Writing> {
    let flag = any::<bool>;
    (flag(), flag(), flag(), flag(), prop_oneof![Just(50_usize), Just(2_000), Just(1 << 20)]).prop_map(
        |(second, dictionary, shared, packed, page_bytes)| Writing {
            second,
            dictionary,
            shared,
            packed,
            page_bytes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_batch_takes_more_than_was_found(
        lengths in prop::collection::vec(prop::option::weighted(0.8, prop_oneof![8 => 0..9_usize, 1 => 0..3_000_usize]), 1..200),
        rows in prop::collection::vec(prop::option::weighted(0.8, prop::collection::vec(prop_oneof![8 => 0..9_usize, 1 => 0..500_usize], 0..9)), 1..200),
        writing in writing(),
    ) {
        let count = lengths.len().min(rows.len());
        let (lengths, rows) = (&lengths[..count], &rows[..count]);
        let bytes = lengths.iter().map(|length| length.map(|length| vec![length as u8; 40]));
        let bytes = FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 40).unwrap();
        let [outer, inner] = fixed(rows);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("text", texts(lengths)), ("bytes", Arc::new(bytes)), ("lists", lists(rows)), ("outer", outer), ("inner", inner),
        ];
        let file = write(columns, writing);
        let footer = Arc::new(footer(&file));
        let columns = filled_columns(&file, &footer);
        let found = block_on(profiles(footer.row_group(0), &columns, 0)).unwrap();
        let schema = readable(&footer).unwrap();
        for batch_rows in [1, 2, 7, 50, 1_000] {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), schema.clone());
            for batch in reader.with_batch_size(batch_rows).build().unwrap() {
                let batch = batch.unwrap();
                for (array, found) in batch.columns().iter().zip(&found) {
                    let takes = array.to_data().get_slice_memory_size().unwrap() as u64;
                    let found = found.needed(batch_rows as u64);
                    prop_assert!(takes <= found + 64, "{batch_rows} rows take {takes}, found {found}: {}", array.data_type());
                }
            }
        }
    }
}

#[test]
fn a_large_value_in_many_rows_is_decoded_in_small_batches() {
    let text = texts(&vec![Some(1_000_000); 2_000]);
    let file = write(vec![("text", text)], Writing { dictionary: true, ..PLAIN });
    assert!(file.len() < 200_000, "{} bytes", file.len());
    assert_eq!(fitting(&file, 8_192), Ok(32));
    assert_eq!(fitting(&file, 30), Ok(30));
    // As many bytes beginning alike.
    let text = texts(&vec![Some(1_000_000); 500]);
    let file = write(vec![("text", text)], Writing { shared: true, ..PLAIN });
    assert!(file.len() < 200_000, "{} bytes", file.len());
    assert_eq!(fitting(&file, 8_192), Ok(32));
    // Texts that have little in common are as long as they are.
    let text: StringArray = (0..100_000).map(|row| Some(format!("row {row}"))).collect();
    let file = write(vec![("text", Arc::new(text))], Writing { shared: true, ..PLAIN });
    assert_eq!(fitting(&file, 8_192), Ok(8_192));
}

#[test]
fn wide_rows_of_ordinary_pages_are_not_cut_up() {
    // Two pages of a batch take as much as one row of each: smaller batches would take no less.
    let text = || texts(&vec![Some(1_000); 3_000]);
    let names: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    let columns = names.iter().map(|name| (name.as_str(), text())).collect();
    assert_eq!(fitting(&write(columns, PLAIN), 500), Ok(500));
}

#[test]
fn what_is_missing_may_take_most() {
    let profile = |leaf: &str, filling: Filling, values: u64| {
        let schema = format!("message m {{ optional {leaf} c; }}");
        let schema = parquet::schema::parser::parse_message_type(&schema).unwrap();
        let schema = parquet::schema::types::SchemaDescriptor::new(Arc::new(schema));
        let chunk = ColumnChunkMetaData::builder(schema.column(0)).build().unwrap();
        let column = Column { leaf: 0, range: 0..0, bytes: Bytes::new(), filling };
        let page = DataPage { values, bytes: 10, encoding: 3 };
        block_on(super::profile(&chunk, &column, &[page], 0, 1 << 28)).unwrap()
    };
    // A megabyte each, without a byte in the file.
    let wide = profile("fixed_len_byte_array(1000000)", Filling::NONE, 100_000);
    assert_eq!(batch_rows(&[wide], 8_192), Ok(32));
    let refused =
        batch_rows(&[profile("fixed_len_byte_array(2147483647)", Filling::NONE, 9)], 10).unwrap_err();
    assert!(refused.contains("a row of it may take 2147483679 bytes"), "{refused}");
    let long = profile("int64", Filling { of_row: 100_000, of_value: 1 }, 1_000);
    assert_eq!(batch_rows(&[long], 8_192), Ok(8));
    // Of columns without lists each row counts, however few there are.
    assert!(profile("int64", Filling::NONE, 1_000).needed(1) <= 2 * SLOT);
    let deep = profile("int64", Filling { of_row: 1, of_value: 1 << 40 }, 1_000);
    assert!(batch_rows(&[deep], 8_192).is_err());
}

#[test]
fn lists_are_filled_up_by_their_lengths() {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let fixed = |of, length| DataType::FixedSizeList(item(of), length);
    let schema = Schema::new(vec![
        Field::new("plain", DataType::Int64, true),
        Field::new("pairs", fixed(fixed(DataType::Int64, 3), 2), true),
        Field::new("lists", DataType::List(item(fixed(DataType::Int64, 7))), true),
        Field::new("both", fixed(DataType::List(item(fixed(DataType::Int64, -7))), 5), true),
    ]);
    let found: Vec<_> = fillings(&schema).iter().map(|filling| (filling.of_row, filling.of_value)).collect();
    assert_eq!(found, [(1, 1), (6, 1), (1, 7), (5, 1)]);
}

#[test]
fn rows_that_go_on_over_pages_count_once() {
    let span = |rows, all, one| Span { rows, all, one };
    // The second row goes on over a whole page, into the one after it.
    let profile = Profile::Spans(vec![span(0..2, 100, 60), span(1..2, 100, 100), span(1..5, 100, 50)]);
    assert_eq!([0, 1, 2, 3].map(|rows| profile.needed(rows)), [0, 210, 300, 300]);
    assert_eq!(Profile::Few(7).needed(100), 7);
}

/// A number of Thrift's compact protocol.
fn varint(number: u64) -> Vec<u8> {
    let mut left = number << 1;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 & 0x7f | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[test]
fn a_list_of_thousands_of_millions_in_a_few_bytes_is_refused() {
    // One row whose list has as many values as a page may say, none of them there: a run of each kind of levels.
    let values = u64::from(i32::MAX.unsigned_abs());
    let run = |level: u8, values: u64| [varint(values), vec![level]].concat();
    let part = |runs: Vec<u8>| [u32::try_from(runs.len()).unwrap().to_le_bytes().to_vec(), runs].concat();
    let repetition = |first: u64| part([run(0, first), run(1, values - first)].concat());
    let page = |first: u64| {
        let body = [repetition(first), part(run(2, values))].concat();
        // What kind of page, how many bytes twice, and of its values how many, plain, both levels as runs.
        let header = [varint(0), varint(body.len() as u64), varint(body.len() as u64)];
        let values = [varint(values), varint(0), varint(3), varint(3)];
        let field = |number: &Vec<u8>| [vec![0x15], number.clone()].concat();
        let header = header.iter().flat_map(field);
        header
            .chain([0x2c])
            .chain(values.iter().flat_map(field))
            .chain([0, 0])
            .chain(body)
            .collect::<Vec<u8>>()
    };
    let schema = "message m { optional group l (LIST) { repeated group list { optional int64 item; } } }";
    let schema = parquet::schema::parser::parse_message_type(schema).unwrap();
    let schema = Arc::new(parquet::schema::types::SchemaDescriptor::new(Arc::new(schema)));
    let checked = |column: Vec<u8>, most| {
        let length = column.len();
        let chunk = ColumnChunkMetaData::builder(schema.column(0))
            .set_compression(Compression::UNCOMPRESSED)
            .set_total_compressed_size(length as i64)
            .set_data_page_offset(0)
            .build();
        let group = parquet::file::metadata::RowGroupMetaData::builder(Arc::clone(&schema))
            .add_column_metadata(chunk.unwrap())
            .build();
        let range = 0..length as u64;
        let column = Column { leaf: 0, range, bytes: column.into(), filling: Filling::NONE };
        block_on(check_group(&group.unwrap(), &[column], most))
    };
    let refused = checked(page(1), 100).unwrap_err();
    assert!(refused.contains("a row of it may take 68719476704 bytes"), "{refused}");
    // All of them rows of their own: any number of them can be decoded.
    assert_eq!(checked(page(values), 8_192), Ok(8_192));
    // It may go on over any number of pages.
    let refused = checked([page(1), page(0), page(0)].concat(), 100).unwrap_err();
    assert!(refused.contains("a row of it may take 206158430112 bytes"), "{refused}");
}

#[test]
fn a_dictionary_has_no_more_values_than_bytes() {
    let checked = |leaf: &str, values, bytes| {
        let schema = format!("message m {{ optional {leaf} c; }}");
        let schema = parquet::schema::parser::parse_message_type(&schema).unwrap();
        let schema = parquet::schema::types::SchemaDescriptor::new(Arc::new(schema));
        let chunk = ColumnChunkMetaData::builder(schema.column(0)).build().unwrap();
        check_dictionary(&chunk, &DataPage { values, bytes, encoding: 0 })
    };
    for (leaf, least) in
        [("int32", 4), ("int64", 8), ("int96", 12), ("binary", 4), ("fixed_len_byte_array(7)", 7)]
    {
        assert_eq!(checked(leaf, 10, least * 10), Ok(()), "{leaf}");
        assert!(checked(leaf, 11, least * 10).unwrap_err().contains("says that it has 11 values"), "{leaf}");
        assert_eq!(checked(leaf, 0, 0), Ok(()), "{leaf}");
    }
    assert!(checked("int64", 1 << 62, 1 << 62).is_err());
}

#[test]
fn lists_of_fixed_length_that_are_missing_are_filled_up() {
    let item = Arc::new(Field::new("item", DataType::Int8, true));
    let missing = arrow::array::FixedSizeListArray::new_null(item, 100_000, 50);
    let file = write(vec![("list", Arc::new(missing))], PLAIN);
    assert!(file.len() < 2_000, "{} bytes", file.len());
    assert_eq!(fitting(&file, 8_192), Ok(8));
    // Also of a file that is at hand.
    let footer = Arc::new(footer(&file));
    let schema = readable(&footer).unwrap();
    assert_eq!(super::super::check_pages(&file, &footer, Some(schema.schema()), 8_192), Ok(8));
    assert_eq!(super::super::check_pages(&file, &footer, None, 8_192), Ok(8_192));
}

#[test]
fn few_lists_beside_many_columns_leave_batches_as_they_are() {
    let number = || -> ArrayRef { Arc::new(arrow::array::Int64Array::from_iter_values(0..20_000)) };
    let names: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let mut columns: Vec<(&str, ArrayRef)> = names.iter().map(|name| (name.as_str(), number())).collect();
    columns.push(("list", lists(&vec![Some(vec![3, 4]); 20_000])));
    // 300 columns of 20,000 numbers: a row takes 10 kB.
    assert_eq!(fitting(&write(columns, PLAIN), 1_000), Ok(1_000));
}
