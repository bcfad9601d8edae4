//! The records that a repository keeps in the ref-store, and where.
//!
//! | partition | key | value |
//! |---|---|---|
//! | `repositories` | name | [`RepositoryRecord`] |
//! | `repositories` | `~namespace/<namespace>/` | [`ClaimRecord`]: whose objects are there |
//! | `repositories` | `~claims` | nothing: written anew with each claim |
//! | `repo/<uid>/branches` | `<name>!<incarnation>` | when it was made (i64, little-endian; nothing in older ones): says that such a branch may exist |
//! | `repo/<uid>/branch/<name>` | `branch` | [`BranchRecord`], with the fence of its staging area |
//! | `repo/<uid>/tags` | name | [`TagRecord`] |
//! | `repo/<uid>/copies` | token | nothing: fences a staging area while a reset fills it |
//! | `repo/<uid>/commits` | commit id | `CommitRecord` of the tree crate |
//! | `repo/<uid>/previews` | preview id | [`PreviewRecord`] |
//! | `repo/<uid>/merges` | session id | [`SessionRecord`] |
//! | `repo/<uid>/merge/<session id>` | conflict id | [`ChoiceRecord`]: one each, so that nobody's choice is lost with another's |
//!
//! One branch is one partition, so that its head, its staging fence and nothing else change together. The record
//! decides whether a branch exists; the index only makes branches listable. It is written before the record and removed
//! after it, and names the incarnation, so that whoever deletes a branch never unlists its successor of the same name. Records of commits have a partition of their own, because a commit belongs to no
//! branch; they are durable before the head that needs them moves, and one that no head needs is harmless.

mod branch;
mod claim;
mod preview;
mod repository;
mod session;
mod tag;
mod wire;

use anabranch_refs::Partition;
use anabranch_types::BranchName;

pub(crate) use branch::{BranchRecord, Incarnation};
pub(crate) use claim::{CLAIMS_KEY, ClaimRecord, claim_key, is_repository_key, outer_claim_keys};
pub(crate) use preview::PreviewRecord;
pub(crate) use repository::{RepositoryRecord, RepositoryUid};
pub(crate) use session::{Begun, ChoiceRecord, SessionRecord};
pub(crate) use tag::TagRecord;
pub(crate) use wire::RecordError;

/// The key of the branch record within the partition of its branch.
pub(crate) const BRANCH_KEY: &str = "branch";

/// Stands between name and incarnation in the index of branches: below every character that a name can have, so that
/// the index is in order of name.
const INDEX_SEPARATOR: char = '!';

/// The partition of the repositories.
pub(crate) fn repositories() -> Partition {
    Partition("repositories".to_owned())
}

/// The partitions of one repository.
#[derive(Clone, Debug)]
pub(crate) struct Partitions {
    prefix: String,
}

impl Partitions {
    pub(crate) fn of(uid: RepositoryUid) -> Partitions {
        Partitions { prefix: format!("repo/{}", hex::encode(uid.0)) }
    }

    pub(crate) fn branch(&self, name: &BranchName) -> Partition {
        Partition(format!("{}/branch/{name}", self.prefix))
    }

    pub(crate) fn branch_index(&self) -> Partition {
        Partition(format!("{}/branches", self.prefix))
    }

    pub(crate) fn tags(&self) -> Partition {
        Partition(format!("{}/tags", self.prefix))
    }

    pub(crate) fn copies(&self) -> Partition {
        Partition(format!("{}/copies", self.prefix))
    }

    pub(crate) fn previews(&self) -> Partition {
        Partition(format!("{}/previews", self.prefix))
    }

    pub(crate) fn merges(&self) -> Partition {
        Partition(format!("{}/merges", self.prefix))
    }

    /// What was chosen in one merge session.
    pub(crate) fn choices(&self, session: &str) -> Partition {
        Partition(format!("{}/merge/{session}", self.prefix))
    }

    pub(crate) fn commits(&self) -> Partition {
        Partition(format!("{}/commits", self.prefix))
    }
}

/// The key of a branch in the index.
pub(crate) fn index_key(name: &str, incarnation: Incarnation) -> String {
    format!("{name}{INDEX_SEPARATOR}{}", hex::encode(incarnation.0))
}

/// The value of a branch in the index.
pub(crate) fn index_value(made_ms: i64) -> Vec<u8> {
    made_ms.to_le_bytes().to_vec()
}

/// When a branch of the index was made; none where that was not noted yet.
pub(crate) fn made_ms(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_le_bytes)
}

/// The position in the index after every incarnation of a branch of this name.
pub(crate) fn index_after(name: &str) -> String {
    // Hexadecimal digits end with `f`.
    format!("{name}{INDEX_SEPARATOR}g")
}

/// The name in a key of the index; none for a foreign key.
pub(crate) fn parse_index_key(key: &str) -> Option<BranchName> {
    let (name, _incarnation) = key.split_once(INDEX_SEPARATOR)?;
    BranchName::new(name).ok()
}

/// The name and the incarnation in a key of the index; none for a foreign key.
pub(crate) fn index_entry(key: &str) -> Option<(BranchName, Incarnation)> {
    let (name, incarnation) = key.split_once(INDEX_SEPARATOR)?;
    let incarnation = hex::decode(incarnation).ok()?.try_into().ok()?;
    Some((BranchName::new(name).ok()?, Incarnation(incarnation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_in_order_of_name_and_can_be_gone_on_from_a_name() {
        let mut keys: Vec<String> = ["a-b", "a", "a_", "ab", "a0"]
            .iter()
            .map(|name| index_key(name, Incarnation([0xff; 16])))
            .collect();
        keys.sort();
        let names: Vec<_> =
            keys.iter().map(|key| parse_index_key(key).unwrap().as_str().to_owned()).collect();
        assert_eq!(names, ["a", "a-b", "a0", "a_", "ab"]);
        assert!(index_after("a") > keys[0] && index_after("a") < keys[1]);
        assert_eq!(parse_index_key("a"), None);
    }
}
