//! The handle of one repository; what it can do is in the modules beside this one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use anabranch_merge::Registry;
use anabranch_refs::StagingStore;
use anabranch_storage::{ObjectStorage, SegmentWriter, StorageError};
use anabranch_tree::{PackSource, TreeError, TreeParams, TreeStore, new_shared_key};
use anabranch_types::{Clock, IdSource, ObjectKey, RepositoryName};
use async_trait::async_trait;
use bytes::Bytes;

use crate::RepositoryInfo;
use crate::ancestry::Ancestries;
use crate::catalog::CatalogParts;
use crate::commits::CommitCache;
use crate::group::Groups;
use crate::ledger::Ledger;
use crate::merge_times::MergeTimes;
use crate::outside::WithOutside;
use crate::record::{Partitions, RepositoryRecord, RepositoryUid};
use crate::staging_view::FenceHints;

/// The capacity of the first object that small packs share: every repository has one commit.
const FIRST_SHARED_BYTES: u64 = 64 << 10;

/// One repository. Cheap to clone; clones share caches and commit queues. Every call reads the mutable records anew.
#[derive(Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) info: RepositoryInfo,
    /// No other repository has it, not even one of the same name.
    pub(crate) uid: RepositoryUid,
    pub(crate) partitions: Partitions,
    pub(crate) ledger: Ledger,
    pub(crate) staging: Arc<dyn StagingStore>,
    pub(crate) storage: Arc<dyn ObjectStorage>,
    pub(crate) trees: Arc<TreeStore>,
    pub(crate) segments: SegmentWriter,
    pub(crate) small_packs: SegmentWriter,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) commits: CommitCache,
    pub(crate) ancestries: Ancestries,
    pub(crate) groups: Groups,
    pub(crate) merge_times: MergeTimes,
    pub(crate) fences: FenceHints,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.inner.info.name).finish()
    }
}

impl Repository {
    pub(crate) fn open(
        parts: &CatalogParts,
        name: &RepositoryName,
        record: &RepositoryRecord,
        storage: Arc<dyn ObjectStorage>,
    ) -> Repository {
        let storage: Arc<dyn ObjectStorage> =
            Arc::new(WithOutside::new(storage, Arc::clone(&parts.storages)));
        let packs = Arc::new(Packs { storage: Arc::clone(&storage) });
        let cache_bytes = usize::try_from(parts.cache_bytes).unwrap_or(usize::MAX);
        let segments =
            SegmentWriter::new(Arc::clone(&storage), Arc::clone(&parts.clock), Arc::clone(&parts.ids));
        let small_packs = small_packs(&storage, parts);
        let inner = Inner {
            info: record.info(name),
            uid: record.uid,
            partitions: Partitions::of(record.uid),
            ledger: Ledger::new(Arc::clone(&parts.refs)),
            staging: Arc::clone(&parts.staging),
            storage,
            trees: TreeStore::new(packs, TreeParams::new(record.tree_seed), cache_bytes),
            segments,
            small_packs,
            registry: Arc::clone(&parts.registry),
            clock: Arc::clone(&parts.clock),
            ids: Arc::clone(&parts.ids),
            commits: CommitCache::default(),
            ancestries: Ancestries::default(),
            groups: Groups::default(),
            merge_times: MergeTimes::default(),
            fences: FenceHints::default(),
        };
        Repository { inner: Arc::new(inner) }
    }

    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        &self.inner.info.name
    }

    /// What people see of it.
    pub fn info(&self) -> &RepositoryInfo {
        &self.inner.info
    }

    /// Where its objects are, imported ones included.
    pub fn storage(&self) -> &Arc<dyn ObjectStorage> {
        &self.inner.storage
    }
}

/// Writes the packs of small commits: those of commits that are made at the same time in one durable write.
fn small_packs(storage: &Arc<dyn ObjectStorage>, parts: &CatalogParts) -> SegmentWriter {
    let (clock, ids) = (Arc::clone(&parts.clock), Arc::clone(&parts.ids));
    let new_key = Box::new(move || new_shared_key(clock.as_ref(), ids.as_ref()));
    SegmentWriter::with_keys(Arc::clone(storage), FIRST_SHARED_BYTES, new_key)
}

/// The packs of a repository, in its object storage.
struct Packs {
    storage: Arc<dyn ObjectStorage>,
}

#[async_trait]
impl PackSource for Packs {
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError> {
        self.storage.get(pack, Some(range)).await.map_err(|error| match error {
            StorageError::NotFound { .. } | StorageError::RangeOutside { .. } => {
                TreeError::PackMissing { pack: pack.clone() }
            }
            error => TreeError::read(pack, error),
        })
    }
}
