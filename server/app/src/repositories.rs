//! Repositories: create, look up, list, delete, check.

use anabranch_auth::{Action, Principal};
use anabranch_repository::{CreateRepository, FsckReport, Paged, Paging, RepositoryInfo};
use anabranch_types::{BranchName, RepositoryName};

use crate::app::permit;
use crate::{App, AppError, CreateRepositoryInput};

impl App {
    /// Makes a repository with one empty commit on its default branch.
    pub async fn create_repository(
        &self,
        who: &Principal,
        input: CreateRepositoryInput,
    ) -> Result<RepositoryInfo, AppError> {
        permit(who, Action::CreateRepository, Some(&input.name))?;
        let request = CreateRepository {
            name: RepositoryName::new(input.name)?,
            storage_namespace: input.storage_namespace.filter(|namespace| !namespace.is_empty()),
            default_branch: BranchName::new(input.default_branch.unwrap_or_else(|| "main".into()))?,
            metadata: input.metadata,
        };
        Ok(self.catalog().create_repository(request).await?)
    }

    /// Looks a repository up.
    pub async fn repository(&self, who: &Principal, repository: &str) -> Result<RepositoryInfo, AppError> {
        Ok(self.open(who, Action::ReadRepository, repository).await?.info().clone())
    }

    /// Lists repositories in order of name.
    pub async fn list_repositories(
        &self,
        who: &Principal,
        paging: Paging,
    ) -> Result<Paged<RepositoryInfo>, AppError> {
        permit(who, Action::ListRepositories, None)?;
        Ok(self.catalog().list_repositories(&paging).await?)
    }

    /// Deletes a repository. Its objects stay in their storage.
    pub async fn delete_repository(&self, who: &Principal, repository: &str) -> Result<(), AppError> {
        let opened = self.open(who, Action::DeleteRepository, repository).await?;
        Ok(self.catalog().delete_repository(&opened.info().name).await?)
    }

    /// Walks and verifies everything that a repository's refs reach.
    pub async fn fsck(&self, who: &Principal, repository: &str) -> Result<FsckReport, AppError> {
        Ok(self.open(who, Action::CheckRepository, repository).await?.fsck().await?)
    }
}
