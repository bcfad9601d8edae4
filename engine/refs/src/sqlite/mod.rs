//! Both traits over one SQLite file: the default of a single server.
//!
//! One thread owns the only writing connection. It takes whatever requests wait, judges each on its own, and
//! commits them together: one sync of the disk for all of them (`writer.rs`). Reads go through a pool of
//! connections and see every committed write (`readers.rs`). That only one process opens the file is the business
//! of whoever owns the folder.

mod batch;
mod readers;
mod rows;
mod schema;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anabranch_types::Clock;
use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::judge;
use crate::range::{KeyRange, cut_page, overlay};
use crate::{
    ConditionalRow, Dropped, Edit, Fence, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Versioned, WriteId,
};
use readers::Readers;
use writer::Request;

/// How many requests may wait for the writer before callers are held back.
const QUEUE_MAX: usize = 4096;
/// How many prepared statements a connection keeps: more than there are texts.
const STATEMENTS_KEPT: usize = 64;

/// Keeps refs and staging in one SQLite file, durable in WAL mode with full sync.
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    readers: Arc<Readers>,
    name: Arc<str>,
}

/// How connections to the file are made.
#[derive(Clone, Debug)]
struct Opener {
    path: PathBuf,
    /// The largest size of the file in pages, for tests of a full disk.
    pages_max: Option<u32>,
}

impl Opener {
    fn writer(&self) -> rusqlite::Result<Connection> {
        let connection = self.open()?;
        // In a long log a page that is written again and again is copied back once.
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        if let Some(pages) = self.pages_max {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(connection)
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = self.open()?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        // No mutex of SQLite's own: nothing here uses a connection from two threads at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        // Write-ids and paths fall on random pages: a small cache would read most of them again.
        connection.pragma_update(None, "cache_size", -65536)?;
        // The way back of a statement of many rows: needed only until it ends, so a file is wasted on it.
        connection.pragma_update(None, "temp_store", "memory")?;
        Ok(connection)
    }
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it. An older schema is migrated in one transaction; a newer one is
    /// [`RefsError::NewerSchema`]. `clock` tells when write-ids may be forgotten.
    ///
    /// Starts the thread that writes; it ends when the store is dropped or closed.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, RefsError> {
        Self::open_with(Opener { path: path.to_owned(), pages_max: None }, clock)
    }

    fn open_with(opener: Opener, clock: Arc<dyn Clock>) -> Result<Self, RefsError> {
        let name: Arc<str> = opener.path.display().to_string().into();
        let mut connection = opener.writer().map_err(|error| failed("opening", &name, error))?;
        schema::prepare(&mut connection, &name)?;
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let writer = writer::Writer::new(name.clone(), opener.clone(), connection, clock);
        std::thread::Builder::new().name("refs-writer".into()).spawn(move || writer.run(queue)).map_err(
            |error| RefsError::Failed {
                action: "starting the writer",
                store: name.to_string(),
                source: Box::new(error),
            },
        )?;
        Ok(SqliteStore { requests, readers: Arc::new(Readers::new(opener)), name })
    }

    /// Finishes what was asked for, and closes the file. Later requests fail. Dropping the store does the same
    /// without waiting.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.requests.send(Request::Close { reply }).await.is_ok() {
            // An error means that the writer ended already.
            let _ = closed.await;
        }
        self.readers.close();
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, RefsError>>) -> Request,
    ) -> Result<T, RefsError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| self.closed())?;
        answer.await.map_err(|_| self.closed())?
    }

    fn closed(&self) -> RefsError {
        RefsError::Failed {
            action: "using it",
            store: self.name.to_string(),
            source: "the store was closed".into(),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> RefsError {
        let name = self.name.clone();
        move |error| failed(action, &name, error)
    }

    fn damaged(&self, what: String) -> RefsError {
        RefsError::Damaged { store: self.name.to_string(), what }
    }
}

/// Reads of more rows than this leave the thread that they were asked on to others.
const ROWS_AT_ONCE: usize = 200;

impl SqliteStore {
    /// Reads a few rows, at once: that takes microseconds, far less than a way to another thread and back.
    fn read<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RefsError> {
        self.readers.with(read).ok_or_else(|| self.closed())?.map_err(self.failed(action))
    }

    /// Reads up to `limit` rows, on another thread if they are many.
    async fn read_many<T: Send + 'static>(
        &self,
        action: &'static str,
        limit: usize,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RefsError> {
        if limit <= ROWS_AT_ONCE {
            return self.read(action, read);
        }
        let readers = Arc::clone(&self.readers);
        let read = tokio::task::spawn_blocking(move || readers.with(read)).await;
        let read = read.map_err(|error| RefsError::Failed {
            action,
            store: self.name.to_string(),
            source: Box::new(error),
        })?;
        read.ok_or_else(|| self.closed())?.map_err(self.failed(action))
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteStore").field("file", &self.name).finish_non_exhaustive()
    }
}

/// What SQLite says, as an error of this crate.
fn failed<E: std::borrow::Borrow<rusqlite::Error> + Into<Box<dyn std::error::Error + Send + Sync>>>(
    action: &'static str,
    store: &str,
    error: E,
) -> RefsError {
    match primary_code(error.borrow()) {
        Some(ffi::SQLITE_FULL) => RefsError::Full { store: store.to_owned() },
        Some(ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => {
            RefsError::Damaged { store: store.to_owned(), what: error.borrow().to_string() }
        }
        _ => RefsError::Failed { action, store: store.to_owned(), source: error.into() },
    }
}

/// SQLite's result code, without its extension.
fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_extended_error_code().map(|code| code & 0xFF)
}

#[async_trait]
impl RefsBackend for SqliteStore {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        let found = self.read("reading a record", |connection| {
            tables::record(connection, partition, key).map(|found| found.transpose())
        })?;
        let row = found.map_err(|what| self.damaged(rows::of_record(partition, key, &what)))?;
        Ok(row.map(|row| row.versioned))
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        let (scanned, range) = (partition.clone(), KeyRange::from(range));
        let found = self
            .read_many("scanning records", limit, move |connection| {
                tables::records(connection, &scanned, &range, limit_and_one(limit))
            })
            .await?;
        let (found, more) = cut_page(found, limit);
        let mut page = Page { rows: Vec::with_capacity(found.len()), more };
        for (key, row) in found {
            let key = key.map_err(|what| self.damaged(format!("a key of {partition:?}: {what}")))?;
            let row = row.map_err(|what| self.damaged(rows::of_record(partition, &key, &what)))?;
            page.rows.push((key, row.versioned));
        }
        Ok(page)
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        judge::check_edits(edits)?;
        let (partition, edits) = (partition.clone(), edits.to_vec());
        self.ask(|reply| Request::Apply { partition, edits, write_id, reply }).await
    }
}

#[async_trait]
impl StagingStore for SqliteStore {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        judge::check_rows(rows)?;
        let (fence, rows) = (fence.clone(), rows.to_vec());
        self.ask(|reply| Request::Put { fence, rows, reply }).await
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        judge::check_rows(std::slice::from_ref(&row.row))?;
        let (fence, row) = (fence.clone(), Box::new(row.clone()));
        self.ask(|reply| Request::PutIf { fence, row, reply }).await
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        let found = self.read("reading a staged row", |connection| {
            tables::in_one_snapshot(connection, tokens.len(), |connection| {
                for token in tokens {
                    if let Some(found) = tables::staged(connection, token, path)? {
                        return Ok(Some(found.map_err(|what| rows::of_staged(token, path, &what))));
                    }
                }
                Ok(None)
            })
        })?;
        found.transpose().map_err(|what| self.damaged(what))
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        let (tokens, range) = (tokens.to_vec(), KeyRange::new(prefix, after));
        let areas = self
            .read_many("scanning staged rows", limit, move |connection| {
                tables::in_one_snapshot(connection, tokens.len(), |connection| {
                    let area = |token| tables::staged_rows(connection, token, &range, limit_and_one(limit));
                    tokens.iter().map(area).collect::<rusqlite::Result<Vec<_>>>()
                })
            })
            .await?;
        let areas: Result<Vec<_>, _> = areas.into_iter().map(|area| area.into_iter().collect()).collect();
        Ok(overlay(areas.map_err(|what| self.damaged(what))?, limit))
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        let token = *token;
        self.ask(|reply| Request::Drop { token, reply }).await
    }
}

fn limit_and_one(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
