//! The table's description: schema, partitioning, properties. Joined where both sides allow it, and checked against
//! the rows that the other side wrote without knowing of the change.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::ConflictKind;
use serde_json::{Value, json};

use super::demands::{CONSTRAINTS, is_evaluated};
use super::features::property_value;
use super::finding::Finding;
use super::schema::{self, ColumnChange};
use crate::action::{Commit, Metadata, RawObject};
use crate::snapshot::Snapshot;

/// Where a part of the merged table's description comes from.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Take<T> {
    /// Ours stands; theirs' actions are left out.
    Keep,
    /// Theirs' actions are replayed as they are.
    Verbatim,
    /// A joined one is written once, where theirs first changed it.
    Merged(Arc<T>),
}

/// What one side did to rows since the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Touch {
    /// It added files with new rows.
    pub adds_rows: bool,
    /// It removed rows.
    pub removes_rows: bool,
    /// It removed rows in a commit without change data.
    pub removes_without_cdc: bool,
    /// It added files, be it only to arrange rows anew.
    pub adds_files: bool,
    /// It wrote deletion vectors.
    pub writes_vectors: bool,
}

impl Touch {
    /// What these commits did.
    pub(crate) fn of(commits: &[Arc<Commit>]) -> Touch {
        let mut touch = Touch::default();
        for commit in commits {
            let removes_rows = commit.removes().any(|remove| remove.data_change);
            touch.adds_files |= commit.adds().next().is_some();
            touch.adds_rows |= commit.adds().any(|add| add.data_change);
            touch.removes_rows |= removes_rows;
            touch.removes_without_cdc |= removes_rows && commit.cdcs().next().is_none();
            touch.writes_vectors |= commit.adds().any(|add| add.vector.is_some());
        }
        touch
    }
}

/// Joins the descriptions.
pub(crate) fn merge_metadata(
    base: &Snapshot,
    ours: &Snapshot,
    theirs: &Snapshot,
    findings: &mut Vec<Finding>,
) -> Take<Metadata> {
    let (base, ours, theirs) = (&base.metadata, &ours.metadata, &theirs.metadata);
    if base.id != ours.id || base.id != theirs.id {
        let message = "the sides hold tables with different ids: one was dropped and created anew";
        let id = |metadata: &Metadata| Some(json!(metadata.id));
        findings.push(Finding::table(ConflictKind::TableIdMismatch, "table-id", message).values(
            id(base),
            id(ours),
            id(theirs),
        ));
        return Take::Keep;
    }
    if base.partition_columns != ours.partition_columns || base.partition_columns != theirs.partition_columns
    {
        let message = "the table's partition columns were changed";
        let columns = |metadata: &Metadata| Some(json!(metadata.partition_columns));
        findings.push(Finding::table(ConflictKind::PartitioningChanged, "partitioning", message).values(
            columns(base),
            columns(ours),
            columns(theirs),
        ));
    }
    if theirs.same(base) || theirs.same(ours) {
        return Take::Keep;
    }
    if ours.same(base) {
        return Take::Verbatim;
    }
    let found = findings.len();
    match join(base, ours, theirs, findings) {
        Ok(joined) if findings.len() == found && !joined.same(ours) => Take::Merged(Arc::new(joined)),
        Ok(_) => Take::Keep,
        Err(message) => {
            findings.push(Finding::table(ConflictKind::SchemaConflict, "metadata", message));
            Take::Keep
        }
    }
}

fn join(
    base: &Metadata,
    ours: &Metadata,
    theirs: &Metadata,
    findings: &mut Vec<Finding>,
) -> Result<Metadata, String> {
    let mut body = RawObject::parse(&ours.body)?;
    type Scalar = fn(&Metadata) -> Option<&String>;
    let scalars: [(&str, Scalar); 2] =
        [("name", |m| m.name.as_ref()), ("description", |m| m.description.as_ref())];
    for (field, get) in scalars {
        if let Some(value) = three_way(field, get(base), get(ours), get(theirs), findings) {
            body.set(field, &value)?;
        }
    }
    if base.provider != ours.provider || base.provider != theirs.provider {
        three_way("format", Some(&base.provider), Some(&ours.provider), Some(&theirs.provider), findings);
    }
    let mut configuration = ours.configuration.clone();
    let keys: BTreeSet<&String> = base.configuration.keys().chain(theirs.configuration.keys()).collect();
    for key in keys {
        let get = |metadata: &'_ Metadata| metadata.configuration.get(key).cloned();
        let (old, our, their) = (get(base), get(ours), get(theirs));
        match three_way(key, old.as_ref(), our.as_ref(), their.as_ref(), findings) {
            Some(Some(value)) => configuration.insert(key.clone(), value),
            Some(None) => configuration.remove(key),
            None => None,
        };
    }
    body.set("configuration", &configuration)?;
    if theirs.schema != base.schema && theirs.schema != ours.schema {
        let joined = if ours.schema == base.schema {
            theirs.schema.clone()
        } else {
            schema::merge(&base.schema, &ours.schema, &theirs.schema, findings)
        };
        body.set("schemaString", &joined.to_string())?;
    }
    Metadata::parse(&body.to_text())
}

/// Decides one scalar: `Some` with theirs' value when theirs is taken, `None` when ours stands.
fn three_way(
    name: &str,
    base: Option<&String>,
    ours: Option<&String>,
    theirs: Option<&String>,
    findings: &mut Vec<Finding>,
) -> Option<Option<String>> {
    if theirs == base || theirs == ours {
        return None;
    }
    if ours != base {
        let message = format!("property {name} was set differently on both sides");
        let value = |value: Option<&String>| value.map(|value| json!(value));
        findings.push(
            Finding::table(ConflictKind::PropertyConflict, "property", message).column(name).values(
                value(base),
                value(ours),
                value(theirs),
            ),
        );
        return None;
    }
    Some(theirs.cloned())
}

/// Properties that say how to write or to clean up, and nothing about what rows mean.
const FREE_PROPERTIES: [&str; 14] = [
    "delta.autoOptimize",
    "delta.checkpoint.",
    "delta.checkpointInterval",
    "delta.checkpointPolicy",
    "delta.compatibility.",
    "delta.dataSkipping",
    "delta.deletedFileRetentionDuration",
    "delta.enableExpiredLogCleanup",
    "delta.feature.",
    "delta.isolationLevel",
    "delta.logRetentionDuration",
    "delta.random",
    "delta.setTransactionRetentionDuration",
    "delta.targetFileSize",
];

/// What ours may switch on alone: replayed commits are stamped and numbered by ours' rules.
const OURS_MAY_SWITCH: [&str; 4] = [
    "delta.enableInCommitTimestamps",
    "delta.inCommitTimestampEnablement",
    "delta.enableRowTracking",
    "delta.rowTracking.",
];

/// What one side's new description demands of the other side's work.
pub(crate) fn check_demands(side: &str, base: &Metadata, after: &Metadata, other: Touch) -> Vec<Finding> {
    let mut findings = Vec::new();
    let keys: BTreeSet<&String> = base.configuration.keys().chain(after.configuration.keys()).collect();
    for key in keys {
        let (old, new) = (property_value(base, key), property_value(after, key));
        if old == new {
            continue;
        }
        if side == "ours" && OURS_MAY_SWITCH.iter().any(|switch| key.starts_with(switch)) {
            continue;
        }
        if let Some((kind, why)) = demand_of_property(key, new.as_ref(), other) {
            let message = format!("{side} set {key}: {why}");
            findings.push(Finding::table(kind, "property-demand", message).column(key).on(side, old, new));
        }
    }
    for change in schema::changes(&base.schema, &after.schema) {
        if let Some((kind, why)) = demand_of_column(&change, other) {
            let message = format!("{side} {why}");
            let value = |schema: &Value| schema::column(schema, change.column()).cloned();
            let (old, new) = (value(&base.schema), value(&after.schema));
            let finding = Finding::table(kind, "schema-demand", message).column(change.column());
            findings.push(finding.on(side, old, new));
        }
    }
    findings
}

fn demand_of_property(key: &str, new: Option<&Value>, other: Touch) -> Option<(ConflictKind, &'static str)> {
    use ConflictKind::*;
    let is_true = new.and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let clash = |applies: bool, kind, why| applies.then_some((kind, why));
    if !key.starts_with("delta.") || FREE_PROPERTIES.iter().any(|free| key.starts_with(free)) {
        return None;
    }
    if key.starts_with(CONSTRAINTS) {
        // What it demands of rows, these are checked for.
        return None;
    }
    match key {
        "delta.appendOnly" => {
            clash(is_true && other.removes_rows, AppendOnlyViolation, "the other side removed rows")
        }
        "delta.enableChangeDataFeed" => clash(
            is_true && other.removes_without_cdc,
            CdfMissing,
            "the other side changed rows without writing change data",
        ),
        "delta.enableDeletionVectors" => {
            clash(!is_true && other.writes_vectors, FeatureDropped, "the other side wrote deletion vectors")
        }
        "delta.enableTypeWidening" | "delta.minReaderVersion" | "delta.minWriterVersion" => None,
        key if key.starts_with("delta.enableIcebergCompat") => clash(
            other.adds_files,
            IcebergCompatViolation,
            "the other side's new files were written without it",
        ),
        key if key.starts_with("delta.enableRowTracking") || key.starts_with("delta.rowTracking") => Some((
            RowTrackingCollision,
            "row tracking was switched on one side; its row ids cannot be joined yet",
        )),
        key if key.starts_with("delta.columnMapping") => clash(
            other.adds_files,
            SchemaConflict,
            "the other side's new files were written under another mapping of columns",
        ),
        _ => Some((UnsupportedFeature, "what this property demands of the other side is not known")),
    }
}

fn demand_of_column(change: &ColumnChange, other: Touch) -> Option<(ConflictKind, String)> {
    let column = change.column();
    match change {
        ColumnChange::AddedPlain(_) | ColumnChange::Relaxed(_) => None,
        // Rows are checked for these.
        ColumnChange::Required(_) | ColumnChange::Guarded(_) => None,
        ColumnChange::Generated(_, expression) if is_evaluated(column, expression) => None,
        _ if !other.adds_files => None,
        ColumnChange::AddedSpecial(_) => Some((
            ConflictKind::ColumnConflict,
            format!("added column {column}, which the other side's new rows lack and may not lack"),
        )),
        ColumnChange::Dropped(_) => Some((
            ConflictKind::DropVsWrite,
            format!("dropped or renamed column {column}, and the other side wrote rows with it"),
        )),
        ColumnChange::Retyped(_) => Some((
            ConflictKind::TypeConflict,
            format!("changed the type of column {column}, and the other side wrote rows of the old type"),
        )),
        ColumnChange::Generated(_, expression) => Some((
            ConflictKind::ColumnConflict,
            format!(
                "made {column} a generated column by {expression}, which cannot be evaluated here, and the other side wrote \
                 rows without it"
            ),
        )),
        ColumnChange::Altered(_) => Some((
            ConflictKind::ColumnConflict,
            format!("altered the metadata of column {column}, and the other side wrote rows without it"),
        )),
    }
}

/// Both sides generated identity values: they may be the same.
pub(crate) fn check_identity(base: &Snapshot, ours: Touch, theirs: Touch) -> Option<Finding> {
    let has_identity = base.metadata.schema.to_string().contains("delta.identity.");
    (has_identity && ours.adds_rows && theirs.adds_rows).then(|| {
        let message =
            "both sides added rows to a table with an identity column; their generated values may be equal";
        Finding::table(ConflictKind::IdentityCollision, "identity", message)
    })
}
