//! What a ref expression stands for.

use crate::{CommitInfo, Repository, RepositoryError, ResolvedRef};

impl Repository {
    /// Resolves a ref expression: a branch, a tag, a commit id or a unique prefix of one, followed by any number of
    /// `~N` (the N-th first ancestor), `^N` (the N-th parent) and `@` (the commit, without uncommitted changes).
    /// A branch comes before a tag of the same name, and both before an id prefix.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Invalid`] for what is no expression and for an ambiguous
    /// prefix, naming the commits that it may mean.
    pub async fn resolve(&self, reference: &str) -> Result<ResolvedRef, RepositoryError> {
        let _ = reference;
        Err(crate::error::unfinished())
    }

    /// The commit that a ref expression stands for.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn commit_info(&self, reference: &str) -> Result<CommitInfo, RepositoryError> {
        let _ = reference;
        Err(crate::error::unfinished())
    }
}
