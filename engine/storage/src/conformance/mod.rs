//! What every object storage must do, as plain functions that each implementation's tests call.
//!
//! A suite panics at the first broken promise. Each works below a key prefix of its own, which must be empty
//! when it begins; it need not be empty when it ends.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a suite's verdict is a panic"
)]

mod list;
mod lost_reply;
mod put;
mod read;
mod segment;
mod upload;

use anabranch_types::ObjectKey;
use bytes::Bytes;
use futures::StreamExt;

use crate::{ETag, ListedObject, ObjectStorage, PutMode, PutOutcome, StorageError};

pub use list::{listing_order, listing_pages, listing_while_writing};
pub use lost_reply::{lost_replies, retried_writes};
pub use put::{conditional_puts, deletes, invalid_keys, racing_creates, racing_updates};
pub use read::{ranged_reads, streamed_reads};
pub use segment::segments;
pub use upload::{uploads, uploads_of_large_objects};

/// Runs every suite that needs nothing but the storage.
pub async fn all(storage: &dyn ObjectStorage) {
    conditional_puts(storage).await;
    racing_creates(storage).await;
    racing_updates(storage).await;
    deletes(storage).await;
    invalid_keys(storage).await;
    ranged_reads(storage).await;
    streamed_reads(storage).await;
    listing_order(storage).await;
    listing_pages(storage).await;
    listing_while_writing(storage).await;
    uploads(storage).await;
    uploads_of_large_objects(storage).await;
    segments(storage).await;
}

fn key(text: impl Into<String>) -> ObjectKey {
    ObjectKey::new(text.into())
}

async fn put(storage: &dyn ObjectStorage, key: &ObjectKey, body: &'static str) -> ETag {
    stored(storage.put(key, Bytes::from_static(body.as_bytes()), PutMode::Overwrite).await)
}

fn stored(result: Result<PutOutcome, StorageError>) -> ETag {
    match result {
        Ok(PutOutcome::Stored(etag)) => etag,
        other => panic!("expected the object to be stored: {other:?}"),
    }
}

fn refused(result: Result<PutOutcome, StorageError>) {
    assert!(matches!(result, Ok(PutOutcome::Refused)), "expected a refusal: {result:?}");
}

fn absent<T: std::fmt::Debug>(result: Result<T, StorageError>, key: &ObjectKey) {
    match result {
        Err(StorageError::NotFound { key: named, .. }) => assert_eq!(named, key.as_str()),
        other => panic!("expected {key} to be absent: {other:?}"),
    }
}

async fn list(storage: &dyn ObjectStorage, prefix: &str, after: Option<&ObjectKey>) -> Vec<ListedObject> {
    storage.list(prefix, after).map(Result::unwrap).collect().await
}

async fn keys(storage: &dyn ObjectStorage, prefix: &str, after: Option<&ObjectKey>) -> Vec<String> {
    list(storage, prefix, after).await.into_iter().map(|object| object.key.to_string()).collect()
}

/// A body that shows where each of its bytes belongs.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at / 251 + at) % 251).unwrap()).collect::<Vec<u8>>().into()
}
