//! What a ref expression stands for.

use std::sync::Arc;

use anabranch_refs::ScanRange;
use anabranch_types::{BranchName, CommitId, TagName};

use crate::commits::StoredCommit;
use crate::refs_expr::{Step, parse};
use crate::repository::Inner;
use crate::staging_view::Branch;
use crate::{CommitInfo, Repository, RepositoryError, ResolvedRef};

/// The shortest prefix of an id that is looked up.
const ID_PREFIX_MIN: usize = 4;
/// How many commits an ambiguous prefix is explained by.
const CANDIDATES_MAX: usize = 5;

impl Repository {
    /// Resolves a ref expression: a commit id, a branch, a tag, or a unique prefix (of 4 or more characters) of a commit
    /// id, looked for in this order; followed by any number of `~N` (the N-th first ancestor), `^N` (the N-th parent) and
    /// `@` (the commit, without uncommitted changes).
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Invalid`] for what is no expression and for an ambiguous
    /// prefix, naming the commits that it may mean.
    pub async fn resolve(&self, reference: &str) -> Result<ResolvedRef, RepositoryError> {
        let target = self.inner.resolve(reference).await?;
        Ok(ResolvedRef { commit: target.commit, branch: target.branch.map(|(name, _)| name) })
    }

    /// The commit that a ref expression stands for.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn commit_info(&self, reference: &str) -> Result<CommitInfo, RepositoryError> {
        Ok(self.inner.resolve_commit(reference).await?.info())
    }
}

/// What an expression stands for.
pub(crate) struct Target {
    pub(crate) commit: CommitId,
    /// The branch as it was read, if the expression is a branch's plain name.
    pub(crate) branch: Option<(BranchName, Branch)>,
}

impl Inner {
    pub(crate) async fn resolve(&self, reference: &str) -> Result<Target, RepositoryError> {
        let expression = parse(reference).map_err(RepositoryError::invalid)?;
        let start = self.resolve_name(expression.name).await?;
        if expression.steps.is_empty() {
            return Ok(start);
        }
        let mut commit = start.commit;
        for step in expression.steps {
            commit = self.step(commit, step, reference).await?;
        }
        Ok(Target { commit, branch: None })
    }

    pub(crate) async fn resolve_commit(&self, reference: &str) -> Result<Arc<StoredCommit>, RepositoryError> {
        let id = self.resolve(reference).await?.commit;
        self.commit_of(&id).await
    }

    async fn resolve_name(&self, name: &str) -> Result<Target, RepositoryError> {
        let committed = |commit| Target { commit, branch: None };
        if let Ok(id) = name.parse::<CommitId>()
            && self.find_commit(&id).await?.is_some()
        {
            return Ok(committed(id));
        }
        if let Ok(branch_name) = BranchName::new(name)
            && let Some(branch) = self.find_branch(&branch_name).await?
        {
            return Ok(Target { commit: branch.record.head, branch: Some((branch_name, branch)) });
        }
        if let Ok(tag) = TagName::new(name)
            && let Some(commit) = self.find_tag(&tag).await?
        {
            return Ok(committed(commit));
        }
        self.resolve_prefix(name).await.map(committed)
    }

    async fn resolve_prefix(&self, name: &str) -> Result<CommitId, RepositoryError> {
        let not_found = || RepositoryError::NotFound {
            kind: "ref",
            name: name.chars().take(200).collect(),
            hint: ": it names no branch, no tag and no commit".to_owned(),
        };
        let is_prefix =
            name.len() >= ID_PREFIX_MIN && name.len() < 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_prefix {
            return Err(not_found());
        }
        let range = ScanRange { prefix: name.to_ascii_lowercase(), after: None };
        let partition = self.partitions.commits();
        let page = self.ledger.scan("looking up a commit", &partition, &range, CANDIDATES_MAX).await?;
        let candidates: Vec<&str> = page.rows.iter().map(|(key, _)| key.as_str()).collect();
        match candidates.as_slice() {
            [] => Err(not_found()),
            [one] => one.parse().map_err(|why| RepositoryError::damaged("the index of commits", why)),
            several => {
                let more = if page.more { " and others" } else { "" };
                let several = several.join(", ");
                Err(RepositoryError::invalid(format!("{name} may be {several}{more}: give more characters")))
            }
        }
    }

    async fn step(&self, from: CommitId, step: Step, reference: &str) -> Result<CommitId, RepositoryError> {
        let missing = || RepositoryError::NotFound {
            kind: "ref",
            name: reference.chars().take(200).collect(),
            hint: ": the history is not that long".to_owned(),
        };
        match step {
            Step::Committed | Step::Ancestor(0) | Step::Parent(0) => Ok(from),
            Step::Ancestor(count) => {
                let mut at = from;
                for _ in 0..count {
                    at = *self.commit_of(&at).await?.commit.parents.first().ok_or_else(missing)?;
                }
                Ok(at)
            }
            Step::Parent(number) => {
                let index = usize::try_from(number - 1).map_err(|_| missing())?;
                let commit = self.commit_of(&from).await?;
                commit.commit.parents.get(index).copied().ok_or_else(missing)
            }
        }
    }
}
