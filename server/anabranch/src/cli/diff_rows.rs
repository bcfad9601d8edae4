//! `anabranch diff --table`: what differs in one table, row by row.

use anabranch_api::wire::{self, RowChange, TableChange};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value};

use super::client::{Client, to_json};
use super::diff::rows_text;
use super::output::{Answer, DIFFERS, counted, shown};
use super::preview;

/// How many rows one request asks for at most.
const PAGE: usize = 1000;
/// How wide a terminal is taken to be.
const WIDTH: usize = 80;
/// How wide a key and the name of a column may be.
const KEY_MAX: usize = 24;
const COLUMN_MAX: usize = 20;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) repository: &'a str,
    pub(super) left: &'a str,
    pub(super) right: &'a str,
    pub(super) kind: &'static str,
    pub(super) table: &'a str,
    pub(super) columns: &'a [String],
    pub(super) condition: Option<&'a str>,
    pub(super) sample: Option<f64>,
    pub(super) limit: usize,
    pub(super) markdown: bool,
}

impl Asked<'_> {
    fn request(&self, client: &Client, amount: usize, after: &str) -> anyhow::Result<RequestBuilder> {
        let refs = ["refs", self.left, "diff", self.right];
        let segments =
            [&["repositories", self.repository], refs.as_slice(), &["tables", self.table]].concat();
        let (amount, sample) = (amount.to_string(), self.sample.map(|sample| sample.to_string()));
        let mut query = vec![("type", self.kind), ("amount", amount.as_str()), ("after", after)];
        query.extend(self.columns.iter().map(|column| ("columns", column.as_str())));
        query.extend(self.condition.map(|condition| ("where", condition)));
        query.extend(sample.as_deref().map(|sample| ("sample", sample)));
        Ok(client.request(Method::GET, &segments)?.query(&query))
    }
}

pub(super) async fn run(client: &Client, asked: Asked<'_>) -> anyhow::Result<Answer> {
    let mut diff: wire::TableRowDiff = client.json(asked.request(client, asked.limit.min(PAGE), "")?).await?;
    let exit_code = if differs(&diff) { DIFFERS } else { 0 };
    if asked.markdown {
        let request = asked.request(client, asked.limit.min(PAGE), "")?;
        return Ok(Answer {
            text: preview::markdown(client, request).await?,
            json: to_json(&diff)?,
            exit_code,
        });
    }
    while let Some(rows) = diff.rows.as_mut().filter(|rows| rows.pagination.has_more) {
        let missing = asked.limit.saturating_sub(rows.results.len());
        if missing == 0 {
            break;
        }
        let request = asked.request(client, missing.min(PAGE), &rows.pagination.next_offset)?;
        let Some(more) = client.json::<wire::TableRowDiff>(request).await?.rows else { break };
        rows.results.extend(more.results);
        rows.pagination = wire::Pagination { results: rows.results.len(), ..more.pagination };
    }
    while let Some(changes) = diff.changes.as_mut().filter(|changes| changes.pagination.has_more) {
        let missing = asked.limit.saturating_sub(changes.results.len());
        if missing == 0 {
            break;
        }
        let request = asked.request(client, missing.min(PAGE), &changes.pagination.next_offset)?;
        let Some(more) = client.json::<wire::TableRowDiff>(request).await?.changes else { break };
        if more.added + more.removed + more.modified > changes.added + changes.removed + changes.modified {
            // A later part of the comparison has counted more of them.
            (changes.added, changes.removed, changes.modified) = (more.added, more.removed, more.modified);
        }
        changes.complete |= more.complete;
        changes.results.extend(more.results);
        changes.pagination = wire::Pagination { results: changes.results.len(), ..more.pagination };
    }
    Ok(Answer { text: text(&diff), json: to_json(&diff)?, exit_code })
}

/// Whether the table is another one; files that hold the same rows otherwise do not count.
fn differs(diff: &wire::TableRowDiff) -> bool {
    let rows_differ = match &diff.rows {
        Some(rows) => rows.totals.added + rows.totals.removed + rows.totals.modified > 0,
        None => diff.files.added + diff.files.removed > 0 || diff.changes.is_some(),
    };
    rows_differ || diff.change != TableChange::Changed || !diff.schema.is_empty()
}

/// The diff for a terminal.
fn text(diff: &wire::TableRowDiff) -> String {
    let change = match diff.change {
        TableChange::Added => "added",
        TableChange::Removed => "removed",
        TableChange::Changed if differs(diff) => "changed",
        TableChange::Changed => "no differences",
    };
    let mut facts = vec![change.to_owned()];
    facts.extend(diff.rows.as_ref().map(|rows| rows_text(&rows.totals)));
    if diff.files.added + diff.files.removed > 0 {
        facts.push(format!("files +{} -{}", diff.files.added, diff.files.removed));
    }
    let mut text = format!("table {}: {}\n", shown(&diff.root), facts.join(", "));
    text.extend(diff.schema.iter().map(|note| format!("    {}\n", shown(note))));
    if let Some(changes) = &diff.changes {
        text.extend(changes.results.iter().map(place));
        if changes.pagination.has_more {
            let count = counted(changes.results.len() as u64, "change");
            text.push_str(&format!("{count} shown, more follow: a greater --limit shows them\n"));
        }
    } else if let Some(reason) = &diff.reason {
        text.push_str(&format!("    rows are not compared: {}\n", shown(reason)));
    }
    let Some(rows) = &diff.rows else { return text };
    if let Some(sample) = rows.sample {
        text.push_str(&format!("    a sample: about {sample} of all keys, and so are the numbers of rows\n"));
    }
    text.push_str(&table(rows));
    if rows.pagination.has_more {
        let count = counted(rows.results.len() as u64, "difference");
        text.push_str(&format!("{count} shown, more follow: a greater --limit shows them\n"));
    }
    text
}

/// A change in the words of a plugin, in one line.
fn place(change: &wire::PlaceChange) -> String {
    let mark = match change.kind.as_str() {
        "added" => '+',
        "removed" => '-',
        _ => '~',
    };
    let parts = [&change.path, &change.key];
    let place: Vec<String> =
        parts.into_iter().filter(|part| !part.is_empty()).map(|part| shown(part)).collect();
    let one = |value: &Option<Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => shown(text),
        Some(other) => shown(&other.to_string()),
    };
    let values = match (one(&change.before), one(&change.after)) {
        (before, after) if mark == '~' => format!("{before} → {after}"),
        (before, after) => before + &after,
    };
    let line = format!("{mark} {} {}  {}", shown(&change.what), place.join(" "), values);
    let cut: String = line.trim_end().chars().take(WIDTH).collect();
    if cut.len() < line.trim_end().len() { format!("{}…\n", cut.trim_end()) } else { format!("{cut}\n") }
}

/// A line of the table.
struct Line {
    mark: char,
    /// Empty on the further lines of one row.
    key: String,
    rest: Rest,
}

enum Rest {
    /// A cell of a changed row.
    Cell { column: String, before: String, after: String },
    /// What a row holds.
    Row(String),
}

fn table(rows: &wire::ChangedRows) -> String {
    let lines: Vec<Line> = rows.results.iter().flat_map(lines_of).collect();
    if lines.is_empty() {
        return String::new();
    }
    let keys = rows.keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", ");
    let cells = || {
        lines.iter().filter_map(|line| match &line.rest {
            Rest::Cell { column, before, .. } => Some((column, before)),
            Rest::Row(_) => None,
        })
    };
    let key_width = widest(lines.iter().map(|line| &line.key).chain([&keys])).min(KEY_MAX);
    let column_width = widest(cells().map(|(column, _)| column)).max("column".len()).min(COLUMN_MAX);
    let start = if key_width == 0 { 3 } else { 3 + key_width + 2 };
    let values = WIDTH.saturating_sub(start + column_width + 2);
    let before_width = widest(cells().map(|(_, before)| before)).max("before".len()).min(values / 2 - 1);
    let after_width = values.saturating_sub(before_width + 2);
    let lead = |mark: char, key: &str| match key_width {
        0 => format!("{mark}  "),
        _ => format!("{mark}  {}  ", padded(key, key_width)),
    };
    let cell = |column: &str, before: &str, after: &str| {
        let (column, before) = (padded(column, column_width), padded(before, before_width));
        format!("{column}  {before}  {}", cut(after, after_width))
    };
    let head = if cells().next().is_some() { cell("column", "before", "after") } else { "row".into() };
    let mut text = format!("{}\n", (lead(' ', &keys) + &head).trim_end());
    for Line { mark, key, rest } in &lines {
        let rest = match rest {
            Rest::Cell { column, before, after } => cell(column, before, after),
            Rest::Row(values) => cut(values, WIDTH.saturating_sub(start)),
        };
        text.push_str((lead(*mark, key) + &rest).trim_end());
        text.push('\n');
    }
    text
}

fn lines_of(row: &wire::ChangedRow) -> Vec<Line> {
    let mark = match row.change {
        RowChange::Added => '+',
        RowChange::Removed => '-',
        RowChange::Changed => '~',
    };
    let key = row.key.as_ref().map(|key| key.values().map(value).collect::<Vec<_>>().join(", "));
    let key = key.unwrap_or_default();
    if let (Some(before), Some(after)) = (&row.before, &row.after) {
        let cells = row.columns.iter().enumerate().map(|(index, column)| Line {
            mark,
            key: if index == 0 { key.clone() } else { String::new() },
            rest: Rest::Cell {
                column: shown(column),
                before: before.get(column).map(value).unwrap_or_default(),
                after: after.get(column).map(value).unwrap_or_default(),
            },
        });
        return cells.collect();
    }
    let values = row.after.as_ref().or(row.before.as_ref());
    let mut values = values.map(|values| row_text(values, row.key.as_ref())).unwrap_or_default();
    if row.copies != 1 {
        values = format!("{} copies: {values}", row.copies);
    }
    vec![Line { mark, key, rest: Rest::Row(values) }]
}

fn row_text(values: &Map<String, Value>, key: Option<&Map<String, Value>>) -> String {
    let others = values.iter().filter(|(column, _)| key.is_none_or(|key| !key.contains_key(*column)));
    others.map(|(column, one)| format!("{}={}", shown(column), value(one))).collect::<Vec<_>>().join(", ")
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a String>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// At most `width` characters; what is cut ends with `…`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn padded(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let missing = width.saturating_sub(text.chars().count());
    text + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn diff(keys: &[&str], results: Value, has_more: bool) -> wire::TableRowDiff {
        serde_json::from_value(json!({
            "format": 1, "root": "tables/stock", "change": "changed", "merger": "delta", "schema": ["column colour added"],
            "files": {"added": 2, "removed": 1}, "reason": null,
            "rows": {"keys": keys, "columns": ["id", "note", "amount"],
                "totals": {"added": 1, "removed": 1, "modified": 1, "cells": 2}, "results": results,
                "pagination": {"has_more": has_more, "next_offset": "", "results": 3, "max_per_page": 1000}},
        }))
        .unwrap()
    }

    fn row(change: &str, key: Value, columns: &[&str], before: Value, after: Value) -> Value {
        json!({"change": change, "copies": 1, "key": key, "columns": columns, "before": before, "after": after})
    }

    #[test]
    fn a_changed_row_has_a_line_for_each_cell() {
        let long = "a note that goes on and on, much further than any terminal would show it ".repeat(2);
        let before = json!({"note": "n1", "amount": 0});
        let results = json!([
            row("changed", json!({"id": 1}), &["note", "amount"], before, json!({"note": long, "amount": 5})),
            row(
                "removed",
                json!({"id": 5}),
                &[],
                json!({"id": 5, "note": "n5", "amount": null}),
                Value::Null
            ),
            row(
                "added",
                json!({"id": 1234}),
                &[],
                Value::Null,
                json!({"id": 1234, "note": long, "amount": 1})
            ),
        ]);
        let shown = text(&diff(&["id"], results, true));
        expect![[r#"
            table tables/stock: changed, rows +1 -1 ~1, files +2 -1
                column colour added
               id    column  before  after
            ~  1     note    n1      a note that goes on and on, much further than any term…
            ~        amount  0       5
            -  5     note=n5, amount=NULL
            +  1234  note=a note that goes on and on, much further than any terminal would …
            3 differences shown, more follow: a greater --limit shows them
        "#]]
        .assert_eq(&shown);
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
    }

    #[test]
    fn a_wide_table_keeps_to_the_width_of_a_terminal() {
        let wide: Map<String, Value> = (0..200)
            .map(|column| (format!("a_column_with_a_long_name_{column}"), json!("x".repeat(90))))
            .collect();
        let names: Vec<String> = wide.keys().take(3).cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let key = json!({"region": "a region with a long name", "store": "and a store"});
        let results = json!([
            row("changed", key.clone(), &names, Value::Object(wide.clone()), Value::Object(wide.clone())),
            row("added", key, &[], Value::Null, Value::Object(wide)),
        ]);
        let shown = text(&diff(&["region", "store"], results, false));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        assert_eq!(shown.lines().count(), 2 + 1 + 3 + 1, "{shown}");
    }

    #[test]
    fn without_keys_whole_rows_are_shown() {
        let mut twice = row("added", Value::Null, &[], Value::Null, json!({"id": 2, "note": "b\u{1b}"}));
        twice["copies"] = json!(2);
        let results =
            json!([row("removed", Value::Null, &[], json!({"id": 1, "note": "a"}), Value::Null), twice]);
        expect![[r#"
            table tables/stock: changed, rows +1 -1 ~1, files +2 -1
                column colour added
               row
            -  id=1, note=a
            +  2 copies: id=2, note=b�
        "#]]
        .assert_eq(&text(&diff(&[], results, false)));
    }

    #[test]
    fn other_files_with_the_same_rows_are_no_difference() {
        let mut diff = diff(&[], json!([]), false);
        diff.schema.clear();
        if let Some(rows) = &mut diff.rows {
            rows.totals = wire::RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
        }
        assert!(!differs(&diff));
        assert_eq!(text(&diff), "table tables/stock: no differences, rows +0 -0 ~0, files +2 -1\n");
        diff.rows = None;
        diff.reason = Some("the table maps its columns".into());
        assert!(differs(&diff));
    }
}
