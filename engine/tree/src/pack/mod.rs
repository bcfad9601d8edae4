//! Packs: the objects that hold nodes, delta lists and commits.

use anabranch_types::{Commit, CommitId, NodeId, ObjectKey};
use bytes::Bytes;

use crate::{Difference, Location, NodeRef, Tree, TreeError};

/// A commit to be written.
#[derive(Clone, Debug)]
pub struct CommitToPack {
    /// The commit. Its `tree` is the id of `tree`.
    pub commit: Commit,
    /// Its tree.
    pub tree: Tree,
    /// What it changed against its first parent, in order of key; none when it is not known, or not worth keeping.
    /// A list of more than 1,000,000 differences is not written.
    pub delta: Option<Vec<Difference>>,
}

/// An object to be written, with `PutMode::Create`, before the commits in it are published.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its key: `packs/<20 characters>/<20 characters>`.
    pub key: ObjectKey,
    /// Its content.
    pub bytes: Bytes,
}

/// Where a commit and what belongs to it lie: the value of `commits/<id>` in the ref-store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitRecord {
    /// The frame of the commit.
    pub commit: Location,
    /// The root of its tree; none for the empty tree.
    pub root: Option<NodeRef>,
    /// The frame of its delta list, or of the list of its parts; none if there is no delta list.
    pub delta: Option<Location>,
}

impl CommitRecord {
    /// The tree of the commit.
    pub fn tree(&self) -> Tree {
        Tree::from_root(self.root.clone())
    }

    /// The encoding, with a format version; under 8 KiB.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads what [`CommitRecord::encode`] wrote. Total: any bytes give a record or an error.
    pub fn decode(bytes: &[u8]) -> Result<CommitRecord, TreeError> {
        let _ = bytes;
        Err(crate::diff::unfinished())
    }
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
}

/// What a pack holds.
#[derive(Clone, Debug)]
pub struct PackContents {
    /// Its nodes, with their places, in order of place.
    pub nodes: Vec<(NodeId, Location)>,
    /// Its commits: enough to rebuild the index of commits from packs alone.
    pub commits: Vec<PackedCommit>,
}

/// Checks a whole pack: its hash, its index, and every frame in it down to each entry. Total: any bytes give the
/// contents or an error that says what is wrong.
pub fn verify_pack(key: &ObjectKey, bytes: &Bytes) -> Result<PackContents, TreeError> {
    let _ = (key, bytes);
    Err(crate::diff::unfinished())
}
