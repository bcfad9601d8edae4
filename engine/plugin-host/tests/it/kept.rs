//! Answers that are kept are those that a call would give.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anabranch_merge::test_support::{MERGE_TIME_MS, OpenCase, UnitCase, entry_changes, entry_merges};
use anabranch_merge::{
    ChangesPage, ConflictId, DiffInput, DiffOutcome, EntryMerge, FailureReason, MergeInput, MergeOutcome,
    Merger, Resolution, RowDiffError, Strategy, UnitKind,
};
use anabranch_plugin_host::{Limits, Meter, PluginMerger, Usage};

use crate::fixture::{Attack, EMIT, attack};
use crate::support::Runtime;

/// Counts calls, and what they used.
#[derive(Debug, Default)]
struct Counter {
    calls: AtomicU64,
    kept: AtomicU64,
    fuel: AtomicU64,
    memory: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Meter for Counter {
    fn called(&self, plugin: &str, usage: &Usage) {
        assert!(plugin.contains("@sha256:"), "{plugin}");
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.fuel.store(usage.fuel, Ordering::Relaxed);
        self.memory.store(usage.memory_bytes, Ordering::Relaxed);
        self.read.store(usage.read_bytes, Ordering::Relaxed);
        self.written.store(usage.written_bytes, Ordering::Relaxed);
    }

    fn asked(&self, _plugin: &str, kept: bool) {
        self.kept.fetch_add(u64::from(kept), Ordering::Relaxed);
    }
}

impl Counter {
    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// A runtime that keeps answers, and its counter.
fn keeping() -> (Runtime, Arc<Counter>) {
    let counter = Arc::new(Counter::default());
    let meter = Arc::clone(&counter);
    let runtime = Runtime::with(|options| {
        options.answers_bytes = 64 << 20;
        options.meter = meter;
    });
    (runtime, counter)
}

fn texts(base: &str, ours: &str, theirs: &str) -> UnitCase {
    let case = UnitCase::new("texts", "docs/notes.txt", UnitKind::Object);
    case.base("", base.to_owned()).ours("", ours.to_owned()).theirs("", theirs.to_owned())
}

fn decided(conflict: ConflictId, choice: &str) -> Resolution {
    Resolution { conflict, choice: choice.into(), value: None, object: None }
}

/// The input of a merge whose changes, time and seed are not those of every case.
fn input<'o>(
    open: &'o OpenCase,
    changes: &'o [EntryMerge],
    merge_time_ms: i64,
    seed: [u8; 32],
) -> MergeInput<'o> {
    MergeInput {
        root: &open.case.root,
        unit: open.case.unit,
        base: &open.base,
        ours: &open.ours,
        theirs: &open.theirs,
        changes,
        options: &open.case.options,
        resolutions: &open.case.resolutions,
        prefer: open.case.prefer,
        merge_time_ms,
        seed,
        source: "dev",
        writer: &open.writer,
    }
}

/// A merge at another time, or with another seed.
async fn run_at(open: &OpenCase, merger: &PluginMerger, merge_time_ms: i64, seed: [u8; 32]) -> MergeOutcome {
    let changes = entry_merges(&open.base, &open.ours, &open.theirs);
    merger.merge(input(open, &changes, merge_time_ms, seed)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_and_without_keeping_the_answers_are_equal() {
    let (runtime, counter) = keeping();
    let (keeping, plain) = (runtime.lines(Limits::default()).await, Runtime::new());
    let plain = plain.lines(Limits::default()).await;
    let states = ["", "a\n", "a\nb\nc\n", "x\nb\nc\n", "a\nb\nz\n"];
    let mut expected_calls = 0;
    for base in states {
        for ours in states {
            for theirs in states {
                let open = texts(base, ours, theirs).open();
                let called = open.run(&plain).await;
                let before = counter.calls();
                assert_eq!(open.run(&keeping).await, called, "{base:?} {ours:?} {theirs:?}");
                assert_eq!(open.run(&keeping).await, called, "{base:?} {ours:?} {theirs:?}, again");
                // None where nothing is to be merged.
                assert!(counter.calls() - before <= 1, "{base:?} {ours:?} {theirs:?}: called twice");
                expected_calls += counter.calls() - before;
                let changes = entry_changes(&open.ours, &open.theirs);
                let options = serde_json::json!({});
                let input = || DiffInput {
                    root: "docs/notes.txt",
                    before: &open.ours,
                    after: &open.theirs,
                    changes: &changes,
                    options: &options,
                };
                let called = plain.diff(input()).await;
                assert_eq!(
                    (keeping.diff(input()).await, keeping.diff(input()).await),
                    (called.clone(), called)
                );
            }
        }
    }
    assert!(expected_calls > 20, "{expected_calls}");
}

#[tokio::test]
async fn every_input_counts() {
    let (runtime, counter) = keeping();
    let lines = runtime.lines(Limits::default()).await;
    let mut open = texts("a\nb\nc\n", "x\nb\nc\n", "q\nb\nc\n").open();
    let MergeOutcome::Conflicts { conflicts, .. } = open.run(&lines).await else { panic!("a conflict") };
    let mut calls = counter.calls();
    let mut check = |what: &str, called: u64| {
        assert_eq!(counter.calls() - calls, called, "{what}");
        calls = counter.calls();
    };
    open.run(&lines).await;
    check("nothing", 0);
    run_at(&open, &lines, MERGE_TIME_MS + 1, [7; 32]).await;
    check("the time of the merge", 1);
    run_at(&open, &lines, MERGE_TIME_MS, [8; 32]).await;
    check("the seed", 1);
    open.case.options = serde_json::json!({ "max-bytes": 100 });
    open.run(&lines).await;
    check("the options", 1);
    open.case.resolutions.push(decided(conflicts[0].id(), "theirs"));
    open.run(&lines).await;
    check("a decision about it", 1);
    open.case.prefer = Some(Strategy::DestWins);
    open.run(&lines).await;
    check("who is preferred", 1);
    open.case.root = "docs/other.txt".into();
    open.run(&lines).await;
    check("where the unit lies", 1);
    let mut entry = open.theirs.entries()[""].clone();
    entry.metadata.insert("owner".into(), "somebody".into());
    open.theirs.put_entry("", entry);
    open.run(&lines).await;
    check("attributes", 1);
    open.theirs.put("", "x\nb\nq\n");
    open.run(&lines).await;
    check("what a side holds", 1);
    open.run(&lines).await;
    check("nothing, again", 0);
    // What lies at the same address of another storage is something else.
    open.case.open().run(&lines).await;
    check("the storage", 1);
    let fewer = runtime.lines(Limits { conflicts: 9, ..Limits::default() }).await;
    open.run(&fewer).await;
    check("the limits", 1);
}

/// In a session every decision is followed by a merge of everything.
#[tokio::test]
async fn a_decision_counts_where_it_is_asked_for() {
    let (runtime, counter) = keeping();
    let (lines, plain) =
        (runtime.lines(Limits::default()).await, Runtime::new().lines(Limits::default()).await);
    let mut opens: Vec<_> = (0..4)
        .map(|number| {
            let mut case = texts("a\nb\nc\nd\ne\n", "x\nb\nc\nd\nx\n", "y\nb\nc\nd\ny\n");
            case.root = format!("docs/{number}.txt");
            case.open()
        })
        .collect();
    let mut ids = Vec::new();
    for open in &opens {
        let MergeOutcome::Conflicts { conflicts, .. } = open.run(&lines).await else { panic!("conflicts") };
        ids.extend(conflicts.iter().map(|conflict| conflict.id()));
    }
    assert_eq!((ids.len(), counter.calls()), (8, 4));
    let mut decisions = Vec::new();
    for (number, id) in ids.into_iter().enumerate() {
        for choice in ["ours", "theirs"] {
            let before = counter.calls();
            decisions.retain(|decision: &Resolution| decision.conflict != id);
            decisions.push(decided(id.clone(), choice));
            for open in &mut opens {
                open.case.resolutions = decisions.clone();
                assert_eq!(open.run(&lines).await, open.run(&plain).await, "{decisions:?}");
            }
            assert_eq!(counter.calls() - before, 1, "decision {number}: {choice}");
        }
    }
    for open in &opens {
        let outcome = open.run(&lines).await;
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
    }
    // Taken back, all is as it was at first.
    for open in &mut opens {
        open.case.resolutions.clear();
        let outcome = open.run(&lines).await;
        assert!(
            matches!(&outcome, MergeOutcome::Conflicts { conflicts, .. } if conflicts.len() == 2),
            "{outcome:?}"
        );
    }
}

/// Rules give a folder below a unit to another merger; they do not lie in the unit.
#[tokio::test]
async fn which_paths_a_plugin_is_told_of_counts() {
    let (runtime, counter) = keeping();
    let idle = Attack { start: 1, ..attack("") };
    let plugin = runtime.install(idle.module(), Limits::default()).await.unwrap();
    let merger = PluginMerger::new("idle", plugin, UnitKind::Folder).unwrap();
    let case = UnitCase::new("paths", "t", UnitKind::Folder);
    let case = case.ours("a", "1").theirs("a", "2").ours("b", "1").theirs("b", "2");
    let open = case.open();
    let all = entry_merges(&open.base, &open.ours, &open.theirs);
    for (changes, calls) in [(&all[..], 1), (&all[..], 1), (&all[..1], 2), (&all[1..], 3)] {
        let outcome = merger.merge(input(&open, changes, MERGE_TIME_MS, [7; 32])).await;
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
        assert_eq!(counter.calls(), calls, "{changes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_kept_where_they_would_come_again() {
    let (runtime, counter) = keeping();
    let open = texts("a\nb\nc\n", "x\nb\nc\n", "a\nb\nz\n").open();
    // How many calls two merges need that fail for this reason.
    let failed = async |lines: &PluginMerger, reason| {
        let before = counter.calls();
        for _ in 0..2 {
            let outcome = open.run(lines).await;
            let MergeOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
            assert_eq!(failure.reason, reason, "{}", failure.message);
        }
        counter.calls() - before
    };
    let lines = async |limits| runtime.lines(limits).await;
    let tight = lines(Limits { written_bytes: 3, ..Limits::default() }).await;
    assert_eq!(failed(&tight, FailureReason::Limit).await, 1);
    let tight = lines(Limits { read_bytes: 3, ..Limits::default() }).await;
    assert_eq!(failed(&tight, FailureReason::Limit).await, 1);
    let lines = lines(Limits::default()).await;
    open.theirs.go_away(usize::MAX);
    assert_eq!(failed(&lines, FailureReason::Storage).await, 2);
    open.theirs.go_away(0);
    assert!(matches!(open.run(&lines).await, MergeOutcome::Merged { .. }));
}

/// By the real clock, which the deadline of a call is of.
#[tokio::test]
async fn what_took_too_long_is_tried_again() {
    let (runtime, counter) = keeping();
    let open = texts("a\nb\nc\n", "x\nb\nc\n", "a\nb\nz\n").open();
    let hurried = runtime.lines(Limits { seconds: 1, ..Limits::default() }).await;
    open.theirs.go_away(usize::MAX);
    let outcome = open.run(&hurried).await;
    let MergeOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.reason, FailureReason::Limit, "{}", failure.message);
    open.theirs.go_away(0);
    assert!(matches!(open.run(&hurried).await, MergeOutcome::Merged { .. }));
    assert_eq!(counter.calls(), 2);
}

#[tokio::test]
async fn what_a_call_used_is_told() {
    let (runtime, counter) = keeping();
    let lines = runtime.lines(Limits::default()).await;
    texts("a\nb\nc\n", "x\nb\nc\n", "a\nb\nz\n").run(&lines).await;
    let told = |number: &AtomicU64| number.load(Ordering::Relaxed);
    assert_eq!((told(&counter.read), told(&counter.written)), (18, 6));
    assert!(told(&counter.fuel) > 1_000 && told(&counter.memory) >= 1 << 16, "{counter:?}");
}

/// A plugin whose comparison emits 25,000 changes, one by one, with their numbers as keys, until nobody reads on.
fn emitting() -> Attack {
    let diff = r#"(local $n i32)
        (i32.store (i32.const 1044) (i32.const 1200))
        (i32.store (i32.const 1048) (i32.const 5))
        (block $enough (loop $again
          (i32.store8 (i32.const 1200) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10000))))
          (i32.store8 (i32.const 1201) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $n) (i32.const 1000)) (i32.const 10))))
          (i32.store8 (i32.const 1202) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $n) (i32.const 100)) (i32.const 10))))
          (i32.store8 (i32.const 1203) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $n) (i32.const 10)) (i32.const 10))))
          (i32.store8 (i32.const 1204) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
          (call $emit (local.get 13) (i32.const 1024) (i32.const 1) (i32.const 4096))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $enough (i32.eq (i32.load8_u (i32.const 4100)) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 25000)))))
        (i64.store (i32.const 2056) (i64.extend_i32_u (local.get $n)))"#;
    Attack { top: EMIT, diff: diff.to_owned(), ..attack("") }
}

#[tokio::test]
async fn all_changes_come_page_by_page() {
    let (keeping, counter) = keeping();
    for runtime in [&keeping, &Runtime::new()] {
        let plugin = runtime.install(emitting().module(), Limits::default()).await.unwrap();
        let merger = PluginMerger::new("emitting", plugin, UnitKind::Folder).unwrap();
        let open = UnitCase::new("many", "t", UnitKind::Folder).base("a", "1").ours("a", "2").open();
        let changes = entry_changes(&open.base, &open.ours);
        let options = serde_json::json!({});
        let page = async |after: Option<String>, limit| -> Result<DiffOutcome, RowDiffError> {
            let (before, changed) = (&open.base, &open.ours);
            let input = DiffInput { root: "t", before, after: changed, changes: &changes, options: &options };
            merger.diff_page(input, &ChangesPage { limit, after }).await
        };
        let (mut after, mut keys) = (None, Vec::new());
        loop {
            let details = page(after, 700).await.unwrap().details.unwrap();
            let listed = details["changes"].as_array().unwrap();
            assert!(!listed.is_empty() && listed.len() <= 700);
            keys.extend(listed.iter().map(|change| change["key"].as_str().unwrap().to_owned()));
            after = details.get("next").map(|next| next.as_str().unwrap().to_owned());
            if after.is_none() {
                break;
            }
        }
        assert_eq!(keys, (0..25_000).map(|number| format!("{number:05}")).collect::<Vec<_>>());
        assert_eq!(counter.calls(), 3);
        // A page is never larger than that, and a place that no page gave is refused or empty.
        let first = page(None, 1 << 20).await.unwrap().details.unwrap();
        assert_eq!(first["changes"].as_array().unwrap().len(), 1_000);
        let next = first["next"].as_str().unwrap();
        let beyond = next.replacen("0-1000-", "0-999999-", 1);
        assert_eq!(page(Some(beyond), 10).await.unwrap().details.unwrap()["changes"], serde_json::json!([]));
        for wrong in ["x", "0-1000", &next.replacen("0-", "5000-", 1), "0-1000-0123456789abcdef"] {
            let refused = page(Some(wrong.to_owned()), 10).await.unwrap_err();
            assert!(matches!(refused, RowDiffError::Invalid(_)), "{refused}");
        }
    }
}
