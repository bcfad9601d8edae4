//! What changed, sorted by whom it concerns: single objects, whole ranges, and units.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_tree::{KeyRange, Session, Tree, TreeError, WalkItem};

use super::extents::Extents;
use super::finder::{Root, RootFinder, unit_ranges};
use crate::EntryMerge;
use crate::roots::table_folders_above;

/// Which side a unit is to be taken from whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Base,
    Ours,
    Theirs,
}

/// How much is known of the changes of a unit.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum UnitChanges {
    /// One side changed nothing in the unit's ranges, nested units included: this side stands for all of it.
    Whole(Side),
    /// Both sides changed something in the ranges of the unit or of one around it: the unit's own changes, with
    /// full paths, in order.
    Listed(Vec<EntryMerge>),
}

/// A unit that at least one side changed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ChangedUnit {
    pub(super) root: Arc<Root>,
    pub(super) changes: UnitChanges,
}

/// Everything that changed, each key in exactly one place.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Objects outside every unit, with full paths, in order.
    pub(super) objects: Vec<EntryMerge>,
    /// Ranges that only theirs changed, in order. The ranges of `units` are still to be cut out of them.
    pub(super) theirs_only: Vec<KeyRange>,
    /// Ranges that only ours changed, in order. What changed there stands without being looked at.
    pub(super) ours_only: Vec<KeyRange>,
    /// The units that changed, in order of root.
    pub(super) units: Vec<ChangedUnit>,
}

/// Walks the three trees. Every key that differs on a side ends up in an object, in a range, or in a unit.
pub(super) async fn survey(
    session: &Session,
    trees: [&Tree; 3],
    finder: &mut RootFinder<'_>,
) -> Result<Survey, TreeError> {
    let [base, ours, theirs] = trees;
    let mut survey = Survey::default();
    let mut touched: BTreeMap<String, Arc<Root>> = BTreeMap::new();
    let mut items = Vec::new();
    let mut walk = session.three_way(base, ours, theirs);
    while let Some(batch) = walk.next_batch().await? {
        items.extend(batch);
    }
    let cut = folders_cut_by_both(&items);
    let keys = items.iter().filter_map(|item| match item {
        WalkItem::Entry { key, .. } => Some(key.as_bytes()),
        WalkItem::OnlyOurs { .. } | WalkItem::OnlyTheirs { .. } => None,
    });
    finder.look_ahead(keys, cut.iter().map(String::as_str)).await?;
    for folder in cut {
        if let Some(root) = finder.at(folder.as_bytes()).await? {
            touched.insert(folder, root);
        }
    }
    for item in items {
        match item {
            WalkItem::Entry { key, base, ours, theirs } => match finder.owner(key.as_bytes()).await? {
                Some(root) => drop(touched.insert(root.folder.clone(), root)),
                None => {
                    let path = key.as_str().to_owned();
                    survey.objects.push(EntryMerge { path, base, ours, theirs });
                }
            },
            WalkItem::OnlyOurs { range } => survey.ours_only.push(range),
            WalkItem::OnlyTheirs { range } => survey.theirs_only.push(range),
        }
    }
    survey.units = list_units(session, trees, finder, touched).await?;
    Ok(survey)
}

/// The folders that reach over an end of a range that one side alone changed, and in which the other side changed
/// something as well. A root among them has to be looked at whole; one that lies inside the range, or that the other side
/// did not change, goes with the range. Pure: most folders need not be asked whether they are roots.
fn folders_cut_by_both(items: &[WalkItem]) -> BTreeSet<String> {
    let changed = [Extents::of_walk(items, Side::Ours), Extents::of_walk(items, Side::Theirs)];
    let mut cut = BTreeSet::new();
    for item in items {
        let (WalkItem::OnlyOurs { range } | WalkItem::OnlyTheirs { range }) = item else { continue };
        for bound in std::iter::once(&range.start).chain(&range.end) {
            // What both changed in a folder they changed in every folder above it.
            let folders = table_folders_above(bound).filter_map(|folder| std::str::from_utf8(folder).ok());
            let both = |folder: &&str| changed.iter().all(|side| side.anything_in(folder));
            for folder in folders.skip_while(|folder| !both(folder)) {
                if !cut.insert(folder.to_owned()) {
                    break;
                }
            }
        }
    }
    cut
}

/// Finds out who changed each touched root. A root around others comes first, because it decides for them when one
/// side changed nothing in it.
async fn list_units(
    session: &Session,
    trees: [&Tree; 3],
    finder: &mut RootFinder<'_>,
    touched: BTreeMap<String, Arc<Root>>,
) -> Result<Vec<ChangedUnit>, TreeError> {
    let mut roots: Vec<Arc<Root>> = touched.into_values().collect();
    roots.sort_by(|left, right| (left.folder.len(), &left.folder).cmp(&(right.folder.len(), &right.folder)));
    let mut units: BTreeMap<String, ChangedUnit> = BTreeMap::new();
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for root in roots {
        if lies_below_any(&root.folder, &covered) {
            continue;
        }
        covered.insert(root.folder.clone());
        let [base, ours, theirs] = trees;
        let ranges = unit_ranges(&root.folder);
        let ours_changed = differs(session, base, ours, &ranges).await?;
        let theirs_changed = differs(session, base, theirs, &ranges).await?;
        match (ours_changed, theirs_changed) {
            (false, false) => {}
            (true, false) => {
                let changes = UnitChanges::Whole(Side::Ours);
                units.insert(root.folder.clone(), ChangedUnit { root, changes });
            }
            (false, true) => {
                let changes = UnitChanges::Whole(Side::Theirs);
                units.insert(root.folder.clone(), ChangedUnit { root, changes });
            }
            (true, true) => {
                for unit in split_by_owner(session, trees, &ranges, finder).await? {
                    units.insert(unit.root.folder.clone(), unit);
                }
            }
        }
    }
    Ok(units.into_values().collect())
}

/// Whether a folder lies below one of `folders`; the repository itself is above everything.
fn lies_below_any(folder: &str, folders: &BTreeSet<String>) -> bool {
    folders.contains("")
        || folder.match_indices('/').any(|(at, _)| folder.get(..at).is_some_and(|f| folders.contains(f)))
}

/// Whether two trees differ in these ranges: reads until the first difference.
pub(super) async fn differs(
    session: &Session,
    before: &Tree,
    after: &Tree,
    ranges: &[KeyRange],
) -> Result<bool, TreeError> {
    for range in ranges {
        if session.diff(before, after, range.clone()).next_batch().await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists what both sides changed in these ranges, by the unit that owns it.
async fn split_by_owner(
    session: &Session,
    [base, ours, theirs]: [&Tree; 3],
    ranges: &[KeyRange],
    finder: &mut RootFinder<'_>,
) -> Result<Vec<ChangedUnit>, TreeError> {
    let mut merges: BTreeMap<String, EntryMerge> = BTreeMap::new();
    for range in ranges {
        let mut diff = session.diff(base, ours, range.clone());
        while let Some(batch) = diff.next_batch().await? {
            for change in batch {
                let path = change.key.as_str().to_owned();
                let (base, theirs) = (change.before.clone(), change.before);
                merges.insert(path.clone(), EntryMerge { path, base, ours: change.after, theirs });
            }
        }
        let mut diff = session.diff(base, theirs, range.clone());
        while let Some(batch) = diff.next_batch().await? {
            for change in batch {
                let path = change.key.as_str().to_owned();
                let merge = merges.entry(path.clone()).or_insert_with(|| EntryMerge {
                    path,
                    base: change.before.clone(),
                    ours: change.before,
                    theirs: None,
                });
                merge.theirs = change.after;
            }
        }
    }
    finder.look_ahead(merges.keys().map(String::as_bytes), std::iter::empty()).await?;
    let mut by_root: BTreeMap<String, (Arc<Root>, Vec<EntryMerge>)> = BTreeMap::new();
    for (path, merge) in merges {
        if let Some(root) = finder.owner(path.as_bytes()).await? {
            by_root.entry(root.folder.clone()).or_insert_with(|| (root, Vec::new())).1.push(merge);
        }
    }
    let units = by_root.into_values();
    Ok(units.map(|(root, own)| ChangedUnit { root, changes: UnitChanges::Listed(own) }).collect())
}
