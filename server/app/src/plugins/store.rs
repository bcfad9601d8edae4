//! Where installed plugins are kept: in the ref-store, so that all servers of an installation have the same ones.
//!
//! The bytes lie in pieces in a partition of their own, under a fresh id, and are written before the record that names
//! them: a crash in between leaves pieces that nothing refers to.

use std::fmt;
use std::sync::Arc;

use anabranch_refs::{
    EDITS_MAX, Edit, Expect, Operation, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    VALUE_BYTES_MAX, Version, WriteId,
};
use anabranch_types::IdSource;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::PluginInfo;
use super::record::{PluginRecord, PluginRecordError, decode, encode};

/// How often a write whose reply was lost is sent, and how often a lost race is run again.
const TRIES_MAX: usize = 20;
/// Pieces written, read or removed in one call.
const PIECES_AT_ONCE: usize = 16;

/// Installed plugins cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginStoreError {
    /// The ref-store failed.
    #[error("the plugins cannot be read or changed")]
    Refs(#[from] RefsError),
    /// A record is damaged, or of a newer server.
    #[error(transparent)]
    Record(#[from] PluginRecordError),
    /// What is stored is not what was installed.
    #[error("the stored bytes of plugin {digest} are damaged: remove it and install it again")]
    Damaged {
        /// The plugin.
        digest: String,
    },
    /// Its description does not fit a record.
    #[error(
        "the plugin describes itself in {bytes} bytes; {max} at most can be kept: shorten its claims or its schema"
    )]
    TooLong {
        /// How long the record would be.
        bytes: usize,
        /// How long one may be.
        max: usize,
    },
    /// Others change it all the time.
    #[error("plugin {digest} is being changed by others: try again")]
    Busy {
        /// The plugin.
        digest: String,
    },
}

/// Installed plugins, by digest. Cheap to clone.
#[derive(Clone)]
pub struct PluginStore {
    refs: Arc<dyn RefsBackend>,
    ids: Arc<dyn IdSource>,
}

impl fmt::Debug for PluginStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginStore").finish_non_exhaustive()
    }
}

fn records() -> Partition {
    Partition("plugins".to_owned())
}

fn pieces(bytes_id: &str) -> Partition {
    Partition(format!("plugin-bytes/{bytes_id}"))
}

fn piece_key(index: usize) -> String {
    format!("{index:06}")
}

impl PluginStore {
    /// The plugins in a ref-store.
    pub fn new(refs: Arc<dyn RefsBackend>, ids: Arc<dyn IdSource>) -> Self {
        PluginStore { refs, ids }
    }

    /// A plugin by its digest (`sha256:…`).
    pub async fn get(&self, digest: &str) -> Result<Option<PluginInfo>, PluginStoreError> {
        Ok(self.read(digest).await?.map(|(record, _)| record.info))
    }

    /// At most `amount` plugins whose digests begin with `prefix`, after the digest `after`, in order, and whether
    /// others follow.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<String>,
        amount: usize,
    ) -> Result<(Vec<PluginInfo>, bool), PluginStoreError> {
        let range = ScanRange { prefix: prefix.to_owned(), after };
        let page = self.refs.scan(&records(), &range, amount).await?;
        let read =
            |(_, row): &(String, anabranch_refs::Versioned)| decode(&row.value).map(|record| record.info);
        Ok((page.rows.iter().map(read).collect::<Result<_, _>>()?, page.more))
    }

    /// The bytes of a plugin, which are those that were installed; `None` where there is no such plugin.
    pub async fn bytes(&self, digest: &str) -> Result<Option<Bytes>, PluginStoreError> {
        let Some((record, _)) = self.read(digest).await? else { return Ok(None) };
        let damaged = || PluginStoreError::Damaged { digest: digest.to_owned() };
        let partition = pieces(&record.bytes_id);
        let mut bytes = BytesMut::new();
        let mut range = ScanRange::default();
        loop {
            let page = self.refs.scan(&partition, &range, PIECES_AT_ONCE).await?;
            for (_, row) in &page.rows {
                bytes.extend_from_slice(&row.value);
            }
            range.after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || range.after.is_none() {
                break;
            }
        }
        let is = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        if is == digest {
            return Ok(Some(bytes.freeze()));
        }
        // Removed while it was read, or really damaged.
        if self.read(digest).await?.is_some() { Err(damaged()) } else { Ok(None) }
    }

    /// Keeps a plugin. Where one of its digest is there already, that one stays as it is. Answers what is kept, and whether this
    /// call brought it: of several at the same time one did.
    pub async fn install(
        &self,
        info: PluginInfo,
        bytes: &Bytes,
    ) -> Result<(PluginInfo, bool), PluginStoreError> {
        let digest = info.description.digest.clone();
        if let Some((record, _)) = self.read(&digest).await? {
            return Ok((record.info, false));
        }
        let bytes_id = hex::encode(self.ids.id16());
        let parts: Vec<Bytes> = split(bytes);
        let pieces_count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let record = PluginRecord { info, bytes_id, pieces: pieces_count };
        let value = encode(&record)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(PluginStoreError::TooLong { bytes: value.len(), max: VALUE_BYTES_MAX });
        }
        self.write_pieces(&record, &parts).await?;
        let edit = Edit { key: digest, expect: Expect::Absent, operation: put(value) };
        match self.apply(&records(), &[edit]).await? {
            RefUpdate::Applied(_) => Ok((record.info, true)),
            // Somebody else installed the same bytes meanwhile.
            RefUpdate::Rejected { actual: Some(actual), .. } => {
                self.remove_pieces(&record).await?;
                Ok((decode(&actual.value)?.info, false))
            }
            // And removed them again.
            RefUpdate::Rejected { actual: None, .. } => {
                self.remove_pieces(&record).await?;
                Err(PluginStoreError::Busy { digest: record.info.description.digest })
            }
        }
    }

    /// Lets merges use a plugin, or not. Answers what it is then; `None` where there is no such plugin.
    pub async fn set_enabled(
        &self,
        digest: &str,
        enabled: bool,
    ) -> Result<Option<PluginInfo>, PluginStoreError> {
        for _ in 0..TRIES_MAX {
            let Some((mut record, version)) = self.read(digest).await? else { return Ok(None) };
            if record.info.enabled == enabled {
                return Ok(Some(record.info));
            }
            record.info.enabled = enabled;
            let operation = put(encode(&record)?);
            let edit = Edit { key: digest.to_owned(), expect: Expect::Is(version), operation };
            if matches!(self.apply(&records(), &[edit]).await?, RefUpdate::Applied(_)) {
                return Ok(Some(record.info));
            }
        }
        Err(PluginStoreError::Busy { digest: digest.to_owned() })
    }

    /// Removes a plugin and its bytes. False where there is no such plugin.
    pub async fn remove(&self, digest: &str) -> Result<bool, PluginStoreError> {
        for _ in 0..TRIES_MAX {
            let Some((record, version)) = self.read(digest).await? else { return Ok(false) };
            let edit =
                Edit { key: digest.to_owned(), expect: Expect::Is(version), operation: Operation::Delete };
            if matches!(self.apply(&records(), &[edit]).await?, RefUpdate::Applied(_)) {
                self.remove_pieces(&record).await?;
                return Ok(true);
            }
        }
        Err(PluginStoreError::Busy { digest: digest.to_owned() })
    }

    async fn read(&self, digest: &str) -> Result<Option<(PluginRecord, Version)>, PluginStoreError> {
        match self.refs.get(&records(), digest).await? {
            None => Ok(None),
            Some(found) => Ok(Some((decode(&found.value)?, found.version))),
        }
    }

    async fn write_pieces(&self, record: &PluginRecord, parts: &[Bytes]) -> Result<(), PluginStoreError> {
        let partition = pieces(&record.bytes_id);
        for (chunk, parts) in parts.chunks(PIECES_AT_ONCE).enumerate() {
            let first = chunk * PIECES_AT_ONCE;
            let edit = |(index, part): (usize, &Bytes)| Edit {
                key: piece_key(first + index),
                expect: Expect::Any,
                operation: Operation::Put { value: part.clone(), fence: None },
            };
            let edits: Vec<Edit> = parts.iter().enumerate().map(edit).collect();
            self.apply(&partition, &edits).await?;
        }
        Ok(())
    }

    async fn remove_pieces(&self, record: &PluginRecord) -> Result<(), PluginStoreError> {
        let partition = pieces(&record.bytes_id);
        let keys: Vec<String> = (0..record.pieces as usize).map(piece_key).collect();
        for keys in keys.chunks(EDITS_MAX) {
            let delete =
                |key: &String| Edit { key: key.clone(), expect: Expect::Any, operation: Operation::Delete };
            self.apply(&partition, &keys.iter().map(delete).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    async fn apply(&self, partition: &Partition, edits: &[Edit]) -> Result<RefUpdate, RefsError> {
        let write_id = WriteId(self.ids.id16());
        let mut tries = 1;
        loop {
            match self.refs.apply(partition, edits, write_id).await {
                Err(RefsError::Unknown { .. }) if tries < TRIES_MAX => tries += 1,
                answer => return answer,
            }
        }
    }
}

fn put(value: Vec<u8>) -> Operation {
    Operation::Put { value: value.into(), fence: None }
}

fn split(bytes: &Bytes) -> Vec<Bytes> {
    let starts = (0..bytes.len()).step_by(VALUE_BYTES_MAX);
    starts.map(|start| bytes.slice(start..bytes.len().min(start + VALUE_BYTES_MAX))).collect()
}

#[cfg(test)]
mod tests {
    use anabranch_refs::MemoryStore;
    use anabranch_types::test_support::{ManualClock, SeededIds};

    use super::*;
    use crate::PluginDescription;

    fn store() -> PluginStore {
        let refs = Arc::new(MemoryStore::new(Arc::new(ManualClock::at(0))));
        PluginStore::new(refs, Arc::new(SeededIds::new(7)))
    }

    fn plugin(bytes: &Bytes) -> PluginInfo {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        let description = PluginDescription { name: "p".into(), digest, ..PluginDescription::default() };
        PluginInfo {
            description,
            size_bytes: bytes.len() as u64,
            enabled: true,
            installed_ms: 1,
            installed_by: "root".into(),
        }
    }

    #[tokio::test]
    async fn what_was_installed_is_read_back_whole_and_goes_whole() {
        let store = store();
        for length in [0, 1, VALUE_BYTES_MAX, VALUE_BYTES_MAX * 40 + 7] {
            let bytes = Bytes::from(vec![length as u8 + 1; length]);
            let info = plugin(&bytes);
            let digest = info.description.digest.clone();
            assert_eq!(store.install(info.clone(), &bytes).await.unwrap(), (info.clone(), true));
            assert_eq!(store.bytes(&digest).await.unwrap(), Some(bytes), "{length}");
            assert_eq!(store.get(&digest).await.unwrap(), Some(info));
            assert!(store.remove(&digest).await.unwrap());
            assert_eq!(store.bytes(&digest).await.unwrap(), None);
            assert!(!store.remove(&digest).await.unwrap());
        }
        assert_eq!(store.list("", None, 10).await.unwrap(), (vec![], false));
    }

    #[tokio::test]
    async fn installing_again_changes_nothing() {
        let store = store();
        let bytes = Bytes::from_static(b"wasm");
        let info = plugin(&bytes);
        let digest = info.description.digest.clone();
        store.install(info.clone(), &bytes).await.unwrap();
        let disabled = store.set_enabled(&digest, false).await.unwrap().unwrap();
        assert!(!disabled.enabled);
        let again = PluginInfo { installed_by: "other".into(), ..info };
        assert_eq!(store.install(again, &bytes).await.unwrap(), (disabled.clone(), false));
        assert_eq!(store.list("", None, 10).await.unwrap().0, vec![disabled]);
    }

    #[tokio::test]
    async fn of_installs_at_the_same_time_one_brings_it() {
        let store = store();
        let bytes = Bytes::from(vec![7; VALUE_BYTES_MAX * 2]);
        let info = plugin(&bytes);
        let installs = (0..4).map(|_| store.install(info.clone(), &bytes));
        let answers: Vec<_> =
            futures::future::join_all(installs).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|(_, is_new)| *is_new).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|(kept, _)| *kept == info));
        assert_eq!(store.bytes(&info.description.digest).await.unwrap(), Some(bytes));
    }

    #[tokio::test]
    async fn a_description_that_fits_no_record_is_refused_and_leaves_nothing() {
        let store = store();
        let bytes = Bytes::from_static(b"wasm");
        let mut info = plugin(&bytes);
        info.description.summary = "x".repeat(VALUE_BYTES_MAX);
        let error = store.install(info, &bytes).await.unwrap_err();
        assert!(matches!(error, PluginStoreError::TooLong { .. }), "{error}");
        assert_eq!(store.list("", None, 10).await.unwrap().0, vec![]);
    }
}
