//! Verification by an implementation that is not ours: the `deltalake` crate opens the merged table, and its live
//! files and schema must be the planned ones.
//!
//! Ours' table is opened once and kept, found by the content of its log; a merge then only reads the versions that
//! it appends.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_merge::UnitView;
use anabranch_types::Entry;
use deltalake::kernel::{DeletionVectorDescriptor, StructType};
use deltalake::logstore::{StorageConfig, default_logstore};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableConfig, DeltaTableError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::limits::{CHECKPOINT_BYTES_MAX, COMMIT_BYTES_MAX};
use crate::plan::PlannedCommit;
use crate::read::{Log, LogKey, ReadError, log_key, read_object, start_of};
use crate::snapshot::{Snapshot, commit_path};

/// How many opened tables are kept.
const OPENED_MAX: usize = 16;

/// What the other implementation says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It sees the planned table; the key names the merged log.
    Agrees(LogKey),
    /// It sees another table.
    Disagrees(String),
    /// It cannot open the table as it was before the merge, or not with its new features.
    CannotJudge(String),
}

/// An opened table with the bytes of its log.
#[derive(Clone)]
struct Opened {
    state: DeltaTableState,
    log: Arc<InMemory>,
}

/// Opened tables, each with the tick of its last use.
#[derive(Default)]
struct Kept {
    tables: HashMap<LogKey, (u64, Opened)>,
    tick: u64,
}

/// Keeps opened tables.
#[derive(Default)]
pub(crate) struct Verifier {
    kept: Mutex<Kept>,
}

impl Verifier {
    /// Opens ours' log with the new commits on top and compares what is seen with the plan.
    ///
    /// `entries` are the written commits in order: with them the merged log has a name, under which it is kept for
    /// the next merge into the same branch.
    pub(crate) async fn verify(
        &self,
        view: &dyn UnitView,
        ours: &Log,
        commits: &[PlannedCommit],
        entries: &[Entry],
        merged: &Snapshot,
    ) -> Result<Verdict, ReadError> {
        let opened = match self.get(&ours.key) {
            Some(opened) => opened,
            None => {
                let log = read_bytes(view, ours).await?;
                let state = match open(log.clone(), None, ours.snapshot.version).await {
                    Ok(state) => state,
                    Err(message) => {
                        return Ok(Verdict::CannotJudge(format!(
                            "deltalake cannot open the destination: {message}"
                        )));
                    }
                };
                let opened = Opened { state, log };
                self.put(ours.key, opened.clone());
                opened
            }
        };
        let log = Arc::new(opened.log.fork());
        for commit in commits {
            put(&log, &commit_path(commit.version), commit.text().into()).await?;
        }
        let state = match open(log.clone(), Some(opened.state), merged.version).await {
            Ok(state) => state,
            Err(message) => return Ok(judge_error(message)),
        };
        if let Some(difference) = difference(&state, merged) {
            return Ok(Verdict::Disagrees(difference));
        }
        let mut listing = ours.listing.clone();
        listing.commits.extend(commits.iter().map(|commit| commit.version).zip(entries.iter().cloned()));
        let key = log_key(&listing)?;
        self.put(key, Opened { state, log });
        Ok(Verdict::Agrees(key))
    }

    fn get(&self, key: &LogKey) -> Option<Opened> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let (used, table) = kept.tables.get_mut(key)?;
        *used = tick;
        Some(table.clone())
    }

    fn put(&self, key: LogKey, table: Opened) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        kept.tables.insert(key, (tick, table));
        while kept.tables.len() > OPENED_MAX {
            let oldest = kept.tables.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            kept.tables.remove(&oldest);
        }
    }
}

/// An error on top of a table that could be opened: either a feature that the other implementation does not know,
/// or a log that is wrong.
fn judge_error(message: String) -> Verdict {
    let lower = message.to_lowercase();
    if lower.contains("unsupported") || lower.contains("not supported") || lower.contains("feature") {
        Verdict::CannotJudge(message)
    } else {
        Verdict::Disagrees(message)
    }
}

/// The bytes of ours' log: the checkpoint that it starts with, and the commits after it.
async fn read_bytes(view: &dyn UnitView, ours: &Log) -> Result<Arc<InMemory>, ReadError> {
    let log = Arc::new(InMemory::new());
    let start = start_of(&ours.listing, ours.snapshot.version)?;
    if let Some(checkpoint) = start.and_then(|version| ours.listing.checkpoints.get(&version)) {
        for (path, entry) in &checkpoint.parts {
            put(&log, path, read_object(view, path, entry, CHECKPOINT_BYTES_MAX).await?.into()).await?;
        }
    }
    for (version, entry) in ours.listing.commits.range(start.unwrap_or(0)..) {
        let path = commit_path(*version);
        put(&log, &path, read_object(view, &path, entry, COMMIT_BYTES_MAX).await?.into()).await?;
    }
    Ok(log)
}

async fn put(log: &InMemory, path: &str, body: PutPayload) -> Result<(), ReadError> {
    let written = log.put(&Path::from(path), body).await;
    written.map(|_| ()).map_err(|error| {
        ReadError::View(anabranch_merge::ViewError::Storage {
            path: path.to_owned(),
            side: "the verifier".into(),
            message: error.to_string(),
        })
    })
}

/// Opens the table, or brings an opened one up to `version`. On a task of its own: a panic of the other
/// implementation is its inability to judge, not our end.
async fn open(
    log: Arc<InMemory>,
    state: Option<DeltaTableState>,
    version: u64,
) -> Result<DeltaTableState, String> {
    let opening = tokio::spawn(async move {
        let location = url::Url::parse("memory:///").map_err(|error| error.to_string())?;
        let log_store = default_logstore(log.clone(), log, &location, &StorageConfig::default());
        // Statistics are read as well: without them this release cannot bring an opened table up to date.
        let mut table = DeltaTable::new(log_store, DeltaTableConfig::default());
        table.state = state;
        table.update_incremental(Some(version)).await.map_err(|error: DeltaTableError| error.to_string())?;
        table.state.ok_or_else(|| "it opened no table".to_owned())
    });
    opening.await.unwrap_or_else(|_| Err("not supported: it stopped while it opened the table".into()))
}

/// What differs between what deltalake sees and the plan; `None` when nothing does.
fn difference(state: &DeltaTableState, merged: &Snapshot) -> Option<String> {
    if state.version() != merged.version {
        return Some(format!("version {} instead of {}", state.version(), merged.version));
    }
    if state.metadata().id() != merged.metadata.id {
        return Some(format!("table id {:?} instead of {:?}", state.metadata().id(), merged.metadata.id));
    }
    let planned: Result<StructType, _> = serde_json::from_value(merged.metadata.schema.clone());
    match (planned, state.metadata().parse_schema()) {
        (Ok(planned), Ok(seen)) if planned == seen => {}
        (Ok(_), Ok(seen)) => return Some(format!("another schema: {seen:?}")),
        (Err(error), _) => return Some(format!("the planned schema does not parse: {error}")),
        (_, Err(error)) => return Some(format!("its schema does not parse: {error}")),
    }
    let mut seen: BTreeMap<String, (String, i64)> = BTreeMap::new();
    for file in state.log_data().iter() {
        let vector = file.deletion_vector_descriptor().map(|vector| vector_id(&vector)).unwrap_or_default();
        let path = file.path().into_owned();
        if seen.insert(path.clone(), (vector, file.size())).is_some() {
            return Some(format!("{path:?} is live twice"));
        }
    }
    for add in merged.files.values() {
        match seen.remove(add.key.as_ref()) {
            None => return Some(format!("{:?} is not live", add.key)),
            Some((vector, _)) if vector != add.vector_id() => {
                return Some(format!("{:?} has the deletion vector {vector:?}", add.key));
            }
            Some((_, size)) if size != add.size => return Some(format!("{:?} has {size} bytes", add.key)),
            Some(_) => {}
        }
    }
    seen.keys().next().map(|path| format!("{path:?} is live"))
}

fn vector_id(vector: &DeletionVectorDescriptor) -> String {
    let offset = vector.offset.map(|offset| format!("@{offset}")).unwrap_or_default();
    format!("{}{}{offset}", vector.storage_type.as_ref(), vector.path_or_inline_dv)
}
