//! Values as JSON, for people and programs. What a JSON number cannot hold in every reader is a string: integers
//! beyond 2^53, decimals, times, NaN and the infinities. Binary is base64.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Decimal256Type, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use crate::error::{During, Result};

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// The greatest integer that every reader of JSON keeps exact.
const EXACT: i64 = 1 << 53;

/// Some columns of one row, as an object.
///
/// # Errors
///
/// A value of a type that has no JSON form here (unions).
pub fn row(schema: &Schema, columns: &[ArrayRef], row: usize, of: &[usize]) -> Result<Value> {
    let mut object = serde_json::Map::new();
    for index in of {
        if let (Some(field), Some(array)) = (schema.fields().get(*index), columns.get(*index)) {
            object.insert(field.name().clone(), cell(array, row)?);
        }
    }
    Ok(Value::Object(object))
}

/// One value; NULL beyond the array.
///
/// # Errors
///
/// As [`row`].
pub fn cell(array: &ArrayRef, row: usize) -> Result<Value> {
    if row >= array.len() {
        return Ok(Value::Null);
    }
    value(&array.slice(row, 1)).during("writing a value as JSON")
}

/// The only value of an array.
fn value(array: &ArrayRef) -> std::result::Result<Value, ArrowError> {
    use DataType::*;
    if array.is_null(0) {
        return Ok(Value::Null);
    }
    let to = |data_type: &DataType| cast_with_options(array, data_type, &CAST);
    Ok(match array.data_type() {
        Null => Value::Null,
        Boolean => Value::Bool(array.as_boolean().value(0)),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => {
            integer(to(&Int64)?.as_primitive::<Int64Type>().value(0))
        }
        UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(0);
            i64::try_from(value).map_or_else(|_| Value::String(value.to_string()), integer)
        }
        Float16 | Float32 | Float64 => {
            float(array.data_type(), to(&Float64)?.as_primitive::<Float64Type>().value(0))
        }
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => {
            let wide = to(&Decimal256(76, *scale))?;
            Value::String(wide.as_primitive::<Decimal256Type>().value_as_string(0))
        }
        Utf8 | LargeUtf8 | Utf8View => Value::String(to(&LargeUtf8)?.as_string::<i64>().value(0).to_owned()),
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => {
            Value::String(STANDARD.encode(to(&LargeBinary)?.as_binary::<i64>().value(0)))
        }
        Timestamp(unit, Some(_)) => displayed(&to(&Timestamp(*unit, Some("+00:00".into())))?)?,
        Dictionary(_, values) => value(&to(values)?)?,
        RunEndEncoded(_, values) => value(&to(values.data_type())?)?,
        List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item) => {
            list(&to(&LargeList(item.clone()))?.as_list::<i64>().value(0))?
        }
        Struct(fields) => {
            let array = array.as_struct();
            let mut object = serde_json::Map::new();
            for (field, column) in fields.iter().zip(array.columns()) {
                object.insert(field.name().clone(), value(column)?);
            }
            Value::Object(object)
        }
        Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(0));
            list(&entries)?
        }
        Union(..) => return Err(ArrowError::NotYetImplemented("a union as JSON".into())),
        _ => displayed(array)?,
    })
}

fn list(items: &ArrayRef) -> std::result::Result<Value, ArrowError> {
    (0..items.len())
        .map(|index| value(&items.slice(index, 1)))
        .collect::<std::result::Result<_, _>>()
        .map(Value::Array)
}

fn integer(value: i64) -> Value {
    match (-EXACT..=EXACT).contains(&value) {
        true => Value::Number(value.into()),
        false => Value::String(value.to_string()),
    }
}

/// The shortest text that reads back as the same float of its width.
fn float(data_type: &DataType, value: f64) -> Value {
    let special = match value {
        value if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => {
            let shown = match data_type {
                DataType::Float64 => value,
                _ => (value as f32).to_string().parse().unwrap_or(value),
            };
            return Number::from_f64(shown).map_or(Value::Null, Value::Number);
        }
    };
    Value::String(special.to_owned())
}

fn displayed(array: &ArrayRef) -> std::result::Result<Value, ArrowError> {
    let options = FormatOptions::new().with_display_error(false);
    let formatter = ArrayFormatter::try_new(array, &options)?;
    Ok(Value::String(formatter.value(0).try_to_string()?))
}
