//! What running a merger as a plugin costs: beside the same merger that is built in, and for a folder of a million changes.
//!
//! A plain program that prints a table; `cargo bench --bench plugins`. `ANABRANCH_BENCH_PLUGINS` names further components, separated by
//! `:`, whose install and load are timed as well, for instance one that was written in Python.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench may end, and has a real clock"
)]

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anabranch_merge::test_support::{MemoryObjects, MemoryUnit, UnitCase};
use anabranch_merge::{DiffInput, EntryChange, MergeOutcome, Merger, ObjectAttributes, TextMerger, UnitKind};
use anabranch_plugin_host::{EngineOptions, Limits, Plugin, PluginEngine, PluginMerger};
use bytes::Bytes;
use futures::StreamExt;

/// How many units are merged one after the other.
const UNITS: u32 = 2_000;
const CHANGES: usize = 1_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{:<58} {:>12} {:>9} {:>7}", "", "measured", "goal", "ratio");
        let folder = tempfile::tempdir().unwrap();
        overhead(folder.path()).await;
        million(folder.path()).await;
        for file in components() {
            install(&file).await;
        }
    });
}

fn row(what: &str, is: Duration, goal: Option<Duration>) {
    let goal_text = goal.map_or(String::new(), |goal| format!("{goal:?}"));
    let ratio = goal.map_or(String::new(), |goal| format!("{:.2}", goal.as_secs_f64() / is.as_secs_f64()));
    println!("{what:<58} {:>12} {goal_text:>9} {ratio:>7}", format!("{is:.1?}"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn engine(folder: &Path) -> PluginEngine {
    PluginEngine::new(EngineOptions::new(folder.join("plugins"))).unwrap()
}

async fn load(engine: &PluginEngine, file: &Path) -> Arc<Plugin> {
    let bytes = std::fs::read(file).unwrap();
    engine.install(Bytes::from(bytes), Limits::default()).await.unwrap()
}

/// The merger of texts, built in and as a plugin, on small texts: all but the merge itself is overhead.
async fn overhead(folder: &Path) {
    let engine = engine(folder);
    let plugin = load(&engine, &root().join("testdata/plugins/contract-0.1.wasm")).await;
    let plugin = PluginMerger::new("lines", plugin, UnitKind::Object).unwrap();
    let case = UnitCase::new("small", "a.txt", UnitKind::Object)
        .base("", "1\n2\n3\n4\n5\n")
        .ours("", "1 of ours\n2\n3\n4\n5\n")
        .theirs("", "1\n2\n3\n4\n5 of theirs\n");
    for (how, at_once, goal) in
        [("one by one", 1, None), ("four at a time, as in a merge", 4, Some(Duration::from_micros(50)))]
    {
        let mut best = [Duration::MAX; 2];
        for _ in 0..5 {
            for (best, merger) in best.iter_mut().zip([&TextMerger as &dyn Merger, &plugin]) {
                *best = (*best).min(each(merger, &case, at_once).await);
            }
        }
        let [built_in, plugin] = best;
        println!("small texts, {how}");
        row("  built in", built_in, None);
        row("  the same as a plugin", plugin, None);
        row("  what it costs to be a plugin, a unit", plugin.saturating_sub(built_in), goal);
    }
}

/// The time of a unit, when `at_once` of them are merged at a time.
async fn each(merger: &dyn Merger, case: &UnitCase, at_once: usize) -> Duration {
    let open: Vec<_> = (0..UNITS).map(|_| case.open()).collect();
    let began = Instant::now();
    let outcomes = futures::stream::iter(open.iter().map(|unit| unit.run(merger))).buffered(at_once);
    let merged =
        outcomes.filter(|outcome| ready(matches!(outcome, MergeOutcome::Merged { .. }))).count().await;
    assert_eq!(merged, open.len());
    began.elapsed() / UNITS
}

/// A folder in which a million objects changed, compared by a plugin that is handed every change.
async fn million(folder: &Path) {
    let engine = engine(folder);
    let plugin = load(&engine, &root().join("plugins/shipped/folder.wasm")).await;
    let merger = PluginMerger::new("folder", plugin, UnitKind::Folder).unwrap();
    let objects = MemoryObjects::new();
    let [before, after] = ["before", "after"].map(|text| objects.put(text, 0, ObjectAttributes::default()));
    let changes: Vec<EntryChange> = (0..CHANGES)
        .map(|number| EntryChange {
            path: format!("part-{:03}/{number:07}.parquet", number / 1_000),
            before: (number % 3 != 0).then(|| before.clone()),
            after: (number % 3 != 1).then(|| after.clone()),
        })
        .collect();
    let side = |label| MemoryUnit::new(label, &objects);
    let (before, after) = (side("before"), side("after"));
    let no_options = serde_json::json!({});
    let peak = resident();
    let began = Instant::now();
    let input =
        DiffInput { root: "t", before: &before, after: &after, changes: &changes, options: &no_options };
    let outcome = merger.diff(input).await.unwrap();
    let took = began.elapsed();
    let details = outcome.details.unwrap();
    let counted: u64 =
        ["added", "removed", "modified"].iter().map(|kind| details[kind].as_u64().unwrap()).sum();
    assert_eq!(counted, CHANGES as u64);
    row("difference of a folder with a million changes", took, Some(Duration::from_secs(2)));
    println!("{:<58} {:>9} MB", "  memory that it took, host and plugin", (resident() - peak) / 1_000_000);
}

/// What this process holds at most, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

fn components() -> Vec<PathBuf> {
    let mut files = vec![root().join("plugins/shipped/json.wasm")];
    let further = std::env::var_os("ANABRANCH_BENCH_PLUGINS").unwrap_or_default();
    files.extend(std::env::split_paths(&further).filter(|path| !path.as_os_str().is_empty()));
    files
}

/// Installing a plugin, and having it ready again in another process of the server.
async fn install(file: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let began = Instant::now();
    let digest = load(&engine(folder.path()), file).await.digest();
    row(&format!("install {name}"), began.elapsed(), Some(Duration::from_secs(10)));
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let engine = engine(folder.path());
        let began = Instant::now();
        assert!(engine.open(&digest, true, Limits::default()).await.unwrap().is_some());
        best = best.min(began.elapsed());
    }
    row(&format!("load {name} from the cache"), best, Some(Duration::from_millis(5)));
}
