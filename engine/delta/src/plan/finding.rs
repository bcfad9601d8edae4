//! What the plan found that cannot be decided: a conflict without the name of the table.

use anabranch_merge::{Choice, Conflict, ConflictKind, ConflictValue};

use crate::damage::Damage;

/// One thing that could not be decided.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    kind: ConflictKind,
    path: String,
    key: Option<ConflictValue>,
    column: Option<String>,
    message: String,
    rule: &'static str,
    base: Option<ConflictValue>,
    ours: Option<ConflictValue>,
    theirs: Option<ConflictValue>,
    /// The ways out; none: one side's table whole.
    choices: Option<Vec<Choice>>,
}

impl Finding {
    /// A finding about the whole table.
    pub fn table(kind: ConflictKind, rule: &'static str, message: impl Into<String>) -> Self {
        Finding::file(kind, rule, "", message)
    }

    /// A finding about one object, relative to the table root.
    pub fn file(kind: ConflictKind, rule: &'static str, path: &str, message: impl Into<String>) -> Self {
        Finding {
            kind,
            path: path.to_owned(),
            key: None,
            column: None,
            message: message.into(),
            rule,
            base: None,
            ours: None,
            theirs: None,
            choices: None,
        }
    }

    /// A side's log that cannot be read.
    pub fn damage(side: &str, damage: Damage) -> Self {
        let message = format!("on {side}, {}: {}", damage.file, damage.message);
        Finding::file(damage.kind, "log", &damage.file, message).on(side, None, Some(damage.message.into()))
    }

    /// Says what one side holds. The side is where the value stands, so that swapped sides give swapped conflicts.
    pub fn on(mut self, side: &str, base: Option<ConflictValue>, value: Option<ConflictValue>) -> Self {
        match side {
            "base" => self.base = value,
            "ours" => (self.base, self.ours) = (base, value),
            _ => (self.base, self.theirs) = (base, value),
        }
        self
    }

    /// Names the place within the object.
    pub fn key(mut self, key: impl Into<ConflictValue>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Names the column, property, domain or feature.
    pub fn column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    /// Says what the three sides hold.
    pub fn values(
        mut self,
        base: Option<ConflictValue>,
        ours: Option<ConflictValue>,
        theirs: Option<ConflictValue>,
    ) -> Self {
        (self.base, self.ours, self.theirs) = (base, ours, theirs);
        self
    }

    /// Names the ways out.
    pub fn choices(mut self, choices: Vec<Choice>) -> Self {
        self.choices = Some(choices);
        self
    }

    /// Says more about what happened.
    pub fn because(mut self, why: &str) -> Self {
        self.message = format!("{}: {why}", self.message);
        self
    }

    /// The conflict of the table at `root`.
    pub fn into_conflict(self, root: &str) -> Conflict {
        let path = if self.path.is_empty() { root.to_owned() } else { format!("{root}/{}", self.path) };
        Conflict {
            table: Some(root.to_owned()),
            path,
            kind: self.kind,
            key: self.key,
            column: self.column,
            message: self.message,
            rule: format!("delta/{}", self.rule),
            base: self.base,
            ours: self.ours,
            theirs: self.theirs,
            choices: self.choices.unwrap_or_else(|| {
                vec![
                    Choice { id: "ours".into(), label: "keep the destination's table whole".into() },
                    Choice { id: "theirs".into(), label: "take the source's table whole".into() },
                ]
            }),
        }
    }
}
