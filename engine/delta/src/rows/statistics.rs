//! The statistics of a written file, as a log shows them: they let readers skip it.
//!
//! Source: the Delta protocol, "Per-file Statistics". A bound that cannot be told exactly is left out, which readers take
//! for unknown.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_ms_to_datetime};
use serde_json::{Map, Value, json};

/// How many columns have statistics: what writers collect where nobody says otherwise.
const COLUMNS_MAX: usize = 32;

/// A text above this length has no bounds.
const TEXT_CHARS_MAX: usize = 32;

/// The statistics of the rows so far.
#[derive(Default)]
pub(super) struct Statistics {
    rows: u64,
    columns: BTreeMap<String, Column>,
}

#[derive(Default)]
struct Column {
    nulls: u64,
    bounds: Option<(Bound, Bound)>,
    /// A batch had no exact bounds, so there are none.
    unknown: bool,
}

#[derive(Clone, PartialEq, PartialOrd, Debug)]
enum Bound {
    Int(i64),
    Float(f64),
    Text(String),
    /// Days since the Unix epoch.
    Date(i32),
    /// Microseconds since the Unix epoch; with a zone or without.
    Instant(i64, bool),
}

impl Statistics {
    /// Takes in a batch of the file.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()).take(COLUMNS_MAX) {
            if field.data_type().is_nested() {
                continue;
            }
            let column = self.columns.entry(field.name().clone()).or_default();
            column.nulls += array.null_count() as u64;
            if array.null_count() == array.len() {
                continue;
            }
            match (bounds(array), column.bounds.take()) {
                (None, _) => column.unknown = true,
                (Some(new), None) => column.bounds = Some(new),
                (Some((low, high)), Some((lowest, highest))) => {
                    let lowest = if low < lowest { low } else { lowest };
                    let highest = if high > highest { high } else { highest };
                    column.bounds = Some((lowest, highest));
                }
            }
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The statistics as a log shows them.
    pub(super) fn to_json(&self) -> Value {
        let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, column) in &self.columns {
            nulls.insert(name.clone(), json!(column.nulls));
            if let Some((least, greatest)) = column.bounds.as_ref().filter(|_| !column.unknown) {
                low.insert(name.clone(), shown(least, false));
                high.insert(name.clone(), shown(greatest, true));
            }
        }
        json!({ "numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls })
    }
}

fn bounds(array: &ArrayRef) -> Option<(Bound, Bound)> {
    fn of<T: ArrowPrimitiveType>(
        array: &ArrayRef,
        bound: impl Fn(T::Native) -> Bound,
    ) -> Option<(Bound, Bound)> {
        let array = array.as_primitive::<T>();
        Some((bound(min(array)?), bound(max(array)?)))
    }
    match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array, |value| Bound::Int(value.into())),
        DataType::Int16 => of::<Int16Type>(array, |value| Bound::Int(value.into())),
        DataType::Int32 => of::<Int32Type>(array, |value| Bound::Int(value.into())),
        DataType::Int64 => of::<Int64Type>(array, Bound::Int),
        DataType::Date32 => of::<Date32Type>(array, Bound::Date),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            of::<TimestampMicrosecondType>(array, |value| Bound::Instant(value, zone.is_some()))
        }
        // Readers do not agree on where NaN stands.
        DataType::Float32 if array.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite) => {
            of::<Float32Type>(array, |value| Bound::Float(value.into()))
        }
        DataType::Float64 if array.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite) => {
            of::<Float64Type>(array, Bound::Float)
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            let (low, high) = (min_string(array)?, max_string(array)?);
            let short = |text: &str| text.chars().count() <= TEXT_CHARS_MAX;
            (short(low) && short(high)).then(|| (Bound::Text(low.to_owned()), Bound::Text(high.to_owned())))
        }
        _ => None,
    }
}

/// A bound as a log shows it; null for a day that no calendar has. Instants are shown in milliseconds, so the greatest is
/// rounded up.
fn shown(bound: &Bound, greatest: bool) -> Value {
    match bound {
        Bound::Int(value) => json!(value),
        Bound::Float(value) => json!(value),
        Bound::Text(text) => json!(text),
        Bound::Date(days) => json!(date32_to_datetime(*days).map(|day| day.format("%Y-%m-%d").to_string())),
        Bound::Instant(micros, zoned) => {
            let round_up = i64::from(greatest && micros.rem_euclid(1_000) != 0);
            let instant = timestamp_ms_to_datetime(micros.div_euclid(1_000).saturating_add(round_up));
            let zone = if *zoned { "Z" } else { "" };
            json!(instant.map(|instant| format!("{}{zone}", instant.format("%Y-%m-%dT%H:%M:%S%.3f"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn bounds_and_nulls_are_those_of_all_batches() {
        let batch = |ints: Vec<Option<i32>>, texts: Vec<Option<&str>>, floats: Vec<f64>| {
            let ints: ArrayRef = Arc::new(Int32Array::from(ints));
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            let floats: ArrayRef = Arc::new(Float64Array::from(floats));
            RecordBatch::try_from_iter([("i", ints), ("t", texts), ("f", floats)]).unwrap()
        };
        let mut statistics = Statistics::default();
        statistics.add(&batch(vec![Some(4), None], vec![Some("b"), Some("a")], vec![1.5, 2.0]));
        statistics.add(&batch(vec![Some(-7)], vec![None], vec![f64::NAN]));
        assert_eq!(
            statistics.to_json(),
            json!({
                "numRecords": 3,
                "minValues": {"i": -7, "t": "a"},
                "maxValues": {"i": 4, "t": "b"},
                "nullCount": {"i": 1, "t": 1, "f": 0},
            })
        );
    }

    #[test]
    fn days_and_instants_are_written_out() {
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![19_782]));
        let instants: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_123_456]).with_timezone("UTC"));
        let mut statistics = Statistics::default();
        statistics.add(&RecordBatch::try_from_iter([("d", dates), ("ts", instants)]).unwrap());
        let json = statistics.to_json();
        assert_eq!(json["minValues"], json!({"d": "2024-02-29", "ts": "2023-11-14T22:13:20.123Z"}));
        assert_eq!(json["maxValues"], json!({"d": "2024-02-29", "ts": "2023-11-14T22:13:20.124Z"}));
    }
}
