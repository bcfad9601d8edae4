//! The linter: what every log that we produce must keep. No reader protects a table from a log that breaks these
//! rules; most of them return wrong rows without an error.

use std::collections::BTreeSet;

use crate::action::{Action, Add, Commit};
use crate::plan::{PlannedCommit, same_live};
use crate::snapshot::{LiveFiles, Snapshot};

/// Reads the appended versions from their text, applies them to ours and checks each rule. Gives the merged state, or
/// the rules that are broken.
pub fn lint(
    ours: &Snapshot,
    commits: &[PlannedCommit],
    expected: &LiveFiles,
) -> Result<Snapshot, Vec<String>> {
    let mut state = ours.clone();
    let mut broken = Vec::new();
    for planned in commits {
        let commit = match Commit::parse(planned.version, planned.modified_ms, planned.text().as_bytes()) {
            Ok(commit) => commit,
            Err(message) => return Err(vec![format!("version {}: {message}", planned.version)]),
        };
        let mut rules = Rules { state: &state, commit: &commit, broken: Vec::new() };
        rules.check();
        broken.append(&mut rules.broken);
        state = match state.after(&commit) {
            Ok(state) => state,
            Err(damage) => {
                broken.push(format!("version {}: {}", planned.version, damage.message));
                return Err(broken);
            }
        };
    }
    if !same_live(&state.files, expected) {
        broken.push("the live files are not the planned ones".into());
    }
    broken.extend(row_id_overlaps(&state));
    if broken.is_empty() { Ok(state) } else { Err(broken) }
}

struct Rules<'a> {
    state: &'a Snapshot,
    commit: &'a Commit,
    broken: Vec<String>,
}

impl Rules<'_> {
    fn check(&mut self) {
        self.info_comes_first();
        self.removes_hit_live_files();
        self.adds_bring_something_new();
        self.time_moves_on();
        self.description_is_whole();
        for add in self.commit.adds() {
            self.file_is_described(add);
        }
    }

    fn says(&mut self, message: String) {
        self.broken.push(format!("version {}: {message}", self.commit.version));
    }

    fn info_comes_first(&mut self) {
        if !matches!(self.commit.actions.first(), Some(Action::CommitInfo(_))) {
            self.says("commitInfo is not the first action".into());
        }
    }

    fn removes_hit_live_files(&mut self) {
        for remove in self.commit.removes() {
            let live = self.state.files.get(&remove.key);
            if live.is_none_or(|live| live.vector_id() != remove.vector_id()) {
                self.says(format!("it removes {:?}, which is not live in this form", remove.key));
            }
        }
    }

    fn adds_bring_something_new(&mut self) {
        for add in self.commit.adds() {
            let Some(live) = self.state.files.get(&add.key) else { continue };
            let described_anew = live.same_file(add) && !add.data_change && live.body != add.body;
            let replaced = self.commit.removes().any(|remove| remove.key == add.key);
            if !described_anew && !replaced {
                self.says(format!("it adds {:?}, which is live already", add.key));
            }
        }
    }

    fn time_moves_on(&mut self) {
        if self.commit.modified_ms <= self.state.modified_ms {
            self.says("its object is not newer than the one before".into());
        }
        if self.state.metadata.is_on("delta.enableInCommitTimestamps") {
            let info = self.commit.info();
            let stamp: Option<i64> = info.and_then(|info| info.read("inCommitTimestamp").ok().flatten());
            let first = info.and_then(|info| info.fields().next().map(|(name, _)| name.to_owned()));
            if stamp.is_none_or(|stamp| self.state.in_commit_ms.is_some_and(|last| stamp <= last)) {
                self.says("its in-commit timestamp does not increase".into());
            }
            if first.as_deref() != Some("inCommitTimestamp") {
                self.says("the in-commit timestamp is not its first field".into());
            }
        }
    }

    fn description_is_whole(&mut self) {
        for action in &self.commit.actions {
            let Action::Metadata(metadata) = action else { continue };
            if metadata.id != self.state.metadata.id {
                self.says("it changes the table's id".into());
            }
            let mut names = BTreeSet::new();
            let fields = metadata.schema.get("fields").and_then(|fields| fields.as_array());
            for field in fields.into_iter().flatten() {
                let name = field.get("name").and_then(|name| name.as_str()).unwrap_or_default();
                if !names.insert(name.to_lowercase()) {
                    self.says(format!("its schema has two columns {name:?}"));
                }
            }
        }
    }

    fn file_is_described(&mut self, add: &Add) {
        if let Some(vector) = &add.vector {
            let protocol = self.commit.actions.iter().find_map(|action| match action {
                Action::Protocol(protocol) => Some(protocol),
                _ => None,
            });
            if !protocol.unwrap_or(&self.state.protocol).names("deletionVectors") {
                self.says(format!("{:?} has a deletion vector, and the protocol lacks the feature", add.key));
            }
            if add.stored_rows().is_some_and(|rows| vector.cardinality > rows) {
                self.says(format!("the deletion vector of {:?} deletes more rows than there are", add.key));
            }
        }
        let mapped = self.state.metadata.configuration.contains_key("delta.columnMapping.mode");
        let columns: BTreeSet<&String> = self.state.metadata.partition_columns.iter().collect();
        let named = add.partition();
        if !mapped && named.as_ref().is_some_and(|named| named.keys().collect::<BTreeSet<_>>() != columns) {
            self.says(format!("{:?} does not name the partition columns", add.key));
        }
        if tracks_rows(self.state) && base_row_id(add).is_none() {
            self.says(format!("{:?} has no row ids", add.key));
        }
    }
}

fn tracks_rows(state: &Snapshot) -> bool {
    state.metadata.is_on("delta.enableRowTracking") && !state.metadata.is_on("delta.rowTrackingSuspended")
}

fn base_row_id(add: &Add) -> Option<i64> {
    add.object().ok()?.read("baseRowId").ok()?
}

/// Live files whose ranges of row ids overlap.
fn row_id_overlaps(state: &Snapshot) -> Option<String> {
    if !tracks_rows(state) {
        return None;
    }
    let range = |add: &Add| Some((base_row_id(add)?, add.stored_rows()?));
    let mut ranges: Vec<(i64, i64)> = state.files.values().filter_map(|add| range(add)).collect();
    ranges.sort_unstable();
    let mut end = i64::MIN;
    for (start, rows) in ranges {
        if start < end {
            return Some(format!("two live files hold the row id {start}"));
        }
        end = start.saturating_add(rows);
    }
    None
}
