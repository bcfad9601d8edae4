//! New objects go to the storage as they come.

use anabranch_merge::test_support::{OpenCase, UnitCase};
use anabranch_merge::{FailureReason, MergeEdit, MergeOutcome, UnitKind};
use anabranch_plugin_host::{Limits, PluginMerger};
use anabranch_types::Checksum;
use md5::{Digest, Md5};

use crate::fixture::{Attack, MAKE, attack};
use crate::support::Runtime;

const MIB: usize = 1024 * 1024;
/// More than the host ever holds of one object.
const PIECE_MAX: usize = 4 * MIB;

/// A plugin that begins an object for `shared`, makes it by `body`, whose `$writer` it is, and puts it there.
fn making(body: &str) -> Attack {
    let shared: String = "shared"
        .bytes()
        .enumerate()
        .map(|(index, byte)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", 1024 + index))
        .collect();
    Attack {
        top: MAKE,
        ..attack(&format!(
            r#"{shared}
            (drop (memory.grow (i32.const 16)))
            (call $create (i32.load offset=44 (local.get $in)) (i32.const 4096))
            (local.set $handle (i32.load (i32.const 4100)))
            {body}
            (call $finish (local.get $handle) (i32.const 4096))
            (call $put (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const 6) (i32.load (i32.const 4100)) (i32.const 4096))"#
        ))
    }
}

/// Writes 24 times a MiB of zeros.
const ZEROS: &str = "(loop $again
      (call $write (local.get $handle) (i32.const 131072) (i32.const 1048576) (i32.const 4096))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 24))))";

fn case(ours: impl Into<bytes::Bytes>) -> OpenCase {
    let case = UnitCase::new("stream", "t", UnitKind::Folder);
    case.base("shared", "old").ours("shared", ours).theirs("shared", "theirs").open()
}

async fn run(attack: Attack, open: &OpenCase, limits: Limits) -> MergeOutcome {
    let runtime = Runtime::new();
    let plugin = runtime.install(attack.module(), limits).await.unwrap();
    open.run(&PluginMerger::new("making", plugin, UnitKind::Folder).unwrap()).await
}

/// The object that a merge put at `shared`.
fn made(open: &OpenCase, outcome: &MergeOutcome) -> bytes::Bytes {
    let MergeOutcome::Merged { edits, .. } = outcome else { panic!("{outcome:?}") };
    let [MergeEdit::Put { entry, .. } | MergeEdit::Link { entry, .. }] = edits.as_slice() else {
        panic!("{edits:?}")
    };
    let object = open.objects.body(&entry.address).unwrap();
    if !open.writer.pieces().is_empty() {
        assert_eq!(entry.checksum, Checksum::from_md5(Md5::digest(&object).into()));
    }
    object
}

#[tokio::test]
async fn an_object_is_larger_than_what_anybody_holds_of_it() {
    let open = case("ours");
    let limits = Limits { memory_bytes: 2 * MIB as u64, ..Limits::default() };
    let outcome = run(making(ZEROS), &open, limits).await;
    let object = made(&open, &outcome);
    assert!(object.len() == 24 * MIB && object.iter().all(|byte| *byte == 0), "{} bytes", object.len());
    let pieces = open.writer.pieces();
    assert_eq!(pieces.iter().sum::<usize>(), 24 * MIB);
    assert!(pieces.iter().all(|piece| *piece <= PIECE_MAX), "{pieces:?}");
    let MergeOutcome::Merged { report, .. } = outcome else { panic!() };
    assert_eq!(report.bytes_written, 24 * MIB as u64);
}

#[tokio::test]
async fn many_small_writes_gather() {
    let body = "(loop $again
      (i32.store8 (i32.const 131072) (local.get $i))
      (call $write (local.get $handle) (i32.const 131072) (i32.const 1000) (i32.const 4096))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const {count}))))";
    for (count, pieces) in [(500, 0), (2_000, 4)] {
        let open = case("ours");
        let outcome =
            run(making(&body.replace("{count}", &count.to_string())), &open, Limits::default()).await;
        let object = made(&open, &outcome);
        assert_eq!(object.len(), count * 1000);
        assert!(object.chunks(1000).enumerate().all(|(number, chunk)| chunk[0] == number as u8));
        assert_eq!(open.writer.pieces().len(), pieces, "{:?}", open.writer.pieces());
    }
}

#[tokio::test]
async fn ranges_of_objects_are_spliced_without_being_collected() {
    let ours: bytes::Bytes = (0..10 * MIB).map(|number| (number / 7) as u8).collect();
    let open_ours =
        "(call $open (i32.load offset=28 (local.get $in)) (i32.const 1024) (i32.const 6) (i32.const 4096))
        (local.set $i (i32.load (i32.const 4100)))";
    let copy = |offset: usize, length: usize| {
        format!(
            "(call $copy (local.get $handle) (local.get $i) (i64.const {offset}) (i64.const {length}) (i32.const 4096))"
        )
    };
    let write =
        "(call $write (local.get $handle) (i32.const 1024) (i32.const 6) (i32.const 4096))".to_owned();
    let all = ours.len();
    for (steps, expected) in [
        (vec![copy(0, all)], ours.to_vec()),
        (vec![copy(0, all), write.clone()], [&ours[..], b"shared"].concat()),
        (vec![copy(0, all), copy(0, all)], [&ours[..], &ours[..]].concat()),
        (
            vec![write.clone(), copy(1, all - 2), write.clone()],
            [&b"shared"[..], &ours[1..all - 1], b"shared"].concat(),
        ),
        (vec![copy(5, 3), write.clone(), copy(0, 0)], [&ours[5..8], b"shared"].concat()),
    ] {
        let open = case(ours.clone());
        let body = format!("{open_ours}{}", steps.join("\n"));
        let outcome = run(making(&body), &open, Limits::default()).await;
        if expected == ours {
            // It is the object that ours has already.
            let MergeOutcome::Merged { edits, report } = &outcome else { panic!("{outcome:?}") };
            assert_eq!((edits.len(), report.bytes_written), (0, 0));
            assert!(open.writer.written().is_empty());
            continue;
        }
        assert!(made(&open, &outcome) == expected, "{steps:?}");
        let pieces = open.writer.pieces();
        assert!(pieces.iter().all(|piece| *piece <= PIECE_MAX), "{pieces:?}");
    }
}

#[tokio::test]
async fn an_object_that_is_not_finished_leaves_nothing() {
    let open = case("ours");
    open.writer.fail_after(5);
    let MergeOutcome::Failed(failure) = run(making(ZEROS), &open, Limits::default()).await else {
        panic!("the storage failed")
    };
    assert_eq!(failure.reason, FailureReason::Storage);
    let trap = making(&format!("{ZEROS} (unreachable)"));
    let MergeOutcome::Failed(failure) = run(trap, &case("ours"), Limits::default()).await else {
        panic!("it trapped")
    };
    assert_eq!(failure.reason, FailureReason::Broken);
    assert!(open.writer.written().is_empty());
}
