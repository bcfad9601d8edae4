//! Data files of one folder that both sides changed: whether their changes stand beside one another. Pure.
//!
//! Rows of a folder without a log are only known by its files. Files that were only added hold new rows, and files that
//! were only removed held rows that are to go: both may meet. A side that removed files and added others has written rows
//! anew that were in the folder, or has put others in their place; nobody can tell which, so nothing else may have
//! happened to the folder meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anabranch_types::Entry;

use super::names::{is_data, is_partition, split};

/// What a path held and holds.
pub(super) type PathChange = (String, Option<Entry>, Option<Entry>);

/// What one side did to the data files of a folder since the base, by name.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct FolderChanges {
    /// Files that are gone, with what they held.
    pub(super) removed: BTreeMap<String, Entry>,
    /// Files that hold something else: before and after.
    pub(super) modified: BTreeMap<String, (Entry, Entry)>,
    /// Files that are new.
    pub(super) added: BTreeMap<String, Entry>,
    /// Files that are there and count no longer, because a commit file says so.
    pub(super) retired: BTreeSet<String>,
}

impl FolderChanges {
    /// Sorts what differs directly in a folder: path, before, after.
    pub(super) fn of(folder: &str, changes: impl IntoIterator<Item = PathChange>) -> FolderChanges {
        let mut side = FolderChanges::default();
        for (path, before, after) in changes {
            let (parent, name) = split(&path);
            if parent == folder && is_data(folder, name) {
                side.add(name, before, after);
            }
        }
        side
    }

    fn add(&mut self, name: &str, before: Option<Entry>, after: Option<Entry>) {
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => drop(self.added.insert(name.to_owned(), after)),
            (Some(before), None) => drop(self.removed.insert(name.to_owned(), before)),
            (Some(before), Some(after)) if before.same_content(&after) => {}
            (Some(before), Some(after)) => drop(self.modified.insert(name.to_owned(), (before, after))),
        }
    }

    /// Whether the bytes of every removed file are there again under a new name: nothing but names changed of what was there.
    fn only_renames(&self) -> bool {
        let mut found: HashMap<(u64, [u8; 16]), usize> = HashMap::new();
        for entry in self.added.values() {
            let count = found.entry((entry.size, *entry.checksum.as_bytes())).or_default();
            *count = count.saturating_add(1);
        }
        let again = |entry: &Entry| match found.get_mut(&(entry.size, *entry.checksum.as_bytes())) {
            Some(count) if *count > 0 => {
                *count = count.saturating_sub(1);
                true
            }
            _ => false,
        };
        self.removed.values().all(again) && self.modified.is_empty() && self.retired.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_in_place() && self.modified.is_empty()
    }

    /// Whether every change is one of the other side as well.
    fn is_within(&self, other: &FolderChanges) -> bool {
        let same_removed = self.removed.keys().all(|name| other.removed.contains_key(name));
        let same_added = self
            .added
            .iter()
            .all(|(name, entry)| other.added.get(name).is_some_and(|its| its.same_content(entry)));
        let same_modified = self.modified.iter().all(|(name, (_, after))| {
            other.modified.get(name).is_some_and(|(_, its_after)| its_after.same_content(after))
        });
        same_removed && same_added && same_modified && self.retired.is_subset(&other.retired)
    }

    /// Whether the side only took files away.
    fn only_removes(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty()
    }

    /// Whether files were only written in place: each is decided by itself, as objects are.
    fn is_in_place(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.retired.is_empty()
    }

    /// Whether rows that were in the folder may be in other files now, or others in their place.
    fn rewrites(&self, partition: bool) -> bool {
        let takes_away = !self.removed.is_empty() || !self.retired.is_empty();
        (partition && !self.modified.is_empty()) || (takes_away && !self.added.is_empty())
    }

    fn touches_a_file_removed_by(&self, other: &FolderChanges) -> bool {
        let mut touched = self.modified.keys().chain(self.removed.keys()).chain(&self.retired);
        touched.any(|name| other.removed.contains_key(name) || other.retired.contains(name))
    }
}

/// Why the changes of both sides cannot stand beside one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FolderClash {
    /// Both sides put files in the place of others.
    Both,
    /// Ours (`true`) or theirs did, and the other side added files.
    VsAppended { by_ours: bool },
    /// Ours (`true`) or theirs did, and the other side only removed some of those files.
    VsDeleted { by_ours: bool },
}

impl FolderClash {
    pub(super) fn rule(self) -> &'static str {
        match self {
            FolderClash::Both => "partition-overwritten-both",
            FolderClash::VsAppended { .. } => "partition-overwritten-vs-appended",
            FolderClash::VsDeleted { .. } => "partition-overwritten-vs-deleted",
        }
    }
}

/// Decides a folder from what both sides did to its data files.
pub(super) fn judge(folder: &str, ours: &FolderChanges, theirs: &FolderChanges) -> Option<FolderClash> {
    // A side whose every change the other made as well adds nothing to it; only that taking a file away and writing its
    // rows anew are not the same wish.
    let adds_nothing = |side: &FolderChanges, other: &FolderChanges| {
        side.is_within(other) && (!side.only_removes() || side.is_empty() || other.is_within(side))
    };
    if adds_nothing(ours, theirs)
        || adds_nothing(theirs, ours)
        || (ours.is_in_place() && theirs.is_in_place())
    {
        return None;
    }
    let partition = is_partition(folder);
    match (ours.rewrites(partition), theirs.rewrites(partition)) {
        (true, true) => Some(FolderClash::Both),
        (true, false) => against(ours, theirs, true),
        (false, true) => against(theirs, ours, false),
        (false, false) => None,
    }
}

/// One side rewrote the folder, the other did something else.
fn against(rewriter: &FolderChanges, other: &FolderChanges, by_ours: bool) -> Option<FolderClash> {
    let lost_in_place = other.modified.keys().any(|name| rewriter.removed.contains_key(name));
    if lost_in_place {
        Some(FolderClash::Both)
    } else if !other.added.is_empty() && other.removed.is_empty() && rewriter.only_renames() {
        None
    } else if !other.added.is_empty() {
        Some(FolderClash::VsAppended { by_ours })
    } else if rewriter.touches_a_file_removed_by(other) {
        Some(FolderClash::VsDeleted { by_ours })
    } else {
        None
    }
}

/// The names that a DBIO commit file says it removed. What cannot be read as one removes something nobody can name: the
/// empty name.
pub(super) fn removed_by_commit(body: &[u8]) -> BTreeSet<String> {
    let commit = serde_json::from_slice::<serde_json::Value>(body).ok();
    let removed = commit.as_ref().and_then(|commit| commit.get("removed")).and_then(|names| names.as_array());
    match removed {
        Some(names) => names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect(),
        None => BTreeSet::from([String::new()]),
    }
}
