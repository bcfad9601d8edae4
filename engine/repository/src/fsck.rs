//! `fsck`: walks and verifies everything that a repository's refs reach.

use crate::{Repository, RepositoryError};

/// What `fsck` saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FsckReport {
    /// Branches that were walked.
    pub branches: u64,
    /// Tags that were walked.
    pub tags: u64,
    /// Commits that were read and verified.
    pub commits: u64,
    /// Packs that were read and verified.
    pub packs: u64,
    /// Tree entries of all heads and tags that were looked at.
    pub entries: u64,
    /// Objects behind entries that were looked for.
    pub objects: u64,
    /// What is wrong, one sentence each, naming the thing; empty when all is well.
    pub problems: Vec<String>,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Repository {
    /// Walks every ref: commits, trees, packs, staged entries, and the objects behind them. Changes nothing.
    pub async fn fsck(&self) -> Result<FsckReport, RepositoryError> {
        Err(RepositoryError::invalid("not yet"))
    }

    /// Writes the index of commits again from the packs, and answers how many commits it holds that it did not hold.
    pub async fn rebuild_commit_index(&self) -> Result<u64, RepositoryError> {
        Err(RepositoryError::invalid("not yet"))
    }
}
