//! Conflicts: values that say exactly what could not be decided, and how it can be.

use std::fmt;

/// The kind of a conflict, in one list for all mergers. Shown in kebab-case; `docs/conflicts.md` explains each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum ConflictKind {
    /// One object was changed differently on both sides.
    ObjectConflict,
    /// A table was changed on both sides and no merger took it, or the result would mix two logs.
    StructureConflict,
    /// Several merge bases give different answers.
    AmbiguousBase,
    /// A merger failed; its message says at which limit or why.
    MergerFailed,
    /// Lines of a text changed differently on both sides.
    TextConflict,
    /// A row was changed differently on both sides.
    RowConflict,
    /// Both sides inserted the same key.
    DuplicateKey,
    /// One side replaced the table's rows, the other changed some.
    OverwriteVsChange,
    /// A table property was set differently.
    PropertyConflict,
    /// A column was added or altered differently.
    ColumnConflict,
    /// Column names differ only by case.
    ColumnCaseCollision,
    /// Two columns took one field id.
    FieldIdCollision,
    /// One side dropped a column into which the other wrote.
    DropVsWrite,
    /// A column's type was changed incompatibly.
    TypeConflict,
    /// The partition columns differ.
    PartitioningChanged,
    /// A row breaks a constraint of the other side.
    ConstraintViolation,
    /// A constraint cannot be evaluated here.
    ConstraintUnverifiable,
    /// Rows were removed from a table that became append-only.
    AppendOnlyViolation,
    /// A commit lacks the change data that the table now demands.
    CdfMissing,
    /// Both sides generated identity values.
    IdentityCollision,
    /// Both sides gave out the same row ids, and they are materialised.
    RowTrackingCollision,
    /// Both sides advanced the same streaming transaction.
    TxnConflict,
    /// Both sides changed the same metadata domain.
    DomainConflict,
    /// The protocol versions cannot be joined.
    ProtocolConflict,
    /// One side dropped a table feature.
    FeatureDropped,
    /// The table uses a feature that this server cannot merge.
    UnsupportedFeature,
    /// New files break the table's Iceberg compatibility.
    IcebergCompatViolation,
    /// The sides hold tables with different ids.
    TableIdMismatch,
    /// Both sides created the table.
    TableCreatedBoth,
    /// One side dropped the table, the other changed it.
    TableDeletedModified,
    /// The table's log cannot be read, or does not follow its own format.
    TableDamaged,
    /// Both sides wrote different bytes under one data file name.
    DataFilePathCollision,
    /// A file is named by an absolute path into another branch.
    AbsolutePathIntoBranch,
    /// The log lists an object that the branch does not hold.
    MissingDataFile,
    /// The table is managed by a catalog.
    CatalogManaged,
    /// One side read what the other appended (stricter isolation levels).
    ReadAppend,
    /// The commits since the base are gone from the log.
    LogCleaned,
    /// The schemas cannot be joined.
    SchemaConflict,
    /// A kind of a plugin's own. Begins with `x-`.
    Plugin(String),
}

impl ConflictKind {
    /// The kind in kebab-case, as it goes over the wire.
    pub fn as_str(&self) -> &str {
        use ConflictKind::*;
        match self {
            ObjectConflict => "object-conflict",
            StructureConflict => "structure-conflict",
            AmbiguousBase => "ambiguous-base",
            MergerFailed => "merger-failed",
            TextConflict => "text-conflict",
            RowConflict => "row-conflict",
            DuplicateKey => "duplicate-key",
            OverwriteVsChange => "overwrite-vs-change",
            PropertyConflict => "property-conflict",
            ColumnConflict => "column-conflict",
            ColumnCaseCollision => "column-case-collision",
            FieldIdCollision => "field-id-collision",
            DropVsWrite => "drop-vs-write",
            TypeConflict => "type-conflict",
            PartitioningChanged => "partitioning-changed",
            ConstraintViolation => "constraint-violation",
            ConstraintUnverifiable => "constraint-unverifiable",
            AppendOnlyViolation => "append-only-violation",
            CdfMissing => "cdf-missing",
            IdentityCollision => "identity-collision",
            RowTrackingCollision => "row-tracking-collision",
            TxnConflict => "txn-conflict",
            DomainConflict => "domain-conflict",
            ProtocolConflict => "protocol-conflict",
            FeatureDropped => "feature-dropped",
            UnsupportedFeature => "unsupported-feature",
            IcebergCompatViolation => "iceberg-compat-violation",
            TableIdMismatch => "table-id-mismatch",
            TableCreatedBoth => "table-created-both",
            TableDeletedModified => "table-deleted-modified",
            TableDamaged => "table-damaged",
            DataFilePathCollision => "data-file-path-collision",
            AbsolutePathIntoBranch => "absolute-path-into-branch",
            MissingDataFile => "missing-data-file",
            CatalogManaged => "catalog-managed",
            ReadAppend => "read-append",
            LogCleaned => "log-cleaned",
            SchemaConflict => "schema-conflict",
            Plugin(kind) => kind,
        }
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names a conflict: the hash of its kind, place and three values. The same conflict has the same id in every
/// run; never an ordinal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConflictId(pub String);

/// A value to show: JSON, because conflicts are read by people and programs alike.
pub type ConflictValue = serde_json::Value;

/// One way out of a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// `ours`, `theirs`, `base`, `both`, or a merger's own word.
    pub id: String,
    /// What a person reads.
    pub label: String,
}

/// One thing that could not be decided.
#[derive(Clone, PartialEq, Debug)]
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
}
