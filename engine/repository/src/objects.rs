//! Objects: reading them, storing their bytes, and writing their entries to a branch.

use std::ops::Range;

use anabranch_types::{Address, BranchName, Entry, ObjectKey, ObjectPath};
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{ObjectInfo, Repository, RepositoryError, WriteAnswer, WriteCondition};

/// The bytes of an object, in pieces of at most 1 MiB.
pub type ByteStream = BoxStream<'static, Result<Bytes, RepositoryError>>;

/// A large object on its way into the object storage. Dropped unfinished, it leaves nothing.
pub struct RepositoryUpload {
    _private: (),
}

impl RepositoryUpload {
    /// Appends bytes, in order. Returns when the storage has taken them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), RepositoryError> {
        let _ = bytes;
        Err(crate::error::unfinished())
    }

    /// Makes the bytes durable and answers where they lie. No path holds them yet: that is [`Repository::put`].
    pub async fn finish(self) -> Result<Address, RepositoryError> {
        Err(crate::error::unfinished())
    }

    /// Gives the object up.
    pub async fn abort(self) -> Result<(), RepositoryError> {
        Err(crate::error::unfinished())
    }
}

impl Repository {
    /// What a path holds at a ref. On a branch's plain name uncommitted changes count.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] of kind `object`, or as [`Repository::resolve`].
    pub async fn stat(&self, reference: &str, path: &ObjectPath) -> Result<ObjectInfo, RepositoryError> {
        let _ = (reference, path);
        Err(crate::error::unfinished())
    }

    /// Reads an object, or the bytes of `range` of it, which must lie within the object.
    pub async fn read(
        &self,
        entry: &Entry,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream, RepositoryError> {
        let _ = (entry, range);
        Err(crate::error::unfinished())
    }

    /// Reads an object, or the bytes of `range`, into memory.
    ///
    /// # Errors
    /// [`RepositoryError::Invalid`] above `limit` bytes.
    pub async fn read_bytes(
        &self,
        entry: &Entry,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, RepositoryError> {
        let _ = (entry, range, limit);
        Err(crate::error::unfinished())
    }

    /// Stores the bytes of a small object, durably, together with those of others that come at the same time. No path
    /// holds them yet: that is [`Repository::put`].
    pub async fn write_small(&self, body: Bytes) -> Result<Address, RepositoryError> {
        let _ = body;
        Err(crate::error::unfinished())
    }

    /// Begins a large object.
    pub async fn upload(&self) -> Result<RepositoryUpload, RepositoryError> {
        Err(crate::error::unfinished())
    }

    /// Stores the bytes of several addresses, one after the other, as one new object (the end of a multipart upload).
    pub async fn join(&self, parts: &[Address]) -> Result<Address, RepositoryError> {
        let _ = parts;
        Err(crate::error::unfinished())
    }

    /// Removes the object behind an address that no path ever held (the part of a multipart upload). Addresses in a
    /// shared segment are left alone. Idempotent.
    pub async fn discard(&self, address: &Address) -> Result<(), RepositoryError> {
        let _ = address;
        Err(crate::error::unfinished())
    }

    /// A fresh key for an object that a client uploads past this server and links with [`Repository::put`] afterwards.
    pub fn new_physical_address(&self) -> ObjectKey {
        ObjectKey::new("")
    }

    /// Writes an entry to a path of a branch, uncommitted: durable and visible when answered. To copy within the
    /// repository, put the source's entry with a new time: no bytes move.
    ///
    /// Of several racing writes with [`WriteCondition::Absent`] exactly one is [`WriteAnswer::Written`].
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch, [`RepositoryError::Busy`] when it kept moving.
    pub async fn put(
        &self,
        branch: &BranchName,
        path: &ObjectPath,
        entry: Entry,
        condition: WriteCondition,
    ) -> Result<WriteAnswer, RepositoryError> {
        let _ = (branch, path, entry, condition);
        Err(crate::error::unfinished())
    }

    /// Writes many entries to a branch, uncommitted. Up to 1,000 are atomic; more are written in groups of so many.
    ///
    /// # Errors
    /// As [`Repository::put`].
    pub async fn put_many(
        &self,
        branch: &BranchName,
        entries: Vec<(ObjectPath, Entry)>,
    ) -> Result<(), RepositoryError> {
        let _ = (branch, entries);
        Err(crate::error::unfinished())
    }

    /// Deletes a path of a branch, uncommitted. Idempotent: one that holds nothing is no error.
    ///
    /// # Errors
    /// As [`Repository::put`].
    pub async fn delete(&self, branch: &BranchName, path: &ObjectPath) -> Result<(), RepositoryError> {
        let _ = (branch, path);
        Err(crate::error::unfinished())
    }

    /// Deletes many paths of a branch, uncommitted; groups as in [`Repository::put_many`].
    ///
    /// # Errors
    /// As [`Repository::put`].
    pub async fn delete_many(
        &self,
        branch: &BranchName,
        paths: Vec<ObjectPath>,
    ) -> Result<(), RepositoryError> {
        let _ = (branch, paths);
        Err(crate::error::unfinished())
    }
}
