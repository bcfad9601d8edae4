//! Writes whose request or reply is lost: the caller does not notice, and nothing happens twice.

use std::sync::Arc;

use anabranch_refs::MemoryStore;
use anabranch_refs::fault::{Fault, Faulty};
use anabranch_repository::{LogRequest, MergeAnswer, ResetScope, WriteAnswer, WriteCondition};
use anabranch_types::Clock;

use crate::lake::{Disk, branch, commit, contents, entry, merge, paging, path, put};

/// More than the scenario writes.
const WRITES: usize = 80;

async fn scenario(disk: &Disk) {
    let lake = disk.create().await;
    let first = entry(&lake, 1).await;
    let written = lake.put(&branch("main"), &path("a"), first, WriteCondition::Absent).await.unwrap();
    assert_eq!(written, WriteAnswer::Written, "its own write is no reason to refuse it");
    commit(&lake, "main", "a").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(&lake, "dev", "b", 2).await;
    commit(&lake, "dev", "b").await;
    put(&lake, "main", "c", 3).await;
    commit(&lake, "main", "c").await;
    assert!(matches!(merge(&lake, "dev", "main", "m").await, MergeAnswer::Merged { .. }));
    put(&lake, "main", "d", 4).await;
    lake.reset(&branch("main"), &ResetScope::Object(path("d"))).await.unwrap();
    put(&lake, "main", "e", 5).await;
    lake.reset(&branch("main"), &ResetScope::All).await.unwrap();
    let old = lake.branch(&branch("dev")).await.unwrap().head;
    put(&lake, "dev", "f", 6).await;
    lake.move_branch(&branch("dev"), "main", true).await.unwrap();
    assert_eq!(contents(&lake, "dev", 10).await.len(), 3);
    lake.move_branch(&branch("dev"), &old.to_hex(), false).await.unwrap();
    let listed = lake.list_branches(&paging(10), true).await.unwrap().results;
    assert_eq!(listed.len(), 2);
    lake.delete_branch(&branch("dev")).await.unwrap();
    assert_eq!(contents(&lake, "main", 10).await, [("a".into(), 1), ("b".into(), 2), ("c".into(), 3)].into());
    let log = lake.log("main", &LogRequest { amount: 100, ..LogRequest::default() }).await.unwrap();
    assert_eq!(log.results.len(), 5, "every commit is there once");
    assert!(lake.fsck().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_lost_request_or_reply_is_not_noticed() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        for before in 0..WRITES {
            let mut disk = Disk::new();
            let store = Arc::new(Faulty::new(MemoryStore::new(Arc::clone(&disk.clock) as Arc<dyn Clock>)));
            store.plan(std::iter::repeat_n(Fault::None, before).chain([fault]));
            disk.refs = Arc::clone(&store) as _;
            disk.staging = store;
            scenario(&disk).await;
        }
    }
}
