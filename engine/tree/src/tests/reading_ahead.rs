//! What a commit reads of a tree that is far away: each node once, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::counts::packed;
use super::*;
use crate::test_support::{MemoryPacks, store_over};
use crate::{Applied, Change, PackSource, TreeError, TreeParams, TreeStore};

/// Packs that note how many reads were under way at once.
#[derive(Default)]
struct FarPacks {
    packs: Arc<MemoryPacks>,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl PackSource for FarPacks {
    async fn read(&self, pack: &ObjectKey, range: std::ops::Range<u64>) -> Result<Bytes, TreeError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.packs.read(pack, range).await
    }
}

/// A tree of 4,000 keys in packs, and the same with every eleventh entry changed, counted from `skipped`.
fn trees(packs: &Arc<MemoryPacks>, skipped: &[usize]) -> (Tree, Vec<(Tree, Vec<Change>)>) {
    let model: BTreeMap<Key, u64> = (0..4_000).map(|n| (lake_key(n), u64::from(n))).collect();
    let session = store_over(packs, 8).session();
    let tree = packed(packs, &session, &build(&session, &model));
    let changed = skipped.iter().map(|skipped| {
        let every = model.iter().skip(*skipped).step_by(11);
        let changes: Vec<Change> = every.map(|(key, n)| (key.clone(), Some(entry(n + 1_000_000)))).collect();
        let applied = run(apply(&session, &tree, &changes)).unwrap();
        (packed(packs, &session, &applied.tree), changes)
    });
    let changed = changed.collect();
    (tree, changed)
}

async fn apply(session: &Session, tree: &Tree, changes: &[Change]) -> Result<Applied, TreeError> {
    let mut applier = session.applier(tree);
    applier.apply(changes.to_vec()).await?;
    applier.finish().await
}

/// Does the work twice with empty caches, outside and inside a runtime: what it made, equal both times, and how many
/// reads were under way at once. Reading ahead must not read more than is needed.
fn measured<T: PartialEq + std::fmt::Debug>(
    packs: &Arc<MemoryPacks>,
    work: impl AsyncFn(Session) -> Result<T, TreeError>,
) -> (T, usize) {
    let measure = |in_runtime: bool| {
        let far = Arc::new(FarPacks { packs: packs.clone(), ..FarPacks::default() });
        let params = TreeParams { seed: 42, target: 8 };
        let store = TreeStore::new(Arc::clone(&far) as _, params, 64 << 20);
        let work = work(store.session());
        let made = if in_runtime { runtime().block_on(work) } else { run(work) }.unwrap();
        (made, store.counters().node_reads, far.most.load(Ordering::SeqCst))
    };
    let (alone, reads_alone, most_alone) = measure(false);
    let (made, reads, most) = measure(true);
    assert_eq!(made, alone);
    assert_eq!(most_alone, 1);
    assert!(reads <= reads_alone, "{reads} reads ahead, {reads_alone} without");
    (made, most)
}

#[test]
fn a_commit_reads_each_node_once_and_many_at_a_time() {
    let packs = Arc::new(MemoryPacks::default());
    let (tree, changed) = trees(&packs, &[0]);
    let changes = &changed[0].1;
    let (made, most) = measured(&packs, async |session| {
        apply(&session, &tree, changes).await.map(|applied| (applied.tree.id(), listed(&applied.delta)))
    });
    assert_eq!(made.1.len(), changes.len());
    assert!(most >= 16, "{most} at once");
}

#[test]
fn a_diff_reads_each_node_once_and_many_at_a_time() {
    let packs = Arc::new(MemoryPacks::default());
    let (tree, changed) = trees(&packs, &[3]);
    let (after, changes) = &changed[0];
    let (made, most) = measured(&packs, async |session| {
        let mut diff = session.diff(&tree, after, KeyRange::all());
        let mut all = Vec::new();
        while let Some(batch) = diff.next_batch().await? {
            all.extend(batch);
        }
        Ok(all)
    });
    assert_eq!(made.len(), changes.len());
    assert!(most >= 16, "{most} at once");
}

#[test]
fn a_walk_reads_each_node_once_and_many_at_a_time() {
    let packs = Arc::new(MemoryPacks::default());
    let (base, changed) = trees(&packs, &[2, 7]);
    let [(ours, our_changes), (theirs, their_changes)] = changed.as_slice() else { panic!("two sides") };
    let (made, most) = measured(&packs, async |session| {
        let mut walk = session.three_way(&base, ours, theirs);
        let mut all = Vec::new();
        while let Some(batch) = walk.next_batch().await? {
            all.extend(batch);
        }
        Ok(all)
    });
    assert!(!made.is_empty() && made.len() <= our_changes.len() + their_changes.len());
    assert!(most >= 16, "{most} at once");
}

#[test]
fn whoever_asks_for_a_range_reads_nothing_beside_it() {
    let packs = Arc::new(MemoryPacks::default());
    let (tree, changed) = trees(&packs, &[3]);
    let range = KeyRange {
        start: b"lake/orders/_delta_log/00000100".to_vec(),
        end: Some(b"lake/orders/_delta_log/00000300".to_vec()),
    };
    let (made, _) = measured(&packs, async |session| {
        let mut diff = session.diff(&tree, &changed[0].0, range.clone());
        let mut all = Vec::new();
        while let Some(batch) = diff.next_batch().await? {
            all.extend(batch);
        }
        Ok(all)
    });
    assert!(!made.is_empty());
}
