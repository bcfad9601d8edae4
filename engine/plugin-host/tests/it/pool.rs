//! The places in which the memories of plugins lie are used again, and nobody sees what was there.

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{MergeOutcome, UnitKind};
use anabranch_plugin_host::{Limits, PluginError, PluginMerger};

use crate::fixture::{Attack, EDIT, attack};
use crate::support::{Runtime, lines};

fn small() -> UnitCase {
    UnitCase::new("small", "notes.txt", UnitKind::Object)
        .base("", "a\nb\nc\n")
        .ours("", "x\nb\nc\n")
        .theirs("", "a\nb\nz\n")
}

#[tokio::test]
async fn a_call_finds_nothing_of_the_one_before() {
    // Leaves marks all over its memory, and traps where it finds one. `take` without a path: ours, whole.
    let body = "(drop (memory.grow (i32.const 100)))
        (local.set $i (i32.const 131072))
        (loop $again
          (if (i32.load (local.get $i)) (then unreachable))
          (i32.store (local.get $i) (i32.const -1))
          (local.set $i (i32.add (local.get $i) (i32.const 1024)))
          (br_if $again (i32.lt_u (local.get $i) (i32.mul (memory.size) (i32.const 65536)))))
        (call $take (i32.load offset=44 (local.get $in)) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2000))";
    let module = Attack { top: EDIT, ..attack(body) }.module();
    let runtime = Runtime::with(|options| options.calls_max = 2);
    let plugin = runtime.install(module, Limits::default()).await.unwrap();
    let merger = PluginMerger::new("marks", plugin, UnitKind::Folder).unwrap();
    let case = UnitCase::new("marks", "t", UnitKind::Folder).base("a", "1").ours("a", "2").theirs("a", "3");
    for round in 0..8 {
        let opens: Vec<_> = (0..4).map(|_| case.open()).collect();
        let calls = opens.iter().map(|open| open.run(&merger));
        for outcome in futures::future::join_all(calls).await {
            assert!(matches!(outcome, MergeOutcome::Merged { .. }), "round {round}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn what_has_more_memories_than_there_are_places_is_refused_when_it_is_installed() {
    let top = "(memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)";
    let module = Attack { top, ..attack("") }.module();
    let error = Runtime::new().install(module, Limits::default()).await.unwrap_err();
    assert!(matches!(error, PluginError::NotAPlugin(_)), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("memories count of 9") && told.contains("limit of 8"), "{told}");
}

#[tokio::test]
async fn more_calls_than_there_are_addresses_for_run_all_the_same() {
    for calls in [50_000, usize::MAX >> 4] {
        let runtime = Runtime::with(|options| options.calls_max = calls);
        let plugin = runtime.install(lines(), Limits::default()).await.unwrap();
        let merger = PluginMerger::new("lines", plugin, UnitKind::Object).unwrap();
        let outcome = small().run(&merger).await;
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{calls}: {outcome:?}");
    }
}
