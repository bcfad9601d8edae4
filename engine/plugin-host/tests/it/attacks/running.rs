//! Plugins that do not end, or fall over.

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{FailureReason, MergeOutcome, UnitKind};
use anabranch_plugin_host::{Limits, PluginError, PluginMerger};
use expect_test::expect;

use super::{fails, reaches, town};
use crate::fixture::{Attack, LOG, attack};
use crate::support::Runtime;

/// What never ends.
pub(super) const ENDLESS: &str = "(loop $again (br $again))";

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    let message =
        reaches(attack(ENDLESS), Limits { fuel: 10_000_000, ..Limits::default() }, "fuel", 10_000_000).await;
    assert!(message.contains("; it was in on_merge"), "{message}");
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_time() {
    let limits = Limits { seconds: 1, fuel: u64::MAX, ..Limits::default() };
    reaches(attack(ENDLESS), limits, "seconds", 1).await;
}

#[tokio::test]
async fn endless_recursion_runs_out_of_stack() {
    let recursion = Attack {
        top: "(func $deeper (param i64) (result i64)
            (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (local.get 0)))",
        ..attack("(drop (call $deeper (i64.const 0)))")
    };
    let message = fails(recursion, Limits::default(), FailureReason::Limit).await;
    assert!(
        message.starts_with(
            "limit stack-bytes = 1048576 was reached: set plugins.stack_bytes higher on the server"
        ),
        "{message}"
    );
    assert!(message.contains("it was in deeper < deeper < "), "{message}");
}

#[tokio::test]
async fn a_trap_names_its_frames_and_the_last_words() {
    let trap = Attack {
        top: LOG,
        ..attack(
            r#"(i32.store (i32.const 1024) (i32.const 0x21706c68)) (call $log (i32.const 3) (i32.const 1024) (i32.const 4)) (unreachable)"#,
        )
    };
    let message = fails(trap, Limits::default(), FailureReason::Broken).await;
    expect![
        "wasm trap: wasm `unreachable` instruction executed; it was in on_merge; its last words: error: hlp!"
    ]
    .assert_eq(&message);
}

#[tokio::test]
async fn a_trap_where_the_host_asks_for_memory_ends_the_call() {
    let trap = Attack { realloc: "(unreachable)", ..attack("") };
    let message = fails(trap, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("unreachable") && message.contains("realloc"), "{message}");
}

#[tokio::test]
async fn a_wrong_address_for_the_host_ends_the_call() {
    let wrong = Attack { realloc: "(i32.const -16)", ..attack("") };
    let message = fails(wrong, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("realloc"), "{message}");
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_call() {
    // The first byte of the answer says whether it is a result or a failure: 7 is neither.
    let wrong = attack("(i32.store8 (i32.const 2048) (i32.const 7))");
    let message = fails(wrong, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("discriminant"), "{message}");
}

#[tokio::test]
async fn a_plugin_that_never_describes_itself_is_not_installed() {
    let silent = Attack { describe: "(loop $again (br $again))", ..attack("") };
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    let refused = town().await.engine.install(silent.module().into(), limits).await.unwrap_err();
    assert!(matches!(refused, PluginError::Description(_)), "{refused}");
    assert!(refused.to_string().contains("limit fuel = 1000000 was reached"), "{refused}");
}

#[tokio::test]
async fn what_a_module_of_wasi_writes_to_stderr_is_its_last_words() {
    let shouting = Attack {
        top: r#"(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#,
        ..attack(
            "(i32.store (i32.const 1024) (i32.const 0x21706c68))
             (i32.store (i32.const 1032) (i32.const 1024)) (i32.store (i32.const 1036) (i32.const 4))
             (drop (call $fd_write (i32.const 2) (i32.const 1032) (i32.const 1) (i32.const 1040)))
             (call $exit (i32.const 1))",
        )
    };
    let message = fails(shouting, Limits::default(), FailureReason::Broken).await;
    assert!(message.ends_with("its last words: error: hlp!"), "{message}");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends() {
    // One call at a time: the next one has its turn when the loop has ended.
    let runtime = Runtime::with(|options| options.calls_max = 1);
    let lines = runtime.lines(Limits::default()).await;
    let limits = Limits { fuel: u64::MAX, seconds: 3_600, ..Limits::default() };
    let plugin = runtime.install(attack("(loop $again (br $again))").module(), limits).await.unwrap();
    let merger = PluginMerger::new("attacker", plugin, UnitKind::Folder).unwrap();
    let wait = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(wait, super::unit().run(&merger)).await.is_err(), "it loops");
    let case = UnitCase::new("next", "notes.txt", UnitKind::Object);
    let outcome = case.base("", "a\nb\nc\n").ours("", "x\nb\nc\n").theirs("", "a\nb\nz\n").run(&lines).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
}
