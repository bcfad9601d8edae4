//! Objects in a bucket of a cloud, on the `object_store` crate: what is the same for every kind. What is particular to
//! one is in `s3.rs` and `azure.rs`.

mod put;
mod source;
mod upload;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anabranch_types::{IdSource, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
};

pub use source::RemoteSource;

use crate::{
    ETag, ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, SignedFor, StorageError,
    StoredObject, check_key,
};

/// How many bytes a piece of a stream has at most.
const PIECE_BYTES: usize = 1 << 20;

/// How long one request may take. An upload's part has this long too.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a request is repeated when the other side does not answer, or says that it cannot now.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Objects in a bucket, below a prefix.
///
/// Relies on strong consistency and on conditions of a write: `If-None-Match: *` and `If-Match`.
#[derive(Clone)]
pub struct RemoteStorage {
    name: Arc<str>,
    prefix: Arc<str>,
    /// Sends again what can be sent twice.
    client: Arc<dyn ObjectStore>,
    /// Signs addresses for others.
    signer: Arc<dyn Signer>,
    /// Sends once, so that a refusal is known to be the answer to the first request.
    once: Arc<dyn ObjectStore>,
    /// The metadata of an object that holds the id of the write that made it.
    write_id: Attribute,
    /// Makes the ids by which a write is recognised when its reply was lost.
    ids: Arc<dyn IdSource>,
}

impl std::fmt::Debug for RemoteStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStorage").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is particular to one kind of bucket.
pub(crate) struct Kind<'a> {
    /// How its URLs begin: `s3`.
    pub(crate) scheme: &'static str,
    /// The bucket.
    pub(crate) bucket: &'a str,
    /// What every key begins with.
    pub(crate) prefix: &'a str,
    /// The name of the metadata that holds the id of a write.
    pub(crate) write_id: &'static str,
}

/// How requests are sent: the same for every kind.
pub(crate) fn client_options(allow_http: bool) -> ClientOptions {
    ClientOptions::new().with_allow_http(allow_http).with_timeout(REQUEST_TIMEOUT)
}

impl RemoteStorage {
    /// A storage of this kind. Sends nothing yet; reads no environment variable and no file.
    pub(crate) fn new<S: ObjectStore + Signer>(
        kind: &Kind<'_>,
        ids: Arc<dyn IdSource>,
        client: impl Fn(RetryConfig) -> Result<S, object_store::Error>,
    ) -> Result<Self, StorageError> {
        let separator = if kind.prefix.is_empty() { "" } else { "/" };
        let name = format!("{}://{}{separator}{}", kind.scheme, kind.bucket, kind.prefix);
        if !kind.prefix.is_empty() {
            check_key(&ObjectKey::new(kind.prefix))?;
        }
        let client = |max_retries| -> Result<Arc<S>, StorageError> {
            let retry = RetryConfig { max_retries, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
            match client(retry) {
                Ok(client) => Ok(Arc::new(client)),
                Err(error) => Err(StorageError::Failed {
                    action: "opening the bucket",
                    key: "the storage".to_string(),
                    storage: name.clone(),
                    source: Box::new(error),
                }),
            }
        };
        let retrying = client(RetryConfig::default().max_retries)?;
        Ok(RemoteStorage {
            client: retrying.clone(),
            signer: retrying,
            once: client(0)?,
            prefix: format!("{}{separator}", kind.prefix).into(),
            name: name.into(),
            write_id: Attribute::Metadata(kind.write_id.into()),
            ids,
        })
    }

    fn path(&self, key: &ObjectKey) -> Result<Path, StorageError> {
        check_key(key)?;
        Path::parse(format!("{}{key}", self.prefix)).map_err(|error| self.failed("naming", key, error.into()))
    }

    /// The key of an object of the bucket; `None` if it lies elsewhere.
    fn key_of(&self, path: &Path) -> Option<ObjectKey> {
        path.as_ref().strip_prefix(self.prefix.as_ref()).map(ObjectKey::new)
    }

    fn failed(&self, action: &'static str, key: &ObjectKey, error: object_store::Error) -> StorageError {
        if let object_store::Error::Generic { .. } = error {
            // What is left after all retries: no connection, no answer in time, or answers with 5xx and 429.
            return StorageError::Unavailable {
                action,
                key: key.to_string(),
                storage: self.name.to_string(),
                source: Box::new(error),
            };
        }
        StorageError::Failed {
            action,
            key: key.to_string(),
            storage: self.name.to_string(),
            source: Box::new(error),
        }
    }

    fn read_failed(&self, key: &ObjectKey, error: object_store::Error) -> StorageError {
        match error {
            object_store::Error::NotFound { .. } => {
                StorageError::NotFound { key: key.to_string(), storage: self.name.to_string() }
            }
            error => self.failed("reading", key, error),
        }
    }

    fn unknown(&self, key: &ObjectKey, error: object_store::Error) -> StorageError {
        StorageError::Unknown {
            key: key.to_string(),
            storage: self.name.to_string(),
            source: Box::new(error),
        }
    }

    /// Begins to read. The answer's range is the one that was asked for.
    async fn open_range(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let path = self.path(key)?;
        if let Some(range) = range.as_ref().filter(|range| range.start >= range.end) {
            // No request can ask for no bytes, so the object is asked for its size.
            self.require_inside(key, range).await?;
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
        let result = match (self.client.get_opts(&path, options).await, &range) {
            (Ok(result), Some(range)) if result.range != *range => {
                return Err(outside(key, range, result.meta.size));
            }
            (Ok(result), _) => result,
            (Err(error @ object_store::Error::NotFound { .. }), _) | (Err(error), None) => {
                return Err(self.read_failed(key, error));
            }
            (Err(error), Some(range)) => {
                // A range that begins behind the end is refused in a way that has no error of its own.
                self.require_inside(key, range).await?;
                return Err(self.read_failed(key, error));
            }
        };
        let (storage, key) = (self.clone(), key.clone());
        Ok(result.into_stream().map_err(move |error| storage.read_failed(&key, error)).boxed())
    }

    /// An address for one object, with this storage's credentials in its signature.
    async fn sign(
        &self,
        path: &Path,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<String, object_store::Error> {
        let method = match purpose {
            SignedFor::Read => "GET",
            SignedFor::Write => "PUT",
        };
        let method = method
            .parse()
            .map_err(|error| object_store::Error::Generic { store: "bucket", source: Box::new(error) })?;
        Ok(self.signer.signed_url(method, path, lifetime).await?.to_string())
    }

    async fn require_inside(&self, key: &ObjectKey, range: &Range<u64>) -> Result<(), StorageError> {
        let size = self.head(key).await?.size;
        if range.start > range.end || range.end > size {
            return Err(outside(key, range, size));
        }
        Ok(())
    }
}

fn outside(key: &ObjectKey, range: &Range<u64>, size: u64) -> StorageError {
    StorageError::RangeOutside { key: key.to_string(), size, start: range.start, end: range.end }
}

#[async_trait]
impl ObjectStorage for RemoteStorage {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        let path = self.path(key)?;
        match mode {
            PutMode::Overwrite => self.overwrite(key, &path, body).await.map(PutOutcome::Stored),
            PutMode::Create => self.put_if(key, &path, body, object_store::PutMode::Create).await,
            PutMode::Update(ETag(etag)) => {
                let version = object_store::UpdateVersion { e_tag: Some(etag), version: None };
                self.put_if(key, &path, body, object_store::PutMode::Update(version)).await
            }
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        let mut pieces = self.open_range(key, range.clone()).await?;
        let Some(first) = pieces.try_next().await? else { return Ok(Bytes::new()) };
        let Some(second) = pieces.try_next().await? else { return Ok(first) };
        let mut bytes = Vec::with_capacity(first.len() + second.len());
        bytes.extend_from_slice(&first);
        bytes.extend_from_slice(&second);
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.into())
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let pieces = self.open_range(key, range).await?;
        let cut = pieces.map_ok(|piece| {
            stream::unfold(piece, |mut rest| async move {
                let next = rest.split_to(rest.len().min(PIECE_BYTES));
                (!next.is_empty()).then_some((Ok(next), rest))
            })
        });
        Ok(cut.try_flatten().boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        let path = self.path(key)?;
        let meta = self.client.head(&path).await.map_err(|error| self.read_failed(key, error))?;
        let etag = ETag(meta.e_tag.unwrap_or_default());
        Ok(StoredObject { size: meta.size, etag })
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = self.path(key)?;
        match self.client.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("deleting", key, error)),
        }
    }

    /// The server compares `start-after` and gives keys in UTF-8 byte order, as general purpose buckets do;
    /// a key out of order is an error, so that no caller ever works on a wrong page.
    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        let exact = ObjectKey::new(prefix);
        let after = after.filter(|after| **after >= exact).cloned();
        // `start-after` leaves out the key that equals the prefix, so that one is asked for by itself.
        let first = match after {
            None => self.clone().listed_alone(exact.clone()).boxed(),
            Some(_) => stream::empty().boxed(),
        };
        let rest = self.listed_after(prefix, after.unwrap_or(exact));
        let (storage, mut last) = (self.clone(), None::<ObjectKey>);
        first
            .chain(rest)
            .map(move |next| {
                let next = next?;
                if last.as_ref().is_some_and(|last| *last >= next.key) {
                    return Err(storage.out_of_order(&next.key));
                }
                last = Some(next.key.clone());
                Ok(next)
            })
            .boxed()
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        let path = self.path(key)?;
        Ok(Box::new(upload::RemoteUpload::new(self.clone(), key.clone(), path)))
    }

    async fn signed_url(
        &self,
        key: &ObjectKey,
        purpose: SignedFor,
        lifetime: Duration,
    ) -> Result<Option<String>, StorageError> {
        let path = self.path(key)?;
        let url = self.sign(&path, purpose, lifetime).await;
        url.map(Some).map_err(|error| self.failed("signing an address", key, error))
    }
}

impl RemoteStorage {
    /// The object that has exactly this key, if there is one.
    fn listed_alone(self, key: ObjectKey) -> impl futures::Stream<Item = Result<ListedObject, StorageError>> {
        stream::once(async move {
            if check_key(&key).is_err() {
                return Ok(None);
            }
            match self.head(&key).await {
                Ok(found) => Ok(Some(ListedObject { key, size: found.size })),
                Err(StorageError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .try_filter_map(|found| async move { Ok(found) })
    }

    /// The objects that begin with `prefix` and come after `after`.
    fn listed_after(
        &self,
        prefix: &str,
        after: ObjectKey,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        // The crate lists folders: the part of the prefix behind its last `/` is compared here.
        let whole = format!("{}{prefix}", self.prefix);
        let folder = whole.rsplit_once('/').map(|(folder, _)| folder);
        let folder = match folder.map(Path::parse).transpose() {
            Ok(folder) => folder,
            Err(_) => return stream::empty().boxed(), // No key begins like this.
        };
        let found = match Path::parse(format!("{}{after}", self.prefix)) {
            Ok(offset) if !offset.is_root() => self.client.list_with_offset(folder.as_ref(), &offset),
            _ => self.client.list(folder.as_ref()),
        };
        let (storage, prefix) = (self.clone(), prefix.to_string());
        let shown = ObjectKey::new(prefix.as_str());
        found
            .map_err({
                let storage = storage.clone();
                move |error| storage.failed("listing", &shown, error)
            })
            .try_filter_map(move |meta| {
                let key = storage.key_of(&meta.location).filter(|key| *key > after);
                async move { Ok(key.map(|key| ListedObject { key, size: meta.size })) }
            })
            .try_take_while({
                let prefix = prefix.clone();
                move |object| {
                    let within =
                        object.key.as_str().starts_with(&prefix) || object.key.as_str() < prefix.as_str();
                    async move { Ok(within) }
                }
            })
            .try_filter(move |object| {
                let within = object.key.as_str().starts_with(&prefix);
                async move { within }
            })
            .boxed()
    }

    fn out_of_order(&self, key: &ObjectKey) -> StorageError {
        StorageError::Failed {
            action: "listing",
            key: key.to_string(),
            storage: self.name.to_string(),
            source: "the server gave a key out of order; directory buckets are not supported".into(),
        }
    }
}
