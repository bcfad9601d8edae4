//! Decides a merge: three states and the commits that are there become a plan or a complete list of conflicts. Pure.

mod contested;
mod demands;
mod features;
mod files;
mod finding;
mod history;
mod markers;
pub mod matrix;
mod metadata;
mod reads;
mod replay;
mod row_ids;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::{ConflictKind, RowTotals};

pub use contested::{Component, MergedComponent};
pub(crate) use demands::{RowRule, new_row_rules, row_rules};
pub use finding::Finding;
pub use history::{ChangedFiles, History, changed_files, same_live};
pub(crate) use reads::{Read, Reads, reads};
pub use replay::{PlannedCommit, WantedObject};
pub use schema::{ColumnChange, changes as schema_changes};

use crate::snapshot::{LiveFiles, Snapshot};
use history::{Since, since};
use metadata::{Take, Touch};

/// What a plan is made from.
#[derive(Clone)]
pub struct PlanInput<'a> {
    /// The table in the merge base.
    pub base: &'a Snapshot,
    /// The table on the destination branch.
    pub ours: &'a Snapshot,
    /// The table on the source branch.
    pub theirs: &'a Snapshot,
    /// Ours' commits that may be new since the base.
    pub ours_history: History,
    /// Theirs' commits that may be new since the base.
    pub theirs_history: History,
    /// Whether to refuse when theirs' commits are gone from its log, instead of squashing them.
    pub refuse_cleaned: bool,
    /// When the merge happens, in milliseconds since the Unix epoch.
    pub merge_time_ms: i64,
    /// Where new ids come from.
    pub seed: [u8; 32],
    /// How the source is called.
    pub source: &'a str,
    /// Files that hold rows of one key although no side changed the other's: their rows are merged as well.
    pub shared: Option<&'a BTreeSet<Arc<str>>>,
    /// Rows that were merged because an earlier plan asked for it: [`Planned::Rows`].
    pub merged: Option<&'a MergedComponent>,
}

/// What is to be appended to ours' log.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The versions, in order.
    pub commits: Vec<PlannedCommit>,
    /// The live files after them.
    pub live: LiveFiles,
    /// The objects that they name.
    pub wanted: BTreeSet<WantedObject>,
    /// The rows that came to ours, where they are known.
    pub rows: Option<RowTotals>,
    /// The files that came to ours.
    pub files_added: u64,
    /// The files that left ours.
    pub files_removed: u64,
    /// What was left out or squashed.
    pub notes: Vec<String>,
}

/// How planning ends.
#[derive(Clone, Debug)]
pub enum Planned {
    /// The merge can be done.
    Ready(Plan),
    /// It cannot be decided: all findings.
    Conflicts {
        /// What cannot be decided.
        findings: Vec<Finding>,
        /// What would have been left out or squashed.
        notes: Vec<String>,
        /// The files that are decided all the same, to be looked at for what else stands in the way.
        live: LiveFiles,
    },
    /// Both sides changed rows of the same files: these rows have to be merged before it can be planned.
    Rows(Box<RowsWanted>),
    /// The plan contradicts itself: a mistake of this merger.
    Broken(String),
}

/// What is to be merged row by row, and what else stands in the way.
#[derive(Clone, Debug)]
pub struct RowsWanted {
    /// The rows.
    pub component: Component,
    /// What else cannot be decided.
    pub findings: Vec<Finding>,
    /// The same files as findings, for tables whose rows cannot be merged.
    pub files: Vec<Finding>,
    /// What would have been left out or squashed.
    pub notes: Vec<String>,
    /// The files that are decided: those of the component are not among them.
    pub live: LiveFiles,
}

impl Planned {
    /// The live files as far as they are decided; none where nothing could be planned.
    pub(crate) fn live(&self) -> Option<&LiveFiles> {
        match self {
            Planned::Ready(plan) => Some(&plan.live),
            Planned::Conflicts { live, .. } => Some(live),
            Planned::Rows(wanted) => Some(&wanted.live),
            Planned::Broken(_) => None,
        }
    }

    /// What would be left out or squashed.
    pub(crate) fn into_notes(self) -> Vec<String> {
        match self {
            Planned::Ready(Plan { notes, .. }) | Planned::Conflicts { notes, .. } => notes,
            Planned::Rows(wanted) => wanted.notes,
            Planned::Broken(_) => Vec::new(),
        }
    }

    /// The files of either side whose rows are undecided.
    pub(crate) fn undecided(&self) -> BTreeSet<Arc<str>> {
        let Planned::Rows(wanted) = self else { return BTreeSet::new() };
        let component = &wanted.component;
        component.ours.iter().chain(&component.theirs).map(|add| add.key.clone()).collect()
    }

    /// The plan where rows cannot be merged: files that both sides changed are conflicts.
    pub fn without_rows(self) -> Planned {
        match self {
            Planned::Rows(wanted) => {
                let RowsWanted { mut findings, files, notes, live, .. } = *wanted;
                findings.extend(files);
                Planned::Conflicts { findings, notes, live }
            }
            other => other,
        }
    }
}

/// Plans the merge of theirs into ours.
pub fn plan(input: PlanInput<'_>) -> Planned {
    let (base, ours, theirs) = (input.base, input.ours, input.theirs);
    let mut findings: Vec<Finding> = features::unknown("ours", ours);
    findings.extend(features::unknown("theirs", theirs));
    if !findings.is_empty() {
        return Planned::Conflicts { findings, notes: Vec::new(), live: LiveFiles::new() };
    }
    let metadata = metadata::merge_metadata(base, ours, theirs, &mut findings);
    if base.metadata.id != ours.metadata.id || base.metadata.id != theirs.metadata.id {
        return Planned::Conflicts { findings, notes: Vec::new(), live: LiveFiles::new() };
    }
    let protocol = features::merge_protocol(base, ours, theirs, &mut findings);
    let ours_since = since(base, ours, input.ours_history);
    let theirs_since = since(base, theirs, input.theirs_history);
    let (our_commits, their_commits) = (ours_since.commits(), theirs_since.commits());
    let mut files = files::plan_files(&base.files, &ours.files, our_commits, their_commits, input.merged);
    if input.merged.is_none() {
        files.contested.extend(input.shared.into_iter().flatten().cloned());
    }
    if let Some(merged) = input.merged {
        match contested::row_commit(merged, their_commits, ours) {
            Ok(commit) => {
                let first = merged.versions.first().copied().unwrap_or_default();
                let place = contested::place_of_row_commit(&commit, first, &files.commits);
                files.commits.insert(place, Arc::new(commit));
            }
            Err(message) => return Planned::Broken(message),
        }
        if let Some(key) = files.contested.first() {
            return Planned::Broken(format!("{key:?} is still contested after its rows were merged"));
        }
    }
    let mut notes = files.notes;
    findings.extend(files.findings);
    findings.extend(check_squash(ours, &theirs_since, input.refuse_cleaned, &mut notes));

    let our_touch = Touch::of(our_commits);
    // Before the rows are merged, all commits count that the merge would bring.
    let their_touch =
        if files.contested.is_empty() { Touch::of(&files.commits) } else { Touch::of(their_commits) };
    findings.extend(metadata::check_demands("ours", &base.metadata, &ours.metadata, their_touch));
    findings.extend(metadata::check_demands("theirs", &base.metadata, &theirs.metadata, our_touch));
    findings.extend(metadata::check_identity(base, our_touch, their_touch));
    let txns = markers::merge_txns(base, ours, theirs, theirs_since.commits(), &mut findings);
    let domains = markers::merge_domains(base, ours, theirs, our_touch, their_touch, &mut findings);

    if !files.contested.is_empty() {
        let sides = [&base.files, &ours.files, &theirs.files];
        let component = contested::component(&files.contested, sides, our_commits, their_commits);
        let mut live = files.live;
        for add in [&component.base, &component.ours, &component.theirs].into_iter().flatten() {
            live.remove(&add.key);
        }
        let files = files.contested_findings;
        return Planned::Rows(Box::new(RowsWanted { component, findings, files, notes, live }));
    }
    let rules = replay::ReplayRules {
        base,
        ours,
        protocol: &protocol,
        metadata: &metadata,
        txns: &txns,
        domains: &domains,
        merge_time_ms: input.merge_time_ms,
        seed: input.seed,
        source: input.source,
    };
    let replayed = replay::replay(&rules, &files.commits);
    if let Ok(replayed) = &replayed {
        findings.extend(replayed.findings.iter().cloned());
    }
    if !findings.is_empty() {
        return Planned::Conflicts { findings, notes, live: files.live };
    }
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(message) => return Planned::Broken(message),
    };
    if !same_live(&replayed.live, &files.live) {
        return Planned::Broken("the replayed commits do not give the planned files".into());
    }
    let mut commits = replayed.commits;
    let mut wanted = replayed.wanted;
    if let Some(merged) = input.merged {
        // These are new: no side has them.
        let new: BTreeSet<&str> = merged.added.iter().map(|add| &*add.key).collect();
        wanted.retain(|object| !new.contains(object.path.as_str()));
    }
    // A joined description belongs to a commit of theirs; only one that was left out can have carried it.
    let lost = matches!(&metadata, Take::Merged(_) if !mentions(&commits, "metaData"))
        || matches!(&protocol, Take::Merged(_) if !mentions(&commits, "protocol"));
    if lost {
        return Planned::Broken("no replayed commit carries the joined description of the table".into());
    }
    let changed = changed_files(&ours.files, &replayed.live);
    let added = changed.values().filter_map(|(_, after)| after.as_ref());
    let rows = if files.appends_only && input.merged.is_none() {
        added.clone().map(|add| add.live_rows()).sum::<Option<u64>>()
    } else {
        None
    };
    commits.shrink_to_fit();
    Planned::Ready(Plan {
        commits,
        wanted,
        rows: rows.map(|added| RowTotals { added, ..RowTotals::default() }),
        files_added: added.count() as u64,
        files_removed: changed.values().filter(|(before, _)| before.is_some()).count() as u64,
        live: replayed.live,
        notes,
    })
}

fn mentions(commits: &[PlannedCommit], action: &str) -> bool {
    let start = format!("{{\"{action}\":");
    commits.iter().any(|commit| commit.lines.iter().any(|line| line.starts_with(&start)))
}

/// What squashing theirs' commits would lose.
fn check_squash(ours: &Snapshot, theirs: &Since, refuse: bool, notes: &mut Vec<String>) -> Option<Finding> {
    let Since::Net { commit, cleaned } = theirs else { return None };
    let changes_files = commit.adds().next().is_some() || commit.removes().next().is_some();
    if !changes_files {
        return None;
    }
    let needs_change_data =
        ours.metadata.is_on("delta.enableChangeDataFeed") && commit.removes().next().is_some();
    if *cleaned && (refuse || needs_change_data) {
        let why =
            if refuse { "and the options forbid to squash them" } else { "and with them the change data" };
        let message = format!("theirs' commits since the base are gone from its log, {why}");
        return Some(Finding::table(ConflictKind::LogCleaned, "squash", message));
    }
    if needs_change_data {
        let message =
            "theirs' commits cannot be told from older ones, so that their change data cannot be replayed";
        return Some(Finding::table(ConflictKind::CdfMissing, "squash", message));
    }
    let why = if *cleaned { "are gone from its log" } else { "cannot be told from older ones" };
    notes.push(format!("theirs' commits since the base {why}; they become one commit"));
    None
}

/// Commits as a history that is complete and goes on where the base ends.
impl From<Vec<Arc<crate::action::Commit>>> for History {
    fn from(commits: Vec<Arc<crate::action::Commit>>) -> Self {
        History { commits: Some(commits), extends_base: true }
    }
}
