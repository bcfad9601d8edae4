//! The record of a repository, format version 1.

use std::collections::BTreeMap;

use anabranch_types::{BranchName, RepositoryName};

use super::RecordError;
use super::wire::{Reader, put_map, put_text};
use crate::RepositoryInfo;

const KIND: &str = "repository";
const VERSION: u8 = 1;

/// Tells a repository from an earlier one of the same name. Fresh and random; part of all its partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RepositoryUid(pub(crate) [u8; 16]);

/// A repository. Its name is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RepositoryRecord {
    pub(crate) uid: RepositoryUid,
    /// What decides the shape of its trees.
    pub(crate) tree_seed: u64,
    pub(crate) created_ms: i64,
    pub(crate) storage_namespace: String,
    pub(crate) default_branch: BranchName,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl RepositoryRecord {
    /// `version u8 | uid 16 | seed u64 | created_ms i64 | namespace text | default branch text | metadata map`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid.0);
        out.extend(self.tree_seed.to_le_bytes());
        out.extend(self.created_ms.to_le_bytes());
        put_text(&mut out, &self.storage_namespace);
        put_text(&mut out, self.default_branch.as_str());
        put_map(&mut out, &self.metadata);
        out
    }

    /// Reads what [`RepositoryRecord::encode`] wrote. Total.
    pub(crate) fn decode(bytes: &[u8]) -> Result<RepositoryRecord, RecordError> {
        let mut reader = Reader::new(KIND, VERSION, bytes)?;
        let uid = RepositoryUid(reader.array("uid")?);
        let tree_seed = reader.u64("seed")?;
        let created_ms = reader.i64("created_ms")?;
        let storage_namespace = reader.text("namespace")?;
        let default_branch =
            BranchName::new(reader.text("default branch")?).map_err(|_| reader.damaged("default branch"))?;
        let metadata = reader.map("metadata")?;
        reader.finish()?;
        Ok(RepositoryRecord { uid, tree_seed, created_ms, storage_namespace, default_branch, metadata })
    }

    /// What people see of it.
    pub(crate) fn info(&self, name: &RepositoryName) -> RepositoryInfo {
        RepositoryInfo {
            name: name.clone(),
            storage_namespace: self.storage_namespace.clone(),
            default_branch: self.default_branch.clone(),
            created_ms: self.created_ms,
            metadata: self.metadata.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = RepositoryRecord> {
        let numbers = (any::<[u8; 16]>(), any::<u64>(), any::<i64>());
        (numbers, ".*", "[a-z]{1,9}", prop::collection::btree_map(".*", ".*", 0..4)).prop_map(
            |((uid, tree_seed, created_ms), storage_namespace, branch, metadata)| RepositoryRecord {
                uid: RepositoryUid(uid),
                tree_seed,
                created_ms,
                storage_namespace,
                default_branch: BranchName::new(branch).unwrap(),
                metadata,
            },
        )
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(record in records()) {
            prop_assert_eq!(RepositoryRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn decode_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RepositoryRecord::decode(&bytes);
        }
    }
}
