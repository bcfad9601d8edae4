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
    // Once before the call, for what it will read in any case, and once by the call.
    assert_eq!(open.theirs.accesses().len(), 2);
}

/// By the real clock, which the deadline of a call is of: the tries give up after ten times as long.
#[tokio::test]
async fn the_wall_clock_of_a_call_bounds_its_waiting() {
    let lines = Runtime::new().lines(Limits { seconds: 1, ..Limits::default() }).await;
    let open = case().open();
    open.theirs.go_away(usize::MAX);
    let MergeOutcome::Failed(failure) = open.run(&lines).await else { panic!("fails") };
    assert_eq!(failure.reason, FailureReason::Limit);
    assert!(failure.message.contains("limit seconds = 1 was reached"), "{}", failure.message);
}

#[tokio::test]
async fn what_a_small_object_holds_is_asked_for_once() {
    let lines = Runtime::new().lines(Limits::default()).await;
    // Beneath the size that is fetched before the call, and above it.
    for filler in [0, 40_000] {
        let text = |first: &str, last: &str| format!("{first}\n{}{last}\n", "x\n".repeat(filler));
        let case = UnitCase::new("size", "notes.txt", UnitKind::Object);
        let case = case.base("", text("a", "c\nz")).ours("", text("b", "c\nz"));
        let open = case.theirs("", text("a", "c\ny")).open();
        let outcome = open.run(&lines).await;
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
        for side in [&open.base, &open.ours, &open.theirs] {
            let asked: Vec<_> = side.accesses().into_iter().map(|access| access.method).collect();
            assert_eq!(asked.iter().filter(|method| **method == "read").count(), 1, "{asked:?}");
            assert!(!asked.contains(&"stat"), "{asked:?}");
        }
    }
}
