//! What can go wrong with an object storage.

use std::sync::Arc;

/// A storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object has this key.
    #[error("object {key} does not exist in {storage}")]
    NotFound {
        /// The key.
        key: String,
        /// Which storage.
        storage: String,
    },
    /// The object is shorter than the range that was asked for.
    #[error("object {key} has {size} bytes; bytes {start}..{end} were asked for")]
    RangeOutside {
        /// The key.
        key: String,
        /// The size of the object.
        size: u64,
        /// First byte asked for.
        start: u64,
        /// One past the last byte asked for.
        end: u64,
    },
    /// The key cannot be stored: empty, too long, or with a segment that a folder would resolve.
    #[error("object key {key:?} is refused: {rule}")]
    InvalidKey {
        /// The key, cut to a length that can be shown.
        key: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The disk or the quota is full. Nothing became visible.
    #[error("no space left in {storage} while writing {key}")]
    Full {
        /// The key.
        key: String,
        /// Which storage.
        storage: String,
    },
    /// The write may have landed or not, and the storage could not be asked.
    #[error("it is not known whether the write of {key} to {storage} landed")]
    Unknown {
        /// The key.
        key: String,
        /// Which storage.
        storage: String,
        /// What the storage said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the storage held is gone for good (a memory storage after a restart).
    #[error("{storage} is gone: {reason}")]
    Gone {
        /// Which storage.
        storage: String,
        /// Why.
        reason: String,
    },
    /// The storage does not answer, or says that it cannot now. Nothing became visible.
    #[error("{action} of {key}: {storage} does not answer")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The key or the prefix.
        key: String,
        /// Which storage.
        storage: String,
        /// What the storage, or the network, said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object outside this server's storages that may not be read, or no longer can.
    #[error("{address} cannot be read: {reason}")]
    Withdrawn {
        /// Its URL.
        address: String,
        /// Why, and what is allowed.
        reason: String,
    },
    /// Anything else that the storage said.
    #[error("{action} of {key} in {storage} failed")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The key or the prefix.
        key: String,
        /// Which storage.
        storage: String,
        /// What the storage said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StorageError {
    /// The same error once more, for another caller that waited for the same write.
    pub(crate) fn share(this: &Arc<Self>) -> StorageError {
        match this.as_ref() {
            StorageError::NotFound { key, storage } => {
                StorageError::NotFound { key: key.clone(), storage: storage.clone() }
            }
            StorageError::RangeOutside { key, size, start, end } => {
                StorageError::RangeOutside { key: key.clone(), size: *size, start: *start, end: *end }
            }
            StorageError::InvalidKey { key, rule } => StorageError::InvalidKey { key: key.clone(), rule },
            StorageError::Full { key, storage } => {
                StorageError::Full { key: key.clone(), storage: storage.clone() }
            }
            StorageError::Unknown { key, storage, .. } => StorageError::Unknown {
                key: key.clone(),
                storage: storage.clone(),
                source: Box::new(SharedSource(Arc::clone(this))),
            },
            StorageError::Gone { storage, reason } => {
                StorageError::Gone { storage: storage.clone(), reason: reason.clone() }
            }
            StorageError::Unavailable { action, key, storage, .. } => StorageError::Unavailable {
                action,
                key: key.clone(),
                storage: storage.clone(),
                source: Box::new(SharedSource(Arc::clone(this))),
            },
            StorageError::Withdrawn { address, reason } => {
                StorageError::Withdrawn { address: address.clone(), reason: reason.clone() }
            }
            StorageError::Failed { action, key, storage, .. } => StorageError::Failed {
                action,
                key: key.clone(),
                storage: storage.clone(),
                source: Box::new(SharedSource(Arc::clone(this))),
            },
        }
    }
}

/// Stands for the source of an error that several callers share.
#[derive(Debug)]
struct SharedSource(Arc<StorageError>);

impl SharedSource {
    fn source_of_shared(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self.0.as_ref())
    }
}

impl std::fmt::Display for SharedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source_of_shared() {
            Some(source) => write!(f, "{source}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for SharedSource {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source_of_shared().and_then(std::error::Error::source)
    }
}
