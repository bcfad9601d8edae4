//! A catalog over stores in memory, and short words for what tests do with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::Registry;
use anabranch_refs::{MemoryStore, RefsBackend, StagingStore};
use anabranch_repository::{
    Actor, Catalog, CatalogParts, CommitInfo, CommitRequest, CreateRepository, Listed, MergeAnswer,
    MergeRequest, Paging, PickRequest, Repository, RepositoryError, StorageOpener, WriteCondition,
};
use anabranch_storage::{ObjectStorage, StorageError, open_memory};
use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Address, BranchName, Checksum, Clock, Entry, IdSource, ObjectPath, RepositoryName};
use async_trait::async_trait;

/// What outlives a process.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) refs: Arc<dyn RefsBackend>,
    pub(crate) staging: Arc<dyn StagingStore>,
    pub(crate) storage: Arc<dyn ObjectStorage>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Arc<SeededIds>,
}

impl Disk {
    pub(crate) fn new() -> Disk {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let storage = open_memory("test");
        Disk {
            refs: Arc::clone(&store) as _,
            staging: store,
            storage,
            clock,
            ids: Arc::new(SeededIds::new(1)),
        }
    }

    /// A new process over what is there.
    pub(crate) fn catalog(&self) -> Catalog {
        self.catalog_with(Registry::new())
    }

    /// A new process that has these mergers.
    pub(crate) fn catalog_with(&self, registry: Registry) -> Catalog {
        Catalog::new(CatalogParts {
            refs: Arc::clone(&self.refs),
            staging: Arc::clone(&self.staging),
            storages: Arc::new(OneStorage(Arc::clone(&self.storage))),
            registry: Arc::new(registry),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids) as Arc<dyn IdSource>,
            cache_bytes: 64 << 20,
        })
    }

    pub(crate) async fn open(&self) -> Repository {
        self.catalog().repository(&lake_name()).await.unwrap()
    }

    pub(crate) async fn create(&self) -> Repository {
        self.create_with(Registry::new()).await
    }

    pub(crate) async fn create_with(&self, registry: Registry) -> Repository {
        let catalog = self.catalog_with(registry);
        catalog.create_repository(create_request()).await.unwrap();
        catalog.repository(&lake_name()).await.unwrap()
    }
}

pub(crate) fn create_request() -> CreateRepository {
    CreateRepository {
        name: lake_name(),
        storage_namespace: None,
        default_branch: branch("main"),
        metadata: BTreeMap::new(),
    }
}

pub(crate) fn lake_name() -> RepositoryName {
    RepositoryName::new("lake").unwrap()
}

/// Opens the same storage, whatever the namespace.
#[derive(Debug)]
pub(crate) struct OneStorage(pub(crate) Arc<dyn ObjectStorage>);

#[async_trait]
impl StorageOpener for OneStorage {
    async fn open(&self, _: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        Ok(Arc::clone(&self.0))
    }

    fn resolve(
        &self,
        requested: Option<&str>,
        repository: &RepositoryName,
    ) -> Result<String, RepositoryError> {
        Ok(requested.map_or_else(|| format!("mem://{repository}"), str::to_owned))
    }
}

pub(crate) fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

pub(crate) fn path(path: &str) -> ObjectPath {
    ObjectPath::new(path).unwrap()
}

/// What an object holds, in one number; the entity tag follows from it.
pub(crate) fn content_of(entry: &Entry) -> u8 {
    entry.checksum.as_bytes()[0]
}

/// Stores an object with this content: fresh bytes each time.
pub(crate) async fn entry(repository: &Repository, content: u8) -> Entry {
    let body = vec![content; usize::from(content) + 1];
    let address: Address = repository.write_small(body.into()).await.unwrap();
    Entry {
        size: address.length,
        address,
        checksum: Checksum::from_md5([content; 16]),
        parts: 0,
        modified_ms: 1,
        content_type: "text/plain".into(),
        metadata: BTreeMap::new(),
    }
}

pub(crate) async fn put(repository: &Repository, on: &str, at: &str, content: u8) {
    let entry = entry(repository, content).await;
    repository.put(&branch(on), &path(at), entry, WriteCondition::None).await.unwrap();
}

pub(crate) fn commit_request(message: &str) -> CommitRequest {
    CommitRequest {
        message: message.into(),
        committer: Actor("tester".into()),
        metadata: BTreeMap::new(),
        allow_empty: false,
        created_ms: None,
        deadline_ms: None,
    }
}

pub(crate) async fn commit(repository: &Repository, on: &str, message: &str) -> CommitInfo {
    repository.commit(&branch(on), commit_request(message)).await.unwrap()
}

pub(crate) fn merge_request(message: &str) -> MergeRequest {
    MergeRequest {
        message: Some(message.into()),
        committer: Actor("tester".into()),
        metadata: BTreeMap::new(),
        strategy: None,
        by_rows: false,
        allow_empty: false,
        squash: false,
        preview: None,
        deadline_ms: None,
    }
}

pub(crate) async fn merge(repository: &Repository, source: &str, into: &str, message: &str) -> MergeAnswer {
    repository.merge(source, &branch(into), merge_request(message)).await.unwrap()
}

pub(crate) fn pick_request(reference: &str, parent_number: usize, message: &str) -> PickRequest {
    PickRequest {
        reference: reference.into(),
        parent_number,
        message: Some(message.into()),
        committer: Actor("tester".into()),
        metadata: BTreeMap::new(),
        allow_empty: false,
        deadline_ms: None,
    }
}

pub(crate) fn paging(amount: usize) -> Paging {
    Paging { prefix: String::new(), after: None, amount }
}

/// Every object at a ref and its content, through pages of `amount`.
pub(crate) async fn contents(
    repository: &Repository,
    reference: &str,
    amount: usize,
) -> BTreeMap<String, u8> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = repository.list(reference, "", None, after.as_deref(), amount).await.unwrap();
        for line in &page.results {
            match line {
                Listed::Object(object) => {
                    all.insert(object.path.as_str().to_owned(), content_of(&object.entry));
                }
                Listed::CommonPrefix(prefix) => panic!("{prefix} without a delimiter"),
            }
        }
        if !page.more {
            return all;
        }
        after = Some(page.next);
    }
}
