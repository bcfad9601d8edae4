//! What can go wrong in a tree, by what the caller can do about it.

use std::error::Error;
use std::sync::Arc;

use anabranch_types::{CommitDecodeError, NodeId, ObjectKey};

use crate::Location;

/// An operation on a tree failed. Nothing was changed: trees are values.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TreeError {
    /// The object storage failed; the same call may succeed later.
    #[error("pack {pack} could not be read")]
    Read {
        /// The pack.
        pack: ObjectKey,
        /// Why.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The object storage has no such pack, or not so many bytes. A [`crate::PackSource`] answers this so that
    /// the node is looked for elsewhere.
    #[error("pack {pack} is missing or too short")]
    PackMissing {
        /// The pack.
        pack: ObjectKey,
    },
    /// No pack holds the node: neither the one that its parent names nor the catalog.
    #[error("tree node {id} is missing (expected in {})", shown(.location))]
    NodeMissing {
        /// The node.
        id: NodeId,
        /// Where it should be.
        location: Option<Location>,
    },
    /// The catalog of packs could not be asked.
    #[error("tree node {id} could not be looked up")]
    Locate {
        /// The node.
        id: NodeId,
        /// Why.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The bytes are not what they should be: storage damage, or a foreign writer. Run `fsck`.
    #[error("damaged {what}: {detail}")]
    Damaged {
        /// What was being read, with its id or place.
        what: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A newer server wrote it.
    #[error("{what} has format version {found}; this server reads version 1")]
    UnknownVersion {
        /// What was being read.
        what: &'static str,
        /// The version it says.
        found: u8,
    },
    /// The key cannot be in a tree.
    #[error("key {key:?} cannot be in a tree: {rule}")]
    InvalidKey {
        /// The key, cut to a length that can be shown.
        key: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The entry is too large for a tree.
    #[error("the {field} of {key:?} takes {bytes} bytes; the most is {bytes_max}")]
    EntryTooLarge {
        /// The key of the entry; empty when the entry stands alone.
        key: String,
        /// Which field.
        field: &'static str,
        /// How many bytes it takes.
        bytes: usize,
        /// How many it may take.
        bytes_max: usize,
    },
    /// Keys or edits do not come in strictly ascending order, or edits overlap. A mistake of the caller.
    #[error("keys and edits must be sorted and apart, but {key:?} follows {previous:?}")]
    OutOfOrder {
        /// The key that comes too early.
        key: String,
        /// The key before it, or the end of the range before it.
        previous: String,
    },
    /// A tree has nodes that neither this session made nor any pack holds. A mistake of the caller.
    #[error("tree node {id} was made in another session and never packed")]
    ForeignNode {
        /// The node.
        id: NodeId,
    },
    /// The bytes of a commit are not a commit.
    #[error("the commit record in pack {pack} cannot be read")]
    Commit {
        /// The pack.
        pack: ObjectKey,
        /// Why.
        #[source]
        source: CommitDecodeError,
    },
}

impl TreeError {
    /// The storage failed while reading `pack`.
    pub fn read(pack: &ObjectKey, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        TreeError::Read { pack: pack.clone(), source: Arc::from(source.into()) }
    }

    /// The catalog failed while looking for `id`.
    pub fn locate(id: &NodeId, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        TreeError::Locate { id: *id, source: Arc::from(source.into()) }
    }

    pub(crate) fn damaged(what: impl Into<String>, detail: &'static str) -> Self {
        TreeError::Damaged { what: what.into(), detail }
    }

    pub(crate) fn out_of_order(key: &[u8], previous: &[u8]) -> Self {
        TreeError::OutOfOrder { key: shown_key(key), previous: shown_key(previous) }
    }
}

/// A key as it appears in messages: readable, and not too long.
pub(crate) fn shown_key(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(200).collect()
}

fn shown(location: &Option<Location>) -> String {
    match location {
        Some(location) => location.to_string(),
        None => "an unknown pack".to_owned(),
    }
}
