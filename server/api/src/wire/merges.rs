//! Merges.

use anabranch_app::{MergeBase, MergeInput, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Conflict, Metadata, StalePreview, TableSummary};

/// A merge to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Merge {
    /// What the merge commit says; left out: a sentence of its own.
    pub message: Option<String>,
    /// What its maker attaches.
    pub metadata: Option<Metadata>,
    /// Who wins what could not be decided: `dest-wins` or `source-wins`; a table in conflict is taken whole from that
    /// side. Left out or empty: conflicts are answered.
    pub strategy: Option<String>,
    /// What the strategy decides: `tables`, which is what it is left out for, or `rows`: in tables with keys single rows and
    /// cells, and a table whole only for what is left. Of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy_level: Option<String>,
    /// As `allow_empty`.
    pub force: Option<bool>,
    /// Whether a merge without changes makes a commit.
    pub allow_empty: Option<bool>,
    /// Whether the merge commit forgets its second parent.
    pub squash_merge: Option<bool>,
    /// The id of a preview: exactly what it showed is published, or the answer is 409 `stale-preview`. Of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

impl Merge {
    /// The request for the application, or what is wrong with this one.
    pub(crate) fn into_input(self) -> Result<MergeInput, String> {
        let strategy = match self.strategy.as_deref() {
            None | Some("") => None,
            Some("dest-wins") => Some(Strategy::DestWins),
            Some("source-wins") => Some(Strategy::SourceWins),
            Some(other) => {
                let shown: String = other.chars().take(100).collect();
                return Err(format!("strategy is {shown:?}: give 'dest-wins', 'source-wins' or nothing"));
            }
        };
        let by_rows = match self.strategy_level.as_deref() {
            None | Some("" | "tables") => false,
            Some("rows") => true,
            Some(other) => {
                let shown: String = other.chars().take(100).collect();
                return Err(format!("strategy_level is {shown:?}: give 'tables', 'rows' or nothing"));
            }
        };
        Ok(MergeInput {
            by_rows,
            message: self.message.filter(|message| !message.is_empty()),
            metadata: self.metadata.unwrap_or_default(),
            strategy,
            allow_empty: self.allow_empty.unwrap_or(false) || self.force.unwrap_or(false),
            squash: self.squash_merge.unwrap_or(false),
            preview: self.preview.filter(|id| !id.is_empty()),
        })
    }
}

/// What a merge did, or would have done. Of our own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeSummary {
    /// The merge base, where there is one.
    pub base: Option<String>,
    /// The destination before the merge.
    pub ours: Option<String>,
    /// The source.
    pub theirs: Option<String>,
    /// Tables and units, in order of root.
    pub tables: Vec<TableSummary>,
    /// Objects outside tables that came to the destination, changed there, or left it.
    pub objects_changed: u64,
}

impl From<anabranch_app::MergeSummary> for MergeSummary {
    fn from(summary: anabranch_app::MergeSummary) -> Self {
        MergeSummary {
            base: summary.base.map(|id| id.to_hex()),
            ours: summary.ours.map(|id| id.to_hex()),
            theirs: summary.theirs.map(|id| id.to_hex()),
            tables: summary.tables.into_iter().map(TableSummary::from).collect(),
            objects_changed: summary.objects_changed,
        }
    }
}

/// A merge that was made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeResult {
    /// The new head of the destination.
    pub reference: String,
    /// What was done. Of our own.
    pub summary: MergeSummary,
}

/// A merge, revert or cherry-pick that could not be decided. Nothing was published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeConflict {
    /// Always empty, as lakeFS has it.
    pub reference: String,
    /// How many conflicts, and what to do.
    pub message: String,
    /// All of them, in order of path. Of our own.
    pub conflicts: Vec<Conflict>,
    /// What would have been done beside them. Of our own.
    pub summary: MergeSummary,
}

/// Why a merge was not made. Nothing was published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MergeRefused {
    /// Something has to be decided.
    Conflicts(MergeConflict),
    /// The preview that was to be published does not hold any more.
    Stale(StalePreview),
}

/// The best common ancestor of two refs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindMergeBaseResult {
    /// The source's commit.
    pub source_commit_id: String,
    /// The destination's commit.
    pub destination_commit_id: String,
    /// The best common ancestor; empty if there is none.
    pub base_commit_id: String,
}

impl From<MergeBase> for FindMergeBaseResult {
    fn from(base: MergeBase) -> Self {
        FindMergeBaseResult {
            source_commit_id: base.source.to_hex(),
            destination_commit_id: base.destination.to_hex(),
            base_commit_id: base.base.map(|id| id.to_hex()).unwrap_or_default(),
        }
    }
}
