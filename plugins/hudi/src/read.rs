//! Reads what a merge looks at, side by side: properties, the active timeline, and the commits since the merge base.

use anabranch_plugin::bindings::anabranch::merge::snapshots::{Object, Snapshot};
use anabranch_plugin::{Failure, pages};

use crate::commit::{Commit, Unmergeable};
use crate::names::{Layout, Place, base_file, place};
use crate::supported::Refusal;
use crate::timeline::Timeline;
use crate::value::Value;

/// The largest file of a timeline that is read, in bytes.
const METADATA_MAX: u64 = 64 * 1024 * 1024;
/// How much one read asks for.
const STEP: u32 = 1024 * 1024;
/// The most instants that a timeline may have, or a side write since the base: Hudi archives them at 30.
const INSTANTS_MAX: usize = 100_000;

/// A file that is not merged, and why.
pub(crate) type Refused = (String, Refusal);

/// A commit, and whether it is a `replacecommit`.
pub(crate) type Write = (Commit, bool);

/// Reads a range of an object, however long.
pub(crate) fn range(object: &Object, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let mut left = length;
    while left > 0 {
        let step = u32::try_from(left).unwrap_or(u32::MAX).min(STEP);
        let part = object.read(offset + (length - left), step)?;
        let got = part.len() as u64;
        if got == 0 || got > left {
            return Err(Failure::new("unreadable", "an object is shorter than it was"));
        }
        bytes.extend(part);
        left -= got;
    }
    Ok(bytes)
}

/// A whole file of the timeline; `None` where the side lacks it.
pub(crate) fn file(snapshot: &Snapshot, path: &str) -> Result<Option<Result<Vec<u8>, String>>, Failure> {
    let Some(entry) = snapshot.stat(path) else { return Ok(None) };
    if entry.size > METADATA_MAX {
        return Ok(Some(Err(format!("it has {} bytes, and at most {METADATA_MAX} are read", entry.size))));
    }
    range(&snapshot.open(path)?, 0, entry.size).map(|bytes| Some(Ok(bytes)))
}

/// Where a table of a layout has its instants.
pub(crate) fn timeline_folder(layout: Layout) -> &'static str {
    match layout {
        Layout::One => ".hoodie/",
        Layout::Two => ".hoodie/timeline/",
    }
}

/// The active timeline of a side.
pub(crate) fn timeline(snapshot: &Snapshot, layout: Layout) -> Result<Timeline, Failure> {
    let mut timeline = Timeline::default();
    let mut count = 0_usize;
    // Instants begin with a digit: the metadata table beside them is not walked.
    for digit in '0'..='9' {
        pages::entries(snapshot, &format!("{}{digit}", timeline_folder(layout)), &mut |entry| {
            if let Place::Instant(file) = place(&entry.path, layout) {
                count += 1;
                if count > INSTANTS_MAX {
                    return Err(Failure::new(
                        "limit",
                        format!("its timeline has more than {INSTANTS_MAX} files"),
                    ));
                }
                timeline.insert(file, entry.id);
            }
            Ok(())
        })?;
    }
    let archive = match layout {
        Layout::One => ".hoodie/archived/",
        Layout::Two => ".hoodie/timeline/history/",
    };
    timeline.is_archived = !snapshot.walk(archive).next(1)?.is_empty();
    Ok(timeline)
}

/// The commits of `instants`, in order of time, from the side that has them.
pub(crate) fn commits<'t>(
    snapshot: &Snapshot,
    layout: Layout,
    instants: impl Iterator<Item = &'t crate::names::InstantFile>,
) -> Result<Result<Vec<Write>, Refused>, Failure> {
    let mut commits = Vec::new();
    for instant in instants.filter(|instant| instant.is_write()) {
        let path = format!("{}{}", timeline_folder(layout), instant.file_name());
        match commit(snapshot, &path, &instant.time)? {
            Ok(commit) => commits.push((commit, instant.action == "replacecommit")),
            Err(refusal) => return Ok(Err((path, refusal))),
        }
    }
    Ok(Ok(commits))
}

/// The schema in the last commit of a timeline that has one.
pub(crate) fn last_schema(
    snapshot: &Snapshot,
    layout: Layout,
    timeline: &Timeline,
) -> Result<Result<Option<String>, Refused>, Failure> {
    for instant in timeline.completed().filter(|file| file.is_write()).rev() {
        let path = format!("{}{}", timeline_folder(layout), instant.file_name());
        match commit(snapshot, &path, &instant.time)? {
            Ok(commit) if commit.schema.is_some() => return Ok(Ok(commit.schema)),
            Ok(_) => {}
            Err(refusal) => return Ok(Err((path, refusal))),
        }
    }
    Ok(Ok(None))
}

/// One commit.
pub(crate) fn commit(
    snapshot: &Snapshot,
    path: &str,
    time: &str,
) -> Result<Result<Commit, Refusal>, Failure> {
    let broken = |why: String| Refusal::new("unreadable", why);
    let bytes = match file(snapshot, path)? {
        Some(Ok(bytes)) => bytes,
        Some(Err(why)) => return Ok(Err(broken(why))),
        None => return Ok(Err(broken("the instant is not there".into()))),
    };
    let metadata = match Value::read(&bytes) {
        Ok(metadata) => metadata,
        Err(why) => return Ok(Err(broken(why))),
    };
    Ok(Commit::of(time, &metadata).map_err(|unmergeable| match unmergeable {
        Unmergeable::Broken(why) => broken(why),
        Unmergeable::LogFiles(log) => Refusal::new(
            "merge-on-read",
            format!("it wrote the log file {log}, and only base files are merged"),
        ),
        Unmergeable::ChangeDataCapture(log) => {
            Refusal::new("change-data-capture", format!("it wrote a log of changes for {log}"))
        }
        Unmergeable::SchemaOnRead => Refusal::new(
            "schema-on-read",
            "it keeps a history of schemas (hoodie.schema.on.read.enable), which cannot be united",
        ),
    }))
}

/// The last base file of a file group on a side, by its instant.
pub(crate) fn last_file(
    snapshot: &Snapshot,
    group: &crate::names::Group,
) -> Result<Option<(String, String)>, Failure> {
    let folder = if group.partition.is_empty() { String::new() } else { format!("{}/", group.partition) };
    let mut last: Option<(String, String)> = None;
    pages::entries(snapshot, &format!("{folder}{}_", group.file_id), &mut |entry| {
        if let Some(file) = base_file(&entry.path).filter(|file| file.group == *group) {
            let found = (crate::names::comparable(&file.instant), entry.path);
            last = last.take().max(Some(found));
        }
        Ok(())
    })?;
    Ok(last)
}
