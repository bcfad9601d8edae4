//! Reading and checking packs.

use anabranch_types::{Commit, NodeId, ObjectKey};
use bytes::Bytes;

use super::delta::{decode_delta, decode_parts};
use super::layout::{INDEX_ENTRY_LENGTH, IndexEntry, MAGIC, TRAILER_LENGTH, read_index, read_trailer};
use super::{CommitRecord, PackContents, PackedCommit, SharedPack};
use crate::node::wire::{Bad, Reader};
use crate::node::{Frame, FrameKind, read_frame};
use crate::store::{node_of_frame, verify_node};
use crate::{Location, PackSource, TreeError};

/// Reads the commit in a frame, and what the frame says of its tree and delta list.
pub(crate) fn read_commit_frame(
    location: &Location,
    frame: &Frame,
) -> Result<(Commit, CommitRecord), TreeError> {
    let damaged = |Bad(detail)| TreeError::damaged(format!("commit in {location}"), detail);
    if frame.kind != FrameKind::Commit {
        return Err(damaged(Bad("it is no commit")));
    }
    let mut reader = Reader(&frame.raw);
    let length = reader.length(frame.raw.len(), "length of a commit").map_err(damaged)?;
    let encoded = reader.take(length, "commit").map_err(damaged)?;
    let commit = Commit::decode(encoded)
        .map_err(|source| TreeError::Commit { pack: location.pack.clone(), source })?;
    let record = CommitRecord::read_rest(&mut reader, location.clone()).map_err(damaged)?;
    Ok((commit, record))
}

/// Where the nodes of a pack that is an object of `length` bytes lie, from its index alone: two small reads. For a
/// [`PackSource::locate`] that looks through all packs.
pub async fn read_pack_index(
    source: &dyn PackSource,
    pack: &ObjectKey,
    length: u64,
) -> Result<Vec<(NodeId, Location)>, TreeError> {
    let damaged = |Bad(detail)| TreeError::damaged(format!("index of pack {pack}"), detail);
    let trailer_offset =
        length.checked_sub(TRAILER_LENGTH as u64).ok_or_else(|| damaged(Bad("it is too short")))?;
    let trailer = read_trailer(&source.read(pack, trailer_offset..length).await?).map_err(damaged)?;
    let index_length = (trailer.count.saturating_mul(INDEX_ENTRY_LENGTH)) as u64;
    if trailer.index_offset.checked_add(index_length) != Some(trailer_offset) {
        return Err(damaged(Bad("place of the index")));
    }
    let bytes = source.read(pack, trailer.index_offset..trailer_offset).await?;
    let index = read_index(&bytes, trailer.count).map_err(damaged)?;
    let nodes = index.into_iter().filter(|entry| entry.kind == FrameKind::Node);
    Ok(nodes.map(|entry| (NodeId::from_bytes(entry.id), entry.location(pack))).collect())
}

impl IndexEntry {
    fn location(&self, pack: &ObjectKey) -> Location {
        Location { pack: pack.clone(), offset: self.offset, length: self.length }
    }
}

/// Checks a pack that is an object of its own: its hash, its index, and every frame in it down to each entry. Total: any
/// bytes give the contents or an error that says what is wrong.
pub fn verify_pack(key: &ObjectKey, bytes: &Bytes) -> Result<PackContents, TreeError> {
    verify_pack_at(key, 0, bytes)
}

/// [`verify_pack`] of a pack that begins at `start` of an object.
fn verify_pack_at(key: &ObjectKey, start: u64, bytes: &Bytes) -> Result<PackContents, TreeError> {
    let damaged = |Bad(detail)| TreeError::damaged(format!("pack {key}"), detail);
    if bytes.first_chunk::<8>() != Some(MAGIC) {
        return Err(damaged(Bad("it does not begin like a pack of version 1")));
    }
    let trailer_offset =
        bytes.len().checked_sub(TRAILER_LENGTH).ok_or_else(|| damaged(Bad("it is too short")))?;
    let (before, trailer) =
        bytes.split_at_checked(trailer_offset).ok_or_else(|| damaged(Bad("it is too short")))?;
    let trailer = read_trailer(trailer).map_err(damaged)?;
    let hashed = bytes.get(..trailer_offset.saturating_add(12)).unwrap_or_default();
    if *blake3::hash(hashed).as_bytes() != trailer.hash {
        return Err(damaged(Bad("its content is not the one that was written (hash)")));
    }
    let (frames, index) = usize::try_from(trailer.index_offset)
        .ok()
        .and_then(|offset| before.split_at_checked(offset))
        .ok_or_else(|| damaged(Bad("place of the index")))?;
    let index = read_index(index, trailer.count).map_err(damaged)?;
    verify_frames(key, start, &bytes.slice_ref(frames), &index)
}

/// The packs of an object that small packs share, in order of place, each checked as [`verify_pack`] does.
///
/// What is no whole pack is passed over: the object has room that nobody took, and a group that was being written when
/// the server ended. Whoever knows of something in such a place knows that it is lost.
pub fn read_shared_packs(key: &ObjectKey, bytes: &Bytes) -> Vec<SharedPack> {
    let mut packs = Vec::new();
    let mut at = 0;
    while let Some(start) = find_magic(bytes, at) {
        at = start.saturating_add(MAGIC.len());
        let Some(end) = end_of_pack(bytes, start) else { continue };
        if let Ok(contents) = verify_pack_at(key, start as u64, &bytes.slice(start..end)) {
            packs.push(SharedPack { place: start as u64..end as u64, contents });
            at = end;
        }
    }
    packs
}

fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(MAGIC.len()).position(|window| window == MAGIC).map(|found| from + found)
}

/// Where the pack that begins at `start` ends: at the first trailer that describes one of this length.
fn end_of_pack(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start.saturating_add(MAGIC.len());
    while let Some(found) = find_magic(bytes, at) {
        at = found.saturating_add(MAGIC.len());
        let pack = bytes.get(start..at)?;
        let Some(trailer_offset) = pack.len().checked_sub(TRAILER_LENGTH) else { continue };
        let Ok(trailer) = read_trailer(pack.get(trailer_offset..)?) else { continue };
        let index = (trailer.count.saturating_mul(INDEX_ENTRY_LENGTH)) as u64;
        if trailer.index_offset.checked_add(index) == Some(trailer_offset as u64) {
            return Some(at);
        }
    }
    None
}

fn verify_frames(
    key: &ObjectKey,
    start: u64,
    frames: &Bytes,
    index: &[IndexEntry],
) -> Result<PackContents, TreeError> {
    let mut contents = PackContents { nodes: Vec::new(), commits: Vec::new() };
    let mut index = index.iter();
    let mut rest = frames.slice(MAGIC.len().min(frames.len())..);
    while !rest.is_empty() {
        let offset = (frames.len().saturating_sub(rest.len())) as u64;
        let damaged = |Bad(detail)| TreeError::damaged(format!("frame at {offset} of pack {key}"), detail);
        let frame = read_frame(&rest).map_err(damaged)?;
        let in_object = start.saturating_add(offset);
        let location = Location { pack: key.clone(), offset: in_object, length: frame.length as u32 };
        rest = rest.slice(frame.length.min(rest.len())..);
        let id = match frame.kind {
            FrameKind::Node => {
                let (id, node) = node_of_frame(&frame, None, &location).map_err(damaged)?;
                verify_node(&frame, &node).map_err(damaged)?;
                contents.nodes.push((id, location.clone()));
                *id.as_bytes()
            }
            FrameKind::Commit => {
                let (commit, record) = read_commit_frame(&location, &frame)?;
                let id = commit.id();
                contents.commits.push(PackedCommit { id, commit, record });
                *id.as_bytes()
            }
            FrameKind::Delta => {
                decode_delta(&frame.raw).map_err(damaged)?;
                continue;
            }
            FrameKind::DeltaParts => {
                decode_parts(&frame.raw, &location).map_err(damaged)?;
                continue;
            }
        };
        let expected = IndexEntry { id, kind: frame.kind, offset, length: location.length };
        if index.next() != Some(&expected) {
            return Err(damaged(Bad("the index does not list it")));
        }
    }
    match index.next() {
        None => Ok(contents),
        Some(_) => Err(TreeError::damaged(format!("index of pack {key}"), "it lists what is not there")),
    }
}
