//! Branches: making, finding, listing and deleting them.

use anabranch_types::{BranchName, CommitId};

use crate::{BranchInfo, Paged, Paging, Repository, RepositoryError};

impl Repository {
    /// Makes a branch at the commit that `source`, a ref expression, stands for. Uncommitted changes do not come along.
    /// A hidden branch is left out of listings that do not ask for hidden ones.
    ///
    /// Atomic: of several racing calls for one name exactly one succeeds.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]; [`RepositoryError::NotFound`] for the source.
    pub async fn create_branch(
        &self,
        name: &BranchName,
        source: &str,
        hidden: bool,
    ) -> Result<CommitId, RepositoryError> {
        let _ = (name, source, hidden);
        Err(crate::error::unfinished())
    }

    /// A branch and its head.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn branch(&self, name: &BranchName) -> Result<BranchInfo, RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }

    /// A page of branches, in order of name. With hidden ones left out a page may be short, or even empty, while
    /// `more` still holds.
    pub async fn list_branches(
        &self,
        paging: &Paging,
        show_hidden: bool,
    ) -> Result<Paged<BranchInfo>, RepositoryError> {
        let _ = (paging, show_hidden);
        Err(crate::error::unfinished())
    }

    /// Deletes a branch with its uncommitted changes. Its commits stay.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Invalid`] for the default branch.
    pub async fn delete_branch(&self, name: &BranchName) -> Result<(), RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }
}
