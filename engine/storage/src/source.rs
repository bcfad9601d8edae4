//! Objects that others wrote and keep: what is imported points to them.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StorageError;

/// An object of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceObject {
    /// Its key within the source.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
    /// What the source calls this version of it; equal only for equal versions of one key.
    pub etag: String,
    /// When it was written, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// A place that is only read: a bucket, or a folder that somebody else fills.
///
/// Nothing keeps its objects as they are. Whoever imports them promises that; a read of one that was removed or became
/// shorter fails.
#[async_trait]
pub trait ImportSource: Send + Sync + std::fmt::Debug {
    /// How this source is called in messages: a URL without secrets.
    fn name(&self) -> &str;

    /// The objects whose key begins with `prefix` and is greater than `after`, in bytewise order of key.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> BoxStream<'static, Result<SourceObject, StorageError>>;

    /// What is known of one object.
    async fn find(&self, key: &str) -> Result<SourceObject, StorageError>;

    /// Reads the bytes of `range`, exactly, in pieces of at most 1 MiB.
    async fn read(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError>;

    /// An address at which whoever holds it may read this one object for `lifetime`. `None`: there is none to give.
    async fn signed_url(&self, key: &str, lifetime: Duration) -> Result<Option<String>, StorageError>;
}
