//! Which types widen to which, and what nested types hold.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use crate::side::PerSide;

/// Names what a list or a map holds in the path of a column.
pub(super) const ITEM: &str = "element";

/// Whether every value of one type is one of the other, by the widenings that happen by themselves: integers to
/// wider integers, float to double, decimals to more digits of the same scale, NULL to anything.
pub fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if same_type(from, to) {
        return true;
    }
    match (logical(from), logical(to)) {
        (Null, _) => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (UInt8, UInt16 | UInt32 | UInt64) | (UInt16, UInt32 | UInt64) | (UInt32, UInt64) => true,
        (Float16, Float32 | Float64) | (Float32, Float64) => true,
        (Decimal256(precision, scale), Decimal256(wider, same)) => precision <= wider && scale == same,
        _ => false,
    }
}

/// Joins the types of a column that holds no fields of its own: one side's type, to which all others widen, and
/// which each side reached by widening.
pub(super) fn join_types(types: PerSide<Option<&DataType>>) -> Option<DataType> {
    let PerSide { base, ours, theirs } = types;
    let allowed = |side: &DataType| base.is_none_or(|base| widens(base, side));
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if same_type(ours, theirs) => allowed(ours).then(|| ours.clone()),
        (Some(ours), Some(theirs)) if !allowed(ours) || !allowed(theirs) => None,
        (Some(ours), Some(theirs)) if widens(theirs, ours) => Some(ours.clone()),
        (Some(ours), Some(theirs)) => widens(ours, theirs).then(|| theirs.clone()),
        (one, other) => one.or(other).cloned(),
    }
}

/// Whether two types are one type, perhaps written differently (as a dictionary, a view, a large variant).
pub(super) fn same_type(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(l, r)| l.name() == r.name() && same_type(l.data_type(), r.data_type()))
        }
        _ => match (child(left), child(right)) {
            (Some((left_kind, left)), Some((right_kind, right))) => {
                left_kind == right_kind && same_type(left.data_type(), right.data_type())
            }
            _ => logical(left) == logical(right),
        },
    }
}

/// One way to write each type.
fn logical(data_type: &DataType) -> DataType {
    use DataType::*;
    match data_type {
        LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView => Binary,
        Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) => Decimal256(*p, *s),
        Timestamp(unit, Some(_)) => Timestamp(*unit, Some("UTC".into())),
        Dictionary(_, values) => logical(values),
        RunEndEncoded(_, values) => logical(values.data_type()),
        other => other.clone(),
    }
}

/// What a list or a map holds, and which of the two it is.
pub(super) fn child(data_type: &DataType) -> Option<(&'static str, &FieldRef)> {
    use DataType::*;
    match data_type {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            Some(("list", item))
        }
        Map(entries, _) => Some(("map", entries)),
        _ => None,
    }
}

/// The same list or map, of something else.
pub(super) fn with_child(data_type: &DataType, inner: DataType) -> Option<DataType> {
    use DataType::*;
    let field = |old: &FieldRef, nullable: bool| {
        let field = Field::new(old.name(), inner.clone(), nullable);
        Arc::new(field.with_metadata(old.metadata().clone()))
    };
    Some(match data_type {
        List(item) => List(field(item, item.is_nullable())),
        LargeList(item) | LargeListView(item) => LargeList(field(item, item.is_nullable())),
        ListView(item) => List(field(item, item.is_nullable())),
        FixedSizeList(item, length) => FixedSizeList(field(item, item.is_nullable()), *length),
        Map(entries, sorted) => Map(field(entries, false), *sorted),
        _ => return None,
    })
}

/// All fields nullable, at every depth, but the keys of maps.
pub(super) fn all_nullable(fields: &Fields) -> Fields {
    fields
        .iter()
        .map(|field| {
            let field = field.as_ref().clone().with_data_type(nullable_type(field.data_type()));
            Arc::new(field.with_nullable(true))
        })
        .collect()
}

fn nullable_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(all_nullable(fields)),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { return data_type.clone() };
            let nullable = |(index, field): (usize, &FieldRef)| {
                let field = field.as_ref().clone().with_data_type(nullable_type(field.data_type()));
                Arc::new(field.with_nullable(index > 0))
            };
            let fields: Fields = fields.iter().enumerate().map(nullable).collect();
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(fields));
            DataType::Map(Arc::new(entries.with_nullable(false)), *sorted)
        }
        other => match child(other) {
            Some((_, item)) => {
                let inner = nullable_type(item.data_type());
                let with = with_child(other, inner).unwrap_or_else(|| other.clone());
                with_nullable_child(&with)
            }
            None => other.clone(),
        },
    }
}

fn with_nullable_child(data_type: &DataType) -> DataType {
    use DataType::*;
    let nullable = |item: &FieldRef| Arc::new(item.as_ref().clone().with_nullable(true));
    match data_type {
        List(item) => List(nullable(item)),
        LargeList(item) => LargeList(nullable(item)),
        FixedSizeList(item, length) => FixedSizeList(nullable(item), *length),
        other => other.clone(),
    }
}
