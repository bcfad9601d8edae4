//! Small bodies that share segments.

use std::sync::Arc;

use anabranch_storage::counting::CountingStorage;
use anabranch_storage::fault::{Fault, FaultyStorage, Operation};
use anabranch_storage::{
    LocalStorage, ObjectStorage, ObjectStorageExt, SegmentWriter, StorageError, open_memory,
};
use anabranch_types::Address;
use anabranch_types::test_support::{ManualClock, SeededIds};
use bytes::Bytes;
use futures::future::join_all;

fn writer(storage: Arc<dyn ObjectStorage>) -> SegmentWriter {
    SegmentWriter::new(storage, Arc::new(ManualClock::at(1_767_225_600_000)), Arc::new(SeededIds::new(1)))
}

fn body(at: usize) -> Bytes {
    format!("body {at} ").repeat(at % 7).into()
}

async fn append_many(writer: &SegmentWriter, bodies: usize) -> Vec<Address> {
    join_all((0..bodies).map(|at| writer.append(body(at)))).await.into_iter().map(Result::unwrap).collect()
}

async fn check_round_trip(storage: Arc<dyn ObjectStorage>) {
    let writer = writer(Arc::clone(&storage));
    for _ in 0..3 {
        for (at, address) in append_many(&writer, 200).await.iter().enumerate() {
            assert_eq!(address.length, body(at).len() as u64);
            assert_eq!(storage.read(address).await.unwrap(), body(at));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    check_round_trip(open_memory("segments")).await;
    check_round_trip(Arc::new(LocalStorage::open(folder.path()).unwrap())).await;
}

#[tokio::test]
async fn concurrent_appends_share_one_write() {
    let storage = Arc::new(CountingStorage::new(open_memory("groups")));
    let writer = writer(storage.clone());
    let addresses = append_many(&writer, 64).await;
    let counts = storage.take();
    assert!(counts.puts <= 2, "{counts:?}");
    assert!(addresses.windows(2).all(|pair| pair[0].object == pair[1].object || pair[1].offset == 0));

    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(CountingStorage::new(Arc::new(LocalStorage::open(folder.path()).unwrap())));
    let writer = self::writer(storage.clone());
    for _ in 0..5 {
        append_many(&writer, 64).await;
    }
    let counts = storage.take();
    assert_eq!((counts.puts, counts.segments), (0, 1));
    assert!(counts.appends <= 10, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_segment_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(LocalStorage::open(folder.path()).unwrap());
    let writer = writer(storage.clone());
    let large = Bytes::from(vec![7; 200 << 10]);
    let mut addresses = Vec::new();
    for _ in 0..12 {
        addresses.push(writer.append(large.clone()).await.unwrap());
    }
    let mut objects: Vec<_> = addresses.iter().map(|address| address.object.clone()).collect();
    objects.dedup();
    assert!(objects.len() >= 2, "{objects:?}");
    for address in &addresses {
        assert!(storage.read(address).await.unwrap() == large);
    }
}

#[tokio::test]
async fn a_segment_that_is_closed_gives_back_what_no_group_took() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(folder.path()).unwrap();
    let key = anabranch_types::ObjectKey::new("segment");
    let mut segment = storage.open_segment(&key, 1 << 20).await.unwrap().unwrap();
    segment.append("taken".into()).await.unwrap();
    assert_eq!(storage.head(&key).await.unwrap().size, 1 << 20);
    drop(segment);
    assert_eq!(storage.head(&key).await.unwrap().size, 4_096);
    assert_eq!(storage.get(&key, Some(0..5)).await.unwrap(), "taken");
}

#[tokio::test]
async fn a_large_body_is_an_object_of_its_own() {
    let storage = open_memory("large");
    let writer = writer(Arc::clone(&storage));
    let large = Bytes::from(vec![1; 1 << 20]);
    let address = writer.append(large.clone()).await.unwrap();
    assert_eq!((address.offset, address.length), (0, 1 << 20));
    assert_eq!(storage.head(&address.object).await.unwrap().size, 1 << 20);
}

#[tokio::test]
async fn an_error_reaches_every_member_of_the_group_and_no_later_one() {
    let storage = FaultyStorage::new(open_memory("fails"));
    let writer = writer(Arc::new(storage.clone()));
    storage.script(Operation::Put, [Fault::Full]);
    let results = join_all((0..8).map(|at| writer.append(body(at)))).await;
    assert_eq!(storage.left(Operation::Put), 0);
    assert!(results.iter().all(|result| matches!(result, Err(StorageError::Full { .. }))), "{results:?}");
    append_many(&writer, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_failed_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FaultyStorage::new(Arc::new(LocalStorage::open(folder.path()).unwrap()));
    let writer = writer(Arc::new(storage.clone()));
    let before = writer.append("before".into()).await.unwrap();
    storage.script(Operation::Append, [Fault::Torn(2)]);
    let torn = writer.append("torn".into()).await;
    assert!(matches!(torn, Err(StorageError::Unknown { .. })), "{torn:?}");
    let after = writer.append("after".into()).await.unwrap();
    assert_ne!(before.object, after.object);
    assert_eq!(storage.read(&before).await.unwrap(), "before");
    assert_eq!(storage.read(&after).await.unwrap(), "after");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_others() {
    let storage = open_memory("dropped");
    let writer = Arc::new(writer(Arc::clone(&storage)));
    let mut leader = Box::pin(writer.append("leader".into()));
    // One poll makes it the leader; then it is dropped.
    assert!(futures::poll!(&mut leader).is_pending());
    drop(leader);
    let address = writer.append("other".into()).await.unwrap();
    assert_eq!(storage.read(&address).await.unwrap(), "other");
}
