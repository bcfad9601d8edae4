//! Values as they are written in a condition, and the names of types.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use sqlparser::ast::{self, ExactNumberInfo, TimezoneInfo, Value};

/// The most digits of an exact number.
const DIGITS_MAX: usize = 38;

/// A written value; the error says why there is no such value.
pub(super) fn value(value: &Value) -> Result<ScalarValue, String> {
    Ok(match value {
        Value::Number(text, _) => number(text)?,
        Value::SingleQuotedString(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Value::Null => ScalarValue::Null,
        Value::DoubleQuotedString(_) => {
            return Err("text stands in single quotes".to_owned());
        }
        other => return Err(format!("{other} is a kind of value that a condition cannot have")),
    })
}

/// Whole numbers are integers, others exact decimals where they have few enough digits: so that they meet the columns of
/// decimals as they are written.
fn number(text: &str) -> Result<ScalarValue, String> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(ScalarValue::Int64(Some(integer)));
    }
    if let Some(decimal) = decimal(text) {
        return Ok(decimal);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(ScalarValue::Float64(Some(float))),
        _ => Err(format!("{text} is no number")),
    }
}

fn decimal(text: &str) -> Option<ScalarValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let precision = u8::try_from(digits.len().max(1)).ok()?;
    let scale = i8::try_from(fraction.len()).ok()?;
    Some(ScalarValue::Decimal128(Some(digits.parse().ok()?), precision, scale))
}

/// The type that a name stands for; the error names those that there are.
pub(super) fn data_type(named: &ast::DataType) -> Result<DataType, String> {
    use ast::DataType::*;
    Ok(match named {
        Boolean | Bool => DataType::Boolean,
        TinyInt(_) => DataType::Int8,
        SmallInt(_) => DataType::Int16,
        Int(_) | Integer(_) => DataType::Int32,
        BigInt(_) => DataType::Int64,
        Float(_) | Real => DataType::Float32,
        Double(_) | DoublePrecision => DataType::Float64,
        Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale))
        | Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            let fits = u8::try_from(*precision).ok().zip(i8::try_from(*scale).ok());
            match fits.filter(|(precision, scale)| (1..=38).contains(precision) && (0..=38).contains(scale)) {
                Some((precision, scale)) => DataType::Decimal128(precision, scale),
                None => return Err(format!("{named} has more than {DIGITS_MAX} digits")),
            }
        }
        Varchar(_) | Text | String(_) => DataType::Utf8,
        Date => DataType::Date32,
        Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        other => {
            return Err(format!(
                "{other} is no type here: use BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), \
                 VARCHAR, DATE or TIMESTAMP"
            ));
        }
    })
}
