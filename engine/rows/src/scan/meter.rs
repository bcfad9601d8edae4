//! What sorts of rows take: memory, counted over all that share a meter, and what they wrote to disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use datafusion_common::Result;
use datafusion_execution::memory_pool::{
    GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Counts what sorts take. Shared by all sorts of a process or of a piece of work.
#[derive(Debug, Default)]
pub struct SortMeter {
    memory_bytes: AtomicUsize,
    memory_bytes_peak: AtomicUsize,
    spilled_runs: AtomicUsize,
    spilled_bytes: AtomicU64,
}

impl SortMeter {
    /// The most memory that was reserved at one time.
    pub fn memory_bytes_peak(&self) -> usize {
        self.memory_bytes_peak.load(Ordering::Relaxed)
    }

    /// How many sorted runs were written to disk by sorts that have ended.
    pub fn spilled_runs(&self) -> usize {
        self.spilled_runs.load(Ordering::Relaxed)
    }

    /// How many bytes these runs have.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.load(Ordering::Relaxed)
    }

    /// Counts memory that is held beside sorts, until what is answered is dropped.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.grow(bytes);
        Held { meter: Arc::clone(self), bytes }
    }

    pub(super) fn spilled(&self, runs: usize, bytes: usize) {
        self.spilled_runs.fetch_add(runs, Ordering::Relaxed);
        self.spilled_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn grow(&self, bytes: usize) {
        let before = self.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.memory_bytes_peak.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
    }

    fn shrink(&self, bytes: usize) {
        self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Memory that is held.
#[derive(Debug)]
pub struct Held {
    meter: Arc<SortMeter>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.shrink(self.bytes);
    }
}

/// The memory of one sort: limited, and counted by a meter.
#[derive(Debug)]
pub(super) struct MeteredPool {
    inner: GreedyMemoryPool,
    limit: usize,
    meter: Arc<SortMeter>,
}

impl MeteredPool {
    pub(super) fn new(limit: usize, meter: Arc<SortMeter>) -> MeteredPool {
        MeteredPool { inner: GreedyMemoryPool::new(limit), limit, meter }
    }
}

#[deny(clippy::missing_trait_methods)]
impl MemoryPool for MeteredPool {
    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
        self.meter.grow(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
        self.meter.shrink(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.inner.try_grow(reservation, additional)?;
        self.meter.grow(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
