//! What is wrong with a table that cannot be read: a value that becomes a conflict.

use anabranch_merge::ConflictKind;

/// Why a table's log was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// `table-damaged`, `unsupported-feature` or `catalog-managed`.
    pub kind: ConflictKind,
    /// The object, relative to the table root; the log folder when no single object is to blame.
    pub file: String,
    /// What is wrong: one sentence without the file's name.
    pub message: String,
}

impl Damage {
    /// A log that does not follow its own format.
    pub fn damaged(file: impl Into<String>, message: impl Into<String>) -> Self {
        Damage { kind: ConflictKind::TableDamaged, file: file.into(), message: message.into() }
    }

    /// A log that follows a format which this merger does not know.
    pub fn unsupported(file: impl Into<String>, message: impl Into<String>) -> Self {
        Damage { kind: ConflictKind::UnsupportedFeature, file: file.into(), message: message.into() }
    }
}
