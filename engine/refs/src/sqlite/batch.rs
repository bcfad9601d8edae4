//! A batch of writes, decided in memory: the rows that it touches are loaded, each request is judged on them in
//! turn, and what changed is written. A rejected request leaves no trace in the rows that the next one sees.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{of_record, of_staged};
use crate::judge::{self, RefRow};
use crate::{
    ConditionalRow, Edit, Fence, FenceMark, Operation, Partition, RefUpdate, RefsError, Staged, StagedRow,
    StagedValue, Token, Version, Versioned, WriteId,
};

pub(super) type RecordKey = (Partition, String);
pub(super) type WriteKey = (Partition, WriteId);
pub(super) type StagedKey = (Token, String);

/// What the database holds for a key: nothing, a value, or something that cannot be read. The latter fails only
/// those requests that need it.
pub(super) type Loaded<T> = Result<Option<T>, String>;

/// The rows that a batch reads and changes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) counter: u64,
    pub(super) records: BTreeMap<RecordKey, Loaded<RefRow>>,
    pub(super) written: BTreeMap<WriteKey, Loaded<Vec<Option<Version>>>>,
    pub(super) staged: BTreeMap<StagedKey, Loaded<StagedValue>>,
    pub(super) changes: Changes,
}

/// What is to be written. The values are in the maps of the batch.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) records: BTreeSet<RecordKey>,
    pub(super) written: Vec<(u64, WriteKey)>,
    pub(super) staged: BTreeSet<StagedKey>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.written.is_empty() && self.staged.is_empty()
    }
}

impl Batch {
    /// Makes known that an `apply` is coming: its rows are to be loaded.
    pub(super) fn want_apply(&mut self, partition: &Partition, edits: &[Edit], write_id: WriteId) {
        self.written.insert((partition.clone(), write_id), Ok(None));
        for edit in edits {
            self.records.insert((partition.clone(), edit.key.clone()), Ok(None));
        }
    }

    /// Makes known that a staging write is coming.
    pub(super) fn want_fence(&mut self, fence: &Fence) {
        self.records.insert((fence.partition.clone(), fence.key.clone()), Ok(None));
    }

    /// Makes known that a conditional staging write is coming.
    pub(super) fn want_put_if(&mut self, fence: &Fence, row: &ConditionalRow) {
        self.want_fence(fence);
        for token in std::iter::once(&fence.token).chain(&row.sealed) {
            self.staged.insert((*token, row.row.path.clone()), Ok(None));
        }
    }

    /// Decides an `apply`.
    pub(super) fn apply(
        &mut self,
        store: &str,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        let damaged = |what| RefsError::Damaged { store: store.to_owned(), what };
        let write_key = (partition.clone(), write_id);
        match self.written.get(&write_key) {
            Some(Ok(Some(versions))) => return Ok(RefUpdate::Applied(versions.clone())),
            Some(Err(what)) => return Err(damaged(format!("write-id of {:?}: {what}", partition.0))),
            Some(Ok(None)) | None => {}
        }
        let mut rows = BTreeMap::new();
        for edit in edits {
            rows.insert(edit.key.as_str(), self.record(partition, &edit.key).map_err(damaged)?);
        }
        if let Some(rejected) = judge::rejection(edits, |key| rows.get(key).copied().flatten()) {
            return Ok(rejected);
        }
        let versions: Vec<_> = edits.iter().map(|edit| self.edit(partition, edit)).collect();
        let sequence = self.count();
        self.written.insert(write_key.clone(), Ok(Some(versions.clone())));
        self.changes.written.push((sequence, write_key));
        Ok(RefUpdate::Applied(versions))
    }

    /// Decides an unconditional staging write.
    pub(super) fn put(
        &mut self,
        store: &str,
        fence: &Fence,
        rows: Vec<StagedRow>,
    ) -> Result<Staged, RefsError> {
        if !judge::fence_holds(fence, self.mark(store, fence)?) {
            return Ok(Staged::Moved);
        }
        for row in rows {
            self.stage(fence.token, row);
        }
        Ok(Staged::Done)
    }

    /// Decides a conditional staging write.
    pub(super) fn put_if(
        &mut self,
        store: &str,
        fence: &Fence,
        row: ConditionalRow,
    ) -> Result<Staged, RefsError> {
        let mark = self.mark(store, fence)?;
        let mut newest = None;
        for token in std::iter::once(&fence.token).chain(&row.sealed) {
            newest = match self.staged.get(&(*token, row.row.path.clone())) {
                Some(Ok(value)) => value.as_ref(),
                Some(Err(what)) => {
                    let what = of_staged(token, &row.row.path, what);
                    return Err(RefsError::Damaged { store: store.to_owned(), what });
                }
                None => None,
            };
            if newest.is_some() {
                break;
            }
        }
        if let Some(refused) = judge::refusal(fence, &row, mark, newest) {
            return Ok(refused);
        }
        let version = Version(self.count());
        let key = (fence.partition.clone(), fence.key.clone());
        if let Some(Ok(Some(record))) = self.records.get_mut(&key) {
            record.versioned.version = version;
            self.changes.records.insert(key);
        }
        self.stage(fence.token, row.row);
        Ok(Staged::Done)
    }

    fn record(&self, partition: &Partition, key: &str) -> Result<Option<&RefRow>, String> {
        match self.records.get(&(partition.clone(), key.to_owned())) {
            Some(Ok(row)) => Ok(row.as_ref()),
            Some(Err(what)) => Err(of_record(partition, key, what)),
            None => Ok(None),
        }
    }

    fn mark(&self, store: &str, fence: &Fence) -> Result<Option<FenceMark>, RefsError> {
        let row = self.record(&fence.partition, &fence.key);
        let row = row.map_err(|what| RefsError::Damaged { store: store.to_owned(), what })?;
        Ok(row.and_then(|row| row.fence))
    }

    /// One counter gives versions and the order of writes, so that no version is ever given twice.
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn edit(&mut self, partition: &Partition, edit: &Edit) -> Option<Version> {
        let key = (partition.clone(), edit.key.clone());
        let (row, version) = match &edit.operation {
            Operation::Put { value, fence } => {
                let version = Version(self.count());
                let versioned = Versioned { value: value.clone(), version };
                (Some(RefRow { versioned, fence: *fence }), Some(version))
            }
            Operation::Delete => (None, None),
            Operation::Check => return None,
        };
        self.records.insert(key.clone(), Ok(row));
        self.changes.records.insert(key);
        version
    }

    fn stage(&mut self, token: Token, row: StagedRow) {
        let key = (token, row.path);
        self.staged.insert(key.clone(), Ok(Some(row.value)));
        self.changes.staged.insert(key);
    }
}
