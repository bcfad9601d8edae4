//! The schema of the tables, and its way from older versions.

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::write::lock_key;
use crate::RefsError;

/// The schema version that this server writes.
const VERSION: u32 = 2;

const CREATE: &str = "
    CREATE TABLE schema_version (version BIGINT NOT NULL);
    INSERT INTO schema_version VALUES (2);
    CREATE SEQUENCE versions_given AS BIGINT;
    CREATE TABLE refs (
        partition BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, version BIGINT NOT NULL,
        token BYTEA, head BYTEA, PRIMARY KEY (partition, key));
    CREATE TABLE write_ids (
        partition BYTEA NOT NULL, write_id BYTEA NOT NULL, sequence BIGINT GENERATED ALWAYS AS IDENTITY,
        at_ms BIGINT NOT NULL, versions BIGINT[] NOT NULL, PRIMARY KEY (partition, write_id));
    CREATE INDEX write_ids_in_order ON write_ids (partition, sequence);
    CREATE TABLE staging (
        token BYTEA NOT NULL, path BYTEA NOT NULL, entry BYTEA, etag BYTEA, PRIMARY KEY (token, path));
";

/// Version 1 kept only the last write-id of a record, beside it, and counted versions per key, from one again after
/// a delete; entity tags were text. The sequence begins far above every version that a deleted record can have had.
const FROM_1: &str = "
    ALTER TABLE refs RENAME TO refs_1;
    ALTER TABLE refs_1 RENAME CONSTRAINT refs_pkey TO refs_1_pkey;
    ALTER TABLE staging RENAME TO staging_1;
    ALTER TABLE staging_1 RENAME CONSTRAINT staging_pkey TO staging_1_pkey;
    DROP TABLE schema_version;
";

const FROM_1_COPY: &str = "
    SELECT setval('versions_given', (SELECT COALESCE(MAX(version), 0) + 4294967296 FROM refs_1));
    INSERT INTO refs SELECT partition, key, value, version, token, head FROM refs_1;
    INSERT INTO write_ids (partition, write_id, at_ms, versions)
        SELECT partition, write_id, written_ms, ARRAY[version] FROM refs_1 WHERE write_id IS NOT NULL
        ON CONFLICT DO NOTHING;
    INSERT INTO staging SELECT token, path, entry, convert_to(etag, 'UTF8') FROM staging_1;
    DROP TABLE refs_1;
    DROP TABLE staging_1;
";

/// Makes the schema, or migrates it, in one transaction. Of several servers that start at once one does it.
pub(super) async fn prepare(pool: &PgPool, schema: &str, store: &str) -> Result<(), RefsError> {
    let failed = |error: sqlx::Error| RefsError::Failed {
        action: "preparing the schema",
        store: store.to_owned(),
        source: error.into(),
    };
    let lock = lock_key(schema, &[b"schema"]);
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({lock}); CREATE SCHEMA IF NOT EXISTS {schema}");
    // The name of the schema was checked to be letters, digits and underscores.
    let mut transaction = pool.begin_with(AssertSqlSafe(begin)).await.map_err(failed)?;
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}.schema_version"))
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    if !there {
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

async fn migrate_from_1(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for script in [FROM_1, CREATE, FROM_1_COPY] {
        sqlx::raw_sql(script).execute(&mut *connection).await?;
    }
    Ok(())
}
