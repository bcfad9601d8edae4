//! What the diff of a table says, row by row: keys first, then what changed.

use serde_json::{Map, Value};

use super::Described;
use super::document::{Document, Line, Section, filled, name, rows_text, text, value};
use super::tables::change_text;
use crate::merges::counted;
use crate::wire::{
    ChangedRow, ChangedRows, PartitionDiff, PlaceChange, PlaceChanges, RowChange, TableRowDiff,
};

/// How many values of a row are shown; wider rows are cut.
const VALUES_MAX: usize = 12;

impl Described for TableRowDiff {
    fn document(&self) -> Document {
        let title = vec![text("Table "), name(&self.root), text(format!(" {}", change_text(self.change)))];
        let notes = self.schema.iter().map(|note| vec![vec![text(&**note)]]).collect();
        let mut sections = vec![Section { heading: "Schema and notes", columns: None, rows: notes }];
        if let Some(rows) = &self.rows {
            sections.extend(rows_by_change(rows));
        }
        if let Some(changes) = &self.changes {
            sections.push(Section {
                heading: "Changes",
                columns: Some(&["Change", "Where", "Before → after"]),
                rows: changes.results.iter().map(one_place).collect(),
            });
        }
        sections.push(Section {
            heading: "Partitions",
            columns: Some(&["Partition", "Files", "Rows of these files"]),
            rows: self.partitions.results.iter().map(one_partition).collect(),
        });
        Document { title, lines: facts(self), sections: filled(sections) }
    }
}

fn facts(diff: &TableRowDiff) -> Vec<Line> {
    let files = format!("data files +{} -{}", diff.files.added, diff.files.removed);
    if let (None, Some(changes)) = (&diff.rows, &diff.changes) {
        let PlaceChanges { added, removed, modified, complete, .. } = changes;
        let mut lines = vec![vec![text(format!("changes +{added} -{removed} ~{modified}"))]];
        if !complete {
            lines.push(vec![text("There are more of them than were counted.")]);
        }
        if changes.pagination.has_more {
            let count = counted(changes.results.len() as u64, "change");
            lines.push(vec![text(format!("This page has {count}; more follow."))]);
        }
        return lines;
    }
    let Some(rows) = &diff.rows else {
        let reason = diff.reason.as_deref().unwrap_or("nobody knows why");
        return vec![vec![text(files)], vec![text(format!("Rows are not compared: {reason}"))]];
    };
    let mut lines = vec![vec![text(format!("rows {}, {files}", rows_text(&rows.totals)))]];
    if rows.keys.is_empty() {
        let why = "No keys are set for this table, so a row that changed is one removed and one added.";
        lines.push(vec![text(why)]);
    }
    if let Some(condition) = &rows.r#where {
        lines.push(vec![text("Only changes of rows where "), name(condition)]);
    }
    if let Some(sample) = rows.sample {
        lines.push(vec![text(format!(
            "A sample: about {sample} of all keys. The numbers are those of the sample."
        ))]);
    }
    if rows.pagination.has_more {
        let count = counted(rows.results.len() as u64, "difference");
        lines.push(vec![text(format!("This page has {count}; more follow."))]);
    }
    lines
}

fn one_place(change: &PlaceChange) -> Vec<Line> {
    let place: Vec<&str> =
        [&change.path, &change.key].into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let mut values = Line::new();
    values.extend(value(change.before.as_ref()));
    values.push(text(" → "));
    values.extend(value(change.after.as_ref()));
    let place = if place.is_empty() { vec![text("all of it")] } else { vec![name(&place.join(" "))] };
    vec![vec![text(format!("{} {}", change.what, change.kind))], place, values]
}

fn one_partition(partition: &PartitionDiff) -> Vec<Line> {
    let values = partition.values.iter().map(|(column, one)| {
        let one = one.as_ref().map(|text| Value::String(text.clone())).unwrap_or_default();
        let mut piece = vec![name(column), text(" ")];
        piece.extend(value(Some(&one)));
        piece
    });
    let files = format!("+{} -{}", partition.files.added, partition.files.removed);
    let rows = partition.rows.as_ref().map(|rows| format!("+{} -{}", rows.added, rows.removed));
    vec![joined(values.collect()), vec![text(files)], vec![text(rows.unwrap_or_else(|| "-".to_owned()))]]
}

fn rows_by_change(rows: &ChangedRows) -> [Section; 3] {
    let section = |heading, columns, change| Section {
        heading,
        columns: Some(columns),
        rows: rows.results.iter().filter(|row| row.change == change).map(one_row).collect(),
    };
    [
        section("Changed rows", &["Row", "Before → after"], RowChange::Changed),
        section("Removed rows", &["Row", "Values"], RowChange::Removed),
        section("Added rows", &["Row", "Values"], RowChange::Added),
    ]
}

fn one_row(row: &ChangedRow) -> Vec<Line> {
    let mut first = match &row.key {
        Some(key) => pairs(key.iter()),
        None => Vec::new(),
    };
    if row.copies != 1 {
        let before = if first.is_empty() { "" } else { " " };
        first.push(text(format!("{before}({} copies)", row.copies)));
    }
    let second = match (&row.before, &row.after) {
        (Some(before), Some(after)) => changes(&row.columns, before, after),
        (Some(values), None) | (None, Some(values)) => {
            let is_key = |column: &str| row.key.as_ref().is_some_and(|key| key.contains_key(column));
            pairs(values.iter().filter(|(column, _)| !is_key(column)))
        }
        (None, None) => Vec::new(),
    };
    vec![first, second]
}

/// Columns with their values; as many as are read.
fn pairs<'a>(values: impl Iterator<Item = (&'a String, &'a Value)>) -> Line {
    let each = values.map(|(column, one)| {
        let mut piece = vec![name(column), text(" ")];
        piece.extend(value(Some(one)));
        piece
    });
    joined(each.collect())
}

fn changes(columns: &[String], before: &Map<String, Value>, after: &Map<String, Value>) -> Line {
    let each = columns.iter().map(|column| {
        let mut piece = vec![name(column), text(" ")];
        piece.extend(value(before.get(column)));
        piece.push(text(" → "));
        piece.extend(value(after.get(column)));
        piece
    });
    joined(each.collect())
}

fn joined(parts: Vec<Line>) -> Line {
    let hidden = parts.len().saturating_sub(VALUES_MAX);
    let mut line = Line::new();
    for part in parts.into_iter().take(VALUES_MAX) {
        if !line.is_empty() {
            line.push(text(", "));
        }
        line.extend(part);
    }
    if hidden > 0 {
        line.push(text(format!(", and {}", counted(hidden as u64, "more column"))));
    }
    line
}
