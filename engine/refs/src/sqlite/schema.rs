//! The schema of the file, and its way from older versions.
//!
//! Keys and paths are kept as bytes: text would lose everything behind a zero byte in some functions of SQLite,
//! and bytes are ordered bytewise without further ado.

use sqlx::Connection;
use sqlx::SqliteConnection;

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
pub(super) async fn prepare(connection: &mut SqliteConnection, store: &str) -> Result<(), RefsError> {
    let failed = |error| failed("preparing the schema", store, error);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_version'")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    if tables == 0 {
        sqlx::raw_sql(CREATE).execute(&mut *transaction).await.map_err(failed)?;
        return transaction.commit().await.map_err(failed);
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT version FROM schema_version")
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
    let damaged =
        || RefsError::Damaged { store: store.to_owned(), what: format!("schema version {found:?}") };
    match u32::try_from(found.ok_or_else(damaged)?).map_err(|_| damaged())? {
        VERSION => Ok(()),
        1 => {
            tracing::info!(store, from = 1, to = VERSION, "migrating the ref-store");
            migrate_from_1(&mut transaction).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)
        }
        0 => Err(damaged()),
        found => Err(RefsError::NewerSchema { store: store.to_owned(), found, known: VERSION }),
    }
}

async fn migrate_from_1(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for script in [FROM_1, CREATE, FROM_1_COPY] {
        sqlx::raw_sql(script).execute(&mut *connection).await?;
    }
    let written: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = sqlx::query_as(
        "SELECT CAST(partition AS BLOB), write_id, version, written_ms FROM refs_1 WHERE write_id IS NOT NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (partition, write_id, version, written_ms) in written {
        sqlx::query("UPDATE counters SET value = value + 1").execute(&mut *connection).await?;
        sqlx::query(
            "INSERT INTO write_ids SELECT ?1, ?2, value, ?3, ?4 FROM counters WHERE name = 'version'
             ON CONFLICT DO NOTHING",
        )
        .bind(partition)
        .bind(write_id)
        .bind(written_ms)
        .bind(version.to_le_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    }
    sqlx::raw_sql(FROM_1_DROP).execute(&mut *connection).await?;
    Ok(())
}
