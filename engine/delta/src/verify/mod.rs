//! Verification by an implementation that is not ours: the `deltalake` crate opens the table that will be published, and
//! its live files and schema must be the planned ones. Each live file must have its object there.
//!
//! Ours' table is opened once and kept, found by the content of its log; a merge then only reads the versions that
//! it appends.

mod staged;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_merge::{MergeEdit, UnitView};
use deltalake::kernel::{DeletionVectorDescriptor, StructType};
use deltalake::logstore::{StorageConfig, default_logstore};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableConfig, DeltaTableError};
use tokio::sync::Semaphore;

use crate::read::{Log, LogKey, ReadError, log_key};
use crate::snapshot::{Snapshot, commit_path};
use staged::StagedUnit;
use store::{StagedStore, staged_store};

/// How many opened tables are kept.
const OPENED_MAX: usize = 16;

/// How many tables are opened at once. Each holds threads that wait for reads, and reads need threads of the same kind.
const OPENING_MAX: usize = 64;

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

/// Opened tables, each with the tick of its last use.
#[derive(Default)]
struct Kept {
    tables: HashMap<LogKey, (u64, DeltaTableState)>,
    tick: u64,
}

/// Keeps opened tables.
pub(crate) struct Verifier {
    kept: Mutex<Kept>,
    opening: Semaphore,
}

impl Default for Verifier {
    fn default() -> Self {
        Verifier { kept: Mutex::default(), opening: Semaphore::new(OPENING_MAX) }
    }
}

impl Verifier {
    /// Opens the table as it will be with `edits` laid over ours, and compares what is seen with the plan.
    pub(crate) async fn verify(
        &self,
        view: &dyn UnitView,
        ours: &Log,
        edits: &[MergeEdit],
        merged: &Snapshot,
    ) -> Result<Verdict, ReadError> {
        let unit = StagedUnit::new(view, &ours.listing, edits);
        if let Some(lacking) = unit.lacking(merged).await? {
            return Ok(Verdict::Disagrees(lacking));
        }
        let before = match self.get(&ours.key) {
            Some(before) => before,
            None => match self.open(&unit, None, ours.snapshot.version).await? {
                Ok(before) => {
                    self.put(ours.key, before.clone());
                    before
                }
                Err(message) => {
                    let message = format!("deltalake cannot open the destination: {message}");
                    return Ok(Verdict::CannotJudge(message));
                }
            },
        };
        let after = match self.open(&unit, Some(before), merged.version).await? {
            Ok(after) => after,
            Err(message) => return Ok(judge_error(message)),
        };
        if let Some(difference) = difference(&after, merged) {
            return Ok(Verdict::Disagrees(difference));
        }
        // Under this name the next merge into the same branch finds it.
        let mut listing = ours.listing.clone();
        for version in ours.snapshot.version.saturating_add(1)..=merged.version {
            let Some(entry) = unit.edited(&commit_path(version)) else {
                return Ok(Verdict::Disagrees(format!("version {version} is no object of this merge")));
            };
            listing.commits.insert(version, entry.clone());
        }
        let key = log_key(&listing)?;
        self.put(key, after);
        Ok(Verdict::Agrees(key))
    }

    /// Opens the table, or brings an opened one up to `version`. The inner error is deltalake's.
    async fn open(
        &self,
        unit: &StagedUnit<'_>,
        state: Option<DeltaTableState>,
        version: u64,
    ) -> Result<Result<DeltaTableState, String>, ReadError> {
        let _permit = self.opening.acquire().await;
        let (store, questions) = staged_store();
        questions.answer(unit, open(store, state, version)).await
    }

    fn get(&self, key: &LogKey) -> Option<DeltaTableState> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let (used, table) = kept.tables.get_mut(key)?;
        *used = tick;
        Some(table.clone())
    }

    fn put(&self, key: LogKey, table: DeltaTableState) {
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

/// Opens the table, or brings an opened one up to `version`. On a task of its own: a panic of the other
/// implementation is its inability to judge, not our end.
async fn open(
    store: StagedStore,
    state: Option<DeltaTableState>,
    version: u64,
) -> Result<DeltaTableState, String> {
    let opening = tokio::spawn(async move {
        let location = url::Url::parse("memory:///").map_err(|error| error.to_string())?;
        let store = Arc::new(store);
        let log_store = default_logstore(store.clone(), store, &location, &StorageConfig::default());
        // Statistics are read as well: without them this release cannot bring an opened table up to date.
        let mut table = DeltaTable::new(log_store, DeltaTableConfig::default());
        table.state = state;
        table.update_incremental(Some(version)).await.map_err(|error| first_line(&error))?;
        table.state.ok_or_else(|| "it opened no table".to_owned())
    });
    opening.await.unwrap_or_else(|_| Err("not supported: it stopped while it opened the table".into()))
}

/// What deltalake says, without the backtrace that it may append.
fn first_line(error: &DeltaTableError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests;
