//! Commits, logs, diffs, reverts and what is like them.

use anabranch_auth::{Action, Principal};
use anabranch_merge::{RowDiffRequest, RowSink};
use anabranch_repository::{
    Actor, CommitInfo, CommitRequest, DiffItem, DiffKind, DiffRequest, LogRequest, MergeAnswer, Paged,
    Paging, PickRequest, ResetScope, ResolvedRef, TableDiff, TableRowDiff,
};

use crate::app::branch_name;
use crate::{App, AppError, CommitInput, MergeBase, PickInput};

fn pick(who: &Principal, input: PickInput, deadline_ms: i64) -> PickRequest {
    PickRequest {
        reference: input.reference,
        parent_number: input.parent_number,
        message: input.message,
        committer: Actor(who.name().to_owned()),
        metadata: input.metadata,
        allow_empty: input.allow_empty,
        deadline_ms: Some(deadline_ms),
    }
}

impl App {
    /// What a ref expression stands for.
    pub async fn resolve(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
    ) -> Result<ResolvedRef, AppError> {
        Ok(self.open(who, Action::ReadCommit, repository).await?.resolve(reference).await?)
    }

    /// The commit of a ref expression.
    pub async fn commit_info(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
    ) -> Result<CommitInfo, AppError> {
        Ok(self.open(who, Action::ReadCommit, repository).await?.commit_info(reference).await?)
    }

    /// Commits what is staged on a branch.
    pub async fn commit(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        input: CommitInput,
    ) -> Result<CommitInfo, AppError> {
        let repository = self.open_branch(who, Action::CreateCommit, repository, branch).await?;
        let request = CommitRequest {
            message: input.message,
            committer: Actor(who.name().to_owned()),
            metadata: input.metadata,
            allow_empty: input.allow_empty,
            created_ms: input.date_ms,
            deadline_ms: Some(self.deadline_ms()),
        };
        Ok(repository.commit(&branch_name(branch)?, request).await?)
    }

    /// The commits that a ref reaches, newest first.
    pub async fn log(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
        request: LogRequest,
    ) -> Result<Paged<CommitInfo>, AppError> {
        Ok(self.open(who, Action::ReadCommit, repository).await?.log(reference, &request).await?)
    }

    /// The best common ancestor of two refs.
    pub async fn merge_base(
        &self,
        who: &Principal,
        repository: &str,
        source: &str,
        destination: &str,
    ) -> Result<MergeBase, AppError> {
        let repository = self.open(who, Action::ReadCommit, repository).await?;
        Ok(MergeBase {
            source: repository.resolve(source).await?.commit,
            destination: repository.resolve(destination).await?.commit,
            base: repository.merge_base(source, destination).await?,
        })
    }

    /// What differs between two refs.
    pub async fn diff(
        &self,
        who: &Principal,
        repository: &str,
        left: &str,
        right: &str,
        request: DiffRequest,
    ) -> Result<Paged<DiffItem>, AppError> {
        Ok(self.open(who, Action::Diff, repository).await?.diff(left, right, &request).await?)
    }

    /// Which tables differ between two refs, and how.
    pub async fn diff_tables(
        &self,
        who: &Principal,
        repository: &str,
        refs: [&str; 2],
        kind: DiffKind,
        paging: &Paging,
    ) -> Result<Paged<TableDiff>, AppError> {
        Ok(self.open(who, Action::Diff, repository).await?.diff_tables(refs, kind, paging).await?)
    }

    /// What differs in one table between two refs, row by row.
    pub async fn diff_rows(
        &self,
        who: &Principal,
        repository: &str,
        [left, right]: [&str; 2],
        kind: DiffKind,
        root: &str,
        request: &RowDiffRequest,
    ) -> Result<TableRowDiff, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        Ok(repository.diff_rows([left, right], kind, root, request).await?)
    }

    /// Writes the rows that differ in one table between two refs into `sink`, typed. The inner error says why rows are not
    /// compared.
    #[allow(clippy::too_many_arguments)]
    pub async fn stream_rows(
        &self,
        who: &Principal,
        repository: &str,
        [left, right]: [&str; 2],
        kind: DiffKind,
        root: &str,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<Result<(), String>, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        Ok(repository.stream_rows([left, right], kind, root, request, sink).await?)
    }

    /// What is staged on a branch.
    pub async fn diff_branch(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        paging: Paging,
        delimiter: Option<&str>,
    ) -> Result<Paged<DiffItem>, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        Ok(repository.diff_uncommitted(&branch_name(branch)?, &paging, delimiter).await?)
    }

    /// Undoes a commit on a branch by a new commit.
    pub async fn revert(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        input: PickInput,
    ) -> Result<MergeAnswer, AppError> {
        let repository = self.open_branch(who, Action::Revert, repository, branch).await?;
        Ok(repository.revert(&branch_name(branch)?, pick(who, input, self.deadline_ms())).await?)
    }

    /// Repeats a commit on a branch by a new commit.
    pub async fn cherry_pick(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        input: PickInput,
    ) -> Result<MergeAnswer, AppError> {
        let repository = self.open_branch(who, Action::CherryPick, repository, branch).await?;
        Ok(repository.cherry_pick(&branch_name(branch)?, pick(who, input, self.deadline_ms())).await?)
    }

    /// Throws staged changes of a branch away.
    pub async fn reset(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        scope: ResetScope,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::ResetBranch, repository, branch).await?;
        Ok(repository.reset(&branch_name(branch)?, &scope).await?)
    }
}
