//! Columns of Parquet files, in the first bytes the codec and what the column is of: no bytes may panic or loop, and what passes is
//! decoded, or refused by the decoder, without taking more memory than was found.
//!
//! The modules are compiled in here, as in `footer.rs`.
#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "../../src/scan/decoder.rs"]
mod decoder;
#[path = "../../src/scan/footer.rs"]
mod footer;
#[path = "../../src/scan/pages.rs"]
mod pages;

use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use bytes::Bytes;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData,
};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

/// More than any run has time for.
const ROWS: i64 = 100_000;

static SCHEMAS: LazyLock<Vec<SchemaDescPtr>> = LazyLock::new(|| {
    let columns = [
        "optional binary column (UTF8);",
        "optional int64 column;",
        "optional fixed_len_byte_array(100) column;",
        "optional group column (LIST) { repeated group list { optional binary item; } }",
        "optional group column (LIST) { repeated group list { optional group item (LIST) { repeated group list { required int32 item; } } } }",
    ];
    let schema = |column| parse_message_type(&format!("message m {{ {column} }}")).unwrap();
    columns.map(|column| Arc::new(SchemaDescriptor::new(Arc::new(schema(column))))).to_vec()
});

fn metadata(schema: &SchemaDescPtr, codec: Compression, dictionary: bool, length: usize) -> ParquetMetaData {
    let chunk = ColumnChunkMetaData::builder(schema.column(0))
        .set_compression(codec)
        .set_data_page_offset(0)
        .set_dictionary_page_offset(dictionary.then_some(0))
        .set_total_compressed_size(length as i64)
        .set_num_values(i64::from(i32::MAX));
    let group = RowGroupMetaData::builder(schema.clone())
        .add_column_metadata(chunk.build().unwrap())
        .set_num_rows(ROWS)
        .build();
    let file = FileMetaData::new(2, ROWS, None, None, schema.clone(), None);
    ParquetMetaDataBuilder::new(file).add_row_group(group.unwrap()).build()
}

/// Does something whose panics are caught, which would end the run otherwise.
fn silently<T>(work: impl FnOnce() -> T) -> T {
    let ending = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(ending);
    done
}

fuzz_target!(|input: &[u8]| {
    let [codec, schema, dictionary, column @ ..] = input else { return };
    let codec = match codec % 7 {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        2 => Compression::GZIP(GzipLevel::default()),
        3 => Compression::BROTLI(BrotliLevel::default()),
        4 => Compression::ZSTD(ZstdLevel::default()),
        5 => Compression::LZ4,
        _ => Compression::LZ4_RAW,
    };
    let Some(schema) = SCHEMAS.get(usize::from(*schema) % SCHEMAS.len()) else { return };
    let metadata = Arc::new(metadata(schema, codec, dictionary % 2 == 1, column.len()));
    let bytes = Bytes::copy_from_slice(column);
    let range = 0..bytes.len() as u64;
    let column = pages::Column { leaf: 0, range, bytes: bytes.clone(), filling: pages::Filling::NONE };
    let found = silently(|| block_on(pages::profiles(metadata.row_group(0), &[column], 0)));
    let Ok(profiles) = found else { return };
    let found = [1, 100].map(|rows| profiles.iter().map(|profile| profile.needed(rows)).sum::<u64>());
    // So that a run does not spend its time on zeros.
    if found.iter().any(|found| *found > 1 << 20) {
        return;
    }
    let Ok(schema) = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()) else { return };
    for (rows, found) in [1, 100].into_iter().zip(found) {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), schema.clone());
        let Ok(mut reader) = reader.with_batch_size(rows).build() else { return };
        while let Ok(Some(Ok(batch))) = silently(|| decoder::caught(|| Ok(reader.next()))) {
            for array in batch.columns() {
                let takes = array.to_data().get_slice_memory_size().unwrap() as u64;
                assert!(takes <= found + 64, "{rows} rows take {takes}, found {found}");
            }
        }
    }
});
