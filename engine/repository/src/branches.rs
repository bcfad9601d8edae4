//! Branches: making, finding, listing and deleting them.

use anabranch_refs::{Expect, ScanRange};
use anabranch_types::{BranchName, CommitId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::ledger::Swap;
use crate::paging::{PAGE_MAX, page_amount, paged};
use crate::record::{
    BRANCH_KEY, BranchRecord, Incarnation, index_after, index_entry, index_key, index_value, made_ms,
    parse_index_key,
};
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
        self.inner.remove_branch(name, None).await
    }
}

impl Repository {
    /// Deletes the branches whose name begins with `prefix` and that were made before `before_ms`, and answers their
    /// names. What was made again under a name meanwhile stays, and so does the default branch.
    pub async fn expire_branches(
        &self,
        prefix: &str,
        before_ms: i64,
    ) -> Result<Vec<BranchName>, RepositoryError> {
        let index = self.inner.partitions.branch_index();
        let mut range = ScanRange { prefix: prefix.to_owned(), after: None };
        let mut expired = Vec::new();
        loop {
            let page = self.inner.ledger.scan("looking for old branches", &index, &range, PAGE_MAX).await?;
            for (key, row) in &page.rows {
                let old = made_ms(&row.value).is_some_and(|made_ms| made_ms < before_ms);
                let Some((name, incarnation)) = index_entry(key).filter(|_| old) else { continue };
                if name != self.inner.info.default_branch
                    && self.inner.expire(&name, incarnation, key).await?
                {
                    expired.push(name);
                }
            }
            match page.rows.into_iter().next_back() {
                Some((last, _)) if page.more => range.after = Some(last),
                _ => return Ok(expired),
            }
        }
    }
}

impl Inner {
    /// Deletes this incarnation of a branch, and its entry of the index; answers whether it was there.
    async fn expire(
        &self,
        name: &BranchName,
        incarnation: Incarnation,
        key: &str,
    ) -> Result<bool, RepositoryError> {
        let found = self.find_branch(name).await?;
        if found.is_some_and(|branch| branch.record.incarnation == incarnation) {
            return match self.remove_branch(name, Some(incarnation)).await {
                Ok(()) => Ok(true),
                Err(RepositoryError::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            };
        }
        let index = self.partitions.branch_index();
        self.ledger.delete("unlisting a branch", &index, key, Expect::Any, self.ids.as_ref()).await?;
        Ok(false)
    }

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
        let made = index_value(self.clock.now_ms());
        self.ledger.put("listing a new branch", &index, &key, Expect::Any, (made, None), ids).await?;
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

    /// Removes a branch; with `only`, unless another has its name by now.
    async fn remove_branch(
        &self,
        name: &BranchName,
        only: Option<Incarnation>,
    ) -> Result<(), RepositoryError> {
        let partition = self.partitions.branch(name);
        let ids = self.ids.as_ref();
        for _ in 0..TRIES_MAX {
            let branch = self.load_branch(name).await?;
            if only.is_some_and(|only| only != branch.record.incarnation) {
                return Err(RepositoryError::not_found("branch", name));
            }
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
