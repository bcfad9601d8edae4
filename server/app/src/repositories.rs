//! Repositories: create, look up, list, delete, check.

use std::collections::BTreeMap;

use anabranch_auth::{Action, Principal, Resource, authorize};
use anabranch_repository::{
    Actor, CommitRequest, CreateRepository, FsckReport, LogRequest, Paged, Paging, RepositoryInfo,
};
use anabranch_types::{BranchName, Entry, ObjectPath, RepositoryName};
use bytes::Bytes;
use futures::stream::{self, StreamExt};

use crate::app::permit;
use crate::body::{Announced, take_in};
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

    /// Makes a repository whose default branch begins with a commit of the sample data.
    pub async fn create_sample_repository(
        &self,
        who: &Principal,
        input: CreateRepositoryInput,
    ) -> Result<RepositoryInfo, AppError> {
        let info = self.create_repository(who, input).await?;
        let repository = self.catalog().repository(&info.name).await?;
        let mut entries = Vec::with_capacity(self.settings.samples.len());
        for sample in self.settings.samples {
            let body = stream::once(async { Ok(Bytes::from_static(sample.bytes)) }).boxed();
            let intake = take_in(&repository, body, Announced::default()).await?;
            let entry = Entry {
                address: intake.address,
                size: intake.size,
                checksum: intake.checksum,
                parts: 0,
                modified_ms: self.now_ms(),
                content_type: sample.content_type.to_owned(),
                metadata: BTreeMap::new(),
            };
            entries.push((ObjectPath::new(sample.path)?, entry));
        }
        repository.put_many(&info.default_branch, entries).await?;
        let commit = CommitRequest {
            message: "Add sample data".into(),
            committer: Actor(who.name().to_owned()),
            metadata: BTreeMap::new(),
            allow_empty: true,
            created_ms: None,
            deadline_ms: Some(self.deadline_ms()),
        };
        repository.commit(&info.default_branch, commit).await?;
        Ok(info)
    }

    /// What is attached to a repository.
    pub async fn repository_metadata(
        &self,
        who: &Principal,
        repository: &str,
    ) -> Result<BTreeMap<String, String>, AppError> {
        let opened = self.open(who, Action::ReadRepository, repository).await?;
        // A handle knows what was attached when it was opened.
        Ok(self.catalog().repository_info(opened.name()).await?.metadata)
    }

    /// Attaches `set` to a repository and takes `removed` away, and answers what is attached then.
    pub async fn change_repository_metadata(
        &self,
        who: &Principal,
        repository: &str,
        set: BTreeMap<String, String>,
        removed: Vec<String>,
    ) -> Result<BTreeMap<String, String>, AppError> {
        let opened = self.open(who, Action::ChangeRepository, repository).await?;
        let change = |all: &mut BTreeMap<String, String>| {
            all.extend(set.clone());
            all.retain(|name, _| !removed.contains(name));
        };
        Ok(self.catalog().change_metadata(opened.name(), change).await?)
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
