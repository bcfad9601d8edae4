//! What `fsck` finds, and what it can put right.

use anabranch_refs::{Edit, Expect, Operation, Partition, ScanRange, WriteId};
use anabranch_repository::{FsckReport, RepositoryError};
use anabranch_storage::PutMode;
use anabranch_types::ObjectKey;
use futures::TryStreamExt;

use crate::lake::{Disk, commit, contents, put};

/// Removes every entry of the index of commits.
async fn forget_commits(disk: &Disk) -> usize {
    let repositories = Partition("repositories".into());
    let all = ScanRange::default();
    let record = disk.refs.scan(&repositories, &all, 1).await.unwrap().rows.remove(0).1;
    let index = Partition(format!("repo/{}/commits", hex::encode(&record.value[1..17])));
    let rows = disk.refs.scan(&index, &all, 100).await.unwrap().rows;
    for (place, (key, _)) in rows.iter().enumerate() {
        let edit = Edit { key: key.clone(), expect: Expect::Any, operation: Operation::Delete };
        disk.refs.apply(&index, &[edit], WriteId([place as u8; 16])).await.unwrap();
    }
    rows.len()
}

async fn keys(disk: &Disk, prefix: &str) -> Vec<ObjectKey> {
    let objects: Vec<_> = disk.storage.list(prefix, None).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn the_index_of_commits_is_rebuilt_from_packs() {
    let disk = Disk::new();
    let lake = disk.create().await;
    for round in 0..3 {
        put(&lake, "main", &format!("{round}"), round).await;
        commit(&lake, "main", "c").await;
    }
    let forgotten = forget_commits(&disk).await;
    assert_eq!(forgotten, 4);
    let lake = disk.open().await;
    let lost = lake.commit_info("main").await;
    assert!(matches!(lost, Err(RepositoryError::Damaged { .. })), "{lost:?}");
    assert!(!lake.fsck().await.unwrap().is_clean());
    assert_eq!(lake.rebuild_commit_index().await.unwrap(), 4);
    assert_eq!(lake.rebuild_commit_index().await.unwrap(), 0);
    assert!(lake.fsck().await.unwrap().is_clean());
    assert_eq!(contents(&lake, "main", 10).await.len(), 3);
}

#[tokio::test]
async fn damaged_packs_and_missing_objects_are_named() {
    let disk = Disk::new();
    let lake = disk.create().await;
    put(&lake, "main", "x", 1).await;
    commit(&lake, "main", "c").await;
    let object = keys(&disk, "data/").await.remove(0);
    disk.storage.delete(&object).await.unwrap();
    let report = disk.open().await.fsck().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].contains(object.as_str()), "{:?}", report.problems);

    let shared = keys(&disk, "pack-segments/").await;
    assert_eq!(shared.len(), 2, "one for each commit: this storage cannot append");
    for shared in shared {
        let mut bytes = disk.storage.get(&shared, None).await.unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        disk.storage.put(&shared, bytes.into(), PutMode::Overwrite).await.unwrap();
        let report = disk.open().await.fsck().await.unwrap();
        assert!(names(&report, shared.as_str()), "{:?}", report.problems);
        disk.storage.delete(&shared).await.unwrap();
        let report = disk.open().await.fsck().await.unwrap();
        assert!(names(&report, shared.as_str()), "{:?}", report.problems);
    }
}

fn names(report: &FsckReport, what: &str) -> bool {
    report.problems.iter().any(|problem| problem.contains(what))
}

#[tokio::test]
async fn what_a_crash_left_beside_a_small_pack_is_no_damage() {
    let disk = Disk::new();
    let lake = disk.create().await;
    put(&lake, "main", "x", 1).await;
    commit(&lake, "main", "c").await;
    for shared in keys(&disk, "pack-segments/").await {
        let mut bytes = disk.storage.get(&shared, None).await.unwrap().to_vec();
        let torn = bytes[..bytes.len() / 2].to_vec();
        bytes.extend([0; 4_096]);
        bytes.extend(torn);
        bytes.extend([7; 300]);
        disk.storage.put(&shared, bytes.into(), PutMode::Overwrite).await.unwrap();
    }
    let report = disk.open().await.fsck().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(report.packs, 2);
}

#[tokio::test]
async fn a_damaged_pack_of_its_own_is_named() {
    let disk = Disk::new();
    let lake = disk.create().await;
    let mut state: u64 = 1;
    for round in 0..250 {
        // Names that cannot be compressed.
        let mut name = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            name.push_str(&format!("{state:016x}"));
        }
        put(&lake, "main", &name, round).await;
    }
    commit(&lake, "main", "more than what shares an object").await;
    let pack = keys(&disk, "packs/").await.remove(0);
    let mut bytes = disk.storage.get(&pack, None).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.storage.put(&pack, bytes.into(), PutMode::Overwrite).await.unwrap();
    let report = disk.open().await.fsck().await.unwrap();
    assert!(names(&report, pack.as_str()), "{:?}", report.problems);
}
