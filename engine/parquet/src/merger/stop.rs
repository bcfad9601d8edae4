//! Why a merge of a file ends before it is merged, and the conflicts that it ends in.

use anabranch_merge::{
    Choice, Conflict, ConflictKind, ConflictValue, Failure, FailureReason, MergeInput, ViewError,
    full_message,
};
use anabranch_rows::schema::SchemaFinding;
use anabranch_rows::{PerSide, RowConflict};

use super::metadata::Clash;
use crate::conflicts;

/// Why there is no merged file.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something in it is to be decided.
    Conflicts(Vec<Conflict>),
    /// It is not merged by rows, and is one object that both sides changed: why.
    Whole(String),
    /// The storage failed.
    Storage(ViewError),
    Failed(Failure),
}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Stop::Storage(error)
    }
}

impl From<anabranch_rows::Error> for Stop {
    fn from(error: anabranch_rows::Error) -> Self {
        use anabranch_rows::Error::{
            Arrow, Incomparable, KeyTooCommon, NoFieldIds, Policy, Read, Sort, UnknownColumn,
        };
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = source {
            // What a file's reader could not get from the storage comes back as it was.
            if let Some(view) = inner.downcast_ref::<ViewError>() {
                return Stop::from(view.clone());
            }
            source = inner.source();
        }
        let message = full_message(&error);
        match error {
            Incomparable { .. } | NoFieldIds { .. } | Read { .. } | Arrow { .. } => Stop::Whole(message),
            UnknownColumn { .. } | Policy { .. } => Stop::Whole(format!("its rule in merge.toml: {message}")),
            Sort(_) | KeyTooCommon { .. } => Stop::limit(message),
            _ => Stop::broken(message),
        }
    }
}

impl Stop {
    /// More than a merge may use.
    pub(super) fn limit(message: String) -> Stop {
        Stop::Failed(Failure { reason: FailureReason::Limit, message })
    }

    /// The merger, or what it was given, is not as it should be.
    pub(super) fn broken(message: String) -> Stop {
        Stop::Failed(Failure { reason: FailureReason::Broken, message })
    }
}

/// A conflict of a row or cell.
pub(super) fn of_row(root: &str, conflict: RowConflict) -> Conflict {
    let (kind, choices) = (conflicts::kind(&conflict), conflicts::choices(&conflict));
    let RowConflict { key, column, base, ours, theirs, message, .. } = conflict;
    Conflict { key: Some(key), column, base, ours, theirs, choices, ..blank(root, kind, "rows", message) }
}

/// The conflicts of rows that are too many to be listed.
pub(super) fn of_further_rows(root: &str, count: u64) -> Conflict {
    let message = conflicts::further(count, "file");
    let (ours, theirs) = (Some(count.into()), Some(count.into()));
    Conflict { ours, theirs, ..blank(root, ConflictKind::RowConflict, "rows-further", message) }
}

/// Columns that cannot be joined.
pub(super) fn of_schema(root: &str, finding: &SchemaFinding) -> Conflict {
    let kind = match finding {
        SchemaFinding::AddedDifferently { .. }
        | SchemaFinding::DroppedAndChanged { .. }
        | SchemaFinding::RenamedDifferently { .. } => ConflictKind::ColumnConflict,
        SchemaFinding::CaseCollision { .. } => ConflictKind::ColumnCaseCollision,
        SchemaFinding::TypeConflict { .. } => ConflictKind::TypeConflict,
        SchemaFinding::FieldIdCollision { .. } => ConflictKind::FieldIdCollision,
    };
    let (base, ours, theirs) = match finding {
        SchemaFinding::TypeConflict { base, ours, theirs, .. } => (Some(base), Some(ours), Some(theirs)),
        SchemaFinding::AddedDifferently { ours, theirs, .. }
        | SchemaFinding::CaseCollision { ours, theirs }
        | SchemaFinding::RenamedDifferently { ours, theirs, .. }
        | SchemaFinding::FieldIdCollision { ours, theirs, .. } => (None, Some(ours), Some(theirs)),
        SchemaFinding::DroppedAndChanged { dropped_on, changed, .. } => match dropped_on {
            anabranch_rows::Side::Ours => (None, None, Some(changed)),
            _ => (None, Some(changed), None),
        },
    };
    let value = |text: Option<&String>| text.map(|text| ConflictValue::from(text.as_str()));
    Conflict {
        column: Some(finding.column().to_owned()),
        base: value(base),
        ours: value(ours),
        theirs: value(theirs),
        ..blank(root, kind, "schema", finding.to_string())
    }
}

/// A column that one side dropped and into which the other wrote, for instance in the row of this key.
pub(super) fn of_dropped(root: &str, column: &str, dropped_on_ours: bool, key: &ConflictValue) -> Conflict {
    let [dropped, wrote] = if dropped_on_ours { ["ours", "theirs"] } else { ["theirs", "ours"] };
    let message =
        format!("{dropped} dropped {column}, and {wrote} wrote into it, for instance in the row {key}");
    let value = Some(key.clone());
    let (ours, theirs) = if dropped_on_ours { (None, value) } else { (value, None) };
    let column = Some(column.to_owned());
    Conflict { column, ours, theirs, ..blank(root, ConflictKind::DropVsWrite, "schema", message) }
}

/// A column whose metadata both sides changed differently.
pub(super) fn of_column_metadata(root: &str, column: &str) -> Conflict {
    let message = format!("both sides changed the metadata of column {column}, differently");
    let column = Some(column.to_owned());
    Conflict { column, ..blank(root, ConflictKind::ColumnConflict, "schema", message) }
}

/// A key of the file's metadata that both sides set differently.
pub(super) fn of_metadata(root: &str, clash: &Clash) -> Conflict {
    let PerSide { base, ours, theirs } = &clash.values;
    let value = |text: &Option<String>| text.as_ref().map(|text| ConflictValue::from(text.as_str()));
    let message = format!("both sides set {} in the file's metadata, differently", clash.key);
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    Conflict {
        key: Some(serde_json::json!({ "metadata": clash.key })),
        base: value(base),
        ours: value(ours),
        theirs: value(theirs),
        choices: vec![
            choice("ours", "keep the destination's value"),
            choice("theirs", "take the source's value"),
            choice("base", "go back to the value of the merge base"),
        ],
        ..blank(root, ConflictKind::PropertyConflict, "metadata", message)
    }
}

/// The conflict of a file that is not merged by rows.
pub(super) fn of_whole(input: &MergeInput<'_>, message: String) -> Conflict {
    let change = input.changes.first();
    let value = |entry: Option<&anabranch_types::Entry>| {
        entry.map(|entry| serde_json::json!({ "size": entry.size, "etag": entry.etag() }))
    };
    let base = value(change.and_then(|change| change.base.as_ref()));
    let mut choices = Conflict::sides();
    if base.is_some() {
        choices.push(Choice { id: "base".into(), label: "go back to the merge base".into() });
    }
    Conflict {
        rule: "parquet".into(),
        base,
        ours: value(change.and_then(|change| change.ours.as_ref())),
        theirs: value(change.and_then(|change| change.theirs.as_ref())),
        choices,
        ..blank(input.root, ConflictKind::ObjectConflict, "", message)
    }
}

/// A conflict in a file that is decided by taking one side's whole.
fn blank(root: &str, kind: ConflictKind, rule: &str, message: String) -> Conflict {
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    Conflict {
        table: None,
        path: root.to_owned(),
        kind,
        key: None,
        column: None,
        message,
        rule: format!("parquet/{rule}"),
        base: None,
        ours: None,
        theirs: None,
        choices: vec![
            choice("ours", "keep the destination's file whole"),
            choice("theirs", "take the source's file whole"),
        ],
    }
}
