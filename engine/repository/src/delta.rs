//! The delta list of a commit: what it changed against its first parent.

use anabranch_tree::{Difference, KeyRange, Session, Tree, TreeEdit, TreeError};

/// A longer list is not kept: whoever needs it compares the trees.
pub(crate) const DELTA_MAX: usize = 1_000_000;

/// What differs between two trees.
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    /// What was changed, in order of key; none when it is more than [`DELTA_MAX`].
    pub(crate) changes: Option<Vec<Difference>>,
    /// What differs, but not in content: equal bytes written again.
    pub(crate) rewritten: Vec<Difference>,
}

/// Compares two trees.
pub(crate) async fn compare(session: &Session, before: &Tree, after: &Tree) -> Result<Delta, TreeError> {
    let mut delta = Delta::none();
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

fn edit_of(change: &Difference) -> TreeEdit {
    match &change.after {
        Some(entry) => TreeEdit::Put(change.key.clone(), entry.clone()),
        None => TreeEdit::Remove(change.key.clone()),
    }
}

impl Delta {
    /// No change.
    pub(crate) fn none() -> Delta {
        Delta { changes: Some(Vec::new()), rewritten: Vec::new() }
    }

    /// Whether nothing differs in content.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.as_ref().is_some_and(Vec::is_empty)
    }

    /// How much differs, content or not; none when it is too much to be listed.
    pub(crate) fn listed(&self) -> Option<usize> {
        self.changes.as_ref().map(|changes| changes.len().saturating_add(self.rewritten.len()))
    }

    /// The edits that make all that differs, in order of key; none when it is too much to be listed.
    pub(crate) fn edits(&self) -> Option<Vec<TreeEdit>> {
        let mut all: Vec<&Difference> = self.changes.as_ref()?.iter().chain(&self.rewritten).collect();
        all.sort_by(|left, right| left.key.cmp(&right.key));
        Some(all.into_iter().map(edit_of).collect())
    }
}
