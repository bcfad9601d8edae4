//! Branches that are moved to another commit, also while something else is done to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anabranch_repository::{BranchMove, MergeAnswer, Repository, RepositoryError};
use anabranch_types::CommitId;

use crate::interference::Interfered;
use crate::lake::{
    Disk, branch, commit, commit_request, contents, lake_name, merge_request, paging, pick_request, put,
};

/// `main` has `a`, then `b`.
async fn two_commits(disk: &Disk) -> (Repository, CommitId, CommitId) {
    let lake = disk.create().await;
    put(&lake, "main", "a", 1).await;
    commit(&lake, "main", "a").await;
    let first = lake.branch(&branch("main")).await.unwrap().head;
    put(&lake, "main", "b", 2).await;
    commit(&lake, "main", "b").await;
    let second = lake.branch(&branch("main")).await.unwrap().head;
    (lake, first, second)
}

async fn paths(lake: &Repository, reference: &str) -> Vec<String> {
    contents(lake, reference, 10).await.into_keys().collect()
}

#[tokio::test]
async fn a_branch_is_moved_back_and_forth() {
    let (lake, first, second) = two_commits(&Disk::new()).await;
    let main = branch("main");
    assert_eq!(lake.move_branch(&main, "main~1", false).await.unwrap(), BranchMove::Moved(first));
    assert_eq!(paths(&lake, "main").await, ["a"]);
    assert_eq!(lake.move_branch(&main, &first.to_hex(), false).await.unwrap(), BranchMove::Moved(first));
    put(&lake, "main", "c", 3).await;
    commit(&lake, "main", "c").await;
    assert_eq!(paths(&lake, "main").await, ["a", "c"]);
    // The commit that no branch reached is still there by its id.
    assert_eq!(lake.move_branch(&main, &second.to_hex(), false).await.unwrap(), BranchMove::Moved(second));
    assert_eq!(paths(&lake, "main").await, ["a", "b"]);
    let listed = lake.list_branches(&paging(10), true).await.unwrap().results;
    assert_eq!(listed.into_iter().map(|one| (one.name, one.head)).collect::<Vec<_>>(), [(main, second)]);
    assert!(lake.fsck().await.unwrap().is_clean());
}

#[tokio::test]
async fn uncommitted_changes_are_named_or_thrown_away() {
    let (lake, first, second) = two_commits(&Disk::new()).await;
    let main = branch("main");
    put(&lake, "main", "c", 3).await;
    lake.delete(&main, &crate::lake::path("b")).await.unwrap();
    let staged = BranchMove::Staged { paths: vec!["b".into(), "c".into()] };
    assert_eq!(lake.move_branch(&main, "main~1", false).await.unwrap(), staged);
    assert_eq!(lake.move_branch(&main, "main", false).await.unwrap(), staged, "also where it is");
    assert_eq!(lake.branch(&main).await.unwrap().head, second);
    assert_eq!(paths(&lake, "main").await, ["a", "c"], "nothing happened");
    assert_eq!(lake.move_branch(&main, "main~1", true).await.unwrap(), BranchMove::Moved(first));
    assert_eq!(paths(&lake, "main").await, ["a"]);
    assert_eq!(lake.uncommitted_count(&main).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (lake, ..) = two_commits(&Disk::new()).await;
    for (name, target, kind) in
        [("none", "main", "branch"), ("main", "none", "ref"), ("main", "main~9", "ref")]
    {
        let answer = lake.move_branch(&branch(name), target, true).await;
        let right = matches!(&answer, Err(RepositoryError::NotFound { kind: found, .. }) if *found == kind);
        assert!(right, "{name} to {target}: {answer:?}");
    }
}

/// Does `work` on main while another server moves it back by a commit before the call `at` of the ref-store; none when
/// the work ended before.
async fn while_moved<T>(disk: &Disk, at: usize, work: impl AsyncFn(Repository) -> T) -> Option<T> {
    let done = Arc::new(AtomicBool::new(false));
    let (other, noted) = (disk.clone(), Arc::clone(&done));
    let interfered = Interfered::disk(disk, move |call| {
        let (other, noted) = (other.clone(), Arc::clone(&noted));
        Box::pin(async move {
            if call.at == at {
                other.open().await.move_branch(&branch("main"), "main~1", true).await.unwrap();
                noted.store(true, Ordering::SeqCst);
            }
        })
    });
    let lake = interfered.catalog().repository(&lake_name()).await.unwrap();
    let outcome = work(lake).await;
    done.load(Ordering::SeqCst).then_some(outcome)
}

#[tokio::test]
async fn a_merge_into_a_branch_that_is_moved_back_brings_all_that_theirs_has() {
    let mut upon_the_new_head = 0;
    for at in 0.. {
        let disk = Disk::new();
        let (lake, first, _) = two_commits(&disk).await;
        // dev has all of main, so that what the move takes away is not in what the merge changes.
        lake.create_branch(&branch("dev"), "main", false).await.unwrap();
        put(&lake, "dev", "theirs", 3).await;
        commit(&lake, "dev", "theirs").await;
        let merge =
            async |lake: Repository| lake.merge("dev", &branch("main"), merge_request("m")).await.unwrap();
        let Some(outcome) = while_moved(&disk, at, merge).await else { break };
        assert!(matches!(outcome, MergeAnswer::Merged { .. }), "moved before call {at}: {outcome:?}");
        let head = lake.commit_info("main").await.unwrap();
        match head.commit.parents.len() {
            2 => {
                assert_eq!(head.commit.parents.first(), Some(&first), "{at}");
                assert_eq!(paths(&lake, "main").await, ["a", "b", "theirs"], "moved before call {at}");
                upon_the_new_head += 1;
            }
            // The merge came first, and the move took it back.
            _ => assert_eq!(paths(&lake, "main").await, ["a", "b"], "moved after call {at}"),
        }
        assert!(lake.fsck().await.unwrap().is_clean(), "{at}");
    }
    assert!(upon_the_new_head >= 5, "{upon_the_new_head}");
}

#[tokio::test]
async fn commits_and_picks_upon_a_branch_that_is_moved_back_change_what_they_say() {
    let mut picked = 0;
    for at in 0.. {
        let disk = Disk::new();
        let (lake, ..) = two_commits(&disk).await;
        lake.create_branch(&branch("dev"), "main", false).await.unwrap();
        put(&lake, "dev", "theirs", 3).await;
        commit(&lake, "dev", "theirs").await;
        let pick = async |lake: Repository| {
            lake.cherry_pick(&branch("main"), pick_request("dev", 0, "pick")).await.unwrap()
        };
        let Some(outcome) = while_moved(&disk, at, pick).await else { break };
        assert!(matches!(outcome, MergeAnswer::Merged { .. }), "moved before call {at}: {outcome:?}");
        let found = paths(&lake, "main").await;
        picked += usize::from(found == ["a", "theirs"]);
        assert!(found == ["a", "theirs"] || found == ["a", "b"], "moved before call {at}: {found:?}");
    }
    assert!(picked >= 3, "{picked}");
    let mut thrown_away = 0;
    for at in 0.. {
        let disk = Disk::new();
        let (lake, ..) = two_commits(&disk).await;
        put(&lake, "main", "c", 3).await;
        let commit = async |lake: Repository| lake.commit(&branch("main"), commit_request("c")).await;
        let Some(outcome) = while_moved(&disk, at, commit).await else { break };
        let found = paths(&lake, "main").await;
        match outcome {
            Ok(_) if found == ["a", "b"] => {}
            Err(RepositoryError::NothingToCommit { .. }) if found == ["a"] => thrown_away += 1,
            other => panic!("moved before call {at}: {other:?}, {found:?}"),
        }
    }
    assert!(thrown_away >= 2, "{thrown_away}");
}
