//! The memory backend.

use std::sync::Arc;

use anabranch_refs::{MemoryStore, conformance};

use crate::clock;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refs_suite() {
    conformance::refs_backend(Arc::new(MemoryStore::new(clock()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn staging_suite() {
    let store = Arc::new(MemoryStore::new(clock()));
    conformance::staging_store(store.clone(), store).await;
}
