//! The state of a table at one version: what a log says after all its commits. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_merge::ConflictKind;

use crate::action::{Action, Add, Commit, Domain, Metadata, Protocol, Remove, Txn};
use crate::damage::Damage;
use crate::limits::LIVE_FILES_MAX;

/// The live files of a table, by key.
pub type LiveFiles = BTreeMap<Arc<str>, Arc<Add>>;

/// The state of a table. Complete in itself: no commit is needed to understand it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The version that it is the state of.
    pub version: u64,
    /// What readers and writers must know.
    pub protocol: Arc<Protocol>,
    /// Schema, partitioning and properties.
    pub metadata: Arc<Metadata>,
    /// The live files.
    pub files: LiveFiles,
    /// The files that were removed and that the log still lists.
    pub tombstones: BTreeMap<Arc<str>, Arc<Remove>>,
    /// How far streaming writers have come.
    pub txns: BTreeMap<String, Arc<Txn>>,
    /// The metadata domains; removed ones are absent.
    pub domains: BTreeMap<String, Arc<Domain>>,
    /// The in-commit timestamp of the last commit, where it has one.
    pub in_commit_ms: Option<i64>,
    /// When the object of the last commit was written.
    pub modified_ms: i64,
}

/// A state under construction: what a checkpoint or the first commits gave so far.
#[derive(Clone, Debug, Default)]
pub struct SnapshotBuilder {
    protocol: Option<Arc<Protocol>>,
    metadata: Option<Arc<Metadata>>,
    files: LiveFiles,
    tombstones: BTreeMap<Arc<str>, Arc<Remove>>,
    txns: BTreeMap<String, Arc<Txn>>,
    domains: BTreeMap<String, Arc<Domain>>,
    in_commit_ms: Option<i64>,
    modified_ms: i64,
}

/// The name of a commit's object, relative to the table root.
pub fn commit_path(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

impl SnapshotBuilder {
    /// A builder that goes on from a known state.
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        SnapshotBuilder {
            protocol: Some(snapshot.protocol.clone()),
            metadata: Some(snapshot.metadata.clone()),
            files: snapshot.files.clone(),
            tombstones: snapshot.tombstones.clone(),
            txns: snapshot.txns.clone(),
            domains: snapshot.domains.clone(),
            in_commit_ms: snapshot.in_commit_ms,
            modified_ms: snapshot.modified_ms,
        }
    }

    /// Takes one action of a checkpoint. The order of actions in a checkpoint means nothing.
    pub fn checkpoint_action(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Add(add) => {
                if let Some(other) = self.files.insert(add.key.clone(), add) {
                    return Err(format!("it lists {:?} twice as live", other.key));
                }
            }
            Action::Remove(remove) => {
                self.tombstones.insert(remove.key.clone(), remove);
            }
            Action::Protocol(protocol) => {
                if self.protocol.replace(protocol).is_some() {
                    return Err("it holds two protocols".into());
                }
            }
            Action::Metadata(metadata) => {
                if self.metadata.replace(metadata).is_some() {
                    return Err("it holds two metaData".into());
                }
            }
            Action::Txn(txn) => {
                self.txns.insert(txn.app_id.clone(), txn);
            }
            Action::Domain(domain) => {
                if !domain.removed {
                    self.domains.insert(domain.domain.clone(), domain);
                }
            }
            Action::CommitInfo(_) | Action::Cdc(_) | Action::Unknown { .. } => {}
        }
        Ok(())
    }

    /// Applies one commit, after checking what every commit must keep.
    pub fn apply(&mut self, commit: &Commit) -> Result<(), String> {
        check_once_each(commit)?;
        for remove in commit.removes() {
            let live = self.files.get(&remove.key);
            if live.is_some_and(|live| live.vector_id() == remove.vector_id()) {
                self.files.remove(&remove.key);
            }
            if !self.files.contains_key(&remove.key) {
                self.tombstones.insert(remove.key.clone(), remove.clone());
            }
        }
        for add in commit.adds() {
            if let Some(live) = self.files.get(&add.key)
                && !live.same_file(add)
            {
                return Err(format!(
                    "it adds {:?} with another deletion vector than the live one, which it does not remove",
                    add.key
                ));
            }
            self.tombstones.remove(&add.key);
            self.files.insert(add.key.clone(), add.clone());
        }
        self.apply_table_actions(commit);
        if self.files.len() > LIVE_FILES_MAX {
            return Err(format!("the table has more than {LIVE_FILES_MAX} files"));
        }
        Ok(())
    }

    fn apply_table_actions(&mut self, commit: &Commit) {
        for action in &commit.actions {
            match action {
                Action::Protocol(protocol) => self.protocol = Some(protocol.clone()),
                Action::Metadata(metadata) => self.metadata = Some(metadata.clone()),
                Action::Txn(txn) => {
                    self.txns.insert(txn.app_id.clone(), txn.clone());
                }
                Action::Domain(domain) if domain.removed => {
                    self.domains.remove(&domain.domain);
                }
                Action::Domain(domain) => {
                    self.domains.insert(domain.domain.clone(), domain.clone());
                }
                _ => {}
            }
        }
        self.in_commit_ms = commit.info().and_then(|info| info.read("inCommitTimestamp").ok().flatten());
        self.modified_ms = commit.modified_ms;
    }

    /// The state at `version`.
    pub fn build(self, version: u64) -> Result<Snapshot, Damage> {
        let missing = |what: &str| Damage::damaged("_delta_log", format!("the log holds no {what}"));
        Ok(Snapshot {
            version,
            protocol: self.protocol.ok_or_else(|| missing("protocol"))?,
            metadata: self.metadata.ok_or_else(|| missing("metaData"))?,
            files: self.files,
            tombstones: self.tombstones,
            txns: self.txns,
            domains: self.domains,
            in_commit_ms: self.in_commit_ms,
            modified_ms: self.modified_ms,
        })
    }
}

/// At most one of each: readers accept two of a kind silently and differ in what they make of them.
fn check_once_each(commit: &Commit) -> Result<(), String> {
    let (mut adds, mut removes) = (BTreeSet::new(), BTreeSet::new());
    let (mut txns, mut domains) = (BTreeSet::new(), BTreeSet::new());
    let (mut protocols, mut metadata, mut infos) = (0, 0, 0);
    for action in &commit.actions {
        let fresh = match action {
            Action::Add(add) => adds.insert(&add.key),
            Action::Remove(remove) => removes.insert(&remove.key),
            Action::Txn(txn) => txns.insert(&txn.app_id),
            Action::Domain(domain) => domains.insert(&domain.domain),
            Action::Protocol(_) => std::mem::replace(&mut protocols, 1) == 0,
            Action::Metadata(_) => std::mem::replace(&mut metadata, 1) == 0,
            Action::CommitInfo(_) => std::mem::replace(&mut infos, 1) == 0,
            Action::Unknown { name, .. } if name == "checkpointMetadata" || name == "sidecar" => false,
            Action::Cdc(_) | Action::Unknown { .. } => true,
        };
        if !fresh {
            return Err(match action {
                Action::Add(add) => format!("it adds {:?} twice", add.key),
                Action::Remove(remove) => format!("it removes {:?} twice", remove.key),
                Action::Txn(txn) => format!("it advances the transaction {:?} twice", txn.app_id),
                Action::Domain(domain) => format!("it sets the domain {:?} twice", domain.domain),
                Action::Unknown { name, .. } => format!("it holds an action {name:?} of a checkpoint"),
                _ => "it holds two protocols, two metaData or two commitInfo".into(),
            });
        }
    }
    for add in commit.adds() {
        let removed = commit.removes().find(|remove| remove.key == add.key);
        if removed.is_some_and(|remove| remove.vector_id() == add.vector_id()) {
            return Err(format!("it adds and removes {:?} with one deletion vector", add.key));
        }
    }
    Ok(())
}

impl Snapshot {
    /// The state after one more commit, which must be the next version.
    pub fn after(&self, commit: &Commit) -> Result<Snapshot, Damage> {
        let file = commit_path(commit.version);
        if self.version.checked_add(1) != Some(commit.version) {
            return Err(Damage::damaged(
                file,
                format!("version {} does not follow {}", commit.version, self.version),
            ));
        }
        let mut builder = SnapshotBuilder::from_snapshot(self);
        builder.apply(commit).map_err(|message| Damage::damaged(file, message))?;
        builder.build(commit.version)
    }

    /// Whether the log lists a file, live or as a tombstone.
    pub fn lists(&self, key: &str) -> bool {
        self.files.contains_key(key) || self.tombstones.contains_key(key)
    }

    /// The damage of a catalog-managed table, whose truth is not in its folder.
    pub fn catalog_managed(&self) -> Option<Damage> {
        let features = ["catalogManaged", "catalogOwned", "catalogOwned-preview"];
        let named = features.into_iter().find(|feature| self.protocol.names(feature))?;
        Some(Damage {
            kind: ConflictKind::CatalogManaged,
            file: "_delta_log".into(),
            message: format!("the table is managed by a catalog (feature {named})"),
        })
    }
}
