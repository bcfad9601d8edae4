//! A chain of commits that are made in memory, one on top of the other, before any of them is written.

use std::sync::Arc;

use anabranch_merge::{PipelineInput, PipelineOutcome, RULES_PATH, merge_trees};
use anabranch_refs::Token;
use anabranch_tree::{Change, CommitToPack, DeltaList, Session, Tree};
use anabranch_types::{BranchName, Commit, CommitId, Entry, ObjectPath};

use crate::blobs::{Blobs, NewObjects};
use crate::commits::{Packing, StoredCommit};
use crate::delta::compare;
use crate::merge::short;
use crate::plan::{MergeResult, PreparedMerge};
use crate::record::BranchRecord;
use crate::repository::Inner;
use crate::staging_view::decode_staged;
use crate::{CommitRequest, MergeAnswer, MergeSummary, RepositoryError};

/// How many staged rows are read at once for a commit.
const ROWS_AT_ONCE: usize = 5_000;

/// What became of one request.
pub(crate) enum Link {
    /// It is the commit at this place of the chain.
    Committed { index: usize },
    /// It is the merge commit at this place of the chain.
    Merged { index: usize, summary: MergeSummary },
    /// It ended without a commit.
    Refused(MergeAnswer),
}

/// Staged rows as changes of a tree.
struct SealedPage {
    changes: Vec<Change>,
    /// The path of the last row.
    last: Option<String>,
    /// Whether rows follow it.
    more: bool,
}

/// See the module.
pub(crate) struct Chain<'a> {
    inner: &'a Arc<Inner>,
    name: &'a BranchName,
    session: Session,
    record: BranchRecord,
    tip: CommitId,
    tip_generation: u64,
    tree: Tree,
    commits: Vec<CommitToPack>,
    /// Whether the sealed staging areas are in the chain.
    took_staged: bool,
    /// The trees before and after each merge of the chain, and the staging areas that were not in the chain then.
    merges: Vec<(Tree, Tree, Vec<Token>)>,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(
        inner: &'a Arc<Inner>,
        name: &'a BranchName,
        record: &BranchRecord,
        head: &StoredCommit,
    ) -> Chain<'a> {
        Chain {
            inner,
            name,
            session: inner.trees.session(),
            record: record.clone(),
            tip: head.id,
            tip_generation: head.commit.generation,
            tree: head.tree(),
            commits: Vec::new(),
            took_staged: false,
            merges: Vec::new(),
        }
    }

    pub(crate) fn commits(&self) -> &[CommitToPack] {
        &self.commits
    }

    pub(crate) fn took_staged(&self) -> bool {
        self.took_staged
    }

    /// Commits what is sealed. The first commit of a chain takes all of it.
    pub(crate) async fn add_commit(&mut self, request: &CommitRequest) -> Result<Link, RepositoryError> {
        let before = self.tree.clone();
        let (after, delta) = if self.took_staged || self.record.sealed.is_empty() {
            (before, DeltaList::default())
        } else {
            let (tree, delta, rules) = self.apply_staged().await?;
            if let Some(rules) = rules {
                self.inner.check_rules(&rules).await?;
            }
            let taken = (tree, delta);
            // Also when nothing changes: the rows say what the tree says, and need not be kept.
            self.took_staged = true;
            taken
        };
        if after == self.tree && !request.allow_empty {
            return Err(RepositoryError::NothingToCommit { branch: self.name.to_string() });
        }
        let commit = Commit {
            parents: vec![self.tip],
            tree: after.id(),
            generation: self.tip_generation.saturating_add(1),
            created_ms: request.created_ms.unwrap_or_else(|| self.inner.clock.now_ms()),
            committer: request.committer.0.clone(),
            message: request.message.clone(),
            metadata: request.metadata.clone(),
        };
        let index = self.push(commit, after, Some(delta));
        Ok(Link::Committed { index })
    }

    /// The tree with the sealed rows, the newest of each path, applied, and the rules if they are among them; equal bytes
    /// written again are no change.
    async fn apply_staged(&self) -> Result<(Tree, DeltaList, Option<Entry>), RepositoryError> {
        let mut applier = self.session.applier(&self.tree);
        let mut page = self.sealed_page(None).await?;
        let mut rules = None;
        loop {
            let staged = page.changes.iter().find(|(path, _)| path.as_str() == RULES_PATH);
            rules = rules.or(staged.and_then(|(_, entry)| entry.clone()));
            // The next page is read and decoded while this one is applied.
            let next = page.more.then(|| tokio::spawn(self.sealed_page(page.last.take())));
            applier.apply(page.changes).await.map_err(self.failed())?;
            let Some(next) = next else { break };
            page =
                next.await.map_err(|_| RepositoryError::Interrupted { branch: self.name.to_string() })??;
        }
        let applied = applier.finish().await.map_err(self.failed())?;
        Ok((applied.tree, applied.delta, rules))
    }

    fn sealed_page(
        &self,
        after: Option<String>,
    ) -> impl Future<Output = Result<SealedPage, RepositoryError>> + use<> {
        let (inner, tokens, name) = (self.inner.clone(), self.record.sealed.clone(), self.name.clone());
        async move {
            let page = inner.staged_page(&tokens, "", after.as_deref(), ROWS_AT_ONCE).await?;
            let last = page.rows.last().map(|row| row.path.clone());
            let mut changes = Vec::with_capacity(page.rows.len());
            for row in page.rows {
                let change = decode_staged(row)?;
                let path = ObjectPath::new(change.path)
                    .map_err(|why| RepositoryError::damaged(format!("staging of branch {name}"), why))?;
                changes.push((path.into(), change.entry));
            }
            Ok(SealedPage { changes, last, more: page.more })
        }
    }

    /// Puts a merge on top. If the branch has moved since it was prepared, its result is merged into the branch as it is
    /// now, by the same mergers.
    pub(crate) async fn add_merge(&mut self, merge: &PreparedMerge) -> Result<Link, RepositoryError> {
        if !merge.incarnation.same_branch(self.record.incarnation) {
            // Its result says nothing of a branch that began elsewhere.
            return Err(RepositoryError::replaced_meanwhile(self.name));
        }
        // Nor does it of a head that the branch was moved to: theirs may hold more that this one lacks.
        let only_for_ours = merge.pinned || merge.incarnation != self.record.incarnation;
        if only_for_ours && self.tip != merge.ours.id {
            let (from, to) = (short(&merge.ours.id), short(&self.tip));
            let moved = vec![format!("{} moved from {from} to {to}", self.name)];
            return Ok(Link::Refused(MergeAnswer::StalePreview { preview: String::new(), moved }));
        }
        let result = self.prepared_tree(merge).await?;
        let (after, delta) = if self.tree == merge.ours.tree() {
            let delta = merge.delta.clone();
            (result, delta)
        } else {
            let after = match self.merge_again(merge, result).await? {
                PipelineOutcome::Merged { tree, .. } => tree,
                PipelineOutcome::Conflicts { conflicts, .. } => {
                    let summary = merge.summary.clone();
                    return Ok(Link::Refused(MergeAnswer::Conflicts { conflicts, summary }));
                }
            };
            let delta = compare(&self.session, &self.tree, &after).await.map_err(self.failed())?;
            (after, delta)
        };
        if delta.is_empty() && !merge.allow_empty {
            return Ok(Link::Refused(MergeAnswer::NoChanges { uncommitted_on_source: 0 }));
        }
        let tokens = if self.took_staged { vec![self.record.token] } else { self.record.tokens() };
        let paths = self.inner.in_the_way(&self.session, &self.tree, &after, &tokens).await?;
        if !paths.is_empty() {
            return Ok(Link::Refused(MergeAnswer::StagedInTheWay { paths }));
        }
        self.merges.push((self.tree.clone(), after.clone(), tokens));
        let generation = self.tip_generation.max(merge.theirs_generation).saturating_add(1);
        let commit = Commit {
            parents: std::iter::once(self.tip).chain(merge.second_parent).collect(),
            tree: after.id(),
            generation,
            created_ms: merge.time_ms,
            committer: merge.committer.clone(),
            message: merge.message.clone(),
            metadata: merge.metadata.clone(),
        };
        let mut summary = merge.summary.clone();
        summary.ours = Some(self.tip);
        let delta = delta.changes.as_deref().map(DeltaList::of).transpose().map_err(self.failed())?;
        let index = self.push(commit, after, delta);
        Ok(Link::Merged { index, summary })
    }

    /// The tree that a merge was prepared with, in the session of this chain.
    async fn prepared_tree(&self, merge: &PreparedMerge) -> Result<Tree, RepositoryError> {
        match &merge.result {
            MergeResult::Carried(session, tree) => {
                self.session.adopt(session);
                Ok(tree.clone())
            }
            MergeResult::Changes => {
                let edits = merge.delta.edits().unwrap_or_default();
                self.session.apply(&merge.ours.tree(), edits).await.map_err(self.failed())
            }
            MergeResult::Packed(tree) => Ok(tree.clone()),
        }
    }

    async fn merge_again(
        &self,
        merge: &PreparedMerge,
        result: Tree,
    ) -> Result<PipelineOutcome, RepositoryError> {
        let reader = Blobs(self.inner.clone());
        let writer = NewObjects { inner: self.inner.clone(), modified_ms: merge.time_ms };
        let input = PipelineInput {
            base: merge.ours.tree(),
            ours: self.tree.clone(),
            theirs: result,
            labels: merge.labels.clone(),
            source: merge.source.clone(),
            mode: merge.mode,
            registry: &self.inner.registry,
            resolutions: &[],
            strategy: merge.strategy,
            by_rows: merge.by_rows,
            merge_time_ms: merge.time_ms,
            seed: merge.seed,
            reader: &reader,
            writer: &writer,
        };
        let outcome = merge_trees(&self.session, &input).await;
        outcome.map_err(|source| RepositoryError::Merge { destination: self.name.to_string(), source })
    }

    fn push(&mut self, commit: Commit, tree: Tree, delta: Option<DeltaList>) -> usize {
        self.tip = commit.id();
        self.tip_generation = commit.generation;
        self.tree = tree.clone();
        self.commits.push(CommitToPack { commit, tree, delta });
        self.commits.len().saturating_sub(1)
    }

    /// The chain as packs; none if it has no commit.
    pub(crate) fn pack(&self) -> Result<Option<Packing>, RepositoryError> {
        if self.commits.is_empty() {
            return Ok(None);
        }
        self.inner.pack(&self.session, &self.commits).map(Some).map_err(self.failed())
    }

    /// The branch record after the chain, from what it is before.
    pub(crate) fn outcome(&self, before: &BranchRecord, tip: Option<CommitId>) -> BranchRecord {
        let mut record = before.clone();
        record.head = tip.unwrap_or(record.head);
        // What was retired before is empty by now: no group begins before that.
        record.retired.clear();
        if self.took_staged {
            record.retired.append(&mut record.sealed);
        }
        record
    }

    /// Whether the merges of the chain still have nothing staged in their way.
    pub(crate) async fn nothing_in_the_way(&self) -> Result<bool, RepositoryError> {
        for (before, after, tokens) in &self.merges {
            if !self.inner.in_the_way(&self.session, before, after, tokens).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn failed(&self) -> impl FnOnce(anabranch_tree::TreeError) -> RepositoryError + use<> {
        RepositoryError::tree(format!("branch {}", self.name))
    }
}
