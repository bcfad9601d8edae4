//! Branches that other servers keep moving: a request goes on until its deadline, and not beyond.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anabranch_repository::{CommitRequest, MergeAnswer, MergeRequest, Repository, RepositoryError};
use anabranch_types::{BranchName, Clock};

use crate::interference::Interfered;
use crate::lake::{Disk, branch, commit, commit_request, contents, merge_request, put};

/// How far the clock goes on with each try.
const STEP_MS: i64 = 1_000;

/// The disk as one server sees it, while another commits to main before each of the first `times` moves of its head.
fn moved(disk: &Disk, times: usize) -> Disk {
    let (other, left) = (disk.clone(), Arc::new(AtomicUsize::new(times)));
    Interfered::disk(disk, move |call| {
        let (other, left) = (other.clone(), Arc::clone(&left));
        Box::pin(async move {
            if !call.is_write || !call.partition.0.ends_with("/branch/main") {
                return;
            }
            let next = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let Ok(next) = next else { return };
            let lake = other.open().await;
            put(&lake, "main", &format!("other/{next}"), 1).await;
            commit(&lake, "main", "other").await;
            other.clock.advance(STEP_MS);
        })
    })
}

async fn with_dev(disk: &Disk) -> Repository {
    let lake = disk.create().await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(&lake, "dev", "ours", 2).await;
    commit(&lake, "dev", "dev").await;
    lake
}

fn main() -> BranchName {
    branch("main")
}

#[tokio::test]
async fn a_merge_goes_on_until_its_deadline() {
    for (times, deadline, merges) in [(80, None, true), (80, Some(81), true), (80, Some(40), false)] {
        let disk = Disk::new();
        let lake = with_dev(&disk).await;
        let now_ms = disk.clock.now_ms();
        let deadline_ms = deadline.map(|steps: i64| now_ms + steps * STEP_MS);
        let request = MergeRequest { deadline_ms, ..merge_request("m") };
        let answer = moved(&disk, times).open().await.merge("dev", &main(), request).await;
        let has = contents(&lake, "main", 1000).await.contains_key("ours");
        assert_eq!(has, merges, "{deadline:?}: {answer:?}");
        match answer {
            Ok(MergeAnswer::Merged { .. }) => assert!(merges),
            Err(error @ RepositoryError::Busy { .. }) => {
                assert!(!merges);
                let expected = "branch main kept moving for the whole time of the request: try again";
                assert_eq!(error.to_string(), expected);
                assert_eq!(disk.clock.now_ms(), now_ms + 40 * STEP_MS, "it stops when its time is over");
            }
            other => panic!("{deadline:?}: {other:?}"),
        }
        assert!(lake.fsck().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn what_a_commit_could_not_take_in_time_is_not_lost() {
    let disk = Disk::new();
    let lake = with_dev(&disk).await;
    put(&lake, "main", "mine", 3).await;
    let interfered = moved(&disk, 5).open().await;
    let late = CommitRequest { deadline_ms: Some(disk.clock.now_ms() + STEP_MS), ..commit_request("late") };
    let answer = interfered.commit(&main(), late).await;
    assert!(matches!(answer, Err(RepositoryError::Busy { .. })), "{answer:?}");
    assert_eq!(contents(&lake, "main", 1000).await.get("mine"), Some(&3));
    assert!(lake.fsck().await.unwrap().is_clean());
}
