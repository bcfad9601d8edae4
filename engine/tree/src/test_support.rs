//! Entries and packs in memory, for tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use anabranch_types::{Address, Checksum, Entry, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;

use crate::{PackSource, PackedCommits, TreeError, TreeParams, TreeStore};

/// Packs in memory.
#[derive(Default)]
pub(crate) struct MemoryPacks(pub(crate) Mutex<HashMap<ObjectKey, Bytes>>);

impl MemoryPacks {
    pub(crate) fn write(&self, packed: &PackedCommits) {
        let mut packs = self.0.lock().unwrap();
        packs.extend(packed.packs.iter().map(|pack| (pack.key.clone(), pack.bytes.clone())));
    }
}

#[async_trait]
impl PackSource for MemoryPacks {
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError> {
        let packs = self.0.lock().unwrap();
        let bytes = packs.get(pack).ok_or(TreeError::PackMissing { pack: pack.clone() })?;
        if range.end > bytes.len() as u64 {
            return Err(TreeError::PackMissing { pack: pack.clone() });
        }
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }
}

/// A store over `packs` with an empty cache.
pub(crate) fn store_over(packs: &Arc<MemoryPacks>, target: u16) -> Arc<TreeStore> {
    TreeStore::new(packs.clone(), TreeParams { seed: 42, target }, 256 << 20)
}

/// A store without packs.
pub(crate) fn store(target: u16) -> Arc<TreeStore> {
    store_over(&Arc::default(), target)
}

/// An entry that is told apart by `n`.
pub(crate) fn entry(n: u64) -> Entry {
    let mut checksum = [7; 16];
    checksum[..8].copy_from_slice(&n.to_le_bytes());
    Entry {
        address: Address { object: ObjectKey::new(format!("data/{n}")), offset: 0, length: 1000 + n },
        size: 1000 + n,
        checksum: Checksum::from_md5(checksum),
        parts: 0,
        modified_ms: 1_700_000_000_000 + n as i64,
        content_type: "application/octet-stream".to_owned(),
        metadata: BTreeMap::new(),
    }
}

/// Runs a future that is never really waiting.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// A runtime of one thread, for what spawns tasks.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

prop_compose! {
    /// Any entry.
    pub(crate) fn entries()(
        object in prop_oneof![
            "[a-z/]{0,20}",
            (any::<[u8; 12]>(), any::<[u8; 12]>())
                .prop_map(|(slice, id)| crate::node::object_id::two_part_key("data", &slice, &id)),
        ],
        offset in prop_oneof![Just(0), any::<u64>()],
        size in any::<u64>(),
        other_length in proptest::option::weighted(0.1, any::<u64>()),
        checksum in any::<[u8; 16]>(),
        parts in prop_oneof![Just(0), any::<u32>()],
        modified_ms in any::<i64>(),
        content_type in "[a-z/]{0,12}",
        metadata in proptest::collection::btree_map("[a-z]{0,5}", ".{0,8}", 0..3),
    ) -> Entry {
        Entry {
            address: Address { object: ObjectKey::new(object), offset, length: other_length.unwrap_or(size) },
            size,
            checksum: Checksum::from_md5(checksum),
            parts,
            modified_ms,
            content_type,
            metadata,
        }
    }
}
