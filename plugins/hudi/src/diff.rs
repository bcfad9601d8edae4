//! What differs between two states of a table: instants, and file groups by partition, with the counts of the commits.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;
use anabranch_plugin::bindings::exports::anabranch::merge::differ::{DiffInput, DiffSummary};
use anabranch_plugin::{Changes, Failure, RowTotals, Value, json, pages};

use crate::commit::{Counts, touched};
use crate::names::{Group, InstantFile, Layout, Place, place};
use crate::plan;
use crate::properties::Properties;
use crate::read::{self, Refused, Write};
use crate::schema;
use crate::supported;
use crate::timeline::Timeline;

/// Compares two states of a table.
///
/// # Errors
///
/// The store or the host failed.
pub(crate) fn diff(input: &DiffInput, changes: &mut Changes<'_>) -> Result<DiffSummary, Failure> {
    let layout = match layout(input)? {
        Ok(layout) => layout,
        Err(why) => return Ok(summary(changes, None, vec![why], false)),
    };
    let before = read::timeline(&input.before, layout)?;
    let after = read::timeline(&input.after, layout)?;
    let (came, went) = match commits(input, layout, &before, &after)? {
        Ok(both) => both,
        Err(why) => return Ok(summary(changes, None, vec![why], false)),
    };
    let archived = instants(&before, &after, &came, &went, changes)?;
    if let Err(why) = columns(input, layout, [&before, &after], changes)? {
        return Ok(summary(changes, None, vec![why], false));
    }
    let (files, others) = file_groups(input, layout)?;
    groups([&input.before, &input.after], &files, &came, changes)?;
    for path in others {
        changes.emit(
            "metadata",
            path,
            Some(Value::Text("before".into())),
            Some(Value::Text("after".into())),
        )?;
    }
    let mut notes = Vec::new();
    let is_overwritten = came.iter().any(|(commit, is_replace)| commit.overwrites(*is_replace));
    let is_counted = went.is_empty() && !is_overwritten;
    if archived > 0 {
        notes.push(format!("instants that were archived: {archived}"));
    }
    if !went.is_empty() {
        notes.push(format!("commits that are gone: {}; so rows are not counted", went.len()));
    } else if is_overwritten {
        notes.push("partitions were overwritten; so rows are not counted".into());
    }
    let totals =
        came.iter().fold(RowTotals { added: 0, removed: 0, modified: 0, cells: 0 }, |totals, (commit, _)| {
            let Counts { inserts, updates, deletes } = commit.counts();
            RowTotals {
                added: totals.added.saturating_add(inserts),
                removed: totals.removed.saturating_add(deletes),
                modified: totals.modified.saturating_add(updates),
                cells: 0,
            }
        });
    Ok(summary(changes, is_counted.then_some(totals), notes, true))
}

fn summary(
    changes: &Changes<'_>,
    rows: Option<RowTotals>,
    notes: Vec<String>,
    complete: bool,
) -> DiffSummary {
    let totals = changes.totals();
    DiffSummary {
        added: totals.added,
        removed: totals.removed,
        modified: totals.modified,
        rows,
        complete,
        notes,
    }
}

/// The layout of both states; a state without the table is an empty one of the other's layout.
fn layout(input: &DiffInput) -> Result<Result<Layout, String>, Failure> {
    let mut found = None;
    for side in [&input.before, &input.after] {
        let Some(bytes) = read::file(side, ".hoodie/hoodie.properties")? else { continue };
        let checked = bytes.and_then(|bytes| Properties::read(&bytes));
        let layout = match checked.map(|properties| supported::check(&properties)) {
            Ok(Ok(layout)) => layout,
            Ok(Err(refusal)) => return Ok(Err(format!("{}: {}", side.label(), refusal.why))),
            Err(why) => return Ok(Err(format!("{}: hoodie.properties: {why}", side.label()))),
        };
        if found.is_some_and(|before| before != layout) {
            return Ok(Err("the table was upgraded to another layout of its timeline in between".into()));
        }
        found = Some(layout);
    }
    Ok(found.ok_or_else(|| "there is no .hoodie/hoodie.properties on either side".into()))
}

type Both = (Vec<Write>, Vec<Write>);

/// The commits that came, and those that went other than into the archive.
fn commits(
    input: &DiffInput,
    layout: Layout,
    before: &Timeline,
    after: &Timeline,
) -> Result<Result<Both, String>, Failure> {
    let came = read::commits(&input.after, layout, after.since(before))?;
    let gone = before.since(after).filter(|file| !after.may_have_archived(file));
    let went = read::commits(&input.before, layout, gone)?;
    Ok(match (came, went) {
        (Ok(came), Ok(went)) => Ok((came, went)),
        (Err(refused), _) | (_, Err(refused)) => Err(told(&refused)),
    })
}

fn told((path, refusal): &Refused) -> String {
    format!("{path}: {}", refusal.why)
}

/// Tells the instants that came and went, and answers how many went into the archive.
fn instants(
    before: &Timeline,
    after: &Timeline,
    came: &[Write],
    went: &[Write],
    changes: &mut Changes<'_>,
) -> Result<u64, Failure> {
    let told = |file: &InstantFile, commits: &[Write]| {
        let commit = commits.iter().find(|(commit, _)| file.is_write() && commit.time == file.time);
        let more = commit.map(|(commit, _)| {
            let Counts { inserts, updates, deletes } = commit.counts();
            format!(
                ",\"operation\":{},\"inserts\":{inserts},\"updates\":{updates},\"deletes\":{deletes}",
                json::quote(&commit.operation)
            )
        });
        Value::Json(format!("{{\"action\":{}{}}}", json::quote(&file.action), more.unwrap_or_default()))
    };
    for file in after.since(before) {
        changes.emit("x-instant", file.time.clone(), None, Some(told(file, came)))?;
    }
    let mut archived = 0;
    for file in before.since(after) {
        if after.may_have_archived(file) {
            archived += 1;
        } else {
            changes.emit("x-instant", file.time.clone(), Some(told(file, went)), None)?;
        }
    }
    Ok(archived)
}

/// Tells the columns in which the schemas of the last commits differ.
fn columns(
    input: &DiffInput,
    layout: Layout,
    [before, after]: [&Timeline; 2],
    changes: &mut Changes<'_>,
) -> Result<Result<(), String>, Failure> {
    let mut both = Vec::with_capacity(2);
    for (snapshot, timeline) in [(&input.before, before), (&input.after, after)] {
        let schema = match read::last_schema(snapshot, layout, timeline)? {
            Ok(schema) => schema.map(|schema| schema::columns(&schema)).transpose(),
            Err(refused) => return Ok(Err(self::told(&refused))),
        };
        match schema {
            Ok(columns) => both.push(columns.unwrap_or_default()),
            Err(why) => return Ok(Err(format!("the schema of {}: {why}", snapshot.label()))),
        }
    }
    let [was, is] = both.as_slice() else { return Ok(Ok(())) };
    for column in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let [before, after] = [was, is].map(|columns| columns.get(column));
        if before != after {
            let [before, after] = [before, after].map(|kind| kind.map(|kind| Value::Json(kind.clone())));
            changes.emit("column", column.clone(), before, after)?;
        }
    }
    Ok(Ok(()))
}

/// The base files of one file group that went, and those that came.
#[derive(Default)]
struct Files {
    went: Vec<String>,
    came: Vec<String>,
}

/// The file groups whose files differ, and the other files that do and that readers go by.
fn file_groups(input: &DiffInput, layout: Layout) -> Result<(BTreeMap<Group, Files>, Vec<String>), Failure> {
    let mut groups: BTreeMap<Group, Files> = BTreeMap::new();
    let mut others = Vec::new();
    pages::changes(&input.before, &input.after, "", &mut |change| {
        match place(&change.path, layout) {
            Place::Base(file) => {
                let files = groups.entry(file.group).or_default();
                match (&change.before, &change.after) {
                    (Some(_), None) => files.went.push(file.instant),
                    _ => files.came.push(file.instant),
                }
            }
            Place::Properties | Place::Log | Place::Unknown(_) => others.push(change.path),
            _ => {}
        }
        Ok(())
    })?;
    Ok((groups, others))
}

/// Tells each file group: added, written anew, replaced, or cleaned of old versions.
fn groups(
    [before, after]: [&Snapshot; 2],
    files: &BTreeMap<Group, Files>,
    came: &[Write],
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    let commits: Vec<_> = came.iter().map(|(commit, _)| commit.clone()).collect();
    let touched = touched(&commits);
    let writes = commits.iter().flat_map(|commit| &commit.writes);
    let records: BTreeMap<&str, u64> = writes.map(|write| (write.path.as_str(), write.records)).collect();
    let none = Files::default();
    for group in files.keys().chain(touched.keys()).collect::<BTreeSet<_>>() {
        let (files, of) = (files.get(group).unwrap_or(&none), touched.get(group));
        let key = plan::key_of(group);
        let is_there = |side| Ok::<_, Failure>(read::last_file(side, group)?.is_some());
        let was = is_there(before)?.then(|| Value::Json(format!("{{\"instants\":{}}}", list(&files.went))));
        let by = of.map(|of| of.by.join(", ")).unwrap_or_default();
        let last = of.and_then(|of| of.last.as_deref());
        let count = last.and_then(|path| records.get(path)).map(|count| format!(",\"records\":{count}"));
        let is = Value::Json(format!(
            "{{\"by\":{},\"instants\":{}{}}}",
            json::quote(&by),
            list(&files.came),
            count.unwrap_or_default()
        ));
        // A group that was replaced is gone for readers, though its files are there until a clean removes them.
        let is = (is_there(after)? && (of.is_none() || last.is_some())).then_some(is);
        if was.is_some() || is.is_some() {
            changes.emit("x-file-group", key, was, is)?;
        }
    }
    Ok(())
}

fn list(instants: &[String]) -> String {
    let quoted: Vec<String> = instants.iter().map(|instant| json::quote(instant)).collect();
    format!("[{}]", quoted.join(","))
}
