//! What differs between two notebooks.

use std::collections::HashMap;

use anabranch_plugin::json::{Document, quote};
use anabranch_plugin::{Changes, DiffReport, Failure, Json, Value, sequence};

use crate::cells::{self, source};
use crate::cells_of;

pub(crate) fn diff(
    before: Option<&Document<'_>>,
    after: Option<&Document<'_>>,
    changes: &mut Changes<'_>,
) -> Result<DiffReport, Failure> {
    let was_cells = before.map(cells_of).unwrap_or_default();
    let is_cells = after.map(cells_of).unwrap_or_default();
    let [was_names, is_names] = cells::names([was_cells, is_cells]);
    let (was, is) = (by_name(&was_names, was_cells), by_name(&is_names, is_cells));
    for name in &sequence::order(&was_names, &is_names, &was_names).items {
        cell(name, was.get(name.as_str()).copied(), is.get(name.as_str()).copied(), changes)?;
    }
    let in_cells = changes.totals();
    for name in ["metadata", "nbformat", "nbformat_minor"] {
        let value = |document: Option<&'_ Document<'_>>| {
            shown(document.and_then(|document| document.root().get(name)))
        };
        let member = |document: Option<&'_ Document<'_>>, other: Option<&'_ Document<'_>>| {
            same(
                document.and_then(|document| document.root().get(name)),
                other.and_then(|other| other.root().get(name)),
            )
        };
        if !member(before, after) {
            changes.emit("metadata", format!("/{name}"), value(before), value(after))?;
        }
    }
    let note = format!(
        "{} cells added, {} removed, {} changes in cells",
        in_cells.added, in_cells.removed, in_cells.modified
    );
    Ok(DiffReport { totals: None, rows: None, notes: vec![note] })
}

fn by_name<'c>(names: &'c [String], cells: &'c [Json<'c>]) -> HashMap<&'c str, &'c Json<'c>> {
    names.iter().map(String::as_str).zip(cells).collect()
}

fn same(one: Option<&Json<'_>>, other: Option<&Json<'_>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn shown(value: Option<&Json<'_>>) -> Option<Value> {
    value.map(|value| Value::Json(value.compact()))
}

/// What differs in one cell: its source as text, and each other member.
fn cell(
    name: &str,
    was: Option<&Json<'_>>,
    is: Option<&Json<'_>>,
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    let key = format!(r#"{{"cell":{}}}"#, quote(name));
    let text = |cell: Option<&Json<'_>>| cell.map(|cell| Value::Text(source(cell).unwrap_or_default()));
    let (Some(before), Some(after)) = (was, is) else {
        return changes.emit("x-cell", key, text(was), text(is));
    };
    if source(before) != source(after) {
        changes.emit("x-cell", key, text(was), text(is))?;
    }
    let names = [before, after].map(|cell| {
        let members = cell.members().unwrap_or_default().iter();
        members.map(|member| member.name.to_string()).collect::<Vec<_>>()
    });
    let [was_names, is_names] = &names;
    for member in sequence::order(was_names, is_names, was_names).items {
        let (before, after) = (before.get(&member), after.get(&member));
        if matches!(member.as_str(), "source" | "id") || same(before, after) {
            continue;
        }
        let what =
            if matches!(member.as_str(), "outputs" | "execution_count") { "x-run" } else { "metadata" };
        let key = format!(r#"{{"cell":{},"member":{}}}"#, quote(name), quote(&member));
        changes.emit(what, key, shown(before), shown(after))?;
    }
    Ok(())
}
