//! Conflicts: values that say exactly what could not be decided, and how it can be.

use std::fmt;

use anabranch_types::Entry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $name:literal,)*) => {
        /// The kind of a conflict, in one list for all mergers. Shown in kebab-case; `docs/conflicts.md` explains each.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum ConflictKind {
            $($(#[$doc])* $kind,)*
            /// A kind of a plugin's own. Begins with `x-`.
            Plugin(String),
        }

        impl ConflictKind {
            /// Every kind but those of plugins.
            pub const ALL: &[ConflictKind] = &[$(ConflictKind::$kind,)*];

            /// The kind in kebab-case, as it goes over the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(ConflictKind::$kind => $name,)*
                    ConflictKind::Plugin(kind) => kind,
                }
            }
        }
    };
}

kinds! {
    /// One object was changed differently on both sides.
    ObjectConflict => "object-conflict",
    /// A table was changed on both sides and no merger took it, or the result would mix two logs.
    StructureConflict => "structure-conflict",
    /// Several merge bases give different answers.
    AmbiguousBase => "ambiguous-base",
    /// A merger failed; its message says at which limit or why.
    MergerFailed => "merger-failed",
    /// Lines of a text changed differently on both sides.
    TextConflict => "text-conflict",
    /// A row was changed differently on both sides.
    RowConflict => "row-conflict",
    /// Both sides inserted the same key.
    DuplicateKey => "duplicate-key",
    /// One side replaced the table's rows, the other changed some.
    OverwriteVsChange => "overwrite-vs-change",
    /// A table property was set differently.
    PropertyConflict => "property-conflict",
    /// A column was added or altered differently.
    ColumnConflict => "column-conflict",
    /// Column names differ only by case.
    ColumnCaseCollision => "column-case-collision",
    /// Two columns took one field id.
    FieldIdCollision => "field-id-collision",
    /// One side dropped a column into which the other wrote.
    DropVsWrite => "drop-vs-write",
    /// A column's type was changed incompatibly.
    TypeConflict => "type-conflict",
    /// The partition columns differ.
    PartitioningChanged => "partitioning-changed",
    /// A row breaks a constraint of the other side.
    ConstraintViolation => "constraint-violation",
    /// A row refers to one that the other side removed.
    ReferenceViolation => "reference-violation",
    /// A constraint cannot be evaluated here.
    ConstraintUnverifiable => "constraint-unverifiable",
    /// Rows were removed from a table that became append-only.
    AppendOnlyViolation => "append-only-violation",
    /// A commit lacks the change data that the table now demands.
    CdfMissing => "cdf-missing",
    /// Both sides generated identity values.
    IdentityCollision => "identity-collision",
    /// Both sides gave out the same row ids, and they are materialised.
    RowTrackingCollision => "row-tracking-collision",
    /// Both sides advanced the same streaming transaction.
    TxnConflict => "txn-conflict",
    /// Both sides changed the same metadata domain.
    DomainConflict => "domain-conflict",
    /// The protocol versions cannot be joined.
    ProtocolConflict => "protocol-conflict",
    /// One side dropped a table feature.
    FeatureDropped => "feature-dropped",
    /// The table uses a feature that this server cannot merge.
    UnsupportedFeature => "unsupported-feature",
    /// New files break the table's Iceberg compatibility.
    IcebergCompatViolation => "iceberg-compat-violation",
    /// The sides hold tables with different ids.
    TableIdMismatch => "table-id-mismatch",
    /// Both sides created the table.
    TableCreatedBoth => "table-created-both",
    /// One side dropped the table, the other changed it.
    TableDeletedModified => "table-deleted-modified",
    /// The table's log cannot be read, or does not follow its own format.
    TableDamaged => "table-damaged",
    /// Both sides wrote different bytes under one data file name.
    DataFilePathCollision => "data-file-path-collision",
    /// A file is named by an absolute path into another branch.
    AbsolutePathIntoBranch => "absolute-path-into-branch",
    /// The log lists an object that the branch does not hold.
    MissingDataFile => "missing-data-file",
    /// The table is managed by a catalog.
    CatalogManaged => "catalog-managed",
    /// One side read what the other appended (stricter isolation levels).
    ReadAppend => "read-append",
    /// The commits since the base are gone from the log.
    LogCleaned => "log-cleaned",
    /// The schemas cannot be joined.
    SchemaConflict => "schema-conflict",
}

impl ConflictKind {
    /// Whether it is a violation: the sides go together, and the result breaks a rule about rows. Listed with the conflicts,
    /// and shown apart from them.
    pub fn is_violation(&self) -> bool {
        use ConflictKind::*;
        matches!(self, DuplicateKey | ConstraintViolation | ConstraintUnverifiable | ReferenceViolation)
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ConflictKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ConflictKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if let Some(known) = ConflictKind::ALL.iter().find(|kind| kind.as_str() == name) {
            return Ok(known.clone());
        }
        if name.starts_with("x-") {
            return Ok(ConflictKind::Plugin(name));
        }
        Err(serde::de::Error::custom(format!("{name:?} is no kind of conflict that this server knows")))
    }
}

/// Names a conflict: the hash of its kind, place and three values. The same conflict has the same id in every
/// run; never an ordinal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConflictId(pub String);

/// A value to show: JSON, because conflicts are read by people and programs alike.
pub type ConflictValue = serde_json::Value;

/// One way out of a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// `ours`, `theirs`, `base`, `both`, or a merger's own word.
    pub id: String,
    /// What a person reads.
    pub label: String,
}

/// The choice that puts an uploaded object in the place of one that both sides changed.
pub const OBJECT_CHOICE: &str = "object";

/// The choice that lets a violation stand: the rows are merged as they are.
pub const ACCEPT_CHOICE: &str = "accept";

/// One thing that could not be decided.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Conflict {
    /// The root of the table or unit, without a `/` at the end; none for a conflict of a single object.
    pub table: Option<String>,
    /// The object, as a full path of the repository; the root itself when the whole table is meant.
    pub path: String,
    /// The kind.
    pub kind: ConflictKind,
    /// Which row or place within the object, as JSON; none when all of it is meant.
    pub key: Option<ConflictValue>,
    /// Which column clashes, where there is one.
    pub column: Option<String>,
    /// What happened, for a person: one sentence.
    pub message: String,
    /// Which rule says so, as the documentation names it.
    pub rule: String,
    /// The value in the base.
    pub base: Option<ConflictValue>,
    /// The value on ours.
    pub ours: Option<ConflictValue>,
    /// The value on theirs.
    pub theirs: Option<ConflictValue>,
    /// The ways out, at least `ours` and `theirs` where they exist.
    pub choices: Vec<Choice>,
}

impl Conflict {
    /// The id: the hash of kind, place (table, path, key, column) and the three values.
    pub fn id(&self) -> ConflictId {
        let place = serde_json::json!([
            self.kind.as_str(),
            self.table,
            self.path,
            self.key,
            self.column,
            self.base,
            self.ours,
            self.theirs
        ]);
        let hash = blake3::hash(place.to_string().as_bytes());
        ConflictId(hex::encode(hash.as_bytes().get(..16).unwrap_or_default()))
    }

    /// The usual choices: take ours, take theirs.
    pub fn sides() -> Vec<Choice> {
        vec![
            Choice { id: "ours".into(), label: "keep the destination's".into() },
            Choice { id: "theirs".into(), label: "take the source's".into() },
        ]
    }

    /// The order in which conflicts are listed: by path, then kind, then id.
    pub fn sort(conflicts: &mut [Conflict]) {
        conflicts.sort_by_cached_key(|conflict| {
            (conflict.path.clone(), conflict.kind.as_str().to_owned(), conflict.id())
        });
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.path)?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ".{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What somebody decided about a conflict.
#[derive(Clone, PartialEq, Debug)]
pub struct Resolution {
    /// Which conflict.
    pub conflict: ConflictId,
    /// The id of a choice.
    pub choice: String,
    /// The value that the choice takes, where it takes one.
    pub value: Option<ConflictValue>,
    /// The object that [`OBJECT_CHOICE`] puts in place.
    pub object: Option<Entry>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_survive_json_and_unknown_ones_are_refused() {
        for kind in ConflictKind::ALL.iter().cloned().chain([ConflictKind::Plugin("x-mine".into())]) {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<ConflictKind>(&text).unwrap(), kind, "{text}");
        }
        assert!(serde_json::from_str::<ConflictKind>("\"of-tomorrow\"").is_err());
    }

    #[test]
    fn the_documentation_explains_exactly_these_kinds() {
        let text = include_str!("../../../docs/conflicts.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: Vec<&str> = rows.map(|(kind, _)| kind).collect();
        let mut expected: Vec<&str> = ConflictKind::ALL.iter().map(ConflictKind::as_str).collect();
        expected.push("x-…");
        let (left, right): (BTreeSet<_>, BTreeSet<_>) =
            (documented.iter().collect(), expected.iter().collect());
        assert_eq!(left, right, "docs/conflicts.md and ConflictKind differ");
        assert_eq!(documented.len(), expected.len(), "a kind is explained twice");
    }
}
