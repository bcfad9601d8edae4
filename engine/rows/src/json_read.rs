//! Values from JSON: the way back from [`crate::json`], for values that people choose.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeBinaryArray, LargeListArray, LargeStringArray, MapArray, StructArray,
    new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// One value as an array of a type.
///
/// # Errors
///
/// The value is no such value: what is wrong with it, in a sentence.
pub fn parse(value: &Value, data_type: &DataType) -> Result<ArrayRef, String> {
    let array = read(value, data_type).map_err(|error| match error {
        Wrong::Arrow(error) => format!("{value} is no {data_type}: {error}"),
        Wrong::Shape(why) => format!("{value} is no {data_type}: {why}"),
    })?;
    match array.len() {
        1 => Ok(array),
        _ => Err(format!("{value} is no {data_type}")),
    }
}

enum Wrong {
    Arrow(ArrowError),
    Shape(&'static str),
}

impl From<ArrowError> for Wrong {
    fn from(error: ArrowError) -> Self {
        Wrong::Arrow(error)
    }
}

fn read(value: &Value, data_type: &DataType) -> Result<ArrayRef, Wrong> {
    use DataType::*;
    if value.is_null() {
        return Ok(new_null_array(data_type, 1));
    }
    match data_type {
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => {
            let text = value.as_str().ok_or(Wrong::Shape("binary is written in base64"))?;
            let bytes = STANDARD.decode(text).map_err(|_| Wrong::Shape("it is not base64"))?;
            let array: ArrayRef = Arc::new(LargeBinaryArray::from_iter_values([bytes]));
            fixed(array, data_type)
        }
        Dictionary(_, values) => Ok(cast_with_options(&read(value, values)?, data_type, &CAST)?),
        List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item) => {
            let items = value.as_array().ok_or(Wrong::Shape("a list is an array"))?;
            let items = read_all(items, item)?;
            let offsets = OffsetBuffer::from_lengths([items.len()]);
            let list: ArrayRef = Arc::new(LargeListArray::try_new(item.clone(), offsets, items, None)?);
            Ok(cast_with_options(&list, data_type, &CAST)?)
        }
        Struct(fields) => {
            let object = value.as_object().ok_or(Wrong::Shape("a struct is an object"))?;
            if object.keys().any(|key| fields.find(key).is_none()) {
                return Err(Wrong::Shape("it has a field too many"));
            }
            let of = |field: &Arc<Field>| {
                read(object.get(field.name()).unwrap_or(&Value::Null), field.data_type())
            };
            let columns = fields.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, 1)?))
        }
        Map(entries, sorted) => {
            let items = value.as_array().ok_or(Wrong::Shape("a map is an array of its entries"))?;
            let items = read_all(items, entries)?;
            let offsets = OffsetBuffer::from_lengths([items.len()]);
            let items = items.as_struct().clone();
            Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, items, None, *sorted)?))
        }
        Null => Err(Wrong::Shape("the column holds NULL only")),
        // Arrow reads offsets, no names of zones; the instant is the same.
        Timestamp(unit, Some(_)) => {
            let text = value.as_str().ok_or(Wrong::Shape("an instant is a string"))?;
            let instant = scalar(text, &Timestamp(*unit, Some("+00:00".into())))?;
            Ok(cast_with_options(&instant, data_type, &CAST)?)
        }
        Utf8 | LargeUtf8 | Utf8View => {
            scalar(value.as_str().ok_or(Wrong::Shape("text is a string"))?, data_type)
        }
        _ => match value {
            Value::String(text) => scalar(text, data_type),
            Value::Number(number) => scalar(&number.to_string(), data_type),
            Value::Bool(bool) => scalar(&bool.to_string(), data_type),
            _ => Err(Wrong::Shape("it has another shape")),
        },
    }
}

fn read_all(items: &[Value], item: &Field) -> Result<ArrayRef, Wrong> {
    let arrays = items.iter().map(|value| read(value, item.data_type())).collect::<Result<Vec<_>, _>>()?;
    if arrays.is_empty() {
        return Ok(new_empty_array(item.data_type()));
    }
    Ok(concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>())?)
}

fn scalar(text: &str, data_type: &DataType) -> Result<ArrayRef, Wrong> {
    let text: ArrayRef = Arc::new(LargeStringArray::from(vec![text]));
    Ok(cast_with_options(&text, data_type, &CAST)?)
}

/// Arrow casts variable binary to fixed only between equal lengths; it says so in NULLs.
fn fixed(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef, Wrong> {
    if let DataType::FixedSizeBinary(length) = data_type {
        let bytes = array.as_binary::<i64>().value(0).to_vec();
        if usize::try_from(*length).ok() != Some(bytes.len()) {
            return Err(Wrong::Shape("it has another length"));
        }
        let fixed = arrow::array::FixedSizeBinaryArray::try_from_iter(std::iter::once(bytes))?;
        return Ok(Arc::new(fixed));
    }
    Ok(cast_with_options(&array, data_type, &CAST)?)
}
