//! Failures of the storage beneath a plugin.

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{FailureReason, MergeOutcome, UnitKind};
use anabranch_plugin_host::Limits;

use crate::support::Runtime;

fn case() -> UnitCase {
    UnitCase::new("weather", "docs/notes.txt", UnitKind::Object)
        .base("", "a\nb\nc\n")
        .ours("", "x\nb\nc\n")
        .theirs("", "a\nb\nz\n")
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_is_away_for_a_while_is_not_seen() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let calm = case().run(&lines).await;
    assert!(matches!(calm, MergeOutcome::Merged { .. }), "{calm:?}");
    let open = case().open();
    for side in [&open.base, &open.ours, &open.theirs] {
        side.go_away(3);
    }
    assert_eq!(open.run(&lines).await, calm);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_stays_away_ends_the_call_and_says_so() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let open = case().open();
    open.theirs.go_away(usize::MAX);
    let MergeOutcome::Failed(failure) = open.run(&lines).await else { panic!("fails") };
    assert_eq!(failure.reason, FailureReason::Storage);
    assert!(failure.message.contains("the storage was told to fail"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn what_the_storage_lost_is_not_asked_for_again() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let open = case().open();
    open.theirs.fail_after(0);
    let MergeOutcome::Failed(failure) = open.run(&lines).await else { panic!("fails") };
    assert_eq!(failure.reason, FailureReason::Storage);
    assert_eq!(open.theirs.accesses().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_of_a_call_bounds_its_waiting() {
    let lines = Runtime::new().lines(Limits { seconds: 1, ..Limits::default() }).await;
    let open = case().open();
    open.theirs.go_away(usize::MAX);
    let MergeOutcome::Failed(failure) = open.run(&lines).await else { panic!("fails") };
    assert_eq!(failure.reason, FailureReason::Limit);
    assert!(failure.message.contains("limit seconds = 1 was reached"), "{}", failure.message);
}
