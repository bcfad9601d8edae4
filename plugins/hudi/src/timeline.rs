//! The timeline of a table on one side, and what happened to it since the merge base.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{InstantFile, State, comparable};

/// The active timeline of a table on one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timeline {
    /// Each file by what its name says, with the id of its content.
    files: BTreeMap<InstantFile, String>,
    /// Whether older instants were archived.
    pub(crate) is_archived: bool,
}

/// Why the timelines of two sides cannot be united.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// Instants that are requested or in flight on a side.
    Pending { side: usize, instants: Vec<String> },
    /// A completed instant of the base that a side took back.
    TakenBack { side: usize, instant: String },
    /// Both sides wrote at the same time.
    SameTime { time: String },
    /// An instant of `side` is older than what the other side has archived.
    BehindArchive { side: usize, instant: String },
    /// A side may have archived what it wrote since the base.
    ArchivedSince { side: usize },
    /// An action that tables of this type do not have.
    Action { side: usize, instant: String },
}

impl Timeline {
    pub(crate) fn insert(&mut self, file: InstantFile, id: String) {
        self.files.insert(file, id);
    }

    /// Its completed instants, in order of time.
    pub(crate) fn completed(&self) -> impl DoubleEndedIterator<Item = &InstantFile> {
        self.files.keys().filter(|file| file.state == State::Completed)
    }

    fn writes(&self) -> impl DoubleEndedIterator<Item = &InstantFile> {
        self.completed().filter(|file| file.is_write())
    }

    /// The time of the first write that is not archived.
    pub(crate) fn first(&self) -> Option<String> {
        self.writes().map(|file| comparable(&file.time)).min()
    }

    /// The time of the last write.
    pub(crate) fn last(&self) -> Option<String> {
        self.writes().map(|file| comparable(&file.time)).max()
    }

    /// The completed instants that `base` does not have.
    pub(crate) fn since<'t>(&'t self, base: &'t Timeline) -> impl Iterator<Item = &'t InstantFile> {
        self.completed().filter(|file| !base.files.contains_key(file))
    }

    /// Whether this very instant is there.
    pub(crate) fn has(&self, file: &InstantFile) -> bool {
        self.files.contains_key(file)
    }

    /// Whether an instant that is not there is old enough to have been archived.
    pub(crate) fn may_have_archived(&self, file: &InstantFile) -> bool {
        self.is_archived && self.first().is_some_and(|first| comparable(&file.time) < first)
    }

    fn id(&self, file: &InstantFile) -> Option<&String> {
        self.files.get(file)
    }

    /// Requested instants and those in flight that were not completed.
    fn pending(&self) -> Vec<String> {
        let done: BTreeSet<&str> = self
            .completed()
            .filter(|file| file.action != "savepoint")
            .map(|file| file.time.as_str())
            .collect();
        let open = self.files.keys().filter(|file| file.state != State::Completed);
        // The files of a savepoint have the time of the commit that it keeps.
        let open = open.filter(|file| match file.action.as_str() {
            "savepoint" => {
                !self.completed().any(|other| other.action == "savepoint" && other.time == file.time)
            }
            _ => !done.contains(file.time.as_str()),
        });
        let names: BTreeSet<String> = open.map(|file| format!("{} {}", file.time, file.action)).collect();
        names.into_iter().collect()
    }
}

impl InstantFile {
    /// Whether it writes records or replaces file groups.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.action.as_str(), "commit" | "replacecommit")
    }

    /// The name of the file that says so, in the folder of the timeline.
    pub(crate) fn file_name(&self) -> String {
        let completed = self.completed_at.as_ref().map(|at| format!("_{at}")).unwrap_or_default();
        match (self.state, self.action.as_str()) {
            (State::Completed, action) => format!("{}{completed}.{action}", self.time),
            (State::Inflight, "commit") => format!("{}.inflight", self.time),
            (State::Inflight, action) => format!("{}.{action}.inflight", self.time),
            (State::Requested, action) => format!("{}.{action}.requested", self.time),
        }
    }

    /// As a message names it.
    pub(crate) fn told(&self) -> String {
        format!("{} {}", self.time, self.action)
    }
}

/// Checks whether the timelines of ours and theirs can be united, and answers all that stands against it.
///
/// The union is right where every reader sees the same files through it as through the two. Hudi takes a base file for committed
/// when its instant is completed in the active timeline, or older than the first one there; so nothing of a side may be older than
/// what the other has archived. Hudi's writers give each action of a table a time of its own; so two sides with the same time
/// cannot both stand.
pub(crate) fn clashes([base, ours, theirs]: [&Timeline; 3]) -> Vec<Clash> {
    let mut clashes = Vec::new();
    for (side, timeline) in [base, ours, theirs].into_iter().enumerate() {
        let instants = timeline.pending();
        if !instants.is_empty() {
            clashes.push(Clash::Pending { side, instants });
        }
        let foreign = timeline.completed().find(|file| {
            matches!(file.action.as_str(), "deltacommit" | "compaction" | "logcompaction" | "schemacommit")
        });
        clashes.extend(foreign.map(|file| Clash::Action { side, instant: file.told() }));
    }
    for (side, timeline) in [(1, ours), (2, theirs)] {
        // What was archived is older than all that is left; what is gone between others was rolled back.
        let gone = base.writes().filter(|file| !timeline.files.contains_key(file));
        let taken = gone.filter(|file| !timeline.may_have_archived(file));
        clashes.extend(taken.map(|file| Clash::TakenBack { side, instant: file.told() }));
    }
    clashes.extend(same_times([base, ours, theirs]));
    for (side, timeline) in [(1, ours), (2, theirs)] {
        // What is archived is not read here. It is known to be of the base where something of the base is left.
        if timeline.is_archived && base.last().is_some_and(|last| timeline.first() > Some(last)) {
            clashes.push(Clash::ArchivedSince { side });
        }
    }
    for (side, timeline, other) in [(1, ours, theirs), (2, theirs, ours)] {
        let Some(first) = other.first().filter(|_| other.is_archived) else { continue };
        let behind = timeline.since(base).filter(|file| file.is_write() && comparable(&file.time) < first);
        clashes.extend(behind.map(|file| Clash::BehindArchive { side, instant: file.told() }));
    }
    clashes
}

/// Times that both sides gave to different instants since the base, or to one with different contents.
fn same_times([base, ours, theirs]: [&Timeline; 3]) -> Vec<Clash> {
    let is_savepoint = |file: &InstantFile| file.action == "savepoint";
    let mut times: BTreeMap<(&str, bool), Vec<&InstantFile>> = BTreeMap::new();
    for file in ours.since(base) {
        times.entry((&file.time, is_savepoint(file))).or_default().push(file);
    }
    let mut clashes = BTreeSet::new();
    for file in theirs.since(base) {
        let of_ours = times.get(&(file.time.as_str(), is_savepoint(file))).into_iter().flatten();
        if of_ours.into_iter().any(|other| *other != file || ours.id(file) != theirs.id(file)) {
            clashes.insert(file.time.clone());
        }
    }
    clashes.into_iter().map(|time| Clash::SameTime { time }).collect()
}
