use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::conformance;
use crate::test_support::UnitCase;

/// Lines are written as words: `check_text("base: a b | ours: a x b | theirs: a b c", …)`.
fn check_text(text: &str, expected: Expect) {
    let side = |name: &str| -> String {
        let part = text.split('|').find_map(|part| part.trim().strip_prefix(name));
        let words = part.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace();
        words.map(|word| format!("{word}\n")).collect()
    };
    let shown = match plan("notes.txt", &side("base:"), &side("ours:"), &side("theirs:"), &[]) {
        TextPlan::Merged(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        TextPlan::Conflicts(conflicts) => {
            conflicts.iter().map(Conflict::to_string).collect::<Vec<_>>().join("; ")
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn lines_apart_are_joined() {
    check_text("base: a b c d e | ours: a x c d e | theirs: a b c d y", expect!["a x c d y"]);
    check_text("base: a b c | ours: b c | theirs: a b c d", expect!["b c d"]);
    check_text("base: | ours: a | theirs: a", expect!["a"]);
}

#[test]
fn lines_that_both_changed_are_a_conflict_with_their_place() {
    check_text(
        "base: a b c | ours: a x c | theirs: a y c",
        expect![[r#"text-conflict: notes.txt {"line":2,"lines":1}: both sides changed line 2 of the base"#]],
    );
    check_text(
        "base: | ours: a | theirs: b",
        expect![[
            r#"text-conflict: notes.txt {"line":1,"lines":0}: both sides inserted different lines before line 1 of the base"#
        ]],
    );
}

fn cases() -> Vec<UnitCase> {
    let case = |name: &str| UnitCase::new(name, "docs/notes.txt", UnitKind::Object);
    vec![
        case("merges").base("", "a\nb\nc\n").ours("", "x\nb\nc\n").theirs("", "a\nb\nz\n"),
        case("conflicts").base("", "a\nb\nc\n").ours("", "x\nb\ny\n").theirs("", "q\nb\nr\n"),
        case("the same on both sides").base("", "a\n").ours("", "b\n").theirs("", "b\n"),
        case("added on both").ours("", "a\n").theirs("", "b\n"),
        case("removed on one").base("", "a\n").theirs("", "b\n"),
        case("no line end at the end").base("", "a\nb").ours("", "a\nb\nc").theirs("", "x\nb"),
        case("not text").base("", "a").ours("", vec![0xff_u8, 0xfe]).theirs("", "b"),
    ]
}

#[tokio::test]
async fn the_text_merger_conforms() {
    conformance::all(&TextMerger, &cases(), &conformance::bytes_count).await;
}

#[tokio::test]
async fn a_text_above_the_limit_fails_with_the_limit() {
    let mut case = cases().remove(0);
    case.options = serde_json::json!({ "max-bytes": 5 });
    let outcome = case.run(&TextMerger).await;
    let MergeOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.reason, FailureReason::Limit);
    expect![" on base has 6 bytes; at most 5 are read"].assert_eq(&failure.message);
}

#[tokio::test]
async fn resolved_lines_take_their_choice() {
    let mut case = cases().remove(1);
    let MergeOutcome::Conflicts { conflicts, .. } = case.run(&TextMerger).await else {
        panic!("no conflict")
    };
    assert_eq!(conflicts.len(), 2);
    for (conflict, choice) in conflicts.iter().zip(["theirs", "base"]) {
        case.resolutions.push(Resolution {
            conflict: conflict.id(),
            choice: choice.into(),
            value: None,
            object: None,
        });
    }
    let open = case.open();
    let merged = open.merged_bodies(&open.run(&TextMerger).await).unwrap();
    let mut lines: Vec<_> =
        conflicts.iter().map(|c| c.key.clone().unwrap()["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 3]);
    let text = String::from_utf8(merged[""].to_vec()).unwrap();
    assert!(text == "q\nb\nc\n" || text == "a\nb\nr\n", "one line from theirs, one from the base: {text:?}");
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..8)
        .prop_map(|lines| lines.into_iter().map(|line| format!("{line}\n")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_laws_hold(base in text(), ours in text(), theirs in text()) {
        let merged = |text: &String| TextPlan::Merged(text.clone());
        prop_assert_eq!(plan("t", &base, &base, &theirs, &[]), merged(&theirs));
        prop_assert_eq!(plan("t", &base, &ours, &base, &[]), merged(&ours));
        prop_assert_eq!(plan("t", &base, &ours, &ours, &[]), merged(&ours));
        let there = plan("t", &base, &ours, &theirs, &[]);
        let back = plan("t", &base, &theirs, &ours, &[]);
        match (there, back) {
            (TextPlan::Merged(left), TextPlan::Merged(right)) => prop_assert_eq!(left, right),
            (TextPlan::Conflicts(left), TextPlan::Conflicts(right)) => {
                let keys = |list: &[Conflict]| list.iter().map(|c| format!("{:?}", c.key)).collect::<std::collections::BTreeSet<_>>();
                prop_assert_eq!(keys(&left), keys(&right));
            }
            (left, right) => prop_assert!(false, "{:?} {:?}", left, right),
        }
    }
}
