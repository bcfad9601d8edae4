//! What is published is what was planned, whatever became of the objects on the way.

use std::sync::Mutex;

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::{MERGE_TIME_MS, OpenCase, entry_merges};
use anabranch_merge::{
    FailureReason, MergeInput, MergeOutcome, Merger, NewObject, ObjectAttributes, UnitUpload, UnitWriter,
    ViewError,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::fixtures::fixture;

/// Changes what is written, and says that all went well.
struct Altering<'a, F> {
    open: &'a OpenCase,
    alter: F,
    altered: Mutex<usize>,
}

#[async_trait]
impl<F: Fn(&str) -> String + Send + Sync> UnitWriter for Altering<'_, F> {
    async fn write(&self, body: Bytes, attributes: ObjectAttributes) -> Result<NewObject, ViewError> {
        let text = std::str::from_utf8(&body).unwrap();
        let altered = (self.alter)(text);
        *self.altered.lock().unwrap() += usize::from(altered != text);
        self.open.writer.write(altered.into(), attributes).await
    }

    async fn begin<'w>(&'w self) -> Result<Box<dyn UnitUpload + 'w>, ViewError> {
        self.open.writer.begin().await
    }
}

async fn merge_altered(alter: impl Fn(&str) -> String + Send + Sync) -> MergeOutcome {
    let open = fixture("append-append").open();
    let writer = Altering { open: &open, alter, altered: Mutex::new(0) };
    let changes = entry_merges(&open.base, &open.ours, &open.theirs);
    let input = MergeInput {
        root: &open.case.root,
        unit: open.case.unit,
        base: &open.base,
        ours: &open.ours,
        theirs: &open.theirs,
        changes: &changes,
        options: &open.case.options,
        resolutions: &[],
        prefer: None,
        merge_time_ms: MERGE_TIME_MS,
        seed: [7; 32],
        source: "dev",
        writer: &writer,
    };
    let outcome = DeltaMerger::new().merge(input).await;
    assert!(*writer.altered.lock().unwrap() > 0, "nothing was altered");
    outcome
}

fn without_last_add(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(at) = lines.iter().rposition(|line| line.starts_with("{\"add\"")) {
        lines.remove(at);
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_commit_that_lost_a_line_on_its_way_is_not_published() {
    match merge_altered(without_last_add).await {
        MergeOutcome::Failed(failure) => {
            assert_eq!(failure.reason, FailureReason::VerificationDisagrees, "{failure:?}");
            assert!(failure.message.starts_with("tables/append-append: "), "{failure:?}");
        }
        other => panic!("{other:#?}"),
    }
}

#[tokio::test]
async fn a_commit_that_is_cut_is_not_published() {
    match merge_altered(|text| text[..text.len() / 2].to_owned()).await {
        MergeOutcome::Failed(failure) => {
            assert_eq!(failure.reason, FailureReason::VerificationDisagrees, "{failure:?}");
        }
        other => panic!("{other:#?}"),
    }
}
