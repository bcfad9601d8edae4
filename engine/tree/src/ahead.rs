//! Reading nodes before a walk comes to them: several at once, on several threads where the runtime has them.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::node::Node;
use crate::{Key, NodeRef, Session, Tree};

/// One task reads what lies on the way to so many keys.
const KEYS_EACH: usize = 64;
/// One task reads the leaves of so many places.
const PLACES_EACH: usize = 16;
/// So many tasks are under way, so that what is read ahead stays some hundred leaves.
const TASKS_AHEAD: usize = 4;
/// How many nodes a task reads at once: a store that is far away answers each of them late.
const READS_AT_ONCE: usize = 16;
/// Fewer keys or places are not worth a task.
const TASK_MIN: usize = 8;

/// Brings nodes into the cache, some steps ahead of whoever walks over their keys. Failures are not its business: whoever
/// needs the node meets them again. Outside a runtime it does nothing.
#[derive(Default)]
pub(crate) struct ReadAhead {
    /// What is still to be begun, each with the key that it begins with.
    waiting: VecDeque<(Key, BoxFuture<'static, ()>)>,
    running: VecDeque<(Key, JoinHandle<()>)>,
    /// How many more steps the walk has to make before anything is read ahead of it.
    held: usize,
}

impl ReadAhead {
    /// Reads nothing before the walk has made `steps` steps, because it may well end before.
    pub(crate) fn after(steps: usize) -> ReadAhead {
        ReadAhead { held: steps, ..ReadAhead::default() }
    }

    /// Will read the way to these keys, which ascend, in `tree`.
    pub(crate) fn of_keys(session: &Session, tree: &Tree, keys: impl ExactSizeIterator<Item = Key>) -> Self {
        let mut ahead = ReadAhead::default();
        if tree.root().is_none() || !is_worth_it(keys.len()) {
            return ahead;
        }
        for (start, keys) in in_groups(keys.map(|key| (key.clone(), key)), KEYS_EACH) {
            let (session, tree) = (session.clone(), tree.clone());
            let read = async move { read_way(&session, &tree, &keys).await };
            ahead.waiting.push_back((start, read.boxed()));
        }
        ahead
    }

    /// Will read the leaves that the walk opens beside each other when it has opened their parents: those that begin at
    /// the same key in all of them, and are all different. From `from` on, up to `end`.
    pub(crate) fn expect(
        &mut self,
        session: &Session,
        parents: &[&[NodeRef]],
        (from, end): (&[u8], Option<&[u8]>),
    ) {
        // Cut first: a walk through one folder has a leaf or two of the hundreds beside it.
        let Some((first, others)) = parents.split_first() else { return };
        let first = between(first, from, end);
        if !is_worth_it(first.len()) {
            return;
        }
        let places = apart(first, others);
        if !is_worth_it(places.len()) {
            return;
        }
        for (start, leaves) in in_groups(places.into_iter(), PLACES_EACH) {
            let session = session.clone();
            let leaves = leaves.into_iter().flatten().collect();
            let read = async move { drop(read_all(&session, leaves).await) };
            self.waiting.push_back((start, read.boxed()));
        }
    }

    /// Waits until what is read ahead of this key is there.
    pub(crate) async fn reach(&mut self, key: &[u8]) {
        if self.held > 0 {
            self.held -= 1;
            return;
        }
        loop {
            while self.running.len() < TASKS_AHEAD
                && let Some((start, read)) = self.waiting.pop_front()
            {
                self.running.push_back((start, tokio::spawn(read)));
            }
            match self.running.pop_front_if(|(start, _)| start.as_bytes() <= key) {
                Some((_, task)) => drop(task.await),
                None => return,
            }
        }
    }
}

fn is_worth_it(count: usize) -> bool {
    count >= TASK_MIN && Handle::try_current().is_ok()
}

/// Groups of so many, each with the key of its first one.
fn in_groups<T>(items: impl Iterator<Item = (Key, T)>, each: usize) -> Vec<(Key, Vec<T>)> {
    let mut groups: Vec<(Key, Vec<T>)> = Vec::new();
    for (key, item) in items {
        match groups.last_mut() {
            Some((_, group)) if group.len() < each => group.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    groups
}

/// The children that begin from `from` on, up to `end`.
fn between<'n>(children: &'n [NodeRef], from: &[u8], end: Option<&[u8]>) -> &'n [NodeRef] {
    let start = children.partition_point(|child| child.first_key.as_bytes() < from);
    let rest = children.get(start..).unwrap_or_default();
    let count = end.map_or(rest.len(), |end| rest.partition_point(|child| child.first_key.as_bytes() < end));
    rest.get(..count).unwrap_or_default()
}

/// The leaves below some nodes that begin at the same key in each of them and are all different.
fn apart(first: &[NodeRef], others: &[&[NodeRef]]) -> Vec<(Key, Vec<NodeRef>)> {
    let mut places = Vec::new();
    for leaf in first.iter().filter(|child| child.level == 0) {
        let mut leaves = vec![leaf.clone()];
        for other in others {
            let place = other.partition_point(|child| child.first_key < leaf.first_key);
            let twin = other.get(place).filter(|twin| twin.first_key == leaf.first_key);
            leaves.extend(twin.filter(|twin| leaves.iter().all(|leaf| leaf.id != twin.id)).cloned());
        }
        if leaves.len() > others.len() {
            places.push((leaf.first_key.clone(), leaves));
        }
    }
    places
}

/// Reads, level by level, the nodes that hold the keys or would.
async fn read_way(session: &Session, tree: &Tree, keys: &[Key]) {
    let mut level: Vec<NodeRef> = tree.root().into_iter().cloned().collect();
    while !level.is_empty() {
        let nodes = read_all(session, level).await;
        level = nodes.iter().flat_map(|node| children_with(node, keys)).cloned().collect();
    }
}

async fn read_all(session: &Session, references: Vec<NodeRef>) -> Vec<Arc<Node>> {
    let reads = references.into_iter().map(|reference| async move { session.node(&reference).await.ok() });
    stream::iter(reads).buffered(READS_AT_ONCE).filter_map(std::future::ready).collect().await
}

/// The children that a key falls into.
fn children_with<'n>(node: &'n Node, keys: &[Key]) -> impl Iterator<Item = &'n NodeRef> {
    let children = match node {
        Node::Internal(internal) => internal.children.as_slice(),
        Node::Leaf(_) => &[],
    };
    // The keys are few beside the children of a large node, and ascend like them.
    let mut behind = 0;
    keys.iter().filter_map(move |key| {
        let rest = children.get(behind..)?;
        let place = behind.saturating_add(rest.partition_point(|child| child.last_key < *key));
        let child = children.get(place).filter(|child| child.first_key <= *key)?;
        behind = place.saturating_add(1);
        Some(child)
    })
}
