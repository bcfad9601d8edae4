//! The statements: reading rows, loading what a batch wants, and writing its changes.
//!
//! Each statement is about one row and stays prepared: a step through the primary key costs a microsecond or two.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::batch::{Batch, Loaded};
use super::rows;
use crate::judge::{self, RefRow, WRITE_ID_KEPT_MS, WRITE_IDS_KEPT};
use crate::range::KeyRange;
use crate::{Partition, StagedRow, StagedValue, Token, Version, WriteId};

/// How many rows one call of `drop_chunk` drops.
const DROP_CHUNK: i64 = 1000;
/// One write in so many has the write-ids of its partition looked through. The write-id itself, which is random,
/// says which: a pattern in the writes cannot keep a partition from its turn.
const PRUNE_ONE_IN: u8 = 128;

/// A row, or why it cannot be read.
type Read<T> = Result<T, String>;

/// Reads a record.
pub(super) fn record(
    connection: &Connection,
    partition: &Partition,
    key: &str,
) -> rusqlite::Result<Option<Read<RefRow>>> {
    let sql = "SELECT value, version, token, head FROM refs WHERE partition = ?1 AND key = ?2";
    let found = |row: &Row<'_>| Ok(rows::ref_row(row, 0));
    connection
        .prepare_cached(sql)?
        .query_row(params![partition.0.as_bytes(), key.as_bytes()], found)
        .optional()
}

/// Reads records in order of key.
pub(super) fn records(
    connection: &Connection,
    partition: &Partition,
    range: &KeyRange,
    limit: i64,
) -> rusqlite::Result<Vec<(Read<String>, Read<RefRow>)>> {
    let sql = "SELECT value, version, token, head, key FROM refs
               WHERE partition = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement
        .query_map(params![partition.0.as_bytes(), range.from, range.until, limit], |row| {
            Ok((rows::text(row, 4), rows::ref_row(row, 0)))
        })?;
    found.collect()
}

/// Reads so many staging areas as they were at one moment: otherwise a row could be missed that moved on between two
/// statements.
pub(super) fn in_one_snapshot<T>(
    connection: &mut Connection,
    areas: usize,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    match areas {
        // A single statement sees one moment anyway.
        0 | 1 => read(connection),
        _ => read(&*connection.transaction()?),
    }
}

/// Reads a row of a staging area.
pub(super) fn staged(
    connection: &Connection,
    token: &Token,
    path: &str,
) -> rusqlite::Result<Option<Read<StagedValue>>> {
    let sql = "SELECT entry, etag FROM staging WHERE token = ?1 AND path = ?2";
    let found = |row: &Row<'_>| Ok(rows::staged_value(row, 0));
    connection.prepare_cached(sql)?.query_row(params![token.0.as_slice(), path.as_bytes()], found).optional()
}

/// Reads rows of a staging area in order of path.
pub(super) fn staged_rows(
    connection: &Connection,
    token: &Token,
    range: &KeyRange,
    limit: i64,
) -> rusqlite::Result<Vec<Read<StagedRow>>> {
    let sql = "SELECT entry, etag, path FROM staging
               WHERE token = ?1 AND path >= ?2 AND path < ?3 ORDER BY path LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params![token.0.as_slice(), range.from, range.until, limit], |row| {
        Ok(rows::staged_row(token, row))
    })?;
    found.collect()
}

/// Fills a batch with what the database holds for the keys that it wants.
pub(super) fn load(connection: &Connection, batch: &mut Batch) -> rusqlite::Result<()> {
    let counter: i64 = connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'version'")?
        .query_row([], |row| row.get(0))?;
    batch.counter =
        u64::try_from(counter).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, counter))?;
    for ((partition, key), slot) in &mut batch.records {
        *slot = loaded(record(connection, partition, key)?);
    }
    for ((partition, write_id), slot) in &mut batch.written {
        let sql = "SELECT versions FROM write_ids WHERE partition = ?1 AND write_id = ?2";
        let versions = |row: &Row<'_>| {
            let versions = rows::blob(row, 0).map(judge::decode_versions);
            Ok(versions.and_then(|versions| versions.ok_or("no versions".to_owned())))
        };
        let found: Option<Read<Vec<Option<Version>>>> = connection
            .prepare_cached(sql)?
            .query_row(params![partition.0.as_bytes(), write_id.0.as_slice()], versions)
            .optional()?;
        *slot = loaded(found);
    }
    for ((token, path), slot) in &mut batch.staged {
        *slot = loaded(staged(connection, token, path)?);
    }
    Ok(())
}

fn loaded<T>(found: Option<Read<T>>) -> Loaded<T> {
    found.transpose()
}

/// Writes the changes of a batch.
pub(super) fn store(connection: &Connection, batch: &Batch, now_ms: i64) -> rusqlite::Result<()> {
    store_records(connection, batch)?;
    store_write_ids(connection, batch, now_ms)?;
    store_staged(connection, batch)?;
    connection
        .prepare_cached("UPDATE counters SET value = ?1 WHERE name = 'version'")?
        .execute([integer(batch.counter)?])?;
    Ok(())
}

/// SQLite's integers are signed.
fn integer(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn store_records(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM refs WHERE partition = ?1 AND key = ?2")?;
    let mut put = connection.prepare_cached(
        "INSERT INTO refs (partition, key, value, version, token, head) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (partition, key) DO UPDATE SET value = excluded.value, version = excluded.version,
         token = excluded.token, head = excluded.head",
    )?;
    for record in &batch.changes.records {
        let (partition, key) = (record.0.0.as_bytes(), record.1.as_bytes());
        match batch.records.get(record) {
            Some(Ok(Some(row))) => {
                let version = integer(row.versioned.version.0)?;
                let token = row.fence.as_ref().map(|mark| mark.token.0.as_slice());
                let head = row.fence.as_ref().map(|mark| mark.head.as_slice());
                put.execute(params![partition, key, &row.versioned.value[..], version, token, head])?;
            }
            _ => {
                delete.execute(params![partition, key])?;
            }
        }
    }
    Ok(())
}

fn store_write_ids(connection: &Connection, batch: &Batch, now_ms: i64) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO write_ids (partition, write_id, sequence, at_ms, versions) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (sequence, key) in &batch.changes.written {
        let versions = match batch.written.get(key) {
            Some(Ok(Some(versions))) => judge::encode_versions(versions),
            _ => Vec::new(),
        };
        let (partition, write_id) = (key.0.0.as_bytes(), key.1.0.as_slice());
        insert.execute(params![partition, write_id, integer(*sequence)?, now_ms, versions])?;
    }
    Ok(())
}

fn store_staged(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO staging (token, path, entry, etag) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (token, path) DO UPDATE SET entry = excluded.entry, etag = excluded.etag",
    )?;
    for key in &batch.changes.staged {
        let (token, path) = (key.0.0.as_slice(), key.1.as_bytes());
        let (entry, etag): (Option<&[u8]>, Option<&str>) = match batch.staged.get(key) {
            Some(Ok(Some(StagedValue::Present { entry, etag }))) => (Some(entry), Some(etag)),
            Some(Ok(Some(StagedValue::Deleted))) => (None, None),
            _ => continue,
        };
        put.execute(params![token, path, entry, etag])?;
    }
    Ok(())
}

/// Forgets write-ids that are beyond both bounds of the contract, now and then: a partition that is written to often
/// is met often.
pub(super) fn prune(connection: &Connection, batch: &Batch, now_ms: i64) -> rusqlite::Result<()> {
    let due = |id: &WriteId| id.0.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % PRUNE_ONE_IN == 0;
    let written = batch.changes.written.iter();
    let partitions: BTreeSet<&Partition> =
        written.filter(|(_, (_, id))| due(id)).map(|(_, (partition, _))| partition).collect();
    for partition in partitions {
        let kept = i64::try_from(WRITE_IDS_KEPT).unwrap_or(i64::MAX);
        connection
            .prepare_cached(
                // Of the oldest some: where none of them is old enough, none is, and the rest need not be read.
                "DELETE FROM write_ids WHERE partition = ?1 AND at_ms < ?2 AND sequence IN (
                 SELECT sequence FROM write_ids WHERE partition = ?1 AND sequence <=
                 (SELECT sequence FROM write_ids WHERE partition = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?3)
                 ORDER BY sequence LIMIT ?3)",
            )?
            .execute(params![partition.0.as_bytes(), now_ms - WRITE_ID_KEPT_MS, kept])?;
    }
    Ok(())
}

/// Drops some rows of a staging area; whether there may be more.
pub(super) fn drop_rows(connection: &Connection, token: &Token) -> rusqlite::Result<bool> {
    let dropped = connection
        .prepare_cached(
            "DELETE FROM staging WHERE token = ?1 AND path IN
             (SELECT path FROM staging WHERE token = ?1 ORDER BY path LIMIT ?2)",
        )?
        .execute(params![token.0.as_slice(), DROP_CHUNK])?;
    Ok(i64::try_from(dropped).unwrap_or(i64::MAX) >= DROP_CHUNK)
}
