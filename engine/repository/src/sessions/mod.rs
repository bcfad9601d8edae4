//! Merge sessions: a merge with conflicts that is kept while people decide them, one by one.
//!
//! The conflicts are found with one head of the destination. When that head moves, they are found anew the next time
//! somebody looks; a choice belongs to the id of its conflict, which is the hash of kind, place and values, so every choice
//! whose conflict is still the same stays, and the others wait for their conflict to come back.

mod choices;
mod complete;

use std::collections::BTreeMap;

use anabranch_merge::{Conflict, ConflictId, PipelineOutcome};
use anabranch_refs::{Expect, ScanRange, Version};
use anabranch_types::BranchName;

use crate::details::{StoredAddress, commit_id};
use crate::ledger::Swap;
use crate::paging::page_amount;
use crate::plan::{Computed, Plan};
use crate::record::{Begun, ChoiceRecord, SessionRecord};
use crate::staging_view::TRIES_MAX;
use crate::{
    Actor, ConflictFilter, MergeDetails, MergeRequest, MergeSession, Paged, Paging, Repository,
    RepositoryError, SessionBegun, SessionConflict, Verdict,
};

/// A session as it is now, with the conflicts of the destination's head.
struct Open {
    record: SessionRecord,
    destination: BranchName,
    /// The merge, without anything that was decided.
    plan: Plan,
    /// The destination has all that the session's commit brings.
    brings_nothing: bool,
    details: MergeDetails,
}

impl Repository {
    /// Computes the merge of `source` into the branch, and keeps it if it has conflicts, for people to decide them.
    ///
    /// # Errors
    /// As [`Repository::merge`].
    pub async fn begin_session(
        &self,
        source: &str,
        destination: &BranchName,
        squash: bool,
        by: Actor,
    ) -> Result<SessionBegun, RepositoryError> {
        let target = self.inner.resolve(source).await?;
        let theirs = self.inner.commit_of(&target.commit).await?;
        let planned = self.plan_merge(source, theirs, destination, plain_request(squash, &by)).await?;
        if planned.brings_nothing {
            return Ok(SessionBegun::NothingToDecide(Verdict::UpToDate));
        }
        let details = self.find_conflicts(destination, &planned.plan).await?;
        if details.conflicts.is_empty() {
            return Ok(SessionBegun::NothingToDecide(details.verdict));
        }
        let address = self.inner.store_details(&details).await?;
        let begun = Begun {
            source: source.to_owned(),
            destination: destination.to_string(),
            theirs: target.commit.to_hex(),
            ours: planned.plan.ours.id.to_hex(),
            squash,
            begun_ms: self.inner.clock.now_ms(),
            begun_by: by.0,
        };
        let record = SessionRecord::new(begun, StoredAddress::from(&address));
        let id = hex::encode(self.inner.ids.id16());
        if !self.swap_session(&id, Expect::Absent, &record).await? {
            return Err(RepositoryError::damaged(
                format!("merge session {id}"),
                "its id was fresh, and it exists already",
            ));
        }
        Ok(SessionBegun::Kept(Box::new(shown(&id, &record, &details, &BTreeMap::new()))))
    }

    /// A session as it is now. When the destination has moved, its conflicts are found anew.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the session, and for a destination that was deleted.
    pub async fn session(&self, id: &str) -> Result<MergeSession, RepositoryError> {
        let open = self.open_session(id).await?;
        let choices = self.choices_of(id).await?;
        Ok(shown(id, &open.record, &open.details, &choices))
    }

    /// A page of sessions, in order of id, as they were when somebody last looked at each.
    ///
    /// # Errors
    /// When the ref-store or the storage fails.
    pub async fn sessions(&self, paging: &Paging) -> Result<Paged<MergeSession>, RepositoryError> {
        let partition = self.inner.partitions.merges();
        let range = ScanRange { prefix: paging.prefix.clone(), after: paging.after.clone() };
        let amount = page_amount(paging.amount);
        let page = self.inner.ledger.scan("listing merge sessions", &partition, &range, amount).await?;
        let next = page.rows.last().filter(|_| page.more).map(|(id, _)| id.clone()).unwrap_or_default();
        let mut results = Vec::with_capacity(page.rows.len());
        for (id, row) in page.rows {
            let record = decoded(&id, &row.value)?;
            let details = self.inner.load_details(&record.details.address()).await?;
            let choices = self.choices_of(&id).await?;
            results.push(shown(&id, &record, &details, &choices));
        }
        Ok(Paged { results, more: page.more, next })
    }

    /// A page of a session's conflicts, in their order, with what was chosen for each. `after` is the id of a conflict.
    ///
    /// # Errors
    /// As [`Repository::session`]; [`RepositoryError::Invalid`] when `after` is no conflict of the session any more.
    pub async fn session_conflicts(
        &self,
        id: &str,
        filter: &ConflictFilter,
        after: Option<&str>,
        amount: usize,
    ) -> Result<Paged<SessionConflict>, RepositoryError> {
        let open = self.open_session(id).await?;
        let choices = self.choices_of(id).await?;
        let all = with_ids(open.details.conflicts);
        let start = match after {
            None => 0,
            Some(after) => match all.iter().position(|(id, _)| id.0 == after) {
                Some(at) => at.saturating_add(1),
                None => {
                    return Err(RepositoryError::invalid(format!(
                        "conflict {after} is none of merge session {id} any more, because the destination moved: \
                         list from the beginning"
                    )));
                }
            },
        };
        let mut matching = all
            .into_iter()
            .skip(start)
            .filter(|(id, conflict)| matches(filter, conflict, choices.get(id)))
            .map(|(id, conflict)| {
                let decided = choices.get(&id).map(|choice| choice.decided(&id));
                (id, SessionConflict { conflict, decided })
            });
        let page: Vec<_> = matching.by_ref().take(page_amount(amount)).collect();
        let more = matching.next().is_some();
        let next = page.last().filter(|_| more).map(|(id, _)| id.0.clone()).unwrap_or_default();
        Ok(Paged { results: page.into_iter().map(|(_, shown)| shown).collect(), more, next })
    }

    /// Ends a session without a merge. What was chosen is forgotten.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn abandon_session(&self, id: &str) -> Result<(), RepositoryError> {
        self.session_record(id).await?;
        self.close_session(id).await
    }

    async fn session_record(&self, id: &str) -> Result<(SessionRecord, Version), RepositoryError> {
        let partition = self.inner.partitions.merges();
        let row = self.inner.ledger.get("looking up a merge session", &partition, id).await?;
        let row = row.ok_or_else(|| RepositoryError::NotFound {
            kind: "merge session",
            name: id.to_owned(),
            hint: ": it was completed or abandoned, or never begun".to_owned(),
        })?;
        Ok((decoded(id, &row.value)?, row.version))
    }

    /// The session with the conflicts that it has with the destination's head; kept, if they were found anew.
    async fn open_session(&self, id: &str) -> Result<Open, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let (mut record, version) = self.session_record(id).await?;
            let damaged = |what: &str| RepositoryError::damaged(format!("merge session {id}"), what);
            let destination =
                BranchName::new(record.destination.clone()).map_err(|_| damaged("its destination"))?;
            let theirs = commit_id(&record.theirs).ok_or_else(|| damaged("its source"))?;
            let theirs = self.inner.commit_of(&theirs).await?;
            let request = plain_request(record.squash, &Actor(record.begun_by.clone()));
            let planned = self.plan_merge(&record.source, theirs, &destination, request).await?;
            let ours = planned.plan.ours.id.to_hex();
            let details = if ours == record.ours {
                self.inner.load_details(&record.details.address()).await?
            } else {
                let details = self.find_conflicts(&destination, &planned.plan).await?;
                let address = self.inner.store_details(&details).await?;
                record.ours = ours;
                record.details = StoredAddress::from(&address);
                if !self.swap_session(id, Expect::Is(version), &record).await? {
                    continue;
                }
                details
            };
            let brings_nothing = planned.brings_nothing;
            return Ok(Open { record, destination, plan: planned.plan, brings_nothing, details });
        }
        Err(RepositoryError::busy("merge session", id, TRIES_MAX))
    }

    /// The conflicts of a plan, and what it does beside them.
    async fn find_conflicts(
        &self,
        destination: &BranchName,
        plan: &Plan,
    ) -> Result<MergeDetails, RepositoryError> {
        let time_ms = self.inner.clock.now_ms();
        let Computed { outcome, summary, .. } = self.compute(destination, plan, time_ms).await?;
        let (verdict, conflicts) = match outcome {
            PipelineOutcome::Conflicts { conflicts, .. } => (Verdict::Conflicts, conflicts),
            PipelineOutcome::Merged { .. } if plan.is_fast_forward() => (Verdict::FastForward, Vec::new()),
            PipelineOutcome::Merged { .. } => (Verdict::Clean, Vec::new()),
        };
        Ok(MergeDetails {
            source: plan.source.clone(),
            destination: destination.to_string(),
            verdict,
            summary,
            conflicts,
            decided: Vec::new(),
        })
    }

    /// Writes the record; false when it was not as expected.
    async fn swap_session(
        &self,
        id: &str,
        expect: Expect,
        record: &SessionRecord,
    ) -> Result<bool, RepositoryError> {
        let partition = self.inner.partitions.merges();
        let value = (record.encode(), None);
        let ids = self.inner.ids.as_ref();
        let swap =
            self.inner.ledger.put("keeping a merge session", &partition, id, expect, value, ids).await?;
        Ok(matches!(swap, Swap::Done(_)))
    }
}

fn decoded(id: &str, value: &[u8]) -> Result<SessionRecord, RepositoryError> {
    SessionRecord::decode(value)
        .map_err(|error| RepositoryError::damaged(format!("merge session {id}"), error))
}

/// A merge in which nothing is decided beforehand. All choices may come to what ours is, and that is a merge too.
fn plain_request(squash: bool, by: &Actor) -> MergeRequest {
    MergeRequest {
        message: None,
        committer: by.clone(),
        metadata: BTreeMap::new(),
        strategy: None,
        by_rows: false,
        allow_empty: false,
        squash,
        preview: None,
        deadline_ms: None,
    }
}

fn with_ids(conflicts: Vec<Conflict>) -> Vec<(ConflictId, Conflict)> {
    conflicts.into_iter().map(|conflict| (conflict.id(), conflict)).collect()
}

fn matches(filter: &ConflictFilter, conflict: &Conflict, choice: Option<&ChoiceRecord>) -> bool {
    filter.table.as_ref().is_none_or(|table| conflict.table.as_ref() == Some(table))
        && filter.kind.as_ref().is_none_or(|kind| conflict.kind.as_str() == kind)
        && !(filter.undecided && choice.is_some())
}

fn shown(
    id: &str,
    record: &SessionRecord,
    details: &MergeDetails,
    choices: &BTreeMap<ConflictId, ChoiceRecord>,
) -> MergeSession {
    let undecided = details.conflicts.iter().filter(|conflict| !choices.contains_key(&conflict.id()));
    MergeSession {
        id: id.to_owned(),
        source: record.source.clone(),
        destination: record.destination.clone(),
        summary: details.summary.clone(),
        squash: record.squash,
        conflicts: details.conflicts.len() as u64,
        undecided: undecided.count() as u64,
        begun_ms: record.begun_ms,
        begun_by: record.begun_by.clone(),
    }
}
