//! The two policies that compute a value instead of choosing one: `sum_delta` and `union_set`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, concat, take};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, i256};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use crate::codec::RowCodec;
use crate::error::{During, Result};
use crate::normal::{normal_type, normalise};

const CAST: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// `ours + theirs - base` of three arrays of one value each, of one numeric type. None: one is NULL, or the type
/// cannot hold the sum.
pub(crate) fn sum_delta(base: &ArrayRef, ours: &ArrayRef, theirs: &ArrayRef) -> Result<Option<ArrayRef>> {
    if [base, ours, theirs].iter().any(|array| array.is_empty() || array.is_null(0)) {
        return Ok(None);
    }
    let data_type = ours.data_type();
    let sum = match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => sum_floats([base, ours, theirs]),
        DataType::Decimal256(precision, scale) => sum_wide([base, ours, theirs], *precision, *scale),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => sum_exact([base, ours, theirs], *precision, *scale),
        // An integer is a decimal without a scale; the way back checks the range of its type.
        _ => sum_exact([base, ours, theirs], 38, 0),
    };
    let Some(sum) = sum.during("adding up two changes of a number")? else { return Ok(None) };
    // The only reason for the cast to fail is that the value does not fit.
    Ok(cast_with_options(&sum, data_type, &CAST).ok())
}

fn sum_floats(values: [&ArrayRef; 3]) -> std::result::Result<Option<ArrayRef>, ArrowError> {
    let narrow = matches!(values[0].data_type(), DataType::Float32 | DataType::Float16);
    let wide = |array: &ArrayRef| -> std::result::Result<f64, ArrowError> {
        Ok(cast_with_options(array, &DataType::Float64, &CAST)?.as_primitive::<Float64Type>().value(0))
    };
    let sum = wide(values[1])? + wide(values[2])? - wide(values[0])?;
    let fits = sum.is_finite() && (!narrow || (sum as f32).is_finite());
    Ok(fits.then(|| Arc::new(Float64Array::from(vec![sum])) as ArrayRef))
}

fn sum_exact(
    values: [&ArrayRef; 3],
    precision: u8,
    scale: i8,
) -> std::result::Result<Option<ArrayRef>, ArrowError> {
    let to = DataType::Decimal128(precision, scale);
    let exact = |array: &ArrayRef| -> std::result::Result<i128, ArrowError> {
        Ok(cast_with_options(array, &to, &CAST)?.as_primitive::<Decimal128Type>().value(0))
    };
    let (base, ours, theirs) = (exact(values[0])?, exact(values[1])?, exact(values[2])?);
    let Some(sum) = ours.checked_add(theirs).and_then(|sum| sum.checked_sub(base)) else { return Ok(None) };
    let sum = arrow::array::Decimal128Array::from(vec![sum]).with_precision_and_scale(precision, scale)?;
    Ok(sum.validate_decimal_precision(precision).is_ok().then(|| Arc::new(sum) as ArrayRef))
}

fn sum_wide(
    values: [&ArrayRef; 3],
    precision: u8,
    scale: i8,
) -> std::result::Result<Option<ArrayRef>, ArrowError> {
    let exact = |array: &ArrayRef| -> i256 { array.as_primitive::<Decimal256Type>().value(0) };
    let (base, ours, theirs) = (exact(values[0]), exact(values[1]), exact(values[2]));
    let Some(sum) = ours.checked_add(theirs).and_then(|sum| sum.checked_sub(base)) else { return Ok(None) };
    let sum = arrow::array::Decimal256Array::from(vec![sum]).with_precision_and_scale(precision, scale)?;
    Ok(sum.validate_decimal_precision(precision).is_ok().then(|| Arc::new(sum) as ArrayRef))
}

/// Merges three lists as sets, in arrays of one value each: ours' elements that theirs did not remove, then those
/// that theirs added, each once. A NULL list counts as an empty one.
pub(crate) fn union_set(base: Option<&ArrayRef>, ours: &ArrayRef, theirs: &ArrayRef) -> Result<ArrayRef> {
    union_of(base, ours, theirs).during("merging two lists as sets")
}

fn union_of(
    base: Option<&ArrayRef>,
    ours: &ArrayRef,
    theirs: &ArrayRef,
) -> std::result::Result<ArrayRef, ArrowError> {
    let (DataType::List(item) | DataType::LargeList(item)) = ours.data_type() else {
        return Err(ArrowError::InvalidArgumentError("a set is made of lists".into()));
    };
    let normal = normal_type(item.data_type())
        .ok_or_else(|| ArrowError::InvalidArgumentError("elements that cannot be compared".into()))?;
    let converter = RowConverter::new(vec![SortField::new(normal.clone())])?;
    let elements = |list: &ArrayRef| -> std::result::Result<(ArrayRef, Vec<Vec<u8>>), ArrowError> {
        let list = cast_with_options(list, &DataType::LargeList(item.clone()), &CAST)?;
        let list = list.as_list::<i64>();
        let values = match list.is_null(0) {
            true => list.values().slice(0, 0),
            false => list.value(0),
        };
        let rows = converter.convert_columns(&[normalise(&values, &normal)?])?;
        Ok((values, rows.iter().map(|row| row.data().to_vec()).collect()))
    };
    let (ours_values, ours_keys) = elements(ours)?;
    let (theirs_values, theirs_keys) = elements(theirs)?;
    let base_keys = base.map(&elements).transpose()?.map(|(_, keys)| keys).unwrap_or_default();
    let set = |keys: &[Vec<u8>]| keys.iter().cloned().collect::<HashSet<_>>();
    let (in_base, in_ours, in_theirs) = (set(&base_keys), set(&ours_keys), set(&theirs_keys));

    let mut seen = HashSet::new();
    let mut picked: Vec<u32> = Vec::new();
    for (index, key) in ours_keys.iter().chain(&theirs_keys).enumerate() {
        let (ours, theirs, base) = (in_ours.contains(key), in_theirs.contains(key), in_base.contains(key));
        let keep = (ours && theirs) || (!base && (ours || theirs));
        if keep && seen.insert(key.clone()) {
            picked.push(u32::try_from(index).map_err(|e| ArrowError::ExternalError(Box::new(e)))?);
        }
    }
    let all = concat(&[ours_values.as_ref(), theirs_values.as_ref()])?;
    let values = take(all.as_ref(), &UInt32Array::from(picked), None)?;
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
    let list: ArrayRef =
        Arc::new(arrow::array::LargeListArray::try_new(item.clone(), offsets, values, None)?);
    cast_with_options(&list, ours.data_type(), &CAST)
}

/// A cell as an array of one value.
pub(crate) fn cell(row: &crate::cursor::RowRef, column: usize) -> Result<ArrayRef> {
    let array = row.batch.batch().columns().get(column);
    let array = array.ok_or(crate::Error::Misuse("a column beyond the schema is read"))?;
    Ok(array.slice(row.row, 1))
}

/// The bytes of a value that was computed.
pub(crate) fn encode(codec: &RowCodec, column: usize, value: &ArrayRef) -> Result<Vec<u8>> {
    let rows = codec.encode_column(column, value)?;
    Ok(rows.iter().next().map(|row| row.data().to_vec()).unwrap_or_default())
}
