//! Reads what both sides did in the places that both changed, and gathers the findings.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_tree::{Difference, KeyRange, Session, Tree, TreeError, after_prefix};
use anabranch_types::Entry;

use super::case::case_clashes;
use super::folder::{FolderChanges, PathChange, judge, removed_by_commit};
use super::names::{DBIO_COMMIT, is_dbio_commit, split};
use super::places::{Contested, SilentSide, contested_above, contested_folders, file_or_folder};
use super::report::{case_only, entries_value, file_and_folder, folder_conflict};
use super::scope::Scope;
use crate::merger::same_content;
use crate::pipeline::finder::RootFinder;
use crate::pipeline::model::PipelineInput;
use crate::pipeline::survey::Survey;
use crate::roots::folder_prefix;
use crate::{Conflict, EntryMerge, ObjectReader};

/// How often the reading of a folder's own files begins anew behind a large subfolder. A folder that has more of them
/// is one of folders: what lies beyond is not looked at.
const SUBFOLDERS_MAX: usize = 16;

/// How many objects of the base are looked at to find out that a folder was only added to.
const LOOKS_MAX: usize = 256;

/// The largest commit file of DBIO that is read, in bytes.
const COMMIT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A conflict of structure, and the keys that are taken together when it is resolved.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Finding {
    pub(super) conflict: Conflict,
    pub(super) scope: Scope,
}

/// Finds everything that may not stand beside one another, in order of path; what lies in the place of another finding
/// is left to that one.
pub(super) async fn find(
    session: &Session,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    survey: &Survey,
) -> Result<Vec<Finding>, TreeError> {
    let reading = Reading { session, input };
    let mut findings = Vec::new();
    let mut moved = Vec::new();
    let mut contested = Vec::new();
    for place in contested_folders(survey) {
        if !reading.is_silent(&place).await? {
            contested.push(place);
        }
    }
    finder.look_ahead(std::iter::empty(), contested.iter().map(|place| place.folder.as_str())).await?;
    for contested in contested {
        if finder.is_decided_elsewhere(&contested.folder).await?
            || (!contested.complete && reading.both_only_add(&contested.folder).await?)
        {
            continue;
        }
        let [ours, theirs] = reading.folder(&contested, &mut moved).await?;
        if let Some(clash) = judge(&contested.folder, &ours, &theirs) {
            let labels = reading.labels();
            let conflict = folder_conflict(clash, &contested.folder, [&ours, &theirs], labels);
            findings.push(Finding { conflict, scope: Scope::Folder(contested.folder) });
        }
    }
    findings.extend(reading.summaries(finder, contested_above(survey)).await?);
    findings.extend(reading.files_and_folders(survey).await?);
    for group in case_clashes(survey.objects.iter().chain(&moved)) {
        findings.push(reading.case_finding(&group));
    }
    Ok(without_covered(findings))
}

/// Drops findings whose place lies in that of another one.
fn without_covered(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    // Wide scopes are few: only they can cover another one.
    let is_wide = |finding: &&Finding| !matches!(finding.scope, Scope::Paths(_));
    let wide: Vec<Finding> = findings.iter().filter(is_wide).cloned().collect();
    for finding in findings {
        let covers = |other: &&Finding| other.scope != finding.scope && other.scope.covers(&finding.scope);
        let is_twice = || kept.iter().any(|other: &Finding| other.scope == finding.scope);
        if wide.iter().find(covers).is_none() && !is_twice() {
            kept.push(finding);
        }
    }
    kept.sort_by(|left, right| (&left.conflict.path, &left.scope).cmp(&(&right.conflict.path, &right.scope)));
    kept
}

/// The three trees, with what reads them.
pub(super) struct Reading<'r, 'i> {
    pub(super) session: &'r Session,
    pub(super) input: &'r PipelineInput<'i>,
}

impl Reading<'_, '_> {
    fn labels(&self) -> [&str; 2] {
        [&self.input.labels.ours, &self.input.labels.theirs]
    }

    /// Whether the side of which nothing is listed in a folder did nothing there indeed.
    async fn is_silent(&self, contested: &Contested<'_>) -> Result<bool, TreeError> {
        let side = match contested.silent {
            None => return Ok(false),
            Some(SilentSide::Ours) => &self.input.ours,
            Some(SilentSide::Theirs) => &self.input.theirs,
        };
        let changes = changes_in_folder(self.session, [&self.input.base, side], &contested.folder, 1).await?;
        Ok(changes.is_empty())
    }

    /// Whether a side has so much in a folder that it is not read through where few looks tell that both sides left alone
    /// what the base has in it: then they stand beside one another, however much they added. Without this each merge
    /// into a folder would read all that came to it since the base.
    async fn both_only_add(&self, folder: &str) -> Result<bool, TreeError> {
        let PipelineInput { base, ours, theirs, .. } = self.input;
        let ranges = Scope::Folder(folder.to_owned()).ranges();
        let mut is_large = false;
        for (range, side) in ranges.iter().flat_map(|range| [(range, ours), (range, theirs)]) {
            is_large |= self.session.scan_page(side, range.clone(), LOOKS_MAX).await?.len() >= LOOKS_MAX;
        }
        if !is_large {
            return Ok(false);
        }
        for range in ranges {
            let there = self.session.scan_page(base, range, LOOKS_MAX).await?;
            if there.len() >= LOOKS_MAX {
                return Ok(false);
            }
            for (key, entry) in there {
                for side in [ours, theirs] {
                    let now = self.session.get(side, key.as_str().as_bytes()).await?;
                    if !now.is_some_and(|now| now.same_content(&entry)) {
                        return Ok(false);
                    }
                }
            }
        }
        // A commit file of DBIO can say that files which are still there are gone.
        let commits = KeyRange::prefix(format!("{}{DBIO_COMMIT}", folder_prefix(folder)).as_bytes());
        Ok(!self.session.any_in(ours, &commits).await? && !self.session.any_in(theirs, &commits).await?)
    }

    /// What both sides did to the data files of a folder. What came or went there, listed by the walk or not, is added
    /// to `moved`.
    async fn folder(
        &self,
        contested: &Contested<'_>,
        moved: &mut Vec<EntryMerge>,
    ) -> Result<[FolderChanges; 2], TreeError> {
        let folder = contested.folder.as_str();
        let PipelineInput { base, ours, theirs, reader, .. } = self.input;
        let mut sides: [Vec<PathChange>; 2] = [Vec::new(), Vec::new()];
        if contested.complete {
            for change in &contested.listed {
                for (list, side) in sides.iter_mut().zip([&change.ours, &change.theirs]) {
                    list.push((change.path.clone(), change.base.clone(), side.clone()));
                }
            }
        } else {
            for (list, side) in sides.iter_mut().zip([ours, theirs]) {
                let changes = changes_in_folder(self.session, [base, side], folder, SUBFOLDERS_MAX).await?;
                list.extend(changes.into_iter().map(|c| (c.key.as_str().to_owned(), c.before, c.after)));
            }
            moved.extend(come_and_gone(&sides));
        }
        let mut judged = Vec::with_capacity(2);
        for changes in sides {
            let mut retired = BTreeSet::new();
            for (path, before, after) in &changes {
                if let (None, Some(commit), true) = (before, after, is_dbio_commit(split(path).1)) {
                    retired.extend(read_commit(*reader, commit).await);
                }
            }
            judged.push(FolderChanges { retired, ..FolderChanges::of(folder, changes) });
        }
        let theirs = judged.pop().unwrap_or_default();
        Ok([judged.pop().unwrap_or_default(), theirs])
    }

    /// The writer's tree and the other one, with their labels in the same order.
    pub(super) fn by(&self, by_ours: bool) -> ([&Tree; 2], [&str; 2]) {
        let [ours, theirs] = self.labels();
        match by_ours {
            true => ([&self.input.ours, &self.input.theirs], [ours, theirs]),
            false => ([&self.input.theirs, &self.input.ours], [theirs, ours]),
        }
    }

    /// What these paths hold in base, ours and theirs.
    pub(super) async fn values(&self, paths: [&str; 2]) -> Result<[serde_json::Value; 3], TreeError> {
        let mut values = [serde_json::Value::Null, serde_json::Value::Null, serde_json::Value::Null];
        for (value, tree) in values.iter_mut().zip([&self.input.base, &self.input.ours, &self.input.theirs]) {
            let mut entries = BTreeMap::new();
            for path in paths {
                entries.insert(path, self.session.get(tree, path.as_bytes()).await?);
            }
            *value = entries_value(entries.iter().map(|(path, entry)| (*path, entry.as_ref())));
        }
        Ok(values)
    }

    /// Paths that are a file on one side and a folder on the other, both of which would be in the result.
    async fn files_and_folders(&self, survey: &Survey) -> Result<Vec<Finding>, TreeError> {
        let paths: Vec<String> = file_or_folder(survey).into_iter().collect();
        let mut prefixes: Vec<(Vec<u8>, &String)> =
            paths.iter().map(|path| (folder_prefix(path).into_bytes(), path)).collect();
        prefixes.sort_unstable();
        let (probes, paths): (Vec<Vec<u8>>, Vec<&String>) = prefixes.into_iter().unzip();
        let ours = self.any_with_each(&self.input.ours, &probes).await?;
        let theirs = self.any_with_each(&self.input.theirs, &probes).await?;
        let mut findings = Vec::new();
        for (path, (in_ours, in_theirs)) in paths.into_iter().zip(ours.into_iter().zip(theirs)) {
            // Where both sides have the folder, a file of its name is beside it on one of them already.
            if in_ours != in_theirs
                && let Some(conflict) = self.file_and_folder(path, in_ours).await?
            {
                findings.push(Finding { conflict, scope: Scope::Tree(path.clone()) });
            }
        }
        Ok(findings)
    }

    async fn file_and_folder(&self, path: &str, folder_on_ours: bool) -> Result<Option<Conflict>, TreeError> {
        let ([with_folder, with_file], [folder_label, file_label]) = self.by(folder_on_ours);
        let Some(file) = self.session.get(with_file, path.as_bytes()).await?.filter(|file| file.size > 0)
        else {
            return Ok(None);
        };
        if self.session.get(with_folder, path.as_bytes()).await?.is_some() {
            return Ok(None);
        }
        // What the side with the file left in place is gone there on purpose, and what it never had is new.
        let was = self.session.get(&self.input.base, path.as_bytes()).await?;
        let file_stands = !same_content(&was, &Some(file));
        let range = KeyRange::prefix(folder_prefix(path).as_bytes());
        let mut first = None;
        let mut diff = self.session.diff(&self.input.base, with_folder, range);
        while let (None, Some(batch)) = (&first, diff.next_batch().await?) {
            let is_marker = |key: &str, entry: &Entry| key.ends_with('/') && entry.size == 0;
            first = batch.into_iter().find_map(|change| {
                let entry = change.after.as_ref()?;
                let key = change.key.as_str();
                (!is_marker(key, entry) && !change.same_content()).then(|| key.to_owned())
            });
        }
        let Some(first) = first.filter(|_| file_stands) else { return Ok(None) };
        let values = self.values([path, &first]).await?;
        Ok(Some(file_and_folder(path, [file_label, folder_label], values)))
    }

    fn case_finding(&self, group: &[&EntryMerge]) -> Finding {
        let paths: Vec<String> = group.iter().map(|change| change.path.clone()).collect();
        let value = |side: fn(&EntryMerge) -> Option<&Entry>| {
            entries_value(group.iter().map(|change| (change.path.as_str(), side(change))))
        };
        let values = [
            value(|change| change.base.as_ref()),
            value(|change| change.ours.as_ref()),
            value(|change| change.theirs.as_ref()),
        ];
        Finding { conflict: case_only(&paths, self.labels(), values), scope: Scope::Paths(paths) }
    }

    pub(super) async fn any_with_each(
        &self,
        tree: &Tree,
        prefixes: &[Vec<u8>],
    ) -> Result<Vec<bool>, TreeError> {
        self.session.any_with_each_prefix(tree, prefixes).await
    }
}

/// What came to a folder or left it, in order of path.
fn come_and_gone([ours, theirs]: &[Vec<PathChange>; 2]) -> Vec<EntryMerge> {
    let mut merges: BTreeMap<&String, EntryMerge> = BTreeMap::new();
    for (path, before, after) in ours {
        let (base, theirs) = (before.clone(), before.clone());
        merges.insert(path, EntryMerge { path: path.clone(), base, ours: after.clone(), theirs });
    }
    for (path, before, after) in theirs {
        let (base, ours) = (before.clone(), before.clone());
        let merge = EntryMerge { path: path.clone(), base, ours, theirs: None };
        merges.entry(path).or_insert(merge).theirs = after.clone();
    }
    let moved =
        |change: &EntryMerge| change.base.is_none() || change.ours.is_none() || change.theirs.is_none();
    merges.into_values().filter(moved).collect()
}

/// The names that a commit file of DBIO removed; one that cannot be read removed something.
async fn read_commit(reader: &dyn ObjectReader, commit: &Entry) -> BTreeSet<String> {
    if commit.size > COMMIT_BYTES_MAX {
        return removed_by_commit(b"");
    }
    match reader.read(&commit.address, 0, commit.size).await {
        Ok(body) => removed_by_commit(&body),
        Err(_) => removed_by_commit(b""),
    }
}

/// What differs directly in a folder. Subfolders are passed over without being read through, so many at most.
pub(super) async fn changes_in_folder(
    session: &Session,
    [before, after]: [&Tree; 2],
    folder: &str,
    subfolders_max: usize,
) -> Result<Vec<Difference>, TreeError> {
    let prefix = folder_prefix(folder);
    let mut own = Vec::new();
    for mut range in Scope::Folder(folder.to_owned()).ranges() {
        for _ in 0..subfolders_max {
            let mut diff = session.diff(before, after, range.clone());
            let mut behind = None;
            while let Some(batch) = diff.next_batch().await? {
                let last = batch.last().and_then(|change| {
                    let rest = change.key.as_str().strip_prefix(prefix.as_str())?;
                    Some(format!("{prefix}{}/", rest.split_once('/')?.0))
                });
                own.extend(batch.into_iter().filter(|change| split(change.key.as_str()).0 == folder));
                behind = last.and_then(|subfolder| after_prefix(subfolder.as_bytes()));
                if behind.is_some() {
                    break;
                }
            }
            match behind {
                Some(start) => range.start = start,
                None => break,
            }
        }
    }
    Ok(own)
}
