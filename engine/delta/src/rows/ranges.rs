//! Whether, and how, a merge of rows is cut into ranges of keys that are merged side by side. The outcome does not depend
//! on it.

use anabranch_rows::range::{FileKeys, KeyRange, WorkRange, cut};

/// A range has at least about this many rows: less is not worth a thread.
const ROWS_MIN: u64 = 32_768;

/// What each range needs of the memory for its sorts.
const MEMORY_MIN: usize = 24 << 20;

/// How many ranges the merge of so many rows has at most.
pub(super) fn ranges_max(rows: u64, memory_bytes: usize, threads: usize) -> usize {
    let by_rows = usize::try_from(rows / ROWS_MIN).unwrap_or(usize::MAX);
    threads.min(by_rows).min(memory_bytes / MEMORY_MIN).max(1)
}

/// The whole as one range.
pub(super) fn whole(files: usize) -> Vec<WorkRange> {
    vec![WorkRange { range: KeyRange::all(), files: (0..files).collect() }]
}

/// Cuts the work on files into ranges; into one where most files reach over several, because each of these would be read
/// for each range.
pub(super) fn worthwhile(files: &[FileKeys], ranges_max: usize) -> Vec<WorkRange> {
    let work = cut(files, ranges_max);
    let rows_of = |index: &usize| files.get(*index).map_or(0, |file| file.rows);
    let read: u64 = work.iter().flat_map(|range| range.files.iter().map(rows_of)).sum();
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    if read > rows.saturating_add(rows / 2) { whole(files.len()) } else { work }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_merges_and_small_memories_are_not_cut() {
        assert_eq!(ranges_max(1_000, 256 << 20, 8), 1);
        assert_eq!(ranges_max(10_000_000, 64 << 20, 8), 2);
        assert_eq!(ranges_max(10_000_000, 1 << 30, 8), 8);
        assert_eq!(ranges_max(0, 0, 0), 1);
    }

    #[test]
    fn files_that_reach_over_all_keys_are_not_read_for_each_range() {
        let file = |least: u8, greatest: u8| FileKeys {
            rows: 100,
            least: Some(vec![least]),
            greatest: Some(vec![greatest]),
        };
        let apart: Vec<FileKeys> = (0..8).map(|n| file(n * 10, n * 10 + 9)).collect();
        assert_eq!(worthwhile(&apart, 4).len(), 4);
        let across: Vec<FileKeys> = (0..8).map(|n| file(n, 99)).collect();
        assert_eq!(worthwhile(&across, 4), whole(8));
    }
}
