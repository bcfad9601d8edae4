//! Objects in memory.

use anabranch_storage::{conformance, open_memory};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let storage = open_memory("test");
    conformance::all(storage.as_ref()).await;
    conformance::retried_writes(&storage).await;
    conformance::lost_replies(&storage).await;
}
