//! Small new objects are written together, and not at all where nothing would refer to them.

use anabranch_merge::test_support::{OpenCase, UnitCase};
use anabranch_merge::{FailureReason, MergeEdit, MergeOutcome, UnitKind};
use anabranch_plugin_host::{Limits, PluginMerger};

use crate::fixture::{Attack, MAKE, attack};
use crate::support::Runtime;

/// Further functions of objects.
const LOOK: &str = r#"(import "anabranch:merge/snapshots@0.1.0" "[method]object.id" (func $id (param i32 i32)))
  (import "anabranch:merge/snapshots@0.1.0" "[method]object.size" (func $size (param i32) (result i64)))
  (import "anabranch:merge/snapshots@0.1.0" "[method]object.read" (func $read (param i32 i64 i32 i32)))"#;

/// Begins an object, writes `length` bytes from `from`, and finishes it: its handle is at 4100 then.
fn make(from: usize, length: &str) -> String {
    format!(
        "(call $create (i32.load offset=44 (local.get $in)) (i32.const 4096))
        (local.set $handle (i32.load (i32.const 4100)))
        (call $write (local.get $handle) (i32.const {from}) {length} (i32.const 4096))
        (call $finish (local.get $handle) (i32.const 4096))"
    )
}

/// Puts the object whose handle is there at `shared`.
const PUT: &str = "(call $put (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const 6) (i32.load (i32.const 4100)) (i32.const 4096))";

/// Runs a plugin whose memory has `shared` at 1024 and zeros from 131072 on.
async fn run(body: &str, open: &OpenCase) -> MergeOutcome {
    let shared: String = (b"shared".iter().enumerate())
        .map(|(index, byte)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", 1024 + index))
        .collect();
    let top: &'static str = Box::leak(format!("{MAKE}\n{LOOK}").into_boxed_str());
    let grown = "(drop (memory.grow (i32.const 16)))";
    let module = Attack { top, ..attack(&format!("{shared}{grown}{body}")) }.module();
    let plugin = Runtime::new().install(module, Limits::default()).await.unwrap();
    open.run(&PluginMerger::new("making", plugin, UnitKind::Folder).unwrap()).await
}

fn case() -> OpenCase {
    let case = UnitCase::new("gathered", "t", UnitKind::Folder);
    case.base("shared", "old").ours("shared", "ours").theirs("shared", "theirs").open()
}

fn made(open: &OpenCase, outcome: &MergeOutcome) -> bytes::Bytes {
    let MergeOutcome::Merged { edits, .. } = outcome else { panic!("{outcome:?}") };
    let [MergeEdit::Put { entry, .. }] = edits.as_slice() else { panic!("{edits:?}") };
    open.objects.body(&entry.address).unwrap()
}

#[tokio::test]
async fn only_what_is_put_somewhere_is_written() {
    let open = case();
    let body = format!("{}{}{PUT}", make(1024, "(i32.const 6)"), make(1024, "(i32.const 3)"));
    let outcome = run(&body, &open).await;
    assert_eq!(made(&open, &outcome), "sha");
    assert_eq!(open.writer.written().len(), 1);
    let MergeOutcome::Merged { report, .. } = outcome else { panic!() };
    assert_eq!(report.bytes_written, 3);
}

#[tokio::test]
async fn many_objects_and_many_bytes_do_not_wait_for_the_end() {
    for (count, length, at_least) in [(2_500, 10, 2_000), (50, 60_000, 36)] {
        let open = case();
        let body = format!(
            "(loop $again
              {}
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $again (i32.lt_u (local.get $i) (i32.const {count}))))
            {PUT}",
            make(131_072, &format!("(i32.const {length})"))
        );
        let outcome = run(&body, &open).await;
        assert_eq!(made(&open, &outcome).len(), length);
        let MergeOutcome::Merged { report, .. } = outcome else { panic!() };
        let written = open.writer.written().len();
        assert!(written >= at_least && written < count, "{written}");
        assert_eq!(report.bytes_written, (written * length) as u64);
    }
}

#[tokio::test]
async fn an_object_that_waits_has_a_size_and_bytes_and_is_written_for_its_id() {
    let first = make(1024, "(i32.const 6)");
    let keep = "(local.set $i (i32.load (i32.const 4100)))";
    // What does not hold traps.
    let holds = |what: &str| format!("(if (i32.eqz {what}) (then unreachable))");
    let size = holds("(i64.eq (call $size (local.get $i)) (i64.const 6))");
    let read = format!(
        "(call $read (local.get $i) (i64.const 2) (i32.const 100) (i32.const 4096)){}{}",
        holds("(i32.eq (i32.load (i32.const 4104)) (i32.const 4))"),
        holds("(i32.eq (i32.load8_u (i32.load (i32.const 4100))) (i32.const 97))"),
    );
    let id = format!(
        "(call $id (local.get $i) (i32.const 4096)){}",
        holds("(i32.eq (i32.load (i32.const 4100)) (i32.const 32))")
    );
    let copied = "(call $create (i32.load offset=44 (local.get $in)) (i32.const 4096))
        (local.set $handle (i32.load (i32.const 4100)))
        (call $copy (local.get $handle) (local.get $i) (i64.const 1) (i64.const 2) (i32.const 4096))
        (call $copy (local.get $handle) (local.get $i) (i64.const 0) (i64.const 6) (i32.const 4096))
        (call $finish (local.get $handle) (i32.const 4096))";
    for (looks, written) in [
        (format!("{size}{read}"), 1),
        // An id is that of an object that is there.
        (format!("{size}{id}{read}"), 2),
    ] {
        let open = case();
        let outcome = run(&format!("{first}{keep}{looks}{copied}{PUT}"), &open).await;
        assert_eq!(made(&open, &outcome), "hashared");
        assert_eq!(open.writer.written().len(), written);
    }
}

#[tokio::test]
async fn a_storage_that_fails_in_the_end_fails_the_merge() {
    let open = case();
    open.writer.fail_after(0);
    let outcome = run(&format!("{}{PUT}", make(1024, "(i32.const 6)")), &open).await;
    let MergeOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.reason, FailureReason::Storage);
    assert!(open.writer.written().is_empty());
}
