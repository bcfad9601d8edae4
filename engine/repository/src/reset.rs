//! Throwing uncommitted changes away.

use anabranch_refs::{Expect, Fence, FenceMark, StagedRow, Token};
use anabranch_types::BranchName;

use crate::repository::Inner;
use crate::staging_view::TRIES_MAX;
use crate::{Repository, RepositoryError, ResetScope};

/// How many rows are copied in one statement.
const COPIED_AT_ONCE: usize = 1_000;

impl Repository {
    /// Throws away uncommitted changes of the branch, atomically. [`ResetScope::All`] costs one write; the others copy what
    /// stays staged. What is written while the reset runs stays.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch, [`RepositoryError::Busy`] when it kept moving.
    pub async fn reset(&self, branch: &BranchName, scope: &ResetScope) -> Result<(), RepositoryError> {
        match scope {
            ResetScope::All => self.reset_all(branch).await,
            ResetScope::Prefix(prefix) => {
                self.reset_some(branch, prefix, |path| path.starts_with(prefix)).await
            }
            ResetScope::Object(object) => {
                self.reset_some(branch, object.as_str(), |path| path == object.as_str()).await
            }
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
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }

    /// Seals what is staged, copies what stays into a staging area of its own, and puts that in place of what is sealed.
    async fn reset_some(
        &self,
        name: &BranchName,
        prefix: &str,
        goes: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<(), RepositoryError> {
        for _ in 0..TRIES_MAX {
            let branch = self.inner.load_branch(name).await?;
            if self.inner.staged_page(&branch.record.tokens(), prefix, None, 1).await?.rows.is_empty() {
                return Ok(());
            }
            let Some(branch) = self.inner.seal(name, branch).await? else { continue };
            let mut record = branch.record;
            self.inner.drop_tokens(&record.retired).await?;
            let kept = self.inner.copy_staged(&record.sealed, &goes).await?;
            let thrown = std::mem::replace(&mut record.sealed, kept.into_iter().collect());
            record.retired.clone_from(&thrown);
            let moved = self.inner.swap_branch(name, branch.version, record).await?;
            if let Some(kept) = kept {
                self.inner.forget_copy(&kept).await?;
            }
            if moved.is_ok() {
                return self.inner.drop_tokens(&thrown).await;
            }
            self.inner.drop_tokens(&Vec::from_iter(kept)).await?;
        }
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }
}

impl Inner {
    /// Copies the rows of sealed staging areas, but for those that go, into a new staging area; none when nothing stays.
    ///
    /// Until a branch names the new area, a record of its own fences it; after a crash that record tells of the rows.
    async fn copy_staged(
        &self,
        sealed: &[Token],
        goes: &(impl Fn(&str) -> bool + Send + Sync),
    ) -> Result<Option<Token>, RepositoryError> {
        let token = self.new_token();
        let fence = Fence { partition: self.partitions.copies(), key: hex::encode(token.0), token };
        let mark = FenceMark { token, head: [0; 32] };
        let (ids, value) = (self.ids.as_ref(), (Vec::new(), Some(mark)));
        let action = "resetting a branch";
        self.ledger.put(action, &fence.partition, &fence.key, Expect::Any, value, ids).await?;
        let (mut after, mut empty) = (None, true);
        loop {
            let page = self.staged_page(sealed, "", after.as_deref(), COPIED_AT_ONCE).await?;
            after = page.rows.last().map(|row| row.path.clone());
            let rows: Vec<StagedRow> = page.rows.into_iter().filter(|row| !goes(&row.path)).collect();
            if !rows.is_empty() {
                empty = false;
                self.send_rows(&fence, &rows).await?;
            }
            if !page.more {
                break;
            }
        }
        if empty {
            self.forget_copy(&token).await?;
        }
        Ok((!empty).then_some(token))
    }

    async fn forget_copy(&self, token: &Token) -> Result<(), RepositoryError> {
        let (partition, key) = (self.partitions.copies(), hex::encode(token.0));
        let ids = self.ids.as_ref();
        self.ledger.delete("resetting a branch", &partition, &key, Expect::Any, ids).await?;
        Ok(())
    }
}
