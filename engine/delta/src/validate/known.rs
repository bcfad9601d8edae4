//! Rows that were there before a merge, so that files that are written anew bring nothing new.

use std::collections::HashMap;

use serde_json::Value;

/// How many rows are remembered, by a hash of what is shown of them.
const KNOWN_MAX: usize = 1 << 20;

/// Rows that were there before. Of more than are remembered, some count as if they were new.
#[derive(Default)]
pub(super) struct Known(HashMap<[u8; 16], u64>);

impl Known {
    fn hash(row: &Value) -> [u8; 16] {
        let hash = blake3::hash(row.to_string().as_bytes());
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// Remembers a row.
    pub(super) fn add(&mut self, row: &Value) {
        if self.0.len() < KNOWN_MAX {
            let count = self.0.entry(Known::hash(row)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Whether such a row was there, once for each that was.
    pub(super) fn take(&mut self, row: &Value) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let count = self.0.get_mut(&Known::hash(row)).filter(|count| **count > 0);
        count.map(|count| *count = count.saturating_sub(1)).is_some()
    }
}
