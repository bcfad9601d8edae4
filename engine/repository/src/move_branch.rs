//! Moving the head of a branch to any commit.

use anabranch_refs::{Expect, Token};
use anabranch_types::{BranchName, CommitId};

use crate::record::{BranchRecord, index_key, index_value};
use crate::repository::Inner;
use crate::staging_view::{Branch, TRIES_MAX};
use crate::{Repository, RepositoryError};

/// How many paths an answer names.
const NAMED_MAX: usize = 100;

/// How a move of a branch ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BranchMove {
    /// The head is this commit.
    Moved(CommitId),
    /// The branch has uncommitted changes. Nothing happened.
    Staged {
        /// Their paths, at most a hundred.
        paths: Vec<String>,
    },
}

impl Repository {
    /// Makes the commit that `target`, a ref expression, stands for the head of the branch, wherever the two lie in the
    /// history. Commits that no ref reaches afterwards stay, and are found by their ids.
    ///
    /// A branch with uncommitted changes is moved only with `discard`, which throws them away in the same step. What is
    /// written while the call runs counts as written after it and stays staged, or, with `discard`, as written before it.
    /// A commit or merge that runs at the same time is made before the move, or upon the new head. Moving a branch to where
    /// it is changes nothing.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch and for the target, [`RepositoryError::Invalid`] for what is no ref
    /// expression, [`RepositoryError::Busy`] when the branch kept moving.
    pub async fn move_branch(
        &self,
        name: &BranchName,
        target: &str,
        discard: bool,
    ) -> Result<BranchMove, RepositoryError> {
        let mut branch = self.inner.load_branch(name).await?;
        // Once, so that a relative target means what it meant when the call began.
        let target = self.inner.resolve(target).await?.commit;
        for _ in 0..TRIES_MAX {
            let tokens = branch.record.tokens();
            let staged = self.inner.staged_page(&tokens, "", None, NAMED_MAX).await?.rows;
            if !staged.is_empty() && !discard {
                return Ok(BranchMove::Staged { paths: staged.into_iter().map(|row| row.path).collect() });
            }
            if staged.is_empty() && branch.record.head == target {
                return Ok(BranchMove::Moved(target));
            }
            let thrown = if staged.is_empty() { Vec::new() } else { tokens };
            match self.inner.try_move(name, branch, target, &thrown).await? {
                None => return Ok(BranchMove::Moved(target)),
                Some(now) => branch = now,
            }
        }
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }
}

impl Inner {
    /// Moves the branch, and throws these staging areas, which are all that it has, away; the branch as it is if it was
    /// written to meanwhile.
    ///
    /// The branch gets another incarnation, and the entry in the index that goes with it, in the order of a new branch:
    /// what was prepared for a head that the new one need not descend from is not put on top of it.
    async fn try_move(
        &self,
        name: &BranchName,
        branch: Branch,
        head: CommitId,
        thrown: &[Token],
    ) -> Result<Option<Branch>, RepositoryError> {
        let (index, ids) = (self.partitions.branch_index(), self.ids.as_ref());
        let old = branch.record.incarnation;
        let mut record = BranchRecord { head, incarnation: old.moved(ids.id16()), ..branch.record };
        if !thrown.is_empty() {
            self.drop_tokens(&record.retired).await?;
            record.sealed.clear();
            record.token = self.new_token();
            // Named until they are known to be empty; the next commit drops what a crash leaves.
            record.retired = thrown.to_vec();
        }
        let [new, old] = [record.incarnation, old].map(|incarnation| index_key(name.as_str(), incarnation));
        let made = (index_value(self.clock.now_ms()), None);
        self.ledger.put("listing a moved branch", &index, &new, Expect::Any, made, ids).await?;
        let (left_over, now) = match self.swap_branch(name, branch.version, record).await? {
            Ok(_) => (old, None),
            Err(Some(now)) => (new, Some(now)),
            Err(None) => {
                self.ledger.delete("unlisting a branch", &index, &new, Expect::Any, ids).await?;
                return Err(RepositoryError::deleted_meanwhile(name));
            }
        };
        self.ledger.delete("unlisting a branch", &index, &left_over, Expect::Any, ids).await?;
        if now.is_none() {
            self.drop_tokens(thrown).await?;
        }
        Ok(now)
    }
}
