//! A storage that fails as it is told: what is above it must survive what a network or a disk does.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::{
    ETag, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, Segment, SignedFor, StorageError,
    StoredObject,
};

/// What a call can be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// [`ObjectStorage::put`].
    Put,
    /// [`ObjectStorage::get`] and [`ObjectStorage::get_stream`].
    Get,
    /// [`ObjectStorage::head`].
    Head,
    /// [`ObjectStorage::delete`].
    Delete,
    /// [`ObjectStorage::list`].
    List,
    /// [`ObjectStorage::upload`].
    Upload,
    /// [`ObjectUpload::write`].
    UploadWrite,
    /// [`ObjectUpload::finish`].
    UploadFinish,
    /// [`ObjectStorage::open_segment`].
    OpenSegment,
    /// [`Segment::append`].
    Append,
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// The request never arrives: an error, and no effect.
    RequestLost,
    /// The effect takes place and the reply never arrives: an error all the same.
    ReplyLost,
    /// As `ReplyLost`, but the wrapper sends a put again, as a client library does, and finds out by reading
    /// whether its first try landed. Bodies must differ for that. Other operations are sent twice.
    ReplyLostAndRetried,
    /// Only so many bytes of the body land, and the caller gets an error. It breaks the promise that an object
    /// is whole or absent: for the tests of readers that verify what they read.
    Torn(usize),
    /// The disk is full: an error, and no effect.
    Full,
    /// The storage does not answer now: an error that says so, and no effect.
    Away,
}

#[derive(Debug, Default)]
struct Script {
    faults: Mutex<BTreeMap<Operation, VecDeque<Fault>>>,
}

/// A storage that fails as it is told, and else does what the inner one does.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn ObjectStorage>,
    script: Arc<Script>,
}

impl FaultyStorage {
    /// A wrapper of `inner` without faults yet.
    pub fn new(inner: Arc<dyn ObjectStorage>) -> Self {
        FaultyStorage { inner, script: Arc::default() }
    }

    /// Appends to what happens to the next calls of `operation`, one fault a call.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().entry(operation).or_default().extend(faults);
    }

    /// How many scripted calls of `operation` have not come yet.
    pub fn left(&self, operation: Operation) -> usize {
        self.script.lock().get(&operation).map_or(0, VecDeque::len)
    }

    async fn put_again(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
    ) -> Result<PutOutcome, StorageError> {
        match self.inner.put(key, body.clone(), mode).await? {
            PutOutcome::Stored(etag) => Ok(PutOutcome::Stored(etag)),
            PutOutcome::Refused => match self.inner.get(key, None).await {
                Ok(found) if found == body => Ok(PutOutcome::Stored(self.inner.head(key).await?.etag)),
                Ok(_) | Err(StorageError::NotFound { .. }) => Ok(PutOutcome::Refused),
                Err(error) => Err(error),
            },
        }
    }
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Operation, VecDeque<Fault>>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, operation: Operation) -> Fault {
        self.lock().get_mut(&operation).and_then(VecDeque::pop_front).unwrap_or(Fault::None)
    }
}

/// The error that a caller sees.
fn error(fault: Fault, changes: bool, action: &'static str, key: &str, storage: &str) -> StorageError {
    let (key, storage) = (key.to_string(), storage.to_string());
    match fault {
        Fault::Full => StorageError::Full { key, storage },
        Fault::Away => StorageError::Unavailable { action, key, storage, source: "injected: 503".into() },
        _ if changes => StorageError::Unknown { key, storage, source: "injected: no reply".into() },
        _ => StorageError::Failed { action, key, storage, source: "injected: no reply".into() },
    }
}

fn torn(body: &Bytes, keep: usize) -> Bytes {
    body.slice(..keep.min(body.len()))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStorage for FaultyStorage {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        let fault = self.script.next(Operation::Put);
        match fault {
            Fault::None => return self.inner.put(key, body, mode).await,
            Fault::RequestLost | Fault::Full | Fault::Away => {}
            Fault::ReplyLost => {
                self.inner.put(key, body, mode).await?;
            }
            Fault::ReplyLostAndRetried => {
                self.inner.put(key, body.clone(), mode.clone()).await?;
                return self.put_again(key, body, mode).await;
            }
            Fault::Torn(keep) => {
                self.inner.put(key, torn(&body, keep), mode).await?;
            }
        }
        Err(error(fault, true, "writing", key.as_str(), self.name()))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        match self.script.next(Operation::Get) {
            Fault::None | Fault::ReplyLostAndRetried => self.inner.get(key, range).await,
            fault => Err(error(fault, false, "reading", key.as_str(), self.name())),
        }
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let fault = self.script.next(Operation::Get);
        match fault {
            Fault::None | Fault::ReplyLostAndRetried => self.inner.get_stream(key, range).await,
            Fault::Torn(pieces) => {
                // The connection breaks after some pieces.
                let broken = error(fault, false, "reading", key.as_str(), self.name());
                let whole = self.inner.get_stream(key, range).await?;
                Ok(whole.take(pieces).chain(stream::iter([Err(broken)])).boxed())
            }
            fault => Err(error(fault, false, "reading", key.as_str(), self.name())),
        }
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        match self.script.next(Operation::Head) {
            Fault::None | Fault::ReplyLostAndRetried => self.inner.head(key).await,
            fault => Err(error(fault, false, "reading", key.as_str(), self.name())),
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let fault = self.script.next(Operation::Delete);
        match fault {
            Fault::None => return self.inner.delete(key).await,
            Fault::RequestLost | Fault::Full | Fault::Away => {}
            Fault::ReplyLost | Fault::Torn(_) => self.inner.delete(key).await?,
            Fault::ReplyLostAndRetried => {
                self.inner.delete(key).await?;
                return self.inner.delete(key).await;
            }
        }
        Err(error(fault, true, "deleting", key.as_str(), self.name()))
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        let fault = self.script.next(Operation::List);
        let broken = || stream::iter([Err(error(fault, false, "listing", prefix, self.name()))]);
        match fault {
            Fault::None | Fault::ReplyLostAndRetried => self.inner.list(prefix, after),
            Fault::Torn(objects) => self.inner.list(prefix, after).take(objects).chain(broken()).boxed(),
            _ => broken().boxed(),
        }
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        match self.script.next(Operation::Upload) {
            Fault::None | Fault::ReplyLostAndRetried => {
                let inner = self.inner.upload(key).await?;
                Ok(Box::new(FaultyUpload { inner, script: Arc::clone(&self.script), place: self.place(key) }))
            }
            fault => Err(error(fault, false, "beginning the upload", key.as_str(), self.name())),
        }
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
        let fault = self.script.next(Operation::OpenSegment);
        match fault {
            Fault::None | Fault::ReplyLostAndRetried => {
                let (script, place) = (Arc::clone(&self.script), self.place(key));
                Ok(match self.inner.open_segment(key, capacity).await? {
                    Some(inner) => Some(Box::new(FaultySegment { inner, script, place })),
                    None => None,
                })
            }
            Fault::ReplyLost | Fault::Torn(_) => {
                self.inner.open_segment(key, capacity).await?;
                Err(error(fault, true, "opening a segment", key.as_str(), self.name()))
            }
            Fault::RequestLost | Fault::Full | Fault::Away => {
                Err(error(fault, true, "opening a segment", key.as_str(), self.name()))
            }
        }
    }
}

impl FaultyStorage {
    fn place(&self, key: &ObjectKey) -> (String, String) {
        (key.to_string(), self.name().to_string())
    }
}

struct FaultyUpload {
    inner: Box<dyn ObjectUpload>,
    script: Arc<Script>,
    /// Key and storage, for messages.
    place: (String, String),
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectUpload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match self.script.next(Operation::UploadWrite) {
            Fault::None | Fault::ReplyLostAndRetried => self.inner.write(bytes).await,
            fault => Err(error(fault, false, "writing", &self.place.0, &self.place.1)),
        }
    }

    async fn finish(self: Box<Self>) -> Result<ETag, StorageError> {
        let fault = self.script.next(Operation::UploadFinish);
        let FaultyUpload { inner, place, .. } = *self;
        match fault {
            Fault::None | Fault::ReplyLostAndRetried => return inner.finish().await,
            Fault::ReplyLost => {
                inner.finish().await?;
            }
            Fault::RequestLost | Fault::Full | Fault::Away | Fault::Torn(_) => inner.abort().await?,
        }
        Err(error(fault, true, "finishing the upload", &place.0, &place.1))
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        self.inner.abort().await
    }
}

struct FaultySegment {
    inner: Box<dyn Segment>,
    script: Arc<Script>,
    /// Key and storage, for messages.
    place: (String, String),
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Segment for FaultySegment {
    async fn append(&mut self, group: Bytes) -> Result<Option<u64>, StorageError> {
        let fault = self.script.next(Operation::Append);
        match fault {
            Fault::None | Fault::ReplyLostAndRetried => return self.inner.append(group).await,
            Fault::RequestLost | Fault::Full | Fault::Away => {}
            Fault::ReplyLost => {
                self.inner.append(group).await?;
            }
            Fault::Torn(keep) => {
                self.inner.append(torn(&group, keep)).await?;
            }
        }
        Err(error(fault, true, "appending to a segment", &self.place.0, &self.place.1))
    }
}
