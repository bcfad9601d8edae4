//! Conditional writes, deletes and keys.

use anabranch_types::ObjectKey;
use bytes::Bytes;
use futures::future::join_all;

use super::{absent, key, keys, put, refused, stored};
use crate::{KEY_BYTES_MAX, ObjectStorage, PutMode, PutOutcome, StorageError};

/// How many writers race.
const WRITERS: usize = 16;

/// A put takes place exactly if its condition holds, and each one makes a new version.
pub async fn conditional_puts(storage: &dyn ObjectStorage) {
    let key = key("conformance/put/a");
    absent(storage.head(&key).await, &key);
    refused(storage.put(&key, "x".into(), PutMode::Update(crate::ETag("none".into()))).await);
    absent(storage.get(&key, None).await, &key);

    let first = stored(storage.put(&key, "one".into(), PutMode::Create).await);
    refused(storage.put(&key, "two".into(), PutMode::Create).await);
    assert_eq!(storage.get(&key, None).await.unwrap(), "one");
    let head = storage.head(&key).await.unwrap();
    assert_eq!((head.size, &head.etag), (3, &first));

    let second = stored(storage.put(&key, "three".into(), PutMode::Update(first.clone())).await);
    assert_ne!(first, second);
    refused(storage.put(&key, "four".into(), PutMode::Update(first)).await);
    assert_eq!(storage.get(&key, None).await.unwrap(), "three");

    let third = put(storage, &key, "sieben").await;
    assert_eq!(storage.head(&key).await.unwrap().etag, third);
    refused(storage.put(&key, "eight".into(), PutMode::Update(second)).await);
    let empty = stored(storage.put(&key, Bytes::new(), PutMode::Update(third)).await);
    assert_eq!(storage.get(&key, None).await.unwrap(), Bytes::new());
    let head = storage.head(&key).await.unwrap();
    assert_eq!((head.size, head.etag), (0, empty));
}

/// Of racing creates of one key exactly one is stored, and its body is the one that is there.
pub async fn racing_creates(storage: &dyn ObjectStorage) {
    for round in 0..4 {
        let key = key(format!("conformance/create/{round}"));
        let racing = (0..WRITERS).map(|writer| {
            let key = &key;
            async move { storage.put(key, format!("writer {writer}").into(), PutMode::Create).await.unwrap() }
        });
        let winner = only_winner(join_all(racing).await);
        assert_eq!(storage.get(&key, None).await.unwrap(), format!("writer {winner}"));
    }
}

/// Of racing updates from one version exactly one is stored; none is lost when each loser tries again.
pub async fn racing_updates(storage: &dyn ObjectStorage) {
    let key = key("conformance/update/a");
    let mut version = stored(storage.put(&key, "start".into(), PutMode::Create).await);
    for round in 0..4 {
        let racing = (0..WRITERS).map(|writer| {
            let (key, mode) = (&key, PutMode::Update(version.clone()));
            async move { storage.put(key, format!("{round}-{writer}").into(), mode).await.unwrap() }
        });
        let winner = only_winner(join_all(racing).await);
        assert_eq!(storage.get(&key, None).await.unwrap(), format!("{round}-{winner}"));
        version = storage.head(&key).await.unwrap().etag;
    }

    let counter = super::key("conformance/update/counter");
    stored(storage.put(&counter, "0".into(), PutMode::Create).await);
    join_all((0..WRITERS / 2).map(|_| increment(storage, &counter))).await;
    assert_eq!(storage.get(&counter, None).await.unwrap(), (WRITERS / 2).to_string());
}

/// Adds one. The version is taken before the value, so that a change in between makes the update fail.
async fn increment(storage: &dyn ObjectStorage, counter: &ObjectKey) {
    loop {
        let version = storage.head(counter).await.unwrap().etag;
        let text = storage.get(counter, None).await.unwrap();
        let value: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
        let put = storage.put(counter, (value + 1).to_string().into(), PutMode::Update(version));
        if let PutOutcome::Stored(_) = put.await.unwrap() {
            return;
        }
    }
}

fn only_winner(outcomes: Vec<PutOutcome>) -> usize {
    let winners: Vec<usize> = (0..outcomes.len()).filter(|&at| outcomes[at] != PutOutcome::Refused).collect();
    assert_eq!(winners.len(), 1, "exactly one writer wins: {outcomes:?}");
    winners[0]
}

/// A delete is idempotent, reaches only its key, and makes room for a create.
pub async fn deletes(storage: &dyn ObjectStorage) {
    let (folder, inner, other) =
        (key("conformance/delete/a"), key("conformance/delete/a/b"), key("conformance/delete/a-b"));
    storage.delete(&folder).await.unwrap();
    storage.delete(&inner).await.unwrap();
    let old = put(storage, &folder, "folder").await;
    put(storage, &inner, "inner").await;
    put(storage, &other, "other").await;

    storage.delete(&folder).await.unwrap();
    storage.delete(&folder).await.unwrap();
    absent(storage.get(&folder, None).await, &folder);
    absent(storage.head(&folder).await, &folder);
    assert_eq!(storage.get(&inner, None).await.unwrap(), "inner");
    assert_eq!(
        keys(storage, "conformance/delete/", None).await,
        ["conformance/delete/a-b", "conformance/delete/a/b"]
    );
    refused(storage.put(&folder, "old".into(), PutMode::Update(old)).await);
    stored(storage.put(&folder, "again".into(), PutMode::Create).await);
}

/// Keys that some storage could not hold are refused by all, in every method, naming the rule.
pub async fn invalid_keys(storage: &dyn ObjectStorage) {
    let too_long = "conformance/".repeat(KEY_BYTES_MAX / 12 + 1);
    let bad = ["", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../../b", "a\0b", "a\nb", too_long.as_str()];
    for text in bad {
        let key = key(text);
        let rules = [
            storage.put(&key, "x".into(), PutMode::Overwrite).await.err(),
            storage.get(&key, None).await.err(),
            storage.get_stream(&key, None).await.err(),
            storage.head(&key).await.err(),
            storage.delete(&key).await.err(),
            storage.upload(&key).await.err(),
        ];
        for error in rules {
            assert!(matches!(error, Some(StorageError::InvalidKey { .. })), "{text:?}: {error:?}");
        }
    }
}
