//! The writes, each repeated until its outcome is known.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, Transaction};

use super::attempt::{Attempts, Setback, at_commit, before_commit};
use super::{PostgresStore, rows};
use crate::judge::{self, RefRow, WRITE_ID_KEPT_MS, WRITE_IDS_KEPT};
use crate::{
    ConditionalRow, Edit, Fence, Operation, Partition, RefUpdate, RefsError, Staged, StagedRow, StagedValue,
    Token, WriteId,
};

/// How many writes lie between two looks at the write-ids of a partition, on average.
const PRUNE_EVERY: i64 = 256;

/// The newest row of a path (second argument) over staging areas (first argument, newest first).
pub(super) const NEWEST_STAGED: &str = "
    SELECT entry, etag FROM unnest($1::bytea[]) WITH ORDINALITY AS areas (token, ordinal)
    JOIN staging ON staging.token = areas.token AND staging.path = $2 ORDER BY areas.ordinal LIMIT 1";

/// The record's versions and the write's, if it took place; then the rows of the keys.
const KNOWN: &str = "
    SELECT NULL::bytea AS key, NULL::bytea AS value, NULL::bigint AS version, NULL::bytea AS token,
        NULL::bytea AS head, versions FROM write_ids WHERE partition = $1 AND write_id = $3
    UNION ALL
    SELECT key, value, version, token, head, NULL FROM refs WHERE partition = $1 AND key = ANY($2)";

/// All edits of an `apply` and its write-id.
const EDIT: &str = "
    WITH edits AS MATERIALIZED (
        SELECT edit.*, CASE WHEN kind = 1 THEN nextval('versions_given') END AS version
        FROM unnest($3::bytea[], $4::smallint[], $5::bytea[], $6::bytea[], $7::bytea[])
            WITH ORDINALITY AS edit (key, kind, value, token, head, ordinal)),
    deleted AS (
        DELETE FROM refs USING edits WHERE refs.partition = $1 AND refs.key = edits.key AND edits.kind = 2),
    put AS (
        INSERT INTO refs (partition, key, value, version, token, head)
        SELECT $1, key, value, version, token, head FROM edits WHERE kind = 1
        ON CONFLICT (partition, key) DO UPDATE SET value = excluded.value, version = excluded.version,
            token = excluded.token, head = excluded.head)
    INSERT INTO write_ids (partition, write_id, at_ms, versions)
    SELECT $1, $2, $8, COALESCE(array_agg(version ORDER BY ordinal), '{}') FROM edits
    RETURNING versions, sequence";

const PUT: &str = "
    WITH fence AS MATERIALIZED (
        SELECT 1 FROM refs WHERE partition = $1 AND key = $2 AND token = $3 FOR SHARE)
    INSERT INTO staging (token, path, entry, etag)
    SELECT $3, path, entry, etag
    FROM fence CROSS JOIN unnest($4::bytea[], $5::bytea[], $6::bytea[]) AS staged (path, entry, etag)
    ON CONFLICT (token, path) DO UPDATE SET entry = excluded.entry, etag = excluded.etag";

const PUT_IF: &str = "
    WITH bumped AS (
        UPDATE refs SET version = nextval('versions_given') WHERE partition = $1 AND key = $2)
    INSERT INTO staging (token, path, entry, etag) VALUES ($3, $4, $5, $6)
    ON CONFLICT (token, path) DO UPDATE SET entry = excluded.entry, etag = excluded.etag
    RETURNING pg_current_xact_id()::text AS transaction";

impl PostgresStore {
    pub(super) async fn apply_until_known(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        let mut attempts = Attempts::default();
        loop {
            // An attempt after a lost reply finds the write-id, or may safely write.
            match self.apply_once(partition, edits, write_id).await {
                Ok(update) => return Ok(update),
                Err(setback) => attempts.note(self, "applying edits", setback)?,
            }
        }
    }

    async fn apply_once(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, Setback> {
        let damaged = |what| Setback::Final(self.damaged(what));
        let mut transaction = match edits {
            [edit] => self.begin_on_key(partition, &edit.key).await?,
            _ => self.begin_on_partition(partition).await?,
        };
        let keys: Vec<&[u8]> = edits.iter().map(|edit| edit.key.as_bytes()).collect();
        let known = sqlx::query(KNOWN)
            .bind(partition.0.as_bytes())
            .bind(&keys)
            .bind(write_id.0.as_slice())
            .fetch_all(&mut *transaction)
            .await
            .map_err(before_commit)?;
        let mut records: Vec<(String, RefRow)> = Vec::with_capacity(known.len());
        for row in &known {
            if let Some(versions) = rows::versions(row).map_err(damaged)? {
                return Ok(RefUpdate::Applied(versions));
            }
            let key = rows::text(row, "key").map_err(damaged)?;
            let record =
                rows::ref_row(row).map_err(|what| damaged(rows::of_record(partition, &key, &what)))?;
            records.push((key, record));
        }
        let record = |key: &str| records.iter().find(|(name, _)| name == key).map(|(_, record)| record);
        if let Some(rejected) = judge::rejection(edits, record) {
            return Ok(rejected);
        }
        let now_ms = self.clock.now_ms();
        let row = edit(&mut transaction, partition, edits, write_id, now_ms).await.map_err(before_commit)?;
        let versions = rows::versions(&row).map_err(damaged)?.unwrap_or_default();
        let sequence: i64 = row.try_get("sequence").map_err(before_commit)?;
        transaction.commit().await.map_err(at_commit)?;
        if sequence % PRUNE_EVERY == 0 {
            self.prune(partition, now_ms).await;
        }
        Ok(RefUpdate::Applied(versions))
    }

    pub(super) async fn put_until_known(
        &self,
        fence: &Fence,
        rows: &[StagedRow],
    ) -> Result<Staged, RefsError> {
        let rows = judge::last_of_each_path(rows);
        let mut attempts = Attempts::default();
        loop {
            let done = if rows.is_empty() {
                sqlx::query("SELECT 1 FROM refs WHERE partition = $1 AND key = $2 AND token = $3")
                    .bind(fence.partition.0.as_bytes())
                    .bind(fence.key.as_bytes())
                    .bind(fence.token.0.as_slice())
                    .execute(&self.pool)
                    .await
            } else {
                let paths: Vec<&[u8]> = rows.keys().map(|path| path.as_bytes()).collect();
                let (entries, etags): (Vec<_>, Vec<_>) = rows.values().map(|value| columns(value)).unzip();
                sqlx::query(PUT)
                    .bind(fence.partition.0.as_bytes())
                    .bind(fence.key.as_bytes())
                    .bind(fence.token.0.as_slice())
                    .bind(&paths)
                    .bind(&entries)
                    .bind(&etags)
                    .execute(&self.pool)
                    .await
            };
            match done {
                Ok(done) if done.rows_affected() == 0 => return Ok(Staged::Moved),
                Ok(_) => return Ok(Staged::Done),
                // It can be repeated whether it landed or not.
                Err(error) => attempts.note(self, "staging rows", at_commit(error))?,
            }
        }
    }

    pub(super) async fn put_if_until_known(
        &self,
        fence: &Fence,
        row: &ConditionalRow,
    ) -> Result<Staged, RefsError> {
        let mut attempts = Attempts::default();
        loop {
            match self.put_if_once(fence, row).await {
                Ok(staged) => return Ok(staged),
                Err(setback) => attempts.note(self, "staging a row", setback)?,
            }
        }
    }

    async fn put_if_once(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, Setback> {
        let path = row.row.path.as_str();
        let mut transaction = self.begin_on_key(&fence.partition, &fence.key).await?;
        // Against unconditional writes, which take no advisory lock.
        let record = sqlx::query("SELECT token, head FROM refs WHERE partition = $1 AND key = $2 FOR UPDATE")
            .bind(fence.partition.0.as_bytes())
            .bind(fence.key.as_bytes())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(before_commit)?;
        let mark = record.map(|record| rows::fence(&record)).transpose();
        let mark = mark.map_err(|what| {
            Setback::Final(self.damaged(rows::of_record(&fence.partition, &fence.key, &what)))
        })?;
        let tokens: Vec<Token> = std::iter::once(&fence.token).chain(&row.sealed).copied().collect();
        let staged = sqlx::query(NEWEST_STAGED)
            .bind(bytes_of(&tokens))
            .bind(path.as_bytes())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(before_commit)?;
        let staged = staged.map(|staged| rows::staged_value(&staged)).transpose();
        let staged = staged.map_err(|what| Setback::Final(self.damaged(rows::of_staged(path, &what))))?;
        if let Some(refused) = judge::refusal(fence, row, mark.flatten(), staged.as_ref()) {
            return Ok(refused);
        }
        let (entry, etag) = columns(&row.row.value);
        let written = sqlx::query(PUT_IF)
            .bind(fence.partition.0.as_bytes())
            .bind(fence.key.as_bytes())
            .bind(fence.token.0.as_slice())
            .bind(path.as_bytes())
            .bind(entry)
            .bind(etag)
            .fetch_one(&mut *transaction)
            .await
            .map_err(before_commit)?;
        let number: String = written.try_get("transaction").map_err(before_commit)?;
        match transaction.commit().await.map_err(at_commit) {
            Ok(()) => Ok(Staged::Done),
            Err(Setback::Perhaps(error)) => self.outcome(fence, &number, error).await,
            Err(setback) => Err(setback),
        }
    }

    /// Asks how a transaction ended whose reply was lost: a conditional write has no write-id to look up.
    async fn outcome(&self, fence: &Fence, number: &str, lost: sqlx::Error) -> Result<Staged, Setback> {
        let unknown = |lost: sqlx::Error| {
            Setback::Final(RefsError::Unknown { store: self.name.to_string(), source: lost.into() })
        };
        let mut attempts = Attempts::default();
        let status: Option<String> = loop {
            // The lock waits for the end of the lost transaction.
            let setback = match self.begin_on_key(&fence.partition, &fence.key).await {
                Ok(mut transaction) => {
                    let status = sqlx::query_scalar("SELECT pg_xact_status($1::text::xid8)")
                        .bind(number)
                        .fetch_one(&mut *transaction)
                        .await;
                    match status {
                        Ok(status) => break status,
                        Err(error) => before_commit(error),
                    }
                }
                Err(setback) => setback,
            };
            if attempts.note(self, "asking for a transaction", setback).is_err() {
                return Err(unknown(lost));
            }
        };
        match status.as_deref() {
            Some("committed") => Ok(Staged::Done),
            Some("aborted") => Err(Setback::Surely(lost)),
            _ => Err(unknown(lost)),
        }
    }

    /// Begins a write of one key.
    async fn begin_on_key(
        &self,
        partition: &Partition,
        key: &str,
    ) -> Result<Transaction<'static, Postgres>, Setback> {
        let shared = lock_key(&self.schema, &[b"partition", partition.0.as_bytes()]);
        let own = lock_key(&self.schema, &[b"key", partition.0.as_bytes(), key.as_bytes()]);
        self.begin(format!(
            "BEGIN; SELECT pg_advisory_xact_lock_shared({shared}); SELECT pg_advisory_xact_lock({own})"
        ))
        .await
    }

    /// Begins a write of several keys of a partition.
    async fn begin_on_partition(
        &self,
        partition: &Partition,
    ) -> Result<Transaction<'static, Postgres>, Setback> {
        let own = lock_key(&self.schema, &[b"partition", partition.0.as_bytes()]);
        self.begin(format!("BEGIN; SELECT pg_advisory_xact_lock({own})")).await
    }

    async fn begin(&self, sql: String) -> Result<Transaction<'static, Postgres>, Setback> {
        // The text holds constants and numbers only.
        self.pool.begin_with(AssertSqlSafe(sql)).await.map_err(before_commit)
    }

    /// Forgets write-ids that are beyond both bounds of the contract.
    async fn prune(&self, partition: &Partition, now_ms: i64) {
        let pruned = sqlx::query(
            // Of the oldest some: where none of them is old enough, none is, and the rest need not be read.
            "DELETE FROM write_ids WHERE partition = $1 AND at_ms < $2 AND sequence IN (
             SELECT sequence FROM write_ids WHERE partition = $1 AND sequence <=
             (SELECT sequence FROM write_ids WHERE partition = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $3)
             ORDER BY sequence LIMIT $3)",
        )
        .bind(partition.0.as_bytes())
        .bind(now_ms - WRITE_ID_KEPT_MS)
        .bind(i64::try_from(WRITE_IDS_KEPT).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await;
        if let Err(error) = pruned {
            // The write itself is done; a later one prunes.
            tracing::warn!(store = &*self.name, partition = partition.0, %error, "old write-ids stay for now");
        }
    }
}

async fn edit(
    connection: &mut PgConnection,
    partition: &Partition,
    edits: &[Edit],
    write_id: WriteId,
    now_ms: i64,
) -> Result<PgRow, sqlx::Error> {
    let mut keys: Vec<&[u8]> = Vec::with_capacity(edits.len());
    let mut kinds: Vec<i16> = Vec::with_capacity(edits.len());
    let mut values: Vec<Option<&[u8]>> = Vec::with_capacity(edits.len());
    let (mut tokens, mut heads) = (Vec::with_capacity(edits.len()), Vec::with_capacity(edits.len()));
    for edit in edits {
        let (kind, value, fence) = match &edit.operation {
            Operation::Check => (0, None, &None),
            Operation::Put { value, fence } => (1, Some(value.as_ref()), fence),
            Operation::Delete => (2, None, &None),
        };
        keys.push(edit.key.as_bytes());
        kinds.push(kind);
        values.push(value);
        tokens.push(fence.as_ref().map(|mark| mark.token.0.as_slice()));
        heads.push(fence.as_ref().map(|mark| mark.head.as_slice()));
    }
    sqlx::query(EDIT)
        .bind(partition.0.as_bytes())
        .bind(write_id.0.as_slice())
        .bind(keys)
        .bind(kinds)
        .bind(values)
        .bind(tokens)
        .bind(heads)
        .bind(now_ms)
        .fetch_one(connection)
        .await
}

/// The columns (entry, etag) of a staged value.
fn columns(value: &StagedValue) -> (Option<&[u8]>, Option<&[u8]>) {
    match value {
        StagedValue::Present { entry, etag } => (Some(entry.as_ref()), Some(etag.as_bytes())),
        StagedValue::Deleted => (None, None),
    }
}

/// The tokens as an array for a statement.
pub(super) fn bytes_of(tokens: &[Token]) -> Vec<&[u8]> {
    tokens.iter().map(|token| token.0.as_slice()).collect()
}

/// The number of an advisory lock: FNV-1a over the schema and the parts. Two things with one number only wait for
/// each other more often than they must.
pub(super) fn lock_key(schema: &str, parts: &[&[u8]]) -> i64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in std::iter::once(schema.as_bytes()).chain(parts.iter().copied()) {
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
    hash.cast_signed()
}
