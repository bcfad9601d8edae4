//! A storage that counts what it is asked for: the measure of a design that no busy machine distorts.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::{
    ETag, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, Segment, SignedFor, StorageError,
    StoredObject,
};

/// How much was asked for since the counts were taken last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Puts.
    pub puts: u64,
    /// Reads of whole objects or ranges, streamed or not.
    pub gets: u64,
    /// Heads.
    pub heads: u64,
    /// Deletes.
    pub deletes: u64,
    /// Listings.
    pub lists: u64,
    /// Uploads begun.
    pub uploads: u64,
    /// Segments opened, where the storage can append.
    pub segments: u64,
    /// Groups appended to segments.
    pub appends: u64,
    /// Bytes of put, uploaded and appended bodies.
    pub bytes_written: u64,
    /// Bytes that reads answered.
    pub bytes_read: u64,
}

#[derive(Debug, Default)]
struct Counters {
    puts: AtomicU64,
    gets: AtomicU64,
    heads: AtomicU64,
    deletes: AtomicU64,
    lists: AtomicU64,
    uploads: AtomicU64,
    segments: AtomicU64,
    appends: AtomicU64,
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
}

fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

/// A storage that counts and else does what the inner one does.
#[derive(Clone, Debug)]
pub struct CountingStorage {
    inner: Arc<dyn ObjectStorage>,
    counters: Arc<Counters>,
}

impl CountingStorage {
    /// A wrapper of `inner` with all counts at zero.
    pub fn new(inner: Arc<dyn ObjectStorage>) -> Self {
        CountingStorage { inner, counters: Arc::default() }
    }

    /// The counts since the last call; they begin at zero again.
    pub fn take(&self) -> Counts {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let counters = &self.counters;
        Counts {
            puts: take(&counters.puts),
            gets: take(&counters.gets),
            heads: take(&counters.heads),
            deletes: take(&counters.deletes),
            lists: take(&counters.lists),
            uploads: take(&counters.uploads),
            segments: take(&counters.segments),
            appends: take(&counters.appends),
            bytes_written: take(&counters.bytes_written),
            bytes_read: take(&counters.bytes_read),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStorage for CountingStorage {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        add(&self.counters.puts, 1);
        add(&self.counters.bytes_written, body.len());
        self.inner.put(key, body, mode).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        add(&self.counters.gets, 1);
        let bytes = self.inner.get(key, range).await?;
        add(&self.counters.bytes_read, bytes.len());
        Ok(bytes)
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        add(&self.counters.gets, 1);
        let counters = Arc::clone(&self.counters);
        let pieces = self.inner.get_stream(key, range).await?;
        Ok(pieces
            .inspect(move |piece| {
                if let Ok(bytes) = piece {
                    add(&counters.bytes_read, bytes.len());
                }
            })
            .boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        add(&self.counters.heads, 1);
        self.inner.head(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        add(&self.counters.deletes, 1);
        self.inner.delete(key).await
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        add(&self.counters.lists, 1);
        self.inner.list(prefix, after)
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        add(&self.counters.uploads, 1);
        let inner = self.inner.upload(key).await?;
        Ok(Box::new(CountingUpload { inner, counters: Arc::clone(&self.counters) }))
    }

    async fn signed_url(
        &self,
        key: &ObjectKey,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        self.inner.signed_url(key, purpose, lifetime).await
    }

    async fn open_segment(
        &self,
        key: &ObjectKey,
        capacity: u64,
    ) -> Result<Option<Box<dyn Segment>>, StorageError> {
        let Some(inner) = self.inner.open_segment(key, capacity).await? else { return Ok(None) };
        add(&self.counters.segments, 1);
        Ok(Some(Box::new(CountingSegment { inner, counters: Arc::clone(&self.counters) })))
    }
}

struct CountingUpload {
    inner: Box<dyn ObjectUpload>,
    counters: Arc<Counters>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectUpload for CountingUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        add(&self.counters.bytes_written, bytes.len());
        self.inner.write(bytes).await
    }

    async fn finish(self: Box<Self>) -> Result<ETag, StorageError> {
        self.inner.finish().await
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        self.inner.abort().await
    }
}

struct CountingSegment {
    inner: Box<dyn Segment>,
    counters: Arc<Counters>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Segment for CountingSegment {
    async fn append(&mut self, group: Bytes) -> Result<Option<u64>, StorageError> {
        let bytes = group.len();
        let offset = self.inner.append(group).await?;
        if offset.is_some() {
            add(&self.counters.appends, 1);
            add(&self.counters.bytes_written, bytes);
        }
        Ok(offset)
    }
}
