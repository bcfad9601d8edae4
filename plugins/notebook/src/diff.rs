//! What differs between two notebooks.

use std::collections::HashMap;

use anabranch_plugin::json::{self, Document, Member, quote};
use anabranch_plugin::{Changes, DiffReport, Failure, Json, Value, sequence};

use crate::cells::{self, source};

pub(crate) fn diff(
    before: Option<&Document>,
    after: Option<&Document>,
    changes: &mut Changes<'_>,
) -> Result<DiffReport, Failure> {
    let cells = |document: Option<&'_ Document>| document.map(crate::cells_of).unwrap_or_default().to_vec();
    let (was_cells, is_cells) = (cells(before), cells(after));
    let [was_names, is_names] = cells::names([&was_cells, &is_cells]);
    let (was, is) = (by_name(&was_names, &was_cells), by_name(&is_names, &is_cells));
    let order = sequence::order(&was_names, &is_names, &was_names);
    for name in &order.items {
        let (was, is) = (was.get(name.as_str()).copied(), is.get(name.as_str()).copied());
        cell(name, was, is, changes)?;
    }
    let cell_changes = changes.totals();
    rest(before, after, changes)?;
    let note = format!(
        "{} cells added, {} removed, {} changes in cells",
        cell_changes.added, cell_changes.removed, cell_changes.modified
    );
    Ok(DiffReport { totals: None, rows: None, notes: vec![note] })
}

fn by_name<'c>(names: &'c [String], cells: &'c [Json]) -> HashMap<&'c str, &'c Json> {
    names.iter().map(String::as_str).zip(cells).collect()
}

/// What differs in one cell: its source as text, and each other member.
fn cell(name: &str, was: Option<&Json>, is: Option<&Json>, changes: &mut Changes<'_>) -> Result<(), Failure> {
    let key = format!(r#"{{"cell":{}}}"#, quote(name));
    let text = |cell: Option<&Json>| cell.map(|cell| Value::Text(source(cell).unwrap_or_default()));
    let (Some(before), Some(after)) = (was, is) else {
        return changes.emit("x-cell", key, text(was), text(is));
    };
    if source(before) != source(after) {
        changes.emit("x-cell", key, text(was), text(is))?;
    }
    let members = |cell: &'_ Json| cell.members().unwrap_or_default().to_vec();
    let (before, after) = (members(before), members(after));
    let names = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>();
    for member in sequence::order(&names(&before), &names(&after), &names(&before)).items {
        if matches!(member.as_str(), "source" | "id") {
            continue;
        }
        let value = |members: &'_ [Member]| {
            members.iter().find(|other| other.name == member).map(|other| other.value.clone())
        };
        let (before, after) = (value(&before), value(&after));
        let same = match (&before, &after) {
            (Some(before), Some(after)) => before.same(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !same {
            let what = if member == "outputs" || member == "execution_count" { "x-run" } else { "metadata" };
            let key = format!(r#"{{"cell":{},"member":{}}}"#, quote(name), quote(&member));
            let shown = |value: Option<Json>| value.map(|value| Value::Json(value.compact()));
            changes.emit(what, key, shown(before), shown(after))?;
        }
    }
    Ok(())
}

/// What differs outside of the cells.
fn rest(
    before: Option<&Document>,
    after: Option<&Document>,
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    for name in ["metadata", "nbformat", "nbformat_minor"] {
        let value =
            |document: Option<&'_ Document>| document.and_then(|document| document.root().get(name)).cloned();
        let shown = |value: &Option<Json>| value.as_ref().map(|value| Value::Json(value.compact()));
        let (before, after) = (value(before), value(after));
        let same = match (&before, &after) {
            (Some(before), Some(after)) => before.same(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !same {
            let mut pointer = json::Pointer::default();
            pointer.push(name);
            changes.emit("metadata", pointer.to_string(), shown(&before), shown(&after))?;
        }
    }
    Ok(())
}
