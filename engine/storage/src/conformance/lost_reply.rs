//! Writes whose reply is lost.

use std::sync::Arc;

use super::{absent, key, refused, stored};
use crate::fault::{Fault, FaultyStorage, Operation};
use crate::{ObjectStorage, PutMode, StorageError};

/// A conditional write that is sent again because its reply was lost is stored, once; one that another
/// writer beat is refused.
pub async fn retried_writes(inner: &Arc<dyn ObjectStorage>) {
    let storage = FaultyStorage::new(Arc::clone(inner));
    let key = key("conformance/retried/a");
    storage.script(Operation::Put, [Fault::ReplyLostAndRetried, Fault::ReplyLostAndRetried]);
    let first = stored(storage.put(&key, "mine".into(), PutMode::Create).await);
    assert_eq!(storage.head(&key).await.unwrap().etag, first);
    let second = stored(storage.put(&key, "changed".into(), PutMode::Update(first.clone())).await);
    assert_eq!(storage.head(&key).await.unwrap().etag, second);
    assert_eq!(storage.left(Operation::Put), 0);

    storage.script(Operation::Put, [Fault::ReplyLostAndRetried, Fault::ReplyLostAndRetried]);
    refused(storage.put(&key, "theirs".into(), PutMode::Create).await);
    refused(storage.put(&key, "theirs".into(), PutMode::Update(first)).await);
    assert_eq!(storage.get(&key, None).await.unwrap(), "changed");
}

/// A write that is not answered is unknown, not refused and not failed; reading tells which it was.
pub async fn lost_replies(inner: &Arc<dyn ObjectStorage>) {
    let storage = FaultyStorage::new(Arc::clone(inner));
    let key = key("conformance/lost/a");
    storage.script(Operation::Put, [Fault::RequestLost, Fault::ReplyLost]);
    unknown(storage.put(&key, "one".into(), PutMode::Create).await);
    absent(storage.head(&key).await, &key);
    unknown(storage.put(&key, "one".into(), PutMode::Create).await);
    assert_eq!(storage.get(&key, None).await.unwrap(), "one");
    refused(storage.put(&key, "two".into(), PutMode::Create).await);

    storage.script(Operation::Delete, [Fault::ReplyLost]);
    unknown(storage.delete(&key).await);
    storage.delete(&key).await.unwrap();
    absent(storage.head(&key).await, &key);

    storage.script(Operation::UploadFinish, [Fault::RequestLost, Fault::ReplyLost]);
    for lands in [false, true] {
        let mut upload = storage.upload(&key).await.unwrap();
        upload.write("piece".into()).await.unwrap();
        unknown(upload.finish().await);
        assert_eq!(storage.head(&key).await.is_ok(), lands);
    }
    storage.script(Operation::Put, [Fault::Full]);
    let full = storage.put(&key, "more".into(), PutMode::Overwrite).await;
    assert!(matches!(full, Err(StorageError::Full { .. })), "{full:?}");
    assert_eq!(storage.get(&key, None).await.unwrap(), "piece");
}

fn unknown<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Unknown { .. })), "expected it to be unknown: {result:?}");
}
