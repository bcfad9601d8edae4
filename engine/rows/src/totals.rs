//! What a merge did, in numbers.

use serde::{Deserialize, Serialize};

use crate::conflict::RowConflict;

/// How many rows and cells differ from one side to the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RowDelta {
    /// Rows that only the result has.
    pub added: u64,
    /// Rows that the result has not.
    pub removed: u64,
    /// Rows that the result has otherwise.
    pub changed: u64,
    /// Cells of changed rows that differ.
    pub cells: u64,
}

impl RowDelta {
    /// The sum of two parts.
    #[must_use]
    pub fn plus(self, other: RowDelta) -> RowDelta {
        RowDelta {
            added: self.added + other.added,
            removed: self.removed + other.removed,
            changed: self.changed + other.changed,
            cells: self.cells + other.cells,
        }
    }
}

/// What came out of a merge beside its rows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MergeReport {
    /// Rows of the result.
    pub rows: u64,
    /// The result against ours.
    pub from_ours: RowDelta,
    /// The result against the base.
    pub from_base: RowDelta,
    /// Conflicts nobody has decided, in the order of their keys, as far as they are kept. If there is one, the result
    /// has there what [`crate::OpenRows`] says, and is good to be looked at only.
    pub conflicts: Vec<RowConflict>,
    /// How many such conflicts there are, kept or not.
    pub conflict_count: u64,
    /// How many conflicts a choice has decided.
    pub resolved: u64,
    /// How many cells a policy has decided.
    pub by_policy: u64,
}

impl MergeReport {
    /// The report of two ranges, this one's keys before the other's. Keeps `conflicts_max` conflicts.
    #[must_use]
    pub fn plus(mut self, other: MergeReport, conflicts_max: usize) -> MergeReport {
        self.rows += other.rows;
        self.from_ours = self.from_ours.plus(other.from_ours);
        self.from_base = self.from_base.plus(other.from_base);
        self.conflicts.extend(other.conflicts);
        self.conflicts.truncate(conflicts_max);
        self.conflict_count += other.conflict_count;
        self.resolved += other.resolved;
        self.by_policy += other.by_policy;
        self
    }
}
