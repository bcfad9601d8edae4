//! The Postgres backend, on the server that `ANABRANCH_TEST_POSTGRES_URL` names.

use std::sync::Arc;

use anabranch_refs::{PostgresConfig, PostgresStore, conformance};

use crate::clock;

/// An empty schema of the test server. Without a server: says why the test is skipped, or fails where servers are
/// required.
pub(crate) async fn config(test: &str) -> Option<PostgresConfig> {
    let Ok(url) = std::env::var("ANABRANCH_TEST_POSTGRES_URL") else {
        let why = "ANABRANCH_TEST_POSTGRES_URL is not set; tools/postgres-for-tests.sh starts a server";
        assert_ne!(std::env::var("ANABRANCH_TEST_REQUIRE_SERVERS").as_deref(), Ok("1"), "{test}: {why}");
        eprintln!("skipped {test}: {why}");
        return None;
    };
    let schema = format!("test_{test}_{}", std::process::id());
    Some(PostgresConfig { url, schema, connections_max: 12 })
}

async fn store(test: &str) -> Option<PostgresStore> {
    Some(PostgresStore::open(&config(test).await?, clock()).await.unwrap())
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
