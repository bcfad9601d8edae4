//! A whole bucket as a source of imports.

use std::ops::Range;
use std::time::Duration;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::RemoteStorage;
use crate::{ImportSource, ObjectStorage, SignedFor, SourceObject, StorageError};

/// The objects of a bucket, read only.
#[derive(Clone, Debug)]
pub struct RemoteSource {
    bucket: RemoteStorage,
}

impl RemoteSource {
    /// The source that reads `bucket`, a storage that was opened without a prefix.
    pub fn new(bucket: RemoteStorage) -> Self {
        RemoteSource { bucket }
    }
}

fn found(meta: ObjectMeta) -> SourceObject {
    SourceObject {
        key: meta.location.to_string(),
        size: meta.size,
        etag: meta.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
        modified_ms: meta.last_modified.timestamp_millis(),
    }
}

#[async_trait]
impl ImportSource for RemoteSource {
    fn name(&self) -> &str {
        self.bucket.name()
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> BoxStream<'static, Result<SourceObject, StorageError>> {
        // The crate lists folders: the part of the prefix behind its last `/` is compared here.
        let folder = prefix.rsplit_once('/').map(|(folder, _)| Path::parse(folder));
        let folder = match folder.transpose() {
            Ok(folder) => folder,
            Err(_) => return stream::empty().boxed(), // No key that can be read begins like this.
        };
        let offset = after.and_then(|after| Path::parse(after).ok()).filter(|offset| !offset.is_root());
        let objects = match &offset {
            Some(offset) => self.bucket.client.list_with_offset(folder.as_ref(), offset),
            None => self.bucket.client.list(folder.as_ref()),
        };
        let (bucket, shown) = (self.bucket.clone(), ObjectKey::new(prefix));
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        objects
            .map_err(move |error| bucket.failed("listing", &shown, error))
            .map_ok(found)
            .try_filter(move |object| {
                let wanted =
                    object.key.starts_with(&prefix) && after.as_ref().is_none_or(|after| object.key > *after);
                async move { wanted }
            })
            .boxed()
    }

    async fn find(&self, key: &str) -> Result<SourceObject, StorageError> {
        let key = ObjectKey::new(key);
        let path = self.bucket.path(&key)?;
        let meta = self.bucket.client.head(&path).await;
        Ok(found(meta.map_err(|error| self.bucket.read_failed(&key, error))?))
    }

    async fn read(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        self.bucket.get_stream(&ObjectKey::new(key), Some(range)).await
    }

    async fn signed_url(&self, key: &str, lifetime: Duration) -> Result<Option<String>, StorageError> {
        self.bucket.signed_url(&ObjectKey::new(key), SignedFor::Read, lifetime).await
    }
}
