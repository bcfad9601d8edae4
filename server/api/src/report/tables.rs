//! What the diff of two refs says of their tables.

use super::Described;
use super::document::{Document, Line, Section, filled, name, rows_text, text};
use crate::merges::counted;
use crate::wire::{TableChange, TableDiff, TableDiffList};

impl Described for TableDiffList {
    fn document(&self) -> Document {
        let title = vec![text("Tables of "), name(&self.right), text(" that differ from "), name(&self.left)];
        let count = counted(self.results.len() as u64, "table");
        let lines = match (self.results.is_empty(), self.pagination.has_more) {
            (true, _) => vec![vec![text("No table differs.")]],
            (false, true) => vec![vec![text(format!("This page has {count}; more follow."))]],
            (false, false) => vec![vec![text(count)]],
        };
        let tables = Section {
            heading: "Tables",
            columns: Some(&["Table", "What", "Rows", "Files", "Partitions"]),
            rows: self.results.iter().map(one_table).collect(),
        };
        let notes = self.results.iter().flat_map(|table| {
            let all = table.notes.iter().chain(&table.failure);
            all.map(|note| vec![vec![name(&table.root), text(format!(": {note}"))]])
        });
        let notes = Section { heading: "Schema and notes", columns: None, rows: notes.collect() };
        Document { title, lines, sections: filled(vec![tables, notes]) }
    }
}

/// What happened to a table, in a word.
pub(super) fn change_text(change: TableChange) -> &'static str {
    match change {
        TableChange::Added => "added",
        TableChange::Removed => "removed",
        TableChange::Changed => "changed",
    }
}

fn one_table(table: &TableDiff) -> Vec<Line> {
    let known = |words: Option<String>| vec![text(words.unwrap_or_else(|| "-".to_owned()))];
    vec![
        vec![name(&table.root)],
        vec![text(change_text(table.change))],
        known(table.rows.as_ref().map(rows_text)),
        vec![text(format!("+{} -{}", table.files_added, table.files_removed))],
        known((table.partitions_changed > 0).then(|| table.partitions_changed.to_string())),
    ]
}
