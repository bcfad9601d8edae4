//! Reading nodes from packs, with a cache.

use std::ops::Range;
use std::sync::Arc;

use anabranch_types::{Commit, NodeId, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{CommitRecord, Difference, Location, PackedCommits, Session, TreeError};

/// Where packs are read from.
#[async_trait]
pub trait PackSource: Send + Sync {
    /// Reads exactly these bytes of a pack.
    ///
    /// # Errors
    /// [`TreeError::PackMissing`] when there is no such pack or it is shorter; [`TreeError::read`] when the storage fails.
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError>;

    /// Finds a node that is not where its parent says, because packs were rewritten. None if no pack holds it.
    async fn locate(&self, id: &NodeId) -> Result<Option<Location>, TreeError> {
        let _ = id;
        Ok(None)
    }
}

/// What decides the shape of a repository's trees. Never changes for a repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeParams {
    /// A random number, so that nobody can choose keys that make a node huge. Forks copy it.
    pub seed: u64,
    /// How many entries a node has on average: 256 for repositories, less in tests; 2 to 1,024.
    pub target: u16,
}

impl TreeParams {
    /// The parameters of a repository with this seed.
    pub const fn new(seed: u64) -> TreeParams {
        TreeParams { seed, target: 256 }
    }
}

/// What was read and written since the start or the last reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TreeCounters {
    /// Nodes that were fetched and decoded: what the cache did not have.
    pub node_reads: u64,
    /// Nodes that were made.
    pub nodes_written: u64,
    /// Bytes fetched from packs.
    pub bytes_read: u64,
    /// Nodes that the cache had.
    pub cache_hits: u64,
}

/// Reads the nodes of one repository and caches them decoded. Holds nothing that is not in packs.
pub struct TreeStore {
    source: Arc<dyn PackSource>,
    params: TreeParams,
}

impl TreeStore {
    /// A store over these packs, with an empty cache of at most about `cache_bytes`.
    pub fn new(source: Arc<dyn PackSource>, params: TreeParams, cache_bytes: usize) -> Arc<TreeStore> {
        let _ = cache_bytes;
        Arc::new(TreeStore { source, params })
    }

    /// The parameters of the repository.
    pub fn params(&self) -> TreeParams {
        self.params
    }

    /// A session without new nodes. Cheap.
    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(self.clone())
    }

    /// Puts the nodes that were just packed into the cache, so that the next operation need not read them back. Call it
    /// only when the packs are durable.
    pub fn remember(&self, packed: &PackedCommits) {
        let _ = packed;
    }

    /// Reads a commit.
    pub async fn read_commit(&self, record: &CommitRecord) -> Result<Commit, TreeError> {
        let _ = (record, &self.source);
        Err(crate::diff::unfinished())
    }

    /// Reads the delta list of a commit: what it changed against its first parent, in order of key. None if it has none:
    /// diff the trees then.
    pub async fn read_delta(&self, record: &CommitRecord) -> Result<Option<Vec<Difference>>, TreeError> {
        let _ = record;
        Err(crate::diff::unfinished())
    }

    /// What was read and written.
    pub fn counters(&self) -> TreeCounters {
        TreeCounters::default()
    }

    /// Sets every counter to 0 and answers what they were.
    pub fn reset_counters(&self) -> TreeCounters {
        TreeCounters::default()
    }
}
