//! A merged file looks like the one of ours.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::support::{case, file_of, footer, merged, shown, stock, stock_file};

fn written(rows: &str, properties: WriterPropertiesBuilder) -> Bytes {
    file_of(&stock(rows), Some(properties.build()))
}

#[tokio::test]
async fn codecs_and_encodings_are_those_of_ours_column_by_column() {
    let properties = || {
        let path = |name: &str| ColumnPath::from(name);
        WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_column_compression(path("note"), Compression::GZIP(GzipLevel::default()))
            .set_column_dictionary_enabled(path("amount"), false)
            .set_column_encoding(path("amount"), Encoding::DELTA_BINARY_PACKED)
            .set_column_bloom_filter_enabled(path("id"), true)
    };
    let ours = written("1:a:10 2:b:2", properties());
    let file = merged(&case(stock_file("1:a:1 2:b:2"), ours, stock_file("1:a:1 2:b:2 3:c:3"))).await;
    let footer = footer(&file);
    let chunks = footer.row_group(0).columns();
    let codecs: Vec<Compression> = chunks.iter().map(|chunk| chunk.compression()).collect();
    let zstd = Compression::ZSTD(ZstdLevel::default());
    assert_eq!(codecs, [zstd, Compression::GZIP(GzipLevel::default()), zstd]);
    assert!(chunks[2].encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
    assert!(chunks[1].encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
    let blooms: Vec<bool> = chunks.iter().map(|chunk| chunk.bloom_filter_offset().is_some()).collect();
    assert_eq!(blooms, [true, false, false]);
}

#[tokio::test]
async fn a_new_column_has_the_codec_of_its_side() {
    let mut columns = stock("1:a:1 2:b:2");
    columns.push(("more", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef));
    let theirs = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let theirs = file_of(&columns, Some(theirs));
    let zstd = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let file = merged(&case(stock_file("1:a:1 2:b:2"), written("1:a:10 2:b:2", zstd), theirs)).await;
    let footer = footer(&file);
    let codecs: Vec<Compression> =
        footer.row_group(0).columns().iter().map(|chunk| chunk.compression()).collect();
    assert!(matches!(
        codecs[..],
        [Compression::ZSTD(_), Compression::ZSTD(_), Compression::ZSTD(_), Compression::SNAPPY]
    ));
}

fn many(from: i64, to: i64) -> String {
    (from..to).map(|id| format!("{id}:n:{id} ")).collect()
}

#[tokio::test]
async fn row_groups_are_as_large_as_those_of_ours() {
    let groups = |file: &Bytes| -> Vec<i64> {
        footer(file).row_groups().iter().map(|group| group.num_rows()).collect()
    };
    let small = || WriterProperties::builder().set_max_row_group_row_count(Some(40));
    let base = written(&many(0, 100), small());
    let ours = written(&many(0, 101), small());
    let file = merged(&case(base, ours, stock_file(&(many(0, 100) + &many(200, 230))))).await;
    assert_eq!(groups(&file), [40, 40, 40, 11]);
    // One row group stays one, as long as it does not grow very much.
    let file = merged(&case(
        stock_file(&many(0, 100)),
        stock_file(&many(0, 101)),
        stock_file(&(many(0, 100) + &many(200, 400))),
    ))
    .await;
    assert_eq!(groups(&file), [301]);
}

#[tokio::test]
async fn an_order_is_said_only_where_it_holds() {
    let sorted = |nulls_first| {
        let by = SortingColumn { column_idx: 0, descending: false, nulls_first };
        WriterProperties::builder().set_sorting_columns(Some(vec![by]))
    };
    let said = |file: &Bytes| footer(file).row_group(0).sorting_columns().is_some();
    let base = || stock_file("1:a:1 3:c:3");
    let ours = |nulls_first| written("1:a:10 3:c:3", sorted(nulls_first));
    let file = merged(&case(base(), ours(true), stock_file("1:a:1 2:b:2 3:c:3"))).await;
    assert!(said(&file) && shown(&file) == "1:a:10 2:b:2 3:c:3");
    let file = merged(&case(base(), ours(true), stock_file("1:a:1 3:c:3 2:b:2"))).await;
    assert!(!said(&file) && shown(&file) == "1:a:10 3:c:3 2:b:2");
    let file = merged(&case(base(), ours(false), stock_file("1:a:1 2:b:2 3:c:3"))).await;
    assert!(!said(&file));
}

#[tokio::test]
async fn statistics_of_pages_are_written_where_ours_has_them() {
    let has_index = |file: &Bytes| footer(file).row_group(0).column(0).column_index_offset().is_some();
    for (statistics, expected) in [(EnabledStatistics::Page, true), (EnabledStatistics::Chunk, false)] {
        let ours = written("1:a:10 2:b:2", WriterProperties::builder().set_statistics_enabled(statistics));
        let file = merged(&case(stock_file("1:a:1 2:b:2"), ours, stock_file("1:a:1 2:b:20"))).await;
        assert_eq!(has_index(&file), expected);
        assert!(footer(&file).row_group(0).column(0).statistics().is_some());
    }
}

#[tokio::test]
async fn equal_inputs_make_equal_bytes_within_any_memory() {
    use anabranch_merge::MergeOutcome;
    use anabranch_parquet::{ParquetMerger, RowBudget};
    let backwards =
        |from: i64, to: i64| -> String { (from..to).rev().map(|id| format!("{id}:n:{id} ")).collect() };
    let base = backwards(0, 20_000);
    let case = case(
        stock_file(&base),
        stock_file(&backwards(0, 20_500)),
        stock_file(&(base.replace("15:n:15 ", "15:x:15 ") + "90000:z:1")),
    );
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for memory_bytes in [64 << 20, 4 << 20] {
        let budget = RowBudget { memory_bytes, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
        let open = case.open();
        let outcome = open.run(&ParquetMerger::with_budget(budget)).await;
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
        bytes.push(open.merged_bodies(&outcome).unwrap().remove("").unwrap());
    }
    assert!(bytes[0] == bytes[1]);
}
