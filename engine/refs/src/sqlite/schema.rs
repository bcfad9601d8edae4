//! The schema of the file, and its way from older versions.
//!
//! Keys and paths are kept as bytes: text would lose everything behind a zero byte in some functions of SQLite,
//! and bytes are ordered bytewise without further ado.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::failed;
use crate::RefsError;

/// The schema version that this server writes.
pub(super) const VERSION: u32 = 2;

const CREATE: &str = "
    CREATE TABLE schema_version (version INTEGER NOT NULL);
    INSERT INTO schema_version VALUES (2);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('version', 0);
    CREATE TABLE refs (
        partition BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL,
        token BLOB, head BLOB, PRIMARY KEY (partition, key)) WITHOUT ROWID;
    CREATE TABLE write_ids (
        partition BLOB NOT NULL, write_id BLOB NOT NULL, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        versions BLOB NOT NULL, PRIMARY KEY (partition, write_id)) WITHOUT ROWID;
    CREATE INDEX write_ids_in_order ON write_ids (partition, sequence);
    CREATE TABLE staging (
        token BLOB NOT NULL, path BLOB NOT NULL, entry BLOB, etag TEXT, PRIMARY KEY (token, path)) WITHOUT ROWID;
";

/// Version 1 kept only the last write-id of a record, beside it; counted versions per key, from one again after
/// a delete; and kept keys and paths as text. The counter begins far above every version that a deleted record
/// can have had.
const FROM_1: &str = "
    ALTER TABLE refs RENAME TO refs_1;
    ALTER TABLE staging RENAME TO staging_1;
    DROP TABLE schema_version;
";

const FROM_1_COPY: &str = "
    UPDATE counters SET value = (SELECT COALESCE(MAX(version), 0) + 4294967296 FROM refs_1);
    INSERT INTO refs SELECT CAST(partition AS BLOB), CAST(key AS BLOB), value, version, token, head FROM refs_1;
    INSERT INTO staging SELECT token, CAST(path AS BLOB), entry, etag FROM staging_1;
";

const FROM_1_DROP: &str = "DROP TABLE refs_1; DROP TABLE staging_1;";

/// Makes the schema, or migrates it, in one transaction.
pub(super) fn prepare(connection: &mut Connection, store: &str) -> Result<(), RefsError> {
    let failed = |error| failed("preparing the schema", store, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let tables: i64 = transaction
        .query_row("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_version'", [], |row| row.get(0))
        .map_err(failed)?;
    if tables == 0 {
        transaction.execute_batch(CREATE).map_err(failed)?;
        return transaction.commit().map_err(failed);
    }
    let found: Option<i64> = transaction
        .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let damaged =
        || RefsError::Damaged { store: store.to_owned(), what: format!("schema version {found:?}") };
    match u32::try_from(found.ok_or_else(damaged)?).map_err(|_| damaged())? {
        VERSION => Ok(()),
        1 => {
            tracing::info!(store, from = 1, to = VERSION, "migrating the ref-store");
            migrate_from_1(&transaction).map_err(failed)?;
            transaction.commit().map_err(failed)
        }
        0 => Err(damaged()),
        found => Err(RefsError::NewerSchema { store: store.to_owned(), found, known: VERSION }),
    }
}

fn migrate_from_1(connection: &Connection) -> rusqlite::Result<()> {
    for script in [FROM_1, CREATE, FROM_1_COPY] {
        connection.execute_batch(script)?;
    }
    let mut written = connection.prepare(
        "SELECT CAST(partition AS BLOB), write_id, version, written_ms FROM refs_1 WHERE write_id IS NOT NULL",
    )?;
    let mut rows = written.query([])?;
    while let Some(row) = rows.next()? {
        let (partition, write_id): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let (version, written_ms): (i64, i64) = (row.get(2)?, row.get(3)?);
        connection.execute("UPDATE counters SET value = value + 1", [])?;
        connection.execute(
            "INSERT INTO write_ids SELECT ?1, ?2, value, ?3, ?4 FROM counters WHERE name = 'version'
             ON CONFLICT DO NOTHING",
            params![partition, write_id, written_ms, version.to_le_bytes().as_slice()],
        )?;
    }
    drop(rows);
    drop(written);
    connection.execute_batch(FROM_1_DROP)
}
