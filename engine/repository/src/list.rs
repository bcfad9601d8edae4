//! Listings of objects: what is staged laid over the tree.

use crate::{Listed, Paged, Repository, RepositoryError};

impl Repository {
    /// A page of at most `amount` (and at most 1,000) objects and common prefixes, in bytewise order, after `after`:
    /// a path, or a common prefix, which is skipped whole. On a branch's plain name uncommitted changes count, and a
    /// prefix below which everything is deleted is left out.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn list(
        &self,
        reference: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<&str>,
        amount: usize,
    ) -> Result<Paged<Listed>, RepositoryError> {
        let _ = (reference, prefix, delimiter, after, amount);
        Err(crate::error::unfinished())
    }
}
