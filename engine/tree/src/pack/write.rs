//! Writing packs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anabranch_types::{Clock, IdSource, NodeId, ObjectKey};
use bytes::Bytes;

use super::delta::{DIFFERENCES_MAX, encode_delta, encode_parts};
use super::layout::{IndexEntry, MAGIC, put_footer};
use super::{CommitRecord, CommitToPack, Pack, PackedCommit, PackedCommits};
use crate::node::object_id::{ID_LENGTH, two_part_key};
use crate::node::wire::put_varint;
use crate::node::{FrameKind, Internal, Node, promises_to_shrink, put_frame, put_raw_frame};
use crate::{Difference, Location, NodeRef, Session, TreeError};

/// A pack is closed before it grows beyond this, unless a single frame is larger.
const PACK_BYTES: usize = 8 << 20;
/// Of so many leaves one is tried for compression.
const LEAVES_ALIKE: u32 = 16;
/// How many new leaves are kept for the cache: the ones that a small commit made.
const HOT_LEAVES_MAX: usize = 64;
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
    let mut writer = PackWriter { clock, ids, full, open: None, leaves_untried: 0, leaves_shrink: false };
    let mut locations = HashMap::new();
    let mut hot_nodes = Vec::new();
    for (level, ids) in &levels.by_level {
        for id in ids {
            let made = session.made_node(id).ok_or(TreeError::ForeignNode { id: *id })?;
            // Leaves are decoded only for the cache: most of a large commit's are not.
            let node = match *level {
                0 if hot_nodes.len() >= HOT_LEAVES_MAX => None,
                _ => Some(with_locations(&session.decode(id, &made)?, &locations)),
            };
            let location = write_node(id, &made.logical, node.as_deref(), &mut writer);
            hot_nodes.extend(node.map(|node| (*id, node)));
            locations.insert(*id, location);
        }
    }
    let mut packed = Vec::with_capacity(commits.len());
    for commit in commits {
        packed.push(write_commit(commit, &locations, &mut writer)?);
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

fn write_node(id: &NodeId, logical: &[u8], node: Option<&Node>, writer: &mut PackWriter<'_>) -> Location {
    let mut length = Vec::new();
    put_varint(&mut length, logical.len() as u64);
    let id = Some(*id.as_bytes());
    let Some(Node::Internal(internal)) = node else {
        return writer.put_leaf(id, &length, logical);
    };
    let mut raw = length;
    raw.extend_from_slice(logical);
    Internal::put_locations(&mut raw, internal.children.iter().map(|child| child.location.as_ref()));
    writer.put(FrameKind::Node, id, &raw)
}

fn write_commit(
    to_pack: &CommitToPack,
    locations: &HashMap<NodeId, Location>,
    writer: &mut PackWriter<'_>,
) -> Result<PackedCommit, TreeError> {
    let delta = match &to_pack.delta {
        Some(differences) if differences.len() <= DIFFERENCES_MAX => Some(write_delta(differences, writer)?),
        _ => None,
    };
    let root = to_pack.tree.root().cloned().map(|mut root| {
        root.location = root.location.or_else(|| locations.get(&root.id).cloned());
        root
    });
    let id = to_pack.commit.id();
    let encoded = to_pack.commit.encode();
    let nowhere = Location { pack: ObjectKey::new(""), offset: 0, length: 0 };
    let mut record = CommitRecord { commit: nowhere, root, delta };
    let mut raw = Vec::with_capacity(encoded.len() + 256);
    put_varint(&mut raw, encoded.len() as u64);
    raw.extend_from_slice(&encoded);
    record.put_rest(&mut raw);
    record.commit = writer.put(FrameKind::Commit, Some(*id.as_bytes()), &raw);
    Ok(PackedCommit { id, commit: to_pack.commit.clone(), record })
}

fn write_delta(differences: &[Difference], writer: &mut PackWriter<'_>) -> Result<Location, TreeError> {
    let parts: Vec<Location> =
        encode_delta(differences)?.iter().map(|part| writer.put(FrameKind::Delta, None, part)).collect();
    match parts.as_slice() {
        [only] => Ok(only.clone()),
        parts => Ok(writer.put(FrameKind::DeltaParts, None, &encode_parts(parts))),
    }
}

/// Fills packs one after the other, and hands each on when it is full.
struct PackWriter<'a> {
    clock: &'a dyn Clock,
    ids: &'a dyn IdSource,
    full: &'a mut dyn FnMut(Pack),
    open: Option<OpenPack>,
    /// Whether leaves are worth compressing, as the last one that was tried said, and for how many more that holds.
    leaves_shrink: bool,
    leaves_untried: u32,
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

    /// The leaves of a repository are much alike, so only some of them are tried.
    fn put_leaf(&mut self, id: Option<[u8; 32]>, length: &[u8], logical: &[u8]) -> Location {
        if self.leaves_untried == 0 {
            self.leaves_shrink = promises_to_shrink(logical);
            self.leaves_untried = LEAVES_ALIKE;
        }
        self.leaves_untried -= 1;
        let kind = FrameKind::Node;
        if self.leaves_shrink {
            return self.put(kind, id, &[length, logical].concat());
        }
        self.put_with(kind, id, length.len() + logical.len(), |out| {
            put_raw_frame(out, kind, &[length, logical])
        })
    }

    fn put_with(
        &mut self,
        kind: FrameKind,
        id: Option<[u8; 32]>,
        bytes: usize,
        put: impl FnOnce(&mut Vec<u8>) -> u32,
    ) -> Location {
        if let Some(full) = self.open.take_if(|open| open.bytes.len().saturating_add(bytes) > PACK_BYTES) {
            (self.full)(full.close());
        }
        let (clock, ids) = (self.clock, self.ids);
        let open = self.open.get_or_insert_with(|| OpenPack {
            key: new_pack_key(clock, ids),
            bytes: MAGIC.to_vec(),
            index: Vec::new(),
        });
        let offset = open.bytes.len() as u64;
        let length = put(&mut open.bytes);
        if let Some(id) = id {
            open.index.push(IndexEntry { id, kind, offset, length });
        }
        Location { pack: open.key.clone(), offset, length }
    }

    fn finish(mut self) {
        if let Some(open) = self.open.take() {
            (self.full)(open.close());
        }
    }
}

impl OpenPack {
    fn close(mut self) -> Pack {
        put_footer(&mut self.bytes, &self.index);
        Pack { key: self.key, bytes: Bytes::from(self.bytes) }
    }
}

/// `packs/<hour>/<id>`: time first, then random.
fn new_pack_key(clock: &dyn Clock, ids: &dyn IdSource) -> ObjectKey {
    let now_ms = u64::try_from(clock.now_ms()).unwrap_or(0);
    let mut random = [0; 6];
    ids.fill(&mut random);
    let slice = timed_id(now_ms - now_ms % SLICE_MS, [0; 6]);
    ObjectKey::new(two_part_key("packs", &slice, &timed_id(now_ms, random)))
}

fn timed_id(time_ms: u64, random: [u8; 6]) -> [u8; ID_LENGTH] {
    let [_, _, time @ ..] = time_ms.to_be_bytes();
    let mut id = [0; ID_LENGTH];
    for (target, byte) in id.iter_mut().zip(time.into_iter().chain(random)) {
        *target = byte;
    }
    id
}
