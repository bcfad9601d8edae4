//! Conflicts of rows as findings of the table, and what was decided about them.

use anabranch_merge::{ConflictKind, Resolution, Strategy};
use anabranch_parquet::conflicts::{self, choices, kind};
use anabranch_rows::{Resolver, RowConflict};

use crate::plan::Finding;

/// A conflict of rows without identity as a finding. It is decided by taking one side's table whole: what belongs to a row
/// that a side deleted is not known, so that taking the row from a side would leave the other's new form of it.
pub(super) fn finding_of_bag(conflict: RowConflict) -> Finding {
    let RowConflict { key, base, ours, theirs, message, .. } = conflict;
    let message = format!("{message}; with keys in merge.toml rows are decided one by one");
    Finding::table(ConflictKind::RowConflict, "rows", message).key(key).values(base, ours, theirs)
}

/// A conflict of rows with keys as a finding.
pub(super) fn finding(conflict: RowConflict) -> Finding {
    let (kind, choices) = (kind(&conflict), choices(&conflict));
    let RowConflict { key, column, base, ours, theirs, message, .. } = conflict;
    let mut finding =
        Finding::table(kind, "rows", message).key(key).values(base, ours, theirs).choices(choices);
    if let Some(column) = column {
        finding = finding.column(&column);
    }
    finding
}

/// The conflicts that are too many to be listed.
pub(super) fn further(count: u64) -> Finding {
    let message = conflicts::further(count, "table");
    Finding::table(ConflictKind::RowConflict, "rows-further", message).values(
        None,
        Some(count.into()),
        Some(count.into()),
    )
}

/// Answers what was decided about conflicts of the table at `root`: one by one, or else for whom all of them go.
pub(super) fn resolver(root: &str, resolutions: &[Resolution], prefer: Option<Strategy>) -> Option<Resolver> {
    let root = root.to_owned();
    let id_of = move |conflict: &RowConflict| finding(conflict.clone()).into_conflict(&root).id();
    conflicts::resolver(id_of, resolutions, prefer)
}
