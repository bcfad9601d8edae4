//! Applying edits to a tree.

use anabranch_types::Entry;

use crate::{Key, KeyRange, Tree};

/// One edit of a tree.
#[derive(Clone, Debug)]
pub enum TreeEdit {
    /// The key has this entry, whether or not it had one.
    Put(Key, Entry),
    /// The key has no entry, whether or not it had one.
    Remove(Key),
    /// The range holds exactly what `from` has in it. Whole subtrees are taken over unread.
    Take {
        /// Which keys.
        range: KeyRange,
        /// The tree that they come from: of the same repository (same [`crate::TreeParams`]).
        from: Tree,
    },
}
