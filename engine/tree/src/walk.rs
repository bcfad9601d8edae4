//! The three-way walk: where two trees differ from their common base.

use anabranch_types::Entry;

use crate::{Key, KeyRange, TreeError};

/// A place where base, ours and theirs are not all equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WalkItem {
    /// A key that at least one side changed.
    Entry {
        /// The key.
        key: Key,
        /// Its entry in base.
        base: Option<Entry>,
        /// Its entry in ours.
        ours: Option<Entry>,
        /// Its entry in theirs.
        theirs: Option<Entry>,
    },
    /// Base and theirs are equal in this range, and ours differs somewhere in it. Not opened.
    OnlyOurs {
        /// The range; both of its bounds lie at or next to keys of one of the trees.
        range: KeyRange,
    },
    /// Base and ours are equal in this range, and theirs differs somewhere in it. Not opened.
    OnlyTheirs {
        /// The range; both of its bounds lie at or next to keys of one of the trees.
        range: KeyRange,
    },
}

/// The items of a three-way walk, in order of key, not overlapping; made by [`crate::Session::three_way`].
pub struct WalkCursor(());

impl WalkCursor {
    /// The next items, some hundreds to a few thousand; none at the end. Never an empty batch.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<WalkItem>>, TreeError> {
        Err(crate::diff::unfinished())
    }
}
