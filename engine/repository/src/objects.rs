//! Objects: reading them, storing their bytes, and writing their entries to a branch.

use std::ops::Range;

use anabranch_refs::StagedRow;
use anabranch_storage::{ObjectUpload, StorageError, new_object_key};
use anabranch_types::{Address, BranchName, Entry, ObjectKey, ObjectPath, RepositoryName};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::repository::Inner;
use crate::resolve::Target;
use crate::staging_view::{TRIES_MAX, condition_of, row_of, tombstone_of};
use crate::{ObjectInfo, Repository, RepositoryError, WriteAnswer, WriteCondition};

/// How many rows are staged in one statement.
const ROWS_AT_ONCE: usize = 1_000;

/// The bytes of an object, in pieces of at most 1 MiB.
pub type ByteStream = BoxStream<'static, Result<Bytes, RepositoryError>>;

/// A large object on its way into the object storage. Dropped unfinished, it leaves nothing.
pub struct RepositoryUpload {
    repository: RepositoryName,
    key: ObjectKey,
    length: u64,
    upload: Box<dyn ObjectUpload>,
}

impl std::fmt::Debug for RepositoryUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryUpload").field("key", &self.key).field("length", &self.length).finish()
    }
}

impl RepositoryUpload {
    /// Appends bytes, in order. Returns when the storage has taken them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), RepositoryError> {
        let length = bytes.len() as u64;
        self.upload.write(bytes).await.map_err(RepositoryError::storage(&self.repository))?;
        self.length = self.length.saturating_add(length);
        Ok(())
    }

    /// Makes the bytes durable and answers where they lie. No path holds them yet: that is [`Repository::put`].
    pub async fn finish(self) -> Result<Address, RepositoryError> {
        self.upload.finish().await.map_err(RepositoryError::storage(&self.repository))?;
        Ok(Address { object: self.key, offset: 0, length: self.length })
    }

    /// Gives the object up.
    pub async fn abort(self) -> Result<(), RepositoryError> {
        self.upload.abort().await.map_err(RepositoryError::storage(&self.repository))
    }
}

impl Repository {
    /// What a path holds at a ref. On a branch's plain name uncommitted changes count.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] of kind `object`, or as [`Repository::resolve`].
    pub async fn stat(&self, reference: &str, path: &ObjectPath) -> Result<ObjectInfo, RepositoryError> {
        let found = self.inner.stat(reference, path).await?;
        let entry = found.ok_or_else(|| RepositoryError::not_found("object", path))?;
        Ok(ObjectInfo { path: path.clone(), entry })
    }

    /// Reads an object, or the bytes of `range` of it, which must lie within the object.
    pub async fn read(
        &self,
        entry: &Entry,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream, RepositoryError> {
        self.inner.read(&entry.address, range).await
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
        let range = within(&entry.address, range)?;
        let length = range.end - range.start;
        if length > limit {
            return Err(RepositoryError::invalid(format!(
                "object {} has {length} bytes; at most {limit} are read into memory",
                entry.address.object
            )));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.inner.storage.get(&entry.address.object, Some(range)).await;
        bytes.map_err(RepositoryError::storage(self.name()))
    }

    /// Stores the bytes of a small object, durably, together with those of others that come at the same time. No path
    /// holds them yet: that is [`Repository::put`].
    pub async fn write_small(&self, body: Bytes) -> Result<Address, RepositoryError> {
        self.inner.segments.append(body).await.map_err(RepositoryError::storage(self.name()))
    }

    /// Begins a large object.
    pub async fn upload(&self) -> Result<RepositoryUpload, RepositoryError> {
        let key = self.new_physical_address();
        let upload = self.inner.storage.upload(&key).await.map_err(RepositoryError::storage(self.name()))?;
        Ok(RepositoryUpload { repository: self.name().clone(), key, length: 0, upload })
    }

    /// Stores the bytes of several addresses, one after the other, as one new object (the end of a multipart upload).
    pub async fn join(&self, parts: &[Address]) -> Result<Address, RepositoryError> {
        if let [only] = parts {
            return Ok(only.clone());
        }
        let mut upload = self.upload().await?;
        for part in parts {
            let mut bytes = self.inner.read(part, None).await?;
            while let Some(piece) = bytes.try_next().await? {
                upload.write(piece).await?;
            }
        }
        upload.finish().await
    }

    /// Removes the object behind an address that no path ever held (the part of a multipart upload). An address within
    /// a larger, shared object is left alone. Idempotent.
    pub async fn discard(&self, address: &Address) -> Result<(), RepositoryError> {
        if address.offset != 0 {
            return Ok(());
        }
        let storage = &self.inner.storage;
        match storage.head(&address.object).await {
            // Segments are allocated larger than what is first written to them.
            Ok(object) if object.size == address.length => {
                storage.delete(&address.object).await.map_err(RepositoryError::storage(self.name()))
            }
            Ok(_) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(RepositoryError::storage(self.name())(error)),
        }
    }

    /// A fresh key for an object that a client uploads past this server and links with [`Repository::put`] afterwards.
    pub fn new_physical_address(&self) -> ObjectKey {
        new_object_key(self.inner.clock.as_ref(), self.inner.ids.as_ref())
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
        let row = row_of(path, &entry)?;
        match condition_of(condition) {
            None => self.inner.stage(branch, &[row]).await.map(|()| WriteAnswer::Written),
            Some(condition) => self.inner.stage_if(branch, path, row, condition).await,
        }
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
        let rows: Result<Vec<_>, _> = entries.iter().map(|(path, entry)| row_of(path, entry)).collect();
        self.inner.stage_in_groups(branch, rows?).await
    }

    /// Deletes a path of a branch, uncommitted. Idempotent: one that holds nothing is no error.
    ///
    /// # Errors
    /// As [`Repository::put`].
    pub async fn delete(&self, branch: &BranchName, path: &ObjectPath) -> Result<(), RepositoryError> {
        self.inner.stage(branch, &[tombstone_of(path)]).await
    }

    /// Deletes a path of a branch, uncommitted, if it holds what `condition` says.
    ///
    /// # Errors
    /// As [`Repository::put`].
    pub async fn delete_if(
        &self,
        branch: &BranchName,
        path: &ObjectPath,
        condition: WriteCondition,
    ) -> Result<WriteAnswer, RepositoryError> {
        match condition_of(condition) {
            None => self.delete(branch, path).await.map(|()| WriteAnswer::Written),
            Some(condition) => self.inner.stage_if(branch, path, tombstone_of(path), condition).await,
        }
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
        self.inner.stage_in_groups(branch, paths.iter().map(tombstone_of).collect()).await
    }
}

impl Inner {
    async fn stat(&self, reference: &str, path: &ObjectPath) -> Result<Option<Entry>, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let Target { commit, branch } = self.resolve(reference).await?;
            let Some((name, branch)) = branch else {
                return self.entry_in(&self.commit_of(&commit).await?, path).await;
            };
            let tokens = branch.record.tokens();
            if let Some(staged) = self.staged_entry(&tokens, path).await? {
                return Ok(staged);
            }
            // What was staged may just have been committed: then this head is not the one to look into.
            if self.still_names(&name, &tokens).await? {
                return self.entry_in(&self.commit_of(&commit).await?, path).await;
            }
        }
        Err(RepositoryError::busy("branch", reference, TRIES_MAX))
    }

    async fn stage_in_groups(
        &self,
        branch: &BranchName,
        rows: Vec<StagedRow>,
    ) -> Result<(), RepositoryError> {
        if rows.is_empty() {
            self.load_branch(branch).await?;
        }
        for group in rows.chunks(ROWS_AT_ONCE) {
            self.stage(branch, group).await?;
        }
        Ok(())
    }

    pub(crate) async fn read(
        &self,
        address: &Address,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream, RepositoryError> {
        let range = within(address, range)?;
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let bytes = self.storage.get_stream(&address.object, Some(range)).await;
        let repository = self.info.name.clone();
        let bytes = bytes.map_err(|error| match error {
            // Somebody else removed it: no server of ours deletes what an entry points to.
            StorageError::NotFound { key, storage } => RepositoryError::Gone {
                what: format!("object {key}"),
                reason: format!("{storage} no longer holds it"),
            },
            error => RepositoryError::storage(&repository)(error),
        })?;
        Ok(bytes.map_err(move |error| RepositoryError::storage(&repository)(error)).boxed())
    }
}

/// A range of an object as a range of what its address names.
fn within(address: &Address, range: Option<Range<u64>>) -> Result<Range<u64>, RepositoryError> {
    let range = range.unwrap_or(0..address.length);
    if range.start > range.end || range.end > address.length {
        return Err(RepositoryError::invalid(format!(
            "bytes {}..{} were asked for, but the object has {}",
            range.start, range.end, address.length
        )));
    }
    let start = address.offset.saturating_add(range.start);
    Ok(start..address.offset.saturating_add(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_what_the_address_names() {
        let address = Address { object: ObjectKey::new("o"), offset: 100, length: 10 };
        assert_eq!(within(&address, None).unwrap(), 100..110);
        assert_eq!(within(&address, Some(2..10)).unwrap(), 102..110);
        assert_eq!(within(&address, Some(3..3)).unwrap(), 103..103);
        for (start, end) in [(0, 11), (5, 4), (11, 11), (0, u64::MAX)] {
            assert!(within(&address, Some(start..end)).is_err(), "{start}..{end}");
        }
    }
}
