//! Commits by id: the index in the ref-store, the records in packs, and a cache over both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_refs::{EDITS_MAX, Edit, Expect, Operation, RefUpdate};
use anabranch_storage::{PutMode, PutOutcome};
use anabranch_tree::{
    CommitRecord, CommitToPack, Pack, PackedCommit, PackedCommits, Session, Tree, TreeError,
};
use anabranch_types::{Commit, CommitId};
use bytes::Bytes;
use futures::future::try_join_all;
use tokio::task::JoinHandle;

use crate::repository::Inner;
use crate::{CommitInfo, RepositoryError};

/// How many commits are cached, twice over: a full half pushes the other one out.
const CACHED_MAX: usize = 32_768;

/// A commit and where what belongs to it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredCommit {
    pub(crate) id: CommitId,
    pub(crate) commit: Commit,
    pub(crate) record: CommitRecord,
}

impl StoredCommit {
    pub(crate) fn tree(&self) -> Tree {
        self.record.tree()
    }

    pub(crate) fn info(&self) -> CommitInfo {
        CommitInfo { id: self.id, commit: self.commit.clone() }
    }
}

impl From<PackedCommit> for StoredCommit {
    fn from(packed: PackedCommit) -> Self {
        StoredCommit { id: packed.id, commit: packed.commit, record: packed.record }
    }
}

/// Commits that were read. They never change, so nothing is ever invalidated.
#[derive(Default)]
pub(crate) struct CommitCache {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<CommitId, Arc<StoredCommit>>,
    old: HashMap<CommitId, Arc<StoredCommit>>,
}

impl CommitCache {
    pub(crate) fn get(&self, id: &CommitId) -> Option<Arc<StoredCommit>> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = halves.young.get(id) {
            return Some(Arc::clone(found));
        }
        let found = halves.old.remove(id)?;
        halves.insert(Arc::clone(&found));
        Some(found)
    }

    fn insert(&self, commit: Arc<StoredCommit>) {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner).insert(commit);
    }
}

impl Halves {
    fn insert(&mut self, commit: Arc<StoredCommit>) {
        if self.young.len() >= CACHED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(commit.id, commit);
    }
}

/// Packs of this size are written while the next one fills.
const WRITTEN_EARLY_BYTES: usize = 1 << 20;

/// Packs up to this size share objects: a file of its own would cost a small commit more than all that is in it.
const SHARED_BYTES_MAX: usize = 64 << 10;

/// Commits in packs, some of which are being written.
pub(crate) struct Packing {
    /// The commits, and the packs that nobody writes yet.
    packed: PackedCommits,
    writes: Vec<JoinHandle<Result<(), RepositoryError>>>,
}

impl Inner {
    /// The commit of this id; none if there is no such commit.
    pub(crate) async fn find_commit(
        &self,
        id: &CommitId,
    ) -> Result<Option<Arc<StoredCommit>>, RepositoryError> {
        if let Some(found) = self.commits.get(id) {
            return Ok(Some(found));
        }
        let partition = self.partitions.commits();
        let Some(row) = self.ledger.get("looking up a commit", &partition, &id.to_hex()).await? else {
            return Ok(None);
        };
        let record =
            CommitRecord::decode(&row.value).map_err(RepositoryError::tree(format!("commit {id}")))?;
        let commit = self.trees.read_commit(&record).await;
        let commit = commit.map_err(RepositoryError::tree(format!("commit {id}")))?;
        if commit.id() != *id || commit.tree != record.tree().id() {
            return Err(RepositoryError::damaged(format!("commit {id}"), "its record holds something else"));
        }
        let found = Arc::new(StoredCommit { id: *id, commit, record });
        self.commits.insert(Arc::clone(&found));
        Ok(Some(found))
    }

    /// The commit of an id that a ref or a child names.
    pub(crate) async fn commit_of(&self, id: &CommitId) -> Result<Arc<StoredCommit>, RepositoryError> {
        self.find_commit(id).await?.ok_or_else(|| {
            RepositoryError::damaged(format!("commit {id}"), "something refers to it, but the index lacks it")
        })
    }

    /// Turns commits into packs. Large packs are being written from the moment on that they are full.
    pub(crate) fn pack(
        self: &Arc<Self>,
        session: &Session,
        commits: &[CommitToPack],
    ) -> Result<Packing, TreeError> {
        let (mut writes, mut packs) = (Vec::new(), Vec::new());
        let mut full = |pack: Pack| {
            if pack.bytes.len() < WRITTEN_EARLY_BYTES {
                packs.push(pack);
                return;
            }
            let inner = Arc::clone(self);
            writes.push(tokio::spawn(async move { inner.put_pack(&pack.key, pack.bytes).await }));
        };
        let mut packed = session.pack_into(commits, self.clock.as_ref(), self.ids.as_ref(), &mut full)?;
        packed.packs = packs;
        Ok(Packing { packed, writes })
    }

    /// Makes packs and the index entries of their commits durable. Nothing refers to them yet: should this process end
    /// here, they are harmless.
    pub(crate) async fn store_commits(
        &self,
        packing: Packing,
    ) -> Result<Vec<Arc<StoredCommit>>, RepositoryError> {
        let Packing { mut packed, writes } = packing;
        if writes.is_empty() && self.put_small_pack(&mut packed).await? {
            self.put_commit_records(&packed.commits).await?;
        } else {
            let records = self.put_commit_records(&packed.commits);
            futures::future::try_join(self.put_packs(&packed, writes), records).await?;
        }
        self.trees.remember(&packed);
        let stored: Vec<_> =
            packed.commits.into_iter().map(|commit| Arc::new(StoredCommit::from(commit))).collect();
        for commit in &stored {
            self.commits.insert(Arc::clone(commit));
        }
        Ok(stored)
    }

    /// Makes packs durable whose commits nobody will look up.
    pub(crate) async fn store_packs(&self, packing: Packing) -> Result<PackedCommits, RepositoryError> {
        let Packing { mut packed, writes } = packing;
        if !writes.is_empty() || !self.put_small_pack(&mut packed).await? {
            self.put_packs(&packed, writes).await?;
        }
        self.trees.remember(&packed);
        Ok(packed)
    }

    /// Makes the only pack durable if it is small: in an object that it shares with others. Says whether it did; where
    /// the commits lie is known only then.
    async fn put_small_pack(&self, packed: &mut PackedCommits) -> Result<bool, RepositoryError> {
        let [pack] = packed.packs.as_slice() else { return Ok(false) };
        if pack.bytes.len() > SHARED_BYTES_MAX {
            return Ok(false);
        }
        let pack = pack.clone();
        let written = self.small_packs.append(pack.bytes).await;
        let address = written.map_err(RepositoryError::storage(&self.info.name))?;
        packed.relocate(&pack.key, &address.object, address.offset);
        Ok(true)
    }

    async fn put_packs(
        &self,
        packed: &PackedCommits,
        writes: Vec<JoinHandle<Result<(), RepositoryError>>>,
    ) -> Result<(), RepositoryError> {
        let small =
            try_join_all(packed.packs.iter().map(|pack| self.put_pack(&pack.key, pack.bytes.clone())));
        let lost = |error| RepositoryError::damaged("a pack on its way", format!("its task ended: {error}"));
        let large = try_join_all(writes.into_iter().map(|write| async move { write.await.map_err(lost)? }));
        futures::future::try_join(small, large).await.map(drop)
    }

    async fn put_pack(&self, key: &anabranch_types::ObjectKey, bytes: Bytes) -> Result<(), RepositoryError> {
        let outcome = self.storage.put(key, bytes, PutMode::Create).await;
        match outcome.map_err(RepositoryError::storage(&self.info.name))? {
            PutOutcome::Stored(_) => Ok(()),
            PutOutcome::Refused => {
                Err(RepositoryError::damaged(key, "its name was fresh, and it exists already"))
            }
        }
    }

    /// Index entries never change: one commit has one record, or several that are equally good.
    pub(crate) async fn put_commit_records(&self, commits: &[PackedCommit]) -> Result<(), RepositoryError> {
        let partition = self.partitions.commits();
        let edits: Vec<Edit> = commits
            .iter()
            .map(|packed| Edit {
                key: packed.id.to_hex(),
                expect: Expect::Any,
                operation: Operation::Put { value: Bytes::from(packed.record.encode()), fence: None },
            })
            .collect();
        for chunk in edits.chunks(EDITS_MAX) {
            match self.ledger.apply("noting commits", &partition, chunk, self.ids.as_ref()).await? {
                RefUpdate::Applied(_) => {}
                RefUpdate::Rejected { .. } => {
                    return Err(RepositoryError::damaged(
                        "the ref-store",
                        "it refused a write without a condition",
                    ));
                }
            }
        }
        Ok(())
    }
}
