//! A repository's storage, and beside it the objects outside that were imported.
//!
//! The address of an imported object is the URL that it was imported from. No key of a storage is one, because keys
//! have no empty segment. Every read asks again whether the server may read there, so that a source which is no longer
//! allowed is no longer read; nothing here ever writes or deletes outside.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anabranch_storage::{
    ETag, ImportSource, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, Segment, SignedFor,
    StorageError, StoredObject,
};
use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};

use crate::StorageOpener;

/// Whether an object lies outside the storage of its repository.
pub fn is_outside(key: &ObjectKey) -> bool {
    key.as_str().contains("://")
}

/// The objects of one repository, wherever they are.
#[derive(Debug)]
pub(crate) struct WithOutside {
    own: Arc<dyn ObjectStorage>,
    sources: Arc<dyn StorageOpener>,
}

impl WithOutside {
    pub(crate) fn new(own: Arc<dyn ObjectStorage>, sources: Arc<dyn StorageOpener>) -> Self {
        WithOutside { own, sources }
    }

    async fn stream_outside(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let (source, inner) = self.sources.source(key.as_str())?;
        let range = match range {
            Some(range) => range,
            None => 0..find(source.as_ref(), key, &inner).await?.size,
        };
        let pieces = source.read(&inner, range).await.map_err(|error| withdrawn(key, error))?;
        let key = key.clone();
        Ok(pieces.map_err(move |error| withdrawn(&key, error)).boxed())
    }
}

async fn find(
    source: &dyn ImportSource,
    key: &ObjectKey,
    inner: &str,
) -> Result<anabranch_storage::SourceObject, StorageError> {
    source.find(inner).await.map_err(|error| withdrawn(key, error))
}

/// What was imported and is not as it was: the source's own doing, which nobody here can repair.
fn withdrawn(key: &ObjectKey, error: StorageError) -> StorageError {
    let reason = match error {
        StorageError::NotFound { .. } => "the place that it was imported from no longer holds it".to_owned(),
        StorageError::RangeOutside { size, .. } => {
            format!("where it was imported from it has only {size} bytes now")
        }
        error => return error,
    };
    StorageError::Withdrawn { address: key.to_string(), reason }
}

fn read_only(key: &ObjectKey) -> StorageError {
    StorageError::Withdrawn { address: key.to_string(), reason: "imported objects are only read".into() }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStorage for WithOutside {
    fn name(&self) -> &str {
        self.own.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        match is_outside(key) {
            false => self.own.put(key, body, mode).await,
            true => Err(read_only(key)),
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        if !is_outside(key) {
            return self.own.get(key, range).await;
        }
        let mut pieces = self.stream_outside(key, range).await?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        match is_outside(key) {
            false => self.own.get_stream(key, range).await,
            true => self.stream_outside(key, range).await,
        }
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        if !is_outside(key) {
            return self.own.head(key).await;
        }
        let (source, inner) = self.sources.source(key.as_str())?;
        let found = find(source.as_ref(), key, &inner).await?;
        Ok(StoredObject { size: found.size, etag: ETag(found.etag) })
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match is_outside(key) {
            false => self.own.delete(key).await,
            true => Err(read_only(key)),
        }
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        self.own.list(prefix, after)
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        match is_outside(key) {
            false => self.own.upload(key).await,
            true => Err(read_only(key)),
        }
    }

    async fn open_segment(
        &self,
        key: &ObjectKey,
        capacity: u64,
    ) -> Result<Option<Box<dyn Segment>>, StorageError> {
        self.own.open_segment(key, capacity).await
    }

    async fn signed_url(
        &self,
        key: &ObjectKey,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        match (is_outside(key), purpose) {
            (false, _) => self.own.signed_url(key, purpose, lifetime).await,
            (true, SignedFor::Write) => Err(read_only(key)),
            (true, SignedFor::Read) => {
                let (source, inner) = self.sources.source(key.as_str())?;
                source.signed_url(&inner, lifetime).await
            }
        }
    }
}
