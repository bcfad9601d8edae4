//! Revert and cherry-pick: merges with other inputs.

use std::sync::Arc;

use anabranch_merge::{Labels, Mode};
use anabranch_tree::Tree;
use anabranch_types::BranchName;

use crate::commits::StoredCommit;
use crate::merge::short;
use crate::plan::Plan;
use crate::staging_view::TRIES_MAX;
use crate::{MergeAnswer, PickRequest, Repository, RepositoryError};

impl Repository {
    /// Takes back what a commit changed: a merge with the commit as base and its parent as theirs.
    ///
    /// # Errors
    /// [`RepositoryError::Invalid`] when a merge commit is named without the number of the parent that counts, or the
    /// commit has no such parent; else as [`Repository::merge`].
    pub async fn revert(
        &self,
        branch: &BranchName,
        request: PickRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let (commit, parent) = self.picked(&request).await?;
        let before = Side::of(parent.as_deref());
        let after = Side::of(Some(&commit));
        let message = format!("Revert '{}'", first_line(&commit));
        self.pick(branch, request, message, after, before).await
    }

    /// Brings what a commit changed: a merge with the commit's parent as base and the commit as theirs.
    ///
    /// # Errors
    /// As [`Repository::revert`].
    pub async fn cherry_pick(
        &self,
        branch: &BranchName,
        request: PickRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let (commit, parent) = self.picked(&request).await?;
        let before = Side::of(parent.as_deref());
        let after = Side::of(Some(&commit));
        let message = commit.commit.message.clone();
        self.pick(branch, request, message, before, after).await
    }

    /// The commit, and the parent that counts as "before"; none for a commit without parents.
    async fn picked(
        &self,
        request: &PickRequest,
    ) -> Result<(Arc<StoredCommit>, Option<Arc<StoredCommit>>), RepositoryError> {
        let commit = self.inner.resolve_commit(&request.reference).await?;
        let parents = &commit.commit.parents;
        let index = match (parents.len(), request.parent_number) {
            (0, 0) => return Ok((commit, None)),
            (1, 0) => 0,
            (count, number) if (1..=count).contains(&number) => number - 1,
            (count, number) => {
                return Err(RepositoryError::invalid(format!(
                    "commit {} has {count} parents: parent {number} cannot count as what was before; \
                     name one from 1 to {count}",
                    short(&commit.id)
                )));
            }
        };
        match parents.get(index) {
            Some(parent) => {
                let parent = self.inner.commit_of(parent).await?;
                Ok((commit, Some(parent)))
            }
            None => Ok((commit, None)),
        }
    }

    async fn pick(
        &self,
        branch: &BranchName,
        request: PickRequest,
        message: String,
        base: Side,
        theirs: Side,
    ) -> Result<MergeAnswer, RepositoryError> {
        let message = request.message.clone().unwrap_or(message);
        for _ in 0..TRIES_MAX {
            let plan = self.plan_pick(branch, &request, &message, [&base, &theirs]).await?;
            match self.run_plan(branch, plan).await? {
                MergeAnswer::StalePreview { .. } => self.still_in_time(branch, request.deadline_ms)?,
                answer => return Ok(answer),
            }
        }
        Err(RepositoryError::busy("branch", branch, TRIES_MAX))
    }

    async fn plan_pick(
        &self,
        branch: &BranchName,
        request: &PickRequest,
        message: &str,
        [base, theirs]: [&Side; 2],
    ) -> Result<Plan, RepositoryError> {
        let record = self.inner.load_branch(branch).await?.record;
        Ok(Plan {
            bases: vec![base.tree.clone()],
            base_ids: base.id.into_iter().collect(),
            ours: self.inner.commit_of(&record.head).await?,
            incarnation: record.incarnation,
            theirs_tree: theirs.tree.clone(),
            theirs_id: theirs.id,
            theirs_generation: 0,
            second_parent: None,
            labels: Labels {
                base: base.label.clone(),
                ours: branch.to_string(),
                theirs: theirs.label.clone(),
            },
            source: theirs.label.clone(),
            mode: Mode::Mergers,
            strategy: None,
            by_rows: false,
            resolutions: Vec::new(),
            decided: Vec::new(),
            resolved: Vec::new(),
            message: message.to_owned(),
            committer: request.committer.0.clone(),
            metadata: request.metadata.clone(),
            allow_empty: request.allow_empty,
            deadline_ms: request.deadline_ms,
            tokens: record.tokens(),
            pinned: false,
        })
    }
}

/// One input of a pick.
struct Side {
    id: Option<anabranch_types::CommitId>,
    tree: Tree,
    label: String,
}

impl Side {
    fn of(commit: Option<&StoredCommit>) -> Side {
        match commit {
            Some(commit) => Side { id: Some(commit.id), tree: commit.tree(), label: short(&commit.id) },
            None => Side { id: None, tree: Tree::empty(), label: "nothing".to_owned() },
        }
    }
}

fn first_line(commit: &StoredCommit) -> &str {
    commit.commit.message.lines().next().unwrap_or_default()
}
