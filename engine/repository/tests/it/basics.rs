//! One use of everything, from the outside.

use anabranch_merge::Change;
use anabranch_repository::{
    DiffKind, DiffRequest, Listed, LogRequest, MergeAnswer, RepositoryError, ResetScope, WriteAnswer,
    WriteCondition,
};
use anabranch_types::TagName;

use crate::lake::{
    Disk, branch, commit, commit_request, contents, create_request, entry, lake_name, merge, paging, path,
    pick_request, put,
};

#[tokio::test]
async fn what_is_staged_is_seen_and_committed_and_logged() {
    let lake = Disk::new().create().await;
    put(&lake, "main", "a/x", 1).await;
    put(&lake, "main", "b", 2).await;
    assert_eq!(contents(&lake, "main", 1).await, [("a/x".into(), 1), ("b".into(), 2)].into());
    assert!(contents(&lake, "main@", 10).await.is_empty(), "a commit has no uncommitted changes");
    let first = commit(&lake, "main", "first").await;
    assert_eq!(contents(&lake, &first.id.to_hex(), 10).await.len(), 2);
    assert_eq!(contents(&lake, &first.id.to_hex()[..8], 10).await.len(), 2);
    lake.delete(&branch("main"), &path("b")).await.unwrap();
    let second = commit(&lake, "main", "second").await;
    assert_eq!(second.commit.parents, [first.id]);
    let log = lake.log("main", &LogRequest { amount: 10, ..LogRequest::default() }).await.unwrap();
    let messages: Vec<_> = log.results.iter().map(|commit| commit.commit.message.as_str()).collect();
    assert_eq!(messages, ["second", "first", "Repository created"]);
    let only_b = LogRequest { amount: 10, objects: vec!["b".into()], ..LogRequest::default() };
    assert_eq!(lake.log("main", &only_b).await.unwrap().results.len(), 2);
    let only_a = LogRequest { amount: 10, prefixes: vec!["a/".into()], ..LogRequest::default() };
    assert_eq!(lake.log("main", &only_a).await.unwrap().results, [first]);
    let nothing = lake.commit(&branch("main"), commit_request("third")).await;
    assert!(matches!(nothing, Err(RepositoryError::NothingToCommit { .. })), "{nothing:?}");
}

#[tokio::test]
async fn a_merge_brings_both_sides_together_and_merging_twice_is_nothing() {
    let lake = Disk::new().create().await;
    put(&lake, "main", "base", 1).await;
    commit(&lake, "main", "base").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(&lake, "dev", "theirs", 2).await;
    commit(&lake, "dev", "theirs").await;
    put(&lake, "main", "ours", 3).await;
    commit(&lake, "main", "ours").await;
    put(&lake, "dev", "uncommitted", 4).await;
    let MergeAnswer::Merged { commit: merged, summary } = merge(&lake, "dev", "main", "m").await else {
        panic!("no merge")
    };
    assert_eq!((merged.commit.parents.len(), summary.objects_changed), (2, 1));
    assert_eq!(contents(&lake, "main", 10).await.len(), 3);
    assert_eq!(
        merge(&lake, "dev", "main", "again").await,
        MergeAnswer::NoChanges { uncommitted_on_source: 1 }
    );
    lake.reset(&branch("dev"), &ResetScope::All).await.unwrap();
    assert!(matches!(merge(&lake, "main", "dev", "back").await, MergeAnswer::Merged { .. }));
    let main = lake.commit_info("main").await.unwrap();
    assert_eq!(
        lake.commit_info("dev").await.unwrap().commit.tree,
        main.commit.tree,
        "merging back ends in equal trees"
    );

    let three_dot = DiffRequest { kind: DiffKind::ThreeDot, paging: paging(10), delimiter: None };
    let diff = lake.diff("main~1", "dev~1", &three_dot).await.unwrap();
    assert_eq!(diff.results.len(), 1);
    assert_eq!((diff.results[0].path.as_str(), diff.results[0].change), ("theirs", Change::Added));

    let reverted = lake.revert(&branch("main"), pick_request("main", 1, "undo")).await.unwrap();
    assert!(matches!(reverted, MergeAnswer::Merged { .. }), "{reverted:?}");
    assert_eq!(contents(&lake, "main", 10).await.into_keys().collect::<Vec<_>>(), ["base", "ours"]);
    let unnamed = lake.revert(&branch("main"), pick_request("main~1", 0, "undo")).await;
    assert!(matches!(unnamed, Err(RepositoryError::Invalid { .. })), "{unnamed:?}");
    lake.cherry_pick(&branch("main"), pick_request("dev~1", 0, "pick")).await.unwrap();
    assert_eq!(contents(&lake, "main", 10).await.len(), 3);
}

#[tokio::test]
async fn conflicts_and_staged_changes_in_the_way_publish_nothing() {
    let lake = Disk::new().create().await;
    put(&lake, "main", "x", 1).await;
    commit(&lake, "main", "base").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(&lake, "dev", "x", 2).await;
    commit(&lake, "dev", "theirs").await;
    put(&lake, "main", "x", 3).await;
    let before = lake.branch(&branch("main")).await.unwrap().head;
    let answer = merge(&lake, "dev", "main", "m").await;
    assert_eq!(answer, MergeAnswer::StagedInTheWay { paths: vec!["x".into()] });
    assert_eq!(lake.branch(&branch("main")).await.unwrap().head, before);
    commit(&lake, "main", "ours").await;
    let before = lake.branch(&branch("main")).await.unwrap().head;
    let MergeAnswer::Conflicts { conflicts, .. } = merge(&lake, "dev", "main", "m").await else {
        panic!("merged")
    };
    assert_eq!(conflicts.iter().map(|conflict| conflict.path.as_str()).collect::<Vec<_>>(), ["x"]);
    assert_eq!(lake.branch(&branch("main")).await.unwrap().head, before);
}

#[tokio::test]
async fn a_staged_change_in_a_table_that_a_merge_changes_is_in_its_way() {
    let lake = Disk::new().create().await;
    put(&lake, "main", "t/_delta_log/00000000000000000000.json", 1).await;
    commit(&lake, "main", "table").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(&lake, "dev", "t/_delta_log/00000000000000000001.json", 2).await;
    commit(&lake, "dev", "version 1").await;
    put(&lake, "main", "t/part-1", 3).await;
    let answer = merge(&lake, "dev", "main", "m").await;
    assert_eq!(answer, MergeAnswer::StagedInTheWay { paths: vec!["t/part-1".into()] });
    lake.reset(&branch("main"), &ResetScope::All).await.unwrap();
    put(&lake, "main", "elsewhere", 3).await;
    assert!(matches!(merge(&lake, "dev", "main", "m").await, MergeAnswer::Merged { .. }));
    assert_eq!(lake.uncommitted_count(&branch("main")).await.unwrap(), 1, "what was staged stays staged");
}

#[tokio::test]
async fn conditions_are_judged_over_staging_and_head() {
    let lake = Disk::new().create().await;
    let absent = || async {
        let entry = entry(&lake, 7).await;
        lake.put(&branch("main"), &path("x"), entry, WriteCondition::Absent).await.unwrap()
    };
    assert_eq!(absent().await, WriteAnswer::Written);
    let etag = "07".repeat(16);
    let actual = Some(etag.clone());
    assert_eq!(absent().await, WriteAnswer::Refused { actual: actual.clone() });
    commit(&lake, "main", "c").await;
    assert_eq!(absent().await, WriteAnswer::Refused { actual });
    lake.delete(&branch("main"), &path("x")).await.unwrap();
    assert_eq!(absent().await, WriteAnswer::Written);
    let matching = WriteCondition::Matches(etag);
    let entry = entry(&lake, 8).await;
    assert_eq!(lake.put(&branch("main"), &path("x"), entry, matching).await.unwrap(), WriteAnswer::Written);
}

#[tokio::test]
async fn listings_leave_out_prefixes_below_which_everything_is_deleted() {
    let lake = Disk::new().create().await;
    for at in ["a/1", "a/2", "b/1", "c"] {
        put(&lake, "main", at, 1).await;
    }
    commit(&lake, "main", "c").await;
    for at in ["a/1", "a/2"] {
        lake.delete(&branch("main"), &path(at)).await.unwrap();
    }
    put(&lake, "main", "d/1", 1).await;
    let page = lake.list("main", "", Some("/"), None, 10).await.unwrap();
    let names: Vec<_> = page
        .results
        .iter()
        .map(|line| match line {
            Listed::Object(object) => object.path.as_str().to_owned(),
            Listed::CommonPrefix(prefix) => prefix.clone(),
        })
        .collect();
    assert_eq!(names, ["b/", "c", "d/"]);
    let page = lake.list("main", "", Some("/"), Some("b/"), 1).await.unwrap();
    assert!(
        page.more && matches!(&page.results[..], [Listed::Object(object)] if object.path.as_str() == "c")
    );
}

#[tokio::test]
async fn names_are_taken_once_listed_in_order_and_free_again() {
    let disk = Disk::new();
    let lake = disk.create().await;
    let again = disk.catalog().create_repository(create_request()).await;
    assert!(matches!(again, Err(RepositoryError::AlreadyExists { .. })));
    for name in ["b", "a-1", "a"] {
        lake.create_branch(&branch(name), "main", name == "b").await.unwrap();
    }
    let taken = lake.create_branch(&branch("a"), "main", false).await;
    assert!(matches!(taken, Err(RepositoryError::AlreadyExists { .. })));
    let names = async |hidden| -> Vec<String> {
        let page = lake.list_branches(&paging(10), hidden).await.unwrap();
        page.results.into_iter().map(|branch| branch.name.to_string()).collect()
    };
    assert_eq!(names(false).await, ["a", "a-1", "main"]);
    assert_eq!(names(true).await, ["a", "a-1", "b", "main"]);
    lake.delete_branch(&branch("a")).await.unwrap();
    lake.create_branch(&branch("a"), "main", false).await.unwrap();
    lake.delete_branch(&branch("a-1")).await.unwrap();
    assert_eq!(names(false).await, ["a", "main"]);
    assert!(lake.delete_branch(&branch("main")).await.is_err(), "the default branch stays");

    let tag = TagName::new("v1.0").unwrap();
    lake.create_tag(&tag, "main").await.unwrap();
    assert!(matches!(lake.create_tag(&tag, "main").await, Err(RepositoryError::AlreadyExists { .. })));
    assert_eq!(lake.resolve("v1.0").await.unwrap().commit, lake.tag(&tag).await.unwrap().commit);
    put(&lake, "main", "tagged", 7).await;
    let tagged = commit(&lake, "main", "later").await.id;
    assert!(lake.replace_tag(&tag, "nothing").await.is_err());
    assert_ne!(lake.tag(&tag).await.unwrap().commit, tagged, "a mistyped source leaves the tag standing");
    assert_eq!(lake.replace_tag(&tag, "main").await.unwrap(), tagged);
    assert_eq!(lake.tag(&tag).await.unwrap().commit, tagged);
    assert_eq!(lake.list_tags(&paging(10)).await.unwrap().results.len(), 1);
    lake.delete_tag(&tag).await.unwrap();
    assert!(lake.resolve("v1.0").await.is_err());

    let catalog = disk.catalog();
    assert_eq!(catalog.list_repositories(&paging(10)).await.unwrap().results.len(), 1);
    catalog.delete_repository(&lake_name()).await.unwrap();
    assert!(matches!(catalog.repository(&lake_name()).await, Err(RepositoryError::NotFound { .. })));
    let lake = disk.create().await;
    assert!(contents(&lake, "main", 10).await.is_empty());
}

#[tokio::test]
async fn branches_that_clients_left_behind_expire_by_age_and_name() {
    let disk = Disk::new();
    let lake = disk.create().await;
    for name in ["delta-tx-1", "delta-tx-2", "other"] {
        lake.create_branch(&branch(name), "main", name == "delta-tx-1").await.unwrap();
    }
    put(&lake, "delta-tx-1", "x", 1).await;
    disk.clock.advance(1_000);
    lake.create_branch(&branch("delta-tx-new"), "main", false).await.unwrap();
    lake.delete_branch(&branch("delta-tx-2")).await.unwrap();
    lake.create_branch(&branch("delta-tx-2"), "main", false).await.unwrap();
    let before_ms = 1_700_000_000_500;
    assert_eq!(lake.expire_branches("delta-tx-", before_ms).await.unwrap(), [branch("delta-tx-1")]);
    assert!(lake.expire_branches("delta-tx-", before_ms).await.unwrap().is_empty());
    let left = lake.list_branches(&paging(10), true).await.unwrap();
    let names: Vec<_> = left.results.iter().map(|branch| branch.name.as_str()).collect();
    assert_eq!(names, ["delta-tx-2", "delta-tx-new", "main", "other"]);
    assert!(lake.expire_branches("main", i64::MAX).await.unwrap().is_empty(), "the default branch stays");
    assert!(lake.fsck().await.unwrap().is_clean());
}

#[tokio::test]
async fn what_is_attached_to_a_repository_can_be_changed() {
    let disk = Disk::new();
    disk.create().await;
    let catalog = disk.catalog();
    let name = lake_name();
    catalog.change_metadata(&name, |all| drop(all.insert("a".into(), "1".into()))).await.unwrap();
    let all = catalog.change_metadata(&name, |all| drop(all.insert("b".into(), "2".into()))).await.unwrap();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [("a".into(), "1".into()), ("b".into(), "2".into())]);
    catalog.change_metadata(&lake_name(), |all| drop(all.remove("a"))).await.unwrap();
    assert_eq!(catalog.repository_info(&lake_name()).await.unwrap().metadata.len(), 1);
    let large =
        catalog.change_metadata(&lake_name(), |all| drop(all.insert("x".into(), "y".repeat(70_000)))).await;
    assert!(matches!(large, Err(RepositoryError::Invalid { .. })), "{large:?}");
}
