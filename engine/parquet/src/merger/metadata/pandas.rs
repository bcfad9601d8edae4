//! What pandas keeps in a file: which columns are its index, and what each column was. Ours' way is kept.
//!
//! Source: "Storing pandas DataFrame Objects in Apache Arrow" of the pandas developer documentation.

use anabranch_rows::Side;
use serde_json::{Map, Value};

use super::Columns;

/// Ours' description, fitted to the columns of the merged file; none if it cannot be read.
pub(super) fn join(ours: &str, theirs: Option<&str>, columns: &Columns<'_>) -> Option<String> {
    if columns.are_ours {
        // Not a byte changes where nothing has to.
        return read(ours).map(|_| ours.to_owned());
    }
    let mut description = read(ours)?;
    let theirs = theirs.and_then(read);
    let old = entries(&description);
    let other = theirs.as_ref().map(entries).unwrap_or_default();
    let of = |from: &[Value], name: &str| from.iter().find(|entry| name_of(entry) == Some(name)).cloned();
    let mut fitted: Vec<Value> = Vec::new();
    let known = old.iter().filter_map(name_of);
    let new = other.iter().filter_map(name_of).filter(|name| of(&old, name).is_none());
    for name in known.chain(new) {
        let Some(side) = columns.from.get(name) else { continue };
        let [first, second] = if *side == Some(Side::Theirs) { [&other, &old] } else { [&old, &other] };
        fitted.extend(of(first, name).or_else(|| of(second, name)));
    }
    description.insert("columns".into(), Value::Array(fitted));
    if let Some(Value::Array(index)) = description.get_mut("index_columns") {
        // A description of a range is no column.
        index.retain(|column| column.as_str().is_none_or(|name| columns.from.contains_key(name)));
    }
    Some(Value::Object(description).to_string())
}

/// The same with as many numbers in an index that is a range as there are rows; none if nothing has to change.
pub(super) fn with_rows(text: &str, rows: u64) -> Option<String> {
    let mut description = read(text)?;
    let rows = i64::try_from(rows).ok()?;
    let mut changed = false;
    for range in description.get_mut("index_columns")?.as_array_mut()? {
        let Some(range) = range.as_object_mut().filter(|range| range.get("kind") == Some(&"range".into()))
        else {
            continue;
        };
        let number = |name: &str| range.get(name).and_then(Value::as_i64);
        let (Some(start), Some(step)) = (number("start"), number("step")) else { continue };
        let stop = start.checked_add(step.checked_mul(rows)?)?;
        if number("stop") != Some(stop) {
            range.insert("stop".into(), stop.into());
            changed = true;
        }
    }
    changed.then(|| Value::Object(description).to_string())
}

fn read(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(description)) => Some(description),
        _ => None,
    }
}

fn entries(description: &Map<String, Value>) -> Vec<Value> {
    description.get("columns").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The column of the file that an entry is about.
fn name_of(entry: &Value) -> Option<&str> {
    entry.get("field_name").or_else(|| entry.get("name"))?.as_str()
}
