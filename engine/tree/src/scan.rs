//! Reading entries in order.

use anabranch_types::Entry;

use crate::{Key, TreeError};

/// The entries of a range, in order of key; made by [`crate::Session::scan`].
pub struct ScanCursor(());

impl ScanCursor {
    /// The next at most `limit` entries; none at the end. Never an empty batch (a limit of 0 counts as 1).
    pub async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<(Key, Entry)>>, TreeError> {
        let _ = limit;
        Err(crate::diff::unfinished())
    }
}
