//! The SQLite backend.

use std::sync::Arc;

use anabranch_refs::{SqliteStore, conformance};

use crate::clock;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refs_suite() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("refs.db"), clock()).await.unwrap();
    conformance::refs_backend(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn staging_suite() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("refs.db"), clock()).await.unwrap());
    conformance::staging_store(store.clone(), store).await;
}
