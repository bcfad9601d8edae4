//! Merges, their previews and reports, and the sessions in which people decide conflicts.
//!
//! A session is asked for by the branch that it merges into: one of another branch does not exist there, so that what
//! somebody may do on one branch says nothing about the sessions of another.

use anabranch_auth::{Action, Principal};
use anabranch_merge::OBJECT_CHOICE;
use anabranch_repository::{
    Actor, ChoiceAnswer, Chosen, ConflictFilter, MergeAnswer, MergeDetails, MergeRequest, MergeSession,
    Paged, Paging, Preview, Repository, SessionBegun, SessionConflict,
};
use anabranch_types::{CommitId, Entry, ObjectPath};

use crate::app::branch_name;
use crate::body::{Announced, take_in};
use crate::objects::{check_attributes, content_type};
use crate::{App, AppError, ChoiceInput, ChosenObject, MergeInput};

impl App {
    /// Merges `source` (theirs) into the branch `destination` (ours).
    pub async fn merge(
        &self,
        who: &Principal,
        repository: &str,
        source: &str,
        destination: &str,
        input: MergeInput,
    ) -> Result<MergeAnswer, AppError> {
        let repository = self.open_branch(who, Action::Merge, repository, destination).await?;
        let request = self.merge_request(who, input);
        Ok(repository.merge(source, &branch_name(destination)?, request).await?)
    }

    /// Computes a merge and shows it to nobody else. Who may see what differs may see this.
    pub async fn preview(
        &self,
        who: &Principal,
        repository: &str,
        source: &str,
        destination: &str,
        input: MergeInput,
    ) -> Result<Preview, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        let request = MergeRequest { preview: None, ..self.merge_request(who, input) };
        Ok(repository.preview(source, &branch_name(destination)?, request).await?)
    }

    /// The report of the merge that made a commit.
    ///
    /// # Errors
    /// [`AppError::NotFound`] also for a commit that has none.
    pub async fn merge_report(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
    ) -> Result<(CommitId, MergeDetails), AppError> {
        let repository = self.open(who, Action::ReadCommit, repository).await?;
        let (id, report) = repository.merge_report(reference).await?;
        let report = report.ok_or_else(|| AppError::NotFound {
            kind: "report of commit",
            name: id.to_hex(),
            hint: ": no merge made it, or one of a server that kept no reports".to_owned(),
        })?;
        Ok((id, report))
    }

    /// Begins to decide the conflicts of a merge. What is to be decided is kept.
    pub async fn begin_session(
        &self,
        who: &Principal,
        repository: &str,
        source: &str,
        destination: &str,
        squash: bool,
    ) -> Result<SessionBegun, AppError> {
        let repository = self.open_branch(who, Action::Merge, repository, destination).await?;
        Ok(repository.begin_session(source, &branch_name(destination)?, squash, actor(who)).await?)
    }

    /// A page of a repository's sessions.
    pub async fn sessions(
        &self,
        who: &Principal,
        repository: &str,
        paging: Paging,
    ) -> Result<Paged<MergeSession>, AppError> {
        Ok(self.open(who, Action::Diff, repository).await?.sessions(&paging).await?)
    }

    /// A session as it is now.
    pub async fn session(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        session: &str,
    ) -> Result<MergeSession, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        find_session(&repository, branch, session).await?;
        Ok(repository.session(session).await?)
    }

    /// A page of a session's conflicts, with what was chosen for each.
    pub async fn session_conflicts(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        filter: &ConflictFilter,
        after: Option<&str>,
        amount: usize,
    ) -> Result<Paged<SessionConflict>, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        find_session(&repository, branch, session).await?;
        Ok(repository.session_conflicts(session, filter, after, amount).await?)
    }

    /// What a session's merge would do with what is chosen so far.
    pub async fn session_outcome(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        session: &str,
    ) -> Result<MergeDetails, AppError> {
        let repository = self.open(who, Action::Diff, repository).await?;
        find_session(&repository, branch, session).await?;
        Ok(repository.session_outcome(session).await?)
    }

    /// The repository of a session, for somebody who may decide it: whoever may merge into its branch.
    async fn open_session(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
    ) -> Result<Repository, AppError> {
        let repository = self.open_branch(who, Action::Merge, repository, branch).await?;
        find_session(&repository, branch, session).await?;
        Ok(repository)
    }

    /// Chooses for one conflict of a session.
    pub async fn choose(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        conflict: &str,
        input: ChoiceInput,
    ) -> Result<ChoiceAnswer, AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        Ok(repository.choose(session, conflict, chosen(who, input)).await?)
    }

    /// Chooses an uploaded object for one conflict of a session.
    pub async fn choose_object(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        conflict: &str,
        input: ChosenObject,
    ) -> Result<ChoiceAnswer, AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        let path = ObjectPath::new(repository.path_of_object_choice(session, conflict).await?)?;
        check_attributes(&path, &input.attributes)?;
        let announced = Announced { size: input.size, ..Announced::default() };
        let intake = take_in(&repository, input.body, announced).await?;
        let entry = Entry {
            size: intake.size,
            checksum: intake.checksum,
            parts: 0,
            modified_ms: self.now_ms(),
            content_type: content_type(&input.attributes),
            metadata: input.attributes.metadata,
            address: intake.address,
        };
        let choice = ChoiceInput { choice: OBJECT_CHOICE.into(), value: None, replace: input.replace };
        let chosen = Chosen { object: Some(entry), ..chosen(who, choice) };
        Ok(repository.choose(session, conflict, chosen).await?)
    }

    /// Makes one choice for all conflicts of a session that the filter lets through. Answers for how many it was made.
    pub async fn choose_all(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        filter: &ConflictFilter,
        input: ChoiceInput,
    ) -> Result<u64, AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        Ok(repository.choose_all(session, filter, chosen(who, input)).await?)
    }

    /// Takes back what was chosen for a conflict.
    pub async fn unchoose(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        conflict: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        Ok(repository.unchoose(session, conflict).await?)
    }

    /// Merges what a session decided, and ends it; or answers what is left to decide. Of the input, message and metadata
    /// count.
    pub async fn complete_session(
        &self,
        who: &Principal,
        (repository, branch, session): (&str, &str, &str),
        input: MergeInput,
    ) -> Result<MergeAnswer, AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        Ok(repository.complete_session(session, self.merge_request(who, input)).await?)
    }

    /// Ends a session without a merge.
    pub async fn abandon_session(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        session: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_session(who, (repository, branch, session)).await?;
        Ok(repository.abandon_session(session).await?)
    }

    fn merge_request(&self, who: &Principal, input: MergeInput) -> MergeRequest {
        MergeRequest {
            message: input.message,
            committer: actor(who),
            metadata: input.metadata,
            strategy: input.strategy,
            by_rows: input.by_rows,
            allow_empty: input.allow_empty,
            squash: input.squash,
            preview: input.preview,
            deadline_ms: Some(self.deadline_ms()),
        }
    }
}

fn actor(who: &Principal) -> Actor {
    Actor(who.name().to_owned())
}

fn chosen(who: &Principal, input: ChoiceInput) -> Chosen {
    Chosen { choice: input.choice, value: input.value, object: None, replace: input.replace, by: actor(who) }
}

/// Fails unless the session merges into this branch. Read from the list, which has sessions also of branches that were
/// deleted: those can still be abandoned.
async fn find_session(repository: &Repository, branch: &str, session: &str) -> Result<(), AppError> {
    let paging = Paging { prefix: session.to_owned(), after: None, amount: 1 };
    let listed = repository.sessions(&paging).await?.results;
    if listed.iter().any(|found| found.id == session && found.destination == branch) {
        return Ok(());
    }
    Err(AppError::NotFound {
        kind: "merge session",
        name: session.chars().take(100).collect(),
        hint: format!(
            " for branch {branch}: it was completed or abandoned, merges into another branch, or never began"
        ),
    })
}
