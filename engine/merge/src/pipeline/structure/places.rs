//! Where both sides changed something, told from what the walk lists, without reading anything. Pure.
//!
//! The walk hands out ranges unopened when one side alone changed them. If both sides changed a folder, and one of
//! them within such a range, then the folder reaches over an end of that range: the folders at the ends of ranges are
//! therefore all that can be contested beside those of listed keys. Of the folders at an end only the nearest is asked
//! for its own files. So a folder of files whose listed neighbour lies in a subfolder is judged by its listed keys
//! alone; that costs a completeness that no writer of files needs, and keeps ranges closed.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_tree::KeyRange;

use super::names::{is_data, split};
use crate::EntryMerge;
use crate::merger::same_content;
use crate::pipeline::extents::Extents;
use crate::pipeline::survey::Survey;
use crate::roots::{folder_prefix, folders_above};

/// A folder in which both sides may have changed data files.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Contested<'s> {
    pub(super) folder: String,
    /// The listed keys directly in it.
    pub(super) listed: Vec<&'s EntryMerge>,
    /// The side of which nothing is listed there: what it removed is only known when the folder is read.
    pub(super) silent: Option<SilentSide>,
    /// Whether the listed keys are all that changed in it; else its range has to be read.
    pub(super) complete: bool,
}

/// The side of which nothing is listed in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SilentSide {
    Ours,
    Theirs,
}

/// What one side did to a folder, as far as it is listed.
#[derive(Clone, Copy, Default)]
struct Hint {
    changed: bool,
    adds: bool,
}

/// The folders in which both sides may have changed data files, in order.
pub(super) fn contested_folders(survey: &Survey) -> Vec<Contested<'_>> {
    let mut listed: BTreeMap<&str, Vec<&EntryMerge>> = BTreeMap::new();
    for change in &survey.objects {
        listed.entry(split(&change.path).0).or_default().push(change);
    }
    let ours_ends = nearest_folders(&survey.ours_only);
    let theirs_ends = nearest_folders(&survey.theirs_only);
    let ends: BTreeSet<&str> = ours_ends.union(&theirs_ends).map(String::as_str).collect();
    let mut folders: BTreeSet<&str> = listed.keys().copied().collect();
    folders.extend(&ends);
    let mut contested = Vec::new();
    for folder in folders {
        let listed = listed.remove(folder).unwrap_or_default();
        let [mut ours, mut theirs] = [Hint::default(), Hint::default()];
        for change in &listed {
            let is_data = is_data(folder, split(&change.path).1);
            for (hint, side) in [(&mut ours, &change.ours), (&mut theirs, &change.theirs)] {
                hint.changed |= !same_content(&change.base, side);
                hint.adds |= is_data && change.base.is_none() && side.is_some();
            }
        }
        let ours_ends = ours_ends.contains(folder);
        let theirs_ends = theirs_ends.contains(folder);
        // Files that both sides removed are not listed when whole nodes went. They only matter beside new ones.
        let silent = match (ours.changed || ours_ends, theirs.changed || theirs_ends) {
            (true, true) => None,
            (true, false) if ours.adds || ours_ends => Some(SilentSide::Theirs),
            (false, true) if theirs.adds || theirs_ends => Some(SilentSide::Ours),
            _ => continue,
        };
        let complete = silent.is_none() && !ends.contains(folder) && !(ours.adds || theirs.adds);
        contested.push(Contested { folder: folder.to_owned(), listed, silent, complete });
    }
    contested
}

/// Every folder below which both sides may have changed something, at any depth, in order.
pub(super) fn contested_above(survey: &Survey) -> Vec<String> {
    let [mut ours, mut theirs] = [BTreeSet::new(), BTreeSet::new()];
    for change in survey.objects.iter().filter(|change| !same_content(&change.ours, &change.theirs)) {
        if !same_content(&change.base, &change.ours) {
            add_folders(&mut ours, change.path.as_bytes());
        }
        if !same_content(&change.base, &change.theirs) {
            add_folders(&mut theirs, change.path.as_bytes());
        }
    }
    for (side, ranges) in [(&mut ours, &survey.ours_only), (&mut theirs, &survey.theirs_only)] {
        for bound in ranges.iter().flat_map(bounds) {
            add_folders(side, bound);
        }
    }
    ours.intersection(&theirs).cloned().collect()
}

/// Paths at which one side may hold a file and the other a folder. Either is new since the base, or the path or what lies
/// below it is listed anyway: so a new key and its folders are enough, and at the ends of ranges the keys that
/// sort before everything in a folder of their name.
pub(super) fn file_or_folder(survey: &Survey) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for change in &survey.objects {
        let is_new = change.base.is_none() && !same_content(&change.ours, &change.theirs);
        if is_new || !(same_content(&change.base, &change.ours) || same_content(&change.base, &change.theirs))
        {
            paths.insert(change.path.clone());
            add_folders(&mut paths, change.path.as_bytes());
        }
    }
    for unit in &survey.units {
        add_folders(&mut paths, folder_prefix(&unit.root.folder).as_bytes());
    }
    let [ours, theirs] = [&survey.ours_only, &survey.theirs_only].map(|ranges| Extents::of_ranges(ranges));
    for range in survey.ours_only.iter().chain(&survey.theirs_only) {
        let start = &range.start;
        for (at, _) in start.iter().enumerate().filter(|(_, byte)| **byte <= b'/') {
            let Some(path) = start.get(..at).and_then(|path| std::str::from_utf8(path).ok()) else {
                continue;
            };
            // Neither is listed: so the file is in a range of one side, and something in the folder in one of the other.
            let may_be = |file: &Extents<'_>, folder: &Extents<'_>| {
                file.contains(path.as_bytes()) && folder.anything_in(path)
            };
            if may_be(&ours, &theirs) || may_be(&theirs, &ours) {
                paths.insert(path.to_owned());
            }
        }
    }
    paths.remove("");
    paths.retain(|path| !path.starts_with("_anabranch"));
    paths
}

fn bounds(range: &KeyRange) -> impl Iterator<Item = &[u8]> {
    std::iter::once(range.start.as_slice()).chain(range.end.as_deref())
}

/// The folders in which the ends of these ranges lie.
fn nearest_folders(ranges: &[KeyRange]) -> BTreeSet<String> {
    let nearest = ranges.iter().flat_map(bounds).filter_map(|bound| folders_above(bound).next());
    nearest.filter_map(|folder| std::str::from_utf8(folder).ok()).map(str::to_owned).collect()
}

/// Adds the folders above a key; those above a folder that is there are there as well.
fn add_folders(folders: &mut BTreeSet<String>, key: &[u8]) {
    for folder in folders_above(key).filter_map(|folder| std::str::from_utf8(folder).ok()) {
        if !folders.insert(folder.to_owned()) {
            break;
        }
    }
}
