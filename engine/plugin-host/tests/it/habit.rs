//! Calls of a plugin whose calls are short begin on the thread that waits for them, and do not stay there when they are long.

use std::time::Duration;

use anabranch_merge::test_support::{OpenCase, UnitCase};
use anabranch_merge::{FailureReason, MergeOutcome, UnitKind};
use anabranch_plugin_host::{Limits, PluginMerger};
use futures::future::{Either, select};

use crate::fixture::{Attack, MAKE, attack};
use crate::support::Runtime;

/// More short calls than make a habit.
const SHORT: usize = 12;

fn case(root: &str) -> UnitCase {
    let case = UnitCase::new("habit", root, UnitKind::Folder);
    case.base("shared", "old").ours("shared", "ours").theirs("shared", "theirs")
}

/// A plugin that puts `shared` as ours has it, after it has done `long` if its unit is called `long`. It has looked often by then whether
/// other paths exist.
async fn merger(long: &str, seconds: u64) -> PluginMerger {
    let shared: String = (b"shared".iter().enumerate())
        .map(|(index, byte)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", 1024 + index))
        .collect();
    let look =
        "(call $open (i32.load offset=28 (local.get $in)) (i32.const 1024) (i32.const 5) (i32.const 4096))";
    let body = format!(
        "{shared}
        (if (i32.eq (i32.load offset=12 (local.get $in)) (i32.const 4)) (then {long}))
        {}
        (call $open (i32.load offset=28 (local.get $in)) (i32.const 1024) (i32.const 6) (i32.const 4096))
        (call $put (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const 6) (i32.load (i32.const 4100)) (i32.const 4096))",
        look.repeat(20)
    );
    let limits = Limits { seconds, memory_bytes: 64 * 1024 * 1024, ..Limits::default() };
    let module = Attack { top: MAKE, ..attack(&body) }.module();
    let plugin = Runtime::new().install(module, limits).await.unwrap();
    PluginMerger::new("habit", plugin, UnitKind::Folder).unwrap()
}

async fn is_merged(open: &OpenCase, merger: &PluginMerger) {
    let outcome = open.run(merger).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
}

async fn habit(merger: &PluginMerger) {
    for _ in 0..SHORT {
        is_merged(&case("t").open(), merger).await;
    }
}

/// All of this runs on one thread, so it stands still while a call holds it.
#[tokio::test]
async fn a_call_that_is_longer_than_the_others_holds_nobody_up() {
    let endless = "(loop $again (br $again))";
    let filling = "(loop $again
          (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536))
          (br $again))";
    let filling_much = "(drop (memory.grow (i32.const 900)))
        (loop $again
          (memory.fill (i32.const 65536) (i32.const 0) (i32.const 50000000))
          (br $again))";
    let writing = "(drop (memory.grow (i32.const 16)))
        (call $create (i32.load offset=44 (local.get $in)) (i32.const 4096))
        (local.set $handle (i32.load (i32.const 4100)))
        (loop $again
          (call $write (local.get $handle) (i32.const 65536) (i32.const 1048576) (i32.const 4096))
          (br $again))";
    for (what, long) in
        [("endless", endless), ("filling", filling), ("filling much", filling_much), ("writing", writing)]
    {
        let merger = merger(long, 2).await;
        habit(&merger).await;
        let open = case("long").open();
        let mut ticks = 0;
        let clock = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                ticks += 1;
            }
        };
        let outcome = match select(std::pin::pin!(open.run(&merger)), std::pin::pin!(clock)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => unreachable!(),
        };
        let MergeOutcome::Failed(failure) = outcome else { panic!("{what}: {outcome:?}") };
        assert_eq!(failure.reason, FailureReason::Limit, "{what}: {}", failure.message);
        assert!(ticks >= 10, "{what}: others had {ticks} turns");
        // And the next one is what it always was.
        is_merged(&case("t").open(), &merger).await;
    }
}

#[tokio::test]
async fn a_short_call_waits_for_a_storage_that_is_away() {
    let merger = merger("", Limits::default().seconds).await;
    habit(&merger).await;
    let open = case("t").open();
    open.ours.go_away(2);
    is_merged(&open, &merger).await;
}

#[tokio::test]
async fn a_short_call_that_nobody_waits_for_ends() {
    let merger = merger("", Limits::default().seconds).await;
    habit(&merger).await;
    for _ in 0..4 {
        let open = case("t").open();
        open.ours.go_away(100);
        let given_up = tokio::time::timeout(Duration::ZERO, open.run(&merger)).await;
        assert!(given_up.is_err());
    }
    is_merged(&case("t").open(), &merger).await;
}
