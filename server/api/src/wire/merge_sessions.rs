//! Merges whose conflicts people decide one by one. Of our own.

use anabranch_app::{ChoiceInput, ConflictFilter, MergeInput};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Conflict, MergeSummary, Metadata, Pagination, Verdict, seconds};

/// A merge session to be begun.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MergeSessionCreation {
    /// Whether the merge commit will forget its second parent.
    pub squash_merge: Option<bool>,
}

/// How the beginning of a session ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeSessionBegun {
    /// What the merge comes to: `conflicts` where there is something to decide.
    pub verdict: Verdict,
    /// The session; none where nothing is to be decided. Then nothing is kept, and the merge can be made.
    pub session: Option<MergeSession>,
}

impl From<anabranch_app::SessionBegun> for MergeSessionBegun {
    fn from(begun: anabranch_app::SessionBegun) -> Self {
        match begun {
            anabranch_app::SessionBegun::Kept(session) => {
                MergeSessionBegun { verdict: Verdict::Conflicts, session: Some((*session).into()) }
            }
            anabranch_app::SessionBegun::NothingToDecide(verdict) => {
                MergeSessionBegun { verdict: Verdict::of(verdict, &[]), session: None }
            }
        }
    }
}

/// A merge that people decide, conflict by conflict.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeSession {
    /// Its id.
    pub id: String,
    /// What is merged, as it was named when the session began. It stays the commit of then, whatever the branch does.
    pub source: String,
    /// Into which branch.
    pub destination: String,
    /// Whether the merge commit will forget its second parent.
    pub squash_merge: bool,
    /// How many conflicts there are.
    pub conflicts: u64,
    /// How many of them nobody has decided.
    pub undecided: u64,
    /// When it began, in seconds since the Unix epoch.
    pub creation_date: i64,
    /// Who began it.
    pub creator: String,
    /// What the merge would do beside its conflicts. `ours` is the head that the conflicts belong to.
    pub summary: MergeSummary,
}

impl From<anabranch_app::MergeSession> for MergeSession {
    fn from(session: anabranch_app::MergeSession) -> Self {
        MergeSession {
            id: session.id,
            source: session.source,
            destination: session.destination,
            squash_merge: session.squash,
            conflicts: session.conflicts,
            undecided: session.undecided,
            creation_date: seconds(session.begun_ms),
            creator: session.begun_by,
            summary: session.summary.into(),
        }
    }
}

/// A page of merge sessions, in order of id.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeSessionList {
    /// Which page.
    pub pagination: Pagination,
    /// The sessions.
    pub results: Vec<MergeSession>,
}

/// What somebody decided about a conflict.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// Which conflict.
    pub conflict_id: String,
    /// Where it is: the object, or the root of the table.
    pub path: String,
    /// The id of the choice.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    pub value: Option<serde_json::Value>,
    /// Who.
    pub by: String,
    /// When, in seconds since the Unix epoch.
    pub date: i64,
}

impl From<anabranch_app::Decided> for Decided {
    fn from(decided: anabranch_app::Decided) -> Self {
        Decided {
            conflict_id: decided.conflict.0,
            path: decided.path,
            choice: decided.choice,
            value: decided.value,
            by: decided.by,
            date: seconds(decided.at_ms),
        }
    }
}

/// A conflict of a session, and what was chosen for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionConflict {
    /// The conflict.
    pub conflict: Conflict,
    /// What was chosen, if anything was.
    pub decided: Option<Decided>,
}

impl From<anabranch_app::SessionConflict> for SessionConflict {
    fn from(one: anabranch_app::SessionConflict) -> Self {
        SessionConflict { conflict: one.conflict.into(), decided: one.decided.map(Decided::from) }
    }
}

/// A page of a session's conflicts, in order of path.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionConflictList {
    /// Which page. `next_offset` is the id of a conflict.
    pub pagination: Pagination,
    /// The conflicts.
    pub results: Vec<SessionConflict>,
}

/// What is chosen for one conflict.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ConflictChoiceCreation {
    /// The id of one of the conflict's choices.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Whether somebody else's choice is replaced.
    pub replace: Option<bool>,
}

impl From<ConflictChoiceCreation> for ChoiceInput {
    fn from(creation: ConflictChoiceCreation) -> Self {
        ChoiceInput {
            choice: creation.choice,
            value: creation.value,
            replace: creation.replace.unwrap_or(false),
        }
    }
}

/// One choice for many conflicts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ConflictChoicesCreation {
    /// The id of a choice. Conflicts that do not have it are left alone.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Only for conflicts of the table or unit at this root.
    pub table: Option<String>,
    /// Only for conflicts of this kind.
    pub kind: Option<String>,
    /// Also where somebody has chosen already.
    pub replace: Option<bool>,
}

impl ConflictChoicesCreation {
    /// For which conflicts, and the choice.
    pub(crate) fn into_input(self) -> (ConflictFilter, ChoiceInput) {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let filter = ConflictFilter { table: some(self.table), kind: some(self.kind), undecided: false };
        let replace = self.replace.unwrap_or(false);
        (filter, ChoiceInput { choice: self.choice, value: self.value, replace })
    }
}

/// How many choices were made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConflictChoicesMade {
    /// For so many conflicts.
    pub made: u64,
}

/// Somebody else has chosen something different for the conflict, which stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlreadyDecided {
    /// Who chose what, and what to do.
    pub message: String,
    /// Always `already-decided`.
    pub kind: String,
    /// The choice that stands.
    pub decided: Decided,
}

/// The merge of a session to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MergeSessionCompletion {
    /// What the merge commit says; left out: a sentence of its own.
    pub message: Option<String>,
    /// What its maker attaches.
    pub metadata: Option<Metadata>,
}

impl From<MergeSessionCompletion> for MergeInput {
    fn from(completion: MergeSessionCompletion) -> Self {
        MergeInput {
            by_rows: false,
            message: completion.message.filter(|message| !message.is_empty()),
            metadata: completion.metadata.unwrap_or_default(),
            ..MergeInput::default()
        }
    }
}
