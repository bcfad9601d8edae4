//! The log of a ref.

use std::sync::Arc;

use anabranch_tree::{Difference, KeyRange, Tree};

use crate::commits::StoredCommit;
use crate::graph::Walk;
use crate::paging::{page_amount, paged};
use crate::repository::Inner;
use crate::{CommitInfo, LogRequest, Paged, Repository, RepositoryError};

impl Repository {
    /// A page of the commits that a ref reaches: children before parents, among those the newest generation first.
    /// A page may be short while `more` still holds when `visit_max` ends it.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn log(
        &self,
        reference: &str,
        request: &LogRequest,
    ) -> Result<Paged<CommitInfo>, RepositoryError> {
        let start = self.inner.resolve_commit(reference).await?;
        let after = match &request.after {
            Some(id) => Some(self.inner.commit_of(id).await?),
            None => None,
        };
        let amount = page_amount(request.amount);
        let mut walk = Walk::from(&start, request.first_parent);
        let (mut results, mut visited, mut last) = (Vec::new(), 0_usize, String::new());
        while let Some(commit) = walk.next(&self.inner).await? {
            if after.as_ref().is_some_and(|after| !comes_after(&commit, after)) {
                if request.stop_at == Some(commit.id) {
                    break;
                }
                continue;
            }
            if results.len() == amount || (request.visit_max > 0 && visited == request.visit_max) {
                return Ok(paged(results, true, last));
            }
            visited += 1;
            last = commit.id.to_hex();
            if self.inner.is_shown(&commit, request).await? {
                results.push(commit.info());
            }
            if request.stop_at == Some(commit.id) {
                break;
            }
        }
        Ok(paged(results, false, last))
    }
}

/// Whether a walk visits `commit` after `mark`.
fn comes_after(commit: &StoredCommit, mark: &StoredCommit) -> bool {
    let (left, right) = (commit.commit.generation, mark.commit.generation);
    left < right || (left == right && commit.id > mark.id)
}

impl Inner {
    async fn is_shown(
        &self,
        commit: &Arc<StoredCommit>,
        request: &LogRequest,
    ) -> Result<bool, RepositoryError> {
        if request.since_ms.is_some_and(|since_ms| commit.commit.created_ms < since_ms) {
            return Ok(false);
        }
        if request.objects.is_empty() && request.prefixes.is_empty() {
            return Ok(true);
        }
        let wanted: Vec<KeyRange> = request
            .objects
            .iter()
            .map(|path| KeyRange::single(path.as_bytes()))
            .chain(request.prefixes.iter().map(|prefix| KeyRange::prefix(prefix.as_bytes())))
            .collect();
        self.touches(commit, &wanted).await
    }

    /// Whether a commit changed something in these ranges against its first parent.
    async fn touches(
        &self,
        commit: &Arc<StoredCommit>,
        wanted: &[KeyRange],
    ) -> Result<bool, RepositoryError> {
        let failed = || RepositoryError::tree(format!("commit {}", commit.id));
        if let Some(delta) = self.trees.read_delta(&commit.record).await.map_err(failed())? {
            let hit = |change: &Difference| wanted.iter().any(|range| range.contains(change.key.as_bytes()));
            return Ok(delta.iter().any(hit));
        }
        let before = match commit.commit.parents.first() {
            Some(parent) => self.commit_of(parent).await?.tree(),
            None => Tree::empty(),
        };
        let session = self.trees.session();
        for range in wanted {
            let mut diff = session.diff(&before, &commit.tree(), range.clone());
            while let Some(batch) = diff.next_batch().await.map_err(failed())? {
                if batch.iter().any(|change| !change.same_content()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
