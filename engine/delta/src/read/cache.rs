//! Log states that were read before, found by the content of the log that they are the state of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_types::Entry;

use super::listing::LogListing;
use crate::limits::{CACHED_FILES_MAX, CACHED_SNAPSHOTS_MAX};
use crate::snapshot::Snapshot;

/// Names the content of a log up to one version.
pub(crate) type LogKey = [u8; 32];

/// Keeps log states. What is kept is immutable, so a hit is always right.
#[derive(Default)]
pub(crate) struct SnapshotCache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    snapshots: HashMap<LogKey, (u64, Arc<Snapshot>)>,
    tick: u64,
}

impl SnapshotCache {
    /// The state of the log that `key` names.
    pub(crate) fn get(&self, key: &LogKey) -> Option<Arc<Snapshot>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let (used, snapshot) = kept.snapshots.get_mut(key)?;
        *used = tick;
        Some(snapshot.clone())
    }

    /// Keeps a state; what was not used for longest gives way.
    pub(crate) fn put(&self, key: LogKey, snapshot: Arc<Snapshot>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        kept.snapshots.insert(key, (tick, snapshot));
        loop {
            let files: usize =
                kept.snapshots.values().map(|(_, kept)| kept.files.len() + kept.tombstones.len()).sum();
            let too_many = kept.snapshots.len() > CACHED_SNAPSHOTS_MAX || files > CACHED_FILES_MAX;
            let oldest = kept.snapshots.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            match oldest {
                Some(oldest) if too_many && kept.snapshots.len() > 1 => kept.snapshots.remove(&oldest),
                _ => break,
            };
        }
    }
}

/// The keys of a log's states from `start` on: one for each version, a chain over the commits.
///
/// The chain begins with the checkpoint at `start`, or with nothing when `start` is `None` and the log begins with
/// version 0. Equal keys mean equal bytes: address and checksum of every object are part of them.
pub(crate) fn chain(listing: &LogListing, start: Option<u64>, until: u64) -> Vec<(u64, LogKey)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"delta log v1");
    let mut keys = Vec::new();
    if let Some((version, checkpoint)) =
        start.and_then(|version| Some((version, listing.checkpoints.get(&version)?)))
    {
        for (path, entry) in &checkpoint.parts {
            hasher.update(path.as_bytes());
            update(&mut hasher, entry);
        }
        keys.push((version, *hasher.finalize().as_bytes()));
    }
    let from = start.map_or(0, |version| version.saturating_add(1));
    if from > until {
        return keys;
    }
    for (version, entry) in listing.commits.range(from..=until) {
        hasher.update(&version.to_le_bytes());
        update(&mut hasher, entry);
        keys.push((*version, *hasher.finalize().as_bytes()));
    }
    keys
}

fn update(hasher: &mut blake3::Hasher, entry: &Entry) {
    let object = entry.address.object.as_str();
    hasher.update(&(object.len() as u64).to_le_bytes());
    hasher.update(object.as_bytes());
    hasher.update(&entry.address.offset.to_le_bytes());
    hasher.update(&entry.address.length.to_le_bytes());
    hasher.update(entry.checksum.as_bytes());
    hasher.update(&entry.modified_ms.to_le_bytes());
}
