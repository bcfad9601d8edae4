//! The normal form of values: two values are equal, as Spark's `<=>` says, exactly if their normal forms have
//! equal bytes. NULL equals NULL, every NaN equals every NaN, 0.0 equals -0.0; decimals compare by value whatever
//! their scale, instants whatever their unit and zone, maps as sets of entries; dictionaries, views and large
//! variants by what they hold. A time without a zone is never compared with one that has a zone.
//!
//! The order of normal forms is the natural one (numbers by value, text and binary by bytes, NULL first, NaN last).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, LargeListArray, StructArray, UInt32Array,
    new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

const CAST: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// Names of the parts of an instant, which keep zoned times, local times and durations apart.
const INSTANT: &str = "instant";
const LOCAL: &str = "local";
const DURATION: &str = "duration";

/// The type of the normal form of a type; `None` if its values have no equality here (unions).
pub fn normal_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => Int64,
        Float16 | Float32 | Float64 => Float64,
        Decimal32(precision, scale) | Decimal64(precision, scale) => Decimal128(*precision, *scale),
        Date32 | Date64 => Date64,
        Time32(_) | Time64(_) => Time64(TimeUnit::Nanosecond),
        Timestamp(unit, Some(_)) => Timestamp(*unit, Some("UTC".into())),
        Dictionary(_, values) => normal_type(values)?,
        RunEndEncoded(_, values) => normal_type(values.data_type())?,
        List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item) => {
            LargeList(Arc::new(Field::new("item", normal_type(item.data_type())?, true)))
        }
        Struct(fields) => Struct(normal_fields(fields)?),
        Map(entries, _) => match entries.data_type() {
            Struct(fields) => {
                let [key, value] = fields.as_ref() else { return None };
                let key = Field::new("key", normal_type(key.data_type())?, true);
                let value = Field::new("value", normal_type(value.data_type())?, true);
                LargeList(Arc::new(Field::new("entry", Struct(Fields::from(vec![key, value])), true)))
            }
            _ => return None,
        },
        Union(..) => return None,
        other => other.clone(),
    })
}

fn normal_fields(fields: &Fields) -> Option<Fields> {
    let normal = |field: &Arc<Field>| Some(Field::new(field.name(), normal_type(field.data_type())?, true));
    fields.iter().map(normal).collect::<Option<Vec<_>>>().map(Fields::from)
}

/// The normal type in which values of two normal types can be compared; `None` if they never can.
pub fn join(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match (left, right) {
        (left, right) if left == right => left.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Int64, UInt64) | (UInt64, Int64) => Decimal128(20, 0),
        (
            Decimal128(left_precision, left_scale) | Decimal256(left_precision, left_scale),
            Decimal128(right_precision, right_scale) | Decimal256(right_precision, right_scale),
        ) => {
            let scale = (*left_scale).max(*right_scale);
            let digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            let whole = digits(*left_precision, *left_scale).max(digits(*right_precision, *right_scale));
            let precision = u8::try_from((whole + i16::from(scale)).max(1)).ok()?;
            let wide = matches!((left, right), (Decimal256(..), _) | (_, Decimal256(..)));
            match precision {
                0..=38 if !wide => Decimal128(precision, scale),
                0..=76 => Decimal256(precision, scale),
                _ => return None,
            }
        }
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => LargeUtf8,
        (
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
        ) => LargeBinary,
        (LargeList(left), LargeList(right)) if left.name() == right.name() => {
            let item = join(left.data_type(), right.data_type())?;
            LargeList(Arc::new(Field::new(left.name(), item, true)))
        }
        (Struct(left), Struct(right)) => {
            if left.len() != right.len() {
                return None;
            }
            let join_fields = |(left, right): (&Arc<Field>, &Arc<Field>)| {
                let data_type = join(left.data_type(), right.data_type())?;
                (left.name() == right.name()).then(|| Field::new(left.name(), data_type, true))
            };
            Struct(left.iter().zip(right).map(join_fields).collect::<Option<Vec<_>>>()?.into())
        }
        (left, right) if parted(left).is_some() && parted(left) == parted(right) => {
            parts_type(parted(left).unwrap_or_default())
        }
        _ => return None,
    })
}

/// Which kind of time this normal type is, if its unit can differ between sides.
fn parted(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Timestamp(_, Some(_)) => Some(INSTANT),
        DataType::Timestamp(_, None) => Some(LOCAL),
        DataType::Duration(_) => Some(DURATION),
        DataType::Struct(fields) => {
            let name = fields.first()?.name().as_str();
            [INSTANT, LOCAL, DURATION]
                .into_iter()
                .find(|kind| *kind == name && data_type == &parts_type(kind))
        }
        _ => None,
    }
}

/// Whole seconds and nanoseconds: no unit of time loses anything in it, and it sorts by time.
fn parts_type(kind: &'static str) -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new(kind, DataType::Int64, true),
        Field::new("nanoseconds", DataType::Int32, true),
    ]))
}

/// Brings an array into the normal form `to`, which is its [`normal_type`] or a [`join`] of that with others.
///
/// # Errors
///
/// A value that `to` cannot hold, or a type that does not lead to `to`.
pub fn normalise(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    use DataType::*;
    match (array.data_type(), to) {
        (Null, _) => Ok(new_null_array(to, array.len())),
        (Dictionary(_, values), _) => normalise(&cast_with_options(array, values, &CAST)?, to),
        (RunEndEncoded(_, values), _) => normalise(&cast_with_options(array, values.data_type(), &CAST)?, to),
        (Float16 | Float32 | Float64, Float64) => {
            let wide = cast_with_options(array, &Float64, &CAST)?;
            let wide = wide.as_primitive::<Float64Type>();
            let normal: Float64Array = wide.unary(|value| match value {
                value if value.is_nan() => f64::NAN,
                0.0 => 0.0,
                value => value,
            });
            Ok(Arc::new(normal))
        }
        (Timestamp(unit, _) | Duration(unit), Struct(fields)) => instant_parts(array, unit, fields),
        (Timestamp(_, Some(_)), Timestamp(..)) | (_, Date64 | Time64(_)) => {
            cast_with_options(array, to, &CAST)
        }
        (Struct(_), Struct(fields)) => normalise_struct(array, fields),
        (Map(..), LargeList(entry)) => normalise_map(array, entry),
        (
            List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item),
            LargeList(to),
        ) => {
            let list = cast_with_options(array, &LargeList(item.clone()), &CAST)?;
            let list = list.as_list::<i64>();
            let values = normalise(list.values(), to.data_type())?;
            Ok(Arc::new(LargeListArray::try_new(
                to.clone(),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (from, to) if from == to => Ok(array.clone()),
        (_, to) => cast_with_options(array, to, &CAST),
    }
}

fn instant_parts(array: &ArrayRef, unit: &TimeUnit, fields: &Fields) -> Result<ArrayRef, ArrowError> {
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let ticks = cast_with_options(array, &DataType::Int64, &CAST)?;
    let ticks = ticks.as_primitive::<Int64Type>();
    let seconds: Int64Array = ticks.unary(|value| value.div_euclid(per_second));
    let nanoseconds: Int32Array = ticks.unary(|value| {
        i32::try_from(value.rem_euclid(per_second) * (1_000_000_000 / per_second)).unwrap_or_default()
    });
    let columns: Vec<ArrayRef> = vec![Arc::new(seconds), Arc::new(nanoseconds)];
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?))
}

fn normalise_struct(array: &ArrayRef, fields: &Fields) -> Result<ArrayRef, ArrowError> {
    let from = array.as_struct();
    let columns =
        from.columns().iter().zip(fields).map(|(column, field)| normalise(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let nulls = from.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
}

/// A map becomes the list of its entries, sorted: as a set, it has no order of its own.
fn normalise_map(array: &ArrayRef, entry: &Arc<Field>) -> Result<ArrayRef, ArrowError> {
    let map = array.as_map();
    let DataType::Struct(fields) = entry.data_type() else {
        return Err(ArrowError::InvalidArgumentError("a map's normal form is a list of entries".into()));
    };
    let entries: ArrayRef = Arc::new(map.entries().clone());
    let entries = normalise_struct(&entries, fields)?;
    let converter = RowConverter::new(vec![SortField::new(entry.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(&entries))?;
    let mut order: Vec<u32> = Vec::with_capacity(entries.len());
    let mut offsets: Vec<i64> = Vec::with_capacity(map.len() + 1);
    offsets.push(0);
    for window in map.offsets().windows(2) {
        if let [start, end] = window {
            let begin = order.len();
            order.extend((*start..*end).filter_map(|index| u32::try_from(index).ok()));
            if let Some(of_this_map) = order.get_mut(begin..) {
                of_this_map.sort_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
            }
        }
        offsets.push(i64::try_from(order.len()).unwrap_or(i64::MAX));
    }
    let sorted = take(entries.as_ref(), &UInt32Array::from(order), None)?;
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(Arc::new(LargeListArray::try_new(entry.clone(), offsets, sorted, map.nulls().cloned())?))
}
