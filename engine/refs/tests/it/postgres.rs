//! The Postgres backend, on the server that `ANABRANCH_TEST_POSTGRES_URL` names.

use std::sync::Arc;

use anabranch_refs::{
    Condition, ConditionalRow, Edit, Expect, Fence, FenceMark, Operation, Partition, PostgresConfig,
    PostgresStore, RefUpdate, RefsBackend, RefsError, ScanRange, Staged, StagedRow, StagedValue,
    StagingStore, Token, Version, Versioned, WriteId, conformance,
};
use anabranch_types::test_support::ManualClock;
use bytes::Bytes;
use sqlx::Connection;

use crate::clock;
use crate::proxy::Proxy;

/// An empty schema of the test server. Without a server: says why the test is skipped, or fails where servers are
/// required.
pub(crate) async fn config(test: &str) -> Option<PostgresConfig> {
    let Ok(url) = std::env::var("ANABRANCH_TEST_POSTGRES_URL") else {
        let why = "ANABRANCH_TEST_POSTGRES_URL is not set; tools/postgres-for-tests.sh starts a server";
        assert_ne!(std::env::var("ANABRANCH_TEST_REQUIRE_SERVERS").as_deref(), Ok("1"), "{test}: {why}");
        eprintln!("skipped {test}: {why}");
        return None;
    };
    let config = PostgresConfig {
        url,
        schema: format!("test_{test}"),
        connections_max: 12,
        wait: std::time::Duration::from_secs(10),
    };
    execute(&config, &format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", config.schema)).await;
    Some(config)
}

/// Does past the store what the store never does.
async fn execute(config: &PostgresConfig, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(&config.url).await.unwrap();
    let sql = format!("SET search_path = {}; {sql}", config.schema);
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

async fn store(test: &str) -> Option<PostgresStore> {
    Some(PostgresStore::open(&config(test).await?, clock()).await.unwrap())
}

/// The same store behind a proxy.
async fn behind_proxy(test: &str, gone_with_reply: bool) -> Option<(PostgresStore, Proxy, PostgresConfig)> {
    let direct = config(test).await?;
    let options: sqlx::postgres::PgConnectOptions = direct.url.parse().unwrap();
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::before(server.clone(), gone_with_reply).await;
    assert!(direct.url.contains(&server), "the URL names no host and port: {}", direct.url);
    let url = direct.url.replace(&server, &proxy.address.to_string());
    let store =
        PostgresStore::open(&PostgresConfig { url, connections_max: 2, ..direct.clone() }, clock()).await;
    Some((store.unwrap(), proxy, direct))
}

fn id(n: u64) -> WriteId {
    WriteId(u128::from(n).to_be_bytes())
}

fn put(key: &str, expect: Expect, value: &str) -> Edit {
    let operation = Operation::Put { value: Bytes::copy_from_slice(value.as_bytes()), fence: None };
    Edit { key: key.to_owned(), expect, operation }
}

fn partition() -> Partition {
    Partition("p".to_owned())
}

async fn record(store: &dyn RefsBackend, key: &str) -> Option<Versioned> {
    store.get(&partition(), key).await.unwrap()
}

async fn with_branch(store: &PostgresStore) -> Fence {
    let token = Token([1; 16]);
    let fence = Some(FenceMark { token, head: [2; 32] });
    let operation = Operation::Put { value: Bytes::from("record"), fence };
    let edit = Edit { key: "record".to_owned(), expect: Expect::Absent, operation };
    store.apply(&partition(), &[edit], id(u64::MAX)).await.unwrap();
    Fence { partition: partition(), key: "record".to_owned(), token }
}

fn row(path: &str) -> StagedRow {
    StagedRow {
        path: path.to_owned(),
        value: StagedValue::Present { entry: Bytes::from("e"), etag: "e".into() },
    }
}

fn conditional(path: &str, condition: Condition) -> ConditionalRow {
    ConditionalRow { row: row(path), condition, sealed: vec![], head: [2; 32], in_head: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refs_suite() {
    let Some(store) = store("refs_suite").await else { return };
    conformance::refs_backend(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn staging_suite() {
    let Some(store) = store("staging_suite").await else { return };
    let store = Arc::new(store);
    conformance::staging_store(store.clone(), store).await;
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_applied_once() {
    let Some((store, proxy, _)) = behind_proxy("lost_commit", false).await else { return };
    proxy.lose(b"COMMIT\0");
    let applied = store.apply(&partition(), &[put("k", Expect::Absent, "v")], id(1)).await.unwrap();
    assert!(proxy.lost(), "no reply was lost: the test tests nothing");
    let version = record(&store, "k").await.map(|found| found.version);
    assert_eq!(applied, RefUpdate::Applied(vec![version]));

    proxy.lose(b"COMMIT\0");
    let edits = [put("k", Expect::Is(version.unwrap()), "w"), put("l", Expect::Absent, "w")];
    let applied = store.apply(&partition(), &edits, id(2)).await.unwrap();
    assert!(proxy.lost());
    let RefUpdate::Applied(versions) = applied else {
        panic!("taken for somebody else's write: {applied:?}")
    };
    assert_eq!(record(&store, "l").await.map(|found| found.version), versions[1]);
}

#[tokio::test]
async fn staging_writes_whose_reply_is_lost_are_done_once() {
    let Some((store, proxy, _)) = behind_proxy("lost_staging", false).await else { return };
    let fence = with_branch(&store).await;
    proxy.lose(b"INSERT 0 1\0");
    assert_eq!(store.put(&fence, &[row("a")]).await.unwrap(), Staged::Done);
    assert!(proxy.lost());
    let before = record(&store, "record").await.unwrap().version;
    proxy.lose(b"COMMIT\0");
    // Judged anew it would be refused by its own row.
    assert_eq!(store.put_if(&fence, &conditional("b", Condition::Absent)).await.unwrap(), Staged::Done);
    assert!(proxy.lost());
    let after = record(&store, "record").await.unwrap().version;
    assert!(after > before);
    let refused = store.put_if(&fence, &conditional("b", Condition::Absent)).await.unwrap();
    assert_eq!(refused, Staged::Refused { actual: Some("e".to_owned()) });
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_leaves_the_outcome_unknown() {
    let Some((store, proxy, direct)) = behind_proxy("unknown", true).await else { return };
    let edits = [put("k", Expect::Absent, "v")];
    proxy.lose(b"COMMIT\0");
    let unknown = store.apply(&partition(), &edits, id(1)).await;
    assert!(matches!(unknown, Err(RefsError::Unknown { .. })), "{unknown:?}");
    assert!(proxy.lost());
    let later = store.apply(&partition(), &[put("l", Expect::Absent, "v")], id(2)).await;
    assert!(matches!(later, Err(RefsError::Unavailable { .. })), "nothing was sent: {later:?}");
    // When the server is back, the same write-id tells.
    let store = PostgresStore::open(&direct, clock()).await.unwrap();
    let version = record(&store, "k").await.map(|found| found.version);
    assert!(version.is_some());
    let applied = store.apply(&partition(), &edits, id(1)).await.unwrap();
    assert_eq!(applied, RefUpdate::Applied(vec![version]));
}

#[tokio::test]
async fn a_conditional_write_is_unknown_too_where_nobody_can_be_asked() {
    let Some((store, proxy, _)) = behind_proxy("unknown_condition", true).await else { return };
    let fence = with_branch(&store).await;
    proxy.lose(b"COMMIT\0");
    let unknown = store.put_if(&fence, &conditional("a", Condition::Absent)).await;
    assert!(matches!(unknown, Err(RefsError::Unknown { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_damaged_row_is_named() {
    let Some(config) = config("damaged").await else { return };
    let store = PostgresStore::open(&config, clock()).await.unwrap();
    let fence = with_branch(&store).await;
    store.put(&fence, &[row("a")]).await.unwrap();
    store.apply(&partition(), &[put("negative", Expect::Absent, "v")], id(1)).await.unwrap();
    execute(
        &config,
        "UPDATE refs SET version = -1 WHERE key = 'negative'; UPDATE refs SET head = '\\x02' WHERE key = 'record';
         UPDATE staging SET etag = NULL",
    )
    .await;
    let named = |result: Result<(), RefsError>, name: &str| match result {
        Err(RefsError::Damaged { what, .. }) => assert!(what.contains(name), "{what}"),
        other => panic!("{other:?}"),
    };
    named(store.apply(&partition(), &[put("negative", Expect::Any, "w")], id(2)).await.map(drop), "negative");
    named(RefsBackend::scan(&store, &partition(), &ScanRange::default(), 9).await.map(drop), "negative");
    named(store.put_if(&fence, &conditional("a", Condition::Absent)).await.map(drop), "record");
    named(StagingStore::get(&store, &[fence.token], "a").await.map(drop), "\"a\"");
}

/// What version 1 of the server left behind.
const VERSION_1: &str = "
    CREATE TABLE schema_version (version BIGINT NOT NULL);
    INSERT INTO schema_version VALUES (1);
    CREATE TABLE refs (
        partition BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, version BIGINT NOT NULL,
        token BYTEA, head BYTEA, write_id BYTEA, written_ms BIGINT, PRIMARY KEY (partition, key));
    CREATE TABLE staging (token BYTEA NOT NULL, path BYTEA NOT NULL, entry BYTEA, etag TEXT, PRIMARY KEY (token, path));
    INSERT INTO refs VALUES ('p', 'record', 'main', 3, decode(repeat('01', 16), 'hex'), decode(repeat('02', 32), 'hex'),
        decode('00000000000000000000000000000009', 'hex'), 1700000000000);
    INSERT INTO refs VALUES ('p', 'plain', 'value', 1, NULL, NULL, NULL, NULL);
    INSERT INTO staging VALUES (decode(repeat('01', 16), 'hex'), 'a', 'e', 'e');
    INSERT INTO staging VALUES (decode(repeat('01', 16), 'hex'), 'b', NULL, NULL);
";

#[tokio::test]
async fn version_1_is_migrated_with_everything_in_it() {
    let Some(config) = config("migrated").await else { return };
    execute(&config, VERSION_1).await;
    // Two servers start at once: one migrates, the other waits and finds it done.
    let (one, other) =
        tokio::join!(PostgresStore::open(&config, clock()), PostgresStore::open(&config, clock()));
    other.unwrap();
    let store = one.unwrap();
    let main = Versioned { value: Bytes::from("main"), version: Version(3) };
    assert_eq!(record(&store, "record").await, Some(main));
    assert_eq!(record(&store, "plain").await.map(|found| found.version), Some(Version(1)));
    let page = StagingStore::scan(&store, &[Token([1; 16])], "", None, 9).await.unwrap();
    assert_eq!(page.rows, [row("a"), StagedRow { path: "b".to_owned(), value: StagedValue::Deleted }]);
    let replayed = store.apply(&partition(), &[put("record", Expect::Absent, "x")], id(9)).await.unwrap();
    assert_eq!(replayed, RefUpdate::Applied(vec![Some(Version(3))]));
    let fence = Fence { partition: partition(), key: "record".to_owned(), token: Token([1; 16]) };
    assert_eq!(store.put(&fence, &[row("c")]).await.unwrap(), Staged::Done);
    let applied = store.apply(&partition(), &[put("new", Expect::Any, "x")], id(10)).await.unwrap();
    assert!(matches!(applied, RefUpdate::Applied(versions) if versions[0].unwrap().0 > 1 << 32));
}

#[tokio::test]
async fn a_newer_schema_and_a_bad_configuration_are_refused_by_name() {
    let Some(config) = config("newer").await else { return };
    PostgresStore::open(&config, clock()).await.unwrap();
    execute(&config, "UPDATE schema_version SET version = 3").await;
    let refused = PostgresStore::open(&config, clock()).await.unwrap_err();
    assert!(matches!(&refused, RefsError::NewerSchema { found: 3, known: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains(&config.schema), "{refused}");
    for schema in ["", "Upper", "a b", "a;drop table x", "a\0"] {
        let config = PostgresConfig { schema: schema.to_owned(), ..config.clone() };
        let refused = PostgresStore::open(&config, clock()).await.unwrap_err();
        assert!(
            matches!(refused, RefsError::Failed { action: "reading the configuration", .. }),
            "{refused:?}"
        );
    }
    let url = format!("{}?sslmode=verify-ca&sslrootcert=/none/root.pem", config.url);
    let missing = PostgresStore::open(&PostgresConfig { url, ..config.clone() }, clock()).await.unwrap_err();
    let why = std::error::Error::source(&missing).map(ToString::to_string).unwrap_or_default();
    assert!(why.starts_with("sslrootcert /none/root.pem cannot be read: "), "{missing:?}");
    let config = PostgresConfig { url: "postgres://user:secret@".to_owned() + "[", ..config };
    let refused = PostgresStore::open(&config, clock()).await.unwrap_err();
    assert!(!format!("{refused:?} {config:?}").contains("secret"));
}

#[tokio::test]
async fn write_ids_are_forgotten_only_beyond_both_bounds() {
    let Some(config) = config("forgotten").await else { return };
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let store = PostgresStore::open(&config, clock.clone()).await.unwrap();
    store.apply(&partition(), &[put("k", Expect::Any, "0")], id(0)).await.unwrap();
    // Old writes of this partition and of another one, without waiting for as many commits.
    execute(
        &config,
        "INSERT INTO write_ids (partition, write_id, at_ms, versions)
         SELECT p, decode(lpad(to_hex(n + 1000), 32, '0'), 'hex'), 1700000000000, '{7}'
         FROM unnest(ARRAY['p'::bytea, 'q'::bytea]) AS p, generate_series(1, 1500) AS n",
    )
    .await;
    clock.advance(10 * 60 * 1000 + 1);
    // A look at the partition is due once in 256 writes.
    for n in 1..=256 {
        store.apply(&partition(), &[put("k", Expect::Any, "1")], id(n)).await.unwrap();
    }
    let mut connection = sqlx::PgConnection::connect(&config.url).await.unwrap();
    let count = format!("SELECT COUNT(*) FROM {}.write_ids WHERE partition = $1", config.schema);
    let mut kept = async |partition: &str| {
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count.clone())).bind(partition.as_bytes());
        let count: i64 = count.fetch_one(&mut connection).await.unwrap();
        count
    };
    let left = kept("p").await;
    assert!((1000..1000 + 260).contains(&left), "{left}");
    assert_eq!(kept("q").await, 1500);
    let replayed = store.apply(&partition(), &[put("k", Expect::Absent, "1")], id(1)).await.unwrap();
    assert!(matches!(replayed, RefUpdate::Applied(_)));
}
