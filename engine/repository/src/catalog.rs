//! The repositories of a server: making, finding, listing and deleting them.

use std::fmt;
use std::sync::Arc;

use anabranch_merge::Registry;
use anabranch_refs::{RefsBackend, StagingStore};
use anabranch_storage::{ObjectStorage, StorageError};
use anabranch_types::{Clock, IdSource, RepositoryName};
use async_trait::async_trait;

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

#[allow(dead_code)]
struct Inner {
    parts: CatalogParts,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

impl Catalog {
    /// The catalog over these parts. Reads nothing.
    pub fn new(parts: CatalogParts) -> Catalog {
        Catalog { inner: Arc::new(Inner { parts }) }
    }

    /// Makes a repository with its default branch, whose head is a first commit without objects.
    ///
    /// Atomic: of several racing calls for one name exactly one succeeds; a crash leaves the name free.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`] for a name that is taken, [`RepositoryError::Invalid`] for a namespace that
    /// this server does not take.
    pub async fn create_repository(
        &self,
        request: CreateRepository,
    ) -> Result<RepositoryInfo, RepositoryError> {
        let _ = (request, &self.inner);
        Err(crate::error::unfinished())
    }

    /// A handle of the repository. Cheap; reads the repository's record, so that a deleted one is noticed.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Gone`] when its storage ended with an earlier process.
    pub async fn repository(&self, name: &RepositoryName) -> Result<Repository, RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }

    /// A page of repositories, in order of name.
    pub async fn list_repositories(&self, paging: &Paging) -> Result<Paged<RepositoryInfo>, RepositoryError> {
        let _ = paging;
        Err(crate::error::unfinished())
    }

    /// Deletes a repository: its name is free at once. Its objects stay where they are.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn delete_repository(&self, name: &RepositoryName) -> Result<(), RepositoryError> {
        let _ = name;
        Err(crate::error::unfinished())
    }
}
