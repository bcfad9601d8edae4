//! Conflicts of rows in the words that all mergers of rows share, and what was decided about them.

use std::collections::BTreeMap;

use anabranch_merge::{Choice, ConflictId, ConflictKind, Resolution, Strategy};
use anabranch_rows::{Choice as RowChoice, Resolver, RowConflict, RowConflictKind};

/// How many conflicts of rows are listed.
pub const CONFLICTS_MAX: usize = 10_000;

/// The kind of a conflict of rows with keys.
pub fn kind(conflict: &RowConflict) -> ConflictKind {
    match conflict.kind {
        RowConflictKind::RowConflict => ConflictKind::RowConflict,
        RowConflictKind::DuplicateKey => ConflictKind::DuplicateKey,
    }
}

/// How a conflict of rows with keys can be decided.
pub fn choices(conflict: &RowConflict) -> Vec<Choice> {
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

/// What is said of the conflicts that are too many to be listed. `what` is a table or a file.
pub fn further(count: u64, what: &str) -> String {
    format!(
        "{count} more rows are in conflict than are listed: decide the {what} as a whole, or those that are listed first"
    )
}

/// Answers what was decided about conflicts of rows, which `id_of` names: one by one, or else for whom all of them go.
pub fn resolver(
    id_of: impl Fn(&RowConflict) -> ConflictId + Send + Sync + 'static,
    resolutions: &[Resolution],
    prefer: Option<Strategy>,
) -> Option<Resolver> {
    if resolutions.is_empty() && prefer.is_none() {
        return None;
    }
    let preferred = prefer.map(|strategy| match strategy {
        Strategy::DestWins => RowChoice::Ours,
        Strategy::SourceWins => RowChoice::Theirs,
    });
    let by_id: BTreeMap<ConflictId, Resolution> =
        resolutions.iter().map(|resolution| (resolution.conflict.clone(), resolution.clone())).collect();
    Some(Box::new(move |conflict: &RowConflict| {
        let Some(resolution) = by_id.get(&id_of(conflict)) else { return preferred.clone() };
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
