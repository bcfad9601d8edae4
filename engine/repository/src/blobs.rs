//! How mergers read and write objects of a repository.

use std::sync::Arc;

use anabranch_merge::{
    NewObject, ObjectAttributes, ObjectReader, ReadError, UnitUpload, UnitWriter, ViewError,
};
use anabranch_storage::{ObjectUpload, StorageError, new_object_key};
use anabranch_tree::TreeError;
use anabranch_types::{Address, Checksum, Entry, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::error::is_temporary;
use crate::repository::Inner;

/// The media type of objects for which a merger names none.
const CONTENT_TYPE: &str = "application/octet-stream";

/// How many bytes are hashed between two requests, in about a tenth of a millisecond.
const HASHED_AT_ONCE: usize = 64 * 1024;

/// Reads the bytes behind entries.
pub(crate) struct Blobs(pub(crate) Arc<Inner>);

#[async_trait]
impl ObjectReader for Blobs {
    async fn read(&self, address: &Address, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let start = offset.min(address.length);
        let end = offset.saturating_add(length).min(address.length);
        if start >= end {
            return Ok(Bytes::new());
        }
        let range = address.offset.saturating_add(start)..address.offset.saturating_add(end);
        let bytes = self.0.storage.get(&address.object, Some(range)).await;
        bytes.map_err(|error| ReadError {
            message: anabranch_merge::full_message(&error),
            temporary: is_temporary(&error),
        })
    }

    fn storage(&self) -> [u8; 16] {
        self.0.uid.0
    }

    fn is_temporary(&self, error: &TreeError) -> bool {
        is_temporary(error)
    }
}

/// Writes new objects of one merge: small ones into segments, those that come in pieces as objects of their own.
pub(crate) struct NewObjects {
    pub(crate) inner: Arc<Inner>,
    /// The time of the merge.
    pub(crate) modified_ms: i64,
}

impl NewObjects {
    fn entry(&self, address: Address, checksum: Checksum, attributes: ObjectAttributes) -> Entry {
        let content_type = match attributes.content_type {
            none if none.is_empty() => CONTENT_TYPE.to_owned(),
            content_type => content_type,
        };
        Entry {
            size: address.length,
            address,
            checksum,
            parts: 0,
            modified_ms: self.modified_ms,
            content_type,
            metadata: attributes.metadata,
        }
    }
}

/// The checksum of `body`: that of a large one on a thread for such work, or the requests of this one would wait for it.
async fn checksum(body: &Bytes) -> Checksum {
    let of = |body: &Bytes| Checksum::from_md5(Md5::digest(body).into());
    if body.len() <= HASHED_AT_ONCE {
        return of(body);
    }
    let large = body.clone();
    match tokio::task::spawn_blocking(move || of(&large)).await {
        Ok(checksum) => checksum,
        // The runtime ends; then so does the merge, and what it answers meanwhile must not be wrong.
        Err(_) => of(body),
    }
}

fn not_written(error: &StorageError, temporary: bool) -> ViewError {
    ViewError::Storage {
        path: String::new(),
        side: "the result".to_owned(),
        message: anabranch_merge::full_message(error),
        temporary,
    }
}

#[async_trait]
impl UnitWriter for NewObjects {
    async fn write(&self, body: Bytes, attributes: ObjectAttributes) -> Result<NewObject, ViewError> {
        let checksum = checksum(&body).await;
        let address = self.inner.segments.append(body).await;
        let address = address.map_err(|error| not_written(&error, is_temporary(&error)))?;
        Ok(self.entry(address, checksum, attributes))
    }

    async fn begin<'w>(&'w self) -> Result<Box<dyn UnitUpload + 'w>, ViewError> {
        let key = new_object_key(self.inner.clock.as_ref(), self.inner.ids.as_ref());
        let upload = self.inner.storage.upload(&key).await;
        let upload = upload.map_err(|error| not_written(&error, is_temporary(&error)))?;
        Ok(Box::new(NewUpload { objects: self, key, upload, length: 0 }))
    }
}

/// An object of its own on its way. The storage holds its bytes under no key until it is finished.
struct NewUpload<'w> {
    objects: &'w NewObjects,
    key: ObjectKey,
    upload: Box<dyn ObjectUpload>,
    length: u64,
}

#[async_trait]
impl UnitUpload for NewUpload<'_> {
    async fn write(&mut self, piece: Bytes) -> Result<(), ViewError> {
        self.length = self.length.saturating_add(piece.len() as u64);
        // The storage has tried what it could; what came before the piece is not there to be sent again.
        self.upload.write(piece).await.map_err(|error| not_written(&error, false))
    }

    async fn finish(
        self: Box<Self>,
        attributes: ObjectAttributes,
        checksum: Checksum,
    ) -> Result<NewObject, ViewError> {
        let NewUpload { objects, key, upload, length } = *self;
        upload.finish().await.map_err(|error| not_written(&error, false))?;
        let address = Address { object: key, offset: 0, length };
        Ok(objects.entry(address, checksum, attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_and_small_bodies_have_their_md5_as_checksum() {
        for size in [0, HASHED_AT_ONCE, HASHED_AT_ONCE + 1] {
            let body = Bytes::from(vec![7; size]);
            assert_eq!(checksum(&body).await, Checksum::from_md5(Md5::digest(&body).into()));
        }
    }
}
