//! The storages that fail on demand or count.

use std::sync::Arc;

use anabranch_storage::counting::{CountingStorage, Counts};
use anabranch_storage::fault::{Fault, FaultyStorage, Operation};
use anabranch_storage::{LocalStorage, ObjectStorage, PutMode, StorageError, conformance, open_memory};
use anabranch_types::ObjectKey;
use futures::TryStreamExt;

#[tokio::test]
async fn wrappers_conform() {
    conformance::all(&FaultyStorage::new(open_memory("faulty"))).await;
    conformance::all(&CountingStorage::new(open_memory("counting"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrappers_of_a_storage_that_appends_conform() {
    let folder = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalStorage::open(folder.path()).unwrap());
    conformance::segments(&FaultyStorage::new(local.clone())).await;
    let counting = CountingStorage::new(local);
    counting.delete(&ObjectKey::new("conformance/segment/a")).await.unwrap();
    conformance::segments(&counting).await;
    let counts = counting.take();
    assert_eq!((counts.segments, counts.appends), (1, 7));
}

#[tokio::test]
async fn a_torn_write_and_a_broken_read_reach_the_caller_as_errors() {
    let storage = FaultyStorage::new(open_memory("torn"));
    let key = ObjectKey::new("a");
    storage.script(Operation::Put, [Fault::Torn(3)]);
    let torn = storage.put(&key, "abcdef".into(), PutMode::Create).await;
    assert!(matches!(torn, Err(StorageError::Unknown { .. })), "{torn:?}");
    assert_eq!(storage.get(&key, None).await.unwrap(), "abc");

    storage.script(Operation::Get, [Fault::RequestLost, Fault::Torn(1)]);
    assert!(matches!(storage.get(&key, None).await, Err(StorageError::Failed { .. })));
    let pieces: Result<Vec<_>, _> = storage.get_stream(&key, None).await.unwrap().try_collect().await;
    assert!(pieces.is_err());
    storage.script(Operation::List, [Fault::Torn(0)]);
    let listed: Result<Vec<_>, _> = storage.list("", None).try_collect().await;
    assert!(listed.is_err());
}

#[tokio::test]
async fn counts_are_of_requests_and_bytes() {
    let storage = CountingStorage::new(open_memory("counted"));
    let key = ObjectKey::new("a");
    storage.put(&key, "12345".into(), PutMode::Create).await.unwrap();
    storage.get(&key, Some(1..3)).await.unwrap();
    let _: Vec<_> = storage.get_stream(&key, None).await.unwrap().try_collect().await.unwrap();
    storage.head(&key).await.unwrap();
    storage.delete(&key).await.unwrap();
    let expected = Counts {
        puts: 1,
        gets: 2,
        heads: 1,
        deletes: 1,
        bytes_written: 5,
        bytes_read: 7,
        ..Counts::default()
    };
    assert_eq!(storage.take(), expected);
    assert_eq!(storage.take(), Counts::default());
}
