//! Tags: names of commits that do not move.

use anabranch_types::{CommitId, TagName};

use crate::{Paged, Paging, Repository, RepositoryError, TagInfo};

impl Repository {
    /// Makes a tag of the commit that `source`, a ref expression, stands for.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]; [`RepositoryError::NotFound`] for the source.
    pub async fn create_tag(&self, name: &TagName, source: &str) -> Result<CommitId, RepositoryError> {
        let _ = (name, source);
        Err(crate::error::unfinished())
    }

    /// A tag and its commit.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn tag(&self, name: &TagName) -> Result<TagInfo, RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }

    /// A page of tags, in order of name.
    pub async fn list_tags(&self, paging: &Paging) -> Result<Paged<TagInfo>, RepositoryError> {
        let _ = paging;
        Err(crate::error::unfinished())
    }

    /// Deletes a tag. Its commit stays.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn delete_tag(&self, name: &TagName) -> Result<(), RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }
}
