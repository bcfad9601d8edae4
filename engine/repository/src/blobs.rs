//! How mergers read and write objects of a repository.

use std::sync::Arc;

use anabranch_merge::{NewObject, ObjectAttributes, ObjectReader, ReadError, UnitWriter, ViewError};
use anabranch_tree::TreeError;
use anabranch_types::{Address, Checksum, Entry};
use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::error::is_temporary;
use crate::repository::Inner;

/// The media type of objects for which a merger names none.
const CONTENT_TYPE: &str = "application/octet-stream";

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

/// Writes new objects of one merge: small ones into segments.
pub(crate) struct NewObjects {
    pub(crate) inner: Arc<Inner>,
    /// The time of the merge.
    pub(crate) modified_ms: i64,
}

#[async_trait]
impl UnitWriter for NewObjects {
    async fn write(&self, body: Bytes, attributes: ObjectAttributes) -> Result<NewObject, ViewError> {
        let checksum = Checksum::from_md5(Md5::digest(&body).into());
        let address = self.inner.segments.append(body).await.map_err(|error| ViewError::Storage {
            path: String::new(),
            side: "the result".to_owned(),
            message: anabranch_merge::full_message(&error),
            temporary: is_temporary(&error),
        })?;
        let content_type = match attributes.content_type {
            none if none.is_empty() => CONTENT_TYPE.to_owned(),
            content_type => content_type,
        };
        Ok(Entry {
            size: address.length,
            address,
            checksum,
            parts: 0,
            modified_ms: self.modified_ms,
            content_type,
            metadata: attributes.metadata,
        })
    }
}
