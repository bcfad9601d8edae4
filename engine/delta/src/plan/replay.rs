//! Theirs' commits, renumbered and rewritten so that they follow ours' log.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::ConflictKind;
use serde_json::json;

use super::finding::Finding;
use super::metadata::Take;
use super::row_ids::RowIds;
use crate::action::{
    Action, Add, Commit, DataPath, DeletionVector, Metadata, Protocol, RawObject, Remove, VectorStorage, line,
};
use crate::snapshot::{LiveFiles, Snapshot};

/// One version that is appended to ours' log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedCommit {
    /// Its version.
    pub version: u64,
    /// The time of its object: increasing, because tables without in-commit timestamps travel in time by it.
    pub modified_ms: i64,
    /// Its actions, one JSON object a line.
    pub lines: Vec<String>,
}

impl PlannedCommit {
    /// The body of the commit's object.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }
}

/// An object of theirs that a replayed commit names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WantedObject {
    /// Where it lies, relative to the table root.
    pub path: String,
    /// Whether the merged table needs it to be read; others only serve time travel and change feeds.
    pub required: bool,
}

/// What decides how commits are rewritten.
pub(crate) struct ReplayRules<'a> {
    /// The base.
    pub base: &'a Snapshot,
    /// Ours.
    pub ours: &'a Snapshot,
    /// What becomes of protocol actions.
    pub protocol: &'a Take<Protocol>,
    /// What becomes of metadata actions.
    pub metadata: &'a Take<Metadata>,
    /// The streaming applications whose progress is replayed.
    pub txns: &'a BTreeSet<String>,
    /// The metadata domains that are replayed.
    pub domains: &'a BTreeSet<String>,
    /// When the merge happens.
    pub merge_time_ms: i64,
    /// Where new ids come from.
    pub seed: [u8; 32],
    /// How the source is called.
    pub source: &'a str,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The versions to append.
    pub commits: Vec<PlannedCommit>,
    /// The live files after them.
    pub live: LiveFiles,
    /// The objects that they name.
    pub wanted: BTreeSet<WantedObject>,
    /// What cannot be replayed.
    pub findings: Vec<Finding>,
}

/// Replays commits on ours. An `Err` is a plan that contradicts itself.
pub(crate) fn replay(rules: &ReplayRules<'_>, commits: &[Arc<Commit>]) -> Result<Replayed, String> {
    let mut state = State {
        rules,
        live: rules.ours.files.clone(),
        protocol_written: false,
        metadata_written: false,
        row_ids: RowIds::of(rules.ours),
        last_commit_ms: rules.ours.modified_ms,
        last_in_commit_ms: rules.ours.in_commit_ms.unwrap_or(rules.ours.modified_ms),
        out: Replayed::default(),
    };
    for commit in commits {
        state.commit(commit)?;
    }
    let mut out = state.out;
    out.live = state.live;
    out.wanted = out
        .wanted
        .into_iter()
        .map(|wanted| WantedObject {
            required: wanted.required && is_needed(&out.live, &wanted.path),
            ..wanted
        })
        .collect();
    Ok(out)
}

/// Whether a live file is this object, or hides rows by it.
fn is_needed(live: &LiveFiles, path: &str) -> bool {
    live.contains_key(path)
        || (path.ends_with(".bin")
            && live.values().any(|add| {
                matches!(&add.vector, Some(DeletionVector { storage: VectorStorage::Object(object), .. }) if object == path)
            }))
}

struct State<'a> {
    rules: &'a ReplayRules<'a>,
    live: LiveFiles,
    protocol_written: bool,
    metadata_written: bool,
    row_ids: Option<RowIds>,
    last_commit_ms: i64,
    last_in_commit_ms: i64,
    out: Replayed,
}

/// The effects of one commit while it is rewritten.
#[derive(Default)]
struct Effects {
    lines: Vec<String>,
    removed: Vec<Arc<str>>,
    added: Vec<Arc<Add>>,
    skipped_files: bool,
    has_cdc: bool,
    effective: bool,
}

impl State<'_> {
    fn version(&self) -> u64 {
        self.rules.ours.version + 1 + self.out.commits.len() as u64
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), String> {
        let mut effects = Effects::default();
        for action in &commit.actions {
            self.action(commit, action, &mut effects)?;
        }
        if !effects.effective {
            return Ok(());
        }
        if effects.has_cdc && effects.skipped_files {
            let message = format!(
                "part of theirs' version {} is on ours already, so that its change data would tell it twice",
                commit.version
            );
            self.out
                .findings
                .push(Finding::table(ConflictKind::CdfMissing, "cdc", message).key(json!(commit.version)));
        }
        for key in &effects.removed {
            self.live.remove(key);
        }
        for add in effects.added {
            self.live.insert(add.key.clone(), add);
        }
        let version = self.version();
        self.last_commit_ms = self.rules.merge_time_ms.max(self.last_commit_ms.saturating_add(1));
        let mut lines = vec![line("commitInfo", &self.commit_info(commit, version)?.to_text())];
        if let Some(domain) = self.row_ids.as_mut().and_then(RowIds::take_domain) {
            lines.push(line("domainMetadata", &domain));
        }
        lines.extend(effects.lines);
        self.out.commits.push(PlannedCommit { version, modified_ms: self.last_commit_ms, lines });
        Ok(())
    }

    fn action(&mut self, commit: &Commit, action: &Action, effects: &mut Effects) -> Result<(), String> {
        match action {
            Action::CommitInfo(_) => {}
            Action::Protocol(_) => {
                let written = std::mem::replace(&mut self.protocol_written, true);
                let joined = match self.rules.protocol {
                    Take::Merged(joined) if !written => Some(Action::Protocol(joined.clone())),
                    Take::Verbatim => Some(action.clone()),
                    _ => None,
                };
                effects.push_some(joined);
            }
            Action::Metadata(_) => {
                let written = std::mem::replace(&mut self.metadata_written, true);
                let joined = match self.rules.metadata {
                    Take::Merged(joined) if !written => Some(Action::Metadata(joined.clone())),
                    Take::Verbatim => Some(action.clone()),
                    _ => None,
                };
                effects.push_some(joined);
            }
            Action::Txn(txn) => {
                effects.push_some(self.rules.txns.contains(&txn.app_id).then(|| action.clone()));
            }
            Action::Domain(domain) => {
                effects.push_some(self.rules.domains.contains(&domain.domain).then(|| action.clone()));
            }
            Action::Remove(remove) => self.remove(remove, effects)?,
            Action::Add(add) => self.add(commit, add, effects)?,
            Action::Cdc(cdc) => {
                effects.has_cdc = true;
                effects.lines.push(action.to_line());
                self.want(&cdc.path, false);
            }
            Action::Unknown { .. } => effects.push_some(Some(action.clone())),
        }
        Ok(())
    }

    /// A removal is written anew from ours' live file: a removal that names another form of it does nothing.
    fn remove(&mut self, remove: &Remove, effects: &mut Effects) -> Result<(), String> {
        let live = self.live.get(&remove.key).filter(|live| live.vector_id() == remove.vector_id());
        let Some(live) = live else {
            effects.skipped_files = true;
            return Ok(());
        };
        let body = Remove::of_live(live, Some(&remove.body), self.rules.merge_time_ms, remove.data_change)?;
        effects.lines.push(line("remove", &body));
        effects.removed.push(remove.key.clone());
        effects.effective = true;
        Ok(())
    }

    fn add(&mut self, commit: &Commit, add: &Arc<Add>, effects: &mut Effects) -> Result<(), String> {
        let current = self.live.get(&add.key).cloned();
        if let Some(current) = &current {
            if current.same_file(add) {
                if self.is_new_description(current, add) {
                    effects.lines.push(line("add", &add.body));
                    effects.added.push(add.clone());
                    effects.effective = true;
                } else {
                    effects.skipped_files = true;
                }
                return Ok(());
            }
            if !commit
                .removes()
                .any(|remove| remove.key == add.key && remove.vector_id() == current.vector_id())
            {
                return Err(format!("{:?} would be live twice", add.key));
            }
        }
        self.want(&add.path, true);
        match add.vector.as_ref().map(|vector| &vector.storage) {
            Some(VectorStorage::Object(object)) => {
                self.out.wanted.insert(WantedObject { path: object.clone(), required: true });
            }
            Some(VectorStorage::Absolute(path)) => self.refuse_absolute(path),
            Some(VectorStorage::Inline) | None => {}
        }
        let version = self.version();
        let copies_rows = commit.removes().any(|remove| remove.key != add.key);
        let body = match self.row_ids.as_mut() {
            None => add.body.to_string(),
            Some(row_ids) => match row_ids.assign(add, current.as_deref(), version, copies_rows)? {
                Ok(body) => body,
                Err(finding) => {
                    self.out.findings.push(finding);
                    add.body.to_string()
                }
            },
        };
        effects.added.push(Arc::new(Add { body: body.as_str().into(), ..Add::clone(add) }));
        effects.lines.push(line("add", &body));
        effects.effective = true;
        Ok(())
    }

    /// Whether theirs only described a file anew (its statistics, its tags), and ours did not.
    fn is_new_description(&self, current: &Add, add: &Add) -> bool {
        let base = self.rules.base.files.get(&add.key);
        !add.data_change && current.body != add.body && base.is_some_and(|base| base.body == current.body)
    }

    fn want(&mut self, path: &DataPath, required: bool) {
        match path {
            DataPath::Relative(path) => {
                self.out.wanted.insert(WantedObject { path: path.clone(), required });
            }
            DataPath::Absolute(path) => self.refuse_absolute(&path.clone()),
        }
    }

    fn refuse_absolute(&mut self, path: &str) {
        let message = "theirs names a file by an absolute path, which may lead into another branch";
        let finding = Finding::table(ConflictKind::AbsolutePathIntoBranch, "absolute-path", message);
        self.out.findings.push(finding.key(json!(path)));
    }

    /// Who wrote the commit, with its new place in ours' log and where it comes from.
    fn commit_info(&mut self, commit: &Commit, version: u64) -> Result<RawObject, String> {
        let mut info = commit.info().cloned().unwrap_or_default();
        let written: Option<i64> = info.read("timestamp").ok().flatten();
        info.set("timestamp", &self.last_commit_ms)?;
        if info.get("operation").is_none() {
            info.set("operation", &"MERGE BRANCH")?;
        }
        info.set("readVersion", &(version.saturating_sub(1)))?;
        if commit.removes().next().is_some() && info.get("isBlindAppend").is_some() {
            info.set("isBlindAppend", &false)?;
        }
        if info.get("txnId").is_some() {
            info.set("txnId", &self.uuid(version))?;
        }
        if self.rules.ours.metadata.is_on("delta.enableInCommitTimestamps") {
            let now = self.rules.merge_time_ms.max(self.last_in_commit_ms.saturating_add(1));
            self.last_in_commit_ms = now;
            info.set("timestamp", &now)?;
            info.set_first("inCommitTimestamp", &now)?;
        } else {
            info.remove("inCommitTimestamp");
        }
        let origin = json!({"source": self.rules.source, "version": commit.version, "timestamp": written});
        info.set("anabranch.merge", &origin)?;
        Ok(info)
    }

    /// A random-looking id that is the same in every run of the same merge.
    fn uuid(&self, version: u64) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.rules.seed);
        hasher.update(b"txnId");
        hasher.update(&version.to_le_bytes());
        let hex = hasher.finalize().to_hex();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
    }
}

impl Effects {
    fn push_some(&mut self, action: Option<Action>) {
        if let Some(action) = action {
            self.lines.push(action.to_line());
            self.effective = true;
        }
    }
}
