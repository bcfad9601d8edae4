//! The delta list of a commit: what it changed against its first parent.

use anabranch_tree::{Difference, KeyRange, Session, Tree, TreeEdit, TreeError};

/// A longer list is not kept: whoever needs it compares the trees.
pub(crate) const DELTA_MAX: usize = 1_000_000;

/// What differs between two trees.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    /// What was changed, in order of key; none when it is more than [`DELTA_MAX`].
    pub(crate) changes: Option<Vec<Difference>>,
    /// What differs, but not in content: equal bytes written again.
    pub(crate) rewritten: Vec<Difference>,
}

/// Compares two trees.
pub(crate) async fn compare(session: &Session, before: &Tree, after: &Tree) -> Result<Delta, TreeError> {
    let mut delta = Delta { changes: Some(Vec::new()), rewritten: Vec::new() };
    if before == after {
        return Ok(delta);
    }
    let mut diff = session.diff(before, after, KeyRange::all());
    while let Some(batch) = diff.next_batch().await? {
        for change in batch {
            if change.same_content() {
                delta.rewritten.push(change);
            } else if let Some(changes) = &mut delta.changes {
                changes.push(change);
            }
        }
        if delta.changes.as_ref().is_some_and(|changes| changes.len() > DELTA_MAX) {
            delta.changes = None;
        }
    }
    Ok(delta)
}

/// The edits that make these changes.
pub(crate) fn edits_of(changes: &[Difference]) -> Vec<TreeEdit> {
    let edit = |change: &Difference| match &change.after {
        Some(entry) => TreeEdit::Put(change.key.clone(), entry.clone()),
        None => TreeEdit::Remove(change.key.clone()),
    };
    changes.iter().map(edit).collect()
}

/// The edits that take these changes back.
pub(crate) fn edits_back(changes: &[Difference]) -> Vec<TreeEdit> {
    let edit = |change: &Difference| match &change.before {
        Some(entry) => TreeEdit::Put(change.key.clone(), entry.clone()),
        None => TreeEdit::Remove(change.key.clone()),
    };
    changes.iter().map(edit).collect()
}

impl Delta {
    /// Whether nothing differs in content.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.as_ref().is_some_and(Vec::is_empty)
    }

    /// Everything that differs, content or not, in order of key; none when it is too much.
    pub(crate) fn changes_with_rewritten(self) -> Option<Vec<Difference>> {
        let mut changes = self.changes?;
        if !self.rewritten.is_empty() {
            changes.extend(self.rewritten);
            changes.sort_by(|left, right| left.key.cmp(&right.key));
        }
        Some(changes)
    }
}
