//! A ref-store in whose calls a test may do something of its own first: what another server does at that moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anabranch_refs::{
    Edit, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange, Versioned, WriteId,
};
use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::lake::Disk;

/// A call of the ref-store that is about to take place.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which call since the store was made, from 0.
    pub(crate) at: usize,
    pub(crate) partition: Partition,
    pub(crate) is_write: bool,
}

type Hook = Box<dyn Fn(Call) -> BoxFuture<'static, ()> + Send + Sync>;

/// See the module.
pub(crate) struct Interfered {
    inner: Arc<dyn RefsBackend>,
    calls: AtomicUsize,
    hook: Hook,
}

impl fmt::Debug for Interfered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interfered").field(&self.inner).finish()
    }
}

impl Interfered {
    /// The disk as a process sees it that is interfered with before each call of its ref-store from now on.
    pub(crate) fn disk(
        disk: &Disk,
        hook: impl Fn(Call) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Disk {
        let (inner, calls, hook) = (Arc::clone(&disk.refs), AtomicUsize::new(0), Box::new(hook) as Hook);
        Disk { refs: Arc::new(Interfered { inner, calls, hook }), ..disk.clone() }
    }

    async fn before(&self, partition: &Partition, is_write: bool) {
        let at = self.calls.fetch_add(1, Ordering::SeqCst);
        (self.hook)(Call { at, partition: partition.clone(), is_write }).await;
    }
}

#[async_trait]
impl RefsBackend for Interfered {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        self.before(partition, false).await;
        self.inner.get(partition, key).await
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        self.before(partition, false).await;
        self.inner.scan(partition, range, limit).await
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        self.before(partition, true).await;
        self.inner.apply(partition, edits, id).await
    }
}
