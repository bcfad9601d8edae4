//! Internal nodes: sorted references to children, and where the children lie.

use anabranch_types::{NodeId, ObjectKey};

use super::keys::{Keys, common_prefix, put_keys, read_keys};
use super::location::{put_pack, put_place, read_pack, read_place};
use super::put_header;
use super::wire::{Bad, Reader, put_varint};
use crate::{Key, Location, NodeRef};

/// A decoded internal node.
#[derive(Clone, Debug)]
pub(crate) struct Internal {
    pub(crate) level: u8,
    pub(crate) children: Vec<NodeRef>,
}

impl Internal {
    pub(super) fn read(mut reader: Reader<'_>, level: u8, count: usize) -> Result<Internal, Bad> {
        if count == 0 {
            return Err(Bad("internal node without children"));
        }
        let first_keys = read_keys(&mut reader, count)?;
        let ids: Vec<[u8; 32]> = (0..count).map(|_| reader.array("child ids")).collect::<Result<_, _>>()?;
        let counts: Vec<u64> = (0..count).map(|_| reader.varint("child counts")).collect::<Result<_, _>>()?;
        let sizes: Vec<u64> = (0..count).map(|_| reader.varint("child bytes")).collect::<Result<_, _>>()?;
        let mut lengths = reader;
        let mut total = 0_usize;
        for _ in 0..count {
            reader.varint("last key")?;
            total = total.saturating_add(reader.length(Key::BYTES_MAX, "last key")?);
        }
        let mut rests = Reader(reader.take(total, "last keys")?);
        reader.end("bytes after an internal node")?;
        let last_keys = read_last_keys(&mut lengths, &mut rests, &first_keys)?;
        let mut children: Vec<NodeRef> = Vec::with_capacity(count);
        let mut entries = 0_u64;
        for (index, ((id, count), bytes)) in ids.into_iter().zip(counts).zip(sizes).enumerate() {
            let first_key = first_keys.key(index).ok_or(Bad("keys"))?;
            let last_key = last_keys.key(index).ok_or(Bad("last key"))?;
            if children.last().is_some_and(|before| before.last_key >= first_key) || count == 0 {
                return Err(Bad("children overlap"));
            }
            entries = entries.checked_add(count).ok_or(Bad("child counts"))?;
            let id = NodeId::from_bytes(id);
            children.push(NodeRef {
                id,
                level: level - 1,
                count,
                bytes,
                first_key,
                last_key,
                location: None,
            });
        }
        Ok(Internal { level, children })
    }

    pub(crate) fn memory(&self) -> usize {
        // Per child: the reference itself, its keys, and the key of its pack.
        let keys: usize = self.children.iter().map(|child| 2 * child.first_key.as_bytes().len()).sum();
        self.children.len() * (size_of::<NodeRef>() + 64) + keys
    }

    /// The hashed bytes of an internal node with these children.
    pub(crate) fn encode(level: u8, children: &[NodeRef]) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 * children.len() + 16);
        put_header(&mut out, level, children.len());
        put_keys(&mut out, children.iter().map(|child| child.first_key.as_bytes()));
        for child in children {
            out.extend_from_slice(child.id.as_bytes());
        }
        for child in children {
            put_varint(&mut out, child.count);
        }
        for child in children {
            put_varint(&mut out, child.bytes);
        }
        let mut rests = Vec::new();
        for child in children {
            let last = child.last_key.as_bytes();
            let shared = common_prefix(child.first_key.as_bytes(), last);
            let rest = last.get(shared..).unwrap_or_default();
            put_varint(&mut out, shared as u64);
            put_varint(&mut out, rest.len() as u64);
            rests.extend_from_slice(rest);
        }
        out.extend_from_slice(&rests);
        out
    }

    /// Where the children lie: written beside the hashed bytes.
    ///
    /// `varint p | p × pack | n × (varint pack + 1 or 0, [offset, length])`, packs and offsets as in any location:
    /// see `location`. `at` is where the frame will begin.
    pub(crate) fn put_locations<'a>(
        out: &mut Vec<u8>,
        locations: impl Iterator<Item = Option<&'a Location>> + Clone,
        at: &Location,
    ) {
        let mut packs: Vec<&ObjectKey> = locations.clone().flatten().map(|location| &location.pack).collect();
        packs.sort_unstable();
        packs.dedup();
        put_varint(out, packs.len() as u64);
        for pack in &packs {
            put_pack(out, pack, at);
        }
        for location in locations {
            let number = location.and_then(|location| packs.binary_search(&&location.pack).ok());
            let (Some(location), Some(number)) = (location, number) else {
                out.push(0);
                continue;
            };
            put_varint(out, number as u64 + 1);
            put_place(out, location, at);
        }
    }

    /// Reads what [`Internal::put_locations`] wrote into the frame at `at`.
    pub(crate) fn read_locations(&mut self, bytes: &[u8], at: &Location) -> Result<(), Bad> {
        let mut reader = Reader(bytes);
        let pack_count = reader.length(self.children.len(), "packs of children")?;
        let mut packs = Vec::with_capacity(pack_count);
        for _ in 0..pack_count {
            packs.push(read_pack(&mut reader)?);
        }
        for child in &mut self.children {
            child.location = match reader.length(pack_count, "location of a child")?.checked_sub(1) {
                None => None,
                Some(number) => {
                    let pack = packs.get(number).cloned().ok_or(Bad("location of a child"))?;
                    Some(read_place(&mut reader, pack, at)?)
                }
            };
        }
        reader.end("bytes after locations")
    }
}

/// Reads the last key of each child: all in one piece of memory.
fn read_last_keys(lengths: &mut Reader<'_>, rests: &mut Reader<'_>, first_keys: &Keys) -> Result<Keys, Bad> {
    let mut arena = Vec::with_capacity(first_keys.memory());
    let mut ends = Vec::with_capacity(first_keys.len());
    for first in (0..first_keys.len()).map(|index| first_keys.get(index)) {
        let shared = lengths.length(Key::BYTES_MAX, "last key")?;
        let rest = rests.take(lengths.length(Key::BYTES_MAX, "last key")?, "last key")?;
        let (prefix, first_rest) = first.split_at_checked(shared).ok_or(Bad("last key"))?;
        match (first_rest.first(), rest.first()) {
            (None, _) => {}
            (Some(old), Some(new)) if new > old => {}
            _ => return Err(Bad("last key is before the first")),
        }
        if shared.saturating_add(rest.len()) > Key::BYTES_MAX {
            return Err(Bad("last key"));
        }
        arena.extend_from_slice(prefix);
        arena.extend_from_slice(rest);
        ends.push(u32::try_from(arena.len()).map_err(|_| Bad("last keys"))?);
    }
    Keys::checked(arena, ends)
}
