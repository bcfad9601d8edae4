//! Merge sessions: conflicts that people decide one by one, across restarts, moving branches and each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{Registry, TextMerger};
use anabranch_repository::{
    Actor, ChoiceAnswer, Chosen, ConflictFilter, MergeAnswer, Repository, RepositoryError, SessionBegun,
    Verdict,
};

use crate::lake::{Disk, branch, commit, contents, entry, merge, merge_request, paging, put};

fn ann() -> Actor {
    Actor("ann".into())
}

fn choose(choice: &str, by: &str) -> Chosen {
    Chosen { choice: choice.into(), value: None, object: None, replace: false, by: Actor(by.into()) }
}

/// `main` and `dev` changed `a`, `b` and `c` differently; `d` only dev.
async fn disputed() -> (Disk, Repository) {
    let disk = Disk::new();
    let lake = disk.create().await;
    for at in ["a", "b", "c"] {
        put(&lake, "main", at, 1).await;
    }
    commit(&lake, "main", "base").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    for at in ["a", "b", "c"] {
        put(&lake, "main", at, 2).await;
        put(&lake, "dev", at, 3).await;
    }
    put(&lake, "dev", "d", 3).await;
    commit(&lake, "main", "ours").await;
    commit(&lake, "dev", "theirs").await;
    (disk, lake)
}

async fn begin(lake: &Repository) -> String {
    match lake.begin_session("dev", &branch("main"), false, ann()).await.unwrap() {
        SessionBegun::Kept(session) => session.id,
        other => panic!("{other:?}"),
    }
}

/// The ids of the conflicts by path.
async fn ids(lake: &Repository, session: &str) -> BTreeMap<String, String> {
    let all = lake.session_conflicts(session, &ConflictFilter::default(), None, 100).await.unwrap();
    all.results.into_iter().map(|one| (one.conflict.path.clone(), one.conflict.id().0)).collect()
}

async fn undecided(lake: &Repository, session: &str) -> Vec<String> {
    let filter = ConflictFilter { undecided: true, ..ConflictFilter::default() };
    let page = lake.session_conflicts(session, &filter, None, 100).await.unwrap();
    page.results.into_iter().map(|one| one.conflict.path).collect()
}

async fn complete(lake: &Repository, session: &str) -> MergeAnswer {
    lake.complete_session(session, merge_request("decided")).await.unwrap()
}

#[tokio::test]
async fn each_conflict_is_decided_on_its_own_and_one_commit_says_who_chose_what() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    assert_eq!(ids.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    lake.choose(&session, &ids["a"], choose("theirs", "ann")).await.unwrap();
    lake.choose(&session, &ids["b"], choose("base", "bob")).await.unwrap();
    assert_eq!(undecided(&lake, &session).await, ["c"]);

    let MergeAnswer::Conflicts { conflicts, .. } = complete(&lake, &session).await else { panic!() };
    assert_eq!(conflicts.len(), 1, "what nobody decided");
    let outcome = lake.session_outcome(&session).await.unwrap();
    assert_eq!((outcome.conflicts.len(), outcome.summary.objects_changed), (1, 3), "a, b and d");

    let uploaded = entry(&lake, 9).await;
    let object = Chosen { object: Some(uploaded), ..choose("object", "ann") };
    lake.choose(&session, &ids["c"], object).await.unwrap();
    assert_eq!(lake.session_outcome(&session).await.unwrap().verdict, Verdict::Clean);
    let MergeAnswer::Merged { commit, .. } = complete(&lake, &session).await else { panic!() };
    let after: Vec<u8> = contents(&lake, "main", 100).await.into_values().collect();
    assert_eq!(after, [3, 1, 9, 3]);
    assert_eq!(commit.commit.parents.len(), 2);

    let report = lake.merge_report("main").await.unwrap().1.unwrap();
    let decided: Vec<String> =
        report.decided.iter().map(|one| format!("{} {} {}", one.path, one.choice, one.by)).collect();
    assert_eq!(decided, ["a theirs ann", "b base bob", "c object ann"]);
    assert_eq!(report.conflicts.len(), 3);
    let gone = lake.session(&session).await;
    assert!(matches!(gone, Err(RepositoryError::NotFound { kind: "merge session", .. })));
    let MergeAnswer::NoChanges { .. } = merge(&lake, "dev", "main", "again").await else { panic!() };
}

#[tokio::test]
async fn a_session_survives_a_restart_and_a_destination_that_moves() {
    let (disk, lake) = disputed().await;
    let session = begin(&lake).await;
    let first = ids(&lake, &session).await;
    lake.choose(&session, &first["a"], choose("theirs", "ann")).await.unwrap();
    lake.choose(&session, &first["b"], choose("theirs", "ann")).await.unwrap();
    drop(lake);

    let lake = disk.open().await;
    put(&lake, "main", "b", 7).await;
    put(&lake, "main", "elsewhere", 7).await;
    commit(&lake, "main", "meanwhile").await;
    let now = lake.session(&session).await.unwrap();
    assert_eq!((now.conflicts, now.undecided), (3, 2), "b is another conflict now, a is the same");
    assert_eq!(now.summary.ours, Some(lake.branch(&branch("main")).await.unwrap().head));
    assert_eq!(undecided(&lake, &session).await, ["b", "c"]);
    let stale = lake.choose(&session, &first["b"], choose("ours", "ann")).await;
    assert!(matches!(stale, Err(RepositoryError::NotFound { kind: "conflict", .. })));
    assert_eq!(
        lake.choose_all(&session, &ConflictFilter::default(), choose("ours", "bob")).await.unwrap(),
        2
    );
    let MergeAnswer::Merged { .. } = complete(&lake, &session).await else { panic!() };
    let after = contents(&lake, "main", 100).await;
    assert_eq!((after["a"], after["b"], after["c"], after["elsewhere"]), (3, 7, 2, 7));
    assert!(lake.sessions(&paging(100)).await.unwrap().results.is_empty());
}

#[tokio::test]
async fn a_conflict_that_comes_back_finds_its_choice() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    lake.choose(&session, &ids["b"], choose("theirs", "ann")).await.unwrap();
    put(&lake, "main", "b", 7).await;
    commit(&lake, "main", "away").await;
    assert_eq!(undecided(&lake, &session).await, ["a", "b", "c"]);
    put(&lake, "main", "b", 2).await;
    commit(&lake, "main", "and back").await;
    assert_eq!(undecided(&lake, &session).await, ["a", "c"]);
}

#[tokio::test]
async fn two_people_do_not_lose_each_others_choices() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    let both = tokio::join!(
        lake.choose(&session, &ids["a"], choose("ours", "ann")),
        lake.choose(&session, &ids["b"], choose("theirs", "bob")),
    );
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(undecided(&lake, &session).await, ["c"]);

    let against = lake.choose(&session, &ids["a"], choose("theirs", "bob")).await.unwrap();
    let ChoiceAnswer::AlreadyDecided(standing) = against else { panic!("{against:?}") };
    assert_eq!((standing.by.as_str(), standing.choice.as_str()), ("ann", "ours"));
    let same = lake.choose(&session, &ids["a"], choose("ours", "bob")).await.unwrap();
    let ChoiceAnswer::Kept(kept) = same else { panic!() };
    assert_eq!(kept.by, "ann", "who agrees changes nothing");
    let own = lake.choose(&session, &ids["a"], choose("theirs", "ann")).await.unwrap();
    assert!(matches!(own, ChoiceAnswer::Kept(_)), "one's own mind may change");
    let replaced = Chosen { replace: true, ..choose("ours", "bob") };
    let replaced = lake.choose(&session, &ids["a"], replaced).await.unwrap();
    assert!(matches!(replaced, ChoiceAnswer::Kept(kept) if kept.by == "bob"));

    assert_eq!(
        lake.choose_all(&session, &ConflictFilter::default(), choose("theirs", "cat")).await.unwrap(),
        1
    );
    lake.unchoose(&session, &ids["b"]).await.unwrap();
    assert_eq!(undecided(&lake, &session).await, ["b"]);
    assert!(matches!(lake.unchoose(&session, &ids["b"]).await, Err(RepositoryError::NotFound { .. })));
}

#[tokio::test]
async fn what_a_conflict_does_not_offer_is_refused() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    for (chosen, expected) in [
        (choose("mine", "ann"), "it has ours, theirs, base, object"),
        (choose("object", "ann"), "takes an object"),
        (Chosen { object: Some(entry(&lake, 1).await), ..choose("ours", "ann") }, "only the choice"),
    ] {
        let refused = lake.choose(&session, &ids["a"], chosen).await;
        let Err(RepositoryError::Invalid { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(lake.path_of_object_choice(&session, &ids["a"]).await.unwrap(), "a");
    let unknown = lake.path_of_object_choice(&session, "00").await;
    assert!(matches!(unknown, Err(RepositoryError::NotFound { kind: "conflict", .. })));
    let long = Chosen { value: Some("x".repeat(70_000).into()), ..choose("ours", "ann") };
    assert!(matches!(lake.choose(&session, &ids["a"], long).await, Err(RepositoryError::Invalid { .. })));
    let unknown = lake.choose("nothing", &ids["a"], choose("ours", "ann")).await;
    assert!(matches!(unknown, Err(RepositoryError::NotFound { kind: "merge session", .. })));
}

#[tokio::test]
async fn filters_and_pages_show_each_conflict_once() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page =
            lake.session_conflicts(&session, &ConflictFilter::default(), after.as_deref(), 1).await.unwrap();
        seen.extend(page.results.into_iter().map(|one| one.conflict.path));
        if !page.more {
            break;
        }
        after = Some(page.next);
    }
    assert_eq!(seen, ["a", "b", "c"]);
    let of_kind = |kind: &str| ConflictFilter { kind: Some(kind.into()), ..ConflictFilter::default() };
    for (filter, expected) in [
        (of_kind("object-conflict"), 3),
        (of_kind("row-conflict"), 0),
        (ConflictFilter { table: Some("t".into()), ..ConflictFilter::default() }, 0),
    ] {
        let page = lake.session_conflicts(&session, &filter, None, 100).await.unwrap();
        assert_eq!(page.results.len(), expected, "{filter:?}");
    }
    let stranger = lake.session_conflicts(&session, &ConflictFilter::default(), Some("00"), 1).await;
    assert!(matches!(stranger, Err(RepositoryError::Invalid { .. })));
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn choices_that_all_keep_ours_still_join_the_histories() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    lake.choose_all(&session, &ConflictFilter::default(), choose("ours", "ann")).await.unwrap();
    let MergeAnswer::Merged { .. } = complete(&lake, &session).await else { panic!() };
    let MergeAnswer::NoChanges { .. } = merge(&lake, "dev", "main", "again").await else { panic!() };
}

#[tokio::test]
async fn nothing_is_kept_of_a_merge_without_conflicts_or_of_an_abandoned_one() {
    let (_, lake) = disputed().await;
    lake.create_branch(&branch("side"), "dev", false).await.unwrap();
    put(&lake, "dev", "e", 1).await;
    commit(&lake, "dev", "more").await;
    let clean = lake.begin_session("dev", &branch("side"), false, ann()).await.unwrap();
    assert_eq!(clean, SessionBegun::NothingToDecide(Verdict::FastForward));
    let nothing = lake.begin_session("side", &branch("dev"), false, ann()).await.unwrap();
    assert_eq!(nothing, SessionBegun::NothingToDecide(Verdict::UpToDate));

    let session = begin(&lake).await;
    assert_eq!(lake.sessions(&paging(100)).await.unwrap().results[0].id, session);
    lake.choose_all(&session, &ConflictFilter::default(), choose("ours", "ann")).await.unwrap();
    lake.abandon_session(&session).await.unwrap();
    assert!(lake.sessions(&paging(100)).await.unwrap().results.is_empty());
    assert!(matches!(lake.abandon_session(&session).await, Err(RepositoryError::NotFound { .. })));
}

#[tokio::test]
async fn completing_twice_at_once_makes_one_merge() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    lake.choose_all(&session, &ConflictFilter::default(), choose("theirs", "ann")).await.unwrap();
    let both = tokio::join!(
        lake.complete_session(&session, merge_request("one")),
        lake.complete_session(&session, merge_request("two")),
    );
    let merged = [both.0, both.1].into_iter().filter(|one| matches!(one, Ok(MergeAnswer::Merged { .. })));
    assert_eq!(merged.count(), 1);
    let head = lake.commit_info("main").await.unwrap();
    let parent = lake.commit_info("main~1").await.unwrap();
    assert_eq!((head.commit.parents.len(), parent.commit.message.as_str()), (2, "ours"));
}

#[tokio::test]
async fn what_is_staged_in_its_way_is_named_and_the_choices_stay() {
    let (_, lake) = disputed().await;
    let session = begin(&lake).await;
    lake.choose_all(&session, &ConflictFilter::default(), choose("theirs", "ann")).await.unwrap();
    put(&lake, "main", "a", 8).await;
    let MergeAnswer::StagedInTheWay { paths } = complete(&lake, &session).await else { panic!() };
    assert_eq!(paths, ["a"]);
    assert_eq!(lake.session(&session).await.unwrap().undecided, 0);
}

#[tokio::test]
async fn lines_of_a_text_can_be_decided_by_an_uploaded_object() {
    let disk = Disk::new();
    let lake = disk.create_with(Registry::new().with(Arc::new(TextMerger))).await;
    crate::previews::put_text(
        &lake,
        "main",
        "_anabranch/merge.toml",
        "[[rule]]\npath = '*'\nmerge = 'text'\n",
    )
    .await;
    crate::previews::put_text(&lake, "main", "t", "one\n").await;
    commit(&lake, "main", "base").await;
    lake.create_branch(&branch("dev"), "main", false).await.unwrap();
    for (on, text) in [("main", "ours\n"), ("dev", "theirs\n")] {
        crate::previews::put_text(&lake, on, "t", text).await;
        commit(&lake, on, "text").await;
    }
    let session = begin(&lake).await;
    let ids = ids(&lake, &session).await;
    let object = Chosen { object: Some(entry(&lake, 5).await), ..choose("object", "ann") };
    lake.choose(&session, &ids["t"], object).await.unwrap();
    let MergeAnswer::Merged { .. } = complete(&lake, &session).await else { panic!() };
    assert_eq!(contents(&lake, "main", 100).await["t"], 5);
}
