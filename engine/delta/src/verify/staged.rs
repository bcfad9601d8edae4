//! The table as it will be once its merge is published: ours, with the merge's edits laid over it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anabranch_merge::{MergeEdit, UnitView, ViewError};
use anabranch_types::Entry;
use bytes::{Bytes, BytesMut};

use crate::action::{DataPath, VectorStorage};
use crate::damage::Damage;
use crate::limits::{CHECKPOINT_BYTES_MAX, LIST_PAGE};
use crate::read::{LogListing, ReadError};
use crate::snapshot::{Snapshot, commit_path};

/// See the module.
pub(super) struct StagedUnit<'a> {
    ours: &'a dyn UnitView,
    ours_log: &'a LogListing,
    edits: BTreeMap<&'a str, Option<&'a Entry>>,
}

impl<'a> StagedUnit<'a> {
    pub(super) fn new(ours: &'a dyn UnitView, ours_log: &'a LogListing, edits: &'a [MergeEdit]) -> Self {
        let edits = edits.iter().map(|edit| match edit {
            MergeEdit::Put { path, entry } | MergeEdit::Link { path, entry } => (path.as_str(), Some(entry)),
            MergeEdit::Remove { path } => (path.as_str(), None),
        });
        StagedUnit { ours, ours_log, edits: edits.collect() }
    }

    /// What a path will hold.
    pub(super) async fn entry(&self, path: &str) -> Result<Option<Entry>, ViewError> {
        match self.edits.get(path) {
            Some(edited) => Ok(edited.cloned()),
            None => self.ours.stat(path).await,
        }
    }

    /// Some of the bytes that a path will hold.
    pub(super) async fn read(
        &self,
        path: &str,
        entry: &Entry,
        range: Range<u64>,
    ) -> Result<Bytes, ReadError> {
        if range.end.saturating_sub(range.start) > CHECKPOINT_BYTES_MAX {
            let message = format!("it has {} bytes; at most {CHECKPOINT_BYTES_MAX} are read", entry.size);
            return Err(Damage::damaged(path, message).into());
        }
        let mut whole = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let piece = self.ours.read(path, entry, at, range.end - at).await?;
            at += piece.len() as u64;
            match piece.is_empty() {
                true => return Err(Damage::damaged(path, format!("it ends after {at} bytes")).into()),
                // A view that answers in one piece is not copied.
                false if whole.is_empty() && at >= range.end => return Ok(piece),
                false => whole.extend_from_slice(&piece),
            }
        }
        Ok(whole.freeze())
    }

    /// The objects of the log folder after `after`, in order of path.
    pub(super) fn log_objects(&self, after: &str) -> Vec<(String, Entry)> {
        let log = self.ours_log;
        let commits = log.commits.iter().map(|(version, entry)| (commit_path(*version), entry));
        let parts = log.checkpoints.values().flat_map(|checkpoint| &checkpoint.parts);
        let others = parts
            .map(|(path, entry)| (path.clone(), entry))
            .chain(log.others.iter().map(|(path, entry)| (path.clone(), entry)));
        let mut objects: BTreeMap<String, &Entry> =
            commits.chain(others).filter(|(path, _)| path.as_str() > after).collect();
        let edits = self.edits.range("_delta_log/".."_delta_log0");
        for (path, edited) in edits.filter(|(path, _)| **path > after) {
            match edited {
                Some(entry) => objects.insert((*path).to_owned(), entry),
                None => objects.remove(*path),
            };
        }
        objects.into_iter().map(|(path, entry)| (path, entry.clone())).collect()
    }

    /// The entry of an edit.
    pub(super) fn edited(&self, path: &str) -> Option<&'a Entry> {
        self.edits.get(path).copied().flatten()
    }

    /// What the first live file of the merged log lacks, if one does: its object, the size that the log gives it, or the
    /// object of its deletion vector. One pass over the unit.
    pub(super) async fn lacking(&self, merged: &Snapshot) -> Result<Option<String>, ViewError> {
        let mut ours = OursInOrder::new(self.ours);
        for (path, size) in wanted(merged) {
            let found = match self.edits.get(path) {
                Some(edited) => edited.map(|entry| entry.size),
                None => ours.size_of(path).await?,
            };
            match (found, size) {
                (None, _) => return Ok(Some(format!("{path:?} is live, and its object would not be there"))),
                (Some(found), Some(size)) if i64::try_from(found) != Ok(size) => {
                    let message =
                        format!("{path:?} is live with {size} bytes, and its object would have {found}");
                    return Ok(Some(message));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The objects that the live files need below the table, in order of path, with the sizes that the log gives.
fn wanted(merged: &Snapshot) -> Vec<(&str, Option<i64>)> {
    let mut wanted = Vec::with_capacity(merged.files.len());
    let mut vectors = BTreeSet::new();
    for add in merged.files.values() {
        if let DataPath::Relative(path) = &add.path {
            wanted.push((path.as_str(), Some(add.size)));
        }
        if let Some(VectorStorage::Object(path)) = add.vector.as_ref().map(|vector| &vector.storage) {
            vectors.insert(path.as_str());
        }
    }
    wanted.extend(vectors.into_iter().map(|path| (path, None)));
    wanted.sort_unstable();
    wanted
}

/// Walks ours once, in order of path.
struct OursInOrder<'a> {
    view: &'a dyn UnitView,
    page: std::vec::IntoIter<(String, Entry)>,
    /// The next object.
    next: Option<(String, Entry)>,
    /// The last path of the page.
    last: Option<String>,
    ended: bool,
}

impl<'a> OursInOrder<'a> {
    fn new(view: &'a dyn UnitView) -> Self {
        OursInOrder { view, page: Vec::new().into_iter(), next: None, last: None, ended: false }
    }

    /// The size of the object at a path; paths are asked for in order.
    async fn size_of(&mut self, path: &str) -> Result<Option<u64>, ViewError> {
        loop {
            match &self.next {
                Some((at, entry)) if at == path => return Ok(Some(entry.size)),
                Some((at, _)) if at.as_str() > path => return Ok(None),
                _ => {}
            }
            self.next = self.page.next();
            if self.next.is_none() {
                if self.ended {
                    return Ok(None);
                }
                let page = self.view.walk("", self.last.as_deref(), LIST_PAGE).await?;
                self.ended = page.len() < LIST_PAGE;
                self.last = page.last().map(|(path, _)| path.clone());
                self.page = page.into_iter();
            }
        }
    }
}
