//! What the choices of a session come to, and the merge that they make.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{ACCEPT_CHOICE, Conflict, ConflictId, PipelineOutcome};

use super::Open;
use crate::plan::Computed;
use crate::record::ChoiceRecord;
use crate::staging_view::TRIES_MAX;
use crate::{MergeAnswer, MergeDetails, MergeRequest, Repository, RepositoryError, Verdict};

impl Repository {
    /// What the merge of a session would do with what is chosen so far: its report, with the conflicts that are left.
    ///
    /// # Errors
    /// As [`Repository::session`].
    pub async fn session_outcome(&self, session: &str) -> Result<MergeDetails, RepositoryError> {
        let open = self.open_session(session).await?;
        let choices = self.choices_of(session).await?;
        let Open { mut plan, destination, details, .. } = open;
        decide(&mut plan, &details, &choices)?;
        let time_ms = self.inner.clock.now_ms();
        let Computed { outcome, summary, .. } = self.compute(&destination, &plan, time_ms).await?;
        let (verdict, conflicts) = match outcome {
            PipelineOutcome::Conflicts { conflicts, .. } => {
                (Verdict::Conflicts, explained(conflicts, &choices))
            }
            PipelineOutcome::Merged { .. } => (Verdict::Clean, Vec::new()),
        };
        Ok(MergeDetails { verdict, summary, conflicts, decided: plan.decided, ..details })
    }

    /// Merges what a session decided, in one commit that says who chose what, and ends the session. The merge is for the
    /// head that the conflicts belong to: when the destination moves, they are found anew, every choice whose conflict is
    /// the same is kept, and the answer are the conflicts that nobody has decided.
    ///
    /// Of the request, message, committer, metadata and deadline count.
    ///
    /// # Errors
    /// As [`Repository::session`] and [`Repository::merge`]; [`RepositoryError::Busy`] when the branch kept moving.
    pub async fn complete_session(
        &self,
        session: &str,
        request: MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        for _ in 0..TRIES_MAX {
            let open = self.open_session(session).await?;
            if open.brings_nothing {
                // Somebody merged it in between: with these choices or without them.
                self.close_session(session).await?;
                return Ok(MergeAnswer::NoChanges { uncommitted_on_source: 0 });
            }
            let choices = self.choices_of(session).await?;
            let undecided: Vec<Conflict> = open
                .details
                .conflicts
                .iter()
                .filter(|conflict| !choices.contains_key(&conflict.id()))
                .cloned()
                .collect();
            if !undecided.is_empty() {
                let summary = open.details.summary;
                return Ok(MergeAnswer::Conflicts { conflicts: undecided, summary });
            }
            match self.try_complete(open, &choices, request.clone()).await? {
                MergeAnswer::StalePreview { .. } => {}
                MergeAnswer::Conflicts { conflicts, summary } => {
                    let conflicts = explained(conflicts, &choices);
                    return Ok(MergeAnswer::Conflicts { conflicts, summary });
                }
                answer @ (MergeAnswer::Merged { .. } | MergeAnswer::NoChanges { .. }) => {
                    // Should this process end before it, the next look at the session finds that it is merged.
                    self.close_session(session).await?;
                    return Ok(answer);
                }
                answer @ MergeAnswer::StagedInTheWay { .. } => return Ok(answer),
            }
            if request.deadline_ms.is_some_and(|deadline| deadline <= self.inner.clock.now_ms()) {
                break;
            }
        }
        Err(RepositoryError::busy("branch", "of the merge session", TRIES_MAX))
    }

    async fn try_complete(
        &self,
        open: Open,
        choices: &BTreeMap<ConflictId, ChoiceRecord>,
        request: MergeRequest,
    ) -> Result<MergeAnswer, RepositoryError> {
        let Open { mut plan, destination, details, record, .. } = open;
        decide(&mut plan, &details, choices)?;
        let standard = format!("Merge '{}' into '{}'", record.source, record.destination);
        plan.message = request.message.unwrap_or(standard);
        plan.committer = request.committer.0;
        plan.metadata = request.metadata;
        plan.deadline_ms = request.deadline_ms;
        // Choices that all come to what ours is are a merge too: the sides have met.
        plan.allow_empty = true;
        plan.pinned = true;
        self.run_plan(&destination, plan).await
    }
}

/// Puts what was chosen for the conflicts of a plan into it.
fn decide(
    plan: &mut crate::plan::Plan,
    details: &MergeDetails,
    choices: &BTreeMap<ConflictId, ChoiceRecord>,
) -> Result<(), RepositoryError> {
    for conflict in &details.conflicts {
        let id = conflict.id();
        if let Some(choice) = choices.get(&id) {
            plan.resolutions.push(choice.resolution(&id)?);
            plan.decided.push(choice.decided(&id));
            plan.resolved.push(conflict.clone());
        }
    }
    // What only the decided rows break has no place among the conflicts, but is decided like them: in the same table, or in
    // one that refers to it.
    let ids: BTreeSet<ConflictId> = details.conflicts.iter().map(Conflict::id).collect();
    let tables: BTreeSet<&str> =
        details.conflicts.iter().filter_map(|conflict| conflict.table.as_deref()).collect();
    for (id, choice) in choices.iter().filter(|(id, _)| !ids.contains(*id)) {
        let decided = choice.decided(id);
        if tables.contains(decided.path.as_str()) || decided.choice == ACCEPT_CHOICE {
            plan.resolutions.push(choice.resolution(id)?);
            plan.decided.push(decided);
        }
    }
    Ok(())
}

/// The conflicts that are left, with a word where something was chosen and could not be done.
fn explained(mut conflicts: Vec<Conflict>, choices: &BTreeMap<ConflictId, ChoiceRecord>) -> Vec<Conflict> {
    for conflict in &mut conflicts {
        if let Some(choice) = choices.get(&conflict.id()) {
            let place = conflict.table.as_deref().unwrap_or(&conflict.path);
            conflict.message.push_str(&format!(
                ". {:?} was chosen for it, and cannot be done together with what was chosen for the other conflicts \
                 of {place}: choose one side for all of them",
                choice.choice
            ));
        }
    }
    conflicts
}
