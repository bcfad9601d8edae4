//! Commits of a branch's staged changes.

use anabranch_types::BranchName;

use crate::{CommitInfo, CommitRequest, Repository, RepositoryError};

impl Repository {
    /// Commits what is staged on the branch. Commits and merges into one branch that come at the same time share one
    /// write. Costs O(changes).
    ///
    /// Crash-safe: what was staged and acknowledged is staged or committed afterwards, never lost.
    ///
    /// # Errors
    /// [`RepositoryError::NothingToCommit`] unless the request allows an empty commit, [`RepositoryError::NotFound`] for
    /// the branch, [`RepositoryError::Busy`] when other servers kept moving it.
    pub async fn commit(
        &self,
        branch: &BranchName,
        request: CommitRequest,
    ) -> Result<CommitInfo, RepositoryError> {
        let _ = (branch, request);
        Err(crate::error::unfinished())
    }
}
