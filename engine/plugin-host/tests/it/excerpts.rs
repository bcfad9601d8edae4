//! A conflict that shows excerpts is another one when other bytes lie there.

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{Conflict, MergeOutcome, Resolution, UnitKind};
use anabranch_plugin_host::{Limits, PluginMerger};

use crate::fixture::{Attack, attack};
use crate::support::Runtime;

/// `result-tree.take`, `result-tree.conflict`.
const ASK: &str = r#"(import "anabranch:merge/output@0.1.0" "[method]result-tree.take" (func $take (param i32 i32 i32 i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]result-tree.conflict" (func $conflict (param i32 i32)))"#;

/// Takes ours of `notes`, and reports that theirs has other bytes there: the first four of them.
fn asking() -> Attack {
    // At 1024 the arguments: the tree, then the conflict. Its texts are at 1536.
    let words = [
        (8, 1536, 6),   // kind: x-text
        (16, 1542, 5),  // path: notes
        (44, 1536, 6),  // message
        (52, 1536, 6),  // rule
        (180, 1542, 5), // the path of the excerpt
    ];
    let texts = words.map(|(at, text, length)| {
        format!(
            "(i32.store (i32.const {}) (i32.const {text})) (i32.store (i32.const {}) (i32.const {length}))",
            1024 + at,
            1024 + at + 4
        )
    });
    let merge = format!(
        r#"{}
        (i32.store (i32.const 1024) (i32.load offset=44 (local.get $in)))
        ;; theirs: some, an excerpt, of theirs, four bytes from the beginning
        (i32.store8 (i32.const 1184) (i32.const 1))
        (i32.store8 (i32.const 1192) (i32.const 3))
        (i32.store8 (i32.const 1200) (i32.const 2))
        (i64.store (i32.const 1224) (i64.const 4))
        (call $take (i32.load offset=44 (local.get $in)) (i32.const 1542) (i32.const 5) (i32.const 1) (i32.const 4096))
        (call $conflict (i32.const 1024) (i32.const 4096))"#,
        texts.join("\n")
    );
    let mut asking = Attack { top: ASK, ..attack(&merge) };
    asking.merge = format!("{}{}", stored(1536, "x-textnotes"), asking.merge);
    asking
}

/// Instructions that put a text at a place.
fn stored(at: usize, text: &str) -> String {
    let byte =
        |(index, byte): (usize, u8)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", at + index);
    text.bytes().enumerate().map(byte).collect()
}

fn case(theirs: &str) -> UnitCase {
    UnitCase::new("excerpt", "t", UnitKind::Folder)
        .base("notes", "base bytes")
        .ours("notes", "ours bytes")
        .theirs("notes", theirs.to_owned())
}

async fn conflict(case: &UnitCase, merger: &PluginMerger) -> Conflict {
    let MergeOutcome::Conflicts { mut conflicts, .. } = case.run(merger).await else { panic!("a conflict") };
    assert_eq!(conflicts.len(), 1);
    conflicts.remove(0)
}

#[tokio::test]
async fn a_decision_about_an_excerpt_does_not_outlive_its_bytes() {
    let runtime = Runtime::new();
    let plugin = runtime.install(asking().module(), Limits::default()).await.unwrap();
    let merger = PluginMerger::new("asking", plugin, UnitKind::Folder).unwrap();
    let (mut before, mut after) = (case("theirs: one"), case("theirs: two"));
    let conflict_before = conflict(&before, &merger).await;
    let shown = conflict_before.theirs.clone().expect("theirs is shown");
    assert_eq!(
        (&shown["side"], &shown["path"], &shown["length"]),
        (&"theirs".into(), &"notes".into(), &4.into())
    );
    assert_eq!(
        conflict_before.id(),
        conflict(&before, &merger).await.id(),
        "the same merge, the same conflict"
    );
    let conflict_after = conflict(&after, &merger).await;
    assert_ne!(conflict_before.id(), conflict_after.id());

    let decided =
        Resolution { conflict: conflict_before.id(), choice: "ours".into(), value: None, object: None };
    before.resolutions.push(decided.clone());
    after.resolutions.push(decided);
    let outcome = before.run(&merger).await;
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
    assert_eq!(conflict(&after, &merger).await.id(), conflict_after.id());
}
