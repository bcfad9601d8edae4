//! Branches and tags.

use anabranch_auth::{Action, Principal};
use anabranch_repository::{BranchInfo, BranchMove, Paged, Paging, TagInfo};
use anabranch_types::{BranchName, CommitId, TagName};

use crate::app::branch_name;
use crate::{App, AppError};

fn tag_name(name: &str) -> Result<TagName, AppError> {
    TagName::new(name).map_err(|_| AppError::NotFound {
        kind: "tag",
        name: name.chars().take(100).collect(),
        hint: String::new(),
    })
}

impl App {
    /// Makes a branch at the commit of `source`; a hidden one is left out of listings.
    pub async fn create_branch(
        &self,
        who: &Principal,
        repository: &str,
        name: &str,
        source: &str,
        hidden: bool,
    ) -> Result<CommitId, AppError> {
        let repository = self.open_branch(who, Action::CreateBranch, repository, name).await?;
        Ok(repository.create_branch(&BranchName::new(name)?, source, hidden).await?)
    }

    /// Looks a branch up.
    pub async fn branch(
        &self,
        who: &Principal,
        repository: &str,
        name: &str,
    ) -> Result<BranchInfo, AppError> {
        let repository = self.open(who, Action::ReadBranch, repository).await?;
        Ok(repository.branch(&branch_name(name)?).await?)
    }

    /// Lists branches in order of name.
    pub async fn list_branches(
        &self,
        who: &Principal,
        repository: &str,
        paging: Paging,
        show_hidden: bool,
    ) -> Result<Paged<BranchInfo>, AppError> {
        let repository = self.open(who, Action::ListBranches, repository).await?;
        Ok(repository.list_branches(&paging, show_hidden).await?)
    }

    /// Deletes a branch and what is staged on it. Its commits stay.
    pub async fn delete_branch(&self, who: &Principal, repository: &str, name: &str) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::DeleteBranch, repository, name).await?;
        Ok(repository.delete_branch(&branch_name(name)?).await?)
    }

    /// Moves a branch to the commit of `reference`; with `discard`, away from its uncommitted changes.
    pub async fn move_branch(
        &self,
        who: &Principal,
        repository: &str,
        name: &str,
        reference: &str,
        discard: bool,
    ) -> Result<BranchMove, AppError> {
        let repository = self.open_branch(who, Action::MoveBranch, repository, name).await?;
        Ok(repository.move_branch(&branch_name(name)?, reference, discard).await?)
    }

    /// Makes a tag at the commit of `reference`. With `force`, a tag of that name names it from now on, in one step.
    pub async fn create_tag(
        &self,
        who: &Principal,
        repository: &str,
        name: &str,
        reference: &str,
        force: bool,
    ) -> Result<TagInfo, AppError> {
        let repository = self.open(who, Action::CreateTag, repository).await?;
        let name = TagName::new(name)?;
        let commit = match force {
            true => repository.replace_tag(&name, reference).await?,
            false => repository.create_tag(&name, reference).await?,
        };
        Ok(TagInfo { name, commit })
    }

    /// Looks a tag up.
    pub async fn tag(&self, who: &Principal, repository: &str, name: &str) -> Result<TagInfo, AppError> {
        let repository = self.open(who, Action::ReadTag, repository).await?;
        Ok(repository.tag(&tag_name(name)?).await?)
    }

    /// Lists tags in order of name.
    pub async fn list_tags(
        &self,
        who: &Principal,
        repository: &str,
        paging: Paging,
    ) -> Result<Paged<TagInfo>, AppError> {
        let repository = self.open(who, Action::ListTags, repository).await?;
        Ok(repository.list_tags(&paging).await?)
    }

    /// Deletes a tag.
    pub async fn delete_tag(&self, who: &Principal, repository: &str, name: &str) -> Result<(), AppError> {
        let repository = self.open(who, Action::DeleteTag, repository).await?;
        Ok(repository.delete_tag(&tag_name(name)?).await?)
    }
}
