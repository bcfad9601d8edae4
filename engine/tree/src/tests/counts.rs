//! How many nodes are read and written: the costs that do not depend on the machine.

use std::sync::{Arc, OnceLock};

use anabranch_types::Commit;
use anabranch_types::test_support::{ManualClock, SeededIds};

use super::*;
use crate::test_support::{MemoryPacks, store_over};
use crate::{CommitToPack, TreeStore, WalkItem};

const MILLION: u64 = 1_000_000;

/// Spread over 1,000 tables of 1,000 files.
fn file(n: u64) -> Key {
    key(&format!(
        "lake/table_{:04}/part-{:05}-{:016x}.parquet",
        n / 1000,
        n % 1000,
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    ))
}

/// A key between files, so that it is new.
fn new_file(n: u64) -> Key {
    key(&format!("{}.new", file(n)))
}

fn scattered(count: u64, salt: u64) -> std::collections::BTreeSet<u64> {
    (0..count).map(|n| (n * 7919 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) % MILLION).collect()
}

/// Packs that hold a tree of a million entries.
fn million() -> (Arc<MemoryPacks>, Tree) {
    static PACKED: OnceLock<(Arc<MemoryPacks>, Tree)> = OnceLock::new();
    let (packs, tree) = PACKED.get_or_init(|| {
        let packs = Arc::new(MemoryPacks::default());
        let session = store_over(&packs, 256).session();
        let tree = session.build((0..MILLION).map(|n| (file(n), own_entry(n)))).unwrap();
        let tree = packed(&packs, &session, &tree);
        (packs, tree)
    });
    (packs.clone(), tree.clone())
}

pub(super) fn packed(packs: &MemoryPacks, session: &Session, tree: &Tree) -> Tree {
    let commit = Commit {
        parents: Vec::new(),
        tree: tree.id(),
        generation: 1,
        created_ms: 0,
        committer: String::new(),
        message: String::new(),
        metadata: BTreeMap::new(),
    };
    let commit = CommitToPack { commit, tree: tree.clone(), delta: None };
    let ids = SeededIds::new(u64::from(tree.id().as_bytes()[0]));
    let packed = session.pack(&[commit], &ManualClock::at(0), &ids).unwrap();
    packs.write(&packed);
    packed.commits[0].record.tree()
}

/// Applies edits one by one, each with an empty cache, and answers the average of nodes read and of nodes written.
fn average_cost(packs: &Arc<MemoryPacks>, tree: &Tree, edits: &[TreeEdit]) -> (f64, f64) {
    let (mut reads, mut writes) = (0, 0);
    for edit in edits {
        let store = store_over(packs, 256);
        let session = store.session();
        run(session.apply(tree, vec![edit.clone()])).unwrap();
        let counters = store.counters();
        reads += counters.node_reads;
        writes += counters.nodes_written;
    }
    (reads as f64 / edits.len() as f64, writes as f64 / edits.len() as f64)
}

#[test]
fn an_overwrite_in_a_million_touches_at_most_four_nodes() {
    let (packs, tree) = million();
    for n in scattered(200, 1) {
        let edit = TreeEdit::Put(file(n), entry(MILLION + n));
        let (reads, writes) = average_cost(&packs, &tree, &[edit]);
        assert!(reads <= 4.0 && writes <= 4.0, "file {n}: {reads} reads, {writes} writes");
    }
}

#[test]
fn inserts_and_deletes_in_a_million_touch_at_most_four_nodes_on_average() {
    let (packs, tree) = million();
    let inserts: Vec<_> =
        scattered(5_000, 2).into_iter().map(|n| TreeEdit::Put(new_file(n), entry(n))).collect();
    let deletes: Vec<_> = scattered(5_000, 3).into_iter().map(|n| TreeEdit::Remove(file(n))).collect();
    for edits in [inserts, deletes] {
        let (reads, writes) = average_cost(&packs, &tree, &edits);
        assert!(reads <= 4.0 && writes <= 4.0, "{reads} reads, {writes} writes");
    }
}

fn merge(store: &Arc<TreeStore>, base: &Tree, ours: &Tree, theirs: &Tree) -> (Tree, Session) {
    let session = store.session();
    let mut cursor = session.three_way(base, ours, theirs);
    let mut edits = Vec::new();
    while let Some(batch) = run(cursor.next_batch()).unwrap() {
        edits.extend(batch.into_iter().filter_map(|item| match item {
            WalkItem::OnlyOurs { .. } => None,
            WalkItem::OnlyTheirs { range } => Some(TreeEdit::Take { range, from: theirs.clone() }),
            WalkItem::Entry { base, ours, .. } if base != ours => None,
            WalkItem::Entry { key, theirs: Some(entry), .. } => Some(TreeEdit::Put(key, entry)),
            WalkItem::Entry { key, .. } => Some(TreeEdit::Remove(key)),
        }));
    }
    (run(session.apply(ours, edits)).unwrap(), session)
}

#[test]
fn an_import_branch_is_merged_by_taking_whole_subtrees() {
    let (packs, base) = million();
    let imported = |n: u64| key(&format!("import/batch/part-{n:08}.parquet"));
    for import in [imported, |n: u64| key(&format!("lake/table_0500a/part-{n:08}.parquet"))] {
        let session = store_over(&packs, 256).session();
        let rows = session.build((0..200_000).map(|n| (import(n), entry(n)))).unwrap();
        let range = KeyRange::between(import(0).as_bytes(), import(199_999).as_bytes());
        let with_import = run(session.apply(&base, vec![TreeEdit::Take { range, from: rows }])).unwrap();
        let with_import = packed(&packs, &session, &with_import);
        let session = store_over(&packs, 256).session();
        let edits = scattered(1000, 4).into_iter().map(|n| TreeEdit::Put(file(n), entry(n + 1)));
        let scattered = run(session.apply(&base, edits.collect())).unwrap();
        let scattered = packed(&packs, &session, &scattered);
        for (ours, theirs) in [(&scattered, &with_import), (&with_import, &scattered)] {
            let store = store_over(&packs, 256);
            let (result, _) = merge(&store, &base, ours, theirs);
            let counters = store.counters();
            assert_eq!(result.count(), MILLION + 200_000);
            assert!(counters.node_reads <= 20, "{} reads", counters.node_reads);
        }
    }
}

#[test]
fn a_page_of_folders_reads_no_leaf_of_them() {
    let (packs, tree) = million();
    let store = store_over(&packs, 256);
    let page = run(store.session().list(&tree, "lake/", Some("/"), None, 1000)).unwrap();
    assert_eq!((page.items.len(), page.more), (1000, false));
    // Each of the 1,000 folders begins in the middle of some leaf, which shows where it begins.
    assert!(store.counters().node_reads <= 1020, "{} reads", store.counters().node_reads);
    store.reset_counters();
    let range = KeyRange::prefix(b"lake/table_03");
    assert_eq!(run(store.session().count_in(&tree, &range)).unwrap(), 100_000);
    run(store.session().digest_in(&tree, &range)).unwrap();
    assert!(store.counters().node_reads <= 6);
}
