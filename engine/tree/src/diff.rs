//! The differences between two trees.

use anabranch_types::Entry;

use crate::{Key, TreeError};

/// A key whose entry differs between two trees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The key.
    pub key: Key,
    /// Its entry in the first tree.
    pub before: Option<Entry>,
    /// Its entry in the second tree.
    pub after: Option<Entry>,
}

impl Difference {
    /// Whether both entries hold the same thing, and differ in address or time only: equal bytes written again.
    pub fn same_content(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.same_content(after),
            _ => false,
        }
    }
}

/// The differences between two trees, in order of key; made by [`crate::Session::diff`].
pub struct DiffCursor(());

impl DiffCursor {
    /// The next differences, some hundreds to a few thousand; none at the end. Never an empty batch.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Difference>>, TreeError> {
        Err(unfinished())
    }
}

pub(crate) fn unfinished() -> TreeError {
    TreeError::damaged("tree", "unfinished")
}
