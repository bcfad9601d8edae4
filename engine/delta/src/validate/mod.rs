//! What must hold of the rows that a merge brings together, and is looked at because no side could: rows of one key that
//! both sides added; rules that one side made while the other wrote rows; what `merge.toml` declares.
//!
//! Going by files, a check looks at rows that whoever made its rule did not see. Rows that still have to be decided are
//! looked at once they are; all others at once, so that deciding brings up nothing about rows that were not in conflict.

mod columns;
mod files;
mod isolation;
mod keys;
mod known;
mod options;
mod references;
mod result;
mod row_rules;
mod scan;
mod shared;
mod skew;
mod unique;

use std::collections::BTreeMap;

use anabranch_merge::{ACCEPT_CHOICE, Choice, Resolution};
use anabranch_rows::Identity;
use serde_json::Value;

pub(crate) use isolation::{is_serializable, stale_reads};
pub(crate) use options::declared;
pub(crate) use result::{demands, violations_of_result};
pub(crate) use scan::Places;
pub(crate) use shared::{SharedKeys, shared_keys};
pub(crate) use skew::possible_skews;

use crate::plan::Finding;
use crate::rows::{Failed, RowMeans, States, mapping, row_options};
use crate::snapshot::LiveFiles;

/// What is checked: the sides, and the files that the merge comes to as far as they are decided.
pub(crate) struct Checked<'a> {
    pub(crate) states: States<'a>,
    pub(crate) live: &'a LiveFiles,
    /// The columns that say which row is which, to show.
    pub(crate) keys: Vec<String>,
}

/// What the log calls these columns, in whichever state of the table they are.
fn names_in_log(states: States<'_>, columns: &[String]) -> Vec<String> {
    let States { base, ours, theirs } = states;
    mapping::names_in_log(&[&ours.metadata, &theirs.metadata, &base.metadata], columns)
}

/// Whether [`violations`] looks at any row.
///
/// # Errors
/// As [`declared`].
pub(crate) fn asks(states: States<'_>, options: &Value, resolutions: &[Resolution]) -> Result<bool, String> {
    let declared = declared(options)?;
    Ok(!declared.unique.is_empty() || row_rules::asks(states, &declared, resolutions))
}

/// Finds what the merged table breaks, but for rows of one key that both sides added: [`shared_keys`].
pub(crate) async fn violations(
    states: States<'_>,
    live: &LiveFiles,
    places: Places<'_>,
    options: &Value,
    resolutions: &[Resolution],
    means: &RowMeans,
) -> Result<Vec<Finding>, Failed> {
    let keys = match row_options(options).map_err(Failed::Options)?.identity {
        Identity::Key(keys) => keys,
        Identity::RowId(_) | Identity::Bag => Vec::new(),
    };
    let declared = declared(options).map_err(Failed::Options)?;
    let checked = Checked { states, live, keys };
    let mut findings = row_rules::broken_rules(&checked, places, &declared, resolutions).await?;
    for columns in &declared.unique {
        findings.extend(unique::repeated(&checked, places, columns, means).await?);
    }
    Ok(findings)
}

/// The objects that a merge wrote, by path.
pub(crate) fn written(edits: &[anabranch_merge::MergeEdit]) -> BTreeMap<String, anabranch_types::Entry> {
    use anabranch_merge::MergeEdit::{Link, Put, Remove};
    let entry = |edit: &anabranch_merge::MergeEdit| match edit {
        Put { path, entry } | Link { path, entry } => Some((path.clone(), entry.clone())),
        Remove { .. } => None,
    };
    edits.iter().filter_map(entry).collect()
}

/// The ways out of a violation.
pub(crate) fn violation_choices() -> Vec<Choice> {
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    vec![
        choice("ours", "keep the destination's table whole"),
        choice("theirs", "take the source's table whole"),
        choice(ACCEPT_CHOICE, "merge all the same"),
    ]
}
