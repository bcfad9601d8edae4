//! The tree alone: packs in a local folder, and a head, all synced.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anabranch_storage::{ObjectStorage, PutMode, open_local};
use anabranch_tree::{
    CommitToPack, DeltaList, Difference, Key, KeyRange, PackSource, Session, Tree, TreeEdit, TreeError,
    TreeParams, TreeStore, WalkItem,
};
use anabranch_types::{Clock, Commit, IdSource, ObjectKey};
use bytes::Bytes;
use futures::future::try_join_all;

use crate::rows::{Row, entry};
use crate::{Peer, Round, Times};

struct Packs(Arc<dyn ObjectStorage>);

#[async_trait::async_trait]
impl PackSource for Packs {
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError> {
        self.0.get(pack, Some(range)).await.map_err(|error| TreeError::read(pack, error))
    }
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }
}

struct Random;

impl IdSource for Random {
    fn fill(&self, target: &mut [u8]) {
        rand::fill(target);
    }
}

/// See the module.
pub(crate) struct TreePeer {
    runtime: tokio::runtime::Runtime,
    storage: Arc<dyn ObjectStorage>,
    store: Arc<TreeStore>,
    main: Tree,
}

impl TreePeer {
    pub(crate) fn new(folder: &Path) -> TreePeer {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let storage = open_local(folder).unwrap();
        let store = TreeStore::new(Arc::new(Packs(storage.clone())), TreeParams::new(42), 1 << 30);
        TreePeer { runtime, storage, store, main: Tree::empty() }
    }

    /// Makes a tree durable and moves a head to it; the tree as it is read back.
    async fn publish(
        &self,
        session: &Session,
        tree: Tree,
        delta: Option<Vec<Difference>>,
        head: &str,
    ) -> Tree {
        let commit = Commit {
            parents: Vec::new(),
            tree: tree.id(),
            generation: 1,
            created_ms: 0,
            committer: "bench".into(),
            message: "bench".into(),
            metadata: BTreeMap::new(),
        };
        let delta = delta.map(|differences| DeltaList::of(&differences).unwrap());
        let packed = session.pack(&[CommitToPack { commit, tree, delta }], &Still, &Random).unwrap();
        let puts =
            packed.packs.iter().map(|pack| self.storage.put(&pack.key, pack.bytes.clone(), PutMode::Create));
        try_join_all(puts).await.unwrap();
        let id = packed.commits[0].id.to_hex();
        self.storage
            .put(&ObjectKey::new(format!("heads/{head}")), id.into(), PutMode::Overwrite)
            .await
            .unwrap();
        self.store.remember(&packed);
        packed.commits[0].record.tree()
    }

    /// As a repository commits: with the list of what was changed.
    async fn commit(&self, before: &Tree, rows: &[Row], head: &str) -> Tree {
        let session = self.store.session();
        let edits = rows.iter().map(|row| TreeEdit::Put(key(row), entry(row))).collect();
        let after = session.apply(before, edits).await.unwrap();
        let delta = differences(&session, before, &after).await;
        self.publish(&session, after, Some(delta), head).await
    }

    async fn merge(&self, base: &Tree, ours: &Tree, theirs: &Tree) -> Tree {
        let session = self.store.session();
        let mut walk = session.three_way(base, ours, theirs);
        let mut edits = Vec::new();
        while let Some(batch) = walk.next_batch().await.unwrap() {
            edits.extend(batch.into_iter().filter_map(|item| match item {
                WalkItem::OnlyOurs { .. } => None,
                WalkItem::OnlyTheirs { range } => Some(TreeEdit::Take { range, from: theirs.clone() }),
                WalkItem::Entry { base, ours, .. } if base != ours => None,
                WalkItem::Entry { key, theirs: Some(entry), .. } => Some(TreeEdit::Put(key, entry)),
                WalkItem::Entry { key, .. } => Some(TreeEdit::Remove(key)),
            }));
        }
        let merged = session.apply(ours, edits).await.unwrap();
        let delta = differences(&session, ours, &merged).await;
        self.publish(&session, merged, Some(delta), "main").await
    }
}

fn key(row: &Row) -> Key {
    Key::new(row.path.clone()).unwrap()
}

async fn differences(session: &Session, before: &Tree, after: &Tree) -> Vec<Difference> {
    let mut diff = session.diff(before, after, KeyRange::all());
    let mut all = Vec::new();
    while let Some(batch) = diff.next_batch().await.unwrap() {
        all.extend(batch);
    }
    all
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

impl Peer for TreePeer {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn load(&mut self, rows: &[Row]) -> Duration {
        let (took, main) = timed(|| {
            let session = self.store.session();
            let mut builder = session.builder();
            for row in rows {
                builder.push(&key(row), &entry(row)).unwrap();
            }
            let tree = builder.finish().unwrap();
            self.runtime.block_on(self.publish(&session, tree, None, "main"))
        });
        self.main = main;
        took
    }

    fn round(&mut self, round: &Round) -> Times {
        let base = self.main.clone();
        let (commit, ours) = timed(|| self.runtime.block_on(self.commit(&base, &round.ours, "main")));
        let count = |before: &Tree, after: &Tree| {
            self.runtime.block_on(differences(&self.store.session(), before, after)).len()
        };
        let diff = timed(|| count(&base, &ours));
        let theirs = self.runtime.block_on(self.commit(&base, &round.theirs, "side"));
        let (merge, merged) = timed(|| self.runtime.block_on(self.merge(&base, &ours, &theirs)));
        let both = count(&base, &merged);
        self.main = merged;
        Times { commit, diff, merge: (merge, both) }
    }
}
