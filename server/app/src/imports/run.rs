//! The work of an import. At-least-once: everything here can be done twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_repository::{
    Actor, CommitInfo, CommitRequest, MergeAnswer, MergeRequest, Repository, RepositoryError,
};
use anabranch_storage::{ImportSource, SourceObject};
use anabranch_types::{Address, BranchName, Checksum, Entry, ObjectKey, ObjectPath};
use futures::TryStreamExt;
use md5::{Digest, Md5};

use super::record::{Held, LEASE_MS, SourceRecord, Stage};
use super::remove_own_branch;
use crate::links::parse_etag;
use crate::{App, AppError};

/// How many objects are staged at once.
const GROUP: usize = 1_000;
/// After how many groups the record is written.
const GROUPS_PER_SAVE: usize = 10;
/// How often it is begun before the import counts as failed.
const ATTEMPTS_MAX: u32 = 4;
/// How many paths in the way a message names.
const PATHS_SHOWN: usize = 5;

/// A source that is open, and the key or prefix in it.
pub(crate) type Opened = (Arc<dyn ImportSource>, String);

/// Why work on an import ends before its commit.
enum Stop {
    /// Somebody else has it, or it was cancelled.
    Lost,
    /// It cannot be done; what the client reads.
    Failed(String),
    /// The server failed. It is tried again when the lease ends.
    Broken(AppError),
}

impl From<AppError> for Stop {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Internal(_) | AppError::Unavailable(_) | AppError::Busy { .. } => Stop::Broken(error),
            error => Stop::Failed(error.to_string()),
        }
    }
}

impl From<RepositoryError> for Stop {
    fn from(error: RepositoryError) -> Self {
        AppError::from(error).into()
    }
}

impl App {
    /// Works on an import until it ends or somebody else has it.
    pub(super) async fn run_import(self, mut held: Held) {
        let id = held.id.clone();
        if let Err(error) = self.run_to_end(&mut held).await {
            // Nobody waits for this; the record says how far it came, and the lease ends.
            tracing::error!(import = %id, %error, source = ?std::error::Error::source(&error), "an import broke off");
        }
    }

    async fn run_to_end(&self, held: &mut Held) -> Result<(), AppError> {
        let repository = self.catalog().repository(&held.repository).await?;
        if repository.info().created_ms != held.record.repository_created_ms {
            return self.forget_import(held).await;
        }
        held.record.stage = match self.import(&repository, held).await {
            Ok(commit) => Stage::Done(commit.id.to_hex()),
            Err(Stop::Lost) => return Ok(()),
            Err(Stop::Failed(message)) => Stage::Failed(message),
            Err(Stop::Broken(error)) if held.record.attempt < ATTEMPTS_MAX => return Err(error),
            Err(Stop::Broken(error)) => {
                tracing::error!(import = %held.id, %error, source = ?std::error::Error::source(&error), "an import failed");
                Stage::Failed("the server failed: its log has the reason".into())
            }
        };
        if self.save_import(held).await? {
            remove_own_branch(&repository, held).await?;
        }
        Ok(())
    }

    async fn import(&self, repository: &Repository, held: &mut Held) -> Result<CommitInfo, Stop> {
        let own = BranchName::new(held.own_branch()).map_err(AppError::from)?;
        match repository.create_branch(&own, &held.record.branch, true).await {
            Ok(_) | Err(RepositoryError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if held.record.stage == Stage::Staging {
            self.stage_sources(repository, &own, held).await?;
            held.record.stage = Stage::Publishing;
            self.keep(held).await?;
        }
        self.publish(repository, &own, held).await
    }

    /// Writes the record; fails if somebody else did.
    async fn keep(&self, held: &mut Held) -> Result<(), Stop> {
        match self.save_import(held).await? {
            true => Ok(()),
            false => Err(Stop::Lost),
        }
    }

    async fn stage_sources(
        &self,
        repository: &Repository,
        own: &BranchName,
        held: &mut Held,
    ) -> Result<(), Stop> {
        while let Some(source) = held.record.sources.get(held.record.at.0).cloned() {
            let (opened, key) = self.source_of(&source.url).await?;
            if source.single {
                let found = opened.find(&key).await.map_err(|error| unreadable(&source.url, error))?;
                let path = ObjectPath::new(&*source.destination).map_err(AppError::from)?;
                repository.put_many(own, vec![(path, entry_of(&source.url, &found))]).await?;
                held.record.ingested += 1;
            } else {
                self.stage_prefix(repository, own, held, &source, (opened, key)).await?;
            }
            held.record.at = (held.record.at.0 + 1, None);
            self.keep(held).await?;
        }
        Ok(())
    }

    async fn stage_prefix(
        &self,
        repository: &Repository,
        own: &BranchName,
        held: &mut Held,
        source: &SourceRecord,
        (opened, prefix): Opened,
    ) -> Result<(), Stop> {
        let objects = opened.list(&prefix, held.record.at.1.as_deref());
        let mut groups = std::pin::pin!(objects.try_chunks(GROUP));
        let mut groups_unsaved = 0;
        while let Some(group) = groups.try_next().await.map_err(|broken| unreadable(&source.url, broken.1))? {
            let mut rows = Vec::with_capacity(group.len());
            for object in &group {
                let Some(rest) = object.key.strip_prefix(&prefix).filter(|rest| !rest.is_empty()) else {
                    continue;
                };
                let path =
                    ObjectPath::new(format!("{}{rest}", source.destination)).map_err(AppError::from)?;
                rows.push((path, entry_of(&format!("{}{rest}", source.url), object)));
            }
            held.record.ingested = held.record.ingested.saturating_add(rows.len() as u64);
            held.record.at.1 = group.last().map(|object| object.key.clone());
            repository.put_many(own, rows).await?;
            groups_unsaved += 1;
            let lease_half_over = held.record.lease_until_ms.saturating_sub(self.now_ms()) < LEASE_MS / 2;
            if groups_unsaved >= GROUPS_PER_SAVE || lease_half_over {
                self.keep(held).await?;
                groups_unsaved = 0;
            }
        }
        Ok(())
    }

    /// Commits what is staged, and merges it into the destination as one commit.
    async fn publish(
        &self,
        repository: &Repository,
        own: &BranchName,
        held: &Held,
    ) -> Result<CommitInfo, Stop> {
        let record = &held.record;
        let committer = || Actor(record.committer.clone());
        let commit = CommitRequest {
            message: record.message.clone(),
            committer: committer(),
            metadata: record.metadata.clone(),
            allow_empty: record.allow_empty,
            created_ms: None,
            deadline_ms: Some(self.deadline_ms()),
        };
        match repository.commit(own, commit).await {
            // Nothing to commit: either all of it was there, or an earlier attempt came this far.
            Ok(_) | Err(RepositoryError::NothingToCommit { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let destination = BranchName::new(&*record.branch).map_err(AppError::from)?;
        let merge = MergeRequest {
            message: Some(record.message.clone()),
            committer: committer(),
            metadata: record.metadata.clone(),
            strategy: None,
            by_rows: false,
            allow_empty: record.allow_empty,
            squash: true,
            preview: None,
            deadline_ms: Some(self.deadline_ms()),
        };
        match repository.merge(own.as_str(), &destination, merge).await? {
            MergeAnswer::Merged { commit, .. } => Ok(commit),
            // An earlier attempt may have published it before it could say so.
            MergeAnswer::NoChanges { .. } if record.attempt > 1 => {
                Ok(repository.commit_info(destination.as_str()).await?)
            }
            MergeAnswer::NoChanges { .. } => Err(Stop::Failed(format!(
                "no changes: {destination} has everything that the sources hold, or they hold nothing"
            ))),
            MergeAnswer::Conflicts { conflicts, .. } => Err(Stop::Failed(format!(
                "{destination} changed {} of what was imported meanwhile, the first at {}: import again",
                conflicts.len(),
                conflicts.first().map(|conflict| conflict.path.to_string()).unwrap_or_default()
            ))),
            MergeAnswer::StalePreview { .. } => {
                Err(Stop::Failed(format!("{destination} moved while the import was published: import again")))
            }
            MergeAnswer::StagedInTheWay { paths } => Err(Stop::Failed(format!(
                "uncommitted changes on {destination} stand where the import would write: {}. Commit or reset them first",
                paths.iter().take(PATHS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

fn unreadable(url: &str, error: anabranch_storage::StorageError) -> Stop {
    use anabranch_storage::StorageError;
    match error {
        StorageError::NotFound { .. } => Stop::Failed(format!("{url} does not exist")),
        error @ (StorageError::Withdrawn { .. } | StorageError::InvalidKey { .. }) => {
            Stop::Failed(error.to_string())
        }
        error => Stop::Broken(AppError::internal(error)),
    }
}

/// The entry that points to an object of a source.
pub(crate) fn entry_of(url: &str, object: &SourceObject) -> Entry {
    let (checksum, parts) = parse_etag(&object.etag).unwrap_or_else(|| (made_up(url, object), 0));
    Entry {
        address: Address { object: ObjectKey::new(url), offset: 0, length: object.size },
        size: object.size,
        checksum,
        parts,
        modified_ms: object.modified_ms,
        content_type: "application/octet-stream".into(),
        metadata: BTreeMap::new(),
    }
}

/// A checksum for an object whose source does not know its MD5, and whose bytes are not read: it names the version of the
/// object at its place, so that another version, and another object, has another one.
fn made_up(url: &str, object: &SourceObject) -> Checksum {
    let mut hasher = Md5::new();
    for field in [url, &object.etag, &object.size.to_string()] {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    Checksum::from_md5(hasher.finalize().into())
}
