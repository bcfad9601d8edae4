//! Reading nodes from packs, with a cache.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anabranch_types::{Commit, NodeId, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;

use crate::boundary::Boundary;
use crate::cache::NodeCache;
use crate::node::wire::{Bad, Reader};
use crate::node::{Frame, FrameKind, Internal, LeafBuffer, Node, read_frame, read_hashed_frame};
use crate::pack::{read_commit_frame, read_delta_frame, read_delta_parts};
use crate::{CommitRecord, Difference, Location, NodeRef, PackedCommits, Session, TreeError};

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

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) node_reads: AtomicU64,
    pub(crate) nodes_written: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
}

/// Reads the nodes of one repository and caches them decoded. Holds nothing that is not in packs.
pub struct TreeStore {
    source: Arc<dyn PackSource>,
    params: TreeParams,
    boundary: Boundary,
    cache: NodeCache,
    pub(crate) counts: Counts,
}

impl TreeStore {
    /// A store over these packs, with an empty cache of at most about `cache_bytes`.
    pub fn new(source: Arc<dyn PackSource>, params: TreeParams, cache_bytes: usize) -> Arc<TreeStore> {
        Arc::new(TreeStore {
            source,
            params,
            boundary: Boundary::new(params),
            cache: NodeCache::new(cache_bytes),
            counts: Counts::default(),
        })
    }

    /// The parameters of the repository.
    pub fn params(&self) -> TreeParams {
        self.params
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// A session without new nodes. Cheap.
    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(self.clone())
    }

    /// Puts the nodes that were just packed into the cache, so that the next operation need not read them back. Call it
    /// only when the packs are durable.
    pub fn remember(&self, packed: &PackedCommits) {
        for (id, node) in &packed.hot_nodes {
            self.cache.insert(id, node.clone());
        }
    }

    /// The node, from the cache or from its pack. Several readers of one node wait for one read.
    pub(crate) async fn node(&self, reference: &NodeRef) -> Result<Arc<Node>, TreeError> {
        if let Some(node) = self.cache.get(&reference.id) {
            self.counts.cache_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(node);
        }
        let pending = self.cache.pending(&reference.id);
        let read = pending.get_or_try_init(|| self.read_node(reference)).await;
        self.cache.settle(&reference.id, read.as_ref().ok().copied());
        read.cloned()
    }

    async fn read_node(&self, reference: &NodeRef) -> Result<Arc<Node>, TreeError> {
        let id = &reference.id;
        let hinted = match &reference.location {
            Some(location) => self.read_node_at(reference, location).await,
            None => Err(TreeError::NodeMissing { id: *id, location: None }),
        };
        let node = match hinted {
            // The hint is stale when packs were rewritten; the catalog knows better.
            Err(
                TreeError::PackMissing { .. } | TreeError::NodeMissing { .. } | TreeError::Damaged { .. },
            ) => match self.source.locate(id).await? {
                Some(location) if Some(&location) != reference.location.as_ref() => {
                    self.read_node_at(reference, &location).await?
                }
                Some(_) => hinted?,
                None => match hinted {
                    Err(damaged @ TreeError::Damaged { .. }) => return Err(damaged),
                    _ => {
                        let location = reference.location.clone();
                        return Err(TreeError::NodeMissing { id: *id, location });
                    }
                },
            },
            other => other?,
        };
        if !node.agrees_with(reference) {
            return Err(TreeError::damaged(
                format!("parent of tree node {id}"),
                "it does not describe the node",
            ));
        }
        Ok(Arc::new(node))
    }

    async fn read_node_at(&self, reference: &NodeRef, location: &Location) -> Result<Node, TreeError> {
        self.counts.node_reads.fetch_add(1, Ordering::Relaxed);
        let id = &reference.id;
        let decode = if reference.level == 0 { read_hashed_frame } else { read_frame };
        let frame = self.read_frame_with(location, decode).await?;
        node_of_frame(&frame, Some(id), location)
            .map(|(_, node)| node)
            .map_err(|Bad(detail)| TreeError::damaged(format!("tree node {id} in {location}"), detail))
    }

    async fn read_frame_at(&self, location: &Location) -> Result<Frame, TreeError> {
        self.read_frame_with(location, read_frame).await
    }

    async fn read_frame_with(
        &self,
        location: &Location,
        decode: fn(&Bytes) -> Result<Frame, Bad>,
    ) -> Result<Frame, TreeError> {
        let end = location.offset.saturating_add(u64::from(location.length));
        let bytes = self.source.read(&location.pack, location.offset..end).await?;
        self.counts.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let frame = decode(&bytes)
            .map_err(|Bad(detail)| TreeError::damaged(format!("frame in {location}"), detail))?;
        if frame.length != bytes.len() {
            return Err(TreeError::damaged(
                format!("frame in {location}"),
                "its length is not the one expected",
            ));
        }
        Ok(frame)
    }

    /// Reads a commit.
    pub async fn read_commit(&self, record: &CommitRecord) -> Result<Commit, TreeError> {
        let frame = self.read_frame_at(&record.commit).await?;
        let (commit, _) = read_commit_frame(&record.commit, &frame)?;
        Ok(commit)
    }

    /// Reads the delta list of a commit: what it changed against its first parent, in order of key. None if it has none:
    /// diff the trees then.
    pub async fn read_delta(&self, record: &CommitRecord) -> Result<Option<Vec<Difference>>, TreeError> {
        let Some(location) = &record.delta else {
            return Ok(None);
        };
        let frame = self.read_frame_at(location).await?;
        let mut differences = Vec::new();
        match frame.kind {
            FrameKind::DeltaParts => {
                for part in read_delta_parts(location, &frame)? {
                    let frame = self.read_frame_at(&part).await?;
                    differences.extend(read_delta_frame(&part, &frame)?);
                }
            }
            _ => differences = read_delta_frame(location, &frame)?,
        }
        Ok(Some(differences))
    }

    /// What was read and written.
    pub fn counters(&self) -> TreeCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.all_counters(read)
    }

    /// Sets every counter to 0 and answers what they were.
    pub fn reset_counters(&self) -> TreeCounters {
        let reset = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        self.all_counters(reset)
    }

    fn all_counters(&self, read: impl Fn(&AtomicU64) -> u64) -> TreeCounters {
        TreeCounters {
            node_reads: read(&self.counts.node_reads),
            nodes_written: read(&self.counts.nodes_written),
            bytes_read: read(&self.counts.bytes_read),
            cache_hits: read(&self.counts.cache_hits),
        }
    }
}

/// Reads a node from its frame, which lies at `at`, and checks its id if one is expected.
pub(crate) fn node_of_frame(
    frame: &Frame,
    expected: Option<&NodeId>,
    at: &Location,
) -> Result<(NodeId, Node), Bad> {
    if frame.kind != FrameKind::Node {
        return Err(Bad("it is not a node"));
    }
    let mut reader = Reader(&frame.raw);
    let length = reader.length(frame.raw.len(), "length of a node")?;
    let logical = frame.raw.slice_ref(reader.take(length, "length of a node")?);
    let id = NodeId::of(&logical);
    if expected.is_some_and(|expected| *expected != id) {
        return Err(Bad("its content is not the one that its id names"));
    }
    let mut node = Node::decode(&logical)?;
    match &mut node {
        Node::Leaf(_) => reader.end("bytes after a leaf")?,
        Node::Internal(internal) => internal.read_locations(reader.0, at)?,
    }
    Ok((id, node))
}

/// Checks that the node is the one encoding of what it holds, and that each entry can be read.
pub(crate) fn verify_node(frame: &Frame, node: &Node) -> Result<(), Bad> {
    let again = match node {
        Node::Leaf(leaf) => {
            leaf.verify()?;
            let mut buffer = LeafBuffer::default();
            for row in (0..leaf.len()).filter_map(|index| leaf.row(index)) {
                buffer.push(row)?;
            }
            buffer.encode()
        }
        Node::Internal(internal) => Internal::encode(internal.level, &internal.children),
    };
    let mut reader = Reader(&frame.raw);
    let length = reader.length(frame.raw.len(), "length of a node")?;
    if reader.take(length, "node")? == again { Ok(()) } else { Err(Bad("it is not the canonical encoding")) }
}
