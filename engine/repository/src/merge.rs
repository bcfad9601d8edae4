//! Merges of a ref into a branch. Everything slow and everything that may refuse is done before a merge joins its branch's
//! queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{
    Labels, MergeReport, Mode, PipelineInput, PipelineOutcome, PipelineReport, UnitDecision, merge_over_bases,
};
use anabranch_tree::{CommitToPack, Session, Tree};
use anabranch_types::{BranchName, Commit, CommitId};

use crate::blobs::{Blobs, NewObjects};
use crate::commit::check_texts;
use crate::commits::StoredCommit;
use crate::delta::{Delta, compare};
use crate::group::{Done, Work};
use crate::record::Incarnation;
use crate::{MergeAnswer, MergeRequest, MergeSummary, Repository, RepositoryError, Strategy, TableSummary};

/// How many changes a prepared merge carries in memory; the tree of a larger one is written before it is queued.
const CARRIED_MAX: usize = 50_000;
/// How many bytes of new nodes a prepared merge carries beside them; they are made again for a larger one.
const CARRIED_BYTES_MAX: usize = 64 << 20;

impl Repository {
    /// Merges what `source`, a ref expression, stands for into the branch: all tables at once, or nothing. Always makes a
    /// merge commit, also where the branch could be moved forward.
    ///
    /// Uncommitted changes of the source are not merged; those of the destination stay staged. Merges and commits into
    /// one branch that come at the same time share one write.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for source or destination, also for a destination that is deleted meanwhile; a source
    /// is pinned when the merge begins. [`RepositoryError::Busy`] when other servers kept moving the branch until the
    /// request's deadline. Conflicts are a [`MergeAnswer`].
    pub async fn merge(
        &self,
        source: &str,
        destination: &BranchName,
        request: MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let target = self.inner.resolve(source).await?;
        let theirs = self.inner.commit_of(&target.commit).await?;
        let record = self.inner.load_branch(destination).await?.record;
        let ours = self.inner.commit_of(&record.head).await?;
        let bases = self.inner.merge_bases_of(destination, &ours, &theirs).await?;
        let answer = if bases.iter().any(|base| base.id == theirs.id) && !request.allow_empty {
            MergeAnswer::NoChanges { uncommitted_on_source: 0 }
        } else {
            let plan = Plan {
                base_id: bases.first().map(|base| base.id),
                bases: trees_of(&bases),
                theirs_tree: theirs.tree(),
                theirs_generation: if request.squash { 0 } else { theirs.commit.generation },
                second_parent: (!request.squash).then_some(theirs.id),
                labels: Labels {
                    base: bases.first().map_or_else(|| "nothing".to_owned(), |base| short(&base.id)),
                    ours: destination.to_string(),
                    theirs: source.to_owned(),
                },
                theirs_id: Some(theirs.id),
                source: source.to_owned(),
                mode: Mode::for_source(source),
                strategy: request.strategy,
                message: request.message.unwrap_or_else(|| format!("Merge '{source}' into '{destination}'")),
                committer: request.committer.0,
                metadata: request.metadata,
                allow_empty: request.allow_empty,
                deadline_ms: request.deadline_ms,
                incarnation: record.incarnation,
                ours,
            };
            self.run_plan(destination, plan).await?
        };
        match (answer, target.branch) {
            (MergeAnswer::NoChanges { .. }, Some((branch, _))) => {
                let uncommitted_on_source = match self.uncommitted_count(&branch).await {
                    // Deleted since it was resolved, and what was staged on it with it.
                    Err(RepositoryError::NotFound { .. }) => 0,
                    count => count?,
                };
                Ok(MergeAnswer::NoChanges { uncommitted_on_source })
            }
            (answer, _) => Ok(answer),
        }
    }

    /// Prepares a merge and takes it through the branch's queue.
    pub(crate) async fn run_plan(
        &self,
        destination: &BranchName,
        plan: Plan,
    ) -> Result<MergeAnswer, RepositoryError> {
        check_texts(&plan.message, &plan.committer, &plan.metadata)?;
        let prepared = match self.prepare(destination, plan).await? {
            Prepared::Answer(answer) => return Ok(*answer),
            Prepared::Ready(prepared) => prepared,
        };
        match self.join_group(destination, Work::Merge(prepared)).await {
            Ok(Done::Merge(answer)) => Ok(answer),
            Ok(Done::Commit(_)) => Err(RepositoryError::Interrupted { branch: destination.to_string() }),
            // It was there when the merge was prepared.
            Err(RepositoryError::NotFound { kind: "branch", hint, .. }) if hint.is_empty() => {
                Err(RepositoryError::deleted_meanwhile(destination))
            }
            Err(error) => Err(error),
        }
    }

    async fn prepare(&self, destination: &BranchName, plan: Plan) -> Result<Prepared, RepositoryError> {
        let failed = || RepositoryError::tree(format!("the merge into {destination}"));
        let session = self.inner.trees.session();
        let time_ms = self.inner.clock.now_ms();
        let seed = plan.seed();
        let reader = Blobs(Arc::clone(&self.inner));
        let writer = NewObjects { inner: Arc::clone(&self.inner), modified_ms: time_ms };
        let ours_tree = plan.ours.tree();
        let input = PipelineInput {
            base: plan.bases.first().cloned().unwrap_or_default(),
            ours: ours_tree.clone(),
            theirs: plan.theirs_tree.clone(),
            labels: plan.labels.clone(),
            source: plan.source.clone(),
            mode: plan.mode,
            registry: &self.inner.registry,
            resolutions: &[],
            strategy: plan.strategy.map(strategy),
            merge_time_ms: time_ms,
            seed,
            reader: &reader,
            writer: &writer,
        };
        let outcome = merge_over_bases(&session, &plan.bases, &input).await;
        let outcome = outcome
            .map_err(|source| RepositoryError::Merge { destination: destination.to_string(), source })?;
        let mut summary = plan.summary(outcome.report());
        let tree = match outcome {
            PipelineOutcome::Conflicts { conflicts, .. } => {
                let answer = MergeAnswer::Conflicts { conflicts, summary };
                return Ok(Prepared::Answer(Box::new(answer)));
            }
            PipelineOutcome::Merged { tree, .. } => tree,
        };
        let delta = compare(&session, &ours_tree, &tree).await.map_err(failed())?;
        if delta.is_empty() && !plan.allow_empty {
            let answer = MergeAnswer::NoChanges { uncommitted_on_source: 0 };
            return Ok(Prepared::Answer(Box::new(answer)));
        }
        summary.objects_changed = count_outside(&summary.tables, &delta, outcome_total(&tree, &ours_tree));
        let result = match delta.listed() {
            Some(changes) if changes <= CARRIED_MAX && session.new_bytes() <= CARRIED_BYTES_MAX => {
                MergeResult::Carried(session, tree)
            }
            Some(changes) if changes <= CARRIED_MAX => MergeResult::Changes,
            _ => MergeResult::Packed(self.write_tree(&session, &tree, time_ms).await?),
        };
        Ok(Prepared::Ready(Box::new(PreparedMerge {
            ours: plan.ours,
            incarnation: plan.incarnation,
            result,
            delta,
            theirs_generation: plan.theirs_generation,
            second_parent: plan.second_parent,
            summary,
            labels: plan.labels,
            source: plan.source,
            mode: plan.mode,
            strategy: plan.strategy.map(strategy),
            time_ms,
            seed,
            message: plan.message,
            committer: plan.committer,
            metadata: plan.metadata,
            allow_empty: plan.allow_empty,
            deadline_ms: plan.deadline_ms,
        })))
    }

    /// Writes a tree that no commit names yet, so that it can be used beyond its session.
    async fn write_tree(
        &self,
        session: &Session,
        tree: &Tree,
        time_ms: i64,
    ) -> Result<Tree, RepositoryError> {
        let commit = Commit {
            parents: Vec::new(),
            tree: tree.id(),
            generation: 1,
            created_ms: time_ms,
            committer: String::new(),
            message: "the tree of a merge that was prepared".to_owned(),
            metadata: BTreeMap::new(),
        };
        let commits = [CommitToPack { commit, tree: tree.clone(), delta: None }];
        let packing = self.inner.pack(session, &commits).map_err(RepositoryError::tree("a merge"))?;
        let packed = self.inner.store_packs(packing).await?;
        Ok(packed.commits.first().map(|commit| commit.record.tree()).unwrap_or_default())
    }
}

/// A merge, revert or cherry-pick: which trees, and what the commit says.
pub(crate) struct Plan {
    /// The trees of the merge bases, at least one.
    pub(crate) bases: Vec<Tree>,
    pub(crate) base_id: Option<CommitId>,
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
    pub(crate) message: String,
    pub(crate) committer: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allow_empty: bool,
    pub(crate) deadline_ms: Option<i64>,
}

impl Plan {
    /// Follows from the trees alone, so that merging them again gives the same objects.
    fn seed(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for tree in self.bases.iter().chain([&self.ours.tree(), &self.theirs_tree]) {
            hasher.update(tree.id().as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn summary(&self, report: &PipelineReport) -> MergeSummary {
        let changed = report.units.iter().filter(|unit| unit.decision != UnitDecision::Ours);
        let table = |unit: &anabranch_merge::UnitReport| TableSummary {
            root: unit.root.clone(),
            report: unit.report.clone().unwrap_or_else(|| MergeReport::new("fast-forward")),
        };
        MergeSummary {
            tables: changed.map(table).collect(),
            objects_changed: 0,
            base: self.base_id,
            ours: Some(self.ours.id),
            theirs: self.theirs_id,
        }
    }
}

enum Prepared {
    Answer(Box<MergeAnswer>),
    Ready(Box<PreparedMerge>),
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
    pub(crate) time_ms: i64,
    pub(crate) seed: [u8; 32],
    pub(crate) message: String,
    pub(crate) committer: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allow_empty: bool,
    pub(crate) deadline_ms: Option<i64>,
}

/// The trees to merge from; the empty one for histories that have nothing in common.
fn trees_of(bases: &[Arc<StoredCommit>]) -> Vec<Tree> {
    if bases.is_empty() { vec![Tree::empty()] } else { bases.iter().map(|base| base.tree()).collect() }
}

fn strategy(strategy: Strategy) -> anabranch_merge::Strategy {
    match strategy {
        Strategy::DestWins => anabranch_merge::Strategy::DestWins,
        Strategy::SourceWins => anabranch_merge::Strategy::SourceWins,
    }
}

/// An id as people are shown it.
pub(crate) fn short(id: &CommitId) -> String {
    id.to_hex().chars().take(12).collect()
}

/// How many of the changes lie outside the tables of a summary; `total` when the changes are too many to be listed.
fn count_outside(tables: &[TableSummary], delta: &Delta, total: u64) -> u64 {
    let Some(changes) = &delta.changes else { return total };
    let inside = |path: &str| {
        tables.iter().any(|table| {
            let rest = path.strip_prefix(table.root.as_str());
            table.root.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    changes.iter().chain(&delta.rewritten).filter(|change| !inside(change.key.as_str())).count() as u64
}

/// By how many entries two trees differ at least.
fn outcome_total(after: &Tree, before: &Tree) -> u64 {
    after.count().abs_diff(before.count())
}
