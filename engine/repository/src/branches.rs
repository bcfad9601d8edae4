//! Branches: making, finding, listing and deleting them.

use anabranch_refs::{Expect, ScanRange};
use anabranch_types::{BranchName, CommitId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::ledger::Swap;
use crate::paging::{page_amount, paged};
use crate::record::{BRANCH_KEY, BranchRecord, Incarnation, index_after, index_key, parse_index_key};
use crate::repository::Inner;
use crate::staging_view::TRIES_MAX;
use crate::{BranchInfo, Paged, Paging, Repository, RepositoryError};

/// How many branch records are read at once for a listing.
const READS_AT_ONCE: usize = 32;

impl Repository {
    /// Makes a branch at the commit that `source`, a ref expression, stands for. Uncommitted changes do not come along.
    /// A hidden branch is left out of listings that do not ask for hidden ones.
    ///
    /// Atomic: of several racing calls for one name exactly one succeeds.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]; [`RepositoryError::NotFound`] for the source.
    pub async fn create_branch(
        &self,
        name: &BranchName,
        source: &str,
        hidden: bool,
    ) -> Result<CommitId, RepositoryError> {
        let head = self.resolve(source).await?.commit;
        if self.inner.find_branch(name).await?.is_some() {
            return Err(already_exists(name));
        }
        self.inner.insert_branch(name, head, hidden).await?;
        Ok(head)
    }

    /// A branch and its head.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn branch(&self, name: &BranchName) -> Result<BranchInfo, RepositoryError> {
        let record = self.inner.load_branch(name).await?.record;
        Ok(BranchInfo { name: name.clone(), head: record.head, hidden: record.hidden })
    }

    /// A page of branches, in order of name. With hidden ones left out a page may be short, or even empty, while
    /// `more` still holds.
    pub async fn list_branches(
        &self,
        paging: &Paging,
        show_hidden: bool,
    ) -> Result<Paged<BranchInfo>, RepositoryError> {
        let amount = page_amount(paging.amount);
        let after = paging.after.as_deref().filter(|after| !after.is_empty()).map(index_after);
        let range = ScanRange { prefix: paging.prefix.clone(), after };
        let index = self.inner.partitions.branch_index();
        let page = self.inner.ledger.scan("listing branches", &index, &range, amount).await?;
        // A name may have several entries, of which all but one are left over: the record alone counts.
        let mut names: Vec<_> = page.rows.iter().filter_map(|(key, _)| parse_index_key(key)).collect();
        names.dedup();
        let last = names.last().map(|name| name.to_string()).unwrap_or_default();
        let found: Vec<Option<BranchInfo>> = stream::iter(names)
            .map(|name| self.inner.listed_branch(name))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let results = found.into_iter().flatten().filter(|branch| show_hidden || !branch.hidden).collect();
        Ok(paged(results, page.more, last))
    }

    /// Deletes a branch with its uncommitted changes. Its commits stay.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]; [`RepositoryError::Invalid`] for the default branch.
    pub async fn delete_branch(&self, name: &BranchName) -> Result<(), RepositoryError> {
        if *name == self.inner.info.default_branch {
            return Err(RepositoryError::invalid(format!(
                "branch {name} is the default branch of {}: it cannot be deleted",
                self.name()
            )));
        }
        self.inner.remove_branch(name).await
    }
}

impl Inner {
    /// Writes the index entry, then the record. See [`crate::record`] for why in this order.
    pub(crate) async fn insert_branch(
        &self,
        name: &BranchName,
        head: CommitId,
        hidden: bool,
    ) -> Result<(), RepositoryError> {
        let incarnation = Incarnation(self.ids.id16());
        let record = BranchRecord {
            incarnation,
            hidden,
            epoch: 0,
            head,
            token: self.new_token(),
            sealed: Vec::new(),
            retired: Vec::new(),
        };
        let index = self.partitions.branch_index();
        let key = index_key(name.as_str(), incarnation);
        let ids = self.ids.as_ref();
        self.ledger.put("listing a new branch", &index, &key, Expect::Any, (Vec::new(), None), ids).await?;
        let value = (record.encode(), Some(record.fence_mark()));
        let partition = self.partitions.branch(name);
        match self.ledger.put("making a branch", &partition, BRANCH_KEY, Expect::Absent, value, ids).await? {
            Swap::Done(_) => Ok(()),
            Swap::Lost(_) => {
                self.ledger.delete("listing a new branch", &index, &key, Expect::Any, ids).await?;
                Err(already_exists(name))
            }
        }
    }

    async fn listed_branch(&self, name: BranchName) -> Result<Option<BranchInfo>, RepositoryError> {
        let branch = self.find_branch(&name).await?;
        Ok(branch.map(|branch| BranchInfo { name, head: branch.record.head, hidden: branch.record.hidden }))
    }

    async fn remove_branch(&self, name: &BranchName) -> Result<(), RepositoryError> {
        let partition = self.partitions.branch(name);
        let ids = self.ids.as_ref();
        for _ in 0..TRIES_MAX {
            let branch = self.load_branch(name).await?;
            let expect = Expect::Is(branch.version);
            match self.ledger.delete("deleting a branch", &partition, BRANCH_KEY, expect, ids).await? {
                Swap::Lost(_) => continue,
                Swap::Done(_) => {}
            }
            self.fences.forget(name);
            let index = self.partitions.branch_index();
            let key = index_key(name.as_str(), branch.record.incarnation);
            self.ledger.delete("unlisting a branch", &index, &key, Expect::Any, ids).await?;
            let mut tokens = branch.record.tokens();
            tokens.extend(branch.record.retired);
            return self.drop_tokens(&tokens).await;
        }
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }
}

fn already_exists(name: &BranchName) -> RepositoryError {
    RepositoryError::AlreadyExists { kind: "branch", name: name.to_string() }
}
