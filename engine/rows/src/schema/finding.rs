//! What keeps schemas from being joined.

use std::fmt;

use crate::side::Side;

/// One thing about a column that cannot be joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SchemaFinding {
    /// Both sides added a column of one name, with different types.
    AddedDifferently {
        /// The column.
        column: String,
        /// Ours' type.
        ours: String,
        /// Theirs' type.
        theirs: String,
    },
    /// Two columns of the result have names that are equal, or differ only by case.
    CaseCollision {
        /// The one name.
        ours: String,
        /// The other.
        theirs: String,
    },
    /// One side dropped a column that the other renamed or gave another type.
    DroppedAndChanged {
        /// The column, as the base names it.
        column: String,
        /// Who dropped it.
        dropped_on: Side,
        /// What the other side made of it: name and type.
        changed: String,
    },
    /// Both sides renamed a column, differently.
    RenamedDifferently {
        /// The column, as the base names it.
        column: String,
        /// Ours' name.
        ours: String,
        /// Theirs' name.
        theirs: String,
    },
    /// No side's type holds the values of all sides.
    TypeConflict {
        /// The column.
        column: String,
        /// The base's type; empty, if it has none.
        base: String,
        /// Ours' type.
        ours: String,
        /// Theirs' type.
        theirs: String,
    },
    /// Both sides gave one id to different columns.
    FieldIdCollision {
        /// The id.
        id: String,
        /// Ours' column.
        ours: String,
        /// Theirs' column.
        theirs: String,
    },
}

impl SchemaFinding {
    /// The kind of conflict that this is, in the words that all mergers share.
    pub fn kind(&self) -> &'static str {
        match self {
            SchemaFinding::AddedDifferently { .. }
            | SchemaFinding::DroppedAndChanged { .. }
            | SchemaFinding::RenamedDifferently { .. } => "column-conflict",
            SchemaFinding::CaseCollision { .. } => "column-case-collision",
            SchemaFinding::TypeConflict { .. } => "type-conflict",
            SchemaFinding::FieldIdCollision { .. } => "field-id-collision",
        }
    }

    /// The column that is meant: a path of names, with dots between them and dots within a name doubled.
    pub fn column(&self) -> &str {
        match self {
            SchemaFinding::AddedDifferently { column, .. }
            | SchemaFinding::DroppedAndChanged { column, .. }
            | SchemaFinding::RenamedDifferently { column, .. }
            | SchemaFinding::TypeConflict { column, .. } => column,
            SchemaFinding::CaseCollision { ours, .. } | SchemaFinding::FieldIdCollision { ours, .. } => ours,
        }
    }
}

impl fmt::Display for SchemaFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaFinding::AddedDifferently { column, ours, theirs } => {
                write!(f, "both sides added {column}: as {ours} on ours, as {theirs} on theirs")
            }
            SchemaFinding::CaseCollision { ours, theirs } if ours == theirs => {
                write!(f, "two columns would be named {ours}")
            }
            SchemaFinding::CaseCollision { ours, theirs } => {
                write!(f, "{ours} and {theirs} differ only by case")
            }
            SchemaFinding::DroppedAndChanged { column, dropped_on, changed } => {
                write!(f, "{column} was dropped on {dropped_on}, and became {changed} on the other side")
            }
            SchemaFinding::RenamedDifferently { column, ours, theirs } => {
                write!(f, "{column} was renamed {ours} on ours, {theirs} on theirs")
            }
            SchemaFinding::TypeConflict { column, base, ours, theirs } => {
                write!(f, "{column} is {base} in the base, {ours} on ours, {theirs} on theirs")
            }
            SchemaFinding::FieldIdCollision { id, ours, theirs } => {
                write!(f, "field id {id} was given to {ours} on ours, to {theirs} on theirs")
            }
        }
    }
}
