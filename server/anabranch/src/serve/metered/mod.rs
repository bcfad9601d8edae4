//! Wrappers that count and time what backends and mergers are asked for, and else do what the inner ones do.

mod merger;
mod objects;
mod plugins;
mod refs;
mod staging;

use std::time::Instant;

use prometheus::{Histogram, IntCounter};
use tracing::Instrument;

use super::metrics::Backends;

pub(super) use merger::MeteredMerger;
pub(super) use objects::MeteredStorage;
pub(super) use plugins::PluginMeter;
pub(super) use refs::MeteredRefs;
pub(super) use staging::MeteredStaging;

/// One operation of one backend.
struct Operation {
    backend: String,
    name: &'static str,
    done: IntCounter,
    failed: IntCounter,
    seconds: Histogram,
}

impl Operation {
    fn new(metrics: &Backends, backend: &str, name: &'static str) -> Self {
        Operation {
            backend: backend.to_owned(),
            name,
            done: metrics.total.with_label_values(&[backend, name, "done"]),
            failed: metrics.total.with_label_values(&[backend, name, "failed"]),
            seconds: metrics.seconds.with_label_values(&[backend, name]),
        }
    }

    /// Counts and times one call. `failed` says which errors are the backend's own: an object that does not exist is
    /// an answer.
    async fn time<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        failed: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let span = tracing::debug_span!(target: "anabranch::backend", "backend", backend = %self.backend, operation = self.name);
        let result = call.instrument(span).await;
        self.seconds.observe(begun.elapsed().as_secs_f64());
        self.count(!matches!(&result, Err(error) if failed(error)));
        result
    }

    fn count(&self, done: bool) {
        if done { self.done.inc() } else { self.failed.inc() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use anabranch_storage::{conformance, open_memory};
    use anabranch_types::test_support::ManualClock;

    use super::super::metrics::Metrics;
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn metered_backends_conform_and_count() {
        let metrics = Metrics::new().unwrap();
        let storage = MeteredStorage::new(open_memory("m"), "mem", &metrics.backends);
        conformance::all(&storage).await;
        let store = Arc::new(anabranch_refs::MemoryStore::new(Arc::new(ManualClock::at(0))));
        let refs = Arc::new(MeteredRefs::new(store.clone(), "memory", &metrics.backends));
        anabranch_refs::conformance::refs_backend(refs.clone()).await;
        let staging = Arc::new(MeteredStaging::new(store, "memory", &metrics.backends));
        anabranch_refs::conformance::staging_store(refs, staging).await;
        let text = metrics.text().unwrap();
        for (backend, operation) in
            [("objects:mem", "put"), ("refs:memory", "apply"), ("staging:memory", "put_if")]
        {
            let line = format!(
                "operations_total{{backend=\"{backend}\",operation=\"{operation}\",outcome=\"done\"}}"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(
            text.contains("anabranch_backend_bytes_total{backend=\"objects:mem\",direction=\"read\"}"),
            "{text}"
        );
    }
}
