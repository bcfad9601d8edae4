//! The rule for a client's own transaction on a Delta table: object by object, if the logs fit together. Pure.
//!
//! delta-rs over `lakefs://` writes each commit on a branch of its own and merges that back. It runs its own conflict
//! check when the merge is refused, so all that matters here is that the union of both logs is one log.

use std::collections::BTreeMap;

use anabranch_types::Entry;

/// Why the union of two logs is not one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogProblem {
    /// Both logs hold this version, with different content.
    TwoContents {
        /// The version.
        version: u64,
    },
    /// Neither log holds a version that lies between others.
    Gap {
        /// The first version that is missing.
        missing: u64,
        /// The next one that is there.
        next: u64,
    },
}

impl std::fmt::Display for LogProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LogProblem::TwoContents { version } => write!(f, "version {version} has two contents"),
            LogProblem::Gap { missing, next } => {
                write!(f, "version {missing} is missing before version {next}")
            }
        }
    }
}

/// Whether the union of two logs, given by version, has no gap and no version with two contents: all its problems, in
/// order of version. A log may begin at any version, because older ones are cleaned up.
pub fn check_log_union(ours: &BTreeMap<u64, Entry>, theirs: &BTreeMap<u64, Entry>) -> Vec<LogProblem> {
    let mut problems = Vec::new();
    let mut versions: Vec<u64> = ours.keys().chain(theirs.keys()).copied().collect();
    versions.sort_unstable();
    versions.dedup();
    let mut previous: Option<u64> = None;
    for version in versions {
        if let Some(missing) =
            previous.and_then(|previous| previous.checked_add(1)).filter(|next| *next != version)
        {
            problems.push(LogProblem::Gap { missing, next: version });
        }
        if let (Some(ours), Some(theirs)) = (ours.get(&version), theirs.get(&version))
            && !ours.same_content(theirs)
        {
            problems.push(LogProblem::TwoContents { version });
        }
        previous = Some(version);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::MemoryObjects;

    fn log(versions: &[(u64, &'static str)]) -> BTreeMap<u64, Entry> {
        let objects = MemoryObjects::new();
        let entry =
            |body: &'static str, at: u64| objects.put(body, at as i64, crate::ObjectAttributes::default());
        versions.iter().map(|(version, body)| (*version, entry(body, *version))).collect()
    }

    #[test]
    fn logs_that_fit_together_pass() {
        for (ours, theirs) in [
            (vec![(0, "a")], vec![(0, "a"), (1, "b")]),
            (vec![(0, "a"), (1, "b")], vec![(0, "a"), (2, "c")]),
            (vec![(7, "a")], vec![(8, "b")]),
            (vec![], vec![(0, "a")]),
            (vec![], vec![]),
        ] {
            assert_eq!(check_log_union(&log(&ours), &log(&theirs)), [], "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn logs_that_do_not_are_refused_with_every_reason() {
        let problems =
            check_log_union(&log(&[(0, "a"), (1, "b"), (5, "f")]), &log(&[(0, "a"), (1, "x"), (3, "d")]));
        let shown: Vec<String> = problems.iter().map(LogProblem::to_string).collect();
        assert_eq!(
            shown,
            [
                "version 1 has two contents",
                "version 2 is missing before version 3",
                "version 4 is missing before version 5",
            ]
        );
        assert_eq!(check_log_union(&log(&[(u64::MAX, "z")]), &log(&[(0, "a")])).len(), 1);
    }
}
