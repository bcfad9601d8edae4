//! Decoded nodes in memory, bounded by bytes. Nodes never change, so nothing is ever invalidated.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_types::NodeId;
use tokio::sync::OnceCell;

use crate::node::Node;

const SHARDS: usize = 16;
/// What an entry of the cache takes beside the node.
const OVERHEAD: usize = 160;

/// A cache that gives up nodes that were not used since it last came by (second chance).
pub(crate) struct NodeCache {
    shards: Vec<Mutex<Shard>>,
}

/// A node that is being read: whoever comes second waits for the first.
pub(crate) type Pending = Arc<OnceCell<Arc<Node>>>;

#[derive(Default)]
struct Shard {
    nodes: HashMap<NodeId, Slot>,
    order: VecDeque<NodeId>,
    pending: HashMap<NodeId, Pending>,
    bytes: usize,
    bytes_max: usize,
}

struct Slot {
    node: Arc<Node>,
    used: bool,
}

impl NodeCache {
    pub(crate) fn new(bytes_max: usize) -> NodeCache {
        let shard = || Mutex::new(Shard { bytes_max: bytes_max / SHARDS, ..Shard::default() });
        NodeCache { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, id: &NodeId) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = id.as_bytes();
        let shard = self.shards.get(usize::from(*first) % SHARDS)?;
        // A shard is consistent between any two statements, so a panic elsewhere does not spoil it.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, id: &NodeId) -> Option<Arc<Node>> {
        let mut shard = self.shard(id)?;
        let slot = shard.nodes.get_mut(id)?;
        slot.used = true;
        Some(slot.node.clone())
    }

    /// The cell in which the node arrives, shared by everyone who wants it meanwhile.
    pub(crate) fn pending(&self, id: &NodeId) -> Pending {
        match self.shard(id) {
            Some(mut shard) => match shard.nodes.get(id) {
                // It arrived since it was looked for.
                Some(slot) => Arc::new(OnceCell::new_with(Some(slot.node.clone()))),
                None => shard.pending.entry(*id).or_default().clone(),
            },
            None => Pending::default(),
        }
    }

    /// Ends the wait for a node: with it, or without when reading failed.
    pub(crate) fn settle(&self, id: &NodeId, node: Option<&Arc<Node>>) {
        if let Some(mut shard) = self.shard(id) {
            shard.pending.remove(id);
            if let Some(node) = node {
                shard.insert(*id, node.clone());
            }
        }
    }

    pub(crate) fn insert(&self, id: &NodeId, node: Arc<Node>) {
        if let Some(mut shard) = self.shard(id) {
            shard.insert(*id, node);
        }
    }
}

impl Shard {
    fn insert(&mut self, id: NodeId, node: Arc<Node>) {
        let bytes = node.memory().saturating_add(OVERHEAD);
        if bytes > self.bytes_max {
            return;
        }
        match self.nodes.insert(id, Slot { node, used: false }) {
            Some(before) => {
                self.bytes = self.bytes.saturating_sub(before.node.memory().saturating_add(OVERHEAD))
            }
            None => self.order.push_back(id),
        }
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { break };
            let Some(slot) = self.nodes.get_mut(&oldest) else { continue };
            if std::mem::take(&mut slot.used) {
                self.order.push_back(oldest);
            } else if let Some(slot) = self.nodes.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(slot.node.memory().saturating_add(OVERHEAD));
            }
        }
    }
}
