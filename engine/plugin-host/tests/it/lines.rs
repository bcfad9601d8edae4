//! A plugin passes the suite that the built-in mergers pass.

use std::sync::Arc;

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{
    DiffInput, FailureReason, MergeOutcome, Merger, Registry, Resolution, Rules, TextMerger, UnitKind,
    conformance, test_support,
};
use anabranch_plugin_host::{Limits, PluginMerger};
use expect_test::expect;

use crate::support::Runtime;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_conforms_as_the_built_in_mergers_do() {
    let lines = Runtime::new().lines(Limits::default()).await;
    conformance::all(&lines, &cases(), &conformance::bytes_count).await;
}

#[tokio::test]
async fn the_plugin_merges_as_the_built_in_one_does() {
    let lines = Runtime::new().lines(Limits::default()).await;
    for case in cases() {
        let (plugin, built_in) = (case.open(), case.open());
        match (plugin.run(&lines).await, built_in.run(&TextMerger).await) {
            (ours @ MergeOutcome::Merged { .. }, theirs @ MergeOutcome::Merged { .. }) => {
                assert_eq!(plugin.merged_bodies(&ours), built_in.merged_bodies(&theirs), "{}", case.name);
            }
            (
                MergeOutcome::Conflicts { conflicts: ours, .. },
                MergeOutcome::Conflicts { conflicts: theirs, .. },
            ) => {
                let shown = |conflicts: &[anabranch_merge::Conflict]| {
                    let mut lines: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
                    lines.sort();
                    lines
                };
                assert_eq!(shown(&ours), shown(&theirs), "{}", case.name);
            }
            (ours, theirs) => panic!("{}: {ours:?} and {theirs:?}", case.name),
        }
    }
}

#[tokio::test]
async fn the_report_names_the_plugin_and_counts_what_was_written() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let MergeOutcome::Merged { report, .. } = cases().remove(0).run(&lines).await else { panic!("merges") };
    assert!(report.how.starts_with("lines@sha256:"), "{}", report.how);
    assert_eq!((report.bytes_written, report.files_added, report.files_removed), (6, 0, 0));
    assert_eq!(lines.description().version.len(), "sha256:".len() + 64);
}

#[tokio::test]
async fn decisions_come_back_to_the_plugin() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let mut case = cases().remove(1);
    let MergeOutcome::Conflicts { conflicts, .. } = case.run(&lines).await else { panic!("conflicts") };
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
    let merged = open.merged_bodies(&open.run(&lines).await).expect("merged");
    let text = String::from_utf8(merged[""].to_vec()).expect("text");
    assert!(text == "q\nb\nc\n" || text == "a\nb\nr\n", "{text:?}");
    // A choice that was not offered decides nothing.
    case.resolutions[0].choice = "toss".into();
    let MergeOutcome::Conflicts { conflicts, .. } = case.run(&lines).await else { panic!("conflicts") };
    assert_eq!(conflicts.len(), 1);
}

#[tokio::test]
async fn what_the_plugin_says_went_wrong_is_reported_with_its_code() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let mut case = cases().remove(0);
    case.options = serde_json::json!({ "max-bytes": 5 });
    let MergeOutcome::Failed(failure) = case.run(&lines).await else { panic!("fails") };
    assert_eq!(failure.reason, FailureReason::Limit);
    let message =
        failure.message.split(' ').filter(|word| !word.contains("sha256:")).collect::<Vec<_>>().join(" ");
    expect![[r#"plugin lines 1.0.0 failed on docs/notes.txt: limit: it has 6 bytes on base; at most 5 are read ("")"#]]
        .assert_eq(&message);
}

#[tokio::test]
async fn rules_find_the_plugin_by_its_digest() {
    let runtime = Runtime::new();
    let plugin = runtime.install(crate::support::lines(), Limits::default()).await.unwrap();
    let mergers = PluginMerger::all_of(&plugin);
    assert_eq!(mergers.len(), 1, "it takes single objects only");
    let registry =
        mergers.into_iter().fold(Registry::new(), |registry, merger| registry.with(Arc::new(merger)));
    let rules = |component: &str| {
        let text =
            format!("[plugins.lines]\ncomponent = '{component}'\n[[rule]]\npath = '*.txt'\nmerge = 'lines'");
        Rules::parse(&text).unwrap()
    };
    let installed = rules(&plugin.component());
    assert_eq!(installed.check(&registry), Ok(()));
    let name = installed.object("notes.txt").unwrap().merger.clone().unwrap();
    assert!(matches!(cases()[0].run(&**registry.get(&name).unwrap()).await, MergeOutcome::Merged { .. }));
    let other = rules(&format!("lines@sha256:{}", "0".repeat(64))).check(&registry).unwrap_err();
    assert!(other.contains("it is not installed here"), "{other}");
}

#[tokio::test]
async fn options_are_checked_against_the_plugins_schema() {
    let lines = Runtime::new().lines(Limits::default()).await;
    assert_eq!(lines.check_options(&serde_json::json!({ "max-bytes": 10 })), Ok(()));
    let refused = lines.check_options(&serde_json::json!({ "max": 10 })).expect_err("an unknown option");
    assert_eq!(refused, "option \"max\" is unknown");
}

#[tokio::test]
async fn a_diff_shows_what_the_plugin_emits() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let case =
        UnitCase::new("diff", "docs/notes.txt", UnitKind::Object).base("", "a\nb\n").ours("", "a\nc\nd\n");
    let open = case.open();
    let changes = test_support::entry_changes(&open.base, &open.ours);
    let options = serde_json::json!({});
    let (before, after) = (&open.base, &open.ours);
    let input = DiffInput { root: "docs/notes.txt", before, after, changes: &changes, options: &options };
    let diff = lines.diff(input).await.expect("it compares");
    assert_eq!(diff.notes, ["2 lines added, 1 removed"]);
    expect![[r#"{"added":2,"removed":1,"modified":0,"complete":true,"changes":[{"kind":"modified","what":"x-lines","path":"","key":"line 2","before":"b\n","after":"c\nd\n"}]}"#]]
        .assert_eq(&diff.details.expect("details").to_string());
}

#[tokio::test]
async fn attributes_follow_the_three_way_rule() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let attributed = |ours: &str, theirs: &str| {
        let mut open = cases().remove(0).open();
        for (side, content_type) in [(&mut open.ours, ours), (&mut open.theirs, theirs)] {
            let mut entry = side.entries()[""].clone();
            entry.content_type = content_type.to_owned();
            side.put_entry("", entry);
        }
        open
    };
    let MergeOutcome::Merged { edits, .. } = attributed("", "text/markdown").run(&lines).await else {
        panic!("merges")
    };
    let [anabranch_merge::MergeEdit::Put { entry, .. }] = edits.as_slice() else { panic!("{edits:?}") };
    assert_eq!(entry.content_type, "text/markdown");
    let MergeOutcome::Conflicts { conflicts, .. } = attributed("text/csv", "text/markdown").run(&lines).await
    else {
        panic!("conflicts")
    };
    expect![[r#"object-conflict: docs/notes.txt "attributes": both sides changed its content type or metadata differently"#]]
        .assert_eq(&conflicts[0].to_string());
}

#[tokio::test]
async fn a_merge_that_ends_in_conflicts_writes_nothing() {
    let lines = Runtime::new().lines(Limits::default()).await;
    let open = cases()[1].open();
    let outcome = open.run(&lines).await;
    let MergeOutcome::Conflicts { report, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((open.writer.written().len(), report.bytes_written), (0, 0));
}

#[tokio::test]
async fn what_a_plugin_reads_writes_and_reports_is_limited_by_name() {
    let limits = Limits::default;
    for (limits, case, expected) in [
        (Limits { read_bytes: 10, ..limits() }, 0, "limit read-bytes = 10 was reached"),
        (Limits { written_bytes: 5, ..limits() }, 0, "limit written-bytes = 5 was reached"),
        (Limits { open_objects: 0, ..limits() }, 0, "limit open-objects = 0 was reached"),
        (Limits { conflicts: 1, ..limits() }, 1, "limit conflicts = 1 was reached"),
    ] {
        let lines = Runtime::new().lines(limits).await;
        let open = cases()[case].open();
        let outcome = open.run(&lines).await;
        let MergeOutcome::Failed(failure) = outcome else { panic!("{expected}: {outcome:?}") };
        assert_eq!(failure.reason, FailureReason::Limit);
        assert!(failure.message.contains(expected), "{}", failure.message);
        assert!(open.writer.written().is_empty(), "{expected}: something was written");
    }
}

#[tokio::test]
async fn changes_that_a_plugin_emits_are_limited_by_name() {
    let lines = Runtime::new().lines(Limits { changes: 1, ..Limits::default() }).await;
    let case =
        UnitCase::new("diff", "notes.txt", UnitKind::Object).base("", "a\nb\nc\n").ours("", "x\nb\nz\n");
    let open = case.open();
    let changes = test_support::entry_changes(&open.base, &open.ours);
    let options = serde_json::json!({});
    let (before, after) = (&open.base, &open.ours);
    let input = DiffInput { root: "notes.txt", before, after, changes: &changes, options: &options };
    let failed = lines.diff(input).await.expect_err("two changes are too many");
    assert!(failed.to_string().contains("limit changes = 1 was reached"), "{failed}");
}
