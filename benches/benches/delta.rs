//! Merging two appends to a Delta table of 10,000 files: with the destination's states cached, as on a server that
//! has merged into the branch before, and cold. Every round merges a source that was never seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::{
    MERGE_TIME_MS, MemoryObjects, MemoryUnit, RecordingWriter, entry_merges,
};
use anabranch_merge::{EntryMerge, MergeEdit, MergeInput, MergeOutcome, Merger, UnitKind, Verification};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::json;

const FILES: usize = 10_000;
const FILES_PER_COMMIT: usize = 100;

fn add(name: &str) -> String {
    let stats = json!({
        "numRecords": 1000, "minValues": {"id": 1, "name": "a"}, "maxValues": {"id": 1000, "name": "z"},
        "nullCount": {"id": 0, "name": 0},
    });
    json!({"add": {
        "path": name, "partitionValues": {}, "size": 4, "modificationTime": 1, "dataChange": true,
        "stats": stats.to_string(),
    }})
    .to_string()
}

fn commit(unit: &mut MemoryUnit, version: usize, mut lines: Vec<String>) {
    let info = json!({"commitInfo": {"timestamp": 1, "operation": "WRITE", "operationParameters": {"mode": "Append"}}});
    lines.insert(0, info.to_string());
    unit.put(format!("_delta_log/{version:020}.json"), lines.join("\n"));
}

fn append(unit: &mut MemoryUnit, version: usize, name: &str) {
    unit.put(name, "data");
    commit(unit, version, vec![add(name)]);
}

fn base(label: &str, objects: &std::sync::Arc<MemoryObjects>) -> MemoryUnit {
    let mut unit = MemoryUnit::new(label, objects);
    let schema = json!({"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": true, "metadata": {}},
        {"name": "name", "type": "string", "nullable": true, "metadata": {}},
    ]});
    let table = json!({"metaData": {
        "id": "table", "format": {"provider": "parquet", "options": {}}, "schemaString": schema.to_string(),
        "partitionColumns": [], "configuration": {},
    }});
    let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
    commit(&mut unit, 0, vec![protocol.to_string(), table.to_string()]);
    for at in 0..FILES / FILES_PER_COMMIT {
        let names: Vec<String> =
            (0..FILES_PER_COMMIT).map(|file| format!("part-{at:05}-{file:05}.snappy.parquet")).collect();
        names.iter().for_each(|name| unit.put(name.as_str(), "data"));
        commit(&mut unit, at + 1, names.iter().map(|name| add(name)).collect());
    }
    unit
}

struct Sides {
    base: MemoryUnit,
    ours: MemoryUnit,
    theirs: MemoryUnit,
    changes: Vec<EntryMerge>,
    writer: RecordingWriter,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The three sides, theirs with a file that no other round has.
fn sides() -> Sides {
    let objects = MemoryObjects::new();
    let next = FILES / FILES_PER_COMMIT + 1;
    let (mut ours, mut theirs) = (base("main", &objects), base("dev", &objects));
    append(&mut ours, next, "ours.parquet");
    append(&mut theirs, next, &format!("theirs-{}.parquet", NEXT.fetch_add(1, Ordering::Relaxed)));
    let base = base("base", &objects);
    let changes = entry_merges(&base, &ours, &theirs);
    Sides { base, ours, theirs, changes, writer: RecordingWriter::new(&objects) }
}

async fn merge(merger: &DeltaMerger, sides: &Sides) -> MergeOutcome {
    let options = json!({});
    let input = MergeInput {
        root: "table",
        unit: UnitKind::Folder,
        base: &sides.base,
        ours: &sides.ours,
        theirs: &sides.theirs,
        changes: &sides.changes,
        options: &options,
        resolutions: &[],
        prefer: None,
        merge_time_ms: MERGE_TIME_MS,
        seed: [7; 32],
        source: "dev",
        writer: &sides.writer,
    };
    merger.merge(input).await
}

/// The merge must be the one that is meant: verified, one commit written, and no data byte moved.
fn check(outcome: &MergeOutcome, sides: &Sides) {
    let MergeOutcome::Merged { edits, report } = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.verification, Verification::Agrees);
    let puts = edits.iter().filter(|edit| matches!(edit, MergeEdit::Put { .. })).count();
    let links = edits.iter().filter(|edit| matches!(edit, MergeEdit::Link { .. })).count();
    assert_eq!((puts, links), (1, 1));
    let data_bytes: usize = sides.writer.written().iter().map(|(_, body)| body.len()).sum::<usize>()
        - report.bytes_written as usize;
    assert_eq!(data_bytes, 0, "data bytes moved");
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("delta: two appends to a table of 10,000 files");
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    let warm = DeltaMerger::new();
    let first = sides();
    check(&runtime.block_on(merge(&warm, &first)), &first);
    group.bench_function("destination cached", |bencher| {
        bencher.iter_batched_ref(
            sides,
            |sides| {
                let outcome = runtime.block_on(merge(&warm, sides));
                check(&outcome, sides);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("cold", |bencher| {
        bencher.iter_batched_ref(
            sides,
            |sides| {
                let outcome = runtime.block_on(merge(&DeltaMerger::new(), sides));
                check(&outcome, sides);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(delta, benches);
criterion_main!(delta);
