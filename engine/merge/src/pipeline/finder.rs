//! Finds the table roots above a key, by looking for their marker files in the trees of both sides.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anabranch_tree::{KeyRange, Session, Tree, TreeError};

use crate::roots::{TableFormat, folder_prefix, table_folders_above};
use crate::rules::{OBJECT_WISE, Rule, Rules};

/// How many keys of a marker folder are looked at in one step.
const MARKER_PAGE: usize = 64;

/// A folder that is a unit: a table on ours or theirs, or named by a rule.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Root {
    /// Where it lies, without a `/` at the end.
    pub(super) folder: String,
    /// The table format in the base.
    pub(super) base: Option<TableFormat>,
    /// The table format on ours.
    pub(super) ours: Option<TableFormat>,
    /// The table format on theirs.
    pub(super) theirs: Option<TableFormat>,
    /// What `merge.toml` says of it.
    pub(super) rule: Option<Rule>,
}

impl Root {
    /// A single object as a unit of its own.
    pub(super) fn object(path: &str, rule: &Rule) -> Root {
        Root { folder: path.to_owned(), base: None, ours: None, theirs: None, rule: Some(rule.clone()) }
    }

    /// Whether it is a group or an array of Zarr on a side.
    fn is_zarr(&self) -> bool {
        [self.ours, self.theirs].into_iter().flatten().any(TableFormat::is_zarr)
    }

    /// The format to show: that of ours, or else of another side.
    pub(super) fn format(&self) -> Option<TableFormat> {
        self.ours.or(self.theirs).or(self.base)
    }
}

/// Answers which folders are roots, each folder once.
pub(super) struct RootFinder<'a> {
    session: &'a Session,
    base: &'a Tree,
    ours: &'a Tree,
    theirs: &'a Tree,
    rules: &'a Rules,
    known: HashMap<String, Option<Arc<Root>>>,
}

impl<'a> RootFinder<'a> {
    pub(super) fn new(
        session: &'a Session,
        base: &'a Tree,
        ours: &'a Tree,
        theirs: &'a Tree,
        rules: &'a Rules,
    ) -> Self {
        RootFinder { session, base, ours, theirs, rules, known: HashMap::new() }
    }

    /// Looks at these folders and at all folders above these keys, in one pass over each tree. What follows is the same
    /// without it, but looks folder by folder from the root of the tree.
    pub(super) async fn look_ahead<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        folders: impl Iterator<Item = &'k str>,
    ) -> Result<(), TreeError> {
        let mut unknown: HashSet<&str> = HashSet::new();
        for key in keys {
            for folder in table_folders_above(key).filter_map(|folder| std::str::from_utf8(folder).ok()) {
                // What is above a folder that was met has been met as well.
                if !self.known.contains_key(folder) && !unknown.insert(folder) {
                    break;
                }
            }
        }
        unknown.extend(folders.filter(|folder| !self.known.contains_key(*folder)));
        // What sorts last in a folder lies in another node than the rest: it is only asked for where nothing else is.
        let (last, first): (Vec<TableFormat>, Vec<TableFormat>) =
            TableFormat::ALL.into_iter().partition(|format| *format == TableFormat::Zarr3);
        let mut candidates: HashSet<&str> = HashSet::new();
        for formats in [first, last] {
            let left = unknown.iter().copied().filter(|folder| !candidates.contains(folder));
            let mut probes: Vec<(Vec<u8>, &str)> = left
                .flat_map(|folder| {
                    formats.iter().map(move |format| (marker_prefix(folder, *format).into_bytes(), folder))
                })
                .collect();
            probes.sort_unstable();
            let (prefixes, folders): (Vec<Vec<u8>>, Vec<&str>) = probes.into_iter().unzip();
            for tree in [self.ours, self.theirs] {
                let answers = self.session.any_with_each_prefix(tree, &prefixes).await?;
                candidates
                    .extend(folders.iter().zip(answers).filter_map(|(folder, any)| any.then_some(*folder)));
            }
        }
        for folder in unknown {
            let by_rule = self.rules.folder(folder).is_some_and(Rule::makes_unit);
            if !by_rule && !candidates.contains(folder) {
                self.known.insert(folder.to_owned(), None);
            }
        }
        Ok(())
    }

    /// The nearest root above a key: the unit that the key belongs to. An array or a group of Zarr goes with the group
    /// that it lies in, because the group's metadata may repeat that of all its members.
    pub(super) async fn owner(&mut self, key: &[u8]) -> Result<Option<Arc<Root>>, TreeError> {
        let mut nearest: Option<Arc<Root>> = None;
        for folder in table_folders_above(key) {
            let root = self.at(folder).await?;
            match (&nearest, root) {
                (None, Some(root)) if root.is_zarr() => nearest = Some(root),
                (None, Some(root)) => return Ok(Some(root)),
                (Some(_), Some(root)) if root.is_zarr() => nearest = Some(root),
                (Some(_), _) => break,
                (None, None) => {}
            }
        }
        Ok(nearest)
    }

    /// Whether what lies in a folder is decided by a merger, or left to the objects alone by a rule of `merge.toml`.
    pub(super) async fn is_decided_elsewhere(&mut self, folder: &str) -> Result<bool, TreeError> {
        let inside = folder_prefix(folder);
        let rules =
            table_folders_above(inside.as_bytes()).filter_map(|folder| std::str::from_utf8(folder).ok());
        let nearest = rules.filter_map(|folder| self.rules.folder(folder)?.merger.as_deref()).next();
        Ok(nearest == Some(OBJECT_WISE) || self.owner(inside.as_bytes()).await?.is_some())
    }

    /// The root at this very folder. A folder that is not UTF-8 stems from the bound of a range and has no keys.
    pub(super) async fn at(&mut self, folder: &[u8]) -> Result<Option<Arc<Root>>, TreeError> {
        let Ok(folder) = std::str::from_utf8(folder) else {
            return Ok(None);
        };
        if let Some(known) = self.known.get(folder) {
            return Ok(known.clone());
        }
        let found = self.look_at(folder).await?.map(Arc::new);
        self.known.insert(folder.to_owned(), found.clone());
        Ok(found)
    }

    async fn look_at(&self, folder: &str) -> Result<Option<Root>, TreeError> {
        let rule = self.rules.folder(folder).cloned();
        let ours = format_at(self.session, self.ours, folder).await?;
        let theirs = format_at(self.session, self.theirs, folder).await?;
        let by_rule = rule.as_ref().is_some_and(Rule::makes_unit);
        if ours.is_none() && theirs.is_none() && !by_rule {
            // A table that both sides removed is none any more: what is left are objects.
            return Ok(None);
        }
        let base = format_at(self.session, self.base, folder).await?;
        Ok(Some(Root { folder: folder.to_owned(), base, ours, theirs, rule }))
    }
}

/// The format of the table whose root is `folder`, if it is one in this tree.
async fn format_at(session: &Session, tree: &Tree, folder: &str) -> Result<Option<TableFormat>, TreeError> {
    for format in TableFormat::ALL {
        if has_marker(session, tree, folder, format).await? {
            return Ok(Some(format));
        }
    }
    Ok(None)
}

/// What the marker files of a table of this format at `folder` begin with.
fn marker_prefix(folder: &str, format: TableFormat) -> String {
    format!("{}{}", folder_prefix(folder), format.marker_folder())
}

async fn has_marker(
    session: &Session,
    tree: &Tree,
    folder: &str,
    format: TableFormat,
) -> Result<bool, TreeError> {
    let prefix = marker_prefix(folder, format);
    let range = KeyRange::prefix(prefix.as_bytes());
    if !session.any_in(tree, &range).await? {
        return Ok(false);
    }
    // Markers come early in their folders: versions begin with digits. Only a folder that is no table is read whole.
    let mut cursor = session.scan(tree, range);
    while let Some(batch) = cursor.next_batch(MARKER_PAGE).await? {
        let is_marker = |key: &str| key.get(prefix.len()..).is_some_and(|name| format.is_marker(name));
        if batch.iter().any(|(key, _)| is_marker(key.as_str())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys of a unit. Nothing below `_anabranch/` belongs to one, also if the whole repository is a table.
pub(super) fn unit_ranges(folder: &str) -> Vec<KeyRange> {
    if !folder.is_empty() {
        return vec![KeyRange::prefix(folder_prefix(folder).as_bytes())];
    }
    let own = KeyRange::prefix(b"_anabranch/");
    let before = KeyRange { start: Vec::new(), end: Some(own.start) };
    let after = own.end.map(|start| KeyRange { start, end: None });
    std::iter::once(before).chain(after).collect()
}
