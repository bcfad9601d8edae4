//! Rows of one Delta table that both branches changed, merged: a million rows with keys, one in a hundred changed on each
//! side, read from Parquet and written as Parquet. Beside it doltlite, which merges the same rows in the same run.
//!
//! `cargo bench -p anabranch-benches --bench rows`; `ANABRANCH_TEST_PYTHON` names a Python that has `doltlite`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anabranch_delta::{DeltaMerger, RowBudget};
use anabranch_merge::test_support::{
    MERGE_TIME_MS, MemoryObjects, MemoryUnit, RecordingWriter, entry_merges,
};
use anabranch_merge::{MergeInput, MergeOutcome, Merger, UnitKind, Verification};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROWS: i64 = 1_000_000;
const ROUNDS: usize = 5;

/// The files of the table, and of every hundredth row which side changes it: ours the name, theirs the amount.
const FILES: i64 = 4;

fn parquet(from: i64, to: i64, ours: bool, theirs: bool) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    let name = |id: i64| if ours && id % 100 == 7 { format!("ours {id}") } else { format!("row {id}") };
    let amount = |id: i64| if theirs && id % 100 == 31 { -1.0 } else { id as f64 / 7.0 };
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((from..to).map(name)));
    let amounts: ArrayRef = Arc::new(Float64Array::from_iter_values((from..to).map(amount)));
    let groups: ArrayRef = Arc::new(Int64Array::from_iter_values((from..to).map(|id| id % 1_000)));
    let batch =
        RecordBatch::try_from_iter([("id", ids), ("name", names), ("amount", amounts), ("grp", groups)])
            .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A file of these rows, with the statistics that every writer gives.
fn add(unit: &mut MemoryUnit, path: &str, body: Vec<u8>, rows: std::ops::Range<i64>) -> Value {
    let stats = json!({
        "numRecords": rows.end - rows.start,
        "minValues": {"id": rows.start}, "maxValues": {"id": rows.end - 1}, "nullCount": {"id": 0},
    });
    let stats = stats.to_string();
    let add = json!({"add": {"path": path, "partitionValues": {}, "size": body.len(), "modificationTime": 1,
        "dataChange": true, "stats": stats}});
    unit.put(path, body);
    add
}

fn commit(unit: &mut MemoryUnit, version: usize, operation: &str, mut actions: Vec<Value>) {
    actions.insert(0, json!({"commitInfo": {"timestamp": 1, "operation": operation}}));
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    unit.put(format!("_delta_log/{version:020}.json"), lines.join("\n"));
}

fn side(label: &str, objects: &Arc<MemoryObjects>, ours: bool, theirs: bool) -> MemoryUnit {
    let mut unit = MemoryUnit::new(label, objects);
    let field =
        |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let fields =
        [field("id", "long"), field("name", "string"), field("amount", "double"), field("grp", "long")];
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    let mut actions = vec![
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": [], "configuration": {}}}),
    ];
    let part = ROWS / FILES;
    for file in 0..FILES {
        let body = parquet(file * part, (file + 1) * part, false, false);
        actions.push(add(&mut unit, &format!("base-{file}.parquet"), body, file * part..(file + 1) * part));
    }
    commit(&mut unit, 0, "WRITE", actions);
    if ours || theirs {
        let mut actions = Vec::new();
        for file in 0..FILES {
            let path = format!("base-{file}.parquet");
            actions.push(json!({"remove": {"path": path, "deletionTimestamp": 1, "dataChange": true}}));
            let body = parquet(file * part, (file + 1) * part, ours, theirs);
            let rows = file * part..(file + 1) * part;
            actions.push(add(&mut unit, &format!("{label}-{file}.parquet"), body, rows));
        }
        commit(&mut unit, 1, "UPDATE", actions);
    }
    unit
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

fn ours(folder: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let objects = MemoryObjects::new();
    let base = side("base", &objects, false, false);
    let (main, dev) = (side("main", &objects, true, false), side("dev", &objects, false, true));
    let changes = entry_merges(&base, &main, &dev);
    let before = resident_mb();
    for (what, options, memory_bytes) in [
        ("by key", json!({"keys": ["id"]}), 512 << 20),
        ("as a multiset", json!({}), 512 << 20),
        ("by key, 64 MB and the disk", json!({"keys": ["id"]}), 64 << 20),
    ] {
        let budget = RowBudget { memory_bytes, folder: Some(folder.to_owned()), disk_bytes: 8 << 30 };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let merger = DeltaMerger::with_budget(budget.clone());
            let writer = RecordingWriter::new(&objects);
            let input = MergeInput {
                root: "t",
                unit: UnitKind::Folder,
                base: &base,
                ours: &main,
                theirs: &dev,
                changes: &changes,
                options: &options,
                resolutions: &[],
                prefer: None,
                merge_time_ms: MERGE_TIME_MS,
                seed: [7; 32],
                source: "dev",
                writer: &writer,
            };
            let begun = Instant::now();
            let outcome = runtime.block_on(merger.merge(input));
            times.push(begun.elapsed().as_millis());
            let MergeOutcome::Merged { report, .. } = &outcome else { panic!("{outcome:?}") };
            assert_eq!(report.verification, Verification::Agrees);
            let rows = report.rows.expect("rows");
            assert_eq!(rows.modified + rows.added, ROWS as u64 / 100, "{rows:?}");
        }
        times.sort_unstable();
        println!(
            "{what}: median {} ms of {times:?}, resident at most {} MB ({before} MB before the first merge)",
            times[ROUNDS / 2],
            resident_mb()
        );
    }
}

fn doltlite() {
    let python = std::env::var("ANABRANCH_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = include_str!("doltlite.py");
    let output = Command::new(python).args(["-c", script, &ROWS.to_string(), &ROUNDS.to_string()]).output();
    match output {
        Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("doltlite is left out: {}", text.lines().last().unwrap_or_default());
        }
        Err(error) => println!("doltlite is left out: {error}"),
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    ours(folder.path());
    doltlite();
}
