//! `fsck`: walks and verifies everything that a repository's refs reach.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anabranch_storage::{ListedObject, StorageError};
use anabranch_tree::{KeyRange, PackedCommit, read_shared_packs, verify_pack};
use anabranch_types::{BranchName, CommitId, Entry, ObjectKey, TagName};
use bytes::Bytes;
use futures::TryStreamExt;

use crate::commits::StoredCommit;
use crate::repository::Inner;
use crate::rollup::Position;
use crate::staged_rows::StagedRows;
use crate::{Paging, Repository, RepositoryError};

/// What the keys of packs begin with.
const PACKS: &str = "packs/";
/// What the keys of objects begin with that small packs share.
const SHARED_PACKS: &str = "pack-segments/";
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
        let report = FsckReport::default();
        let mut check =
            Check { inner: &self.inner, report, extents: BTreeMap::new(), places: BTreeMap::new() };
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
        check.shared_packs().await?;
        check.objects().await?;
        Ok(check.report)
    }

    /// Writes the index of commits again from the packs, and answers how many commits it holds that it did not hold.
    ///
    /// # Errors
    /// [`RepositoryError::Tree`] for a pack that is damaged: nothing more is read then.
    pub async fn rebuild_commit_index(&self) -> Result<u64, RepositoryError> {
        let mut added: u64 = 0;
        for pack in self.inner.list_objects(PACKS).await? {
            let bytes = self.inner.whole_object(&pack.key).await?;
            let contents = verify_pack(&pack.key, &bytes).map_err(RepositoryError::tree(&pack.key))?;
            added = added.saturating_add(self.inner.index_missing(contents.commits).await?);
        }
        for shared in self.inner.list_objects(SHARED_PACKS).await? {
            let bytes = self.inner.whole_object(&shared.key).await?;
            for pack in read_shared_packs(&shared.key, &bytes) {
                added = added.saturating_add(self.inner.index_missing(pack.contents.commits).await?);
            }
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
    async fn list_objects(&self, prefix: &str) -> Result<Vec<ListedObject>, RepositoryError> {
        let objects = self.storage.list(prefix, None).try_collect().await;
        objects.map_err(RepositoryError::storage(&self.info.name))
    }

    async fn whole_object(&self, key: &ObjectKey) -> Result<Bytes, RepositoryError> {
        self.storage.get(key, None).await.map_err(RepositoryError::storage(&self.info.name))
    }

    /// Adds those commits to the index that it lacks, and answers how many they were.
    async fn index_missing(&self, commits: Vec<PackedCommit>) -> Result<u64, RepositoryError> {
        let partition = self.partitions.commits();
        let mut missing: Vec<PackedCommit> = Vec::new();
        for commit in commits {
            if self.ledger.get("looking up a commit", &partition, &commit.id.to_hex()).await?.is_none() {
                missing.push(commit);
            }
        }
        self.put_commit_records(&missing).await?;
        Ok(missing.len() as u64)
    }
}

/// One run of `fsck`.
struct Check<'a> {
    inner: &'a Inner,
    report: FsckReport,
    /// How many bytes each object must have at least.
    extents: BTreeMap<ObjectKey, u64>,
    /// Which commit needs what begins at an offset of an object that packs share.
    places: BTreeMap<ObjectKey, BTreeMap<u64, CommitId>>,
}

impl Check<'_> {
    fn problem(&mut self, what: impl std::fmt::Display) {
        self.report.problems.push(what.to_string());
    }

    fn failed(&mut self, error: &RepositoryError) {
        let message = anabranch_merge::full_message(error);
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
            self.places_of(&commit);
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

    /// Notes where in shared objects a commit, its root and its delta list lie.
    fn places_of(&mut self, commit: &StoredCommit) {
        let record = &commit.record;
        let root = record.root.as_ref().and_then(|root| root.location.as_ref());
        for location in [Some(&record.commit), root, record.delta.as_ref()].into_iter().flatten() {
            if location.pack.as_str().starts_with(SHARED_PACKS) {
                let places = self.places.entry(location.pack.clone()).or_default();
                places.insert(location.offset, commit.id);
            }
        }
    }

    /// Small packs, in objects that they share. What no whole pack holds matters only if a commit is said to be there: it
    /// is room that nobody took, or was being written when a server ended.
    async fn shared_packs(&mut self) -> Result<(), RepositoryError> {
        for shared in self.inner.list_objects(SHARED_PACKS).await? {
            let bytes = self.inner.whole_object(&shared.key).await?;
            let mut places = self.places.remove(&shared.key).unwrap_or_default();
            for pack in read_shared_packs(&shared.key, &bytes) {
                self.report.packs += 1;
                places.retain(|offset, _| !pack.place.contains(offset));
            }
            self.lost(&shared.key, &places, "is damaged");
        }
        for (key, places) in std::mem::take(&mut self.places) {
            self.lost(&key, &places, "is missing");
        }
        Ok(())
    }

    fn lost(&mut self, key: &ObjectKey, places: &BTreeMap<u64, CommitId>, how: &str) {
        for (offset, commit) in places {
            self.problem(format!("the pack at {offset} of {key} {how}: commit {commit} needs it"));
        }
    }

    async fn packs(&mut self) -> Result<(), RepositoryError> {
        for pack in self.inner.list_objects(PACKS).await? {
            let bytes = self.inner.whole_object(&pack.key).await?;
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
