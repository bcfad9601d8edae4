//! Both traits in memory: for tests, and for repositories that end with the process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_types::Clock;
use async_trait::async_trait;

use crate::judge::{self, RefRow, WRITE_ID_KEPT_MS, WRITE_IDS_KEPT};
use crate::range::{KeyRange, cut_page, overlay};
use crate::{
    ConditionalRow, Dropped, Edit, Fence, FenceMark, Operation, Page, Partition, RefUpdate, RefsBackend,
    RefsError, ScanRange, Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Version,
    Versioned, WriteId,
};

/// How many rows one call of `drop_chunk` drops.
const DROP_CHUNK: usize = 1000;

/// Keeps refs and staging in memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store. `clock` tells when write-ids may be forgotten.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryStore { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change is left half done: every decision precedes the first change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    version_last: u64,
    refs: BTreeMap<Partition, BTreeMap<String, RefRow>>,
    written: BTreeMap<Partition, WriteLog>,
    staging: BTreeMap<Token, BTreeMap<String, StagedValue>>,
}

/// The recent writes of a partition.
#[derive(Default)]
struct WriteLog {
    versions: BTreeMap<WriteId, Vec<Option<Version>>>,
    order: VecDeque<(i64, WriteId)>,
}

impl WriteLog {
    fn note(&mut self, now_ms: i64, write_id: WriteId, versions: Vec<Option<Version>>) {
        self.versions.insert(write_id, versions);
        self.order.push_back((now_ms, write_id));
        while self.order.len() > WRITE_IDS_KEPT
            && self.order.front().is_some_and(|(at_ms, _)| *at_ms < now_ms - WRITE_ID_KEPT_MS)
        {
            if let Some((_, forgotten)) = self.order.pop_front() {
                self.versions.remove(&forgotten);
            }
        }
    }
}

impl State {
    fn row(&self, partition: &Partition, key: &str) -> Option<&RefRow> {
        self.refs.get(partition)?.get(key)
    }

    fn mark(&self, fence: &Fence) -> Option<FenceMark> {
        self.row(&fence.partition, &fence.key)?.fence
    }

    fn version_next(&mut self) -> Version {
        self.version_last += 1;
        Version(self.version_last)
    }

    fn edit(&mut self, partition: &Partition, edit: &Edit) -> Option<Version> {
        match &edit.operation {
            Operation::Put { value, fence } => {
                let version = self.version_next();
                let versioned = Versioned { value: value.clone(), version };
                let row = RefRow { versioned, fence: *fence };
                self.refs.entry(partition.clone()).or_default().insert(edit.key.clone(), row);
                Some(version)
            }
            Operation::Delete => {
                self.refs.get_mut(partition)?.remove(&edit.key);
                None
            }
            Operation::Check => None,
        }
    }

    fn stage(&mut self, token: Token, row: &StagedRow) {
        self.staging.entry(token).or_default().insert(row.path.clone(), row.value.clone());
    }

    fn newest<'a>(&self, tokens: impl IntoIterator<Item = &'a Token>, path: &str) -> Option<&StagedValue> {
        tokens.into_iter().find_map(|token| self.staging.get(token)?.get(path))
    }
}

/// The rows of `map` in `range`, at most `limit`.
fn rows_in<'a, V>(
    map: &'a BTreeMap<String, V>,
    range: &'a KeyRange,
    limit: usize,
) -> impl Iterator<Item = (&'a String, &'a V)> {
    // The bounds are no strings, so the beginning is sought by the predicate; memory is for small data.
    map.iter()
        .skip_while(|(key, _)| key.as_bytes() < range.from.as_slice())
        .take_while(|(key, _)| key.as_bytes() < range.until.as_slice())
        .take(limit)
}

#[async_trait]
impl RefsBackend for MemoryStore {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        Ok(self.state().row(partition, key).map(|row| row.versioned.clone()))
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        let range = KeyRange::from(range);
        let state = self.state();
        let Some(map) = state.refs.get(partition) else {
            return Ok(Page { rows: Vec::new(), more: false });
        };
        let rows = rows_in(map, &range, limit.saturating_add(1));
        let (rows, more) =
            cut_page(rows.map(|(key, row)| (key.clone(), row.versioned.clone())).collect(), limit);
        Ok(Page { rows, more })
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        judge::check_edits(edits)?;
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        if let Some(versions) = state.written.get(partition).and_then(|log| log.versions.get(&write_id)) {
            return Ok(RefUpdate::Applied(versions.clone()));
        }
        if let Some(rejected) = judge::rejection(edits, |key| state.row(partition, key)) {
            return Ok(rejected);
        }
        let versions: Vec<_> = edits.iter().map(|edit| state.edit(partition, edit)).collect();
        state.written.entry(partition.clone()).or_default().note(now_ms, write_id, versions.clone());
        Ok(RefUpdate::Applied(versions))
    }
}

#[async_trait]
impl StagingStore for MemoryStore {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        judge::check_rows(rows)?;
        let mut state = self.state();
        if !judge::fence_holds(fence, state.mark(fence)) {
            return Ok(Staged::Moved);
        }
        for row in rows {
            state.stage(fence.token, row);
        }
        Ok(Staged::Done)
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        judge::check_rows(std::slice::from_ref(&row.row))?;
        let mut state = self.state();
        let staged = state.newest(std::iter::once(&fence.token).chain(&row.sealed), &row.row.path);
        if let Some(refused) = judge::refusal(fence, row, state.mark(fence), staged) {
            return Ok(refused);
        }
        let version = state.version_next();
        if let Some(record) = state.refs.get_mut(&fence.partition).and_then(|map| map.get_mut(&fence.key)) {
            record.versioned.version = version;
        }
        state.stage(fence.token, &row.row);
        Ok(Staged::Done)
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        Ok(self.state().newest(tokens, path).cloned())
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        let range = KeyRange::new(prefix, after);
        let state = self.state();
        let row =
            |(path, value): (&String, &StagedValue)| StagedRow { path: path.clone(), value: value.clone() };
        let areas = tokens.iter().filter_map(|token| state.staging.get(token));
        let pages = areas.map(|area| rows_in(area, &range, limit.saturating_add(1)).map(row).collect());
        Ok(overlay(pages.collect(), limit))
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        let mut state = self.state();
        let Some(area) = state.staging.get_mut(token) else { return Ok(Dropped::All) };
        for _ in 0..DROP_CHUNK {
            if area.pop_first().is_none() {
                break;
            }
        }
        if area.is_empty() {
            state.staging.remove(token);
            return Ok(Dropped::All);
        }
        Ok(Dropped::More)
    }
}
