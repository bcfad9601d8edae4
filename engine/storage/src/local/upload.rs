//! An object that arrives in pieces, on its way into a local folder.

use std::io::Write;
use std::sync::Arc;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;

use super::files::{Folder, Temporary, WriteError, failed, write_failed};
use super::layout::Place;
use super::unblocked;
use crate::{ETag, ObjectUpload, PutMode, PutOutcome, StorageError};

/// A file on its way. Dropped, it is removed.
pub(crate) struct LocalUpload {
    folder: Arc<Folder>,
    key: ObjectKey,
    place: Place,
    /// Absent while a write has it, and for good once a write failed or was dropped.
    temporary: Option<Temporary>,
}

impl LocalUpload {
    pub(crate) fn new(folder: Arc<Folder>, key: ObjectKey, place: Place, temporary: Temporary) -> Self {
        LocalUpload { folder, key, place, temporary: Some(temporary) }
    }

    fn take(&mut self) -> Result<Temporary, StorageError> {
        self.temporary.take().ok_or_else(|| StorageError::Failed {
            action: "going on with the upload",
            key: self.key.to_string(),
            storage: self.folder.name().to_string(),
            source: "an earlier write of it failed or was given up".into(),
        })
    }
}

#[async_trait]
impl ObjectUpload for LocalUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut temporary = self.take()?;
        let (folder, key) = (Arc::clone(&self.folder), self.key.clone());
        let written =
            unblocked(folder.name().to_string(), &self.key, move || match temporary.file.write_all(&bytes) {
                Ok(()) => Ok(temporary),
                Err(error) => Err(failed(folder.name(), "writing", &key, error)),
            })
            .await?;
        self.temporary = Some(written);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ETag, StorageError> {
        let temporary = self.take()?;
        let LocalUpload { folder, key, place, .. } = *self;
        let named = key.clone();
        unblocked(folder.name().to_string(), &named, move || {
            match folder.publish(&key, &place, temporary, &PutMode::Overwrite) {
                Ok(PutOutcome::Stored(etag)) => Ok(etag),
                Ok(PutOutcome::Refused) => {
                    let error = std::io::Error::other("an unconditional write was refused");
                    Err(write_failed(folder.name(), &key, WriteError::Before(error)))
                }
                Err(error) => Err(write_failed(folder.name(), &key, error)),
            }
        })
        .await
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StorageError> {
        let temporary = self.temporary.take();
        unblocked(self.folder.name().to_string(), &self.key, move || {
            drop(temporary);
            Ok(())
        })
        .await
    }
}
