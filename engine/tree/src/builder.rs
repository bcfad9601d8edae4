//! Makes the nodes of a tree from rows and from subtrees that are taken over unread.
//!
//! A subtree of another tree fits when the builder would begin a node at its first key on every level that it has. When
//! what comes after it is not what followed it before, its last nodes may have ended too early here, so the right edge
//! of the subtree is opened again. These two rules are all there is: the result is the same as one made from rows alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anabranch_types::NodeId;
use bytes::Bytes;

use crate::node::wire::Bad;
use crate::node::{Internal, LeafBuffer, Node, Row};
use crate::{Key, NodeRef, Session, Tree, TreeError};

pub(crate) struct Builder {
    session: Session,
    leaf: LeafBuffer,
    /// By level: the references to finished nodes of that level, for the open node above them.
    open: BTreeMap<u8, Vec<NodeRef>>,
    seam: Option<Seam>,
    /// Nodes that the edit came across. When one is made again, its old reference is used: it may be packed.
    known: HashMap<NodeId, NodeRef>,
}

/// The end of a subtree that was taken over and that nothing follows yet.
struct Seam {
    level: u8,
    /// What follows the subtree where it comes from.
    next: Option<Key>,
}

impl Builder {
    pub(crate) fn new(session: &Session) -> Builder {
        Builder {
            session: session.clone(),
            leaf: LeafBuffer::default(),
            open: BTreeMap::new(),
            seam: None,
            known: HashMap::new(),
        }
    }

    /// Says that this node exists already.
    pub(crate) fn know(&mut self, reference: &NodeRef) {
        self.known.insert(reference.id, reference.clone());
    }

    fn ends_before(&self, level: u8, key: &[u8], open: usize) -> bool {
        self.session.store().boundary().ends_before(level, key, open)
    }

    /// Adds a row whose key is greater than all before. After a subtree, [`Builder::settle`] comes first.
    pub(crate) fn push_row(&mut self, row: Row<'_>) -> Result<(), TreeError> {
        if self.ends_before(0, row.key, self.leaf.len()) {
            self.close_leaf()?;
        }
        self.leaf.push(row).map_err(|Bad(detail)| TreeError::damaged("entry", detail))
    }

    /// Makes the end of the last subtree right for `next`, the key that follows it now.
    pub(crate) async fn settle(&mut self, next: &[u8]) -> Result<(), TreeError> {
        let Some(seam) = self.seam.take() else {
            return Ok(());
        };
        if seam.next.is_some_and(|key| key.as_bytes() == next) {
            return Ok(());
        }
        let Some(mut last) = self.open_at(seam.level).pop() else {
            return Ok(());
        };
        if seam.level == 0 && self.ends_before(0, next, last.count as usize) {
            self.open_at(0).push(last);
            return Ok(());
        }
        loop {
            self.know(&last);
            let node = self.session.node(&last).await?;
            match &*node {
                Node::Internal(internal) => {
                    let mut children = internal.children.clone();
                    let Some(child) = children.pop() else { break };
                    *self.open_at(child.level) = children;
                    last = child;
                }
                Node::Leaf(leaf) => {
                    for row in (0..leaf.len()).filter_map(|index| leaf.row(index)) {
                        self.leaf.push(row).map_err(|Bad(detail)| TreeError::damaged("entry", detail))?;
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes over a subtree whose keys are greater than all before; `next` is the key that follows it where it comes from.
    /// False if it does not fit: then its children are to be offered instead.
    pub(crate) async fn push_subtree(
        &mut self,
        subtree: &NodeRef,
        next: Option<Key>,
    ) -> Result<bool, TreeError> {
        let first = subtree.first_key.as_bytes();
        self.settle(first).await?;
        for level in 0..=subtree.level {
            let open = match level.checked_sub(1) {
                None => self.leaf.len(),
                Some(below) => self.open_at(below).len(),
            };
            if open == 0 {
                continue;
            }
            if !self.ends_before(level, first, open) {
                return Ok(false);
            }
            match level.checked_sub(1) {
                None => self.close_leaf()?,
                Some(below) => self.close_internal(below)?,
            }
        }
        self.push_reference(subtree.clone())?;
        self.seam = Some(Seam { level: subtree.level, next });
        Ok(true)
    }

    fn open_at(&mut self, level: u8) -> &mut Vec<NodeRef> {
        self.open.entry(level).or_default()
    }

    fn push_reference(&mut self, reference: NodeRef) -> Result<(), TreeError> {
        let level = reference.level;
        let open = self.open_at(level).len();
        if self.ends_before(level.saturating_add(1), reference.first_key.as_bytes(), open) {
            self.close_internal(level)?;
        }
        self.open_at(level).push(reference);
        Ok(())
    }

    fn close_leaf(&mut self) -> Result<(), TreeError> {
        let reference = self.make_leaf()?;
        self.push_reference(reference)
    }

    fn close_internal(&mut self, below: u8) -> Result<(), TreeError> {
        let reference = self.make_internal(below)?;
        self.push_reference(reference)
    }

    fn make_leaf(&mut self) -> Result<NodeRef, TreeError> {
        let logical = Bytes::from(self.leaf.encode());
        let reference = NodeRef {
            id: NodeId::of(&logical),
            level: 0,
            count: self.leaf.len() as u64,
            bytes: self.leaf.bytes(),
            first_key: Key::new(self.leaf.key(0).to_vec())?,
            last_key: Key::new(self.leaf.key(self.leaf.len().saturating_sub(1)).to_vec())?,
            location: None,
        };
        self.leaf.clear();
        Ok(self.made(reference, logical, None))
    }

    fn make_internal(&mut self, below: u8) -> Result<NodeRef, TreeError> {
        let children = std::mem::take(self.open_at(below));
        let level = below.saturating_add(1);
        let (Some(first), Some(last)) = (children.first(), children.last()) else {
            return Err(TreeError::damaged("tree", "a node without children"));
        };
        let logical = Bytes::from(Internal::encode(level, &children));
        let reference = NodeRef {
            id: NodeId::of(&logical),
            level,
            count: children.iter().map(|child| child.count).sum(),
            bytes: children.iter().fold(0, |sum, child| sum.wrapping_add(child.bytes)),
            first_key: first.first_key.clone(),
            last_key: last.last_key.clone(),
            location: None,
        };
        let node = Arc::new(Node::Internal(Internal { level, children }));
        Ok(self.made(reference, logical, Some(node)))
    }

    fn made(&mut self, reference: NodeRef, logical: Bytes, node: Option<Arc<Node>>) -> NodeRef {
        if let Some(known) = self.known.get(&reference.id) {
            return known.clone();
        }
        self.session.store().counts.nodes_written.fetch_add(1, Ordering::Relaxed);
        self.session.add(reference.id, logical, node);
        reference
    }

    /// The tree with everything that was pushed. `roots` are known to be roots: they need not be looked into.
    pub(crate) async fn finish(mut self, roots: &[NodeId]) -> Result<Tree, TreeError> {
        let Some(mut root) = self.close_all()? else {
            return Ok(Tree::empty());
        };
        // A node with one child may be inside a tree, but it is no root.
        while root.level > 0 && self.seam.is_some() && !roots.contains(&root.id) {
            let node = self.session.node(&root).await?;
            match &*node {
                Node::Internal(internal) => match internal.children.as_slice() {
                    [only] => root = only.clone(),
                    _ => break,
                },
                Node::Leaf(_) => break,
            }
        }
        Ok(Tree::from_root(Some(root)))
    }

    /// [`Builder::finish`] for a builder that never took a subtree: it needs to read nothing.
    pub(crate) fn finish_rows(mut self) -> Result<Tree, TreeError> {
        Ok(Tree::from_root(self.close_all()?))
    }

    fn close_all(&mut self) -> Result<Option<NodeRef>, TreeError> {
        if self.leaf.len() > 0 {
            if self.open.values().all(Vec::is_empty) {
                return self.make_leaf().map(Some);
            }
            self.close_leaf()?;
        }
        let mut level = 0;
        while self.open.last_key_value().is_some_and(|(highest, _)| level <= *highest) {
            let above_is_empty = self.open.range(level + 1..).all(|(_, open)| open.is_empty());
            let open = self.open_at(level);
            match open.len() {
                0 => {}
                1 if above_is_empty => return Ok(open.pop()),
                _ => self.close_internal(level)?,
            }
            level += 1;
        }
        Ok(None)
    }
}
