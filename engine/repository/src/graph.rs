//! The graph of commits: walking it from the newest generation down, and merge bases.

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use anabranch_types::{BranchName, CommitId};
use async_trait::async_trait;

use crate::ancestry::Attempt;
use crate::commits::StoredCommit;
use crate::repository::Inner;
use crate::{Repository, RepositoryError};

impl Repository {
    /// The best common ancestor of two refs, the same in every run when there are several; none when their histories
    /// have nothing in common.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn merge_base(&self, left: &str, right: &str) -> Result<Option<CommitId>, RepositoryError> {
        let left = self.inner.resolve(left).await?.commit;
        let right = self.inner.resolve(right).await?.commit;
        Ok(self.inner.merge_bases(left, right).await?.first().map(|base| base.id))
    }
}

impl Inner {
    /// All best common ancestors, in order of id.
    pub(crate) async fn merge_bases(
        &self,
        left: CommitId,
        right: CommitId,
    ) -> Result<Vec<Arc<StoredCommit>>, RepositoryError> {
        let mut bases = Vec::new();
        for id in best_common_ancestors(self, left, right).await? {
            bases.push(self.commit_of(&id).await?);
        }
        Ok(bases)
    }
}

/// How many commits are read for an ancestry before the graph is asked instead.
const READS_MAX: usize = 1_000;

impl Inner {
    /// All best common ancestors of a head of the branch and `theirs`, in order of id. Costs what is new since the last
    /// call for the branch.
    pub(crate) async fn merge_bases_of(
        &self,
        branch: &BranchName,
        ours: &StoredCommit,
        theirs: &StoredCommit,
    ) -> Result<Vec<Arc<StoredCommit>>, RepositoryError> {
        for _ in 0..READS_MAX {
            match self.ancestries.base(branch, ours, theirs, |id| self.commits.get(id)) {
                Attempt::Base(None) => return Ok(Vec::new()),
                Attempt::Base(Some(base)) => return Ok(vec![self.commit_of(&base).await?]),
                Attempt::Read(id) => {
                    self.commit_of(&id).await?;
                }
                Attempt::Unknown => break,
            }
        }
        self.merge_bases(ours.id, theirs.id).await
    }
}

/// What a walk needs to know of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// Greater than that of every parent.
    pub(crate) generation: u64,
    pub(crate) parents: Vec<CommitId>,
}

/// Tells what a commit is made from.
#[async_trait]
pub(crate) trait CommitGraph: Sync {
    async fn node(&self, id: &CommitId) -> Result<Node, RepositoryError>;
}

#[async_trait]
impl CommitGraph for Inner {
    async fn node(&self, id: &CommitId) -> Result<Node, RepositoryError> {
        let commit = self.commit_of(id).await?;
        Ok(Node { generation: commit.commit.generation, parents: commit.commit.parents.clone() })
    }
}

const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const BOTH: u8 = LEFT | RIGHT;
/// A descendant is a common ancestor already.
const STALE: u8 = 4;

/// The common ancestors of which no descendant is one too, in order of id. A commit is an ancestor of itself.
///
/// Commits are visited by falling generation, so that a commit has all its marks when its turn comes.
pub(crate) async fn best_common_ancestors(
    graph: &impl CommitGraph,
    left: CommitId,
    right: CommitId,
) -> Result<Vec<CommitId>, RepositoryError> {
    let mut marks: HashMap<CommitId, u8> = HashMap::new();
    let mut queue: BinaryHeap<(u64, CommitId)> = BinaryHeap::new();
    // How many commits of the queue may still lead to a base.
    let mut open = 0_usize;
    for (id, mark) in [(left, LEFT), (right, RIGHT)] {
        let known = marks.entry(id).or_default();
        if *known == 0 {
            queue.push((graph.node(&id).await?.generation, id));
            open += 1;
        }
        *known |= mark;
    }
    let mut bases = Vec::new();
    while open > 0
        && let Some((_, id)) = queue.pop()
    {
        let mark = marks.remove(&id).unwrap_or_default();
        let inherited = if mark & STALE != 0 {
            mark
        } else {
            open -= 1;
            if mark & BOTH == BOTH {
                bases.push(id);
                mark | STALE
            } else {
                mark
            }
        };
        for parent in graph.node(&id).await?.parents {
            let known = marks.entry(parent).or_default();
            let (was_new, was_stale) = (*known == 0, *known & STALE != 0);
            *known |= inherited;
            let is_stale = *known & STALE != 0;
            if was_new {
                queue.push((graph.node(&parent).await?.generation, parent));
                open += usize::from(!is_stale);
            } else if is_stale && !was_stale {
                open -= 1;
            }
        }
    }
    bases.sort();
    Ok(bases)
}

/// Visits what a commit reaches: by falling generation, and within one generation by rising id; each commit once. So
/// children come before parents, and where a commit stands does not depend on where the walk began.
pub(crate) struct Walk {
    queue: BinaryHeap<(u64, std::cmp::Reverse<CommitId>)>,
    seen: std::collections::HashSet<CommitId>,
    first_parent: bool,
}

impl Walk {
    pub(crate) fn from(start: &StoredCommit, first_parent: bool) -> Walk {
        let queue = BinaryHeap::from([(start.commit.generation, std::cmp::Reverse(start.id))]);
        Walk { queue, seen: [start.id].into(), first_parent }
    }

    pub(crate) async fn next(&mut self, inner: &Inner) -> Result<Option<Arc<StoredCommit>>, RepositoryError> {
        let Some((_, std::cmp::Reverse(id))) = self.queue.pop() else { return Ok(None) };
        let commit = inner.commit_of(&id).await?;
        let followed = if self.first_parent { 1 } else { usize::MAX };
        for parent in commit.commit.parents.iter().take(followed) {
            if self.seen.insert(*parent) {
                let generation = inner.commit_of(parent).await?.commit.generation;
                self.queue.push((generation, std::cmp::Reverse(*parent)));
            }
        }
        Ok(Some(commit))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A graph whose commits are numbered; parents have smaller numbers.
    #[derive(Debug)]
    struct Numbered(Vec<Vec<usize>>);

    fn id(number: usize) -> CommitId {
        CommitId::of(&number.to_le_bytes())
    }

    impl Numbered {
        fn generation(&self, number: usize) -> u64 {
            1 + self.0[number].iter().map(|parent| self.generation(*parent)).max().unwrap_or(0)
        }

        fn ancestors(&self, number: usize) -> BTreeSet<usize> {
            let mut all = BTreeSet::from([number]);
            for parent in &self.0[number] {
                all.extend(self.ancestors(*parent));
            }
            all
        }

        fn best(&self, left: usize, right: usize) -> BTreeSet<CommitId> {
            let common: BTreeSet<usize> =
                self.ancestors(left).intersection(&self.ancestors(right)).copied().collect();
            let below = |number: &usize| {
                common.iter().any(|other| other != number && self.ancestors(*other).contains(number))
            };
            common.iter().filter(|number| !below(number)).map(|number| id(*number)).collect()
        }
    }

    #[async_trait]
    impl CommitGraph for Numbered {
        async fn node(&self, wanted: &CommitId) -> Result<Node, RepositoryError> {
            let number = (0..self.0.len()).find(|number| id(*number) == *wanted).unwrap();
            let parents = self.0[number].iter().map(|parent| id(*parent)).collect();
            Ok(Node { generation: self.generation(number), parents })
        }
    }

    fn graphs() -> impl Strategy<Value = Numbered> {
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..12).prop_map(
            |choices| {
                let parents = choices.iter().enumerate().map(|(number, choices)| {
                    let parents: BTreeSet<usize> =
                        choices.iter().filter(|_| number > 0).map(|choice| choice.index(number)).collect();
                    parents.into_iter().collect()
                });
                Numbered(parents.collect())
            },
        )
    }

    proptest! {
        #[test]
        fn the_best_common_ancestors_are_those_of_the_definition(
            graph in graphs(),
            left in any::<prop::sample::Index>(),
            right in any::<prop::sample::Index>(),
        ) {
            let (left, right) = (left.index(graph.0.len()), right.index(graph.0.len()));
            let found = futures::executor::block_on(best_common_ancestors(&graph, id(left), id(right))).unwrap();
            prop_assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), graph.best(left, right));
            prop_assert!(found.is_sorted());
        }
    }
}
