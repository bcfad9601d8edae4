//! Both traits over one SQLite file: the default of a single server.
//!
//! One task owns the only writing connection. It takes whatever requests wait, judges each on its own, and
//! commits them together: one sync of the disk for all of them (`writer.rs`). Reads go through a small pool and
//! see every committed write. That only one process opens the file is the business of whoever owns the folder.

mod batch;
mod rows;
mod schema;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anabranch_types::Clock;
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{mpsc, oneshot};

use crate::judge;
use crate::range::{KeyRange, cut_page, overlay};
use crate::{
    ConditionalRow, Dropped, Edit, Fence, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Versioned, WriteId,
};
use writer::Request;

/// How many requests may wait for the writer before callers are held back.
const QUEUE_MAX: usize = 4096;
const READERS: u32 = 4;

/// Keeps refs and staging in one SQLite file, durable in WAL mode with full sync.
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    readers: SqlitePool,
    name: Arc<str>,
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it. An older schema is migrated in one transaction; a newer one is
    /// [`RefsError::NewerSchema`]. `clock` tells when write-ids may be forgotten.
    ///
    /// Must be called within a Tokio runtime, which then runs the writer.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, RefsError> {
        Self::open_with(path, clock, SqliteConnectOptions::new()).await
    }

    async fn open_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        options: SqliteConnectOptions,
    ) -> Result<Self, RefsError> {
        let name: Arc<str> = path.display().to_string().into();
        let options = options
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(256)
            // Write-ids and paths fall on random pages: a small cache would read most of them again.
            .pragma("cache_size", "-65536")
            // The way back of a statement of many rows: needed only until it ends, so a file is wasted on it.
            .pragma("temp_store", "MEMORY")
            // In a long log a page that is written again and again is copied back once.
            .pragma("wal_autocheckpoint", "8192")
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(|error| failed("opening", &name, error))?;
        schema::prepare(&mut connection, &name).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            // A check before each use would double the cost of a read; a file does not go away.
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(writer::Writer::new(name.clone(), options, connection, clock).run(queue));
        Ok(SqliteStore { requests, readers, name })
    }

    /// Finishes what was asked for, and closes the file. Later requests fail. Dropping the store does the same
    /// without waiting.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.requests.send(Request::Close { reply }).await.is_ok() {
            // An error means that the writer ended already.
            let _ = closed.await;
        }
        self.readers.close().await;
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, RefsError>>) -> Request,
    ) -> Result<T, RefsError> {
        let (reply, answer) = oneshot::channel();
        let closed = |_| RefsError::Failed {
            action: "writing",
            store: self.name.to_string(),
            source: "the store was closed".into(),
        };
        self.requests.send(request(reply)).await.map_err(|_| closed(()))?;
        answer.await.map_err(|_| closed(()))?
    }

    fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> RefsError {
        let name = self.name.clone();
        move |error| failed(action, &name, error)
    }

    fn damaged(&self, what: String) -> RefsError {
        RefsError::Damaged { store: self.name.to_string(), what }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteStore").field("file", &self.name).finish_non_exhaustive()
    }
}

/// What SQLite says, as an error of this crate.
fn failed<E: std::borrow::Borrow<sqlx::Error> + Into<Box<dyn std::error::Error + Send + Sync>>>(
    action: &'static str,
    store: &str,
    error: E,
) -> RefsError {
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const NOT_A_DATABASE: i32 = 26;
    match primary_code(error.borrow()) {
        Some(FULL) => RefsError::Full { store: store.to_owned() },
        Some(CORRUPT | NOT_A_DATABASE) => {
            RefsError::Damaged { store: store.to_owned(), what: error.borrow().to_string() }
        }
        _ => RefsError::Failed { action, store: store.to_owned(), source: error.into() },
    }
}

/// SQLite's result code, without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xFF)
}

#[async_trait]
impl RefsBackend for SqliteStore {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        let row =
            sqlx::query("SELECT value, version, token, head FROM refs WHERE partition = ?1 AND key = ?2")
                .bind(partition.0.as_bytes())
                .bind(key.as_bytes())
                .fetch_optional(&self.readers)
                .await
                .map_err(self.failed("reading a record"))?;
        let Some(row) = row else { return Ok(None) };
        let row =
            rows::ref_row(&row, 0).map_err(|what| self.damaged(rows::of_record(partition, key, &what)))?;
        Ok(Some(row.versioned))
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        let range = KeyRange::from(range);
        let found = sqlx::query(
            "SELECT value, version, token, head, key FROM refs
             WHERE partition = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4",
        )
        .bind(partition.0.as_bytes())
        .bind(range.from)
        .bind(range.until)
        .bind(limit_and_one(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("scanning records"))?;
        let (found, more) = cut_page(found, limit);
        let mut page = Page { rows: Vec::with_capacity(found.len()), more };
        for row in &found {
            let key =
                rows::text(row, 4).map_err(|what| self.damaged(format!("a key of {partition:?}: {what}")))?;
            let row = rows::ref_row(row, 0)
                .map_err(|what| self.damaged(rows::of_record(partition, &key, &what)))?;
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
        let action = "reading a staged row";
        let mut snapshot = self.readers.begin().await.map_err(self.failed(action))?;
        for token in tokens {
            let row = sqlx::query("SELECT entry, etag FROM staging WHERE token = ?1 AND path = ?2")
                .bind(token.0.as_slice())
                .bind(path.as_bytes())
                .fetch_optional(&mut *snapshot)
                .await
                .map_err(self.failed(action))?;
            if let Some(row) = row {
                let value = rows::staged_value(&row, 0);
                return value.map(Some).map_err(|what| self.damaged(rows::of_staged(token, path, &what)));
            }
        }
        Ok(None)
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        let action = "scanning staged rows";
        let range = KeyRange::new(prefix, after);
        // One snapshot for all areas, or a page could miss a row that moved on between two statements.
        let mut snapshot = self.readers.begin().await.map_err(self.failed(action))?;
        let mut areas = Vec::with_capacity(tokens.len());
        for token in tokens {
            let found = sqlx::query(
                "SELECT entry, etag, path FROM staging
                 WHERE token = ?1 AND path >= ?2 AND path < ?3 ORDER BY path LIMIT ?4",
            )
            .bind(token.0.as_slice())
            .bind(range.from.as_slice())
            .bind(range.until.as_slice())
            .bind(limit_and_one(limit))
            .fetch_all(&mut *snapshot)
            .await
            .map_err(self.failed(action))?;
            let area: Result<Vec<_>, _> = found.iter().map(|row| rows::staged_row(token, row)).collect();
            areas.push(area.map_err(|what| self.damaged(what))?);
        }
        Ok(overlay(areas, limit))
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
