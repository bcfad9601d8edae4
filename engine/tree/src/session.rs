//! A session: reads through the store, and holds what is new until it is packed.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anabranch_types::{Clock, Entry, IdSource, NodeId};
use bytes::Bytes;

use crate::apply::{EncodedRow, apply};
use crate::builder::Builder;
use crate::node::Node;
use crate::node::wire::Bad;
use crate::{
    Applier, CommitToPack, DiffCursor, Key, KeyRange, ListAfter, ListPage, NodeRef, Pack, PackedCommits,
    ScanCursor, Tree, TreeEdit, TreeError, TreeStore, WalkCursor, list, pack, scan,
};

/// How much lies in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// How many entries.
    pub count: u64,
    /// The sum of the sizes of their objects.
    pub bytes: u64,
}

/// Reads and makes trees. New nodes stay in memory, so that many commits can be chained before [`Session::pack`] turns
/// them into packs. Cheap to make and to clone; clones share their new nodes. A tree made in one session can be used
/// in another one only after it was packed and written.
#[derive(Clone)]
pub struct Session {
    store: Arc<TreeStore>,
    made: Arc<Mutex<HashMap<NodeId, Arc<MadeNode>>>>,
}

/// A node that is in no pack yet.
pub(crate) struct MadeNode {
    /// Its hashed bytes.
    pub(crate) logical: Bytes,
    /// Itself, once somebody asked for it.
    decoded: OnceLock<Arc<Node>>,
}

impl Session {
    pub(crate) fn new(store: Arc<TreeStore>) -> Session {
        Session { store, made: Arc::default() }
    }

    fn made(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<MadeNode>>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a new node.
    pub(crate) fn add(&self, id: NodeId, logical: Bytes, node: Option<Arc<Node>>) {
        let decoded = OnceLock::new();
        if let Some(node) = node {
            let _ = decoded.set(node);
        }
        self.made().entry(id).or_insert_with(|| Arc::new(MadeNode { logical, decoded }));
    }

    pub(crate) fn made_node(&self, id: &NodeId) -> Option<Arc<MadeNode>> {
        self.made().get(id).cloned()
    }

    /// Reads a node: one of this session, or one of the store.
    pub(crate) async fn node(&self, reference: &NodeRef) -> Result<Arc<Node>, TreeError> {
        match self.made_node(&reference.id) {
            Some(made) => self.decode(&reference.id, &made),
            None => self.store.node(reference).await,
        }
    }

    pub(crate) fn decode(&self, id: &NodeId, made: &MadeNode) -> Result<Arc<Node>, TreeError> {
        if let Some(node) = made.decoded.get() {
            self.store.counts.cache_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(node.clone());
        }
        self.store.counts.node_reads.fetch_add(1, Ordering::Relaxed);
        let node = Node::decode(&made.logical)
            .map_err(|Bad(detail)| TreeError::damaged(format!("tree node {id}"), detail))?;
        Ok(made.decoded.get_or_init(|| Arc::new(node)).clone())
    }

    /// The store that this session reads through.
    pub fn store(&self) -> &Arc<TreeStore> {
        &self.store
    }

    /// The entry of a key.
    pub async fn get(&self, tree: &Tree, key: &[u8]) -> Result<Option<Entry>, TreeError> {
        scan::get(self, tree, key).await
    }

    /// The entries of a range, in order of key. To go on after a key, let the range start at [`crate::after_key`].
    pub fn scan(&self, tree: &Tree, range: KeyRange) -> ScanCursor {
        ScanCursor::new(self, tree, &range)
    }

    /// The first at most `limit` entries of a range.
    pub async fn scan_page(
        &self,
        tree: &Tree,
        range: KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Entry)>, TreeError> {
        Ok(self.scan(tree, range).next_batch(limit).await?.unwrap_or_default())
    }

    /// A page of the keys that begin with `prefix`, in bytewise order; keys that have the delimiter after the prefix are
    /// rolled up into common prefixes, whose entries are not read. An empty delimiter counts as none.
    pub async fn list(
        &self,
        tree: &Tree,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<ListAfter<'_>>,
        limit: usize,
    ) -> Result<ListPage, TreeError> {
        list::list(self, tree, prefix, delimiter, after, limit).await
    }

    /// Whether the range holds an entry. Reads at most one node per level.
    pub async fn any_in(&self, tree: &Tree, range: &KeyRange) -> Result<bool, TreeError> {
        scan::any_in(self, tree, range).await
    }

    /// For each prefix, whether an entry has it. The prefixes ascend. Reads each node at most once, and none for a
    /// prefix that the bounds of a subtree decide: cheaper than [`Session::any_in`] for many questions.
    ///
    /// # Errors
    /// [`TreeError::OutOfOrder`] when the prefixes do not ascend.
    pub async fn any_with_each_prefix(
        &self,
        tree: &Tree,
        prefixes: &[Vec<u8>],
    ) -> Result<Vec<bool>, TreeError> {
        scan::any_with_each_prefix(self, tree, prefixes).await
    }

    /// How much lies in a range. Reads at most two nodes per level.
    pub async fn totals_in(&self, tree: &Tree, range: &KeyRange) -> Result<Totals, TreeError> {
        scan::totals_in(self, tree, range).await
    }

    /// Names what lies in a range: equal digests mean equal keys with equal entries, of the same range of any tree; equal
    /// ranges of trees that differ around them may have different ones. Reads at most two nodes per level.
    pub async fn digest_in(&self, tree: &Tree, range: &KeyRange) -> Result<[u8; 32], TreeError> {
        scan::digest_in(self, tree, range).await
    }

    /// How many entries a range holds. Reads at most two nodes per level.
    pub async fn count_in(&self, tree: &Tree, range: &KeyRange) -> Result<u64, TreeError> {
        Ok(self.totals_in(tree, range).await?.count)
    }

    /// The tree with exactly these entries, which come in strictly ascending order of key.
    pub fn build(&self, entries: impl IntoIterator<Item = (Key, Entry)>) -> Result<Tree, TreeError> {
        let mut builder = self.builder();
        for (key, entry) in entries {
            builder.push(&key, &entry)?;
        }
        builder.finish()
    }

    /// Makes a tree from entries that arrive one by one.
    pub fn builder(&self) -> TreeBuilder {
        TreeBuilder { builder: Builder::new(self), row: EncodedRow::default(), last: None }
    }

    /// The tree after these edits. They come in ascending order of key and do not overlap; an empty range is no edit.
    /// The answer is the same tree as one built from its entries: the order of edits over time leaves no trace.
    ///
    /// # Errors
    /// [`TreeError::OutOfOrder`] when edits are not sorted or overlap.
    pub async fn apply(&self, tree: &Tree, edits: Vec<TreeEdit>) -> Result<Tree, TreeError> {
        apply(self, tree, edits).await
    }

    /// Changes a tree entry by entry, in order of key, and learns what that changed. Putting what differs from the entry
    /// that is there in address or time only is no change: the old entry stays. Cheaper than [`Session::apply`] and a
    /// diff.
    pub fn applier(&self, tree: &Tree) -> Applier {
        Applier::new(self, tree)
    }

    /// How many bytes the session's new nodes have.
    pub fn new_bytes(&self) -> usize {
        self.made().values().map(|node| node.logical.len()).sum()
    }

    /// Takes the new nodes of another session over, so that its trees can be used and packed in this one. Copies no node.
    pub fn adopt(&self, other: &Session) {
        if Arc::ptr_eq(&self.made, &other.made) {
            return;
        }
        let nodes: Vec<_> = other.made().iter().map(|(id, node)| (*id, Arc::clone(node))).collect();
        let mut made = self.made();
        for (id, node) in nodes {
            made.entry(id).or_insert(node);
        }
    }

    /// The keys of a range whose entries differ in any field, in order. Equal subtrees are not read.
    pub fn diff(&self, before: &Tree, after: &Tree, range: KeyRange) -> DiffCursor {
        DiffCursor::new(self, before, after, &range)
    }

    /// Where ours and theirs differ from base, in order of key. Ranges that only one side changed are reported unopened
    /// where they cover whole subtrees; what both sides changed alike is skipped where subtrees are equal. In nodes that
    /// had to be opened, every key that at least one side changed is an entry of its own, also if both changed it alike.
    ///
    /// The merge is then `apply(ours, …)` with a `Take` of every `OnlyTheirs` range, and puts and removes for entries.
    pub fn three_way(&self, base: &Tree, ours: &Tree, theirs: &Tree) -> WalkCursor {
        self.three_way_in(base, ours, theirs, KeyRange::all())
    }

    /// [`Session::three_way`] within a range.
    pub fn three_way_in(&self, base: &Tree, ours: &Tree, theirs: &Tree, range: KeyRange) -> WalkCursor {
        WalkCursor::new(self, base, ours, theirs, &range)
    }

    /// Turns commits into packs: every node that their trees reach and no pack holds yet, the delta lists, the commits.
    ///
    /// Changes nothing in the session: go on from the trees of the records, in a new session, once the packs are
    /// written. Calling it twice gives two sets of packs, each complete.
    ///
    /// # Errors
    /// [`TreeError::ForeignNode`] when a tree was made in another session and never packed.
    pub fn pack(
        &self,
        commits: &[CommitToPack],
        clock: &dyn Clock,
        ids: &dyn IdSource,
    ) -> Result<PackedCommits, TreeError> {
        let mut packs = Vec::new();
        let packed = self.pack_into(commits, clock, ids, &mut |pack| packs.push(pack))?;
        Ok(PackedCommits { packs, ..packed })
    }

    /// [`Session::pack`] that hands each pack on once it is full, so that it can be written while the next one fills;
    /// the answer holds no packs. After an error, those that were handed on are of no use.
    pub fn pack_into(
        &self,
        commits: &[CommitToPack],
        clock: &dyn Clock,
        ids: &dyn IdSource,
        full: &mut dyn FnMut(Pack),
    ) -> Result<PackedCommits, TreeError> {
        pack::pack_commits(self, commits, clock, ids, full)
    }
}

/// Makes a tree from entries that arrive in ascending order of key; from [`Session::builder`].
pub struct TreeBuilder {
    builder: Builder,
    row: EncodedRow,
    last: Option<Key>,
}

impl TreeBuilder {
    /// Adds an entry. Its key is greater than the one before.
    ///
    /// # Errors
    /// [`TreeError::OutOfOrder`] when it is not; nothing was added then.
    pub fn push(&mut self, key: &Key, entry: &Entry) -> Result<(), TreeError> {
        if let Some(last) = self.last.as_ref().filter(|last| *last >= key) {
            return Err(TreeError::out_of_order(key.as_bytes(), last.as_bytes()));
        }
        self.builder.push_row(self.row.encode(key, entry)?)?;
        self.last = Some(key.clone());
        Ok(())
    }

    /// The tree with everything that was pushed.
    pub fn finish(self) -> Result<Tree, TreeError> {
        self.builder.finish_rows()
    }
}
