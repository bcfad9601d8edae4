//! What merges and diffs of rows may use, and what they have used.

use std::path::PathBuf;
use std::sync::Arc;

use anabranch_rows::scan::SortMeter;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many rows a batch has.
pub const BATCH_ROWS: usize = 8_192;

/// What a merge of rows may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowBudget {
    /// Memory for rows, in bytes.
    pub memory_bytes: usize,
    /// The folder for rows that do not fit; none: such a merge fails with the limit.
    pub folder: Option<PathBuf>,
    /// Disk in that folder, in bytes.
    pub disk_bytes: u64,
}

impl Default for RowBudget {
    /// 256 MiB of memory and no disk.
    fn default() -> Self {
        RowBudget { memory_bytes: 256 << 20, folder: None, disk_bytes: 16 << 30 }
    }
}

/// What merges and diffs of rows may use, and what they have used.
#[derive(Clone, Debug, Default)]
pub struct RowMeans {
    /// What they may use, each.
    pub budget: RowBudget,
    /// What all of them have used.
    pub meter: Arc<SortMeter>,
    /// Into how many ranges of keys the rows of a merge are cut at most; none: as is good for this machine.
    pub ranges: Option<usize>,
}

impl RowMeans {
    /// One of so many equal parts.
    pub fn share(&self, parts: usize) -> RowMeans {
        let parts = parts.max(1);
        let budget = RowBudget {
            memory_bytes: self.budget.memory_bytes / parts,
            folder: self.budget.folder.clone(),
            disk_bytes: self.budget.disk_bytes / parts as u64,
        };
        RowMeans { budget, meter: self.meter.clone(), ranges: self.ranges }
    }
}

/// How many diffs of rows run at a time: each may take the whole budget, and anybody who reads may ask for one.
const ROW_DIFFS_MAX: usize = 2;

/// Lets some diffs of rows run, and others wait.
#[derive(Debug)]
pub struct RowTurns(Semaphore);

impl Default for RowTurns {
    fn default() -> Self {
        RowTurns(Semaphore::new(ROW_DIFFS_MAX))
    }
}

impl RowTurns {
    /// Waits for a turn, which lasts until what is answered is dropped.
    pub async fn take(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.0.acquire().await.ok()
    }
}
