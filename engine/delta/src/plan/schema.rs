//! Schemas: what a side changed, and the join of two sides that only added columns.

use anabranch_merge::ConflictKind;
use serde_json::Value;

use super::finding::Finding;

/// One difference between two schemas, at the top level.
#[derive(Clone, PartialEq, Debug)]
pub enum ColumnChange {
    /// A column that may be absent from files: nullable, without default, generation or mapping of its own.
    AddedPlain(String),
    /// A column whose values files cannot simply lack.
    AddedSpecial(String),
    /// A column that is gone.
    Dropped(String),
    /// A column of another type.
    Retyped(String),
    /// A column that became required.
    Required(String),
    /// A column that got another invariant.
    Guarded(String),
    /// A column that became nullable, lost its invariant, or whose comment changed.
    Relaxed(String),
    /// Another change of the column's metadata.
    Altered(String),
}

fn fields(schema: &Value) -> Vec<&Value> {
    schema.get("fields").and_then(Value::as_array).map(|fields| fields.iter().collect()).unwrap_or_default()
}

fn name(field: &Value) -> &str {
    field.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The column of a name, as it is spelled.
pub(crate) fn column<'a>(schema: &'a Value, wanted: &str) -> Option<&'a Value> {
    fields(schema).into_iter().find(|field| name(field) == wanted)
}

fn is_nullable(field: &Value) -> bool {
    field.get("nullable").and_then(Value::as_bool).unwrap_or(true)
}

/// Where a column keeps a condition on its values.
pub(crate) const INVARIANTS: &str = "delta.invariants";

/// The metadata of a column without its comment.
fn essence(field: &Value) -> Value {
    let mut metadata = field.get("metadata").cloned().unwrap_or_default();
    if let Some(fields) = metadata.as_object_mut() {
        fields.shift_remove("comment");
    }
    metadata
}

/// The same without the condition on its values.
fn unguarded(field: &Value) -> Value {
    let mut metadata = essence(field);
    if let Some(fields) = metadata.as_object_mut() {
        fields.shift_remove(INVARIANTS);
    }
    metadata
}

fn invariant(field: &Value) -> Option<&Value> {
    field.get("metadata")?.get(INVARIANTS)
}

/// What each column demands of its values: whether it is required, and its condition as it is written.
pub(crate) fn demands(schema: &Value) -> impl Iterator<Item = (&str, bool, Option<&str>)> {
    let of = |field: &'_ Value| !is_nullable(field);
    fields(schema)
        .into_iter()
        .map(move |field| (name(field), of(field), invariant(field).and_then(Value::as_str)))
}

fn is_plain(field: &Value) -> bool {
    let plain_metadata = match essence(field) {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    is_nullable(field) && plain_metadata
}

/// What changed from one schema to another. The order of columns does not count.
pub fn changes(before: &Value, after: &Value) -> Vec<ColumnChange> {
    let mut changes = Vec::new();
    for old in fields(before) {
        let column_name = name(old).to_owned();
        let Some(new) = column(after, &column_name) else {
            changes.push(ColumnChange::Dropped(column_name));
            continue;
        };
        if old == new {
            continue;
        }
        if old.get("type") != new.get("type") {
            changes.push(ColumnChange::Retyped(column_name));
        } else if unguarded(old) != unguarded(new) {
            changes.push(ColumnChange::Altered(column_name));
        } else if is_nullable(old) && !is_nullable(new) {
            changes.push(ColumnChange::Required(column_name));
        } else if invariant(new).is_some() && invariant(old) != invariant(new) {
            changes.push(ColumnChange::Guarded(column_name));
        } else {
            changes.push(ColumnChange::Relaxed(column_name));
        }
    }
    for new in fields(after) {
        let column_name = name(new).to_owned();
        if column(before, &column_name).is_none() {
            let plain = is_plain(new);
            changes.push(if plain {
                ColumnChange::AddedPlain(column_name)
            } else {
                ColumnChange::AddedSpecial(column_name)
            });
        }
    }
    changes
}

/// Joins two schemas that both differ from the base: ours' columns, then theirs' new ones.
pub(crate) fn merge(base: &Value, ours: &Value, theirs: &Value, findings: &mut Vec<Finding>) -> Value {
    let found = findings.len();
    let (our_changes, their_changes) = (changes(base, ours), changes(base, theirs));
    let mut added: Vec<Value> = Vec::new();
    for change in &their_changes {
        let ColumnChange::AddedPlain(column_name) = change else {
            if !our_changes.contains(change) || !same_column(ours, theirs, change) {
                findings.push(clash(
                    base,
                    ours,
                    theirs,
                    change,
                    ConflictKind::SchemaConflict,
                    "altered by theirs",
                ));
            }
            continue;
        };
        let Some(their_field) = column(theirs, column_name) else { continue };
        let twin =
            fields(ours).into_iter().find(|field| name(field).to_lowercase() == column_name.to_lowercase());
        match twin {
            None => added.push(their_field.clone()),
            Some(twin) if twin == their_field => {}
            Some(twin) if name(twin) != column_name => {
                let what = "spelled differently on both sides";
                findings.push(clash(base, ours, theirs, change, ConflictKind::ColumnCaseCollision, what));
            }
            Some(_) => {
                let what = "added differently on both sides";
                findings.push(clash(base, ours, theirs, change, ConflictKind::ColumnConflict, what));
            }
        }
    }
    for change in &our_changes {
        let plain = matches!(change, ColumnChange::AddedPlain(_));
        if !plain && !their_changes.contains(change) {
            findings.push(clash(base, ours, theirs, change, ConflictKind::SchemaConflict, "altered by ours"));
        }
    }
    let mut merged = ours.clone();
    if findings.len() == found
        && let Some(fields) = merged.get_mut("fields").and_then(Value::as_array_mut)
    {
        fields.extend(added);
    }
    merged
}

fn same_column(ours: &Value, theirs: &Value, change: &ColumnChange) -> bool {
    column(ours, change.column()) == column(theirs, change.column())
}

impl ColumnChange {
    /// The column.
    pub fn column(&self) -> &str {
        use ColumnChange::*;
        match self {
            AddedPlain(name) | AddedSpecial(name) | Dropped(name) | Retyped(name) => name,
            Required(name) | Guarded(name) | Relaxed(name) | Altered(name) => name,
        }
    }
}

fn clash(
    base: &Value,
    ours: &Value,
    theirs: &Value,
    change: &ColumnChange,
    kind: ConflictKind,
    what: &str,
) -> Finding {
    let column_name = change.column();
    let value = |schema: &Value| {
        let exact = column(schema, column_name);
        let folded =
            || fields(schema).into_iter().find(|f| name(f).to_lowercase() == column_name.to_lowercase());
        exact.or_else(folded).cloned()
    };
    let message = format!("column {column_name} is {what}, and the other side changed the schema as well");
    Finding::table(kind, "schema", message).column(column_name).values(
        value(base),
        value(ours),
        value(theirs),
    )
}
