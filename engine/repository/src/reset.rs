//! Throwing uncommitted changes away.

use anabranch_types::BranchName;

use crate::staging_view::TRIES_MAX;
use crate::{Repository, RepositoryError, ResetScope};

impl Repository {
    /// Throws away uncommitted changes of the branch. [`ResetScope::All`] is one atomic step; a prefix is reset object by
    /// object, so a crash may leave a part of it.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch, [`RepositoryError::Busy`] when it kept moving.
    pub async fn reset(&self, branch: &BranchName, scope: &ResetScope) -> Result<(), RepositoryError> {
        match scope {
            ResetScope::All => self.reset_all(branch).await,
            ResetScope::Prefix(_) | ResetScope::Object(_) => Err(RepositoryError::invalid("not yet")),
        }
    }

    async fn reset_all(&self, name: &BranchName) -> Result<(), RepositoryError> {
        for _ in 0..TRIES_MAX {
            let branch = self.inner.load_branch(name).await?;
            let mut record = branch.record;
            self.inner.drop_tokens(&record.retired).await?;
            let thrown = record.tokens();
            record.sealed.clear();
            record.token = self.inner.new_token();
            // Named until they are known to be empty; the next commit drops what a crash leaves.
            record.retired.clone_from(&thrown);
            if self.inner.swap_branch(name, branch.version, record).await?.is_ok() {
                return self.inner.drop_tokens(&thrown).await;
            }
        }
        Err(RepositoryError::Busy { branch: name.to_string(), tries: TRIES_MAX })
    }
}
