//! Repositories: create, look up, list, delete, check.

use anabranch_auth::{Action, Principal, Resource, authorize};
use anabranch_repository::{CreateRepository, FsckReport, LogRequest, Paged, Paging, RepositoryInfo};
use anabranch_types::{BranchName, RepositoryName};

use crate::app::permit;
use crate::{App, AppError, CreateRepositoryInput};

/// How many pages of the catalog one listing looks at.
const SCANS_MAX: usize = 20;

impl App {
    /// Makes a repository with one empty commit on its default branch.
    pub async fn create_repository(
        &self,
        who: &Principal,
        input: CreateRepositoryInput,
    ) -> Result<RepositoryInfo, AppError> {
        permit(who, Action::CreateRepository, &Resource::Repository(&input.name))?;
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

    /// Lists the repositories that the caller may read, in order of name. A page may hold fewer than there are, even
    /// none, and say that more follow: what the caller may not read is passed over for a while only.
    pub async fn list_repositories(
        &self,
        who: &Principal,
        paging: Paging,
    ) -> Result<Paged<RepositoryInfo>, AppError> {
        permit(who, Action::ListRepositories, &Resource::Server)?;
        let readable = |found: &RepositoryInfo| {
            authorize(who, Action::ReadRepository, &Resource::Repository(found.name.as_str())).is_ok()
        };
        let (wanted, mut next) = (paging.amount.max(1), paging.clone());
        let mut results = Vec::new();
        for _ in 0..SCANS_MAX {
            next.amount = wanted.saturating_sub(results.len());
            let page = self.catalog().list_repositories(&next).await?;
            results.extend(page.results.into_iter().filter(readable));
            next.after = Some(page.next);
            if !page.more {
                return Ok(Paged { results, more: false, next: String::new() });
            }
            if results.len() >= wanted {
                break;
            }
        }
        Ok(Paged { results, more: true, next: next.after.unwrap_or_default() })
    }

    /// Deletes a repository. Its objects stay in their storage.
    pub async fn delete_repository(&self, who: &Principal, repository: &str) -> Result<(), AppError> {
        let opened = self.open(who, Action::DeleteRepository, repository).await?;
        Ok(self.catalog().delete_repository(&opened.info().name).await?)
    }

    /// Deletes a repository that holds no work: one branch, nothing on it or staged, no history beyond its first
    /// commit, and no tags.
    ///
    /// # Errors
    /// [`AppError::NotEmpty`] with what it has.
    pub async fn delete_empty_repository(&self, who: &Principal, repository: &str) -> Result<(), AppError> {
        let opened = self.open(who, Action::DeleteRepository, repository).await?;
        let not_empty =
            |what: &str| AppError::NotEmpty { repository: repository.to_owned(), what: what.to_owned() };
        let two = Paging { prefix: String::new(), after: None, amount: 2 };
        let branches = opened.list_branches(&two, true).await?.results;
        if branches.len() > 1 {
            return Err(not_empty("several branches"));
        }
        if !opened.list_tags(&two).await?.results.is_empty() {
            return Err(not_empty("tags"));
        }
        for branch in branches {
            if !opened.list(branch.name.as_str(), "", None, None, 1).await?.results.is_empty() {
                return Err(not_empty("objects"));
            }
            let log = LogRequest { amount: 2, ..LogRequest::default() };
            if opened.log(branch.name.as_str(), &log).await?.results.len() > 1 {
                return Err(not_empty("commits"));
            }
        }
        Ok(self.catalog().delete_repository(&opened.info().name).await?)
    }

    /// Walks and verifies everything that a repository's refs reach.
    pub async fn fsck(&self, who: &Principal, repository: &str) -> Result<FsckReport, AppError> {
        Ok(self.open(who, Action::CheckRepository, repository).await?.fsck().await?)
    }
}
