//! Conflicts of rows and cells as values, and what can be chosen about them.

use std::fmt;

use serde_json::Value;

/// The kind of a conflict of rows, in the words that all mergers share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowConflictKind {
    /// A row (or its cell) was changed differently on both sides, or changed on one and deleted on the other.
    RowConflict,
    /// Both sides inserted one key, differently.
    DuplicateKey,
}

impl RowConflictKind {
    /// The kind in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            RowConflictKind::RowConflict => "row-conflict",
            RowConflictKind::DuplicateKey => "duplicate-key",
        }
    }
}

/// One row or cell that could not be decided.
#[derive(Clone, PartialEq, Debug)]
pub struct RowConflict {
    /// The kind.
    pub kind: RowConflictKind,
    /// The key's columns and their values; without identity, the whole row.
    pub key: Value,
    /// The column, if only a cell clashes.
    pub column: Option<String>,
    /// The base's row or cell; `{"count", "rows"}` where several rows share the key, or rows have none.
    pub base: Option<Value>,
    /// Ours'.
    pub ours: Option<Value>,
    /// Theirs'.
    pub theirs: Option<Value>,
    /// The policy that was asked and could not decide.
    pub policy: Option<String>,
    /// What happened, for a person.
    pub message: String,
}

impl RowConflict {
    /// Names the conflict within its table: kind, key and column. The same in every run.
    pub fn place(&self) -> String {
        serde_json::json!([self.kind.as_str(), self.key, self.column]).to_string()
    }
}

impl fmt::Display for RowConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.key)?;
        if let Some(column) = &self.column {
            write!(f, ".{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What somebody decided about a conflict.
#[derive(Clone, PartialEq, Debug)]
pub enum Choice {
    /// Ours' row or cell; nothing, if ours deleted it.
    Ours,
    /// Theirs'.
    Theirs,
    /// The base's.
    Base,
    /// Ours' rows and theirs'. Not for a cell.
    Both,
    /// This cell, or this row as an object of its columns, those of the key left out or unchanged.
    Value(Value),
}

/// Answers what was decided about a conflict; `None`: nothing.
pub type Resolver = Box<dyn Fn(&RowConflict) -> Option<Choice> + Send + Sync>;

/// Resolves from a map by [`RowConflict::place`].
pub fn resolve_from(choices: std::collections::BTreeMap<String, Choice>) -> Resolver {
    Box::new(move |conflict| choices.get(&conflict.place()).cloned())
}
