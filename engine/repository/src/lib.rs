//! Branches, tags, commits, staging, log, diff, merge, revert and cherry-pick.
