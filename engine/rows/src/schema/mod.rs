//! The three-way merge of schemas: pure. Columns are the same column by field id where all columns of a level carry
//! one, else by name. What cannot be joined is a [`SchemaFinding`] that names the column; nothing is guessed.

mod finding;
mod projection;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

pub use finding::SchemaFinding;
pub use projection::Projection;
pub use types::widens;

use crate::side::{PerSide, Side};
use types::{item, parts, same_type, with_item, with_parts};

/// The metadata of a field that holds its id, as the Parquet reader leaves it. Give ids to columns by setting it.
pub const FIELD_ID: &str = "PARQUET:field_id";

/// The schemas joined.
#[derive(Clone, PartialEq, Debug)]
pub struct MergedSchema {
    /// The schema of the merged table: ours' order, then theirs' new columns; NOT NULL where it is declared.
    pub schema: SchemaRef,
    /// The same, all columns nullable: the schema of rows in work. A side's rows may lack a column or hold NULL where
    /// the merged table forbids it; that is for its caller to check.
    pub rows: SchemaRef,
    /// How a side's batches come into `rows`.
    pub projections: PerSide<Projection>,
    /// Columns that a side dropped, and which side. Their values on the other side are lost.
    pub dropped: Vec<(String, Side)>,
}

/// Joins three schemas.
///
/// # Errors
///
/// Everything that cannot be joined, in the order of the columns.
pub fn reconcile(sides: PerSide<&Schema>) -> Result<MergedSchema, Vec<SchemaFinding>> {
    let mut work = Work::default();
    let fields = PerSide { base: Some(sides.base), ours: Some(sides.ours), theirs: Some(sides.theirs) };
    let fields = work.fields("", PerSide::from_fn(|side| fields.get(side).map(Schema::fields)));
    if !work.findings.is_empty() {
        return Err(work.findings);
    }
    let schema = Schema::new_with_metadata(fields.clone(), sides.ours.metadata().clone());
    let rows = Arc::new(Schema::new(types::all_nullable(&fields)));
    let projections =
        PerSide::from_fn(|side| Projection::new(work.sources.get(side), sides.get(side), rows.clone()));
    Ok(MergedSchema { schema: Arc::new(schema), rows, projections, dropped: work.dropped })
}

#[derive(Default)]
struct Work {
    findings: Vec<SchemaFinding>,
    dropped: Vec<(String, Side)>,
    /// By side: from the path of a field in the result to its path on that side.
    sources: PerSide<BTreeMap<String, String>>,
}

impl Work {
    /// Joins the fields of one level.
    fn fields(&mut self, path: &str, sides: PerSide<Option<&Fields>>) -> Fields {
        let by_id = Side::ALL
            .iter()
            .all(|side| sides.get(*side).is_none_or(|f| f.iter().all(|f| id_of(f).is_some())));
        let key = |field: &FieldRef| match id_of(field) {
            Some(id) if by_id => (id.to_owned(), String::new()),
            _ => (String::new(), field.name().clone()),
        };
        let find = |side: Side, wanted: &FieldRef| {
            sides.get(side).and_then(|fields| fields.iter().find(|field| key(field) == key(wanted)))
        };
        // A column that ours lacks and theirs has is new, or was dropped by ours.
        let ours = sides.ours.into_iter().flatten();
        let theirs = sides.theirs.into_iter().flatten().filter(|field| find(Side::Ours, field).is_none());
        let mut joined: Vec<FieldRef> = Vec::new();
        for field in ours.chain(theirs) {
            let found = PerSide::from_fn(|side| find(side, field));
            joined.extend(self.field(path, found, by_id));
        }
        for field in sides.base.into_iter().flatten() {
            if find(Side::Ours, field).is_none() && find(Side::Theirs, field).is_none() {
                let name = join_path(path, field.name());
                self.dropped.push((name.clone(), Side::Ours));
                self.dropped.push((name, Side::Theirs));
            }
        }
        self.check_names(path, &joined);
        joined.into()
    }

    /// Joins one field; none if the result has not got it.
    fn field(&mut self, path: &str, found: PerSide<Option<&FieldRef>>, by_id: bool) -> Option<FieldRef> {
        let PerSide { base, ours, theirs } = found;
        let any = ours.or(theirs)?;
        let place = join_path(path, any.name());
        match (base, ours, theirs) {
            (Some(base), Some(kept), None) | (Some(base), None, Some(kept)) => {
                let dropped_on = if ours.is_none() { Side::Ours } else { Side::Theirs };
                if kept.name() != base.name() || !same_type(kept.data_type(), base.data_type()) {
                    let changed = format!("{} {}", kept.name(), kept.data_type());
                    let column = join_path(path, base.name());
                    self.findings.push(SchemaFinding::DroppedAndChanged { column, dropped_on, changed });
                } else {
                    self.dropped.push((place, dropped_on));
                }
                return None;
            }
            (None, Some(ours), Some(theirs)) if by_id && ours.name() != theirs.name() => {
                let id = id_of(ours).unwrap_or_default().to_owned();
                let (ours, theirs) = (join_path(path, ours.name()), join_path(path, theirs.name()));
                self.findings.push(SchemaFinding::FieldIdCollision { id, ours, theirs });
                return None;
            }
            (None, Some(ours), Some(theirs)) if !same_type(ours.data_type(), theirs.data_type()) => {
                let (ours, theirs) = (ours.data_type().to_string(), theirs.data_type().to_string());
                self.findings.push(SchemaFinding::AddedDifferently { column: place, ours, theirs });
                return None;
            }
            _ => {}
        }
        let name = self.name(path, found)?;
        let target = join_path(path, &name);
        for side in Side::ALL {
            if let Some(field) = found.get(side) {
                self.sources.get_mut(side).insert(target.clone(), field.name().clone());
            }
        }
        let types = PerSide::from_fn(|side| found.get(side).map(|field| field.data_type()));
        let data_type = self.data_type(&target, types)?;
        let nullable = match (base.map(|f| f.is_nullable()), ours, theirs) {
            (Some(base), Some(ours), Some(theirs)) if ours.is_nullable() == base => theirs.is_nullable(),
            (None, Some(ours), Some(theirs)) => ours.is_nullable() || theirs.is_nullable(),
            _ => any.is_nullable(),
        };
        Some(Arc::new(Field::new(name, data_type, nullable).with_metadata(any.metadata().clone())))
    }

    fn name(&mut self, path: &str, found: PerSide<Option<&FieldRef>>) -> Option<String> {
        let names = PerSide::from_fn(|side| found.get(side).map(|field| field.name()));
        match (names.base, names.ours, names.theirs) {
            (_, Some(ours), Some(theirs)) if ours == theirs => Some(ours.clone()),
            (Some(base), Some(ours), Some(theirs)) if base == ours => Some(theirs.clone()),
            (Some(base), Some(ours), Some(theirs)) if base == theirs => Some(ours.clone()),
            (base, Some(ours), Some(theirs)) => {
                let column = join_path(path, base.unwrap_or(ours));
                let (ours, theirs) = (ours.clone(), theirs.clone());
                self.findings.push(SchemaFinding::RenamedDifferently { column, ours, theirs });
                None
            }
            (_, one, other) => one.or(other).cloned(),
        }
    }

    fn data_type(&mut self, path: &str, types: PerSide<Option<&DataType>>) -> Option<DataType> {
        let any = types.ours.or(types.theirs)?;
        let present = || Side::ALL.into_iter().filter_map(|side| *types.get(side));
        // A struct is joined field by field, a list or a map by what it holds.
        if present().all(|t| matches!(t, DataType::Struct(_))) {
            let fields = PerSide::from_fn(|side| match types.get(side) {
                Some(DataType::Struct(fields)) => Some(fields),
                _ => None,
            });
            return Some(DataType::Struct(self.fields(path, fields)));
        }
        if present().all(|t| item(t).is_some()) {
            let inner =
                PerSide::from_fn(|side| types.get(side).and_then(item).map(|field| field.data_type()));
            let inner = self.data_type(&join_path(path, types::ITEM), inner)?;
            return with_item(any, inner);
        }
        if present().all(|t| parts(t).is_some()) {
            let inner = PerSide::from_fn(|side| types.get(side).and_then(parts));
            let keys = PerSide::from_fn(|side| inner.get(side).map(|(key, _)| key.data_type()));
            let values = PerSide::from_fn(|side| inner.get(side).map(|(_, value)| value.data_type()));
            let keys = self.data_type(&join_path(path, types::KEY), keys)?;
            let values = self.data_type(&join_path(path, types::VALUE), values)?;
            return with_parts(any, [keys, values]);
        }
        let decided = types::join_types(types);
        if decided.is_none() {
            let show = |side: Side| types.get(side).map(ToString::to_string).unwrap_or_default();
            self.findings.push(SchemaFinding::TypeConflict {
                column: path.to_owned(),
                base: show(Side::Base),
                ours: show(Side::Ours),
                theirs: show(Side::Theirs),
            });
        }
        decided
    }

    /// Names are unique whatever their case.
    fn check_names(&mut self, path: &str, fields: &[FieldRef]) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for field in fields {
            if let Some(other) = seen.insert(field.name().to_lowercase(), field.name()) {
                self.findings.push(SchemaFinding::CaseCollision {
                    ours: join_path(path, other),
                    theirs: join_path(path, field.name()),
                });
            }
        }
    }
}

fn id_of(field: &FieldRef) -> Option<&str> {
    field.metadata().get(FIELD_ID).map(String::as_str)
}

/// A dot cannot tell a nested field from a name with a dot in it, so it is doubled there.
fn join_path(path: &str, name: &str) -> String {
    let name = name.replace('.', "..");
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
