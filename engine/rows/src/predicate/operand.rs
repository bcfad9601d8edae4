//! Operands that can be put beside each other: of one type, and equal where all engines call them equal.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;

use super::syntax::Node;

const CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// A value for each row, or one for all.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    /// The values; one alone if it is a constant.
    pub(super) array: ArrayRef,
    /// Whether it is the same for all rows.
    pub(super) constant: bool,
    /// The text of a number that is written in the condition.
    pub(super) number: Option<String>,
    /// Whether it is a text that is written in the condition.
    pub(super) text: bool,
}

/// The kind of an operand: operands of different kinds are not compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Null,
    Truth,
    Whole,
    Decimal,
    Float,
    Double,
    Text,
    Day,
    Other,
}

impl Operand {
    /// A column.
    pub(super) fn column(array: ArrayRef) -> Operand {
        Operand { array, constant: false, number: None, text: false }
    }

    fn constant(array: ArrayRef) -> Operand {
        Operand { array, constant: true, number: None, text: false }
    }

    /// What is written in the condition itself; none for what is not a constant.
    pub(super) fn literal(node: &Node) -> Result<Option<Operand>, String> {
        Ok(Some(match node {
            Node::Null => Operand::constant(new_null_array(&DataType::Null, 1)),
            Node::Truth(truth) => Operand::constant(Arc::new(BooleanArray::from(vec![*truth]))),
            Node::Text(text) => {
                let array: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
                Operand { text: true, ..Operand::constant(array) }
            }
            Node::Day(day) => Operand::constant(day_array(day)?),
            Node::Number(number) => {
                Operand { number: Some(number.clone()), ..Operand::constant(number_array(number)?) }
            }
            _ => return Ok(None),
        }))
    }

    fn kind(&self) -> Kind {
        match self.array.data_type() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Truth,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Kind::Whole,
            DataType::Decimal128(..) | DataType::Decimal256(..) => Kind::Decimal,
            DataType::Float32 => Kind::Float,
            DataType::Float64 => Kind::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Date32 => Kind::Day,
            _ => Kind::Other,
        }
    }

    fn cast(&self, to: &DataType) -> Result<Operand, String> {
        let array = cast_with_options(&self.array, to, &CAST).map_err(shown)?;
        Ok(Operand { array, ..self.clone() })
    }

    /// As a double; a number that is written in the condition is read as one.
    fn double(&self) -> Result<Operand, String> {
        let array: ArrayRef = match &self.number {
            Some(number) => {
                let value: f64 = number.parse().map_err(|_| format!("{number} is no number"))?;
                Arc::new(Float64Array::from(vec![value]))
            }
            None if self.kind() == Kind::Decimal => {
                return Err("a decimal beside a floating-point number is rounded".into());
            }
            None => self.cast(&DataType::Float64)?.array,
        };
        // Zero has one sign and NaN one form, so that they are compared as values.
        let normal = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
        let array = array.as_primitive::<Float64Type>().unary::<_, Float64Type>(normal);
        Ok(Operand { array: Arc::new(array), ..self.clone() })
    }

    fn decimal(&self, scale: i8) -> Result<Operand, String> {
        self.cast(&DataType::Decimal256(76, scale))
    }

    fn scale(&self) -> i8 {
        match self.array.data_type() {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        }
    }
}

/// Brings two operands to one type in which they can be compared.
///
/// # Errors
/// They are of kinds that engines convert in different ways.
pub(super) fn comparable(left: Operand, right: Operand) -> Result<(Operand, Operand), String> {
    use Kind::*;
    let differ = |left: &Operand, right: &Operand| {
        Err(format!("{} beside {} is not compared here", left.array.data_type(), right.array.data_type()))
    };
    match (left.kind(), right.kind()) {
        (Null, Null) => Ok((left.cast(&DataType::Boolean)?, right.cast(&DataType::Boolean)?)),
        (Null, _) => Ok((left.cast(right.array.data_type())?, right)),
        (_, Null) => {
            let right = right.cast(left.array.data_type())?;
            Ok((left, right))
        }
        (Truth, Truth) | (Day, Day) => Ok((left, right)),
        (Whole, Whole) => Ok((left.cast(&DataType::Int64)?, right.cast(&DataType::Int64)?)),
        (Whole | Decimal, Whole | Decimal) => {
            let scale = left.scale().max(right.scale());
            Ok((left.decimal(scale)?, right.decimal(scale)?))
        }
        (Double, Whole | Decimal | Float | Double) | (Whole | Decimal | Float, Double) | (Float, Float) => {
            Ok((left.double()?, right.double()?))
        }
        // A narrow float beside a whole number is compared in narrow floats by some.
        (Float, Decimal) if right.number.is_some() => Ok((left.double()?, right.double()?)),
        (Decimal, Float) if left.number.is_some() => Ok((left.double()?, right.double()?)),
        (Float, Whole) if is_small(&right) => Ok((left.double()?, right.double()?)),
        (Whole, Float) if is_small(&left) => Ok((left.double()?, right.double()?)),
        (Text, Text) => Ok((left.cast(&DataType::Utf8)?, right.cast(&DataType::Utf8)?)),
        (Day, Text) if right.text => Ok((left, day_of_text(&right)?)),
        (Text, Day) if left.text => Ok((day_of_text(&left)?, right)),
        (Other, Other) if left.array.data_type() == right.array.data_type() => match left.array.data_type() {
            DataType::Timestamp(..) => Ok((left, right)),
            _ => differ(&left, &right),
        },
        _ => differ(&left, &right),
    }
}

/// Whether a written number is exact as a narrow float too.
fn is_small(operand: &Operand) -> bool {
    operand.number.as_ref().and_then(|number| number.parse::<i32>().ok()).is_some_and(|n| n.abs() <= 1 << 24)
}

/// Brings two operands to one type in which they can be calculated with: whole numbers of their wider type, or doubles.
///
/// # Errors
/// As [`comparable`].
pub(super) fn calculable(left: Operand, right: Operand) -> Result<(Operand, Operand), String> {
    use Kind::*;
    match (left.kind(), right.kind()) {
        (Whole, Whole) => {
            let width = |operand: &Operand| operand.array.data_type().primitive_width().unwrap_or_default();
            let wider = if width(&left) >= width(&right) { &left } else { &right }.array.data_type().clone();
            Ok((left.cast(&wider)?, right.cast(&wider)?))
        }
        (Double, Whole | Double) | (Whole, Double) => Ok((left.double()?, right.double()?)),
        (Double, Decimal) if right.number.is_some() => Ok((left.double()?, right.double()?)),
        (Decimal, Double) if left.number.is_some() => Ok((left.double()?, right.double()?)),
        _ => Err(format!(
            "{} and {} are not calculated with here",
            left.array.data_type(),
            right.array.data_type()
        )),
    }
}

fn day_of_text(text: &Operand) -> Result<Operand, String> {
    let array = text.cast(&DataType::Utf8)?.array;
    let day = array.as_string::<i32>();
    let day = if day.is_empty() { "" } else { day.value(0) };
    Ok(Operand::constant(day_array(day)?))
}

/// A day that is written as all engines write it.
fn day_array(day: &str) -> Result<ArrayRef, String> {
    let plain = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let text: ArrayRef = Arc::new(StringArray::from(vec![day]));
    let parsed = cast_with_options(&text, &DataType::Date32, &CAST).ok().filter(|_| plain);
    parsed.ok_or_else(|| format!("{day:?} is no day like 2024-12-31"))
}

fn number_array(number: &str) -> Result<ArrayRef, String> {
    if let Ok(value) = number.parse::<i32>() {
        return Ok(Arc::new(Int32Array::from(vec![value])));
    }
    if let Ok(value) = number.parse::<i64>() {
        return Ok(Arc::new(Int64Array::from(vec![value])));
    }
    if number.contains(['e', 'E']) {
        let value: f64 = number.parse().map_err(|_| format!("{number} is no number"))?;
        return Ok(Arc::new(Float64Array::from(vec![value])));
    }
    let scale = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = i8::try_from(scale).ok().filter(|scale| *scale <= 38);
    let scale = scale.ok_or_else(|| format!("{number} has too many digits"))?;
    let text: ArrayRef = Arc::new(StringArray::from(vec![number]));
    cast_with_options(&text, &DataType::Decimal256(76, scale), &CAST).map_err(shown)
}

/// Arrow's reason, as ours.
pub(super) fn shown(error: ArrowError) -> String {
    error.to_string()
}
