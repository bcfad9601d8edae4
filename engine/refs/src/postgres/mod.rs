//! Both traits over a Postgres schema: for several servers on one state.
//!
//! Transactions are READ COMMITTED. Every change of a record takes advisory locks first: a write of several keys
//! its partition, a write of one key a share of the partition and the key. So preconditions on absent keys hold
//! until the commit too, which row locks cannot give. Staging writes take no advisory lock: a share of the branch
//! row keeps a seal away from them, and they from a seal.
//!
//! A commit whose reply is lost is looked up on a new connection. The locks of the lost transaction make the
//! look-up wait until it has ended, so the answer is final.

mod attempt;
mod rows;
mod schema;
mod write;

use std::sync::Arc;
use std::time::Duration;

use anabranch_types::Clock;
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::judge;
use crate::range::{KeyRange, cut_page, overlay};
use crate::{
    ConditionalRow, Dropped, Edit, Fence, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Versioned, WriteId,
};

/// How many rows one call of `drop_chunk` drops.
const DROP_CHUNK: i64 = 1000;
/// A connection that lay idle this long is tried before it is used: the server may have gone meanwhile.
const IDLE_UNTESTED: Duration = Duration::from_secs(1);

/// Where the state is.
#[derive(Clone)]
pub struct PostgresConfig {
    /// The server and the database, as `postgres://user:password@host:port/database`.
    pub url: String,
    /// The schema that holds the tables: made if it does not exist. Lower-case letters, digits and `_`.
    pub schema: String,
    /// The most connections that are opened.
    pub connections_max: u32,
    /// How long a call waits for a connection: for a free one, and for a server that does not answer.
    pub wait: Duration,
}

impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        formatter.debug_struct("PostgresConfig").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Keeps refs and staging in a schema of a Postgres database.
pub struct PostgresStore {
    pool: PgPool,
    name: Arc<str>,
    schema: String,
    clock: Arc<dyn Clock>,
}

impl PostgresStore {
    /// Connects, and makes the schema if there is none. An older one is migrated in one transaction; a newer one is
    /// [`RefsError::NewerSchema`]. `clock` tells when write-ids may be forgotten.
    pub async fn open(config: &PostgresConfig, clock: Arc<dyn Clock>) -> Result<Self, RefsError> {
        let wrong = |what: &'static str, source: Box<dyn std::error::Error + Send + Sync>| {
            RefsError::Failed { action: what, store: format!("Postgres schema {:?}", config.schema), source }
        };
        let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if config.schema.is_empty() || config.schema.len() > 63 || !config.schema.chars().all(letter) {
            let rule = "a schema name has 1 to 63 lower-case letters, digits and underscores";
            return Err(wrong("reading the configuration", rule.into()));
        }
        let options: PgConnectOptions =
            config.url.parse().map_err(|error: sqlx::Error| wrong("reading the URL", error.into()))?;
        check_files(&config.url).map_err(|why| wrong("reading the URL", why.into()))?;
        let name: Arc<str> = format!(
            "Postgres {}:{}/{} schema {}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default(),
            config.schema
        )
        .into();
        let options = options
            .options([("search_path", config.schema.as_str())])
            .application_name("anabranch")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max.max(1))
            .acquire_timeout(config.wait)
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for > IDLE_UNTESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        schema::prepare(&pool, &config.schema, &name).await?;
        Ok(PostgresStore { pool, name, schema: config.schema.clone(), clock })
    }

    /// Closes all connections, after what is under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn damaged(&self, what: String) -> RefsError {
        RefsError::Damaged { store: self.name.to_string(), what }
    }
}

/// Fails when a file that the URL names cannot be read: what a connection says about it later names no file.
fn check_files(url: &str) -> Result<(), String> {
    const OF_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        // The certificate itself may stand there, too; and what is escaped, the connection reads.
        if !OF_FILES.contains(&name) || value.contains('%') || value.starts_with("-----BEGIN") {
            continue;
        }
        std::fs::File::open(value).map_err(|error| format!("{name} {value} cannot be read: {error}"))?;
    }
    Ok(())
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PostgresStore").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl RefsBackend for PostgresStore {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        let row = self
            .repeated("reading a record", || {
                sqlx::query("SELECT value, version, token, head FROM refs WHERE partition = $1 AND key = $2")
                    .bind(partition.0.as_bytes())
                    .bind(key.as_bytes())
                    .fetch_optional(&self.pool)
            })
            .await?;
        let row = row.map(|row| rows::ref_row(&row));
        match row.transpose() {
            Ok(row) => Ok(row.map(|row| row.versioned)),
            Err(what) => Err(self.damaged(rows::of_record(partition, key, &what))),
        }
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        let range = KeyRange::from(range);
        let found = self
            .repeated("scanning records", || {
                sqlx::query(
                    "SELECT key, value, version, token, head FROM refs
                     WHERE partition = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4",
                )
                .bind(partition.0.as_bytes())
                .bind(range.from.as_slice())
                .bind(range.until.as_slice())
                .bind(limit_and_one(limit))
                .fetch_all(&self.pool)
            })
            .await?;
        let (found, more) = cut_page(found, limit);
        let mut page = Page { rows: Vec::with_capacity(found.len()), more };
        for row in &found {
            let key = rows::text(row, "key");
            let key = key.map_err(|what| self.damaged(format!("a key of {partition:?}: {what}")))?;
            let row =
                rows::ref_row(row).map_err(|what| self.damaged(rows::of_record(partition, &key, &what)))?;
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
        self.apply_until_known(partition, edits, write_id).await
    }
}

#[async_trait]
impl StagingStore for PostgresStore {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        judge::check_rows(rows)?;
        self.put_until_known(fence, rows).await
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        judge::check_rows(std::slice::from_ref(&row.row))?;
        self.put_if_until_known(fence, row).await
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        let token_bytes = write::bytes_of(tokens);
        let row = self
            .repeated("reading a staged row", || {
                sqlx::query(write::NEWEST_STAGED)
                    .bind(&token_bytes)
                    .bind(path.as_bytes())
                    .fetch_optional(&self.pool)
            })
            .await?;
        let value = row.map(|row| rows::staged_value(&row)).transpose();
        value.map_err(|what| self.damaged(rows::of_staged(path, &what)))
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        let range = KeyRange::new(prefix, after);
        let token_bytes = write::bytes_of(tokens);
        let found = self
            .repeated("scanning staged rows", || {
                sqlx::query(
                    "SELECT areas.ordinal, rows.path, rows.entry, rows.etag
                     FROM unnest($1::bytea[]) WITH ORDINALITY AS areas (token, ordinal)
                     CROSS JOIN LATERAL (
                         SELECT path, entry, etag FROM staging
                         WHERE staging.token = areas.token AND path >= $2 AND path < $3
                         ORDER BY path LIMIT $4) AS rows",
                )
                .bind(&token_bytes)
                .bind(range.from.as_slice())
                .bind(range.until.as_slice())
                .bind(limit_and_one(limit))
                .fetch_all(&self.pool)
            })
            .await?;
        let mut areas = vec![Vec::new(); tokens.len()];
        for row in &found {
            let (area, row) = rows::staged_row(row).map_err(|what| self.damaged(what))?;
            if let Some(area) = areas.get_mut(area) {
                area.push(row);
            }
        }
        Ok(overlay(areas, limit))
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        let dropped = self
            .repeated("dropping staged rows", || {
                sqlx::query(
                    "DELETE FROM staging WHERE token = $1 AND path IN
                     (SELECT path FROM staging WHERE token = $1 ORDER BY path LIMIT $2)",
                )
                .bind(token.0.as_slice())
                .bind(DROP_CHUNK)
                .execute(&self.pool)
            })
            .await?;
        let all = i64::try_from(dropped.rows_affected()).is_ok_and(|dropped| dropped < DROP_CHUNK);
        Ok(if all { Dropped::All } else { Dropped::More })
    }
}

fn limit_and_one(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
