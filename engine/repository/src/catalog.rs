//! The repositories of a server: making, finding, listing and deleting them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_merge::Registry;
use anabranch_refs::{Expect, RefsBackend, ScanRange, StagingStore, VALUE_BYTES_MAX, Version, Versioned};
use anabranch_storage::{ImportSource, ObjectStorage, StorageError};
use anabranch_types::{Clock, IdSource, RepositoryName};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::claims::{self, Claimed};
use crate::ledger::{Ledger, Swap};
use crate::paging::{page_amount, paged};
use crate::record::{self, RepositoryRecord, RepositoryUid, is_repository_key};
use crate::staging_view::TRIES_MAX;
use crate::{CreateRepository, Paged, Paging, Repository, RepositoryError, RepositoryInfo};

/// Opens the object storage of a repository. The binary implements it: only it names concrete storages.
#[async_trait]
pub trait StorageOpener: Send + Sync + fmt::Debug {
    /// Opens the storage of `namespace`, as [`StorageOpener::resolve`] answered it. Called once per repository
    /// and process. A `mem://` namespace of an earlier process is [`StorageError::Gone`].
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError>;

    /// The namespace of a new repository: `requested` when it is one that this server takes, a local folder of the
    /// repository's own name when nothing is requested.
    ///
    /// # Errors
    /// [`RepositoryError::Invalid`] for a namespace that this server does not take, saying which it takes.
    fn resolve(
        &self,
        requested: Option<&str>,
        repository: &RepositoryName,
    ) -> Result<String, RepositoryError>;

    /// The source of imports that holds `address`, a URL of an object or of a prefix, and its key there.
    ///
    /// # Errors
    /// [`StorageError::Withdrawn`] for an address that this server may not read, saying which it may. Asked again
    /// at every read of an imported object.
    fn source(&self, address: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        Err(StorageError::Withdrawn {
            address: address.to_owned(),
            reason: "this server reads no sources of imports".to_owned(),
        })
    }
}

/// What a [`Catalog`] works with.
#[derive(Clone)]
pub struct CatalogParts {
    /// Refs and records.
    pub refs: Arc<dyn RefsBackend>,
    /// Uncommitted changes; must be the same store as `refs`, whose branch records fence it.
    pub staging: Arc<dyn StagingStore>,
    /// Opens object storages.
    pub storages: Arc<dyn StorageOpener>,
    /// Which mergers there are, and what they take.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// How many bytes of decoded tree nodes are kept per repository.
    pub cache_bytes: u64,
}

/// All repositories of a server. Cheap to clone; clones share caches and commit queues.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    parts: CatalogParts,
    ledger: Ledger,
    /// Handles by uid. They hold only what is immutable, so that they live as long as this catalog.
    open: Mutex<HashMap<RepositoryUid, Arc<OnceCell<Repository>>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

impl Catalog {
    /// The catalog over these parts. Reads nothing.
    pub fn new(parts: CatalogParts) -> Catalog {
        let ledger = Ledger::new(Arc::clone(&parts.refs));
        Catalog { inner: Arc::new(Inner { parts, ledger, open: Mutex::default() }) }
    }

    /// Makes a repository with its default branch, whose head is a first commit without objects.
    ///
    /// Atomic: of several racing calls for one name exactly one succeeds; a crash leaves the name free.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`] for a name that is taken, [`RepositoryError::Invalid`] for a namespace that
    /// this server does not take, or that equals, holds or lies inside another repository's.
    pub async fn create_repository(
        &self,
        request: CreateRepository,
    ) -> Result<RepositoryInfo, RepositoryError> {
        let CreateRepository { name, storage_namespace, default_branch, metadata } = request;
        let exists = || RepositoryError::AlreadyExists { kind: "repository", name: name.to_string() };
        let parts = &self.inner.parts;
        let storage_namespace = parts.storages.resolve(storage_namespace.as_deref(), &name)?;
        if self.inner.find(&name).await?.is_some() {
            return Err(exists());
        }
        let record = RepositoryRecord {
            uid: RepositoryUid(parts.ids.id16()),
            tree_seed: parts.ids.seed64(),
            created_ms: parts.clock.now_ms(),
            storage_namespace,
            default_branch,
            metadata,
        };
        checked_value(&name, &record)?;
        // Looked at before anything is written there; decided when the name is taken.
        if let Some(holder) = self.namespace_holder(&record.storage_namespace).await? {
            return Err(if holder == name {
                exists()
            } else {
                claims::taken(&record.storage_namespace, &holder)
            });
        }
        let repository = self.inner.open(&name, &record).await?;
        repository.inner.insert_first_commit().await?;
        // The name comes last: until then nobody sees what a crash leaves behind.
        match claims::insert(&self.inner.ledger, parts.ids.as_ref(), &name, &record).await {
            Ok(Claimed::Done) => Ok(record.info(&name)),
            Ok(Claimed::NameTaken) => {
                self.inner.close(record.uid);
                Err(exists())
            }
            Err(error) => {
                self.inner.close(record.uid);
                Err(error)
            }
        }
    }

    /// The source of imports that holds `address`, and its key there. See [`StorageOpener::source`].
    pub fn source(&self, address: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        self.inner.parts.storages.source(address)
    }

    /// The repository whose objects `namespace` equals, holds or lies inside.
    pub async fn namespace_holder(&self, namespace: &str) -> Result<Option<RepositoryName>, RepositoryError> {
        claims::holder(&self.inner.ledger, self.inner.parts.ids.as_ref(), namespace).await
    }

    /// A handle of the repository. Cheap; reads the repository's record, so that a deleted one is noticed.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Gone`] when its storage ended with an earlier process.
    pub async fn repository(&self, name: &RepositoryName) -> Result<Repository, RepositoryError> {
        let found = self.inner.find(name).await?;
        let (record, _) = found.ok_or_else(|| RepositoryError::not_found("repository", name))?;
        self.inner.open(name, &record).await
    }

    /// What people see of a repository, also when its storage is gone.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn repository_info(&self, name: &RepositoryName) -> Result<RepositoryInfo, RepositoryError> {
        let found = self.inner.find(name).await?;
        let (record, _) = found.ok_or_else(|| RepositoryError::not_found("repository", name))?;
        Ok(record.info(name))
    }

    /// Changes what is attached to a repository, and answers all of it.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Invalid`] when it becomes too large.
    pub async fn change_metadata(
        &self,
        name: &RepositoryName,
        change: impl Fn(&mut BTreeMap<String, String>) + Send + Sync,
    ) -> Result<BTreeMap<String, String>, RepositoryError> {
        let parts = &self.inner.parts;
        for _ in 0..TRIES_MAX {
            let found = self.inner.find(name).await?;
            let (mut record, version) =
                found.ok_or_else(|| RepositoryError::not_found("repository", name))?;
            change(&mut record.metadata);
            let value = checked_value(name, &record)?;
            let (action, partition, expect) =
                ("changing a repository", record::repositories(), Expect::Is(version));
            let put = self.inner.ledger.put(
                action,
                &partition,
                name.as_str(),
                expect,
                (value, None),
                parts.ids.as_ref(),
            );
            if let Swap::Done(_) = put.await? {
                return Ok(record.metadata);
            }
        }
        Err(RepositoryError::busy("repository", name, TRIES_MAX))
    }

    /// A page of repositories, in order of name.
    pub async fn list_repositories(&self, paging: &Paging) -> Result<Paged<RepositoryInfo>, RepositoryError> {
        let after = paging.after.clone().filter(|after| !after.is_empty());
        let range = ScanRange { prefix: paging.prefix.clone(), after };
        let amount = page_amount(paging.amount);
        // One more is read than is shown, because claims follow the names.
        let partition = record::repositories();
        let page = self.inner.ledger.scan("listing repositories", &partition, &range, amount + 1).await?;
        let mut rows: Vec<_> = page.rows.into_iter().filter(|(key, _)| is_repository_key(key)).collect();
        let more = rows.len() > amount;
        rows.truncate(amount);
        let last = rows.last().map(|(name, _)| name.clone()).unwrap_or_default();
        let info = |(name, row): (String, Versioned)| {
            let record = decode(&name, &row.value)?;
            let name =
                RepositoryName::new(name).map_err(|why| RepositoryError::damaged("a repository", why))?;
            Ok(record.info(&name))
        };
        let results: Result<Vec<_>, RepositoryError> = rows.into_iter().map(info).collect();
        Ok(paged(results?, more, last))
    }

    /// Deletes a repository: its name and its namespace are free at once. Its objects stay where they are.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn delete_repository(&self, name: &RepositoryName) -> Result<(), RepositoryError> {
        let found = self.inner.find(name).await?;
        let (record, version) = found.ok_or_else(|| RepositoryError::not_found("repository", name))?;
        let ids = self.inner.parts.ids.as_ref();
        if !claims::remove(&self.inner.ledger, ids, name, &record, version).await? {
            return Err(RepositoryError::not_found("repository", name));
        }
        self.inner.close(record.uid);
        Ok(())
    }
}

impl Inner {
    async fn find(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<(RepositoryRecord, Version)>, RepositoryError> {
        let partition = record::repositories();
        let row = self.ledger.get("reading a repository", &partition, name.as_str()).await?;
        row.map(|row| Ok((decode(name.as_str(), &row.value)?, row.version))).transpose()
    }

    async fn open(
        &self,
        name: &RepositoryName,
        record: &RepositoryRecord,
    ) -> Result<Repository, RepositoryError> {
        let cell = Arc::clone(self.handles().entry(record.uid).or_default());
        let open = || async {
            let storage = self.parts.storages.open(&record.storage_namespace).await;
            let storage = storage.map_err(RepositoryError::storage(name))?;
            Ok(Repository::open(&self.parts, name, record, storage))
        };
        cell.get_or_try_init(open).await.cloned()
    }

    fn close(&self, uid: RepositoryUid) {
        self.handles().remove(&uid);
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<RepositoryUid, Arc<OnceCell<Repository>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a record, if the ref-store takes it.
fn checked_value(name: &RepositoryName, record: &RepositoryRecord) -> Result<Vec<u8>, RepositoryError> {
    let value = record.encode();
    match value.len() > VALUE_BYTES_MAX {
        false => Ok(value),
        true => Err(RepositoryError::invalid(format!(
            "the metadata of repository {name} takes more than {VALUE_BYTES_MAX} bytes"
        ))),
    }
}

fn decode(name: &str, value: &[u8]) -> Result<RepositoryRecord, RepositoryError> {
    RepositoryRecord::decode(value).map_err(|why| RepositoryError::damaged(format!("repository {name}"), why))
}
