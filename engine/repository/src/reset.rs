//! Throwing uncommitted changes away.

use anabranch_types::BranchName;

use crate::{Repository, RepositoryError, ResetScope};

impl Repository {
    /// Throws away uncommitted changes of the branch. [`ResetScope::All`] is one atomic step; a prefix is reset object by
    /// object, so a crash may leave a part of it.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch, [`RepositoryError::Busy`] when it kept moving.
    pub async fn reset(&self, branch: &BranchName, scope: &ResetScope) -> Result<(), RepositoryError> {
        let _ = (branch, scope);
        Err(crate::error::unfinished())
    }
}
