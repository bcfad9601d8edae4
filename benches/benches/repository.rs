//! What a repository costs, over SQLite and a local folder, everything written and synced, page cache warm.
//!
//! Figures to reach on two cores: a commit of 1,000 scattered changes into a million entries in 100 ms, a merge of
//! 1,000 + 1,000 in 150 ms, a commit of 500,000 staged objects in 2 s, 1,000 one-object merges a second into one branch at
//! 50 at a time without an error, 12,000 small objects a second staged at 64 at a time. The disk's own latency is printed
//! beside. Each operation is run a few times on a repository that grows on; a criterion run would set it up anew each time.
//!
//! `ANABRANCH_BENCH_DIR` names the folder to work in, on the disk that is to be measured.

#![allow(missing_docs, reason = "a bench has no callers")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that goes wrong may end"
)]
#![allow(clippy::disallowed_methods, reason = "a bench has a real clock")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anabranch_merge::Registry;
use anabranch_refs::SqliteStore;
use anabranch_repository::{
    Actor, Catalog, CatalogParts, CommitRequest, CreateRepository, MergeAnswer, MergeRequest, Repository,
    RepositoryError, StorageOpener, WriteCondition,
};
use anabranch_storage::{ObjectStorage, StorageError, open_local};
use anabranch_types::{
    Address, BranchName, Checksum, Clock, Entry, IdSource, ObjectKey, ObjectPath, RepositoryName,
};
use futures::StreamExt;
use futures::stream;

/// The one that the server has.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENTRIES: u64 = 1_000_000;

struct Now;

impl Clock for Now {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}

struct Random;

impl IdSource for Random {
    fn fill(&self, target: &mut [u8]) {
        rand::fill(target);
    }
}

#[derive(Debug)]
struct Folders(PathBuf);

#[async_trait::async_trait]
impl StorageOpener for Folders {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        open_local(&self.0.join(namespace))
    }

    fn resolve(&self, _: Option<&str>, repository: &RepositoryName) -> Result<String, RepositoryError> {
        Ok(repository.to_string())
    }
}

/// A number that looks random (SplitMix64).
fn mixed(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn path(n: u64) -> ObjectPath {
    let (table, day, file) = (n / 2000, n / 50 % 28 + 1, n % 50);
    let text = format!("lake/tbl_{table:05}/dt=2025-03-{day:02}/part-{file:05}-{:016x}.parquet", mixed(n));
    ObjectPath::new(text).unwrap()
}

fn entry(n: u64, version: u64) -> Entry {
    let id: String = (0..19).map(|at| char::from(b'a' + (mixed(n * 19 + at + version) % 22) as u8)).collect();
    let mut checksum = [0; 16];
    checksum[..8].copy_from_slice(&mixed(n).to_le_bytes());
    checksum[8..].copy_from_slice(&mixed(version).to_le_bytes());
    let size = 1_000_000 + n;
    let object = ObjectKey::new(format!("data/06l7qf5c000000000000/{id}0"));
    Entry {
        address: Address { object, offset: 0, length: size },
        size,
        checksum: Checksum::from_md5(checksum),
        parts: 0,
        modified_ms: 1_700_000_000_000 + n as i64,
        content_type: "application/octet-stream".into(),
        metadata: BTreeMap::new(),
    }
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

fn commit_request() -> CommitRequest {
    CommitRequest {
        message: "bench".into(),
        committer: Actor("bench".into()),
        metadata: BTreeMap::new(),
        allow_empty: false,
        created_ms: None,
        deadline_ms: None,
    }
}

fn merge_request() -> MergeRequest {
    MergeRequest {
        message: None,
        committer: Actor("bench".into()),
        metadata: BTreeMap::new(),
        strategy: None,
        by_rows: false,
        allow_empty: false,
        squash: false,
        preview: None,
        deadline_ms: None,
    }
}

async fn stage(lake: &Repository, on: &str, numbers: impl Iterator<Item = u64>, version: u64) {
    let entries: Vec<_> = numbers.map(|n| (path(n), entry(n, version))).collect();
    lake.put_many(&branch(on), entries).await.unwrap();
}

/// A thousand places, scattered; `round` and `side` make them others.
fn scattered(round: u64, side: u64) -> impl Iterator<Item = u64> {
    (0..1_000).map(move |n| mixed(n + 1_000 * round + 1_000_000 * side) % ENTRIES)
}

fn report(what: &str, goal: &str, mut times: Vec<Duration>) {
    times.sort();
    println!("{what:<48} goal {goal:<12} median {:?}, all {times:?}", times[times.len() / 2]);
}

fn print_sync_latency(dir: &Path) {
    let mut file = std::fs::File::create(dir.join("sync-probe")).unwrap();
    let mut times = Vec::new();
    for _ in 0..50 {
        file.write_all(&[1; 4096]).unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("fdatasync of 4 KiB: median {:?}, 90% {:?}", times[25], times[45]);
}

async fn new_lake(catalog: &Catalog, name: &str) -> Repository {
    let name = RepositoryName::new(name).unwrap();
    let request = CreateRepository {
        name: name.clone(),
        storage_namespace: None,
        default_branch: branch("main"),
        metadata: BTreeMap::new(),
    };
    catalog.create_repository(request).await.unwrap();
    catalog.repository(&name).await.unwrap()
}

async fn commits_and_merges(catalog: &Catalog) {
    let lake = new_lake(catalog, "million").await;
    let mut halves = Vec::new();
    for half in [0..ENTRIES / 2, ENTRIES / 2..ENTRIES] {
        let start = Instant::now();
        stage(&lake, "main", half, 0).await;
        println!("staged 500,000 in groups of 1,000 in {:?}", start.elapsed());
        let start = Instant::now();
        lake.commit(&branch("main"), commit_request()).await.unwrap();
        halves.push(start.elapsed());
    }
    report("commit of 500,000 staged", "<= 2 s", halves);

    let mut times = Vec::new();
    for round in 0..7 {
        stage(&lake, "main", scattered(round, 0), round + 1).await;
        let start = Instant::now();
        lake.commit(&branch("main"), commit_request()).await.unwrap();
        times.push(start.elapsed());
    }
    report("commit of 1,000 scattered into 1 M", "<= 100 ms", times);

    let mut times = Vec::new();
    for round in 0..7 {
        let name = format!("side-{round}");
        lake.create_branch(&branch(&name), "main", false).await.unwrap();
        stage(&lake, &name, scattered(round, 1).map(|n| n & !1), 100 + round).await;
        lake.commit(&branch(&name), commit_request()).await.unwrap();
        stage(&lake, "main", scattered(round, 2).map(|n| n | 1), 200 + round).await;
        lake.commit(&branch("main"), commit_request()).await.unwrap();
        let start = Instant::now();
        let answer = lake.merge(&name, &branch("main"), merge_request()).await.unwrap();
        times.push(start.elapsed());
        assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
    }
    report("merge of 1,000 + 1,000 in 1 M", "<= 150 ms", times);
}

async fn one_object_merges(catalog: &Catalog) {
    const MERGES: u64 = 2_000;
    let lake = new_lake(catalog, "merges").await;
    stage(&lake, "main", 0..10_000, 0).await;
    lake.commit(&branch("main"), commit_request()).await.unwrap();
    stream::iter(0..MERGES)
        .for_each_concurrent(64, |n| {
            let lake = lake.clone();
            async move {
                let name = format!("b{n}");
                lake.create_branch(&branch(&name), "main", false).await.unwrap();
                stage(&lake, &name, std::iter::once(20_000 + n), 1).await;
                lake.commit(&branch(&name), commit_request()).await.unwrap();
            }
        })
        .await;
    let start = Instant::now();
    let merged = stream::iter(0..MERGES)
        .map(|n| {
            let lake = lake.clone();
            tokio::spawn(async move { lake.merge(&format!("b{n}"), &branch("main"), merge_request()).await })
        })
        .buffer_unordered(50)
        .filter(|answer| {
            let merged = matches!(answer, Ok(Ok(MergeAnswer::Merged { .. })));
            std::future::ready(merged)
        })
        .count()
        .await;
    let took = start.elapsed();
    let rate = MERGES as f64 / took.as_secs_f64();
    println!(
        "one-object merges, 50 at a time: {rate:.0}/s (goal >= 1,000), {} errors",
        MERGES - merged as u64
    );
}

async fn small_objects(catalog: &Catalog) {
    const OBJECTS: u64 = 50_000;
    let lake = new_lake(catalog, "small").await;
    let start = Instant::now();
    let written = stream::iter(0..OBJECTS)
        .map(|n| {
            let lake = lake.clone();
            tokio::spawn(async move {
                let address = lake.write_small(vec![n as u8; 1024].into()).await.unwrap();
                let entry = Entry { size: address.length, address, ..entry(n, 0) };
                lake.put(&branch("main"), &path(n), entry, WriteCondition::None).await.unwrap();
            })
        })
        .buffer_unordered(64)
        .filter(|answer| std::future::ready(answer.is_ok()))
        .count()
        .await;
    let rate = written as f64 / start.elapsed().as_secs_f64();
    println!("objects of 1 KiB written and staged, 64 at a time: {rate:.0}/s (goal >= 12,000)");
}

fn main() {
    let folder =
        std::env::var_os("ANABRANCH_BENCH_DIR").map(PathBuf::from).unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::tempdir_in(folder).unwrap();
    print_sync_latency(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(Now);
        let store =
            Arc::new(SqliteStore::open(&dir.path().join("refs.db"), Arc::clone(&clock)).await.unwrap());
        let catalog = Catalog::new(CatalogParts {
            refs: Arc::clone(&store) as _,
            staging: store,
            storages: Arc::new(Folders(dir.path().to_owned())),
            registry: Arc::new(Registry::new()),
            clock,
            ids: Arc::new(Random),
            cache_bytes: 1 << 30,
        });
        let only = std::env::args().find_map(|argument| argument.strip_prefix("only=").map(str::to_owned));
        let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
        if wanted("small") {
            small_objects(&catalog).await;
        }
        if wanted("merges") {
            one_object_merges(&catalog).await;
        }
        if wanted("million") {
            commits_and_merges(&catalog).await;
        }
    });
}
