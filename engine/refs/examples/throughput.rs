//! Measures one-key applies, staged puts and reads per second, durable, alone and with 64 callers.
//!
//! ```text
//! cargo run --release -p anabranch-refs --example throughput -- sqlite FOLDER
//! cargo run --release -p anabranch-refs --example throughput -- postgres URL
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anabranch_refs::{
    Edit, Expect, Fence, FenceMark, Operation, Partition, PostgresConfig, PostgresStore, RefUpdate,
    RefsBackend, SqliteStore, Staged, StagedRow, StagedValue, StagingStore, Token, WriteId,
};
use anabranch_types::test_support::ManualClock;
use bytes::Bytes;

const EACH: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sqlite", folder] => {
            let folder = tempfile::tempdir_in(folder).unwrap();
            let store = Arc::new(SqliteStore::open(&folder.path().join("refs.db"), clock).await.unwrap());
            measure(store.clone(), store.clone()).await;
            store.close().await;
        }
        ["postgres", url] => {
            let schema = format!("throughput_{}", std::process::id());
            let config = PostgresConfig {
                url: url.to_owned(),
                schema,
                connections_max: 64,
                wait: std::time::Duration::from_secs(10),
            };
            let store = Arc::new(PostgresStore::open(&config, clock).await.unwrap());
            measure(store.clone(), store).await;
        }
        _ => panic!("sqlite FOLDER, or postgres URL"),
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn next() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn id() -> [u8; 16] {
    u128::from(next()).to_be_bytes()
}

fn put(key: String, expect: Expect, fence: Option<FenceMark>) -> Edit {
    Edit { key, expect, operation: Operation::Put { value: Bytes::from(vec![7; 200]), fence } }
}

async fn measure(refs: Arc<dyn RefsBackend>, staging: Arc<dyn StagingStore>) {
    for callers in [1, 64] {
        let store = refs.clone();
        run("one-key apply, a branch each", callers, move |caller| {
            let store = store.clone();
            async move {
                let edit = put("record".to_owned(), Expect::Any, None);
                let partition = Partition(format!("branch {caller}"));
                let update = store.apply(&partition, &[edit], WriteId(id())).await.unwrap();
                assert!(matches!(update, RefUpdate::Applied(_)));
            }
        })
        .await;
        let store = refs.clone();
        run("one-key apply, keys of one partition", callers, move |_| {
            let store = store.clone();
            async move {
                let edit = put(format!("commit {}", next()), Expect::Absent, None);
                store.apply(&Partition("commits".to_owned()), &[edit], WriteId(id())).await.unwrap();
            }
        })
        .await;
        let token = Token(id());
        let fence = Fence { partition: Partition("staged".to_owned()), key: "record".to_owned(), token };
        let mark = FenceMark { token, head: [1; 32] };
        let edit = put(fence.key.clone(), Expect::Any, Some(mark));
        refs.apply(&fence.partition, &[edit], WriteId(id())).await.unwrap();
        let store = staging.clone();
        run("staged put, one row, one branch", callers, move |_| {
            let (store, fence) = (store.clone(), fence.clone());
            async move {
                let path =
                    format!("lake/table/part-{:016x}.parquet", next().wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let value = StagedValue::Present { entry: Bytes::from(vec![7; 80]), etag: "e".repeat(32) };
                let staged = store.put(&fence, &[StagedRow { path, value }]).await.unwrap();
                assert_eq!(staged, Staged::Done);
            }
        })
        .await;
        let store = refs.clone();
        run("get of a branch record", callers, move |caller| {
            let store = store.clone();
            async move {
                store.get(&Partition(format!("branch {caller}")), "record").await.unwrap();
            }
        })
        .await;
    }
}

async fn run<F: Future<Output = ()> + Send>(
    what: &str,
    callers: usize,
    call: impl Fn(usize) -> F + Send + Sync + 'static,
) {
    let (call, stop) = (Arc::new(call), Arc::new(AtomicBool::new(false)));
    let (begun, cpu) = (Instant::now(), cpu_ms());
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (call, stop) = (call.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    call(caller).await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    tokio::time::sleep(EACH).await;
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for task in tasks {
        calls += task.await.unwrap();
    }
    let rate = calls as f64 / begun.elapsed().as_secs_f64();
    let cpu_us = (cpu_ms() - cpu) * 1000.0 / calls as f64;
    println!("{callers:>3} callers  {what:<38} {rate:>9.0}/s  {cpu_us:>6.0} us of CPU each");
}

/// The CPU time that this process has used, where Linux tells it: unlike wall time it hardly depends on what else
/// the machine does.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}
