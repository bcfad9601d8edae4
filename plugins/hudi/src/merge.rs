//! The merge: reads both sides, asks what stands against it, and writes what the host's three-way rule leaves open.
//!
//! Base files and instants are only ever added or removed, each under a name of its own. So where nothing stands against the merge, the
//! result is what the three-way rule by path makes of the two sides, but for the files that all writers share.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_plugin::bindings::anabranch::merge::output::ResultTree;
use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;
use anabranch_plugin::bindings::exports::anabranch::merge::merger::{MergeInput, MergeOutcome, Verdict};
use anabranch_plugin::{Conflict, Failure, RowTotals, Side};

use crate::changes::{self, Changes};
use crate::commit::{Touched, touched};
use crate::names::{Group, Layout, comparable};
use crate::plan::{self, Labels};
use crate::properties::Properties;
use crate::read::{self, Write};
use crate::schema;
use crate::shared::{self, Shared};
use crate::supported::{self, Refusal};
use crate::timeline::{self, Timeline};
use crate::{keys, removed};

/// The sides in their order.
pub(crate) const BASE: usize = 0;
pub(crate) const OURS: usize = 1;
pub(crate) const THEIRS: usize = 2;

/// Merges a table.
///
/// # Errors
///
/// The store or the host failed.
pub(crate) fn merge(input: &MergeInput, is_global: bool) -> Result<MergeOutcome, Failure> {
    let snapshots = [&input.base, &input.ours, &input.theirs];
    let labels = snapshots.map(Snapshot::label);
    let outcome = Merge { snapshots, labels, conflicts: Vec::new() }.run(is_global)?;
    let done = |rows, notes| MergeOutcome { verdict: Verdict::Done, rows, notes };
    match outcome {
        Ok(merged) => {
            merged.shared.write(&input.merged)?;
            Ok(done(merged.rows, merged.notes))
        }
        Err(conflicts) => {
            decide(&input.merged, &conflicts)?;
            Ok(done(None, Vec::new()))
        }
    }
}

/// Reports conflicts, and takes the side that people chose. Until they did the table stays as it is on ours.
fn decide(merged: &ResultTree, conflicts: &[Conflict]) -> Result<(), Failure> {
    let mut chosen = BTreeSet::new();
    let mut is_open = false;
    for conflict in conflicts {
        match merged.conflict(conflict)? {
            Some(decision) => drop(chosen.insert(decision.choice)),
            None => is_open = true,
        }
    }
    if chosen.len() > 1 && !is_open {
        let said: Vec<&str> = chosen.iter().map(String::as_str).collect();
        let message = format!(
            "the conflicts of this table are decided differently ({}), and it can only be taken as a whole: choose one side for all",
            said.join(", ")
        );
        let conflict = plan::conflict("structure-conflict", said.join(","), message, "choices");
        chosen = merged.conflict(&conflict)?.into_iter().map(|decision| decision.choice).collect();
    }
    let side = match chosen.first().map(String::as_str) {
        Some("theirs") if !is_open => Side::Theirs,
        Some("base") if !is_open => Side::Base,
        _ => Side::Ours,
    };
    merged.take("", side)
}

/// A merge that nothing stands against.
struct Merged {
    shared: Shared,
    rows: Option<RowTotals>,
    notes: Vec<String>,
}

struct Merge<'m> {
    snapshots: [&'m Snapshot; 3],
    labels: Labels,
    conflicts: Vec<Conflict>,
}

/// The table on all sides.
struct Tables {
    properties: [Properties; 3],
    layout: Layout,
    timelines: [Timeline; 3],
}

impl Merge<'_> {
    fn run(mut self, is_global: bool) -> Result<Result<Merged, Vec<Conflict>>, Failure> {
        let Some(tables) = self.tables()? else { return Ok(Err(self.conflicts)) };
        let (changes, refused) = changes::read(self.snapshots, tables.layout)?;
        for (path, side, refusal) in refused {
            self.refuse(&refusal, &path, side);
        }
        // What follows would find the same things again, as files without commits.
        if !self.conflicts.is_empty() {
            return Ok(Err(self.conflicts));
        }
        let Some([ours, theirs]) = self.commits(&tables)? else { return Ok(Err(self.conflicts)) };
        let sides = [&ours, &theirs];
        let groups = sides.map(|writes| {
            let commits: Vec<_> = writes.iter().map(|(commit, _)| commit.clone()).collect();
            touched(&commits)
        });
        self.check_files(&tables, &changes, sides, &groups)?;
        let both = plan::groups(&groups[0], &groups[1], &self.labels);
        let in_both = groups[0].keys().filter(|group| groups[1].contains_key(*group));
        let partitions: BTreeSet<String> = in_both.map(|group| group.partition.clone()).collect();
        self.conflicts.extend(both);
        self.conflicts.extend(plan::overwrites([&ours, &theirs], &self.labels, &partitions));
        self.check_schemas(&tables, sides)?;
        let is_global = is_global || tables.properties.iter().any(supported::is_global);
        if self.conflicts.is_empty() {
            self.check_keys(&groups, is_global)?;
        }
        let shared = shared::plan(self.snapshots, &tables.properties, changes.shared)?;
        let shared = match shared {
            Ok(shared) => shared,
            Err(conflicts) => {
                self.conflicts.extend(conflicts);
                return Ok(Err(self.conflicts));
            }
        };
        if !self.conflicts.is_empty() {
            return Ok(Err(self.conflicts));
        }
        let mut notes = shared.notes();
        notes.extend(self.note_on_times(&tables, sides));
        Ok(Ok(Merged { shared, rows: rows(&theirs), notes }))
    }

    /// The properties and timelines of all sides, if such tables are merged.
    fn tables(&mut self) -> Result<Option<Tables>, Failure> {
        let mut read = Vec::with_capacity(3);
        for (side, snapshot) in self.snapshots.into_iter().enumerate() {
            let path = ".hoodie/hoodie.properties";
            let Some(bytes) = read::file(snapshot, path)? else {
                self.lacking(side);
                return Ok(None);
            };
            match bytes.and_then(|bytes| Properties::read(&bytes)) {
                Ok(properties) => read.push(properties),
                Err(why) => self.refuse(&Refusal::new("unreadable", why), path, side),
            }
        }
        let Ok(properties) = <[Properties; 3]>::try_from(read) else { return Ok(None) };
        let mut layout = Layout::Two;
        for (side, properties) in properties.iter().enumerate() {
            match supported::check(properties) {
                Ok(found) => layout = found,
                Err(refusal) => self.refuse(&refusal, "", side),
            }
        }
        if let Some((name, values)) = supported::differing(&properties) {
            let why = "differs between the sides, and what was written under one value does not go together with the other";
            self.conflicts.push(plan::property(name, values, "table-properties", why));
        }
        if !self.conflicts.is_empty() {
            return Ok(None);
        }
        let mut timelines = Vec::with_capacity(3);
        for snapshot in self.snapshots {
            timelines.push(read::timeline(snapshot, layout)?);
        }
        let Ok(timelines) = <[Timeline; 3]>::try_from(timelines) else { return Ok(None) };
        let clashes = timeline::clashes(timelines.each_ref());
        self.conflicts.extend(clashes.iter().map(|clash| plan::timelines(clash, &self.labels)));
        Ok(Some(Tables { properties, layout, timelines }))
    }

    /// A side without `hoodie.properties`: both created the table, or one removed or broke it.
    fn lacking(&mut self, side: usize) {
        let (kind, message) = if side == BASE {
            ("table-created-both", "both sides created the table".to_owned())
        } else {
            let label = self.labels.get(side).map(String::as_str).unwrap_or_default();
            (
                "table-damaged",
                format!("{label} has no .hoodie/hoodie.properties, without which no reader finds the table"),
            )
        };
        self.conflicts.push(plan::conflict(kind, String::new(), message, "properties"));
    }

    fn refuse(&mut self, refusal: &Refusal, path: &str, side: usize) {
        let label = self.labels.get(side).cloned().unwrap_or_default();
        self.conflicts.push(plan::refused(refusal, path, &label));
    }

    /// The commits of ours and theirs since the base.
    fn commits(&mut self, tables: &Tables) -> Result<Option<[Vec<Write>; 2]>, Failure> {
        let [base, ours, theirs] = &tables.timelines;
        let mut sides = Vec::with_capacity(2);
        for (side, own, other) in [(OURS, ours, theirs), (THEIRS, theirs, ours)] {
            let new = own.since(base).filter(|file| !other.has(file));
            match read::commits(self.snapshots[side], tables.layout, new)? {
                Ok(commits) => sides.push(commits),
                Err((path, refusal)) => self.refuse(&refusal, &path, side),
            }
        }
        Ok(<[Vec<Write>; 2]>::try_from(sides).ok())
    }

    /// Checks that files and commits tell the same story.
    fn check_files(
        &mut self,
        tables: &Tables,
        changes: &Changes,
        commits: [&Vec<Write>; 2],
        groups: &[BTreeMap<Group, Touched>; 2],
    ) -> Result<(), Failure> {
        for side in [OURS, THEIRS] {
            let (snapshot, groups, other) =
                (self.snapshots[side], &groups[side - 1], self.snapshots[3 - side]);
            let shared = changes.added[2 - side].iter().collect::<BTreeSet<_>>();
            let own = changes.added[side - 1].iter().filter(|path| !shared.contains(path));
            for path in plan::unlisted(own, commits[side - 1]) {
                let why = "no commit since the merge base wrote it: it is what a failed write left, which a rollback or a clean removes";
                self.refuse(&Refusal::new("unlisted-file", why), path, side);
            }
            let last = groups.values().filter_map(|touched| touched.last.as_ref());
            let missing: Vec<&String> = last.filter(|path| snapshot.stat(path).is_none()).collect();
            for path in missing {
                let why = "a commit says that it wrote this base file, and it is not there";
                self.refuse(&Refusal::new("missing-file", why), path, side);
            }
            let gone = &changes.removed[side - 1];
            let files =
                removed::Files { base: self.snapshots[BASE], own: snapshot, other, layout: tables.layout };
            let [base, others] = [BASE, 3 - side].map(|side| &tables.timelines[side]);
            for (path, refusal) in files.check(gone, groups, base, others)? {
                self.refuse(&refusal, &path, side);
            }
        }
        Ok(())
    }

    fn check_schemas(&mut self, tables: &Tables, commits: [&Vec<Write>; 2]) -> Result<(), Failure> {
        let base = match read::last_schema(self.snapshots[BASE], tables.layout, &tables.timelines[BASE])? {
            Ok(schema) => schema,
            Err((path, refusal)) => {
                self.refuse(&refusal, &path, BASE);
                return Ok(());
            }
        };
        let [ours, theirs] = [0, 1].map(|side| {
            let writes = commits[side];
            let schema = writes.iter().rev().find_map(|(commit, _)| commit.schema.as_deref());
            let timeline = &tables.timelines[side + 1];
            let last = writes.last().map(|(commit, _)| {
                let completed = timeline.completed().filter(|file| file.is_write());
                let ended =
                    completed.filter(|file| writes.iter().any(|(commit, _)| commit.time == file.time));
                let ended =
                    ended.map(|file| comparable(file.completed_at.as_ref().unwrap_or(&file.time))).max();
                (comparable(&commit.time), ended.unwrap_or_default())
            });
            schema::Side { schema: schema.or(base.as_deref()), last }
        });
        if let Some(clash) = schema::clash(base.as_deref(), &ours, &theirs) {
            let values = [base.as_deref(), ours.schema, theirs.schema];
            self.conflicts.push(plan::schemas(&clash, values, &self.labels));
        }
        Ok(())
    }

    fn check_keys(&mut self, groups: &[BTreeMap<Group, Touched>; 2], is_global: bool) -> Result<(), Failure> {
        let [ours, theirs] = [OURS, THEIRS]
            .map(|side| keys::Side { snapshot: self.snapshots[side], touched: &groups[side - 1] });
        match keys::duplicates(self.snapshots[BASE], [&ours, &theirs], is_global)? {
            Ok(duplicates) => self.conflicts.extend(duplicates.iter().map(|found| {
                let paths = found.paths.each_ref().map(String::as_str);
                plan::duplicate(found.partition.as_deref(), &found.key, paths, &self.labels)
            })),
            Err((path, refusal)) => self.refuse(&refusal, &path, THEIRS),
        }
        Ok(())
    }

    /// Says which readers miss something: those that ask only for what came after an instant of ours.
    fn note_on_times(&self, tables: &Tables, [_, theirs]: [&Vec<Write>; 2]) -> Option<String> {
        let last = tables.timelines[OURS].last()?;
        let first = theirs.iter().map(|(commit, _)| &commit.time).min()?;
        (comparable(first) < last).then(|| {
            format!(
                "{} has instants from {first} on, which are older than the last one of {}: incremental reads that already went beyond \
                 {first} do not see them",
                self.labels[THEIRS], self.labels[OURS]
            )
        })
    }
}

/// The rows that theirs brings; nothing where it put rows in the place of others, which nobody counted.
fn rows(commits: &[Write]) -> Option<RowTotals> {
    let mut totals = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    for (commit, is_replace) in commits {
        if commit.overwrites(*is_replace) {
            return None;
        }
        let counts = commit.counts();
        totals.added = totals.added.saturating_add(counts.inserts);
        totals.removed = totals.removed.saturating_add(counts.deletes);
        totals.modified = totals.modified.saturating_add(counts.updates);
    }
    Some(totals)
}
