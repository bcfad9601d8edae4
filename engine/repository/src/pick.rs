//! Revert and cherry-pick: merges with other inputs.

use anabranch_types::BranchName;

use crate::{MergeAnswer, PickRequest, Repository, RepositoryError};

impl Repository {
    /// Takes back what a commit changed: a merge with the commit as base and its parent as theirs.
    ///
    /// # Errors
    /// [`RepositoryError::Invalid`] when a merge commit is named without the number of the parent that counts, or the
    /// commit has no such parent; else as [`Repository::merge`].
    pub async fn revert(
        &self,
        branch: &BranchName,
        request: PickRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let _ = (branch, request);
        Err(crate::error::unfinished())
    }

    /// Brings what a commit changed: a merge with the commit's parent as base and the commit as theirs.
    ///
    /// # Errors
    /// As [`Repository::revert`].
    pub async fn cherry_pick(
        &self,
        branch: &BranchName,
        request: PickRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let _ = (branch, request);
        Err(crate::error::unfinished())
    }
}
