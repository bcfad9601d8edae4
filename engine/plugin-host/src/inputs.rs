//! The digest of everything that the answer of a call follows from.

use anabranch_merge::{DiffInput, InputHasher, MergeInput, Strategy, UnitKind, UnitView, ViewError};

use crate::answers::InputDigest;
use crate::limits::{Limit, Limits};
use crate::plugin::{Claim, Plugin};

/// The version of the contract, and of what the host makes of a plugin's answer.
const CONTRACT: &str = "0.1";

/// The inputs of a merge but its decisions, of which a call learns as it asks. Asks the views only for their fingerprints.
pub(crate) async fn of_merge(
    plugin: &Plugin,
    claim: &Claim,
    input: &MergeInput<'_>,
) -> Result<InputDigest, ViewError> {
    let mut hasher = of_call(plugin, claim, "on-merge", input.root, input.options);
    for view in [input.base, input.ours, input.theirs] {
        add_view(&mut hasher, view).await?;
    }
    add_paths(&mut hasher, input.changes.iter().map(|change| &change.path));
    let preferred = input.prefer.map(|strategy| match strategy {
        Strategy::DestWins => 0,
        Strategy::SourceWins => 1,
    });
    hasher.option(preferred, InputHasher::number);
    // Every plugin is handed both, so that one that looks at neither cannot be told from one that does.
    hasher.bytes(&input.merge_time_ms.to_le_bytes());
    hasher.bytes(&input.seed);
    Ok(hasher.finish())
}

/// The inputs of a comparison.
pub(crate) async fn of_diff(
    plugin: &Plugin,
    claim: &Claim,
    input: &DiffInput<'_>,
) -> Result<InputDigest, ViewError> {
    let mut hasher = of_call(plugin, claim, "on-diff", input.root, input.options);
    for view in [input.before, input.after] {
        add_view(&mut hasher, view).await?;
    }
    add_paths(&mut hasher, input.changes.iter().map(|change| &change.path));
    Ok(hasher.finish())
}

/// The inputs of a comparison whose changes are kept from the one with the number `start` on.
pub(crate) fn of_window(diff: &InputDigest, start: u64) -> InputDigest {
    let mut hasher = InputHasher::default();
    hasher.bytes(diff);
    hasher.number(start);
    hasher.finish()
}

fn of_call(
    plugin: &Plugin,
    claim: &Claim,
    export: &str,
    root: &str,
    options: &serde_json::Value,
) -> InputHasher {
    let mut hasher = InputHasher::default();
    for text in [CONTRACT, &plugin.digest(), export, &claim.id, root, &options.to_string()] {
        hasher.text(text);
    }
    hasher.number(u64::from(claim.unit == UnitKind::Folder));
    add_limits(&mut hasher, plugin.limits());
    hasher
}

/// The limits that decide an answer. How long a call may take does not: what it ends is never kept.
fn add_limits(hasher: &mut InputHasher, limits: &Limits) {
    for limit in Limit::ALL.iter().filter(|limit| **limit != Limit::Seconds) {
        hasher.number(limits.value(*limit));
    }
}

/// What a view shows: its label, and all that it holds.
async fn add_view(hasher: &mut InputHasher, view: &dyn UnitView) -> Result<(), ViewError> {
    hasher.text(view.label());
    hasher.bytes(&view.storage());
    hasher.bytes(&view.fingerprint().await?);
    Ok(())
}

/// Which paths a plugin is told of: rules outside of a unit may give some below it to another. What lies there is in the
/// fingerprints.
fn add_paths<'p>(hasher: &mut InputHasher, paths: impl ExactSizeIterator<Item = &'p String>) {
    hasher.number(paths.len() as u64);
    for path in paths {
        hasher.text(path);
    }
}
