//! What the tree costs, with nodes held in memory and the decode cache empty.
//!
//! Figures to reach on two cores: a three-way merge of 1,000 + 1,000 scattered changes in a million entries in 20 ms of
//! CPU time; a bulk build of two million entries a second. `cargo run --release -p anabranch-tree --example figures`
//! prints CPU time and node counts for the same operations.

#![allow(missing_docs, reason = "criterion makes public functions")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a bench that goes wrong may end")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use anabranch_tree::{
    CommitToPack, Key, KeyRange, PackSource, Session, Tree, TreeEdit, TreeError, TreeParams, TreeStore,
    WalkItem,
};
use anabranch_types::{Address, Checksum, Clock, Commit, Entry, IdSource, ObjectKey};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

const ENTRIES: u64 = 1_000_000;

#[derive(Default)]
struct MemoryPacks(Mutex<HashMap<ObjectKey, Bytes>>);

#[async_trait::async_trait]
impl PackSource for MemoryPacks {
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError> {
        let packs = self.0.lock().expect("no other thread panics");
        let bytes = packs.get(pack).ok_or(TreeError::PackMissing { pack: pack.clone() })?;
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }
}

/// A clock that stands still, and ids that count.
#[derive(Default)]
struct Fixed(Mutex<u64>);

impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        0
    }
}

impl IdSource for Fixed {
    fn fill(&self, target: &mut [u8]) {
        let mut next = self.0.lock().expect("no other thread panics");
        *next += 1;
        for (at, byte) in target.iter_mut().enumerate() {
            *byte = (mixed(*next + ((at as u64) << 40)) >> 24) as u8;
        }
    }
}

/// A number that looks random (SplitMix64).
fn mixed(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn key(n: u64) -> Key {
    let (table, day, file) = (n / 2000, n / 50 % 28 + 1, n % 50);
    let text = format!("lake/tbl_{table:05}/dt=2025-03-{day:02}/part-{file:05}-{:016x}.parquet", mixed(n));
    Key::new(text).expect("a valid key")
}

fn entry(n: u64) -> Entry {
    let id: String = (0..19).map(|at| char::from(b'a' + (mixed(n * 19 + at) % 22) as u8)).collect();
    let mut checksum = [0; 16];
    checksum[..8].copy_from_slice(&mixed(n).to_le_bytes());
    checksum[8..].copy_from_slice(&mixed(!n).to_le_bytes());
    let size = 1_000_000 + n;
    Entry {
        address: Address {
            object: ObjectKey::new(format!("data/06l7qf5c000000000000/{id}0")),
            offset: 0,
            length: size,
        },
        size,
        checksum: Checksum::from_md5(checksum),
        parts: 0,
        modified_ms: 1_700_000_000_000 + n as i64,
        content_type: "application/octet-stream".to_owned(),
        metadata: BTreeMap::new(),
    }
}

fn overwrites(count: u64, salt: u64) -> Vec<TreeEdit> {
    let chosen: BTreeSet<u64> = (0..count).map(|n| mixed(n + (salt << 32)) % ENTRIES).collect();
    let by_key: BTreeMap<Key, Entry> =
        chosen.into_iter().map(|n| (key(n), entry(n + salt * ENTRIES))).collect();
    by_key.into_iter().map(|(key, entry)| TreeEdit::Put(key, entry)).collect()
}

fn store(packs: &Arc<MemoryPacks>) -> Arc<TreeStore> {
    TreeStore::new(packs.clone(), TreeParams::new(42), 1 << 30)
}

/// Packs the tree and answers it as it is read back.
fn packed(packs: &MemoryPacks, session: &Session, tree: &Tree, fixed: &Fixed) -> Tree {
    let commit = Commit {
        parents: Vec::new(),
        tree: tree.id(),
        generation: 1,
        created_ms: 0,
        committer: String::new(),
        message: String::new(),
        metadata: BTreeMap::new(),
    };
    let to_pack = CommitToPack { commit, tree: tree.clone(), delta: None };
    let packed = session.pack(&[to_pack], fixed, fixed).expect("a tree of this session");
    let mut all = packs.0.lock().expect("no other thread panics");
    all.extend(packed.packs.iter().map(|pack| (pack.key.clone(), pack.bytes.clone())));
    packed.commits[0].record.tree()
}

/// The merge in which ours wins where both sides changed a key.
async fn merge(session: Session, base: &Tree, ours: &Tree, theirs: &Tree) -> Result<Tree, TreeError> {
    let mut cursor = session.three_way(base, ours, theirs);
    let mut edits = Vec::new();
    while let Some(batch) = cursor.next_batch().await? {
        edits.extend(batch.into_iter().filter_map(|item| match item {
            WalkItem::OnlyOurs { .. } => None,
            WalkItem::OnlyTheirs { range } => Some(TreeEdit::Take { range, from: theirs.clone() }),
            WalkItem::Entry { base, ours, .. } if base != ours => None,
            WalkItem::Entry { key, theirs: Some(entry), .. } => Some(TreeEdit::Put(key, entry)),
            WalkItem::Entry { key, .. } => Some(TreeEdit::Remove(key)),
        }));
    }
    session.apply(ours, edits).await
}

async fn count_differences(session: Session, before: &Tree, after: &Tree) -> Result<usize, TreeError> {
    let mut cursor = session.diff(before, after, KeyRange::all());
    let mut count = 0;
    while let Some(batch) = cursor.next_batch().await? {
        count += batch.len();
    }
    Ok(count)
}

fn tree(criterion: &mut Criterion) {
    let rows: BTreeMap<Key, Entry> = (0..ENTRIES).map(|n| (key(n), entry(n))).collect();
    let (packs, fixed) = (Arc::new(MemoryPacks::default()), Fixed::default());
    let build = || {
        let session = store(&packs).session();
        let mut builder = session.builder();
        for (key, entry) in &rows {
            builder.push(key, entry).expect("sorted keys");
        }
        (builder.finish().expect("a tree"), session)
    };
    let (built, session) = build();
    let base = packed(&packs, &session, &built, &fixed);
    drop(session);
    let changed = |salt| {
        let session = store(&packs).session();
        let tree = block_on(session.apply(&base, overwrites(1000, salt))).expect("sorted edits");
        packed(&packs, &session, &tree, &fixed)
    };
    let (ours, theirs) = (changed(1), changed(2));

    let mut group = criterion.benchmark_group("tree");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("bulk build of 1 M", |bencher| bencher.iter_with_large_drop(build));
    group.throughput(Throughput::Elements(1000));
    group.sample_size(30);
    group.bench_function("apply 1,000 scattered changes to 1 M", |bencher| {
        bencher.iter_batched(
            || (store(&packs).session(), overwrites(1000, 1)),
            |(session, edits)| block_on(session.apply(&base, edits)).expect("sorted edits"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("apply and pack 1,000 scattered changes to 1 M", |bencher| {
        bencher.iter_batched(
            || (store(&packs).session(), overwrites(1000, 3)),
            |(session, edits)| {
                let tree = block_on(session.apply(&base, edits)).expect("sorted edits");
                let commit = Commit {
                    parents: Vec::new(),
                    tree: tree.id(),
                    generation: 1,
                    created_ms: 0,
                    committer: String::new(),
                    message: String::new(),
                    metadata: BTreeMap::new(),
                };
                session.pack(&[CommitToPack { commit, tree, delta: None }], &fixed, &fixed).expect("a tree")
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("three-way merge 1,000 + 1,000 in 1 M", |bencher| {
        bencher.iter_batched(
            || store(&packs).session(),
            |session| block_on(merge(session, &base, &ours, &theirs)).expect("a tree"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("diff of 1,000 scattered changes in 1 M", |bencher| {
        bencher.iter_batched(
            || store(&packs).session(),
            |session| block_on(count_differences(session, &base, &ours)).expect("a count"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, tree);
criterion_main!(benches);
