//! A ref-store that counts.

use std::sync::Arc;

use anabranch_refs::{
    Edit, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange, Versioned, WriteId,
};
use async_trait::async_trait;

use super::Operation;
use crate::serve::metrics::Backends;

/// Counts and times the calls of a ref-store.
pub(crate) struct MeteredRefs {
    inner: Arc<dyn RefsBackend>,
    get: Operation,
    scan: Operation,
    apply: Operation,
}

impl MeteredRefs {
    /// A wrapper of the ref-store that metrics call `name`.
    pub(crate) fn new(inner: Arc<dyn RefsBackend>, name: &str, metrics: &Backends) -> Self {
        let backend = format!("refs:{name}");
        let operation = |name| Operation::new(metrics, &backend, name);
        MeteredRefs { inner, get: operation("get"), scan: operation("scan"), apply: operation("apply") }
    }
}

impl std::fmt::Debug for MeteredRefs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

/// Whether an error is the store's own, and not one of the caller.
pub(super) fn failed(error: &RefsError) -> bool {
    !matches!(
        error,
        RefsError::TooManyEdits { .. } | RefsError::ValueTooLarge { .. } | RefsError::RepeatedKey { .. }
    )
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RefsBackend for MeteredRefs {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        self.get.time(self.inner.get(partition, key), failed).await
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        self.scan.time(self.inner.scan(partition, range, limit), failed).await
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        self.apply.time(self.inner.apply(partition, edits, write_id), failed).await
    }
}
