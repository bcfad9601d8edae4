//! The commit record and its encoding, format version 1.

use std::collections::BTreeMap;

use crate::{CommitId, NodeId};

const FORMAT_VERSION: u8 = 1;
/// No commit has more parents than this; a merge has two.
const PARENTS_MAX: usize = 16;
/// A message, a name or a metadata value of a commit has at most this many bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
const METADATA_MAX: usize = 10_000;

/// One commit: immutable, named by the hash of its encoding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// The commits it was made from; the first is the branch it was made on. None for the first commit.
    pub parents: Vec<CommitId>,
    /// The root of its tree.
    pub tree: NodeId,
    /// One more than the largest generation of its parents; 1 for the first commit.
    pub generation: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Who made it.
    pub committer: String,
    /// What it says.
    pub message: String,
    /// What its maker attached.
    pub metadata: BTreeMap<String, String>,
}

/// The bytes are no commit record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitDecodeError {
    /// A newer server wrote it.
    #[error("commit record has format version {found}; this server reads version {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version it says.
        found: u8,
    },
    /// It ends early, is too long, or a field is out of bounds.
    #[error("commit record is damaged: {what}")]
    Damaged {
        /// Which field.
        what: &'static str,
    },
}

impl Commit {
    /// The id: the hash of [`Commit::encode`].
    pub fn id(&self) -> CommitId {
        CommitId::of(&self.encode())
    }

    /// The canonical encoding, format version 1: equal commits have equal bytes.
    ///
    /// Layout, all integers little-endian: `version u8 | parents u16, 32 bytes each | tree 32 bytes |
    /// generation u64 | created_ms i64 | committer text | message text | metadata u32, (text, text) in
    /// order of name`, with `text = length u32 | UTF-8`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT_VERSION];
        out.extend((self.parents.len() as u16).to_le_bytes());
        for parent in &self.parents {
            out.extend(parent.as_bytes());
        }
        out.extend(self.tree.as_bytes());
        out.extend(self.generation.to_le_bytes());
        out.extend(self.created_ms.to_le_bytes());
        put_text(&mut out, &self.committer);
        put_text(&mut out, &self.message);
        out.extend((self.metadata.len() as u32).to_le_bytes());
        for (name, value) in &self.metadata {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
        out
    }

    /// Reads what [`Commit::encode`] wrote. Total: any bytes give a commit or an error, and no more is
    /// allocated than the bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Commit, CommitDecodeError> {
        let mut reader = Reader(bytes);
        let [version] = reader.array("version")?;
        if version != FORMAT_VERSION {
            return Err(CommitDecodeError::UnknownVersion { found: version });
        }
        let parent_count = usize::from(u16::from_le_bytes(reader.array("parents")?));
        if parent_count > PARENTS_MAX {
            return Err(CommitDecodeError::Damaged { what: "parents" });
        }
        let mut parents = Vec::new();
        for _ in 0..parent_count {
            parents.push(CommitId::from_bytes(reader.array("parents")?));
        }
        let tree = NodeId::from_bytes(reader.array("tree")?);
        let generation = u64::from_le_bytes(reader.array("generation")?);
        let created_ms = i64::from_le_bytes(reader.array("created_ms")?);
        let committer = reader.text("committer")?;
        let message = reader.text("message")?;
        let metadata_count = u32::from_le_bytes(reader.array("metadata")?) as usize;
        if metadata_count > METADATA_MAX {
            return Err(CommitDecodeError::Damaged { what: "metadata" });
        }
        let mut metadata = BTreeMap::new();
        for _ in 0..metadata_count {
            let name = reader.text("metadata")?;
            if metadata.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(CommitDecodeError::Damaged { what: "metadata order" });
            }
            metadata.insert(name, reader.text("metadata")?);
        }
        if !reader.0.is_empty() {
            return Err(CommitDecodeError::Damaged { what: "bytes after the end" });
        }
        Ok(Commit { parents, tree, generation, created_ms, committer, message, metadata })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CommitDecodeError> {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                Ok(*head)
            }
            None => Err(CommitDecodeError::Damaged { what }),
        }
    }

    fn text(&mut self, what: &'static str) -> Result<String, CommitDecodeError> {
        let length = u32::from_le_bytes(self.array(what)?) as usize;
        if length > TEXT_BYTES_MAX {
            return Err(CommitDecodeError::Damaged { what });
        }
        let (head, rest) = self.0.split_at_checked(length).ok_or(CommitDecodeError::Damaged { what })?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).map_err(|_| CommitDecodeError::Damaged { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commits() -> impl Strategy<Value = Commit> {
        (
            proptest::collection::vec(any::<[u8; 32]>(), 0..3),
            any::<[u8; 32]>(),
            any::<u64>(),
            any::<i64>(),
            ".*",
            ".*",
            proptest::collection::btree_map(".*", ".*", 0..4),
        )
            .prop_map(|(parents, tree, generation, created_ms, committer, message, metadata)| {
                Commit {
                    parents: parents.into_iter().map(CommitId::from_bytes).collect(),
                    tree: NodeId::from_bytes(tree),
                    generation,
                    created_ms,
                    committer,
                    message,
                    metadata,
                }
            })
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(commit in commits()) {
            prop_assert_eq!(Commit::decode(&commit.encode()), Ok(commit));
        }

        #[test]
        fn decode_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Commit::decode(&bytes);
        }

        #[test]
        fn a_cut_record_is_refused(commit in commits(), cut in 1usize..50) {
            let bytes = commit.encode();
            let end = bytes.len().saturating_sub(cut);
            prop_assert!(Commit::decode(&bytes[..end]).is_err());
        }
    }
}
