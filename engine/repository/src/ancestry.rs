//! What the head of a branch descends from, kept while the branch moves on, so that the merge base of the next merge into
//! it does not cost a walk over everything that was merged before. Only a cache: it answers exactly, or not at all.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_types::{BranchName, CommitId};

use crate::commits::StoredCommit;

/// How many branches are remembered; the memory is emptied when it is full.
const BRANCHES_MAX: usize = 64;
/// How many ancestors of a branch are remembered.
const ANCESTORS_MAX: usize = 500_000;
/// How many commits of theirs are visited.
const VISITED_MAX: usize = 10_000;

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Attempt {
    /// The one best common ancestor; none if there is none.
    Base(Option<CommitId>),
    /// This commit must be in the cache of commits first.
    Read(CommitId),
    /// There are several, or it cannot be known here: ask the graph.
    Unknown,
}

/// Ancestors by branch.
#[derive(Default)]
pub(crate) struct Ancestries(Mutex<HashMap<BranchName, Ancestry>>);

impl Ancestries {
    /// The best common ancestor of `ours`, a head of the branch, and `theirs`. `lookup` gives cached commits.
    pub(crate) fn base(
        &self,
        branch: &BranchName,
        ours: &StoredCommit,
        theirs: &StoredCommit,
        lookup: impl Fn(&CommitId) -> Option<Arc<StoredCommit>>,
    ) -> Attempt {
        let mut branches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if branches.len() >= BRANCHES_MAX && !branches.contains_key(branch) {
            branches.clear();
        }
        let ancestry = branches.entry(branch.clone()).or_insert_with(|| Ancestry::of(ours));
        let attempt = ancestry.advance(ours, &lookup).and_then(|()| ancestry.base(theirs, &lookup));
        if ancestry.seen.len() > ANCESTORS_MAX {
            branches.remove(branch);
        }
        attempt.map_or_else(|stopped| stopped, Attempt::Base)
    }
}

/// The ancestors of a head, known down to the generation that was asked for so far.
#[derive(Debug)]
struct Ancestry {
    head: CommitId,
    generation: u64,
    /// The head and ancestors of it: all whose generation is not below that of the first in `queue`.
    seen: HashSet<CommitId>,
    /// Those of `seen` whose parents are not in it yet.
    queue: BinaryHeap<(u64, CommitId)>,
}

type Found<T> = Result<T, Attempt>;

impl Ancestry {
    fn of(head: &StoredCommit) -> Ancestry {
        let generation = head.commit.generation;
        Ancestry {
            head: head.id,
            generation,
            seen: [head.id].into(),
            queue: BinaryHeap::from([(generation, head.id)]),
        }
    }

    /// Goes on to a head that descends from this one. To one that does not, it begins anew; an older one is not known.
    fn advance(
        &mut self,
        head: &StoredCommit,
        lookup: &impl Fn(&CommitId) -> Option<Arc<StoredCommit>>,
    ) -> Found<()> {
        if head.id == self.head {
            return Ok(());
        }
        if self.seen.contains(&head.id) {
            return Err(Attempt::Unknown);
        }
        let mut fresh = HashSet::from([head.id]);
        let mut above = vec![head.id];
        let (mut below, mut met) = (Vec::new(), false);
        while let Some(id) = above.pop() {
            for parent in &cached(&id, lookup)?.commit.parents {
                met |= *parent == self.head;
                if self.seen.contains(parent) || !fresh.insert(*parent) {
                    continue;
                }
                let generation = cached(parent, lookup)?.commit.generation;
                if generation > self.generation {
                    above.push(*parent);
                } else {
                    below.push((generation, *parent));
                }
            }
        }
        if met {
            self.head = head.id;
            self.generation = head.commit.generation;
            self.seen.extend(fresh);
            self.queue.extend(below);
        } else {
            *self = Ancestry::of(head);
        }
        Ok(())
    }

    /// Walks theirs down to the first ancestors of the head on every path: what both have in common lies at or below them.
    fn base(
        &mut self,
        theirs: &StoredCommit,
        lookup: &impl Fn(&CommitId) -> Option<Arc<StoredCommit>>,
    ) -> Found<Option<CommitId>> {
        let mut visited = HashSet::from([theirs.id]);
        let mut queue = BinaryHeap::from([(theirs.commit.generation, theirs.id)]);
        let mut base = None;
        while let Some((generation, id)) = queue.pop() {
            self.extend_to(generation, lookup)?;
            if self.seen.contains(&id) {
                if base.replace(id).is_some() {
                    return Err(Attempt::Unknown);
                }
                continue;
            }
            for parent in &cached(&id, lookup)?.commit.parents {
                if visited.insert(*parent) {
                    queue.push((cached(parent, lookup)?.commit.generation, *parent));
                }
            }
            if visited.len() > VISITED_MAX {
                return Err(Attempt::Unknown);
            }
        }
        Ok(base)
    }

    /// Makes every ancestor of this generation or a larger one known.
    fn extend_to(
        &mut self,
        generation: u64,
        lookup: &impl Fn(&CommitId) -> Option<Arc<StoredCommit>>,
    ) -> Found<()> {
        while let Some((_, id)) = self.queue.peek().filter(|(first, _)| *first > generation).copied() {
            let mut parents = Vec::new();
            for parent in &cached(&id, lookup)?.commit.parents {
                parents.push((cached(parent, lookup)?.commit.generation, *parent));
            }
            self.queue.pop();
            for (generation, parent) in parents {
                if self.seen.insert(parent) {
                    self.queue.push((generation, parent));
                }
            }
        }
        Ok(())
    }
}

fn cached(
    id: &CommitId,
    lookup: &impl Fn(&CommitId) -> Option<Arc<StoredCommit>>,
) -> Found<Arc<StoredCommit>> {
    lookup(id).ok_or(Attempt::Read(*id))
}
