//! Many readers of one node that is in no cache: one of them reads, the others wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

use super::counts::packed;
use super::*;
use crate::test_support::MemoryPacks;
use crate::{PackSource, TreeError, TreeParams, TreeStore};

const READERS: u64 = 100;

/// Packs whose reads take a while: every other reader comes by before one ends. The first `failures` reads fail.
struct SlowPacks {
    packs: Arc<MemoryPacks>,
    reads: AtomicUsize,
    failures: AtomicUsize,
}

#[async_trait]
impl PackSource for SlowPacks {
    async fn read(&self, pack: &ObjectKey, range: std::ops::Range<u64>) -> Result<Bytes, TreeError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let fails =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        tokio::task::yield_now().await;
        match fails {
            Ok(_) => Err(TreeError::read(pack, std::io::Error::other("the storage was told to fail"))),
            Err(_) => self.packs.read(pack, range).await,
        }
    }
}

/// A tree of three levels in packs, and a store over them that has read nothing.
fn cold(failures: usize) -> (Arc<SlowPacks>, Arc<TreeStore>, Tree) {
    let model = (0..600).map(|n| (lake_key(n), u64::from(n))).collect();
    let packs = Arc::new(MemoryPacks::default());
    let session = crate::test_support::store_over(&packs, 16).session();
    let tree = packed(&packs, &session, &build(&session, &model));
    let slow =
        Arc::new(SlowPacks { packs, reads: AtomicUsize::new(0), failures: AtomicUsize::new(failures) });
    let store = TreeStore::new(slow.clone(), TreeParams { seed: 42, target: 16 }, 256 << 20);
    (slow, store, tree)
}

async fn read_all(store: &Arc<TreeStore>, tree: &Tree) -> Vec<Result<Option<Entry>, TreeError>> {
    let readers = (0..READERS).map(|_| {
        let (session, tree) = (store.session(), tree.clone());
        async move { session.get(&tree, lake_key(77).as_bytes()).await }
    });
    join_all(readers).await
}

#[tokio::test]
async fn many_readers_cause_one_read_of_each_node() {
    let (slow, store, tree) = cold(0);
    let levels = usize::from(tree.root().unwrap().level) + 1;
    assert!(levels >= 2);
    for found in read_all(&store, &tree).await {
        assert_eq!(found.unwrap(), Some(entry(77)));
    }
    assert_eq!(slow.reads.load(Ordering::SeqCst), levels, "one read for each level");
    assert_eq!(store.counters().node_reads, levels as u64);
    read_all(&store, &tree).await;
    assert_eq!(slow.reads.load(Ordering::SeqCst), levels, "and none once they are cached");
}

#[tokio::test]
async fn a_reader_that_fails_leaves_the_node_to_the_next_one() {
    let (slow, store, tree) = cold(1);
    let levels = usize::from(tree.root().unwrap().level) + 1;
    let found = read_all(&store, &tree).await;
    assert_eq!(found.iter().filter(|found| found.is_err()).count(), 1, "only the one that read it");
    assert_eq!(slow.reads.load(Ordering::SeqCst), levels + 1);
}
