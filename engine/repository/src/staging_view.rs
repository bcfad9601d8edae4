//! A branch with what is staged on it: reading both together, and writing with the fence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_refs::{
    Condition, ConditionalRow, Dropped, Expect, Fence, RefsError, Staged, StagedPage, StagedRow, StagedValue,
    Token, Version,
};
use anabranch_tree::{decode_entry, encode_entry};
use anabranch_types::{BranchName, Entry, ObjectPath};
use bytes::Bytes;

use crate::commits::StoredCommit;
use crate::ledger::Swap;
use crate::record::{BRANCH_KEY, BranchRecord};
use crate::repository::Inner;
use crate::{RepositoryError, WriteAnswer, WriteCondition};

/// How often a write or a read is begun anew when the branch moves under it.
pub(crate) const TRIES_MAX: usize = 50;
/// How often a staging write is sent before its fate counts as unknown.
const SENDS_MAX: usize = 4;
/// How many rows a page of staged rows has.
pub(crate) const STAGED_PAGE: usize = 2_000;
/// How many fences are remembered; the memory is emptied when it is full.
const HINTS_MAX: usize = 10_000;

/// A branch record as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Branch {
    pub(crate) record: BranchRecord,
    pub(crate) version: Version,
}

/// The staging areas that took writes when their branches were last read. Only hints: a write through one that has
/// moved is refused by its fence.
#[derive(Default)]
pub(crate) struct FenceHints(Mutex<HashMap<BranchName, Token>>);

impl FenceHints {
    fn get(&self, name: &BranchName) -> Option<Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn set(&self, name: &BranchName, token: Token) {
        let mut hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hints.len() >= HINTS_MAX && !hints.contains_key(name) {
            hints.clear();
        }
        hints.insert(name.clone(), token);
    }

    pub(crate) fn forget(&self, name: &BranchName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// What is staged for a path, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StagedChange {
    pub(crate) path: String,
    /// The entry; none if the path is deleted.
    pub(crate) entry: Option<Entry>,
}

impl Inner {
    pub(crate) async fn find_branch(&self, name: &BranchName) -> Result<Option<Branch>, RepositoryError> {
        let partition = self.partitions.branch(name);
        let Some(row) = self.ledger.get("reading a branch", &partition, BRANCH_KEY).await? else {
            return Ok(None);
        };
        let record = BranchRecord::decode(&row.value)
            .map_err(|why| RepositoryError::damaged(format!("branch {name}"), why))?;
        self.fences.set(name, record.token);
        Ok(Some(Branch { record, version: row.version }))
    }

    pub(crate) async fn load_branch(&self, name: &BranchName) -> Result<Branch, RepositoryError> {
        self.find_branch(name).await?.ok_or_else(|| RepositoryError::not_found("branch", name))
    }

    /// Writes the branch record if it still has the version that was read. The epoch is counted up here.
    pub(crate) async fn swap_branch(
        &self,
        name: &BranchName,
        version: Version,
        mut record: BranchRecord,
    ) -> Result<Result<Branch, Option<Branch>>, RepositoryError> {
        record.epoch = record.epoch.saturating_add(1);
        let partition = self.partitions.branch(name);
        let value = (record.encode(), Some(record.fence_mark()));
        let expect = Expect::Is(version);
        let ids = self.ids.as_ref();
        match self.ledger.put("moving a branch", &partition, BRANCH_KEY, expect, value, ids).await? {
            Swap::Done(version) => {
                self.fences.set(name, record.token);
                Ok(Ok(Branch { record, version }))
            }
            Swap::Lost(None) => {
                self.fences.forget(name);
                Ok(Err(None))
            }
            Swap::Lost(Some(actual)) => {
                let record = BranchRecord::decode(&actual.value)
                    .map_err(|why| RepositoryError::damaged(format!("branch {name}"), why))?;
                self.fences.set(name, record.token);
                Ok(Err(Some(Branch { record, version: actual.version })))
            }
        }
    }

    /// Whether the branch still names all of these staging areas: then what was read from them, laid over the head that
    /// was read with them, is what the branch held at one moment.
    pub(crate) async fn still_names(
        &self,
        name: &BranchName,
        tokens: &[Token],
    ) -> Result<bool, RepositoryError> {
        let Some(branch) = self.find_branch(name).await? else { return Ok(false) };
        let now = branch.record.tokens();
        Ok(tokens.iter().all(|token| now.contains(token)))
    }

    pub(crate) async fn staged_page(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RepositoryError> {
        let page = self.staging.scan(tokens, prefix, after, limit).await;
        page.map_err(RepositoryError::refs("reading staged changes"))
    }

    /// The next page of decoded staged changes after `after`; whether more follow.
    pub(crate) async fn staged_changes(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<StagedChange>, bool), RepositoryError> {
        let page = self.staged_page(tokens, prefix, after, limit).await?;
        let changes: Result<Vec<_>, _> = page.rows.into_iter().map(decode_staged).collect();
        Ok((changes?, page.more))
    }

    /// Whether any staging area holds a row.
    pub(crate) async fn anything_staged(&self, tokens: &[Token]) -> Result<bool, RepositoryError> {
        Ok(!self.staged_page(tokens, "", None, 1).await?.rows.is_empty())
    }

    /// What is staged for a path: `None` if nothing is, `Some(None)` if it is deleted.
    pub(crate) async fn staged_entry(
        &self,
        tokens: &[Token],
        path: &ObjectPath,
    ) -> Result<Option<Option<Entry>>, RepositoryError> {
        let value = self.staging.get(tokens, path.as_str()).await;
        match value.map_err(RepositoryError::refs("reading a staged change"))? {
            None => Ok(None),
            Some(value) => {
                Ok(Some(decode_staged(StagedRow { path: path.as_str().to_owned(), value })?.entry))
            }
        }
    }

    /// Writes rows to the branch's open staging area: one fenced statement. At most one group of rows.
    pub(crate) async fn stage(&self, name: &BranchName, rows: &[StagedRow]) -> Result<(), RepositoryError> {
        for _ in 0..TRIES_MAX {
            let token = match self.fences.get(name) {
                Some(token) => token,
                None => self.load_branch(name).await?.record.token,
            };
            match self.send_rows(&self.fence(name, token), rows).await? {
                Staged::Done => return Ok(()),
                Staged::Moved | Staged::Refused { .. } => {
                    self.load_branch(name).await?;
                }
            }
        }
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }

    /// Repeats a write whose reply was lost: writing the same rows twice is writing them once.
    pub(crate) async fn send_rows(
        &self,
        fence: &Fence,
        rows: &[StagedRow],
    ) -> Result<Staged, RepositoryError> {
        let mut sends = 1;
        loop {
            match self.staging.put(fence, rows).await {
                Err(RefsError::Unknown { .. }) if sends < SENDS_MAX => sends += 1,
                answer => return answer.map_err(RepositoryError::refs("staging changes")),
            }
        }
    }

    /// Writes one row under a condition that is judged over staging ∪ sealed ∪ head.
    pub(crate) async fn stage_if(
        &self,
        name: &BranchName,
        path: &ObjectPath,
        row: StagedRow,
        condition: Condition,
    ) -> Result<WriteAnswer, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let branch = self.load_branch(name).await?;
            let head = self.commit_of(&branch.record.head).await?;
            let conditional = ConditionalRow {
                row: row.clone(),
                condition: condition.clone(),
                sealed: branch.record.sealed.clone(),
                head: *branch.record.head.as_bytes(),
                in_head: self.entry_in(&head, path).await?.map(|entry| entry.etag()),
            };
            match self.send_if(&self.fence(name, branch.record.token), &branch.record, &conditional).await? {
                Staged::Done => return Ok(WriteAnswer::Written),
                Staged::Refused { actual } => return Ok(WriteAnswer::Refused { actual }),
                Staged::Moved => {}
            }
        }
        Err(RepositoryError::busy("branch", name, TRIES_MAX))
    }

    /// Sends a conditional write. When the reply is lost and the repeat is not done, the row itself tells whether the
    /// first one landed: it names an object and a time that no other write has.
    async fn send_if(
        &self,
        fence: &Fence,
        record: &BranchRecord,
        conditional: &ConditionalRow,
    ) -> Result<Staged, RepositoryError> {
        let action = "staging a change under a condition";
        let mut sends = 1;
        loop {
            match self.staging.put_if(fence, conditional).await {
                Err(RefsError::Unknown { .. }) if sends < SENDS_MAX => sends += 1,
                Ok(answer) if answer != Staged::Done && sends > 1 => {
                    let found = self.staging.get(&record.tokens(), &conditional.row.path).await;
                    let landed = found.map_err(RepositoryError::refs(action))?.as_ref()
                        == Some(&conditional.row.value);
                    return Ok(if landed { Staged::Done } else { answer });
                }
                answer => return answer.map_err(RepositoryError::refs(action)),
            }
        }
    }

    fn fence(&self, name: &BranchName, token: Token) -> Fence {
        Fence { partition: self.partitions.branch(name), key: BRANCH_KEY.to_owned(), token }
    }

    /// What a path holds in the tree of a commit.
    pub(crate) async fn entry_in(
        &self,
        commit: &Arc<StoredCommit>,
        path: &ObjectPath,
    ) -> Result<Option<Entry>, RepositoryError> {
        let entry = self.trees.session().get(&commit.tree(), path.as_bytes()).await;
        entry.map_err(RepositoryError::tree(format!("commit {}", commit.id)))
    }

    /// Drops staging areas that no branch record counts as uncommitted any more.
    pub(crate) async fn drop_tokens(&self, tokens: &[Token]) -> Result<(), RepositoryError> {
        for token in tokens {
            let mut lost = 0;
            loop {
                match self.staging.drop_chunk(token).await {
                    Ok(Dropped::More) => {}
                    Ok(Dropped::All) => break,
                    Err(RefsError::Unknown { .. }) if lost < SENDS_MAX => lost += 1,
                    Err(error) => return Err(RepositoryError::refs("dropping staged rows")(error)),
                }
            }
        }
        Ok(())
    }

    pub(crate) fn new_token(&self) -> Token {
        Token(self.ids.id16())
    }
}

/// The row that sets a path to an entry.
pub(crate) fn row_of(path: &ObjectPath, entry: &Entry) -> Result<StagedRow, RepositoryError> {
    let encoded = encode_entry(entry)
        .map_err(|error| RepositoryError::invalid(format!("{path} cannot be stored: {error}")))?;
    if encoded.len() > anabranch_refs::VALUE_BYTES_MAX {
        let bytes = encoded.len();
        return Err(RepositoryError::invalid(format!(
            "the metadata of {path} takes {bytes} bytes; at most {} are taken",
            anabranch_refs::VALUE_BYTES_MAX
        )));
    }
    let value = StagedValue::Present { entry: Bytes::from(encoded), etag: entry.etag() };
    Ok(StagedRow { path: path.as_str().to_owned(), value })
}

/// The row that deletes a path.
pub(crate) fn tombstone_of(path: &ObjectPath) -> StagedRow {
    StagedRow { path: path.as_str().to_owned(), value: StagedValue::Deleted }
}

/// The condition of a write; none for an unconditional one.
pub(crate) fn condition_of(condition: WriteCondition) -> Option<Condition> {
    match condition {
        WriteCondition::None => None,
        WriteCondition::Absent => Some(Condition::Absent),
        WriteCondition::Matches(etag) => Some(Condition::Matches(etag)),
        WriteCondition::Present => Some(Condition::Present),
    }
}

pub(crate) fn decode_staged(row: StagedRow) -> Result<StagedChange, RepositoryError> {
    let StagedRow { path, value } = row;
    let entry =
        match value {
            StagedValue::Deleted => None,
            StagedValue::Present { entry, .. } => {
                let entry = decode_entry(&entry);
                Some(entry.map_err(|error| {
                    RepositoryError::damaged(format!("the staged entry of {path}"), error)
                })?)
            }
        };
    Ok(StagedChange { path, entry })
}
