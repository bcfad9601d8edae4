//! From Parquet files to merged rows: reading, sorting with the disk behind it, merging by ranges.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anabranch_rows::range::{KeyRange, cut};
use anabranch_rows::scan::{
    ByteSource, FileScan, ReadError, RowStream, SortBudget, file_keys, merge_next, read, sort, with_positions,
};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{MergeOptions, MergeReport, PerSide, RowMerge, Side, key_columns};
use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::support::{Row, batch, by_key, merge, merged_rows, rows, schema};

#[derive(Debug)]
struct InMemory {
    bytes: Bytes,
    read: AtomicU64,
}

#[async_trait::async_trait]
impl ByteSource for InMemory {
    fn name(&self) -> &str {
        "in memory"
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }
}

fn file(batch: &RecordBatch, row_group_rows: usize) -> Arc<InMemory> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    Arc::new(InMemory { bytes: bytes.into(), read: AtomicU64::new(0) })
}

fn same(schema: &Schema) -> MergedSchema {
    reconcile(PerSide { base: schema, ours: schema, theirs: schema }).unwrap()
}

fn scan(source: Arc<InMemory>, merged: &MergedSchema) -> FileScan {
    FileScan {
        source,
        projection: merged.projections.base.clone(),
        deleted: None,
        range: KeyRange::all(),
        number: None,
        batch_rows: 100,
    }
}

async fn all(stream: RowStream) -> Vec<RecordBatch> {
    stream.try_collect().await.unwrap()
}

fn counted(rows: i64) -> Vec<Row> {
    (0..rows).map(|k| vec![Some(k), Some(k * 7 % 1_000), None]).collect()
}

#[tokio::test]
async fn deleted_rows_and_row_groups_beyond_the_range_are_left_out() {
    let merged = same(&schema());
    let source = file(&batch(&counted(1_000)), 250);
    let mut whole = scan(source.clone(), &merged);
    whole.number = Some(7);
    whole.deleted = Some(Arc::new(|position| position % 2 == 1));
    let found = all(read(whole, merged.rows.clone(), &[0]).await.unwrap()).await;
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 500);
    for batch in &found {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(column(0), column(4), "the key is the position here");
        assert!(column(3).iter().all(|number| *number == 7));
    }

    let before = source.read.load(Ordering::Relaxed);
    let codec = anabranch_rows::RowCodec::new(&merged.rows).unwrap();
    let bound = |k: i64| {
        let array: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![k]));
        Some(codec.encode_column(0, &array).unwrap().row(0).data().to_vec())
    };
    let mut part = scan(source.clone(), &merged);
    part.range = KeyRange { start: bound(300), end: bound(400) };
    let found = all(read(part, merged.rows.clone(), &[0]).await.unwrap()).await;
    let keys: BTreeSet<_> = found.iter().flat_map(rows).map(|row| row[0].unwrap()).collect();
    assert_eq!(keys, (250..500).collect());
    assert!(source.read.load(Ordering::Relaxed) - before < before, "only one row group of four was read");
}

#[tokio::test]
async fn a_sort_that_does_not_fit_goes_to_disk_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
    ]));
    let batches = (0..60i64).map(|part| {
        let keys = (0..2_000).map(|row| Some((part * 2_000 + row) * 7_919 % 120_011));
        let texts = (0..2_000).map(|row| Some(format!("some text of row {row} of part {part}")));
        RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(keys.collect::<Int64Array>()), Arc::new(texts.collect::<StringArray>())],
        )
    });
    let input = futures::stream::iter(batches.map(|batch| Ok(batch.unwrap())).collect::<Vec<_>>()).boxed();
    let budget = SortBudget {
        memory_bytes: 4 << 20,
        folder: folder.path().to_owned(),
        disk_bytes_max: 1 << 30,
        batch_rows: 1_000,
        meter: Arc::default(),
    };
    let mut sorted = sort(schema.clone(), &[0], input, &budget).unwrap();
    let mut keys = Vec::new();
    while let Some(batch) = sorted.next().await {
        let batch = batch.unwrap();
        assert_eq!(batch.schema(), schema);
        keys.extend(batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    }
    assert_eq!(keys.len(), 120_000);
    assert!(keys.is_sorted());
    assert!(sorted.spilled_runs() > 1, "{} runs", sorted.spilled_runs());
    drop(sorted);
    assert!(budget.meter.spilled_runs() > 1 && budget.meter.spilled_bytes() > 4 << 20, "{:?}", budget.meter);
    assert!((1..=4 << 20).contains(&budget.meter.memory_bytes_peak()), "{:?}", budget.meter);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let input = futures::stream::iter(vec![Err(anabranch_rows::Error::Misuse("the input failed"))]).boxed();
    let error = sort(schema, &[0], input, &budget).unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the input failed");
}

#[tokio::test]
async fn too_little_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let budget = SortBudget {
        memory_bytes: 2 << 20,
        folder: folder.path().to_owned(),
        disk_bytes_max: 100_000,
        batch_rows: 1_000,
        meter: Arc::default(),
    };
    let input = (0..100).map(|_| Ok(batch(&counted(2_000)))).collect::<Vec<_>>();
    let mut sorted = sort(schema(), &[0], futures::stream::iter(input).boxed(), &budget).unwrap();
    let first = sorted.next().await.unwrap();
    assert!(matches!(first, Err(anabranch_rows::Error::Sort(_))), "{first:?}");
}

/// Merges files of three sides, range by range, each range on its own.
async fn merge_files(
    files: &PerSide<Vec<FileScan>>,
    merged: &MergedSchema,
    options: &MergeOptions,
    pieces: usize,
) -> (Vec<RecordBatch>, MergeReport, usize) {
    let rows = with_positions(&merged.rows);
    let key = key_columns(&rows, &options.identity, &options.carried).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let budget = SortBudget {
        memory_bytes: 8 << 20,
        folder: folder.path().to_owned(),
        disk_bytes_max: 1 << 30,
        batch_rows: 64,
        meter: Arc::default(),
    };
    let listed: Vec<(Side, FileScan)> = Side::ALL
        .into_iter()
        .flat_map(|side| files.get(side).iter().map(move |f| (side, f.clone())))
        .collect();
    let mut keys = Vec::new();
    for (_, file) in &listed {
        keys.push(file_keys(file, &merged.rows, &key).await.unwrap());
    }
    let work = cut(&keys, pieces);
    let (mut result, mut report) = (Vec::new(), MergeReport::default());
    for piece in &work {
        let streams = Mutex::new(PerSide::<Vec<RowStream>>::default());
        for index in &piece.files {
            let (side, file) = &listed[*index];
            let file = FileScan { range: piece.range.clone(), ..file.clone() };
            let stream = read(file, merged.rows.clone(), &key).await.unwrap();
            streams.lock().unwrap().get_mut(*side).push(stream);
        }
        let mut streams = streams.into_inner().unwrap();
        let mut sides = PerSide::from_fn(|side| {
            let input = futures::stream::iter(std::mem::take(streams.get_mut(side))).flatten().boxed();
            sort(rows.clone(), &key, input, &budget).unwrap()
        });
        let options = MergeOptions { range: piece.range.clone(), ..options.clone() };
        let mut merge = RowMerge::new(rows.clone(), &options, None).unwrap();
        while let Some(batch) = merge_next(&mut merge, &mut sides).await.unwrap() {
            result.push(batch.rows);
        }
        report = report.plus(merge.finish(), options.conflicts_max);
    }
    (result, report, work.len())
}

#[tokio::test]
async fn files_merged_in_ranges_are_the_rows_merged_in_memory() {
    let merged = same(&schema());
    let base = counted(600);
    let change = |modulo: i64, at: usize, to: i64| {
        let mut rows = base.clone();
        rows.retain(|row| row[0].unwrap() % modulo != 1);
        rows.iter_mut().filter(|row| row[0].unwrap() % modulo == 2).for_each(|row| row[at] = Some(to));
        rows.push(vec![Some(10_000 + modulo), Some(0), None]);
        rows.push(vec![None, Some(modulo), None]);
        rows
    };
    let sides = PerSide { base: base.clone(), ours: change(7, 1, -1), theirs: change(5, 2, -2) };
    let mut options = by_key();
    options.carried = vec!["__file".into(), "__position".into()];
    let files = PerSide::from_fn(|side| {
        let parts = sides.get(side).chunks(150).enumerate();
        parts
            .map(|(number, part)| FileScan {
                number: Some(number as i64),
                ..scan(file(&batch(part), 50), &merged)
            })
            .collect::<Vec<_>>()
    });
    let (expected, expected_report) = merge(&by_key(), &sides, 100);
    for pieces in [1, 4] {
        let (result, report, ranges) = merge_files(&files, &merged, &options, pieces).await;
        assert_eq!(ranges, pieces);
        let mut found: Vec<Row> =
            result.iter().flat_map(|batch| rows(&batch.project(&[0, 1, 2]).unwrap())).collect();
        found.sort();
        assert_eq!(found, merged_rows(&expected));
        assert_eq!(report, expected_report);
        assert!(report.conflict_count > 0 && report.from_ours.changed > 0);
        assert!(result.iter().all(|batch| batch.column(4).null_count() == 0));
    }
}

/// Statistics of an INT96 column that have more than 12 bytes: the decoder panics.
#[tokio::test]
async fn a_footer_at_which_the_decoder_panics_is_an_error() {
    let footer = |statistics: &[u8]| {
        let schema = b"\x15\x02\x19\x2c\x48\x06schema\x15\x02\x00\x15\x06\x25\x02\x18\x01t\x00\x16\x00";
        let column = b"\x19\x1c\x19\x1c\x26\x00\x1c\x15\x06\x19\x15\x00\x19\x18\x01t\x15\x00\x16\x00\x16\x00\x16\x00\x26\x08";
        let statistics = [b"\x3c\x58", &[statistics.len() as u8][..], statistics, b"\x00"].concat();
        [&schema[..], column, &statistics, b"\x00\x00\x16\x00\x16\x00\x00\x00"].concat()
    };
    for (statistics, panics) in [(&[1; 12][..], false), (&[1; 13], true)] {
        let footer = footer(statistics);
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        let file = [&b"PAR1"[..], &footer, &length, b"PAR1"].concat();
        let source: Arc<dyn ByteSource> = Arc::new(InMemory { bytes: file.into(), read: AtomicU64::new(0) });
        let told = format!("{:?}", anabranch_rows::scan::footer(&source).await.map(drop));
        assert_eq!(told.contains("the decoder broke off"), panics, "{told}");
        assert_eq!(told == "Ok(())", !panics, "{told}");
    }
}

#[tokio::test]
async fn large_values_in_many_rows_come_in_small_batches() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
    ]));
    let large = "x".repeat(2 << 20);
    let (keys, texts) = (0..300_i64, (0..300).map(|row| Some(if row % 100 == 7 { "small" } else { &large })));
    let columns: [arrow::array::ArrayRef; 2] =
        [Arc::new(Int64Array::from_iter_values(keys)), Arc::new(texts.collect::<StringArray>())];
    let rows = RecordBatch::try_new(schema.clone(), columns.to_vec()).unwrap();
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(8 << 20).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    let bytes: Bytes = writer.into_inner().unwrap().into();
    let source = Arc::new(InMemory { bytes, read: AtomicU64::new(0) });
    let merged = same(&schema);
    let found = all(read(scan(source, &merged), merged.rows.clone(), &[0]).await.unwrap()).await;
    // 100 are asked for.
    assert!(found.iter().all(|batch| batch.num_rows() <= 12), "{}", found[0].num_rows());
    assert_eq!(arrow::compute::concat_batches(&merged.rows, &found).unwrap(), rows);
}
