//! Previews: what they show is what executing them publishes, and until then nobody sees anything of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{Registry, TextMerger};
use anabranch_repository::{
    DiffKind, DiffRequest, MergeAnswer, MergeRequest, Preview, Repository, RepositoryError, Verdict,
    WriteCondition,
};
use anabranch_types::{Checksum, Entry};
use proptest::prelude::*;

use crate::lake::{Disk, branch, commit, contents, entry, merge, merge_request, paging, path, put};

/// A repository in which `t/*` is merged line by line.
async fn lake() -> (Disk, Repository) {
    let disk = Disk::new();
    let registry = Registry::new().with(Arc::new(TextMerger));
    let repository = disk.create_with(registry).await;
    let rules = "[[rule]]\npath = 't/*'\nmerge = 'text'\n";
    put_text(&repository, "main", "_anabranch/merge.toml", rules).await;
    (disk, repository)
}

pub(crate) async fn put_text(repository: &Repository, on: &str, at: &str, text: &str) {
    let address = repository.write_small(text.to_owned().into()).await.unwrap();
    let digest = blake3::hash(text.as_bytes());
    let checksum = Checksum::from_md5(digest.as_bytes()[..16].try_into().unwrap());
    let entry = Entry { size: address.length, address, checksum, ..entry(repository, 0).await };
    repository.put(&branch(on), &path(at), entry, WriteCondition::None).await.unwrap();
}

async fn preview(repository: &Repository, source: &str, into: &str) -> Preview {
    repository.preview(source, &branch(into), merge_request("unused")).await.unwrap()
}

fn executing(id: &str) -> MergeRequest {
    MergeRequest { preview: Some(id.to_owned()), ..merge_request("as it was shown") }
}

async fn execute(repository: &Repository, id: &str) -> MergeAnswer {
    repository.merge("dev", &branch("main"), executing(id)).await.unwrap()
}

/// `main` and `dev`, which both went on from a common commit.
async fn two_branches(repository: &Repository) {
    put(repository, "main", "a", 1).await;
    put(repository, "main", "b", 1).await;
    commit(repository, "main", "base").await;
    repository.create_branch(&branch("dev"), "main", false).await.unwrap();
    put(repository, "main", "a", 2).await;
    commit(repository, "main", "ours").await;
    put(repository, "dev", "b", 3).await;
    commit(repository, "dev", "theirs").await;
}

#[tokio::test]
async fn what_is_shown_is_published_and_the_commit_explains_itself() {
    let (_, repository) = lake().await;
    two_branches(&repository).await;
    let before = repository.branch(&branch("main")).await.unwrap();
    let shown = preview(&repository, "dev", "main").await;
    assert_eq!(shown.verdict, Verdict::Clean);
    assert_eq!(shown.summary.objects_changed, 1);
    assert_eq!(repository.branch(&branch("main")).await.unwrap(), before, "nobody sees it");
    assert_eq!(preview(&repository, "dev", "main").await, shown, "the same merge has the same preview");

    let MergeAnswer::Merged { commit, summary } = execute(&repository, &shown.id).await else { panic!() };
    assert_eq!(commit.commit.message, "as it was shown");
    assert_eq!(summary, shown.summary);
    assert_eq!(contents(&repository, "main", 100).await["b"], 3);
    let (id, report) = repository.merge_report("main").await.unwrap();
    let report = report.unwrap();
    assert_eq!((id, report.summary), (commit.id, summary));
    assert_eq!((report.source.as_str(), report.destination.as_str()), ("dev", "main"));
    assert_eq!(repository.merge_report("main^2").await.unwrap().1, None, "no merge made it");

    let again = execute(&repository, &shown.id).await;
    let MergeAnswer::StalePreview { moved, .. } = again else { panic!("{again:?}") };
    assert!(moved[0].starts_with("main moved from "), "{moved:?}");
}

#[tokio::test]
async fn it_is_stale_once_a_head_moves_or_something_is_staged_where_it_writes() {
    let (disk, repository) = lake().await;
    two_branches(&repository).await;
    let shown = preview(&repository, "dev", "main").await;
    put(&repository, "main", "elsewhere", 1).await;
    assert_eq!(preview(&repository, "dev", "main").await.in_the_way, Vec::<String>::new());
    put(&repository, "main", "b", 9).await;
    assert_eq!(preview(&repository, "dev", "main").await.in_the_way, ["b"]);
    let MergeAnswer::StalePreview { preview: id, moved } = execute(&repository, &shown.id).await else {
        panic!()
    };
    assert_eq!((id, moved), (shown.id.clone(), vec!["b has uncommitted changes now".to_owned()]));
    repository.reset(&branch("main"), &anabranch_repository::ResetScope::All).await.unwrap();

    put(&repository, "dev", "c", 1).await;
    assert_eq!(preview(&repository, "dev", "main").await.uncommitted_on_source, 1);
    commit(&repository, "dev", "more").await;
    let MergeAnswer::StalePreview { moved, .. } = execute(&repository, &shown.id).await else { panic!() };
    assert!(moved[0].starts_with("dev moved from "), "{moved:?}");

    let newer = preview(&repository, "dev", "main").await;
    assert_ne!(newer.id, shown.id);
    let other = MergeRequest { squash: true, ..executing(&newer.id) };
    let answer = repository.merge("dev", &branch("main"), other).await.unwrap();
    let MergeAnswer::StalePreview { moved, .. } = answer else { panic!() };
    assert!(moved[0].contains("options"), "{moved:?}");
    disk.clock.advance(25 * 60 * 60 * 1_000);
    let MergeAnswer::StalePreview { moved, .. } = execute(&repository, &newer.id).await else { panic!() };
    assert_eq!(moved, ["it has expired"]);

    let unknown = repository.merge("dev", &branch("main"), executing("00")).await;
    assert!(matches!(unknown, Err(RepositoryError::NotFound { kind: "preview", .. })));
    let fresh = preview(&repository, "dev", "main").await;
    let elsewhere = repository.merge("main", &branch("dev"), executing(&fresh.id)).await;
    let Err(RepositoryError::Invalid { message }) = elsewhere else { panic!("{elsewhere:?}") };
    assert!(message.contains("of the merge of dev into main"), "{message}");
}

#[tokio::test]
async fn rules_that_no_merge_could_go_by_are_not_committed() {
    let (_, repository) = lake().await;
    put(&repository, "main", "a", 1).await;
    for (text, expected) in [
        ("[[rule]]\npath = 'x/'\nmerge = 'delta'\n", "merger \"delta\" is not known here"),
        ("[[rule]]\npath = 'x'\nmerge = 'text'\noptions = { max = 1 }\n", "option \"max\" is unknown"),
        ("[[rules]]\n", "rules"),
    ] {
        put_text(&repository, "main", "_anabranch/merge.toml", text).await;
        let refused = repository.commit(&branch("main"), crate::lake::commit_request("rules")).await;
        let Err(RepositoryError::Invalid { message }) = refused else { panic!("{refused:?}") };
        assert!(message.contains(expected) && message.contains("nothing was committed"), "{message}");
        assert_eq!(contents(&repository, "main", 100).await["a"], 1, "what is staged stays staged");
    }
    put_text(&repository, "main", "_anabranch/merge.toml", "").await;
    commit(&repository, "main", "put right").await;
    repository.delete(&branch("main"), &path("_anabranch/merge.toml")).await.unwrap();
    commit(&repository, "main", "without rules").await;
}

/// The old ones go as new ones come; one that can still be executed stays.
#[tokio::test]
async fn expired_previews_are_dropped() {
    let (disk, repository) = lake().await;
    two_branches(&repository).await;
    let mut all = Vec::new();
    for number in 0..200 {
        repository.create_branch(&branch(&format!("dev{number}")), "dev", false).await.unwrap();
        all.push(preview(&repository, &format!("dev{number}"), "main").await.id);
        disk.clock.advance(60 * 60 * 1_000);
    }
    let mut kept = 0;
    for (number, id) in all.iter().enumerate() {
        let answer = repository.merge(&format!("dev{number}"), &branch("side"), executing(id)).await;
        kept += usize::from(matches!(answer, Err(RepositoryError::Invalid { .. })));
    }
    assert!((24..100).contains(&kept), "{kept} of 200 are kept");
}

#[derive(Clone, Debug)]
enum Edit {
    Put(&'static str, u8),
    Text(&'static str, u8),
    Delete(&'static str),
}

const PATHS: [&str; 5] = ["a", "b/1", "b/2", "b/c/1", "e"];
const TEXTS: [&str; 2] = ["t/1", "t/2"];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let any_path = prop::sample::select([PATHS.as_slice(), TEXTS.as_slice()].concat());
    let edit = prop_oneof![
        3 => (prop::sample::select(PATHS.to_vec()), 1_u8..4).prop_map(|(at, content)| Edit::Put(at, content)),
        3 => (prop::sample::select(TEXTS.to_vec()), 0_u8..8).prop_map(|(at, content)| Edit::Text(at, content)),
        1 => any_path.prop_map(Edit::Delete),
    ];
    prop::collection::vec(edit, 0..5)
}

/// Eight texts of three lines, each of which is one of two.
fn text(content: u8) -> String {
    (0..3).map(|line| format!("line {line} {}\n\n\n\n", (content >> line) & 1)).collect()
}

async fn make(repository: &Repository, on: &str, edits: &[Edit], commits: bool) {
    for edit in edits {
        match edit {
            Edit::Put(at, content) => put(repository, on, at, *content).await,
            Edit::Text(at, content) => put_text(repository, on, at, &text(*content)).await,
            Edit::Delete(at) => drop(repository.delete(&branch(on), &path(at)).await),
        }
    }
    if commits {
        let _ = repository.commit(&branch(on), crate::lake::commit_request("edits")).await;
    }
}

/// Everything that somebody can see of the repository.
async fn visible(repository: &Repository) -> (BTreeMap<String, u8>, Vec<String>, usize) {
    let branches = repository.list_branches(&paging(100), true).await.unwrap().results;
    let heads = branches.iter().map(|branch| format!("{} {}", branch.name, branch.head)).collect();
    let everything = DiffRequest { kind: DiffKind::TwoDot, paging: paging(1000), delimiter: None };
    let differ = repository.diff("dev", "main", &everything).await.unwrap().results.len();
    (contents(repository, "main", 100).await, heads, differ)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_preview_equals_its_execution(
        base in edits(),
        ours in edits(),
        theirs in edits(),
        staged in prop_oneof![4 => Just(Vec::new()), 1 => edits()],
        squash in any::<bool>(),
        merged_before in prop::bool::weighted(0.3),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let (_, repository) = lake().await;
            make(&repository, "main", &base, true).await;
            repository.create_branch(&branch("dev"), "main", false).await.unwrap();
            if merged_before {
                make(&repository, "dev", &[Edit::Put("a", 9)], true).await;
                merge(&repository, "dev", "main", "before").await;
            }
            make(&repository, "main", &ours, true).await;
            make(&repository, "dev", &theirs, true).await;
            // What a merge without a preview comes to, on a branch of the same content.
            repository.create_branch(&branch("twin"), "main", false).await.unwrap();
            make(&repository, "main", &staged, false).await;
            make(&repository, "twin", &staged, false).await;
            let request = MergeRequest { squash, ..merge_request("m") };
            let before = visible(&repository).await;
            let shown = repository.preview("dev", &branch("main"), request.clone()).await.unwrap();
            assert_eq!(visible(&repository).await, before, "a preview shows nothing");

            let plain = repository.merge("dev", &branch("twin"), request.clone()).await.unwrap();
            let request = MergeRequest { preview: Some(shown.id.clone()), ..request };
            let executed = repository.merge("dev", &branch("main"), request).await.unwrap();
            match (&plain, &executed) {
                (MergeAnswer::Merged { commit: left, .. }, MergeAnswer::Merged { commit: right, summary }) => {
                    assert!(matches!(shown.verdict, Verdict::Clean | Verdict::FastForward), "{shown:?}");
                    assert_eq!(summary, &shown.summary);
                    assert_eq!(left.commit.parents.len(), right.commit.parents.len());
                    assert_eq!(contents(&repository, "twin@", 100).await, contents(&repository, "main@", 100).await);
                }
                (MergeAnswer::Conflicts { conflicts: left, .. }, MergeAnswer::Conflicts { conflicts: right, .. }) => {
                    assert_eq!(shown.verdict, Verdict::Conflicts);
                    assert_eq!(right, &shown.conflicts);
                    let ids = |all: &[anabranch_merge::Conflict]| all.iter().map(|one| one.id()).collect::<Vec<_>>();
                    assert_eq!(ids(left), ids(right));
                }
                (MergeAnswer::NoChanges { .. }, MergeAnswer::NoChanges { .. }) => {
                    assert_eq!(shown.verdict, Verdict::UpToDate);
                }
                (MergeAnswer::StagedInTheWay { paths }, MergeAnswer::StalePreview { .. }) => {
                    assert_eq!(paths, &shown.in_the_way);
                }
                _ => panic!("{plain:?}\n{executed:?}\n{shown:?}"),
            }
        });
    }
}
