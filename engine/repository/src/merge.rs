//! Merges of a ref into a branch.

use anabranch_types::BranchName;

use crate::{MergeAnswer, MergeRequest, Repository, RepositoryError};

impl Repository {
    /// Merges what `source`, a ref expression, stands for into the branch: all tables at once, or nothing. Always makes a
    /// merge commit, also where the branch could be moved forward.
    ///
    /// Uncommitted changes of the source are not merged; those of the destination stay staged. Merges and commits into
    /// one branch that come at the same time share one write.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for source or destination, [`RepositoryError::Busy`] when other servers kept moving
    /// the branch. Conflicts are a [`MergeAnswer`].
    pub async fn merge(
        &self,
        source: &str,
        destination: &BranchName,
        request: MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let _ = (source, destination, request);
        Err(crate::error::unfinished())
    }
}
