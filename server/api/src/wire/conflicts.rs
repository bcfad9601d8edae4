//! Conflicts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that a merge could not decide. `ours` is the destination, `theirs` the source.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// Names the conflict: the hash of its kind, place and the three values, the same in every run.
    pub conflict_id: String,
    /// The root of the table, if it is one in a table.
    pub table: Option<String>,
    /// The object; the root itself when the whole table is meant.
    pub path: String,
    /// Its kind, in kebab-case.
    pub kind: String,
    /// Which row or place within the object; none when all of it is meant.
    pub key: Option<serde_json::Value>,
    /// Which column clashes, where there is one.
    pub column: Option<String>,
    /// What happened, for a person.
    pub message: String,
    /// Which rule says so.
    pub rule: String,
    /// The value in the merge base.
    pub base: Option<serde_json::Value>,
    /// The value on the destination.
    pub ours: Option<serde_json::Value>,
    /// The value on the source.
    pub theirs: Option<serde_json::Value>,
    /// The ways out.
    pub choices: Vec<ConflictChoice>,
}

/// One way out of a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConflictChoice {
    /// `ours`, `theirs`, `base`, `both`, or a merger's own word.
    pub id: String,
    /// What a person reads.
    pub label: String,
}

impl From<anabranch_merge::Conflict> for Conflict {
    fn from(conflict: anabranch_merge::Conflict) -> Self {
        Conflict {
            conflict_id: conflict.id().0,
            table: conflict.table,
            path: conflict.path,
            kind: conflict.kind.as_str().to_owned(),
            key: conflict.key,
            column: conflict.column,
            message: conflict.message,
            rule: conflict.rule,
            base: conflict.base,
            ours: conflict.ours,
            theirs: conflict.theirs,
            choices: conflict
                .choices
                .into_iter()
                .map(|choice| ConflictChoice { id: choice.id, label: choice.label })
                .collect(),
        }
    }
}
