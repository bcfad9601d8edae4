//! What changed since the base, path by path, by what each file is.

use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;
use anabranch_plugin::bindings::anabranch::merge::types::EntryMerge;
use anabranch_plugin::{Failure, pages};

use crate::merge::{OURS, THEIRS};
use crate::names::{BaseFile, Layout, Place, place};
use crate::shared;
use crate::supported::Refusal;

/// What changed; base files of ours and of theirs apart.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) added: [Vec<String>; 2],
    pub(crate) removed: [Vec<(String, BaseFile)>; 2],
    pub(crate) shared: shared::Changes,
}

/// A file that is not merged, the side that has it, and why.
pub(crate) type Refused = (String, usize, Refusal);

/// Reads all changes.
///
/// # Errors
///
/// The host refused a page.
pub(crate) fn read(snapshots: [&Snapshot; 3], layout: Layout) -> Result<(Changes, Vec<Refused>), Failure> {
    let mut changes = Changes::default();
    let mut refused = Vec::new();
    let mut archived = None;
    pages::merges(snapshots, "", &mut |change| {
        let ids =
            [&change.base, &change.ours, &change.theirs].map(|entry| entry.as_ref().map(|entry| &entry.id));
        let [base, ours, theirs] = ids;
        let is_open = ours != theirs && base != ours && base != theirs;
        let side = if base == ours { THEIRS } else { OURS };
        let was_rewritten = base.is_some() && [ours, theirs].into_iter().any(|id| id.is_some() && id != base);
        let mut refuse = |rule, why: &str| refused.push((change.path.clone(), side, Refusal::new(rule, why)));
        match place(&change.path, layout) {
            Place::Base(_) | Place::Instant(_) if was_rewritten => {
                refuse(
                    "rewritten-file",
                    "it was written in place, and base files and instants are written once",
                );
            }
            Place::Base(file) => note_base_file(&mut changes, &change, &file),
            // The others have their times in their names, so that those of both sides are compared as timelines.
            Place::Instant(_) => {}
            Place::Log => refuse("merge-on-read", "it is a log file, and only base files are merged"),
            Place::Unknown(why) => refuse("unknown-file", why),
            Place::Archived if is_open => archived = archived.take().or(Some(change.path)),
            kind => changes.shared.add(&kind, change, is_open),
        }
        Ok(())
    })?;
    let why = "both sides archived instants since the merge base, and two archived timelines cannot be united: merge before both archive \
               (hoodie.keep.max.commits), or with hoodie.archive.automatic=false on one branch";
    refused.extend(archived.map(|path| (path, THEIRS, Refusal::new("archived", why))));
    Ok((changes, refused))
}

fn note_base_file(changes: &mut Changes, change: &EntryMerge, file: &BaseFile) {
    for (side, is) in [&change.ours, &change.theirs].into_iter().enumerate() {
        match (&change.base, is) {
            (None, Some(_)) => changes.added[side].push(change.path.clone()),
            (Some(_), None) => changes.removed[side].push((change.path.clone(), file.clone())),
            _ => {}
        }
    }
}
