//! The tree and a repository beside git and doltlite: the same million keys, the same changes, everything synced, in turns
//! within one run. Printed are times, and for each peer how many times longer it took than the tree.
//!
//! `cargo bench -p anabranch-benches --bench peers` is all that is needed: Python's `doltlite` is installed into a cached
//! virtual environment, `git` must be there. A peer that is missing is named and left out. `ANABRANCH_BENCH_DIR` names the
//! folder to work in, on the disk that is to be measured; `rows=N` and `rounds=N` as arguments make it shorter.
//!
//! What is compared: loading all rows as one commit; a commit of 1,000 changed rows; listing what that commit changed;
//! merging a branch that changed 1,000 other rows. git and our two are asked for objects by path, doltlite for rows of a
//! table with the path as key. git is a process for each step, as people run it; doltlite is one Python process whose
//! connection stays open, and its own clock is read; ours stay open as a server does.

#![allow(missing_docs, reason = "a bench has no callers")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that goes wrong may end"
)]
#![allow(clippy::disallowed_methods, reason = "a bench has a real clock")]

mod doltlite;
mod git;
mod repository;
mod rows;
mod tree;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rows::{Row, changed_rows, rows};

/// How many rows a commit changes.
const CHANGES: u64 = 1_000;

/// One round of work: ours and theirs change different rows of the same commit.
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) ours: Vec<Row>,
    pub(crate) theirs: Vec<Row>,
}

/// What a round took.
pub(crate) struct Times {
    /// The commit of `ours` on the main branch.
    pub(crate) commit: Duration,
    /// The list of what it changed; how many it was.
    pub(crate) diff: (Duration, usize),
    /// The merge of a branch that committed `theirs`; how many rows differ from before the round then.
    pub(crate) merge: (Duration, usize),
}

/// A system that keeps versions of rows.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    /// Makes the rows, which are in order, the first commit of the main branch.
    fn load(&mut self, rows: &[Row]) -> Duration;
    fn round(&mut self, round: &Round) -> Times;
}

/// What one peer took for everything.
struct Results {
    name: &'static str,
    load: Duration,
    commit: Vec<Duration>,
    diff: Vec<Duration>,
    merge: Vec<Duration>,
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn run(peers: &mut [Box<dyn Peer>], count: u64, rounds: u64) -> Vec<Results> {
    let all = rows(count);
    let mut results: Vec<Results> = Vec::new();
    for peer in peers.iter_mut() {
        let load = peer.load(&all);
        println!("{:<12} loaded {count} rows in {load:?}", peer.name());
        results.push(Results { name: peer.name(), load, commit: vec![], diff: vec![], merge: vec![] });
    }
    for number in 0..rounds {
        let round = Round {
            number,
            ours: changed_rows(count, CHANGES, number, 0),
            theirs: changed_rows(count, CHANGES, number, 1),
        };
        for (peer, result) in peers.iter_mut().zip(&mut results) {
            let Times { commit, diff, merge } = peer.round(&round);
            println!(
                "{:<12} round {number}: commit {commit:?}, diff {:?}, merge {:?}",
                result.name, diff.0, merge.0
            );
            assert_eq!(diff.1, round.ours.len(), "{}: what the commit changed", result.name);
            let both = round.ours.len() + round.theirs.len();
            assert_eq!(merge.1, both, "{}: what the merged branch holds", result.name);
            result.commit.push(commit);
            result.diff.push(diff.0);
            result.merge.push(merge.0);
        }
    }
    results
}

fn print(results: &[Results]) {
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let cell = |time: Duration, first: Duration| {
        format!("{} (×{:.1})", shown(time), time.as_secs_f64() / first.as_secs_f64().max(1e-9))
    };
    let Some(first) = results.first() else { return };
    println!("\nmedians; in brackets how many times longer than the first line");
    println!(
        "| | load | commit {CHANGES} | diff {CHANGES} | merge {CHANGES} + {CHANGES} |\n|---|---|---|---|---|"
    );
    for result in results {
        let of = |times: &dyn Fn(&Results) -> Duration| cell(times(result), times(first));
        println!(
            "| {} | {} | {} | {} | {} |",
            result.name,
            of(&|r| r.load),
            of(&|r| median(&r.commit)),
            of(&|r| median(&r.diff)),
            of(&|r| median(&r.merge)),
        );
    }
}

fn print_sync_latency(folder: &Path) {
    let mut file = std::fs::File::create(folder.join("sync-probe")).unwrap();
    let mut times = Vec::new();
    for _ in 0..50 {
        file.write_all(&[1; 64 << 10]).unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("fdatasync of 64 KiB: median {:?}, 90% {:?}", times[25], times[45]);
}

fn print_load() {
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        println!(
            "load of the machine (1, 5, 15 minutes): {}",
            load.split(' ').take(3).collect::<Vec<_>>().join(" ")
        );
    }
}

fn argument(name: &str, default: u64) -> u64 {
    let value =
        std::env::args().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    value.unwrap_or(default)
}

fn main() {
    let folder = std::env::var_os("ANABRANCH_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    print_load();
    print_sync_latency(folder.path());
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(tree::TreePeer::new(&folder.path().join("tree"))),
        Box::new(repository::RepositoryPeer::new(&folder.path().join("repository"))),
    ];
    match doltlite::Doltlite::new(&folder.path().join("doltlite")) {
        Ok(peer) => peers.push(Box::new(peer)),
        Err(why) => println!("doltlite is left out: {why}"),
    }
    match git::Git::new(&folder.path().join("git")) {
        Ok(peer) => peers.push(Box::new(peer)),
        Err(why) => println!("git is left out: {why}"),
    }
    let results = run(&mut peers, argument("rows", 1_000_000), argument("rounds", 3));
    print(&results);
    print_load();
}
