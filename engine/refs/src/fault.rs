//! A wrapper that loses requests and replies, to test what is built on the traits.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::{
    ConditionalRow, Dropped, Edit, Fence, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Versioned, WriteId,
};

/// What happens to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing: it is done and answered.
    None,
    /// It never arrives; the caller gets [`RefsError::Unknown`].
    RequestLost,
    /// It is done; the caller gets [`RefsError::Unknown`].
    ReplyLost,
}

/// Passes everything on, and loses writes as planned. Reads are never lost.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    plan: Mutex<VecDeque<Fault>>,
}

impl<S> Faulty<S> {
    /// Wraps `inner`; nothing is lost until [`Self::plan`] says so.
    pub fn new(inner: S) -> Self {
        Faulty { inner, plan: Mutex::default() }
    }

    /// Adds what happens to the next writes, in their order; all after them are answered.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    fn next(&self) -> Fault {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None)
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T, RefsError>>) -> Result<T, RefsError> {
        let lost =
            |what: &str| RefsError::Unknown { store: "the faulty store".to_owned(), source: what.into() };
        match self.next() {
            Fault::None => write.await,
            Fault::RequestLost => Err(lost("request lost")),
            Fault::ReplyLost => {
                write.await?;
                Err(lost("reply lost"))
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: RefsBackend> RefsBackend for Faulty<S> {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        self.inner.get(partition, key).await
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        self.inner.scan(partition, range, limit).await
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        self.write(self.inner.apply(partition, edits, write_id)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: StagingStore> StagingStore for Faulty<S> {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        self.write(self.inner.put(fence, rows)).await
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        self.write(self.inner.put_if(fence, row)).await
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        self.inner.get(tokens, path).await
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        self.inner.scan(tokens, prefix, after, limit).await
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        self.write(self.inner.drop_chunk(token)).await
    }
}
