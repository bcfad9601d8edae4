//! Which types widen to which, and what nested types hold.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields};

use crate::side::PerSide;

/// Names what a list holds in the path of a column.
pub(super) const ITEM: &str = "element";
/// Names the keys of a map in the path of a column.
pub(super) const KEY: &str = "key";
/// Names the values of a map in the path of a column.
pub(super) const VALUE: &str = "value";

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
        _ => match (parts(left), parts(right)) {
            (Some((left_key, left_value)), Some((right_key, right_value))) => {
                same_type(left_key.data_type(), right_key.data_type())
                    && same_type(left_value.data_type(), right_value.data_type())
            }
            (None, None) => match (item(left), item(right)) {
                (Some(left), Some(right)) => same_type(left.data_type(), right.data_type()),
                _ => logical(left) == logical(right),
            },
            _ => false,
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

/// What a list holds.
pub(super) fn item(data_type: &DataType) -> Option<&FieldRef> {
    use DataType::*;
    match data_type {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            Some(item)
        }
        _ => None,
    }
}

/// The key and the value of a map. Writers name them differently, so their places count.
pub(super) fn parts(data_type: &DataType) -> Option<(&FieldRef, &FieldRef)> {
    let DataType::Map(entries, _) = data_type else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    Some((fields.first()?, fields.get(1)?))
}

/// The same list, of something else.
pub(super) fn with_item(data_type: &DataType, inner: DataType) -> Option<DataType> {
    use DataType::*;
    let field = |old: &FieldRef| Arc::new(old.as_ref().clone().with_data_type(inner.clone()));
    Some(match data_type {
        List(item) | ListView(item) => List(field(item)),
        LargeList(item) | LargeListView(item) => LargeList(field(item)),
        FixedSizeList(item, length) => FixedSizeList(field(item), *length),
        _ => return None,
    })
}

/// The same map, of other things.
pub(super) fn with_parts(data_type: &DataType, inner: [DataType; 2]) -> Option<DataType> {
    let DataType::Map(entries, sorted) = data_type else { return None };
    let (key, value) = parts(data_type)?;
    let [key_type, value_type] = inner;
    let fields =
        [key.as_ref().clone().with_data_type(key_type), value.as_ref().clone().with_data_type(value_type)];
    let entries = entries.as_ref().clone().with_data_type(DataType::Struct(fields.into_iter().collect()));
    Some(DataType::Map(Arc::new(entries), *sorted))
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
    let nullable = |field: &FieldRef| {
        field.as_ref().clone().with_data_type(nullable_type(field.data_type())).with_nullable(true)
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(all_nullable(fields)),
        DataType::Map(entries, sorted) => {
            let Some((key, value)) = parts(data_type) else { return data_type.clone() };
            let fields: Fields = [nullable(key).with_nullable(false), nullable(value)].into_iter().collect();
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(fields));
            DataType::Map(Arc::new(entries.with_nullable(false)), *sorted)
        }
        DataType::List(item) => DataType::List(Arc::new(nullable(item))),
        DataType::LargeList(item) => DataType::LargeList(Arc::new(nullable(item))),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(Arc::new(nullable(item)), *length),
        other => other.clone(),
    }
}
