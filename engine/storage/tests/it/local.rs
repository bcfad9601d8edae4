//! Objects in a local folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anabranch_storage::{
    LocalStorage, ObjectStorage, PutMode, PutOutcome, StorageError, conformance, open_local,
};
use anabranch_types::ObjectKey;
use futures::TryStreamExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_local(folder.path()).unwrap();
    conformance::all(storage.as_ref()).await;
    conformance::retried_writes(&storage).await;
    conformance::lost_replies(&storage).await;
    assert_eq!(temporaries(folder.path()), 0, "every temporary file is gone");
}

fn temporaries(folder: &Path) -> usize {
    fs::read_dir(folder.join("%tmp")).unwrap().count()
}

async fn keys(storage: &dyn ObjectStorage) -> Vec<String> {
    storage.list("", None).map_ok(|object| object.key.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_crash_between_any_two_steps_leaves_the_object_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, linked) = (ObjectKey::new("a/kept"), ObjectKey::new("a/linked"));
    let storage = LocalStorage::open(folder.path()).unwrap();
    storage.put(&kept, "kept".into(), PutMode::Create).await.unwrap();
    drop(storage);

    // Killed while writing a temporary file.
    fs::write(folder.path().join("%tmp/0"), "half of a bo").unwrap();
    // Killed after the link and before the temporary name was removed: one file with two names.
    fs::write(folder.path().join("%tmp/1"), "linked").unwrap();
    fs::hard_link(folder.path().join("%tmp/1"), folder.path().join("a%/linked")).unwrap();
    // Killed after a folder was made for an object that never came.
    fs::create_dir(folder.path().join("b%")).unwrap();

    let storage = LocalStorage::open(folder.path()).unwrap();
    assert_eq!(temporaries(folder.path()), 0);
    assert_eq!(keys(&storage).await, ["a/kept", "a/linked"]);
    assert_eq!(storage.get(&kept, None).await.unwrap(), "kept");
    assert_eq!(storage.get(&linked, None).await.unwrap(), "linked");
    // The names that the crash took can be used again.
    let put = storage.put(&ObjectKey::new("b/c"), "new".into(), PutMode::Create).await.unwrap();
    assert!(matches!(put, PutOutcome::Stored(_)));
}

#[tokio::test]
async fn opening_twice_shares_the_folder_and_spares_what_is_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let first = LocalStorage::open(folder.path()).unwrap();
    let key = ObjectKey::new("a");
    let mut upload = first.upload(&key).await.unwrap();
    upload.write("whole".into()).await.unwrap();
    let second = LocalStorage::open(&folder.path().join(".")).unwrap();
    let etag = upload.finish().await.unwrap();
    assert_eq!(second.get(&key, None).await.unwrap(), "whole");

    let put = |storage: LocalStorage, body: &'static str| {
        let (key, mode) = (key.clone(), PutMode::Update(etag.clone()));
        async move { storage.put(&key, body.into(), mode).await.unwrap() }
    };
    let (one, other) = tokio::join!(put(first, "one"), put(second, "other"));
    assert_eq!([one, other].iter().filter(|outcome| **outcome == PutOutcome::Refused).count(), 1);
}

#[tokio::test]
async fn objects_survive_a_new_opening_with_their_versions() {
    let folder = tempfile::tempdir().unwrap();
    let key = ObjectKey::new("data/x/y");
    let etag = {
        let storage = LocalStorage::open(&folder.path().join("made/on/the/way")).unwrap();
        storage.put(&key, "body".into(), PutMode::Create).await.unwrap();
        storage.head(&key).await.unwrap().etag
    };
    let storage = LocalStorage::open(&folder.path().join("made/on/the/way")).unwrap();
    assert_eq!(storage.head(&key).await.unwrap().etag, etag);
    let updated = storage.put(&key, "new".into(), PutMode::Update(etag)).await.unwrap();
    assert!(matches!(updated, PutOutcome::Stored(_)));
}

#[tokio::test]
async fn many_writes_of_equal_bytes_are_many_versions() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(folder.path()).unwrap();
    let key = ObjectKey::new("a");
    let mut etags = Vec::new();
    for _ in 0..200 {
        match storage.put(&key, "same".into(), PutMode::Overwrite).await.unwrap() {
            PutOutcome::Stored(etag) => etags.push(etag.0),
            PutOutcome::Refused => panic!("an overwrite is never refused"),
        }
    }
    etags.sort_unstable();
    etags.dedup();
    assert_eq!(etags.len(), 200);
}

#[tokio::test]
async fn files_of_others_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(folder.path()).unwrap();
    storage.put(&ObjectKey::new("a"), "a".into(), PutMode::Create).await.unwrap();
    fs::write(folder.path().join("%zz"), "not ours").unwrap();
    fs::write(folder.path().join("%41"), "not how we write A").unwrap();
    fs::create_dir(folder.path().join("%tmp%")).unwrap();
    assert_eq!(keys(&storage).await, ["a"]);
}

#[tokio::test]
async fn a_name_that_no_file_can_have_is_refused_with_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(folder.path()).unwrap();
    let long = ObjectKey::new("x".repeat(256));
    let error = storage.put(&long, "x".into(), PutMode::Create).await.unwrap_err();
    assert!(matches!(error, StorageError::InvalidKey { .. }), "{error:?}");
    assert!(error.to_string().contains("255 bytes"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let error = LocalStorage::open(&file.join("below")).unwrap_err();
    assert!(error.to_string().contains("file/below"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_one_whole_version_while_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(LocalStorage::open(folder.path()).unwrap());
    let key = ObjectKey::new("a");
    let version = |byte: u8| vec![byte; 100_000 + usize::from(byte)];
    storage.put(&key, version(0).into(), PutMode::Create).await.unwrap();
    let writing = async {
        for byte in 1..30 {
            storage.put(&key, version(byte).into(), PutMode::Overwrite).await.unwrap();
        }
    };
    let reading = async {
        let mut last = 0;
        while last < 29 {
            let found = storage.get(&key, None).await.unwrap();
            assert!(found[0] >= last && found == version(found[0]));
            last = found[0];
        }
    };
    tokio::join!(writing, reading);
}
