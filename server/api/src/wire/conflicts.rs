//! Conflicts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that a merge could not decide. `ours` is the destination, `theirs` the source.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// Names the conflict: the hash of its kind, place and the three values, the same in every run.
    pub conflict_id: String,
    /// `conflict`, or `violation`: the sides go together, and the result breaks a rule about rows.
    pub class: ConflictClass,
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

/// What a conflict is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictClass {
    /// The sides do not go together.
    Conflict,
    /// They do, and the result breaks a rule about rows.
    Violation,
}

/// One way out of a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConflictChoice {
    /// `ours`, `theirs`, `base`, `both`, or a merger's own word.
    pub id: String,
    /// What a person reads.
    pub label: String,
}

/// How many conflicts and violations there are, in words.
pub fn count_conflicts(conflicts: &[Conflict]) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let violations = conflicts.iter().filter(|one| one.class == ConflictClass::Violation).count();
    match (conflicts.len().saturating_sub(violations), violations) {
        (conflicts, 0) => counted(conflicts, "conflict"),
        (0, violations) => counted(violations, "violation"),
        (conflicts, violations) => {
            format!("{} · {}", counted(conflicts, "conflict"), counted(violations, "violation"))
        }
    }
}

impl From<anabranch_merge::Conflict> for Conflict {
    fn from(conflict: anabranch_merge::Conflict) -> Self {
        Conflict {
            conflict_id: conflict.id().0,
            class: if conflict.kind.is_violation() {
                ConflictClass::Violation
            } else {
                ConflictClass::Conflict
            },
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
