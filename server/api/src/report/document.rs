//! What a report says, most important first, without any form yet.

use serde_json::Value;

use super::Described;
use crate::merges::counted;
use crate::time::utc;
use crate::wire::{
    Conflict, ConflictClass, Decided, MergePreview, MergeReport, MergeSummary, RowTotals, TableSummary,
    Verdict, Verification, count_conflicts,
};

/// The longest name, in characters: every path fits.
const NAME_MAX: usize = 1_024;
/// The longest sentence of a cell, in characters.
const TEXT_MAX: usize = 500;
/// The longest value of a cell, in characters.
const VALUE_MAX: usize = 120;

/// A report.
pub(crate) struct Document {
    pub(super) title: Line,
    pub(super) lines: Vec<Line>,
    pub(super) sections: Vec<Section>,
}

/// A part of a report with a heading.
pub(super) struct Section {
    pub(super) heading: &'static str,
    /// The heading of its columns; none: its rows are a list, of one cell each.
    pub(super) columns: Option<&'static [&'static str]>,
    pub(super) rows: Vec<Vec<Line>>,
}

/// Words in a line.
pub(super) type Line = Vec<Piece>;

/// A piece of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// Words.
    Text(String),
    /// A name or a value, to be shown exactly.
    Code(String),
}

pub(super) fn text(words: impl Into<String>) -> Piece {
    Piece::Text(clipped(words.into(), TEXT_MAX))
}

/// A name of the repository: the root `""` is all of it.
pub(super) fn name(name: &str) -> Piece {
    if name.is_empty() {
        text("the whole repository")
    } else {
        Piece::Code(clipped(name.to_owned(), NAME_MAX))
    }
}

pub(super) fn value(value: Option<&Value>) -> Line {
    match value {
        None => vec![text("nothing")],
        Some(Value::String(words)) => vec![Piece::Code(clipped(words.clone(), VALUE_MAX))],
        Some(value) => vec![Piece::Code(clipped(value.to_string(), VALUE_MAX))],
    }
}

fn clipped(words: String, characters: usize) -> String {
    match words.char_indices().nth(characters) {
        None => words,
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
    }
}

impl Described for MergePreview {
    fn document(&self) -> Document {
        let mut lines = Vec::new();
        match self.verdict {
            Verdict::Clean | Verdict::FastForward if !self.in_the_way.is_empty() => lines
                .push(vec![text("Nothing is published yet, and cannot be while something stands in the way.")]),
            Verdict::Clean | Verdict::FastForward => lines.push(vec![
                text("Nothing is published yet. Preview "),
                Piece::Code(self.id.clone()),
                text(format!(" can be executed until {}, as long as nothing moves.", utc(self.expires))),
            ]),
            Verdict::UpToDate => lines.push(vec![text("There is nothing to merge.")]),
            Verdict::Conflicts | Verdict::Violations => lines.push(vec![text(
                "Nothing is published. A merge session decides the conflicts one by one, a strategy all at once.",
            )]),
        }
        if self.uncommitted_on_source > 0 {
            let count = counted(self.uncommitted_on_source, "uncommitted change");
            lines.push(vec![name(&self.source), text(format!(" has {count}: only commits are merged."))]);
        }
        lines.extend(facts(&self.summary));
        let in_the_way = Section {
            heading: "Uncommitted changes of the destination stand in the way: commit or reset them first",
            columns: None,
            rows: self.in_the_way.iter().map(|path| vec![vec![name(path)]]).collect(),
        };
        let mut sections = vec![in_the_way];
        sections.extend(sections_of(&self.summary, &self.conflicts, &[]));
        let title = title(&self.source, &self.destination, self.verdict, &self.conflicts);
        Document { title, lines, sections: filled(sections) }
    }
}

impl Described for MergeReport {
    fn document(&self) -> Document {
        let mut lines = vec![match &self.commit {
            Some(commit) => vec![text("Commit "), Piece::Code(commit.clone()), text(".")],
            None => vec![text("Nothing is published yet: this is what the choices made so far come to.")],
        }];
        lines.extend(facts(&self.summary));
        let sections = sections_of(&self.summary, &self.conflicts, &self.decided);
        let title = title(&self.source, &self.destination, self.verdict, &self.conflicts);
        Document { title, lines, sections: filled(sections.into()) }
    }
}

pub(super) fn filled(mut sections: Vec<Section>) -> Vec<Section> {
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn title(source: &str, destination: &str, verdict: Verdict, conflicts: &[Conflict]) -> Line {
    let verdict = match verdict {
        Verdict::Conflicts | Verdict::Violations => count_conflicts(conflicts),
        other => other.as_str().to_owned(),
    };
    vec![text("Merge of "), name(source), text(" into "), name(destination), text(format!(": {verdict}"))]
}

/// The commits, and what it costs.
fn facts(summary: &MergeSummary) -> Vec<Line> {
    let mut commits = Vec::new();
    for (what, id) in [("ours ", &summary.ours), ("theirs ", &summary.theirs), ("merge base ", &summary.base)]
    {
        let Some(id) = id else { continue };
        let before = if commits.is_empty() { String::new() } else { ", ".to_owned() };
        commits.extend([text(before + what), Piece::Code(id.clone())]);
    }
    let sum = |of: fn(&TableSummary) -> u64| summary.tables.iter().map(of).fold(0, u64::saturating_add);
    let (added, removed) = (sum(|table| table.files_added), sum(|table| table.files_removed));
    let cost = format!(
        "{}, {} outside tables; data files +{added} -{removed}, {} written",
        counted(summary.tables.len() as u64, "table"),
        counted(summary.objects_changed, "object"),
        counted(sum(|table| table.bytes_written), "byte"),
    );
    let lines = [commits, vec![text(cost)]];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// The conflicts and violations of one class.
fn of_class(conflicts: &[Conflict], class: ConflictClass) -> Vec<Vec<Line>> {
    conflicts.iter().filter(|conflict| conflict.class == class).map(one_conflict).collect()
}

const CONFLICT_COLUMNS: &[&str] = &["Kind", "Where", "What", "Base", "Ours", "Theirs", "Choices"];

fn sections_of(summary: &MergeSummary, conflicts: &[Conflict], decided: &[Decided]) -> [Section; 5] {
    let notes = summary.tables.iter().flat_map(|table| {
        table.notes.iter().map(|note| vec![vec![name(&table.root), text(format!(": {note}"))]])
    });
    [
        Section {
            heading: "Tables",
            columns: Some(&[
                "Table",
                "Format",
                "Result",
                "How",
                "Rows",
                "Files",
                "Bytes written",
                "Verified",
            ]),
            rows: summary.tables.iter().map(one_table).collect(),
        },
        Section { heading: "Schema and notes", columns: None, rows: notes.collect() },
        Section {
            heading: "Conflicts",
            columns: Some(CONFLICT_COLUMNS),
            rows: of_class(conflicts, ConflictClass::Conflict),
        },
        Section {
            heading: "Violations",
            columns: Some(CONFLICT_COLUMNS),
            rows: of_class(conflicts, ConflictClass::Violation),
        },
        Section {
            heading: "Decided",
            columns: Some(&["Where", "Choice", "Value", "By", "When"]),
            rows: decided.iter().map(one_decided).collect(),
        },
    ]
}

fn one_table(table: &TableSummary) -> Vec<Line> {
    let format = table.format.as_deref().unwrap_or("-");
    let verified = match &table.verification {
        Verification::NotNeeded => "-".to_owned(),
        Verification::Agrees => "yes".to_owned(),
        Verification::Unverified { reason } => format!("no: {reason}"),
    };
    vec![
        vec![name(&table.root)],
        vec![text(format)],
        vec![text(&*table.decision)],
        vec![text(&*table.how)],
        vec![text(table.rows.as_ref().map_or_else(|| "-".to_owned(), rows_text))],
        vec![text(format!("+{} -{}", table.files_added, table.files_removed))],
        vec![text(table.bytes_written.to_string())],
        vec![text(verified)],
    ]
}

pub(super) fn rows_text(rows: &RowTotals) -> String {
    let cells = if rows.cells > 0 { format!(" ({})", counted(rows.cells, "cell")) } else { String::new() };
    format!("+{} -{} ~{}{cells}", rows.added, rows.removed, rows.modified)
}

fn one_conflict(conflict: &Conflict) -> Vec<Line> {
    let mut place = vec![name(&conflict.path)];
    if let Some(key) = &conflict.key {
        place.push(text(" "));
        place.extend(value(Some(key)));
    }
    if let Some(column) = &conflict.column {
        place.extend([text(" column "), name(column)]);
    }
    let choices: Vec<&str> = conflict.choices.iter().map(|choice| choice.id.as_str()).collect();
    vec![
        vec![text(&*conflict.kind)],
        place,
        vec![text(&*conflict.message)],
        value(conflict.base.as_ref()),
        value(conflict.ours.as_ref()),
        value(conflict.theirs.as_ref()),
        vec![text(choices.join(", "))],
    ]
}

fn one_decided(decided: &Decided) -> Vec<Line> {
    let value = match &decided.value {
        None => vec![text("-")],
        some => value(some.as_ref()),
    };
    vec![
        vec![name(&decided.path)],
        vec![text(&*decided.choice)],
        value,
        vec![name(&decided.by)],
        vec![text(utc(decided.date))],
    ]
}
