//! A staging store that counts.

use std::sync::Arc;

use anabranch_refs::{
    ConditionalRow, Dropped, Fence, RefsError, Staged, StagedPage, StagedRow, StagedValue, StagingStore,
    Token,
};
use async_trait::async_trait;

use super::Operation;
use super::refs::failed;
use crate::serve::metrics::Backends;

/// Counts and times the calls of a staging store.
pub(crate) struct MeteredStaging {
    inner: Arc<dyn StagingStore>,
    put: Operation,
    put_if: Operation,
    get: Operation,
    scan: Operation,
    drop_chunk: Operation,
}

impl MeteredStaging {
    /// A wrapper of the staging store that metrics call `name`.
    pub(crate) fn new(inner: Arc<dyn StagingStore>, name: &str, metrics: &Backends) -> Self {
        let backend = format!("staging:{name}");
        let operation = |name| Operation::new(metrics, &backend, name);
        MeteredStaging {
            inner,
            put: operation("put"),
            put_if: operation("put_if"),
            get: operation("get"),
            scan: operation("scan"),
            drop_chunk: operation("drop_chunk"),
        }
    }
}

impl std::fmt::Debug for MeteredStaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl StagingStore for MeteredStaging {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        self.put.time(self.inner.put(fence, rows), failed).await
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        self.put_if.time(self.inner.put_if(fence, row), failed).await
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        self.get.time(self.inner.get(tokens, path), failed).await
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        self.scan.time(self.inner.scan(tokens, prefix, after, limit), failed).await
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        self.drop_chunk.time(self.inner.drop_chunk(token), failed).await
    }
}
