//! Chunks of a Zarr hierarchy that both sides changed, with its metadata as it was. Pure.
//!
//! An array is its metadata and its chunks, each an object of its own. While no metadata changes, neither do shapes, the
//! cells that a chunk holds, nor how they are read: so with every chunk taken from the side that changed it, each cell is
//! as that side left it, and a chunk that is gone reads as the fill value on every side alike. With metadata changed, a
//! chunk of the other side might be read by a shape or a codec that it was not written for; that is a conflict.

use anabranch_types::Entry;

use super::decide::decide_entry;
use crate::{Decision, EntryMerge};

/// What theirs' chunks bring to ours; none when metadata changed, or both sides changed one chunk differently.
pub(super) fn merge_chunks(changes: &[EntryMerge]) -> Option<Vec<(String, Option<Entry>)>> {
    let mut edits = Vec::new();
    for change in changes {
        if is_metadata(&change.path) {
            return None;
        }
        match decide_entry(change) {
            Decision::Ours => {}
            Decision::Theirs => edits.push((change.path.clone(), change.theirs.clone())),
            Decision::Conflict => return None,
        }
    }
    Some(edits)
}

/// Whether a file is metadata of an array or a group, of either version. What is no chunk counts as metadata: the keys of
/// chunks end in a number.
fn is_metadata(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.bytes().last().is_some_and(|last| last.is_ascii_digit()) && name != "c"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_told_from_everything_else() {
        for chunk in ["z/0.0", "z/a/0/12", "z/a/c/0/1", "z/a/c", "z/a/c.0.1"] {
            assert!(!is_metadata(chunk), "{chunk}");
        }
        for other in ["z/.zarray", "z/.zattrs", "z/zarr.json", "z/.zmetadata", "z/readme.txt", "z/"] {
            assert!(is_metadata(other), "{other}");
        }
    }
}
