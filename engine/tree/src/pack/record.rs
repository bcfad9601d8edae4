//! Where a commit lies: the record in the ref-store.

use anabranch_types::{NodeId, ObjectKey};

use crate::node::wire::{Bad, Reader, put_text, put_varint};
use crate::node::{put_location, read_location};
use crate::{Key, Location, NodeRef, Tree, TreeError};

/// Version 1 wrote all locations as those of another pack; it is read like version 2.
const VERSION: u8 = 2;
const VERSION_OF_FULL_LOCATIONS: u8 = 1;

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
    ///
    /// `version u8 | commit location | u8 0, or 1 and root | u8 0, or 1 and delta location`; a root is `id 32 | level u8 |
    /// varint count | varint bytes | first key text | last key text | u8 0, or 1 and location`. Locations in the pack of
    /// the commit are written as distances from it, as in the commit's frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_location(&mut out, &self.commit, &nowhere());
        self.put_rest(&mut out);
        out
    }

    /// Reads what [`CommitRecord::encode`] wrote. Total: any bytes give a record or an error.
    pub fn decode(bytes: &[u8]) -> Result<CommitRecord, TreeError> {
        let damaged = |Bad(detail)| TreeError::damaged("record of a commit", detail);
        let mut reader = Reader(bytes);
        match reader.byte("its version is missing").map_err(damaged)? {
            VERSION | VERSION_OF_FULL_LOCATIONS => {}
            found => return Err(TreeError::UnknownVersion { what: "record of a commit", found }),
        }
        let commit = read_location(&mut reader, &nowhere()).map_err(damaged)?;
        CommitRecord::read_rest(&mut reader, commit).map_err(damaged)
    }

    /// Everything but the place of the commit: what the commit's own frame repeats.
    pub(super) fn put_rest(&self, out: &mut Vec<u8>) {
        match &self.root {
            None => out.push(0),
            Some(root) => {
                out.push(1);
                put_root(out, root, &self.commit);
            }
        }
        put_optional_location(out, self.delta.as_ref(), &self.commit);
    }

    /// Reads what [`CommitRecord::put_rest`] wrote, up to the end.
    pub(super) fn read_rest(reader: &mut Reader<'_>, commit: Location) -> Result<CommitRecord, Bad> {
        let root = match reader.byte("root")? {
            0 => None,
            1 => Some(read_root(reader, &commit)?),
            _ => return Err(Bad("root")),
        };
        let delta = read_optional_location(reader, &commit)?;
        reader.end("bytes after the record")?;
        Ok(CommitRecord { commit, root, delta })
    }
}

fn put_root(out: &mut Vec<u8>, root: &NodeRef, at: &Location) {
    out.extend_from_slice(root.id.as_bytes());
    out.push(root.level);
    put_varint(out, root.count);
    put_varint(out, root.bytes);
    put_text(out, root.first_key.as_bytes());
    put_text(out, root.last_key.as_bytes());
    put_optional_location(out, root.location.as_ref(), at);
}

fn read_root(reader: &mut Reader<'_>, at: &Location) -> Result<NodeRef, Bad> {
    let id = NodeId::from_bytes(reader.array("root")?);
    let level = reader.byte("root")?;
    let count = reader.varint("root")?;
    let bytes = reader.varint("root")?;
    let first_key = read_key(reader)?;
    let last_key = read_key(reader)?;
    let location = read_optional_location(reader, at)?;
    Ok(NodeRef { id, level, count, bytes, first_key, last_key, location })
}

pub(super) fn read_key(reader: &mut Reader<'_>) -> Result<Key, Bad> {
    let length = reader.length(Key::BYTES_MAX, "key")?;
    Key::new(reader.take(length, "key")?.to_vec()).map_err(|_| Bad("key"))
}

/// Where a record is written: in no pack, so that no location is in the pack that it is in.
fn nowhere() -> Location {
    Location { pack: ObjectKey::new(""), offset: 0, length: 0 }
}

fn put_optional_location(out: &mut Vec<u8>, location: Option<&Location>, at: &Location) {
    match location {
        None => out.push(0),
        Some(location) => {
            out.push(1);
            put_location(out, location, at);
        }
    }
}

fn read_optional_location(reader: &mut Reader<'_>, at: &Location) -> Result<Option<Location>, Bad> {
    match reader.byte("location")? {
        0 => Ok(None),
        1 => read_location(reader, at).map(Some),
        _ => Err(Bad("location")),
    }
}
