//! What the verifier lets through, and what it catches: mergers that publish something else than they planned.

use std::sync::Arc;

use anabranch_merge::test_support::{MERGE_TIME_MS, MemoryObjects, MemoryUnit};
use anabranch_merge::{MergeEdit, ObjectAttributes};
use expect_test::{Expect, expect};

use super::*;
use crate::action::Commit;
use crate::read::{SnapshotCache, read_log};
use crate::snapshot::SnapshotBuilder;

const TABLE: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}}"#;

fn add(name: &str) -> String {
    format!(
        r#"{{"add":{{"path":"{name}","partitionValues":{{}},"size":4,"modificationTime":1,"dataChange":true}}}}"#
    )
}

/// A merge that adds `b` to a table that has `a`.
struct Case {
    objects: Arc<MemoryObjects>,
    ours: MemoryUnit,
    edits: Vec<MergeEdit>,
}

impl Case {
    fn new() -> Case {
        let objects = MemoryObjects::new();
        let mut ours = MemoryUnit::new("main", &objects);
        ours.put(commit_path(0), format!("{TABLE}\n{}", add("a")));
        ours.put("a", "data");
        ours.put("_delta_log/_last_checkpoint", "no checkpoint");
        let mut case = Case { objects, ours, edits: Vec::new() };
        case.edits = vec![case.commit(&add("b")), case.link("b", "data")];
        case
    }

    fn commit(&self, text: &str) -> MergeEdit {
        let entry = self.objects.put(text.to_owned(), MERGE_TIME_MS, ObjectAttributes::default());
        MergeEdit::Put { path: commit_path(1), entry }
    }

    fn link(&self, path: &str, body: &'static str) -> MergeEdit {
        let entry = self.objects.put(body, MERGE_TIME_MS, ObjectAttributes::default());
        MergeEdit::Link { path: path.into(), entry }
    }

    /// What the verifier says when the plan was to add `b`.
    async fn verdict(&self, verifier: &Verifier) -> Verdict {
        let log = read_log(&self.ours, &SnapshotCache::default()).await.unwrap().unwrap();
        let mut builder = SnapshotBuilder::from_snapshot(&log.snapshot);
        builder.apply(&Commit::parse(1, MERGE_TIME_MS, add("b").as_bytes()).unwrap()).unwrap();
        let merged = builder.build(1).unwrap();
        verifier.verify(&self.ours, &log, &self.edits, &merged).await.unwrap()
    }
}

async fn check(change: impl FnOnce(&mut Case), expected: Expect) {
    let mut case = Case::new();
    change(&mut case);
    let verifier = Verifier::default();
    let said = |verdict: Verdict| match verdict {
        Verdict::Agrees(_) => "agrees".to_owned(),
        Verdict::Disagrees(message) => message,
        Verdict::CannotJudge(message) => format!("cannot judge: {message}"),
    };
    let cold = said(case.verdict(&verifier).await);
    expected.assert_eq(&cold);
    assert_eq!(said(case.verdict(&verifier).await), cold, "the same with the destination in the cache");
}

#[tokio::test]
async fn what_was_planned_is_let_through() {
    check(|_| {}, expect!["agrees"]).await;
    // A runtime with several threads makes the other implementation read in another way.
    let runtime = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(check(|_| {}, expect!["agrees"]));
    });
    runtime.join().unwrap();
}

#[tokio::test]
async fn a_file_that_was_not_linked_is_caught() {
    check(|case| drop(case.edits.pop()), expect![[r#""b" is live, and its object would not be there"#]])
        .await;
}

#[tokio::test]
async fn another_object_under_the_name_of_a_file_is_caught() {
    check(
        |case| case.edits[1] = case.link("b", "other data"),
        expect![[r#""b" is live with 4 bytes, and its object would have 10"#]],
    )
    .await;
}

#[tokio::test]
async fn a_file_of_ours_that_goes_is_caught() {
    check(
        |case| case.edits.insert(0, MergeEdit::Remove { path: "a".into() }),
        expect![[r#""a" is live, and its object would not be there"#]],
    )
    .await;
    check(|case| case.ours.remove("a"), expect![[r#""a" is live, and its object would not be there"#]]).await;
}

#[tokio::test]
async fn a_commit_that_was_written_otherwise_is_caught() {
    check(|case| case.edits[0] = case.commit(&add("c")), expect![[r#""b" is not live"#]]).await;
    check(
        |case| case.edits[0] = case.commit("{\"add\":"),
        expect!["Kernel error: Json error: Truncated record whilst reading value"],
    )
    .await;
    check(|case| drop(case.edits.remove(0)), expect!["Kernel error: Generic delta kernel error: Requested snapshot version 1 is not available: no new commits were found after existing snapshot version 0"]).await;
}

#[tokio::test]
async fn a_storage_that_fails_is_no_verdict() {
    let case = Case::new();
    let log = read_log(&case.ours, &SnapshotCache::default()).await.unwrap().unwrap();
    case.ours.fail_after(2);
    let merged = (*log.snapshot).clone();
    let answer = Verifier::default().verify(&case.ours, &log, &[], &merged).await;
    assert!(matches!(answer, Err(ReadError::View(_))), "{answer:?}");
}
