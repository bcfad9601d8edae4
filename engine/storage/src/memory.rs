//! Objects in memory: for tests, and for repositories that end with the process.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::{
    ETag, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, StorageError, StoredObject,
    check_key,
};

/// How many bytes a piece of a stream has at most.
const PIECE_BYTES: usize = 1 << 20;

/// How many objects a listing copies at a time.
const PAGE_OBJECTS: usize = 1_000;

/// Objects in memory. They are gone with it.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    name: Arc<str>,
    objects: Arc<Mutex<Objects>>,
}

/// A new, empty storage in memory; `name` is what it is called after `mem://`.
pub fn open_memory(name: &str) -> Arc<dyn ObjectStorage> {
    Arc::new(MemoryStorage::new(name))
}

#[derive(Debug, Default)]
struct Objects {
    by_key: BTreeMap<ObjectKey, Object>,
    writes: u64,
}

#[derive(Clone, Debug)]
struct Object {
    body: Bytes,
    etag: ETag,
}

impl MemoryStorage {
    /// A new, empty storage that is called `mem://name`.
    pub fn new(name: &str) -> Self {
        MemoryStorage { name: format!("mem://{name}").into(), objects: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &ObjectKey) -> Result<Object, StorageError> {
        check_key(key)?;
        self.lock()
            .by_key
            .get(key)
            .cloned()
            .ok_or_else(|| StorageError::NotFound { key: key.to_string(), storage: self.name.to_string() })
    }

    fn slice(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        let body = self.object(key)?.body;
        let Some(range) = range else { return Ok(body) };
        let size = body.len() as u64;
        let outside =
            || StorageError::RangeOutside { key: key.to_string(), size, start: range.start, end: range.end };
        if range.start > range.end || range.end > size {
            return Err(outside());
        }
        let start = usize::try_from(range.start).map_err(|_| outside())?;
        let end = usize::try_from(range.end).map_err(|_| outside())?;
        Ok(body.slice(start..end))
    }

    fn page(&self, prefix: &str, after: Option<&ObjectKey>) -> Vec<ListedObject> {
        let first = ObjectKey::new(prefix);
        let start = match after {
            Some(after) if *after >= first => Bound::Excluded(after.clone()),
            _ => Bound::Included(first),
        };
        self.lock()
            .by_key
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.as_str().starts_with(prefix))
            .take(PAGE_OBJECTS)
            .map(|(key, object)| ListedObject { key: key.clone(), size: object.body.len() as u64 })
            .collect()
    }
}

impl Objects {
    fn store(&mut self, key: &ObjectKey, body: Bytes) -> ETag {
        self.writes += 1;
        let etag = ETag(format!("{:x}", self.writes));
        self.by_key.insert(key.clone(), Object { body, etag: etag.clone() });
        etag
    }
}

#[async_trait]
impl ObjectStorage for MemoryStorage {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        check_key(key)?;
        let mut objects = self.lock();
        let allowed = match (mode, objects.by_key.get(key)) {
            (PutMode::Overwrite, _) | (PutMode::Create, None) => true,
            (PutMode::Create, Some(_)) | (PutMode::Update(_), None) => false,
            (PutMode::Update(expected), Some(object)) => object.etag == expected,
        };
        Ok(if allowed { PutOutcome::Stored(objects.store(key, body)) } else { PutOutcome::Refused })
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        self.slice(key, range)
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let body = self.slice(key, range)?;
        let pieces = stream::unfold(body, |mut rest| async move {
            if rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            Some((Ok(piece), rest))
        });
        Ok(pieces.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        let object = self.object(key)?;
        Ok(StoredObject { size: object.body.len() as u64, etag: object.etag })
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        check_key(key)?;
        self.lock().by_key.remove(key);
        Ok(())
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        let first = (self.clone(), prefix.to_string(), after.cloned());
        stream::unfold(Some(first), |state| async move {
            let (storage, prefix, after) = state?;
            let page = storage.page(&prefix, after.as_ref());
            let last = page.last()?.key.clone();
            Some((stream::iter(page).map(Ok), Some((storage, prefix, Some(last)))))
        })
        .flatten()
        .boxed()
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        check_key(key)?;
        Ok(Box::new(MemoryUpload { storage: self.clone(), key: key.clone(), body: BytesMut::new() }))
    }
}

struct MemoryUpload {
    storage: MemoryStorage,
    key: ObjectKey,
    body: BytesMut,
}

#[async_trait]
impl ObjectUpload for MemoryUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.body.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<ETag, StorageError> {
        let MemoryUpload { storage, key, body } = *self;
        Ok(storage.lock().store(&key, body.freeze()))
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }
}
