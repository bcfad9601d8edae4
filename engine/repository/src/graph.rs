//! The graph of commits: log and merge base.

use anabranch_types::CommitId;

use crate::{CommitInfo, LogRequest, Paged, Repository, RepositoryError};

impl Repository {
    /// A page of the commits that a ref reaches: children before parents, among those the newest generation first.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn log(
        &self,
        reference: &str,
        request: &LogRequest,
    ) -> Result<Paged<CommitInfo>, RepositoryError> {
        let _ = (reference, request);
        Err(crate::error::unfinished())
    }

    /// The best common ancestor of two refs, the same in every run when there are several; none when their histories
    /// have nothing in common.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn merge_base(&self, left: &str, right: &str) -> Result<Option<CommitId>, RepositoryError> {
        let _ = (left, right);
        Err(crate::error::unfinished())
    }
}
