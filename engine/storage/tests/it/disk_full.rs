//! A folder on a disk that is full.

use anabranch_storage::{LocalStorage, ObjectStorage, PutMode, SegmentWriter, StorageError};
use anabranch_types::ObjectKey;
use anabranch_types::test_support::{ManualClock, SeededIds};
use bytes::Bytes;
use futures::TryStreamExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A file system of a few MiB, if the test command mounted one.
fn small_disk() -> Option<PathBuf> {
    let disk = std::env::var_os("ANABRANCH_TEST_SMALL_DISK");
    if disk.is_none() {
        eprintln!(
            "skipped: ANABRANCH_TEST_SMALL_DISK names no file system of at most 16 MiB (a small tmpfs)"
        );
    }
    disk.map(PathBuf::from)
}

fn full<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Full { .. })), "{result:?}");
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_of_the_write_stays() {
    let Some(disk) = small_disk() else { return };
    let folder = tempfile::tempdir_in(disk).unwrap();
    let storage = Arc::new(LocalStorage::open(folder.path()).unwrap());
    let (small, large) = (ObjectKey::new("small"), ObjectKey::new("large"));
    storage.put(&small, "before".into(), PutMode::Create).await.unwrap();
    let too_much = Bytes::from(vec![1; 17 << 20]);

    full(storage.put(&large, too_much.clone(), PutMode::Create).await);
    let mut upload = storage.upload(&large).await.unwrap();
    full(upload.write(too_much).await);
    assert!(upload.finish().await.is_err(), "an upload that lost bytes never finishes");
    assert!(storage.open_segment(&large, 17 << 20).await.is_err());

    let listed: Vec<_> = storage.list("", None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(storage.get(&small, None).await.unwrap(), "before");

    // What failed gave its space back.
    let (clock, ids) = (Arc::new(ManualClock::at(0)), Arc::new(SeededIds::new(1)));
    let writer = SegmentWriter::new(storage.clone(), clock, ids);
    let mut appended = 0;
    while let Ok(address) = writer.append(vec![2; 200 << 10].into()).await {
        assert_eq!(address.length, 200 << 10);
        appended += 1;
    }
    assert!(appended > 0);
    full(writer.append(vec![2; 200 << 10].into()).await);
}
