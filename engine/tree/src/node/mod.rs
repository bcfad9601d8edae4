//! Nodes, format version 1: what is hashed, and what is held in memory.
//!
//! ```text
//! node     = version u8 | level u8 | varint n | keys | columns
//! leaf     = n × varint length of body | bodies | varint a | a × (varint length, attributes)
//!          | n × attribute number: none if a ≤ 1, u8 if a ≤ 256, otherwise u16
//! internal = n × child id 32 | n × varint count | n × varint bytes
//!          | n × last key (shared varint with the child's first key, rest varint), then the rests
//! ```
//! Attributes are numbered in order of first use. The id of a node is the BLAKE3 hash of exactly these bytes; where
//! children lie is stored beside them. Equal content has equal bytes, so it has an equal id.

mod entry;
mod frame;
mod internal;
mod keys;
mod leaf;
mod location;
pub(crate) mod object_id;
pub(crate) mod wire;

use anabranch_types::NodeId;
use bytes::Bytes;

pub use entry::{decode_entry, encode_entry};
pub(crate) use entry::{put_attributes, put_body, read_entry, read_text};
pub(crate) use frame::{
    Frame, FrameKind, compressed, promises_to_shrink, put_compressed_frame, put_frame, put_raw_frame,
    read_frame, read_hashed_frame,
};
pub(crate) use internal::Internal;
pub(crate) use keys::common_prefix;
pub(crate) use leaf::{Leaf, LeafBuffer, Row};
pub(crate) use location::{PACK_FOLDER, SHARED_FOLDER, put_location, read_location};

use crate::NodeRef;
use crate::boundary::LEVEL_MAX;
use wire::{Bad, Reader, put_varint};

const VERSION: u8 = 1;
/// No node has more entries or children, whatever the target.
const COUNT_MAX: usize = 4 * 1024;

/// A decoded node.
#[derive(Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    Internal(Internal),
}

impl Node {
    /// Reads the hashed bytes of a node. Total, and allocates no more than a small multiple of the input.
    pub(crate) fn decode(logical: &Bytes) -> Result<Node, Bad> {
        let mut reader = Reader(logical);
        if reader.byte("node version")? != VERSION {
            return Err(Bad("node version"));
        }
        let level = reader.byte("node level")?;
        let count = reader.length(COUNT_MAX, "node count")?;
        match level {
            0 => Leaf::read(logical, reader, count).map(Node::Leaf),
            level if level > LEVEL_MAX => Err(Bad("node level")),
            level => Internal::read(reader, level, count).map(Node::Internal),
        }
    }

    pub(crate) fn level(&self) -> u8 {
        match self {
            Node::Leaf(_) => 0,
            Node::Internal(node) => node.level,
        }
    }

    /// How many entries are below it.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => leaf.len() as u64,
            Node::Internal(node) => node.children.iter().map(|child| child.count).sum(),
        }
    }

    fn first_key(&self) -> &[u8] {
        match self {
            Node::Leaf(leaf) => leaf.key_bytes(0),
            Node::Internal(node) => node.children.first().map_or(&[], |child| child.first_key.as_bytes()),
        }
    }

    fn last_key(&self) -> &[u8] {
        match self {
            Node::Leaf(leaf) => leaf.key_bytes(leaf.len().saturating_sub(1)),
            Node::Internal(node) => node.children.last().map_or(&[], |child| child.last_key.as_bytes()),
        }
    }

    /// Whether the node is what its parent says that it is.
    pub(crate) fn agrees_with(&self, parent: &NodeRef) -> bool {
        self.level() == parent.level
            && self.count() == parent.count
            && self.first_key() == parent.first_key.as_bytes()
            && self.last_key() == parent.last_key.as_bytes()
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.memory(),
            Node::Internal(node) => node.memory(),
        }
    }
}

/// The id of the tree without entries.
pub(crate) fn empty_leaf_id() -> NodeId {
    NodeId::of(&LeafBuffer::default().encode())
}

fn put_header(out: &mut Vec<u8>, level: u8, count: usize) {
    out.push(VERSION);
    out.push(level);
    put_varint(out, count as u64);
}
