//! Loads the rows of a batch and writes its changes, many rows to a statement.
//!
//! A statement for any number of rows would be prepared anew for each number; so the rows are taken in powers of
//! two, whose statements stay prepared.

use std::collections::BTreeSet;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection};

use super::batch::Batch;
use super::rows;
use crate::StagedValue;
use crate::judge::{self, WRITE_ID_KEPT_MS, WRITE_IDS_KEPT};
use crate::{Partition, Token, WriteId};

const ROWS_MAX: usize = 256;
/// How many rows one call of `drop_chunk` drops.
const DROP_CHUNK: i64 = 1000;
/// One write in so many has the write-ids of its partition looked through. The write-id itself, which is random,
/// says which: a pattern in the writes cannot keep a partition from its turn.
const PRUNE_ONE_IN: u8 = 128;

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Fills a batch with what the database holds for the keys that it wants.
pub(super) async fn load(connection: &mut SqliteConnection, batch: &mut Batch) -> Result<(), sqlx::Error> {
    let counter: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'version'")
        .fetch_one(&mut *connection)
        .await?;
    batch.counter = u64::try_from(counter).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;

    let mut records: Vec<_> = batch.records.iter_mut().collect();
    for chunk in powers_of_two(&mut records) {
        let keys = chunk.iter().map(|(key, _)| (key.0.0.as_bytes(), key.1.as_bytes()));
        let columns = "refs.value, refs.version, refs.token, refs.head";
        for row in wanted(connection, columns, "refs", ["partition", "key"], keys).await? {
            if let Some((_, slot)) = place(chunk, &row) {
                **slot = rows::ref_row(&row, 1).map(Some);
            }
        }
    }
    let mut written: Vec<_> = batch.written.iter_mut().collect();
    for chunk in powers_of_two(&mut written) {
        let keys = chunk.iter().map(|(key, _)| (key.0.0.as_bytes(), key.1.0.as_slice()));
        for row in
            wanted(connection, "write_ids.versions", "write_ids", ["partition", "write_id"], keys).await?
        {
            if let Some((_, slot)) = place(chunk, &row) {
                let versions = rows::blob(&row, 1).map(|bytes| judge::decode_versions(&bytes));
                **slot = versions.and_then(|versions| versions.map(Some).ok_or("no versions".to_owned()));
            }
        }
    }
    let mut staged: Vec<_> = batch.staged.iter_mut().collect();
    for chunk in powers_of_two(&mut staged) {
        let keys = chunk.iter().map(|(key, _)| (key.0.0.as_slice(), key.1.as_bytes()));
        for row in
            wanted(connection, "staging.entry, staging.etag", "staging", ["token", "path"], keys).await?
        {
            if let Some((_, slot)) = place(chunk, &row) {
                **slot = rows::staged_value(&row, 1).map(Some);
            }
        }
    }
    Ok(())
}

/// The rows of `table` with the given keys; the first column is the ordinal of the key.
async fn wanted<'k>(
    connection: &mut SqliteConnection,
    columns: &str,
    table: &str,
    [first, second]: [&str; 2],
    keys: impl ExactSizeIterator<Item = (&'k [u8], &'k [u8])>,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let values = values(keys.len(), 3);
    // CROSS JOIN keeps SQLite from reordering the tables: each wanted key is one look-up in the primary key.
    let mut query = statement(format!(
        "WITH wanted (ordinal, first, second) AS (VALUES {values}) SELECT wanted.ordinal, {columns}
         FROM wanted CROSS JOIN {table} ON {table}.{first} = wanted.first AND {table}.{second} = wanted.second",
    ));
    for (ordinal, (first, second)) in keys.enumerate() {
        query =
            query.bind(i64::try_from(ordinal).unwrap_or(i64::MAX)).bind(first.to_vec()).bind(second.to_vec());
    }
    query.fetch_all(connection).await
}

fn place<'c, T>(chunk: &'c mut [T], row: &SqliteRow) -> Option<&'c mut T> {
    let ordinal: i64 = row.try_get(0).ok()?;
    chunk.get_mut(usize::try_from(ordinal).ok()?)
}

/// Writes the changes of a batch.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    batch: &Batch,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    store_records(connection, batch).await?;
    store_write_ids(connection, batch, now_ms).await?;
    store_staged(connection, batch).await?;
    sqlx::query("UPDATE counters SET value = ?1 WHERE name = 'version'")
        .bind(i64::try_from(batch.counter).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn store_records(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let mut puts = Vec::new();
    for key in &batch.changes.records {
        match batch.records.get(key) {
            Some(Ok(Some(row))) => puts.push((key, row)),
            _ => {
                sqlx::query("DELETE FROM refs WHERE partition = ?1 AND key = ?2")
                    .bind(key.0.0.as_bytes())
                    .bind(key.1.as_bytes())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    for chunk in powers_of_two(&mut puts) {
        let values = values(chunk.len(), 6);
        let mut query = statement(format!(
            "INSERT INTO refs (partition, key, value, version, token, head) VALUES {values}
             ON CONFLICT (partition, key) DO UPDATE SET value = excluded.value, version = excluded.version,
             token = excluded.token, head = excluded.head",
        ));
        for (key, row) in chunk {
            let version = row.versioned.version.0;
            query = query
                .bind(key.0.0.as_bytes().to_vec())
                .bind(key.1.as_bytes().to_vec())
                .bind(row.versioned.value.to_vec())
                .bind(i64::try_from(version).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
                .bind(row.fence.map(|mark| mark.token.0.to_vec()))
                .bind(row.fence.map(|mark| mark.head.to_vec()));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn store_write_ids(
    connection: &mut SqliteConnection,
    batch: &Batch,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let mut written: Vec<_> = batch.changes.written.iter().collect();
    for chunk in powers_of_two(&mut written) {
        let values = values(chunk.len(), 5);
        let mut query = statement(format!(
            "INSERT INTO write_ids (partition, write_id, sequence, at_ms, versions) VALUES {values}"
        ));
        for (sequence, key) in chunk {
            let versions = match batch.written.get(key) {
                Some(Ok(Some(versions))) => judge::encode_versions(versions),
                _ => Vec::new(),
            };
            query = query
                .bind(key.0.0.as_bytes().to_vec())
                .bind(key.1.0.to_vec())
                .bind(i64::try_from(*sequence).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
                .bind(now_ms)
                .bind(versions);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn store_staged(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let value = |key| batch.staged.get(key).and_then(|value| value.as_ref().ok()?.as_ref());
    let mut rows: Vec<_> =
        batch.changes.staged.iter().filter_map(|key| value(key).map(|value| (key, value))).collect();
    for chunk in powers_of_two(&mut rows) {
        let values = values(chunk.len(), 4);
        let mut query = statement(format!(
            "INSERT INTO staging (token, path, entry, etag) VALUES {values}
             ON CONFLICT (token, path) DO UPDATE SET entry = excluded.entry, etag = excluded.etag",
        ));
        for (key, value) in chunk {
            let (entry, etag) = match value {
                StagedValue::Present { entry, etag } => (Some(entry.to_vec()), Some(etag.clone())),
                StagedValue::Deleted => (None, None),
            };
            query = query.bind(key.0.0.to_vec()).bind(key.1.as_bytes().to_vec()).bind(entry).bind(etag);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets write-ids that are beyond both bounds of the contract, now and then: a partition that is written to often
/// is met often.
pub(super) async fn prune(
    connection: &mut SqliteConnection,
    batch: &Batch,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let due = |id: &WriteId| id.0.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % PRUNE_ONE_IN == 0;
    let written = batch.changes.written.iter();
    let partitions: BTreeSet<&Partition> =
        written.filter(|(_, (_, id))| due(id)).map(|(_, (partition, _))| partition).collect();
    for partition in partitions {
        sqlx::query(
            // Of the oldest some: where none of them is old enough, none is, and the rest need not be read.
            "DELETE FROM write_ids WHERE partition = ?1 AND at_ms < ?2 AND sequence IN (
             SELECT sequence FROM write_ids WHERE partition = ?1 AND sequence <=
             (SELECT sequence FROM write_ids WHERE partition = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?3)
             ORDER BY sequence LIMIT ?3)",
        )
        .bind(partition.0.as_bytes())
        .bind(now_ms - WRITE_ID_KEPT_MS)
        .bind(i64::try_from(WRITE_IDS_KEPT).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Drops some rows of a staging area; whether there may be more.
pub(super) async fn drop_rows(connection: &mut SqliteConnection, token: &Token) -> Result<bool, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM staging WHERE token = ?1 AND path IN
         (SELECT path FROM staging WHERE token = ?1 ORDER BY path LIMIT ?2)",
    )
    .bind(token.0.as_slice())
    .bind(DROP_CHUNK)
    .execute(connection)
    .await?;
    Ok(i64::try_from(dropped.rows_affected()).unwrap_or(i64::MAX) >= DROP_CHUNK)
}

fn statement(sql: String) -> Statement {
    // The text holds constants and question marks only.
    sqlx::query(AssertSqlSafe(sql))
}

/// `rows` groups of `columns` question marks.
fn values(rows: usize, columns: usize) -> String {
    let group = format!("({})", vec!["?"; columns].join(","));
    vec![group; rows].join(",")
}

/// Splits `items` into pieces whose lengths are powers of two, the largest [`ROWS_MAX`].
fn powers_of_two<T>(mut items: &mut [T]) -> impl Iterator<Item = &mut [T]> {
    std::iter::from_fn(move || {
        let length = items.len().min(ROWS_MAX).checked_ilog2()?;
        let (piece, rest) = std::mem::take(&mut items).split_at_mut_checked(1 << length)?;
        items = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_powers_of_two_and_hold_everything() {
        for count in [0, 1, 2, 3, 7, 255, 256, 257, 1000] {
            let mut items: Vec<usize> = (0..count).collect();
            let pieces: Vec<Vec<usize>> = powers_of_two(&mut items).map(|piece| piece.to_vec()).collect();
            assert!(pieces.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= ROWS_MAX));
            assert_eq!(pieces.concat(), (0..count).collect::<Vec<_>>());
        }
    }
}
