//! Imports: objects that others wrote become part of a branch, as one commit, without moving a byte.
//!
//! An import stages on a hidden branch of its own and is then merged into its destination in one commit. It goes on
//! after a restart, on whichever server finds it first, from where its record says that it was.

mod record;
mod run;

use anabranch_auth::{Action, Principal};
use anabranch_refs::Version;
use anabranch_repository::{CommitInfo, Repository, RepositoryError};
use anabranch_storage::StorageError;
use anabranch_types::{BranchName, ObjectPath};

use crate::objects::writable;
use crate::{App, AppError, CommitInput};
use record::{Held, ImportRecord, SourceRecord, Stage};
pub(crate) use run::entry_of;

/// For how long the status of an import that ended can be asked for.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// How often a cancellation is tried while the import's record is written.
const TRIES_MAX: usize = 20;

/// Something to be imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportSourceInput {
    /// The URL of an object, or what the URLs of objects begin with.
    pub url: String,
    /// Whether it is one object.
    pub single: bool,
    /// The path of the object, or the folder that the objects come to.
    pub destination: String,
}

/// How far an import is.
#[derive(Clone, PartialEq, Debug)]
pub struct ImportStatus {
    /// Whether it ended well.
    pub completed: bool,
    /// When that was last noted, in milliseconds since the Unix epoch.
    pub updated_ms: i64,
    /// How many objects it has taken.
    pub ingested: u64,
    /// Its commit.
    pub commit: Option<CommitInfo>,
    /// Why it ended without one.
    pub error: Option<String>,
}

impl App {
    /// Begins an import and answers its id. Everything that can be refused at once is.
    pub async fn start_import(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        sources: Vec<ImportSourceInput>,
        commit: CommitInput,
    ) -> Result<String, AppError> {
        let opened = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        self.open_branch(who, Action::CreateCommit, repository, branch).await?;
        let branch = writable(&opened, branch).await?;
        let mut checked = Vec::with_capacity(sources.len());
        for source in sources {
            checked.push(self.checked(source).await?);
        }
        if checked.is_empty() {
            return Err(AppError::Invalid { message: "paths is empty: name what to import".into() });
        }
        let record = ImportRecord {
            format: ImportRecord::format(),
            repository_created_ms: opened.info().created_ms,
            branch: branch.as_str().to_owned(),
            sources: checked,
            message: commit.message,
            metadata: commit.metadata,
            allow_empty: commit.allow_empty,
            committer: who.name().to_owned(),
            stage: Stage::Staging,
            at: (0, None),
            ingested: 0,
            attempt: 1,
            updated_ms: 0,
            lease_until_ms: 0,
        };
        let id = hex::encode(self.parts.ids.id16());
        let repository = opened.info().name.clone();
        let mut held = Held { repository, id: id.clone(), record, version: Version(0) };
        if !self.save_import(&mut held).await? {
            return Err(AppError::internal(std::io::Error::other("a fresh import id was taken")));
        }
        tokio::spawn(self.clone().run_import(held));
        Ok(id)
    }

    /// One source in its final form, or why it is refused.
    async fn checked(&self, source: ImportSourceInput) -> Result<SourceRecord, AppError> {
        let ImportSourceInput { url, single, destination } = source;
        let folder = |text: &str| match text.trim_end_matches('/') {
            "" => String::new(),
            text => format!("{text}/"),
        };
        let source = match single {
            true => SourceRecord { url, single, destination },
            false => SourceRecord { url: folder(&url), single, destination: folder(&destination) },
        };
        self.source_of(&source.url).await?;
        // What the paths begin with must be able to begin one.
        ObjectPath::new(format!("{}{}", source.destination, if single { "" } else { "x" }))?;
        Ok(source)
    }

    /// Opens the source of a URL that may be imported from.
    pub(crate) async fn source_of(&self, url: &str) -> Result<run::Opened, AppError> {
        let opened = self.catalog().source(url).map_err(|error| match error {
            StorageError::Withdrawn { address, reason } => {
                AppError::Invalid { message: format!("{address} cannot be imported: {reason}") }
            }
            error => AppError::internal(error),
        })?;
        // What is in a repository is read by way of its refs, under its permissions.
        if let Some(holder) = self.catalog().namespace_holder(url).await? {
            return Err(AppError::Invalid {
                message: format!(
                    "{url} cannot be imported: the objects of repository {holder} are there; copy them by its refs"
                ),
            });
        }
        Ok(opened)
    }

    /// How far an import is.
    pub async fn import_status(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        id: &str,
    ) -> Result<ImportStatus, AppError> {
        let opened = self.open(who, Action::ReadCommit, repository).await?;
        let record = self.import_of(&opened, branch, id).await?.record;
        let commit = match &record.stage {
            Stage::Done(commit) => Some(opened.commit_info(commit).await?),
            _ => None,
        };
        let error = match record.stage {
            Stage::Failed(message) => Some(message),
            Stage::Cancelled => Some("the import was cancelled".into()),
            Stage::Staging | Stage::Publishing | Stage::Done(_) => None,
        };
        Ok(ImportStatus {
            completed: commit.is_some(),
            updated_ms: record.updated_ms,
            ingested: record.ingested,
            commit,
            error,
        })
    }

    /// Gives an import up that has not begun to publish.
    pub async fn cancel_import(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        id: &str,
    ) -> Result<(), AppError> {
        let opened = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        for _ in 0..TRIES_MAX {
            let mut held = self.import_of(&opened, branch, id).await?;
            match held.record.stage {
                Stage::Staging => held.record.stage = Stage::Cancelled,
                Stage::Cancelled => return Ok(()),
                Stage::Publishing | Stage::Done(_) | Stage::Failed(_) => {
                    return Err(AppError::Conflict {
                        message: format!(
                            "import {id} has ended or is being published: it cannot be cancelled"
                        ),
                    });
                }
            }
            if self.save_import(&mut held).await? {
                return remove_own_branch(&opened, &held).await;
            }
        }
        Err(AppError::Busy {
            kind: "import",
            name: id.chars().take(100).collect(),
            limit: format!("{TRIES_MAX} tries"),
        })
    }

    async fn import_of(&self, repository: &Repository, branch: &str, id: &str) -> Result<Held, AppError> {
        let held = self.import_record(repository.name(), repository.info().created_ms, id).await?;
        match held.record.branch == branch {
            true => Ok(held),
            false => Err(record::no_import(id)),
        }
    }

    /// Goes on with imports that nobody works on any more, and forgets those that ended long ago. Answers how many it
    /// went on with.
    pub async fn resume_imports(&self) -> Result<usize, AppError> {
        let (mut after, mut resumed) = (None, 0);
        loop {
            let (page, next) = self.imports_page(after).await?;
            for mut held in page {
                let record = &mut held.record;
                if record.is_open() && record.lease_until_ms < self.now_ms() {
                    record.attempt = record.attempt.saturating_add(1);
                    if self.save_import(&mut held).await? {
                        resumed += 1;
                        tokio::spawn(self.clone().run_import(held));
                    }
                } else if !record.is_open() && record.updated_ms.saturating_add(KEPT_MS) < self.now_ms() {
                    self.forget_import(&held).await?;
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(resumed),
            }
        }
    }
}

/// Removes what an import has staged.
async fn remove_own_branch(repository: &Repository, held: &Held) -> Result<(), AppError> {
    match repository.delete_branch(&BranchName::new(held.own_branch())?).await {
        Ok(()) | Err(RepositoryError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
