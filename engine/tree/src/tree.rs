//! A tree as a value: the reference to its root.

use std::fmt;
use std::sync::{Arc, OnceLock};

use anabranch_types::{NodeId, ObjectKey};

use crate::Key;
use crate::node::empty_leaf_id;

/// Where a frame lies: a range of a pack. A hint beside an id, never part of what is hashed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Location {
    /// The pack.
    pub pack: ObjectKey,
    /// Where in the pack the frame begins, in bytes.
    pub offset: u64,
    /// How many bytes the frame has.
    pub length: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} for {}", self.pack, self.offset, self.length)
    }
}

/// What a parent, or a commit, knows of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRef {
    /// The hash of its logical content.
    pub id: NodeId,
    /// 0 for a leaf; one more than its children otherwise.
    pub level: u8,
    /// How many entries are below it.
    pub count: u64,
    /// The sum of the sizes of the objects below it, modulo 2⁶⁴.
    pub bytes: u64,
    /// The smallest key below it.
    pub first_key: Key,
    /// The largest key below it.
    pub last_key: Key,
    /// Where it lies; none until it is packed.
    pub location: Option<Location>,
}

/// A tree: an immutable map from key to entry. Cheap to clone; equal trees have equal ids, and only those.
#[derive(Clone)]
pub struct Tree {
    root: Option<Arc<NodeRef>>,
}

impl Tree {
    /// The tree without entries.
    pub fn empty() -> Tree {
        Tree { root: None }
    }

    /// The tree below this node.
    pub fn from_root(root: Option<NodeRef>) -> Tree {
        Tree { root: root.map(Arc::new) }
    }

    /// The root; none for the empty tree.
    pub fn root(&self) -> Option<&NodeRef> {
        self.root.as_deref()
    }

    /// The id of the root node: names the content of the whole tree. The empty tree has the id of the empty leaf.
    pub fn id(&self) -> NodeId {
        static EMPTY: OnceLock<NodeId> = OnceLock::new();
        match &self.root {
            Some(root) => root.id,
            None => *EMPTY.get_or_init(empty_leaf_id),
        }
    }

    /// How many entries it has.
    pub fn count(&self) -> u64 {
        self.root().map_or(0, |root| root.count)
    }

    /// The sum of the sizes of its objects.
    pub fn bytes(&self) -> u64 {
        self.root().map_or(0, |root| root.bytes)
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::empty()
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Tree) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Tree {}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({}, {} entries)", &self.id().to_hex()[..12], self.count())
    }
}
