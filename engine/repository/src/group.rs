//! Group commit: commits and merges into one branch that come at the same time share one write.
//!
//! Each branch has a queue in this process. Whoever comes first makes a leader, which takes up to [`GROUP_MAX`]
//! requests, chains their commits in memory, writes one set of packs, notes the commits, and moves the head once. A
//! request that cannot be done leaves the group with its own answer. When other servers move the branch meanwhile, the
//! group is begun anew, without those whose deadline has passed. The order of durability: packs and notes of
//! commits, then the head, then the answers; so a crash between any two loses nothing that was answered.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_refs::Token;
use anabranch_types::BranchName;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::chain::{Chain, Link};
use crate::commits::StoredCommit;
use crate::plan::PreparedMerge;
use crate::record::BranchRecord;
use crate::repository::Inner;
use crate::staging_view::Branch;
use crate::{CommitInfo, CommitRequest, MergeAnswer, Repository, RepositoryError};

/// The most requests that share one write; with their notes they fit into one `apply` of the ref-store.
const GROUP_MAX: usize = 90;

/// How often the head is moved anew when only the version of the branch record changed.
const MOVES_MAX: usize = 50;

/// How many sealed staging areas a branch collects before commits stop sealing more.
const SEALED_MAX: usize = 64;

/// How many emptied staging areas are remembered.
const DROPPED_NOTED_MAX: usize = 10_000;

/// What is to be done to a branch.
pub(crate) enum Work {
    Commit(CommitRequest),
    Merge(Box<PreparedMerge>),
}

impl Work {
    fn deadline_ms(&self) -> Option<i64> {
        match self {
            Work::Commit(request) => request.deadline_ms,
            Work::Merge(merge) => merge.deadline_ms,
        }
    }
}

/// What was done.
pub(crate) enum Done {
    Commit(CommitInfo),
    Merge(MergeAnswer),
}

pub(crate) type Answer = Result<Done, RepositoryError>;

struct Waiting {
    work: Work,
    reply: oneshot::Sender<Answer>,
}

impl Waiting {
    /// Whoever does not wait any more does not need the answer.
    fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer);
    }
}

/// The queues of a repository's branches. A branch has one while a leader works for it.
#[derive(Default)]
pub(crate) struct Groups {
    queues: Mutex<HashMap<BranchName, VecDeque<Waiting>>>,
    /// Staging areas that this process has emptied. Forgotten ones are emptied once more.
    dropped: Mutex<HashSet<Token>>,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, HashMap<BranchName, VecDeque<Waiting>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_dropped(&self, tokens: &[Token]) -> Vec<Token> {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().copied().filter(|token| !dropped.contains(token)).collect()
    }

    fn note_dropped(&self, tokens: Vec<Token>) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        if dropped.len() >= DROPPED_NOTED_MAX {
            dropped.clear();
        }
        dropped.extend(tokens);
    }
}

impl Repository {
    /// Does `work` to the branch, together with what others want done to it. Dropping the call does not undo it.
    pub(crate) async fn join_group(&self, branch: &BranchName, work: Work) -> Answer {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { work, reply };
        let leads = match self.inner.groups.lock().entry(branch.clone()) {
            MapEntry::Occupied(mut queue) => {
                queue.get_mut().push_back(waiting);
                false
            }
            MapEntry::Vacant(queue) => {
                queue.insert(VecDeque::from([waiting]));
                true
            }
        };
        if leads {
            // A task of its own, because this call may be dropped while others wait for the group.
            tokio::spawn(lead(Leadership {
                inner: Arc::clone(&self.inner),
                branch: branch.clone(),
                ended: false,
            }));
        }
        answer.await.unwrap_or_else(|_| Err(RepositoryError::Interrupted { branch: branch.to_string() }))
    }
}

/// The right to work on a branch. Given back when the task ends, whatever ends it.
struct Leadership {
    inner: Arc<Inner>,
    branch: BranchName,
    ended: bool,
}

impl Leadership {
    /// The next group; none, and the queue is gone, when nobody waits.
    fn next_group(&mut self) -> Option<Vec<Waiting>> {
        let mut queues = self.inner.groups.lock();
        let queue = queues.get_mut(&self.branch)?;
        let taken = queue.len().min(GROUP_MAX);
        if taken == 0 {
            queues.remove(&self.branch);
            self.ended = true;
            return None;
        }
        Some(queue.drain(..taken).collect())
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if !self.ended {
            // The runtime went down with the task: who waits learns it by the closed channel.
            self.inner.groups.lock().remove(&self.branch);
        }
    }
}

async fn lead(mut leadership: Leadership) {
    while let Some(mut group) = leadership.next_group() {
        let (inner, branch) = (&leadership.inner, &leadership.branch);
        while !group.is_empty() {
            match inner.try_group(branch, &group).await {
                Ok(Some(outcome)) => {
                    for (waiting, answer) in group.drain(..).zip(outcome.answers) {
                        waiting.answer(answer);
                    }
                    inner.clean_up(branch, &outcome.retired).await;
                }
                Ok(None) => group = in_time(group, inner.clock.now_ms(), branch),
                Err(error) => group.drain(..).for_each(|waiting| waiting.answer(Err(error.share()))),
            }
        }
    }
}

/// Those whose deadline has not passed; the others get their answer.
fn in_time(group: Vec<Waiting>, now_ms: i64, branch: &BranchName) -> Vec<Waiting> {
    let is_late = |waiting: &Waiting| waiting.work.deadline_ms().is_some_and(|deadline| deadline <= now_ms);
    let (late, in_time): (Vec<_>, Vec<_>) = group.into_iter().partition(is_late);
    late.into_iter().for_each(|waiting| waiting.answer(Err(RepositoryError::deadline_passed(branch))));
    in_time
}

/// What became of a group.
struct Outcome {
    /// One answer for each piece of work, in order.
    answers: Vec<Answer>,
    /// Staging areas whose rows are committed.
    retired: Vec<Token>,
}

impl Inner {
    /// One try; `None` when the branch moved under it. Boxed, because the compiler does not see otherwise that a task may
    /// run it.
    fn try_group<'a>(
        self: &'a Arc<Self>,
        name: &'a BranchName,
        group: &'a [Waiting],
    ) -> BoxFuture<'a, Result<Option<Outcome>, RepositoryError>> {
        Box::pin(self.chain_group(name, group))
    }

    async fn chain_group(
        self: &Arc<Self>,
        name: &BranchName,
        group: &[Waiting],
    ) -> Result<Option<Outcome>, RepositoryError> {
        let branch = self.load_branch(name).await?;
        self.drop_left_over(&branch.record.retired).await?;
        let commits = group.iter().any(|waiting| matches!(waiting.work, Work::Commit(_)));
        let branch = if commits { self.seal(name, branch).await? } else { Some(branch) };
        let Some(branch) = branch else { return Ok(None) };
        let head = self.commit_of(&branch.record.head).await?;
        let mut chain = Chain::new(self, name, &branch.record, &head);
        let mut links = Vec::with_capacity(group.len());
        for waiting in group {
            links.push(match &waiting.work {
                Work::Commit(request) => chain.add_commit(request).boxed().await,
                Work::Merge(merge) => chain.add_merge(merge).boxed().await,
            });
        }
        let retired = if chain.took_staged() { branch.record.sealed.clone() } else { Vec::new() };
        let Some(stored) = self.publish(name, branch, &chain).await? else { return Ok(None) };
        let answers = links.into_iter().map(|link| answer_of(link, &stored)).collect();
        Ok(Some(Outcome { answers, retired }))
    }

    /// Gives the branch a new staging area, so that what is staged stands still; the branch as it is then. `None` when it
    /// moved. Nothing happens if nothing is staged.
    pub(crate) async fn seal(
        &self,
        name: &BranchName,
        branch: Branch,
    ) -> Result<Option<Branch>, RepositoryError> {
        let open = [branch.record.token];
        if branch.record.sealed.len() >= SEALED_MAX || !self.anything_staged(&open).await? {
            return Ok(Some(branch));
        }
        let mut record = branch.record;
        record.sealed.insert(0, record.token);
        record.token = self.new_token();
        Ok(self.swap_branch(name, branch.version, record).await?.ok())
    }

    /// Makes the chain durable and moves the head to its end: the stored commits, in order. `None` when the branch moved.
    async fn publish(
        &self,
        name: &BranchName,
        mut branch: Branch,
        chain: &Chain<'_>,
    ) -> Result<Option<Vec<Arc<StoredCommit>>>, RepositoryError> {
        if chain.commits().is_empty() && !chain.took_staged() {
            return Ok(Some(Vec::new()));
        }
        let stored = match chain.pack()? {
            Some(packed) => self.store_commits(packed).await?,
            None => Vec::new(),
        };
        for _ in 0..MOVES_MAX {
            let record = chain.outcome(&branch.record, stored.last().map(|tip| tip.id));
            match self.swap_branch(name, branch.version, record).await? {
                Ok(_) => return Ok(Some(stored)),
                Err(None) => return Err(RepositoryError::deleted_meanwhile(name)),
                // A conditional write bumps the version and nothing else: what is stored still fits, if nothing that
                // was staged in between is in the way.
                Err(Some(now))
                    if same_state(&now.record, &branch.record) && chain.nothing_in_the_way().await? =>
                {
                    branch = now;
                }
                Err(Some(_)) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Drops committed staging areas. Their names stay in the branch record until they are known to be empty, so that a
    /// crash leaves no rows behind for good. Failures are left to the next group.
    async fn clean_up(&self, name: &BranchName, retired: &[Token]) {
        if let Err(error) = self.drop_left_over(retired).await {
            let error = anabranch_merge::full_message(&error);
            tracing::warn!(branch = %name, error, "committed staging rows could not be dropped yet");
        }
    }

    async fn drop_left_over(&self, retired: &[Token]) -> Result<(), RepositoryError> {
        let left: Vec<Token> = self.groups.not_dropped(retired);
        self.drop_tokens(&left).await?;
        self.groups.note_dropped(left);
        Ok(())
    }
}

fn same_state(left: &BranchRecord, right: &BranchRecord) -> bool {
    left.incarnation == right.incarnation
        && left.head == right.head
        && left.token == right.token
        && left.sealed == right.sealed
}

fn answer_of(link: Result<Link, RepositoryError>, stored: &[Arc<StoredCommit>]) -> Answer {
    let commit_at = |index: usize| {
        let commit = stored.get(index).map(|commit| commit.info());
        commit.ok_or_else(|| RepositoryError::damaged("a group of commits", "a member of it is missing"))
    };
    match link? {
        Link::Refused(answer) => Ok(Done::Merge(answer)),
        Link::Committed { index } => Ok(Done::Commit(commit_at(index)?)),
        Link::Merged { index, summary } => {
            Ok(Done::Merge(MergeAnswer::Merged { commit: commit_at(index)?, summary }))
        }
    }
}
