//! An object storage that counts.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anabranch_storage::{
    ETag, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, Segment, SignedFor, StorageError,
    StoredObject,
};
use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use prometheus::IntCounter;

use super::Operation;
use crate::serve::metrics::Backends;

/// Counts and times the calls of an object storage.
#[derive(Clone)]
pub(crate) struct MeteredStorage {
    inner: Arc<dyn ObjectStorage>,
    calls: Arc<Calls>,
}

struct Calls {
    put: Operation,
    get: Operation,
    head: Operation,
    delete: Operation,
    list: Operation,
    upload: Operation,
    upload_write: Operation,
    upload_finish: Operation,
    upload_abort: Operation,
    open_segment: Operation,
    append: Operation,
    read: IntCounter,
    written: IntCounter,
}

impl MeteredStorage {
    /// A wrapper of a storage of the kind that metrics call `kind`: all repositories of a kind count together.
    pub(crate) fn new(inner: Arc<dyn ObjectStorage>, kind: &str, metrics: &Backends) -> Self {
        let backend = format!("objects:{kind}");
        let operation = |name| Operation::new(metrics, &backend, name);
        let bytes = |direction: &str| metrics.bytes.with_label_values(&[backend.as_str(), direction]);
        let calls = Calls {
            put: operation("put"),
            get: operation("get"),
            head: operation("head"),
            delete: operation("delete"),
            list: operation("list"),
            upload: operation("upload"),
            upload_write: operation("upload_write"),
            upload_finish: operation("upload_finish"),
            upload_abort: operation("upload_abort"),
            open_segment: operation("open_segment"),
            append: operation("append"),
            read: bytes("read"),
            written: bytes("written"),
        };
        MeteredStorage { inner, calls: Arc::new(calls) }
    }
}

impl std::fmt::Debug for MeteredStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

/// Whether an error is the storage's own: an object that does not exist is an answer.
fn failed(error: &StorageError) -> bool {
    !matches!(
        error,
        StorageError::NotFound { .. } | StorageError::RangeOutside { .. } | StorageError::InvalidKey { .. }
    )
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStorage for MeteredStorage {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        let bytes = body.len() as u64;
        let put = self.calls.put.time(self.inner.put(key, body, mode), failed).await?;
        self.calls.written.inc_by(bytes);
        Ok(put)
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        let bytes = self.calls.get.time(self.inner.get(key, range), failed).await?;
        self.calls.read.inc_by(bytes.len() as u64);
        Ok(bytes)
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let pieces = self.calls.get.time(self.inner.get_stream(key, range), failed).await?;
        let calls = Arc::clone(&self.calls);
        let counted = pieces.inspect(move |piece| match piece {
            Ok(bytes) => calls.read.inc_by(bytes.len() as u64),
            Err(_) => calls.get.count(false),
        });
        Ok(counted.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        self.calls.head.time(self.inner.head(key), failed).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.calls.delete.time(self.inner.delete(key), failed).await
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        self.calls.list.count(true);
        let calls = Arc::clone(&self.calls);
        let listed = self.inner.list(prefix, after).inspect(move |object| {
            if object.is_err() {
                calls.list.count(false);
            }
        });
        listed.boxed()
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        let inner = self.calls.upload.time(self.inner.upload(key), failed).await?;
        Ok(Box::new(MeteredUpload { inner, calls: Arc::clone(&self.calls) }))
    }

    async fn open_segment(
        &self,
        key: &ObjectKey,
        capacity: u64,
    ) -> Result<Option<Box<dyn Segment>>, StorageError> {
        let opened = self.calls.open_segment.time(self.inner.open_segment(key, capacity), failed).await?;
        let Some(inner) = opened else { return Ok(None) };
        Ok(Some(Box::new(MeteredSegment { inner, calls: Arc::clone(&self.calls) })))
    }

    async fn signed_url(
        &self,
        key: &ObjectKey,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        // Asks nobody: the storage signs by itself.
        self.inner.signed_url(key, purpose, lifetime).await
    }
}

struct MeteredUpload {
    inner: Box<dyn ObjectUpload>,
    calls: Arc<Calls>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectUpload for MeteredUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let length = bytes.len() as u64;
        self.calls.upload_write.time(self.inner.write(bytes), failed).await?;
        self.calls.written.inc_by(length);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<ETag, StorageError> {
        let MeteredUpload { inner, calls } = *self;
        calls.upload_finish.time(inner.finish(), failed).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        let MeteredUpload { inner, calls } = *self;
        calls.upload_abort.time(inner.abort(), failed).await
    }
}

struct MeteredSegment {
    inner: Box<dyn Segment>,
    calls: Arc<Calls>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Segment for MeteredSegment {
    async fn append(&mut self, group: Bytes) -> Result<Option<u64>, StorageError> {
        let bytes = group.len() as u64;
        let offset = self.calls.append.time(self.inner.append(group), failed).await?;
        if offset.is_some() {
            self.calls.written.inc_by(bytes);
        }
        Ok(offset)
    }
}
