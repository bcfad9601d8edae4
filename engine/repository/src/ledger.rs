//! Reads and writes records of the ref-store; a write whose reply was lost is asked for again.

use std::sync::Arc;

use anabranch_refs::{
    Edit, Expect, FenceMark, Operation, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Version, Versioned, WriteId,
};
use anabranch_types::IdSource;
use bytes::Bytes;

use crate::RepositoryError;

/// How often a write is sent before its fate counts as unknown. Repeats carry the same write-id, so that one which
/// landed is recognised.
const SENDS_MAX: usize = 4;

/// The ref-store, as the rest of this crate uses it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    refs: Arc<dyn RefsBackend>,
}

/// How a write of one record ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Swap {
    /// It is durable.
    Done(Version),
    /// The record was not as expected: what it is.
    Lost(Option<Versioned>),
}

impl Ledger {
    pub(crate) fn new(refs: Arc<dyn RefsBackend>) -> Ledger {
        Ledger { refs }
    }

    pub(crate) async fn get(
        &self,
        action: &'static str,
        partition: &Partition,
        key: &str,
    ) -> Result<Option<Versioned>, RepositoryError> {
        self.refs.get(partition, key).await.map_err(RepositoryError::refs(action))
    }

    pub(crate) async fn scan(
        &self,
        action: &'static str,
        partition: &Partition,
        range: &ScanRange,
        limit: usize,
    ) -> Result<Page, RepositoryError> {
        self.refs.scan(partition, range, limit).await.map_err(RepositoryError::refs(action))
    }

    pub(crate) async fn apply(
        &self,
        action: &'static str,
        partition: &Partition,
        edits: &[Edit],
        ids: &dyn IdSource,
    ) -> Result<RefUpdate, RepositoryError> {
        let write_id = WriteId(ids.id16());
        let mut sends = 1;
        loop {
            match self.refs.apply(partition, edits, write_id).await {
                Err(RefsError::Unknown { .. }) if sends < SENDS_MAX => sends += 1,
                answer => return answer.map_err(RepositoryError::refs(action)),
            }
        }
    }

    /// Sets one record.
    pub(crate) async fn put(
        &self,
        action: &'static str,
        partition: &Partition,
        key: &str,
        expect: Expect,
        (value, fence): (Vec<u8>, Option<FenceMark>),
        ids: &dyn IdSource,
    ) -> Result<Swap, RepositoryError> {
        let operation = Operation::Put { value: Bytes::from(value), fence };
        let edit = Edit { key: key.to_owned(), expect, operation };
        self.swap(action, partition, edit, ids).await
    }

    /// Removes one record.
    pub(crate) async fn delete(
        &self,
        action: &'static str,
        partition: &Partition,
        key: &str,
        expect: Expect,
        ids: &dyn IdSource,
    ) -> Result<Swap, RepositoryError> {
        let edit = Edit { key: key.to_owned(), expect, operation: Operation::Delete };
        self.swap(action, partition, edit, ids).await
    }

    async fn swap(
        &self,
        action: &'static str,
        partition: &Partition,
        edit: Edit,
        ids: &dyn IdSource,
    ) -> Result<Swap, RepositoryError> {
        match self.apply(action, partition, &[edit], ids).await? {
            RefUpdate::Applied(versions) => {
                Ok(Swap::Done(versions.into_iter().next().flatten().unwrap_or(Version(0))))
            }
            RefUpdate::Rejected { actual, .. } => Ok(Swap::Lost(actual)),
        }
    }
}
