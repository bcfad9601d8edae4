//! A place in a tree that moves forward only and reads a node only when it is told to.

use std::sync::Arc;

use crate::node::{Leaf, Node, Row};
use crate::{Key, NodeRef, Session, Tree, TreeError};

/// What is next in a tree: a subtree that was not opened, or an entry.
pub(crate) enum Head<'a> {
    End,
    Subtree(&'a NodeRef),
    Row(Row<'a>),
}

/// Yields the keys from a floor on up to an end. Subtrees can be skipped whole, or opened.
pub(crate) struct Cursor {
    session: Session,
    /// The root while nobody has opened it.
    root: Option<NodeRef>,
    stack: Vec<Level>,
    /// Keys below are behind us. The head may be a subtree that begins behind us and ends before us.
    floor: Vec<u8>,
    end: Option<Vec<u8>>,
}

struct Level {
    node: Arc<Node>,
    index: usize,
}

impl Level {
    fn len(&self) -> usize {
        match &*self.node {
            Node::Leaf(leaf) => leaf.len(),
            Node::Internal(node) => node.children.len(),
        }
    }

    fn child(&self, index: usize) -> Option<&NodeRef> {
        match &*self.node {
            Node::Internal(node) => node.children.get(index),
            Node::Leaf(_) => None,
        }
    }

    /// The first key of what is at `index`.
    fn first_key(&self, index: usize) -> Option<&[u8]> {
        match &*self.node {
            Node::Leaf(leaf) => (index < leaf.len()).then(|| leaf.key_bytes(index)),
            Node::Internal(node) => node.children.get(index).map(|child| child.first_key.as_bytes()),
        }
    }

    /// Moves to the first item that ends at `floor` or later.
    fn seek(&mut self, floor: &[u8]) {
        match &*self.node {
            Node::Leaf(leaf) => {
                if leaf.key_bytes(self.index) < floor {
                    self.index = leaf.lower_bound(floor, self.index);
                }
            }
            Node::Internal(node) => {
                let rest = node.children.get(self.index..).unwrap_or_default();
                if rest.first().is_some_and(|child| child.last_key.as_bytes() < floor) {
                    self.index += rest.partition_point(|child| child.last_key.as_bytes() < floor);
                }
            }
        }
    }
}

impl Cursor {
    /// At the beginning of `tree`.
    pub(crate) fn new(session: &Session, tree: &Tree) -> Cursor {
        Cursor {
            session: session.clone(),
            root: tree.root().cloned(),
            stack: Vec::new(),
            floor: Vec::new(),
            end: None,
        }
    }

    /// At the first key of `tree` in a range, and ending with it.
    pub(crate) fn within(session: &Session, tree: &Tree, start: &[u8], end: Option<&[u8]>) -> Cursor {
        let mut cursor = Cursor::new(session, tree);
        cursor.end = end.map(<[u8]>::to_vec);
        cursor.seek(start);
        cursor
    }

    pub(crate) fn head(&self) -> Head<'_> {
        let head = match (&self.root, self.stack.last()) {
            (Some(root), _) => Head::Subtree(root),
            (None, None) => return Head::End,
            (None, Some(top)) => match &*top.node {
                Node::Leaf(leaf) => leaf.row(top.index).map_or(Head::End, Head::Row),
                Node::Internal(node) => node.children.get(top.index).map_or(Head::End, Head::Subtree),
            },
        };
        let first = match &head {
            Head::End => return Head::End,
            Head::Subtree(reference) => reference.first_key.as_bytes(),
            Head::Row(row) => row.key,
        };
        match &self.end {
            Some(end) if first >= end.as_slice() || self.floor.as_slice() >= end.as_slice() => Head::End,
            _ => head,
        }
    }

    /// The smallest key that the head can have. For a subtree that begins behind us that is the floor, which may be no key.
    pub(crate) fn head_start(&self) -> Option<&[u8]> {
        match self.head() {
            Head::End => None,
            Head::Row(row) => Some(row.key),
            Head::Subtree(reference) => Some(reference.first_key.as_bytes().max(&self.floor)),
        }
    }

    /// Whether the head is a subtree that does not lie within floor and end as a whole.
    pub(crate) fn head_is_cut(&self) -> bool {
        match self.head() {
            Head::Subtree(reference) => {
                reference.first_key.as_bytes() < self.floor.as_slice()
                    || self.end.as_deref().is_some_and(|end| reference.last_key.as_bytes() >= end)
            }
            _ => false,
        }
    }

    /// The key of the head, if it is an entry.
    pub(crate) fn row_key(&self) -> Option<Key> {
        let top = self.stack.last()?;
        match &*top.node {
            Node::Leaf(leaf) => leaf.key(top.index),
            Node::Internal(_) => None,
        }
    }

    /// The first key after the head in the whole tree, regardless of the end.
    pub(crate) fn next_key(&self) -> Option<&[u8]> {
        if self.root.is_some() {
            return None;
        }
        self.stack.iter().rev().find_map(|level| level.first_key(level.index.saturating_add(1)))
    }

    /// The same as a key that can be kept.
    pub(crate) fn next_key_owned(&self) -> Option<Key> {
        if self.root.is_some() {
            return None;
        }
        self.stack.iter().rev().find_map(|level| match &*level.node {
            Node::Leaf(leaf) => leaf.key(level.index.saturating_add(1)),
            Node::Internal(_) => {
                level.child(level.index.saturating_add(1)).map(|child| child.first_key.clone())
            }
        })
    }

    /// Goes past the head, unread if it is a subtree.
    pub(crate) fn skip(&mut self) {
        if self.root.take().is_some() {
            return;
        }
        if let Some(top) = self.stack.last_mut() {
            top.index = top.index.saturating_add(1);
        }
        self.climb();
    }

    /// Goes past every key below `floor`, without reading anything.
    pub(crate) fn seek(&mut self, floor: &[u8]) {
        if floor <= self.floor.as_slice() {
            return;
        }
        self.floor.clear();
        self.floor.extend_from_slice(floor);
        if self.root.as_ref().is_some_and(|root| root.last_key.as_bytes() < floor) {
            self.root = None;
        }
        while let Some(top) = self.stack.last_mut() {
            top.seek(&self.floor);
            if top.index < top.len() {
                break;
            }
            self.stack.pop();
            if let Some(parent) = self.stack.last_mut() {
                parent.index = parent.index.saturating_add(1);
            }
        }
    }

    /// The leaf that the head is an entry of, and its place there.
    fn leaf(&self) -> Option<(&Leaf, usize)> {
        match (&self.root, self.stack.last()) {
            (None, Some(Level { node, index })) => match &**node {
                Node::Leaf(leaf) => Some((leaf, *index)),
                Node::Internal(_) => None,
            },
            _ => None,
        }
    }

    /// Goes past `count` entries of the leaf that the head is in.
    fn skip_rows(&mut self, count: usize) {
        if let Some(top) = self.stack.last_mut() {
            top.index = top.index.saturating_add(count);
        }
        self.climb();
    }

    /// Goes past the entries of the leaf that the head is in, up to `until`, handing each to `take`.
    pub(crate) fn take_rows(
        &mut self,
        until: Option<&[u8]>,
        mut take: impl FnMut(Row<'_>) -> Result<(), TreeError>,
    ) -> Result<(), TreeError> {
        let Some((leaf, from)) = self.leaf() else {
            return Ok(());
        };
        let bound = |key: &Option<&[u8]>| key.map_or(leaf.len(), |key| leaf.lower_bound(key, from));
        let to = bound(&until).min(bound(&self.end.as_deref()));
        for row in (from..to).filter_map(|index| leaf.row(index)) {
            take(row)?;
        }
        self.skip_rows(to.saturating_sub(from));
        Ok(())
    }

    /// How many rows, from the heads on, are equal in both leaves.
    fn equal_rows(left: &Cursor, right: &Cursor) -> usize {
        let (Some((left, from)), Some((right, other_from))) = (left.leaf(), right.leaf()) else {
            return 0;
        };
        left.equal_rows(from, right, other_from)
    }

    /// Goes past the rows that are equal in two leaves; answers whether there were any. Most rows of an opened leaf
    /// are, so this is the inner loop of a diff.
    pub(crate) fn skip_equal(left: &mut Cursor, right: &mut Cursor) -> bool {
        let count = Cursor::equal_rows(left, right);
        if count > 0 {
            left.skip_rows(count);
            right.skip_rows(count);
        }
        count > 0
    }

    /// The same for three leaves.
    pub(crate) fn skip_equal_of_three(one: &mut Cursor, two: &mut Cursor, three: &mut Cursor) -> bool {
        let count = Cursor::equal_rows(one, two).min(Cursor::equal_rows(one, three));
        if count > 0 {
            one.skip_rows(count);
            two.skip_rows(count);
            three.skip_rows(count);
        }
        count > 0
    }

    /// Leaves nodes that are used up.
    fn climb(&mut self) {
        while self.stack.last().is_some_and(|top| top.index >= top.len()) {
            self.stack.pop();
            if let Some(parent) = self.stack.last_mut() {
                parent.index = parent.index.saturating_add(1);
            }
        }
    }

    /// The children of the node that the head is a child of; none where it is an entry or a root.
    pub(crate) fn siblings(&self) -> &[NodeRef] {
        match self.stack.last().map(|top| &*top.node) {
            Some(Node::Internal(node)) if self.root.is_none() => &node.children,
            _ => &[],
        }
    }

    /// Where it ends, whatever follows.
    pub(crate) fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// The session that it reads through.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Reads the subtree at the head; the head becomes its first item that is not behind us.
    pub(crate) async fn open(&mut self) -> Result<(), TreeError> {
        let reference = match self.head() {
            Head::Subtree(reference) => reference,
            _ => return Ok(()),
        };
        let node = self.session.node(reference).await?;
        self.root = None;
        let mut level = Level { node, index: 0 };
        level.seek(&self.floor);
        self.stack.push(level);
        self.climb();
        Ok(())
    }
}
