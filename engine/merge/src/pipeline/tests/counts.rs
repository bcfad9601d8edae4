//! How many nodes a merge reads, with table roots on the way.

use anabranch_tree::CommitToPack;
use anabranch_types::Commit;
use anabranch_types::test_support::{ManualClock, SeededIds};

use super::*;

/// A lake of 40 Delta tables and plain folders.
fn lake_contents(lake: &Lake) -> Contents {
    let body = lake.entry("x", 0);
    let mut contents = Contents::new();
    for table in 0..40 {
        contents.insert(long(&format!("lake/t{table:02}/#0")), body.clone());
        for file in 0..500 {
            contents.insert(format!("lake/t{table:02}/part-{file:05}"), body.clone());
        }
    }
    for object in 0..20_000 {
        contents.insert(format!("raw/{:02}/{object:06}", object % 50), body.clone());
    }
    contents
}

/// Reads of a merge of packed trees, from an empty cache; and the outcome.
async fn merge_cold(sides: [&Contents; 3]) -> (u64, PipelineOutcome, u64) {
    merge_cold_in(Mode::Mergers, sides).await
}

async fn merge_cold_in(mode: Mode, sides: [&Contents; 3]) -> (u64, PipelineOutcome, u64) {
    let packs = Arc::new(MemoryPacks::default());
    let params = TreeParams { seed: 7, target: 256 };
    let lake = Lake::new(registry());
    let writing = TreeStore::new(packs.clone(), params, 1 << 20).session();
    let mut trees = Vec::new();
    for (number, contents) in sides.into_iter().enumerate() {
        let entries = contents.iter().map(|(key, entry)| (Key::new(key.clone()).unwrap(), entry.clone()));
        let tree = writing.build(entries).unwrap();
        let commit = Commit {
            parents: Vec::new(),
            tree: tree.id(),
            generation: 1,
            created_ms: 0,
            committer: "test".into(),
            message: number.to_string(),
            metadata: BTreeMap::new(),
        };
        let to_pack = CommitToPack { commit, tree, delta: None };
        let ids = SeededIds::new(number as u64);
        let packed = writing.pack(&[to_pack], &ManualClock::at(0), &ids).unwrap();
        let written = packed.packs.iter().map(|pack| (pack.key.as_str().to_owned(), pack.bytes.clone()));
        packs.0.lock().unwrap().extend(written);
        trees.push(Tree::from_root(packed.commits[0].record.root.clone()));
    }
    let store = TreeStore::new(packs, params, 256 << 20);
    let session = store.session();
    let input = PipelineInput { mode, ..lake.input(&trees[0], &trees[1], &trees[2]) };
    let outcome = merge_trees(&session, &input).await.unwrap();
    let counters = store.counters();
    (counters.node_reads, outcome, counters.nodes_written)
}

#[tokio::test]
async fn an_import_is_merged_with_scattered_changes_without_reading_either() {
    let lake = Lake::new(registry());
    let base = lake_contents(&lake);
    let mut ours = base.clone();
    // 1,000 scattered changes: most in raw folders, some in every table.
    for number in 0..1_000 {
        let key = match number % 5 {
            0 => format!("lake/t{:02}/part-{:05}", number % 40, number / 2),
            _ => format!("raw/{:02}/{:06}", number % 50, number * 20 + number % 50),
        };
        ours.insert(key, lake.entry("changed", 1));
    }
    // 200,000 new objects, tables among them.
    let mut theirs = base.clone();
    let body = lake.entry("imported", 2);
    for number in 0..200_000 {
        theirs.insert(format!("lake/u{:02}/part-{number:06}", number % 20), body.clone());
    }
    for table in 0..20 {
        theirs.insert(long(&format!("lake/u{table:02}/#0")), body.clone());
    }
    let (reads, outcome, written) = merge_cold([&base, &ours, &theirs]).await;
    assert_eq!(outcome.conflicts(), []);
    assert_eq!(outcome.tree().count(), 240_040 + 20 + (ours.len() - base.len()) as u64);
    // Measured: 59 read, 3 written. The trees have about 950 and 160 nodes.
    println!("{reads} node reads, {written} nodes written");
    assert!(reads <= 64, "{reads} node reads");
    assert!(written <= 8, "{written} nodes written");
}

/// 40 datasets of 50 partitions of 20 files each.
fn partitions(lake: &Lake) -> Contents {
    let body = lake.entry("x", 0);
    let files = (0..40_000)
        .map(|n| (format!("lake/s{:02}/d={:02}/p{:02}.parquet", n / 1_000, n / 20 % 50, n % 20), n));
    files.map(|(key, _)| (key, body.clone())).collect()
}

#[tokio::test]
async fn the_check_of_structure_reads_in_proportion_to_what_both_sides_changed() {
    let lake = Lake::new(registry());
    let base = partitions(&lake);
    // (files written in place, new files) per side, scattered; then all new ones of each side in datasets of its own.
    for (name, scattered, apart) in [("few", 10, 0), ("many", 500, 0), ("apart", 0, 5_000)] {
        let side = |label: &str, shift: usize| {
            let mut side = base.clone();
            let body = lake.entry(label, 1);
            for n in 0..scattered {
                let at = (n * 7_919 + shift * 31) % 40_000;
                let folder = format!("lake/s{:02}/d={:02}", at / 1_000, at / 20 % 50);
                match n % 2 {
                    0 => drop(
                        side.insert(format!("{folder}/p{:02}.parquet", (shift * 10 + n) % 20), body.clone()),
                    ),
                    _ => drop(side.insert(format!("{folder}/{label}{n}.parquet"), body.clone())),
                }
            }
            for n in 0..apart {
                side.insert(format!("lake/{label}/d={:02}/p{n:05}.parquet", n / 100), body.clone());
            }
            side
        };
        let (ours, theirs) = (side("ours", 0), side("theirs", 1));
        let (without, _, _) = merge_cold_in(Mode::ClientTransaction, [&base, &ours, &theirs]).await;
        let (with, outcome, _) = merge_cold_in(Mode::Mergers, [&base, &ours, &theirs]).await;
        println!(
            "{name}: {with} node reads, {without} without the check; {} conflicts",
            outcome.conflicts().len()
        );
        assert!(with <= without + without / 4 + 8, "{name}: {with} node reads, {without} without the check");
    }
}
