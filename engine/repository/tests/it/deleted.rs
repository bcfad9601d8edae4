//! Branches that are deleted while they are merged, and tags that are replaced while they are deleted: the answer names
//! them, and nothing is half done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anabranch_repository::{MergeAnswer, Repository, RepositoryError};
use anabranch_types::TagName;
use futures::future::BoxFuture;

use crate::interference::Interfered;
use crate::lake::{Disk, branch, commit, contents, merge_request, put};

/// `release` has `c` on top of main's `a`, and `dev` has `b` on top of that.
async fn two_branches(disk: &Disk) -> Repository {
    let lake = disk.create().await;
    put(&lake, "main", "a", 1).await;
    commit(&lake, "main", "a").await;
    lake.create_branch(&branch("release"), "main", false).await.unwrap();
    put(&lake, "release", "c", 3).await;
    commit(&lake, "release", "c").await;
    lake.create_branch(&branch("dev"), "release", false).await.unwrap();
    put(&lake, "dev", "b", 2).await;
    commit(&lake, "dev", "b").await;
    // A merge that has two sides, and not only a branch that is moved forward.
    put(&lake, "release", "d", 4).await;
    commit(&lake, "release", "d").await;
    lake
}

/// Merges dev into release, while another server does `deed` before the call `at` of the ref-store; none when the merge
/// ended before.
async fn merge_while<F>(disk: &Disk, at: usize, deed: F) -> Option<Result<MergeAnswer, RepositoryError>>
where
    F: Fn(Repository) -> BoxFuture<'static, ()> + Send + Sync + Clone + 'static,
{
    let done = Arc::new(AtomicBool::new(false));
    let (other, noted) = (disk.clone(), Arc::clone(&done));
    let interfered = Interfered::disk(disk, move |call| {
        let (other, deed, noted) = (other.clone(), deed.clone(), Arc::clone(&noted));
        Box::pin(async move {
            if call.at == at {
                deed(other.open().await).await;
                noted.store(true, Ordering::SeqCst);
            }
        })
    });
    let outcome = match interfered.catalog().repository(&crate::lake::lake_name()).await {
        Ok(lake) => lake.merge("dev", &branch("release"), merge_request("m")).await,
        Err(error) => Err(error),
    };
    done.load(Ordering::SeqCst).then_some(outcome)
}

fn of(paths: &[(&str, u8)]) -> BTreeMap<String, u8> {
    paths.iter().map(|(path, content)| ((*path).to_owned(), *content)).collect()
}

async fn assert_sound(lake: &Repository, context: &str) {
    let report = lake.fsck().await.unwrap();
    assert!(report.is_clean(), "{context}: {:?}", report.problems);
}

#[tokio::test]
async fn a_destination_that_is_deleted_meanwhile_is_named() {
    let mut said = Vec::new();
    for at in 0.. {
        let disk = Disk::new();
        let lake = two_branches(&disk).await;
        let deed = |lake: Repository| -> BoxFuture<'static, ()> {
            Box::pin(async move { lake.delete_branch(&branch("release")).await.unwrap() })
        };
        let Some(outcome) = merge_while(&disk, at, deed).await else { break };
        match outcome {
            Ok(MergeAnswer::Merged { .. }) => {}
            Err(error @ RepositoryError::NotFound { kind: "branch", .. }) => said.push(error.to_string()),
            other => panic!("deleted before call {at}: {other:?}"),
        }
        let gone = lake.branch(&branch("release")).await;
        assert!(matches!(gone, Err(RepositoryError::NotFound { .. })), "{at}: {gone:?}");
        assert_eq!(contents(&lake, "dev", 10).await, of(&[("a", 1), ("b", 2), ("c", 3)]), "{at}");
        assert_sound(&lake, &format!("deleted before call {at}")).await;
    }
    let deleted = "branch release does not exist: it was deleted while the request ran";
    assert!(said.iter().all(|message| message.starts_with("branch release does not exist")), "{said:?}");
    assert!(said.iter().filter(|message| message.as_str() == deleted).count() >= 3, "{said:?}");
}

#[tokio::test]
async fn a_merge_never_goes_into_another_branch_of_the_same_name() {
    let (mut refused, mut merged) = (0, 0);
    for at in 0.. {
        let disk = Disk::new();
        let lake = two_branches(&disk).await;
        let deed = |lake: Repository| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                lake.delete_branch(&branch("release")).await.unwrap();
                lake.create_branch(&branch("release"), "main", false).await.unwrap();
            })
        };
        let Some(outcome) = merge_while(&disk, at, deed).await else { break };
        let parents = lake.commit_info("release").await.unwrap().commit.parents.len();
        let expected = match (&outcome, parents) {
            // Into the new branch, from the start.
            (Ok(MergeAnswer::Merged { .. }), 2) => of(&[("a", 1), ("b", 2), ("c", 3)]),
            // Into the old one, before it was deleted.
            (Ok(MergeAnswer::Merged { .. }), 1) => of(&[("a", 1)]),
            (Err(RepositoryError::NotFound { kind: "branch", name, hint }), 1) if name == "release" => {
                assert!(hint.contains("another branch of that name"), "{hint}");
                refused += 1;
                of(&[("a", 1)])
            }
            (other, parents) => panic!("recreated before call {at}: {other:?}, {parents} parents"),
        };
        merged += usize::from(parents == 2);
        assert_eq!(contents(&lake, "release", 10).await, expected, "recreated before call {at}");
        assert_sound(&lake, &format!("recreated before call {at}")).await;
    }
    assert!(refused >= 3 && merged >= 1, "{refused} refused, {merged} merged");
}

#[tokio::test]
async fn a_source_that_is_deleted_meanwhile_is_merged_as_it_was_or_named() {
    let (mut named, mut merged) = (0, 0);
    for at in 0.. {
        let disk = Disk::new();
        let lake = two_branches(&disk).await;
        let deed = |lake: Repository| -> BoxFuture<'static, ()> {
            Box::pin(async move { lake.delete_branch(&branch("dev")).await.unwrap() })
        };
        let Some(outcome) = merge_while(&disk, at, deed).await else { break };
        let mut expected = of(&[("a", 1), ("c", 3), ("d", 4)]);
        match outcome {
            Ok(MergeAnswer::Merged { .. }) => {
                merged += 1;
                expected.insert("b".into(), 2);
            }
            Err(RepositoryError::NotFound { name, .. }) if name == "dev" => named += 1,
            other => panic!("deleted before call {at}: {other:?}"),
        }
        assert_eq!(contents(&lake, "release", 10).await, expected, "deleted before call {at}");
        assert_sound(&lake, &format!("deleted before call {at}")).await;
    }
    assert!(named >= 1 && merged >= 3, "{named} named, {merged} merged");
}

#[tokio::test]
async fn a_source_without_news_that_is_deleted_meanwhile_has_no_uncommitted_changes() {
    let mut counted = Vec::new();
    for at in 0.. {
        let disk = Disk::new();
        let lake = two_branches(&disk).await;
        lake.merge("dev", &branch("release"), merge_request("first")).await.unwrap();
        put(&lake, "dev", "uncommitted", 9).await;
        let deed = |lake: Repository| -> BoxFuture<'static, ()> {
            Box::pin(async move { lake.delete_branch(&branch("dev")).await.unwrap() })
        };
        let Some(outcome) = merge_while(&disk, at, deed).await else { break };
        match outcome {
            Ok(MergeAnswer::NoChanges { uncommitted_on_source }) => counted.push(uncommitted_on_source),
            Err(RepositoryError::NotFound { name, .. }) if name == "dev" => {}
            other => panic!("deleted before call {at}: {other:?}"),
        }
    }
    assert!(!counted.is_empty() && counted.iter().all(|count| *count == 0), "{counted:?}");
}

#[tokio::test]
async fn a_tag_that_is_replaced_meanwhile_is_deleted_all_the_same() {
    let disk = Disk::new();
    let lake = two_branches(&disk).await;
    let tag = TagName::new("v1").unwrap();
    lake.create_tag(&tag, "main").await.unwrap();
    let (other, name) = (disk.clone(), tag.clone());
    let replaced = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&replaced);
    let interfered = Interfered::disk(&disk, move |call| {
        let (other, name, noted) = (other.clone(), name.clone(), Arc::clone(&noted));
        Box::pin(async move {
            if call.is_write && call.partition.0.ends_with("/tags") && !noted.swap(true, Ordering::SeqCst) {
                other.open().await.replace_tag(&name, "dev").await.unwrap();
            }
        })
    });
    interfered.open().await.delete_tag(&tag).await.unwrap();
    assert!(replaced.load(Ordering::SeqCst) && lake.tag(&tag).await.is_err());
}
