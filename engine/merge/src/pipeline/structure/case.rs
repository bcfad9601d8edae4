//! Paths that would differ only by case. Pure.

use std::collections::BTreeMap;

use crate::pipeline::decide::decide_entry;
use crate::{Decision, EntryMerge};

/// Groups of changed paths that differ only by case, of which more than one may be in the result, and which neither side
/// holds together. Each group is in order, and names what was there under such a name before.
pub(super) fn case_clashes<'c>(
    changes: impl IntoIterator<Item = &'c EntryMerge>,
) -> Vec<Vec<&'c EntryMerge>> {
    let mut by_name: BTreeMap<String, Vec<&EntryMerge>> = BTreeMap::new();
    for change in changes {
        let group = by_name.entry(change.path.to_lowercase()).or_default();
        if group.iter().all(|other| other.path != change.path) {
            group.push(change);
        }
    }
    let mut clashes: Vec<Vec<&EntryMerge>> =
        by_name.into_values().filter(|group| is_new_together(group)).collect();
    for group in &mut clashes {
        group.sort_by(|left, right| left.path.cmp(&right.path));
    }
    clashes
}

/// Whether the result may hold the path: with certainty, or by one way out of its own conflict.
fn may_stand(change: &EntryMerge) -> bool {
    match decide_entry(change) {
        Decision::Ours => change.ours.is_some(),
        Decision::Theirs => change.theirs.is_some(),
        Decision::Conflict => true,
    }
}

fn is_new_together(group: &[&EntryMerge]) -> bool {
    let stand: Vec<&EntryMerge> = group.iter().copied().filter(|change| may_stand(change)).collect();
    stand.len() > 1
        && !stand.iter().all(|change| change.ours.is_some())
        && !stand.iter().all(|change| change.theirs.is_some())
}
