//! Merges of a ref into a branch. Everything slow and everything that may refuse is done before a merge joins its branch's
//! queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{Labels, Mode, PipelineInput, PipelineOutcome, merge_over_bases};
use anabranch_tree::{CommitRecord, CommitToPack, Session, Tree};
use anabranch_types::{BranchName, Commit, CommitId};

use crate::blobs::{Blobs, NewObjects};
use crate::commit::check_texts;
use crate::commits::StoredCommit;
use crate::delta::{Delta, compare};
use crate::group::{Done, Work};
use crate::plan::{Computed, MergeResult, Plan, Planned, PreparedMerge};
use crate::staging_view::{Branch, TRIES_MAX};
use crate::{
    MergeAnswer, MergeDetails, MergeRequest, MergeSummary, Repository, RepositoryError, Strategy,
    TableSummary, Verdict,
};

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
        if let Some(preview) = request.preview.clone() {
            return self.execute_preview(&preview, source, destination, request).await;
        }
        let target = self.inner.resolve(source).await?;
        let theirs = self.inner.commit_of(&target.commit).await?;
        let answer = self.merge_commit(source, &theirs, destination, &request).await?;
        match (answer, target.branch) {
            (MergeAnswer::NoChanges { .. }, Some(branch)) => {
                let uncommitted_on_source = self.uncommitted_on_source(&branch).await?;
                Ok(MergeAnswer::NoChanges { uncommitted_on_source })
            }
            (answer, _) => Ok(answer),
        }
    }

    /// Merges a commit, which `source` is the name of.
    async fn merge_commit(
        &self,
        source: &str,
        theirs: &Arc<StoredCommit>,
        destination: &BranchName,
        request: &MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let planned = self.plan_merge(source, Arc::clone(theirs), destination, request.clone()).await?;
            if planned.brings_nothing {
                return Ok(MergeAnswer::NoChanges { uncommitted_on_source: 0 });
            }
            match self.run_plan(destination, planned.plan).await? {
                MergeAnswer::StalePreview { .. } => self.still_in_time(destination, request.deadline_ms)?,
                answer => return Ok(answer),
            }
        }
        Err(RepositoryError::busy("branch", destination, TRIES_MAX))
    }

    /// After a merge that was pinned to no head, and is stale all the same: its branch was moved to another commit while it
    /// ran. An error when there is no time to plan it anew.
    pub(crate) fn still_in_time(
        &self,
        destination: &BranchName,
        deadline_ms: Option<i64>,
    ) -> Result<(), RepositoryError> {
        match deadline_ms {
            Some(deadline) if deadline <= self.inner.clock.now_ms() => {
                Err(RepositoryError::deadline_passed(destination))
            }
            _ => Ok(()),
        }
    }

    /// The plan of a merge of a commit, which `source` is the name of, into a branch as it is now.
    pub(crate) async fn plan_merge(
        &self,
        source: &str,
        theirs: Arc<StoredCommit>,
        destination: &BranchName,
        request: MergeRequest,
    ) -> Result<Planned, RepositoryError> {
        let record = self.inner.load_branch(destination).await?.record;
        let ours = self.inner.commit_of(&record.head).await?;
        let bases = self.inner.merge_bases_of(destination, &ours, &theirs).await?;
        let has_all = bases.iter().any(|base| base.id == theirs.id);
        let plan = Plan {
            base_ids: bases.iter().map(|base| base.id).collect(),
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
            by_rows: request.by_rows,
            resolutions: Vec::new(),
            decided: Vec::new(),
            resolved: Vec::new(),
            message: request.message.unwrap_or_else(|| format!("Merge '{source}' into '{destination}'")),
            committer: request.committer.0,
            metadata: request.metadata,
            allow_empty: request.allow_empty,
            deadline_ms: request.deadline_ms,
            incarnation: record.incarnation,
            tokens: record.tokens(),
            pinned: false,
            ours,
        };
        Ok(Planned { brings_nothing: has_all && !plan.allow_empty, plan })
    }

    /// How many uncommitted changes the source branch of a merge has.
    pub(crate) async fn uncommitted_on_source(
        &self,
        (branch, _): &(BranchName, Branch),
    ) -> Result<u64, RepositoryError> {
        match self.uncommitted_count(branch).await {
            // Deleted since it was resolved, and what was staged on it with it.
            Err(RepositoryError::NotFound { .. }) => Ok(0),
            count => count,
        }
    }

    /// Prepares a merge and takes it through the branch's queue.
    pub(crate) async fn run_plan(
        &self,
        destination: &BranchName,
        plan: Plan,
    ) -> Result<MergeAnswer, RepositoryError> {
        check_texts(&plan.message, &plan.committer, &plan.metadata)?;
        match self.prepare(destination, plan).await? {
            Prepared::Answer(answer) => Ok(*answer),
            Prepared::Ready(prepared) => self.take_turn(destination, prepared).await,
        }
    }

    /// Takes a prepared merge through the branch's queue.
    pub(crate) async fn take_turn(
        &self,
        destination: &BranchName,
        prepared: Box<PreparedMerge>,
    ) -> Result<MergeAnswer, RepositoryError> {
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

    /// Merges the trees of a plan, and publishes nothing. Its time is `now_ms`, or when the same merge was computed a short
    /// while ago.
    pub(crate) async fn compute(
        &self,
        destination: &BranchName,
        plan: &Plan,
        now_ms: i64,
    ) -> Result<Computed, RepositoryError> {
        let time_ms = self.inner.merge_times.of(plan.seed(), now_ms);
        let session = self.inner.trees.session();
        let reader = Blobs(Arc::clone(&self.inner));
        let writer = NewObjects { inner: Arc::clone(&self.inner), modified_ms: time_ms };
        let input = PipelineInput {
            base: plan.bases.first().cloned().unwrap_or_default(),
            ours: plan.ours.tree(),
            theirs: plan.theirs_tree.clone(),
            labels: plan.labels.clone(),
            source: plan.source.clone(),
            mode: plan.mode,
            registry: &self.inner.registry,
            resolutions: &plan.resolutions,
            strategy: plan.strategy.map(strategy),
            by_rows: plan.by_rows,
            merge_time_ms: time_ms,
            seed: plan.seed(),
            reader: &reader,
            writer: &writer,
        };
        let outcome = merge_over_bases(&session, &plan.bases, &input).await;
        let outcome = outcome
            .map_err(|source| RepositoryError::Merge { destination: destination.to_string(), source })?;
        let mut summary = plan.summary(outcome.report());
        let ours = plan.ours.tree();
        let delta = compare(&session, &ours, outcome.tree()).await;
        let delta = delta.map_err(RepositoryError::tree(format!("the merge into {destination}")))?;
        let total = outcome.tree().count().abs_diff(ours.count());
        summary.objects_changed = count_outside(&summary.tables, &delta, total);
        Ok(Computed { session, outcome, summary, delta })
    }

    async fn prepare(&self, destination: &BranchName, plan: Plan) -> Result<Prepared, RepositoryError> {
        let time_ms = self.inner.clock.now_ms();
        let Computed { session, outcome, summary, delta } = self.compute(destination, &plan, time_ms).await?;
        let tree = match outcome {
            PipelineOutcome::Conflicts { conflicts, .. } => {
                let answer = MergeAnswer::Conflicts { conflicts, summary };
                return Ok(Prepared::Answer(Box::new(answer)));
            }
            PipelineOutcome::Merged { tree, .. } => tree,
        };
        if delta.is_empty() && !plan.allow_empty {
            let answer = MergeAnswer::NoChanges { uncommitted_on_source: 0 };
            return Ok(Prepared::Answer(Box::new(answer)));
        }
        let result = match delta.listed() {
            Some(changes) if changes <= CARRIED_MAX && session.new_bytes() <= CARRIED_BYTES_MAX => {
                MergeResult::Carried(session, tree)
            }
            Some(changes) if changes <= CARRIED_MAX => MergeResult::Changes,
            _ => MergeResult::Packed(self.write_tree(&session, &tree, time_ms).await?.tree()),
        };
        let merge = self.ready(destination, plan, result, delta, (summary, time_ms)).await?;
        Ok(Prepared::Ready(Box::new(merge)))
    }

    /// A merge that can take its turn; its report is durable.
    pub(crate) async fn ready(
        &self,
        destination: &BranchName,
        plan: Plan,
        result: MergeResult,
        delta: Delta,
        (summary, time_ms): (MergeSummary, i64),
    ) -> Result<PreparedMerge, RepositoryError> {
        let details = MergeDetails {
            source: plan.source.clone(),
            destination: destination.to_string(),
            verdict: if plan.is_fast_forward() { Verdict::FastForward } else { Verdict::Clean },
            summary,
            conflicts: plan.resolved.clone(),
            decided: plan.decided.clone(),
        };
        let seed = plan.seed();
        let mut metadata = plan.metadata;
        self.inner.attach_details(&mut metadata, &details).await?;
        Ok(PreparedMerge {
            ours: plan.ours,
            incarnation: plan.incarnation,
            pinned: plan.pinned,
            result,
            delta,
            theirs_generation: plan.theirs_generation,
            second_parent: plan.second_parent,
            summary: details.summary,
            labels: plan.labels,
            source: plan.source,
            mode: plan.mode,
            strategy: plan.strategy.map(strategy),
            by_rows: plan.by_rows,
            time_ms,
            seed,
            message: plan.message,
            committer: plan.committer,
            metadata,
            allow_empty: plan.allow_empty,
            deadline_ms: plan.deadline_ms,
        })
    }

    /// Writes a tree that no commit names yet, so that it can be used beyond its session.
    pub(crate) async fn write_tree(
        &self,
        session: &Session,
        tree: &Tree,
        time_ms: i64,
    ) -> Result<CommitRecord, RepositoryError> {
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
        let written = packed.commits.into_iter().next().map(|commit| commit.record);
        written.ok_or_else(|| RepositoryError::damaged("a pack", "it lacks the commit it was made of"))
    }
}

enum Prepared {
    Answer(Box<MergeAnswer>),
    Ready(Box<PreparedMerge>),
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

/// How many of the changes lie outside the tables of a summary; when they are too many to be listed, `total`: by how many
/// entries the trees differ at least.
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
