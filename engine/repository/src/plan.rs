//! The inputs of a merge, revert or cherry-pick, and what is between its plan and its turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{
    Conflict, Labels, MergeReport, Mode, PipelineOutcome, PipelineReport, Resolution, UnitDecision,
};
use anabranch_refs::Token;
use anabranch_tree::{Session, Tree};
use anabranch_types::CommitId;

use crate::commits::StoredCommit;
use crate::delta::Delta;
use crate::record::Incarnation;
use crate::{Decided, MergeSummary, Strategy, TableSummary};

/// A merge, revert or cherry-pick: which trees, and what the commit says.
pub(crate) struct Plan {
    /// The trees of the merge bases, at least one.
    pub(crate) bases: Vec<Tree>,
    /// The merge bases, the one that counts where one is shown first; none for histories that have nothing in common.
    pub(crate) base_ids: Vec<CommitId>,
    pub(crate) ours: Arc<StoredCommit>,
    /// Which branch of the destination's name is meant.
    pub(crate) incarnation: Incarnation,
    pub(crate) theirs_tree: Tree,
    pub(crate) theirs_id: Option<CommitId>,
    /// 0 when theirs becomes no parent.
    pub(crate) theirs_generation: u64,
    pub(crate) second_parent: Option<CommitId>,
    pub(crate) labels: Labels,
    pub(crate) source: String,
    pub(crate) mode: Mode,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) by_rows: bool,
    /// What was decided about conflicts.
    pub(crate) resolutions: Vec<Resolution>,
    /// The same for the report: who, and when.
    pub(crate) decided: Vec<Decided>,
    /// The conflicts that were decided.
    pub(crate) resolved: Vec<Conflict>,
    pub(crate) message: String,
    pub(crate) committer: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allow_empty: bool,
    pub(crate) deadline_ms: Option<i64>,
    /// The destination's staging areas.
    pub(crate) tokens: Vec<Token>,
    /// Whether it is for this head and no other.
    pub(crate) pinned: bool,
}

/// A plan, and whether there is anything to do.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// The destination has all that the source brings, and no empty commit is wanted.
    pub(crate) brings_nothing: bool,
}

/// What the merge of a plan's trees came to.
pub(crate) struct Computed {
    /// Holds the nodes that are new.
    pub(crate) session: Session,
    pub(crate) outcome: PipelineOutcome,
    pub(crate) summary: MergeSummary,
    /// What the outcome's tree changes on ours.
    pub(crate) delta: Delta,
}

impl Plan {
    /// Whether ours is where the sides parted, so that the result is what theirs is.
    pub(crate) fn is_fast_forward(&self) -> bool {
        self.base_ids == [self.ours.id]
    }

    /// Follows from the trees alone, so that merging them again gives the same objects.
    pub(crate) fn seed(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for tree in self.bases.iter().chain([&self.ours.tree(), &self.theirs_tree]) {
            hasher.update(tree.id().as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn summary(&self, report: &PipelineReport) -> MergeSummary {
        let changed = report.units.iter().filter(|unit| unit.decision != UnitDecision::Ours);
        let table = |unit: &anabranch_merge::UnitReport| TableSummary {
            root: unit.root.clone(),
            is_object: unit.is_object,
            format: unit.format,
            merger: unit.merger.clone(),
            decision: unit.decision,
            report: unit.report.clone().unwrap_or_else(|| MergeReport::new("fast-forward")),
        };
        MergeSummary {
            tables: changed.map(table).collect(),
            objects_changed: 0,
            base: self.base_ids.first().copied(),
            ours: Some(self.ours.id),
            theirs: self.theirs_id,
        }
    }
}

/// What a prepared merge makes of ours.
pub(crate) enum MergeResult {
    /// This tree, whose new nodes are in this session.
    Carried(Session, Tree),
    /// The tree that its changes make.
    Changes,
    /// This tree, which is written.
    Packed(Tree),
}

/// A merge that waits for its turn.
pub(crate) struct PreparedMerge {
    /// The head that it was made for.
    pub(crate) ours: Arc<StoredCommit>,
    /// Which branch of the destination's name it was made for.
    pub(crate) incarnation: Incarnation,
    /// Whether it is for this head and no other: what somebody was shown, or decided.
    pub(crate) pinned: bool,
    pub(crate) result: MergeResult,
    /// What it changes in ours.
    pub(crate) delta: Delta,
    pub(crate) theirs_generation: u64,
    pub(crate) second_parent: Option<CommitId>,
    pub(crate) summary: MergeSummary,
    pub(crate) labels: Labels,
    pub(crate) source: String,
    pub(crate) mode: Mode,
    pub(crate) strategy: Option<anabranch_merge::Strategy>,
    pub(crate) by_rows: bool,
    pub(crate) time_ms: i64,
    pub(crate) seed: [u8; 32],
    pub(crate) message: String,
    pub(crate) committer: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allow_empty: bool,
    pub(crate) deadline_ms: Option<i64>,
}
