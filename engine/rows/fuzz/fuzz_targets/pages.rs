//! Columns of Parquet files, the codec in the first byte: no bytes may panic or loop, and what passes is decoded or refused by the
//! decoder without taking more memory than was found.
//!
//! The modules are compiled in here, as in `footer.rs`.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../src/scan/footer.rs"]
mod footer;
#[path = "../../src/scan/pages.rs"]
mod pages;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::column::page::PageReader;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

static SCHEMA: LazyLock<SchemaDescPtr> = LazyLock::new(|| {
    let schema = parse_message_type("message m { optional binary column (UTF8); }").unwrap();
    Arc::new(SchemaDescriptor::new(Arc::new(schema)))
});

fuzz_target!(|input: &[u8]| {
    let Some((codec, column)) = input.split_first() else { return };
    let codec = match codec % 7 {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        2 => Compression::GZIP(GzipLevel::default()),
        3 => Compression::BROTLI(BrotliLevel::default()),
        4 => Compression::ZSTD(ZstdLevel::default()),
        5 => Compression::LZ4,
        _ => Compression::LZ4_RAW,
    };
    let Ok(needed) = pages::check(column, codec) else { return };
    // So that a run does not spend its time on pages of zeros.
    if needed > 1 << 20 {
        return;
    }
    let metadata = ColumnChunkMetaData::builder(SCHEMA.column(0))
        .set_compression(codec)
        .set_data_page_offset(0)
        .set_total_compressed_size(column.len() as i64)
        .set_num_values(i64::from(i32::MAX))
        .build()
        .unwrap();
    let bytes = Arc::new(Bytes::copy_from_slice(column));
    let Ok(mut reader) = SerializedPageReader::new(bytes, &metadata, i32::MAX as usize, None) else { return };
    while let Ok(Some(page)) = reader.get_next_page() {
        assert!(page.buffer().len() as u64 <= needed.max(column.len() as u64));
    }
});
