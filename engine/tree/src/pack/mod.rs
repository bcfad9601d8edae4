//! Packs: the objects that hold nodes, delta lists and commits.

mod delta;
mod layout;
mod read;
mod record;
mod write;

use std::ops::Range;
use std::sync::Arc;

use anabranch_types::{Commit, CommitId, NodeId, ObjectKey};
use bytes::Bytes;

pub use delta::DeltaList;
pub(crate) use delta::{decode_delta, read_delta_frame, read_delta_parts};
pub(crate) use read::read_commit_frame;
pub use read::{read_pack_index, read_shared_packs, verify_pack};
pub use record::CommitRecord;
pub use write::new_shared_key;
pub(crate) use write::pack_commits;

use crate::node::Node;
use crate::{Location, Tree};

/// A commit to be written.
#[derive(Clone, Debug)]
pub struct CommitToPack {
    /// The commit. Its `tree` is the id of `tree`.
    pub commit: Commit,
    /// Its tree.
    pub tree: Tree,
    /// What it changed against its first parent, in order of key; none when it is not known, or not worth keeping.
    /// A list of more than 1,000,000 differences is not written.
    pub delta: Option<DeltaList>,
}

/// An object to be written, with `PutMode::Create`, before the commits in it are published; or bytes to be written
/// anywhere into an object that many packs share, if [`PackedCommits::relocate`] is told where.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its key: `packs/<20 characters>/<20 characters>`.
    pub key: ObjectKey,
    /// Its content.
    pub bytes: Bytes,
}

/// A commit and where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackedCommit {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Where it lies.
    pub record: CommitRecord,
}

/// Commits as packs: write all packs (in any order, at once), then publish the records.
#[derive(Clone, Debug)]
pub struct PackedCommits {
    /// The packs: one for small commits, more when they exceed 8 MiB.
    pub packs: Vec<Pack>,
    /// The commits, in the order given.
    pub commits: Vec<PackedCommit>,
    /// Nodes that the next operation will want, for [`crate::TreeStore::remember`].
    pub(crate) hot_nodes: Vec<(NodeId, Arc<Node>)>,
}

impl PackedCommits {
    /// Says that the pack called `pack` was written into `object`, where it begins at `offset`.
    pub fn relocate(&mut self, pack: &ObjectKey, object: &ObjectKey, offset: u64) {
        let moved = |location: &mut Location| {
            if location.pack == *pack {
                location.pack = object.clone();
                location.offset = location.offset.saturating_add(offset);
            }
        };
        for PackedCommit { record, .. } in &mut self.commits {
            moved(&mut record.commit);
            record.root.iter_mut().filter_map(|root| root.location.as_mut()).for_each(moved);
            record.delta.iter_mut().for_each(moved);
        }
        for (_, node) in &mut self.hot_nodes {
            if let Node::Internal(internal) = &**node {
                let mut internal = internal.clone();
                internal.children.iter_mut().filter_map(|child| child.location.as_mut()).for_each(moved);
                *node = Arc::new(Node::Internal(internal));
            }
        }
    }
}

/// A pack in an object that many share.
#[derive(Clone, Debug)]
pub struct SharedPack {
    /// Where in the object it lies.
    pub place: Range<u64>,
    /// What it holds.
    pub contents: PackContents,
}

/// What a pack holds.
#[derive(Clone, Debug)]
pub struct PackContents {
    /// Its nodes, with their places, in order of place.
    pub nodes: Vec<(NodeId, Location)>,
    /// Its commits: enough to rebuild the index of commits from packs alone.
    pub commits: Vec<PackedCommit>,
}
