//! The trait that every object storage implements.

use std::ops::Range;
use std::time::Duration;

use anabranch_types::{Address, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StorageError;

/// Names one version of an object's content. Opaque: only equality means anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ETag(pub String);

/// Under which condition a put takes place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PutMode {
    /// Whatever is there.
    Overwrite,
    /// Only if no object has the key.
    Create,
    /// Only if the object has this version.
    Update(ETag),
}

/// How a conditional put ended. A lost race is a value, not an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PutOutcome {
    /// The object is stored, durable and visible.
    Stored(ETag),
    /// The condition did not hold, and the object that is there is not this one. Nothing changed.
    Refused,
}

/// An object of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// How many bytes it has.
    pub size: u64,
}

/// What `head` knows of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredObject {
    /// How many bytes it has.
    pub size: u64,
    /// Its version.
    pub etag: ETag,
}

/// What a signed address permits whoever holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignedFor {
    /// To read the object.
    Read,
    /// To write the object, whole.
    Write,
}

/// Objects by key. Keys are relative to the storage (a repository's namespace, or the server's own).
///
/// Reads see every write that was answered before they began. A write is durable when it is answered,
/// and an object is either whole or absent: a crash never leaves a part of one under its key.
#[async_trait]
pub trait ObjectStorage: Send + Sync + std::fmt::Debug {
    /// How this storage is called in messages: a URL without secrets.
    fn name(&self) -> &str;

    /// Stores `body` under `key`, atomically.
    ///
    /// Of several racing puts with [`PutMode::Create`] or the same [`PutMode::Update`] exactly one is
    /// [`PutOutcome::Stored`]. If the reply of a conditional put is lost and the retry is refused, the
    /// implementation finds out whether its own write landed and answers `Stored`; when it cannot,
    /// [`StorageError::Unknown`].
    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError>;

    /// Reads the bytes of `range`, exactly; the whole object without one.
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError>;

    /// Reads the bytes of `range` in pieces of at most 1 MiB, for bodies that do not fit in memory.
    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError>;

    /// Size and version of an object.
    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError>;

    /// Removes an object. Idempotent: one that is absent is no error.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

    /// The objects whose key begins with `prefix` and is greater than `after`, in bytewise order of key.
    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>>;

    /// Begins an object that arrives in pieces. Nothing is visible under `key` before `finish`.
    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError>;

    /// Opens a new object of `capacity` bytes to which groups of small bodies are appended.
    ///
    /// `None` says that the storage cannot append: each group becomes an object of its own. The key must be
    /// a fresh one. What lies outside the ranges that [`Segment::append`] answered is undefined.
    async fn open_segment(
        &self,
        key: &ObjectKey,
        capacity: u64,
    ) -> Result<Option<Box<dyn Segment>>, StorageError> {
        let _ = (key, capacity);
        Ok(None)
    }

    /// An address at which whoever holds it may read or write this one object for `lifetime`, without other
    /// credentials. Whether there is such an object is not looked at.
    ///
    /// `None` says that the storage gives none: the bytes then go through the server.
    async fn signed_url(
        &self,
        key: &ObjectKey,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        let _ = (key, purpose, lifetime);
        Ok(None)
    }
}

/// An object that grows by groups. Dropped, it takes no more; what was answered stays readable.
#[async_trait]
pub trait Segment: Send {
    /// Appends `group` and answers the offset of its first byte, once every byte is durable.
    ///
    /// `None` says that the group does not fit: nothing was written, and the caller opens another segment.
    /// A crash loses only what was not answered: bytes that were are never written again. After an error
    /// the segment takes no more.
    async fn append(&mut self, group: Bytes) -> Result<Option<u64>, StorageError>;
}

/// An object on its way. Dropped unfinished, it leaves nothing under its key.
#[async_trait]
pub trait ObjectUpload: Send {
    /// Appends bytes, in order. Returns when the storage has taken them, so a writer cannot run ahead.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError>;
    /// Makes the object durable and visible, replacing what was there.
    async fn finish(self: Box<Self>) -> Result<ETag, StorageError>;
    /// Gives the object up and frees what it took.
    async fn abort(self: Box<Self>) -> Result<(), StorageError>;
}

/// Comfort on top of [`ObjectStorage`]; nobody may implement it.
#[async_trait]
pub trait ObjectStorageExt: ObjectStorage {
    /// Reads what an address names.
    async fn read(&self, address: &Address) -> Result<Bytes, StorageError> {
        if address.length == 0 {
            return Ok(Bytes::new());
        }
        self.get(&address.object, Some(address.offset..address.offset.saturating_add(address.length))).await
    }
}

impl<T: ObjectStorage + ?Sized> ObjectStorageExt for T {}
