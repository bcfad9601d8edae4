//! Writing packs.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anabranch_types::{Clock, IdSource, NodeId, ObjectKey};
use bytes::Bytes;
use rayon::prelude::*;

use super::delta::{DeltaList, encode_parts};
use super::layout::{IndexEntry, MAGIC, put_footer};
use super::{CommitRecord, CommitToPack, Pack, PackedCommit, PackedCommits};
use crate::node::object_id::{ID_LENGTH, two_part_key};
use crate::node::wire::put_varint;
use crate::node::{
    FrameKind, Internal, Node, PACK_FOLDER, SHARED_FOLDER, compressed, promises_to_shrink,
    put_compressed_frame, put_frame, put_raw_frame,
};
use crate::session::MadeNode;
use crate::{Location, NodeRef, Session, TreeError};

/// A pack is closed before it grows beyond this, unless a single frame is larger.
const PACK_BYTES: usize = 8 << 20;
/// What a pack needs beside nodes, if its commit is small.
const PACK_ROOM: usize = 4 << 10;
/// Of so many leaves one is tried for compression.
const LEAVES_ALIKE: usize = 16;
/// So many leaves are compressed at once, then written: some MiB.
const LEAVES_AT_ONCE: usize = 256;
/// How many new leaves are kept for the cache: the ones that a small commit made.
const HOT_LEAVES_MAX: usize = 64;
/// A location takes no more, if its pack has a key that the server made.
const LOCATION_BYTES_MAX: usize = 48;
/// What is written beside a commit takes no more: two keys, and locations.
const RECORD_BYTES_MAX: usize = 8 << 10;
/// Packs of one hour share a slice, so that garbage collection can go through them by age.
const SLICE_MS: u64 = 3_600_000;

pub(crate) fn pack_commits(
    session: &Session,
    commits: &[CommitToPack],
    clock: &dyn Clock,
    ids: &dyn IdSource,
    full: &mut dyn FnMut(Pack),
) -> Result<PackedCommits, TreeError> {
    let mut levels = NewNodes::default();
    for commit in commits {
        if commit.commit.tree != commit.tree.id() {
            return Err(TreeError::ForeignNode { id: commit.commit.tree });
        }
        if let Some(root) = commit.tree.root() {
            levels.collect(session, root)?;
        }
    }
    let mut writer = PackWriter { clock, ids, full, open: None, expected: session.new_bytes() };
    let mut locations = HashMap::new();
    let mut hot_nodes = Vec::new();
    for (level, ids) in &levels.by_level {
        if *level == 0 {
            write_leaves(session, ids, &mut writer, &mut locations)?;
        }
        // Leaves are decoded only for the cache: most of a large commit's are not.
        let wanted = if *level == 0 { HOT_LEAVES_MAX } else { ids.len() };
        for id in ids.iter().take(wanted) {
            let made = made_node(session, id)?;
            let node = with_locations(&session.decode(id, &made)?, &locations);
            if let Node::Internal(internal) = &*node {
                locations.insert(*id, write_internal(id, &made.logical, internal, &mut writer));
            }
            hot_nodes.push((*id, node));
        }
    }
    let mut packed = Vec::with_capacity(commits.len());
    for commit in commits {
        packed.push(write_commit(commit, &locations, &mut writer));
    }
    writer.finish();
    Ok(PackedCommits { packs: Vec::new(), commits: packed, hot_nodes })
}

/// The nodes that are in no pack yet, children before parents and in order of key.
#[derive(Default)]
struct NewNodes {
    by_level: BTreeMap<u8, Vec<NodeId>>,
    seen: HashSet<NodeId>,
}

impl NewNodes {
    /// At most as deep as the tree has levels.
    fn collect(&mut self, session: &Session, reference: &NodeRef) -> Result<(), TreeError> {
        if reference.location.is_some() || !self.seen.insert(reference.id) {
            return Ok(());
        }
        let made = session.made_node(&reference.id).ok_or(TreeError::ForeignNode { id: reference.id })?;
        if reference.level > 0
            && let Node::Internal(internal) = &*session.decode(&reference.id, &made)?
        {
            for child in &internal.children {
                self.collect(session, child)?;
            }
        }
        self.by_level.entry(reference.level).or_default().push(reference.id);
        Ok(())
    }
}

/// A node as it is stored: it knows where its children lie.
fn with_locations(node: &Arc<Node>, locations: &HashMap<NodeId, Location>) -> Arc<Node> {
    let Node::Internal(internal) = &**node else {
        return Arc::clone(node);
    };
    let mut children = internal.children.clone();
    for child in &mut children {
        if child.location.is_none() {
            child.location = locations.get(&child.id).cloned();
        }
    }
    Arc::new(Node::Internal(Internal { level: internal.level, children }))
}

fn made_node(session: &Session, id: &NodeId) -> Result<Arc<MadeNode>, TreeError> {
    session.made_node(id).ok_or(TreeError::ForeignNode { id: *id })
}

/// Writes leaves. Compressing them is most of the work of a large commit, so all cores do it.
fn write_leaves(
    session: &Session,
    ids: &[NodeId],
    writer: &mut PackWriter<'_>,
    locations: &mut HashMap<NodeId, Location>,
) -> Result<(), TreeError> {
    let leaves = ids.iter().map(|id| made_node(session, id)).collect::<Result<Vec<_>, _>>()?;
    for (ids, leaves) in ids.chunks(LEAVES_AT_ONCE).zip(leaves.chunks(LEAVES_AT_ONCE)) {
        let payloads = leaves.par_chunks(LEAVES_ALIKE).flat_map_iter(compressed_leaves);
        let payloads: Vec<Option<Vec<u8>>> = payloads.collect();
        for ((id, leaf), payload) in ids.iter().zip(leaves).zip(payloads) {
            locations.insert(*id, writer.put_leaf(id, &leaf.logical, payload.as_deref()));
        }
    }
    Ok(())
}

/// The leaves of a repository are much alike, so only the first of some is tried.
fn compressed_leaves(alike: &[Arc<MadeNode>]) -> impl Iterator<Item = Option<Vec<u8>>> {
    let shrink = alike.first().is_some_and(|leaf| promises_to_shrink(&leaf.logical));
    alike.iter().map(move |leaf| {
        if !shrink {
            return None;
        }
        compressed(&[&length_of(&leaf.logical), &*leaf.logical].concat())
    })
}

/// What stands before the hashed bytes of a node.
fn length_of(logical: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    put_varint(&mut length, logical.len() as u64);
    length
}

fn write_internal(id: &NodeId, logical: &[u8], node: &Internal, writer: &mut PackWriter<'_>) -> Location {
    let bound = logical.len().saturating_add(node.children.len().saturating_mul(LOCATION_BYTES_MAX));
    writer.put_at(FrameKind::Node, Some(*id.as_bytes()), bound, |at| {
        let mut raw = length_of(logical);
        raw.extend_from_slice(logical);
        Internal::put_locations(&mut raw, node.children.iter().map(|child| child.location.as_ref()), at);
        raw
    })
}

fn write_commit(
    to_pack: &CommitToPack,
    locations: &HashMap<NodeId, Location>,
    writer: &mut PackWriter<'_>,
) -> PackedCommit {
    let delta = to_pack.delta.as_ref().and_then(DeltaList::frames).map(|frames| write_delta(&frames, writer));
    let root = to_pack.tree.root().cloned().map(|mut root| {
        root.location = root.location.or_else(|| locations.get(&root.id).cloned());
        root
    });
    let id = to_pack.commit.id();
    let encoded = to_pack.commit.encode();
    let nowhere = Location { pack: ObjectKey::new(""), offset: 0, length: 0 };
    let mut record = CommitRecord { commit: nowhere, root, delta };
    let bound = encoded.len().saturating_add(RECORD_BYTES_MAX);
    let at = writer.put_at(FrameKind::Commit, Some(*id.as_bytes()), bound, |at| {
        record.commit = at.clone();
        let mut raw = Vec::with_capacity(encoded.len() + 256);
        put_varint(&mut raw, encoded.len() as u64);
        raw.extend_from_slice(&encoded);
        record.put_rest(&mut raw);
        raw
    });
    record.commit = at;
    PackedCommit { id, commit: to_pack.commit.clone(), record }
}

fn write_delta(frames: &[Cow<'_, [u8]>], writer: &mut PackWriter<'_>) -> Location {
    let parts: Vec<Location> = frames.iter().map(|part| writer.put(FrameKind::Delta, None, part)).collect();
    match parts.as_slice() {
        [only] => only.clone(),
        parts => {
            let bound = parts.len().saturating_mul(LOCATION_BYTES_MAX);
            writer.put_at(FrameKind::DeltaParts, None, bound, |at| encode_parts(parts, at))
        }
    }
}

/// Fills packs one after the other, and hands each on when it is full.
struct PackWriter<'a> {
    clock: &'a dyn Clock,
    ids: &'a dyn IdSource,
    full: &'a mut dyn FnMut(Pack),
    open: Option<OpenPack>,
    /// About how many bytes are still to come, so that a pack need not be moved while it grows.
    expected: usize,
}

struct OpenPack {
    key: ObjectKey,
    bytes: Vec<u8>,
    index: Vec<IndexEntry>,
}

impl PackWriter<'_> {
    fn put(&mut self, kind: FrameKind, id: Option<[u8; 32]>, raw: &[u8]) -> Location {
        self.put_with(kind, id, raw.len(), |out| put_frame(out, kind, raw))
    }

    /// A leaf, as it is or with the payload that it was compressed to.
    fn put_leaf(&mut self, id: &NodeId, logical: &[u8], payload: Option<&[u8]>) -> Location {
        let length = length_of(logical);
        let (kind, bytes) = (FrameKind::Node, length.len() + logical.len());
        let id = Some(*id.as_bytes());
        match payload {
            Some(payload) => {
                self.put_with(kind, id, payload.len(), |out| put_compressed_frame(out, kind, bytes, payload))
            }
            None => self.put_with(kind, id, bytes, |out| put_raw_frame(out, kind, &[&length, logical])),
        }
    }

    /// A frame whose content says where it lies, or names other places in its pack: `encode` is told where it begins.
    /// It has no more than about `bytes`.
    fn put_at(
        &mut self,
        kind: FrameKind,
        id: Option<[u8; 32]>,
        bytes: usize,
        encode: impl FnOnce(&Location) -> Vec<u8>,
    ) -> Location {
        let open = self.room(bytes);
        let raw = encode(&open.end());
        open.frame(kind, id, |out| put_frame(out, kind, &raw))
    }

    fn put_with(
        &mut self,
        kind: FrameKind,
        id: Option<[u8; 32]>,
        bytes: usize,
        put: impl FnOnce(&mut Vec<u8>) -> u32,
    ) -> Location {
        self.room(bytes).frame(kind, id, put)
    }

    /// A pack that takes so many bytes more.
    fn room(&mut self, bytes: usize) -> &mut OpenPack {
        if let Some(full) = self.open.take_if(|open| open.bytes.len().saturating_add(bytes) > PACK_BYTES) {
            (self.full)(full.close());
        }
        let (clock, ids) = (self.clock, self.ids);
        let room = self.expected.min(PACK_BYTES).saturating_add(PACK_ROOM);
        self.expected = self.expected.saturating_sub(bytes);
        self.open.get_or_insert_with(|| {
            let mut pack = Vec::with_capacity(room);
            pack.extend_from_slice(MAGIC);
            OpenPack { key: new_key(PACK_FOLDER, clock, ids), bytes: pack, index: Vec::new() }
        })
    }

    fn finish(mut self) {
        if let Some(open) = self.open.take() {
            (self.full)(open.close());
        }
    }
}

impl OpenPack {
    /// Where the next frame begins.
    fn end(&self) -> Location {
        Location { pack: self.key.clone(), offset: self.bytes.len() as u64, length: 0 }
    }

    fn frame(
        &mut self,
        kind: FrameKind,
        id: Option<[u8; 32]>,
        put: impl FnOnce(&mut Vec<u8>) -> u32,
    ) -> Location {
        let at = self.end();
        let length = put(&mut self.bytes);
        if let Some(id) = id {
            self.index.push(IndexEntry { id, kind, offset: at.offset, length });
        }
        Location { length, ..at }
    }

    fn close(mut self) -> Pack {
        put_footer(&mut self.bytes, &self.index);
        Pack { key: self.key, bytes: Bytes::from(self.bytes) }
    }
}

/// The key of a new object that small packs share: `pack-segments/<hour>/<id>`.
pub fn new_shared_key(clock: &dyn Clock, ids: &dyn IdSource) -> ObjectKey {
    new_key(SHARED_FOLDER, clock, ids)
}

/// `<folder>/<hour>/<id>`: time first, then random.
fn new_key(folder: &str, clock: &dyn Clock, ids: &dyn IdSource) -> ObjectKey {
    let now_ms = u64::try_from(clock.now_ms()).unwrap_or(0);
    let mut random = [0; 6];
    ids.fill(&mut random);
    let slice = timed_id(now_ms - now_ms % SLICE_MS, [0; 6]);
    ObjectKey::new(two_part_key(folder, &slice, &timed_id(now_ms, random)))
}

fn timed_id(time_ms: u64, random: [u8; 6]) -> [u8; ID_LENGTH] {
    let [_, _, time @ ..] = time_ms.to_be_bytes();
    let mut id = [0; ID_LENGTH];
    for (target, byte) in id.iter_mut().zip(time.into_iter().chain(random)) {
        *target = byte;
    }
    id
}
