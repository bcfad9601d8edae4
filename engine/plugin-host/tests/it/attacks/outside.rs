//! Plugins that reach for what is not theirs, or do not do what they must.

use anabranch_merge::{FailureReason, MergeEdit, MergeOutcome};
use anabranch_plugin_host::Limits;
use expect_test::expect;

use super::{fails, outcome};
use crate::fixture::{Attack, EDIT, OPEN, WALK, attack, escaped};

const HOSTILE: [&str; 7] =
    ["../secret", "/etc/passwd", "a/../../secret", "..", "a\0b", "_x/./y", "trailing/"];

#[tokio::test]
async fn what_lies_outside_the_unit_does_not_exist() {
    for path in HOSTILE {
        let length = path.len();
        // Opens, says the failure's message, and traps; a handle instead of a failure would be said as nothing.
        let merge = format!(
            r#"(call $store) (call $open (i32.load offset=28 (local.get $in)) (i32.const 1024) (i32.const {length}) (i32.const 4096))
               (if (i32.eqz (i32.load8_u (i32.const 4096))) (then (return (i32.const 2048))))
               (call $log (i32.const 3) (i32.load (i32.const 4108)) (i32.load (i32.const 4112))) (unreachable)"#
        );
        let mut reader = Attack { top: OPEN, ..attack(&merge) };
        reader.merge = reader.merge.replace("(call $store)", &store(path));
        let message = fails(reader, Limits::default(), FailureReason::Broken).await;
        assert!(message.contains(&format!("its last words: error: path {path:?}: ")), "{message}");
    }
}

/// Instructions that put a text at 1024.
fn store(text: &str) -> String {
    let byte =
        |(index, byte): (usize, u8)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", 1024 + index);
    text.bytes().enumerate().map(byte).collect()
}

#[tokio::test]
async fn what_lies_outside_the_unit_is_not_written() {
    for path in HOSTILE.into_iter().chain([""]) {
        let length = path.len();
        let remove = format!(
            "{} (call $remove (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const {length}) (i32.const 4096))",
            store(path)
        );
        let message =
            fails(Attack { top: EDIT, ..attack(&remove) }, Limits::default(), FailureReason::Broken).await;
        assert!(message.starts_with(&format!("it wrote to path {path:?}: ")), "{message}");
    }
}

#[tokio::test]
async fn a_prefix_outside_the_unit_is_not_taken() {
    let take = format!(
        "{} (call $take (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const 3) (i32.const 2) (i32.const 4096))",
        store("../")
    );
    let message =
        fails(Attack { top: EDIT, ..attack(&take) }, Limits::default(), FailureReason::Broken).await;
    expect![[r#"it took path "..": it has a segment '.' or '..'"#]]
        .assert_eq(message.split(';').next().unwrap());
}

#[tokio::test]
async fn a_handle_that_was_never_given_ends_the_call() {
    let forged =
        Attack { top: WALK, ..attack("(drop (call $walk (i32.const 4711) (i32.const 0) (i32.const 0)))") };
    let message = fails(forged, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("handle index"), "{message}");
    // A handle of another kind is no better.
    let other = Attack {
        top: WALK,
        ..attack("(drop (call $walk (i32.load offset=44 (local.get $in)) (i32.const 0) (i32.const 0)))")
    };
    let message = fails(other, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("handle index"), "{message}");
}

#[tokio::test]
async fn a_path_that_both_changed_is_not_lost_by_overlooking_it() {
    let message = fails(attack(""), Limits::default(), FailureReason::Broken).await;
    expect![[
        r#"it left "shared.txt" open, which both sides changed: put, take, remove or report a conflict there"#
    ]]
    .assert_eq(&message);
}

/// Takes what begins with `path` from theirs.
fn taking(path: &str, start: u8) -> Attack {
    let length = path.len();
    let take = format!(
        "{} (call $take (i32.load offset=44 (local.get $in)) (i32.const 1024) (i32.const {length}) (i32.const 2) (i32.const 4096))",
        store(path)
    );
    Attack { top: EDIT, start, ..attack(&take) }
}

async fn edits(attack: Attack) -> String {
    let outcome = outcome(attack, Limits::default()).await;
    let MergeOutcome::Merged { edits, report } = outcome else { panic!("{outcome:?}") };
    let edits = edits.iter().map(|edit| match edit {
        MergeEdit::Put { path, .. } => format!("put {path}"),
        MergeEdit::Link { path, .. } => format!("link {path}"),
        MergeEdit::Remove { path } => format!("remove {path}"),
    });
    let edits = edits.collect::<Vec<_>>().join(", ");
    format!("{edits}; +{} -{}", report.files_added, report.files_removed)
}

#[tokio::test]
async fn what_a_result_starts_with_is_up_to_the_claim() {
    expect!["link new.txt, link shared.txt; +1 -0"].assert_eq(&edits(taking("shared.txt", 0)).await);
    expect!["link new.txt, link shared.txt; +1 -0"].assert_eq(&edits(taking("", 0)).await);
    expect!["link shared.txt; +0 -0"].assert_eq(&edits(taking("shared.txt", 1)).await);
    expect!["remove kept.txt, link shared.txt; +0 -1"].assert_eq(&edits(taking("shared.txt", 2)).await);
    expect!["link new.txt, link shared.txt; +1 -0"].assert_eq(&edits(taking("", 2)).await);
    assert_eq!(escaped(b"a\0"), "\\61\\00");
}
