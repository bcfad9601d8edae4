//! A folder that somebody else fills, read as a source.

use std::fs;
use std::os::unix::fs::symlink;

use anabranch_storage::{ImportSource, PlainFolder, StorageError};
use futures::TryStreamExt;

async fn keys(folder: &PlainFolder, prefix: &str, after: Option<&str>) -> Vec<String> {
    let objects: Vec<_> = folder.list(prefix, after).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

async fn bytes(
    folder: &PlainFolder,
    key: &str,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>, StorageError> {
    let pieces: Vec<_> = folder.read(key, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn files_are_listed_in_order_of_key_and_read() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "not ours").unwrap();
    let root = tempfile::tempdir().unwrap();
    for (name, content) in
        [("a.txt", "alpha"), ("a/b.txt", "beta"), ("a-c", ""), ("d/e/f", "x"), ("ü%41", "y")]
    {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    symlink(outside.path(), root.path().join("linked-folder")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("linked-file")).unwrap();
    let folder = PlainFolder::open(root.path()).unwrap();
    assert_eq!(keys(&folder, "", None).await, ["a-c", "a.txt", "a/b.txt", "d/e/f", "ü%41"]);
    assert_eq!(keys(&folder, "a", Some("a.txt")).await, ["a/b.txt"]);
    assert_eq!(keys(&folder, "a/", None).await, ["a/b.txt"]);
    assert_eq!(keys(&folder, "d/e", None).await, ["d/e/f"]);
    assert!(keys(&folder, "zzz", None).await.is_empty());
    let found = folder.find("a/b.txt").await.unwrap();
    assert_eq!((found.size, found.key.as_str()), (4, "a/b.txt"));
    assert_eq!(bytes(&folder, "a/b.txt", 1..4).await.unwrap(), b"eta");
    assert!(bytes(&folder, "a-c", 0..0).await.unwrap().is_empty());
    assert!(matches!(bytes(&folder, "a.txt", 0..6).await, Err(StorageError::RangeOutside { size: 5, .. })));
    for hidden in ["linked-file", "linked-folder/secret", "missing", "a"] {
        assert!(matches!(folder.find(hidden).await, Err(StorageError::NotFound { .. })), "{hidden}");
    }
    for bad in ["../secret", "/etc/passwd", "a//b.txt", "", "a/./b.txt"] {
        assert!(matches!(folder.find(bad).await, Err(StorageError::InvalidKey { .. })), "{bad}");
    }
    fs::write(root.path().join("a.txt"), "alphabet").unwrap();
    assert_ne!(folder.find("a.txt").await.unwrap().etag, found.etag);
    assert!(PlainFolder::open(&root.path().join("a.txt")).is_err());
}

#[tokio::test]
async fn a_large_folder_is_listed_whole() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..700 {
        fs::write(root.path().join(format!("{number:04}")), "x").unwrap();
    }
    let folder = PlainFolder::open(root.path()).unwrap();
    assert_eq!(keys(&folder, "", None).await.len(), 700);
    assert_eq!(keys(&folder, "", Some("0498")).await.len(), 201);
}
