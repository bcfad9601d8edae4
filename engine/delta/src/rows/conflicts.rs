//! Conflicts of rows as findings of the table, and what was decided about them.

use std::collections::BTreeMap;

use anabranch_merge::{Choice, ConflictId, ConflictKind, Resolution, Strategy};
use anabranch_rows::{Choice as RowChoice, Resolver, RowConflict, RowConflictKind};

use crate::plan::Finding;

/// How many conflicts of rows are listed.
pub(super) const CONFLICTS_MAX: usize = 10_000;

/// A conflict of rows without identity as a finding. It is decided by taking one side's table whole: what belongs to a row
/// that a side deleted is not known, so that taking the row from a side would leave the other's new form of it.
pub(super) fn finding_of_bag(conflict: RowConflict) -> Finding {
    let RowConflict { key, base, ours, theirs, message, .. } = conflict;
    let message = format!("{message}; with keys in merge.toml rows are decided one by one");
    Finding::table(ConflictKind::RowConflict, "rows", message).key(key).values(base, ours, theirs)
}

/// A conflict of rows with keys as a finding.
pub(super) fn finding(conflict: RowConflict) -> Finding {
    let kind = match conflict.kind {
        RowConflictKind::RowConflict => ConflictKind::RowConflict,
        RowConflictKind::DuplicateKey => ConflictKind::DuplicateKey,
    };
    let choices = choices(&conflict);
    let RowConflict { key, column, base, ours, theirs, message, .. } = conflict;
    let mut finding =
        Finding::table(kind, "rows", message).key(key).values(base, ours, theirs).choices(choices);
    if let Some(column) = column {
        finding = finding.column(&column);
    }
    finding
}

fn choices(conflict: &RowConflict) -> Vec<Choice> {
    let what = if conflict.column.is_some() { "cell" } else { "row" };
    let choice = |id: &str, label: String| Choice { id: id.into(), label };
    let mut choices = vec![
        choice("ours", format!("keep the destination's {what}")),
        choice("theirs", format!("take the source's {what}")),
    ];
    if conflict.base.is_some() {
        choices.push(choice("base", format!("go back to the {what} of the merge base")));
    }
    if conflict.column.is_none() {
        choices.push(choice("both", "keep both rows".into()));
    }
    if ![&conflict.base, &conflict.ours, &conflict.theirs].into_iter().flatten().any(is_group) {
        choices.push(choice("value", format!("put the given {what} in its place")));
    }
    choices
}

/// Whether a side's value stands for several rows: rows without identity, or several of one key.
fn is_group(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(|object| {
        object.len() == 2 && object.contains_key("count") && object.contains_key("rows")
    })
}

/// The conflicts that are too many to be listed.
pub(super) fn further(count: u64) -> Finding {
    let message = format!(
        "{count} more rows are in conflict than are listed: decide the table as a whole, or those that are listed first"
    );
    Finding::table(ConflictKind::RowConflict, "rows-further", message).values(
        None,
        Some(count.into()),
        Some(count.into()),
    )
}

/// Answers what was decided about conflicts of the table at `root`: one by one, or else for whom all of them go.
pub(super) fn resolver(root: &str, resolutions: &[Resolution], prefer: Option<Strategy>) -> Option<Resolver> {
    if resolutions.is_empty() && prefer.is_none() {
        return None;
    }
    let preferred = prefer.map(|strategy| match strategy {
        Strategy::DestWins => RowChoice::Ours,
        Strategy::SourceWins => RowChoice::Theirs,
    });
    let by_id: BTreeMap<ConflictId, Resolution> =
        resolutions.iter().map(|resolution| (resolution.conflict.clone(), resolution.clone())).collect();
    let root = root.to_owned();
    Some(Box::new(move |conflict: &RowConflict| {
        let id = finding(conflict.clone()).into_conflict(&root).id();
        let Some(resolution) = by_id.get(&id) else { return preferred.clone() };
        match resolution.choice.as_str() {
            "ours" => Some(RowChoice::Ours),
            "theirs" => Some(RowChoice::Theirs),
            "base" => Some(RowChoice::Base),
            "both" => Some(RowChoice::Both),
            "value" => resolution.value.clone().map(RowChoice::Value),
            _ => None,
        }
    }))
}
