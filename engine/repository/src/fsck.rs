//! `fsck`: walks and verifies everything that a repository's refs reach.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anabranch_storage::{ListedObject, StorageError};
use anabranch_tree::{KeyRange, PackedCommit, verify_pack};
use anabranch_types::{BranchName, CommitId, Entry, ObjectKey, TagName};
use futures::TryStreamExt;

use crate::commits::StoredCommit;
use crate::repository::Inner;
use crate::rollup::Position;
use crate::staged_rows::StagedRows;
use crate::{Paging, Repository, RepositoryError};

/// What the keys of packs begin with.
const PACKS: &str = "packs/";
/// How many entries or rows are looked at in one step.
const BATCH: usize = 1_000;
/// How many refs a page has.
const PAGE: usize = 1_000;

/// What `fsck` saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FsckReport {
    /// Branches that were walked.
    pub branches: u64,
    /// Tags that were walked.
    pub tags: u64,
    /// Commits that were read and verified.
    pub commits: u64,
    /// Packs that were read and verified.
    pub packs: u64,
    /// Tree entries of all heads and tags that were looked at.
    pub entries: u64,
    /// Objects behind entries that were looked for.
    pub objects: u64,
    /// What is wrong, one sentence each, naming the thing; empty when all is well.
    pub problems: Vec<String>,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Repository {
    /// Walks every ref: commits, the trees of heads and tags, all packs, staged entries, and the objects behind entries.
    /// Changes nothing. What is wrong is told in the report; an error is only what keeps it from looking.
    pub async fn fsck(&self) -> Result<FsckReport, RepositoryError> {
        let mut check = Check { inner: &self.inner, report: FsckReport::default(), extents: BTreeMap::new() };
        let mut tips = BTreeSet::new();
        for (name, head) in self.all_branches().await? {
            check.report.branches += 1;
            tips.insert(head);
            check.staged(&name).await?;
        }
        for head in self.all_tags().await? {
            check.report.tags += 1;
            tips.insert(head);
        }
        check.commits(&tips).await;
        for tip in &tips {
            check.tree(tip).await;
        }
        check.packs().await?;
        check.objects().await?;
        Ok(check.report)
    }

    /// Writes the index of commits again from the packs, and answers how many commits it holds that it did not hold.
    ///
    /// # Errors
    /// [`RepositoryError::Tree`] for a pack that is damaged: nothing more is read then.
    pub async fn rebuild_commit_index(&self) -> Result<u64, RepositoryError> {
        let mut added: u64 = 0;
        for pack in self.inner.list_packs().await? {
            let bytes = self.inner.storage.get(&pack.key, None).await;
            let bytes = bytes.map_err(RepositoryError::storage(self.name()))?;
            let contents = verify_pack(&pack.key, &bytes).map_err(RepositoryError::tree(&pack.key))?;
            let mut missing: Vec<PackedCommit> = Vec::new();
            for commit in contents.commits {
                let partition = self.inner.partitions.commits();
                let known =
                    self.inner.ledger.get("looking up a commit", &partition, &commit.id.to_hex()).await?;
                if known.is_none() {
                    missing.push(commit);
                }
            }
            added = added.saturating_add(missing.len() as u64);
            self.inner.put_commit_records(&missing).await?;
        }
        Ok(added)
    }

    async fn all_branches(&self) -> Result<Vec<(BranchName, CommitId)>, RepositoryError> {
        let mut all = Vec::new();
        let mut paging = Paging { prefix: String::new(), after: None, amount: PAGE };
        loop {
            let page = self.list_branches(&paging, true).await?;
            all.extend(page.results.into_iter().map(|branch| (branch.name, branch.head)));
            if !page.more {
                return Ok(all);
            }
            paging.after = Some(page.next);
        }
    }

    async fn all_tags(&self) -> Result<Vec<CommitId>, RepositoryError> {
        let mut all = Vec::new();
        let mut paging = Paging { prefix: String::new(), after: None::<String>, amount: PAGE };
        loop {
            let page = self.list_tags(&paging).await?;
            all.extend(page.results.iter().map(|tag| tag.commit));
            if !page.more {
                return Ok(all);
            }
            paging.after = page.results.last().map(|tag| TagName::as_str(&tag.name).to_owned());
        }
    }
}

impl Inner {
    async fn list_packs(&self) -> Result<Vec<ListedObject>, RepositoryError> {
        let packs = self.storage.list(PACKS, None).try_collect().await;
        packs.map_err(RepositoryError::storage(&self.info.name))
    }
}

/// One run of `fsck`.
struct Check<'a> {
    inner: &'a Inner,
    report: FsckReport,
    /// How many bytes each object must have at least.
    extents: BTreeMap<ObjectKey, u64>,
}

impl Check<'_> {
    fn problem(&mut self, what: impl std::fmt::Display) {
        self.report.problems.push(what.to_string());
    }

    fn failed(&mut self, error: &RepositoryError) {
        let message = crate::error::full_message(error);
        self.problem(message);
    }

    fn needs(&mut self, entry: &Entry) {
        let end = entry.address.offset.saturating_add(entry.address.length);
        // An empty object needs no bytes to be anywhere.
        if entry.address.length > 0 {
            let extent = self.extents.entry(entry.address.object.clone()).or_default();
            *extent = end.max(*extent);
        }
    }

    async fn staged(&mut self, name: &BranchName) -> Result<(), RepositoryError> {
        // A branch that was deleted meanwhile is none any more.
        let Some(branch) = self.inner.find_branch(name).await? else { return Ok(()) };
        let tokens = branch.record.tokens();
        let mut rows = StagedRows::new(self.inner, &tokens, "", &Position::Start, BATCH);
        loop {
            match rows.peek().await {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error @ RepositoryError::Damaged { .. }) => {
                    self.failed(&error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            if let Some(entry) = rows.pop().and_then(|row| row.entry) {
                self.needs(&entry);
            }
        }
    }

    /// Reads every commit that the tips reach. Reading checks the id; here come the generations.
    async fn commits(&mut self, tips: &BTreeSet<CommitId>) {
        let mut seen = tips.clone();
        let mut waiting: VecDeque<CommitId> = tips.iter().copied().collect();
        while let Some(id) = waiting.pop_front() {
            let commit = match self.inner.commit_of(&id).await {
                Ok(commit) => commit,
                Err(error) => {
                    self.failed(&error);
                    continue;
                }
            };
            self.report.commits += 1;
            self.generation(&commit).await;
            waiting.extend(commit.commit.parents.iter().copied().filter(|parent| seen.insert(*parent)));
        }
    }

    async fn generation(&mut self, commit: &StoredCommit) {
        let mut largest = 0;
        for parent in &commit.commit.parents {
            // A parent that cannot be read is reported when its own turn comes.
            let Ok(parent) = self.inner.commit_of(parent).await else { return };
            largest = parent.commit.generation.max(largest);
        }
        if commit.commit.generation != largest.saturating_add(1) {
            self.problem(format!(
                "commit {} says generation {}, but its parents make it {}",
                commit.id,
                commit.commit.generation,
                largest.saturating_add(1)
            ));
        }
    }

    async fn tree(&mut self, tip: &CommitId) {
        let Ok(commit) = self.inner.commit_of(tip).await else { return };
        let mut scan = self.inner.trees.session().scan(&commit.tree(), KeyRange::all());
        loop {
            match scan.next_batch(BATCH).await {
                Ok(None) => return,
                Ok(Some(batch)) => {
                    for (_, entry) in &batch {
                        self.report.entries += 1;
                        self.needs(entry);
                    }
                }
                Err(error) => {
                    let error = RepositoryError::tree(format!("commit {tip}"))(error);
                    return self.failed(&error);
                }
            }
        }
    }

    async fn packs(&mut self) -> Result<(), RepositoryError> {
        for pack in self.inner.list_packs().await? {
            let bytes = self.inner.storage.get(&pack.key, None).await;
            let bytes = bytes.map_err(RepositoryError::storage(&self.inner.info.name))?;
            self.report.packs += 1;
            if let Err(error) = verify_pack(&pack.key, &bytes) {
                let error = RepositoryError::tree(&pack.key)(error);
                self.failed(&error);
            }
        }
        Ok(())
    }

    async fn objects(&mut self) -> Result<(), RepositoryError> {
        for (key, extent) in std::mem::take(&mut self.extents) {
            self.report.objects += 1;
            match self.inner.storage.head(&key).await {
                Ok(object) if object.size >= extent => {}
                Ok(object) => {
                    self.problem(format!("object {key} has {} bytes; entries need {extent}", object.size));
                }
                Err(StorageError::NotFound { .. }) => {
                    self.problem(format!("object {key} is missing; entries need {extent} bytes of it"));
                }
                Err(error) => return Err(RepositoryError::storage(&self.inner.info.name)(error)),
            }
        }
        Ok(())
    }
}
