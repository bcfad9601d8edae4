//! What is particular about notebooks in a merge by path.

use std::collections::BTreeSet;

use anabranch_plugin::json::{Arrays, Clash, Document, Member, Names, Pointer, Rules, quote};
use anabranch_plugin::{Conflicts, Decision, Failure, Json, lines};

use crate::cells::{source, text};

/// Members of a cell that running it changes.
const RUN: [&str; 2] = ["outputs", "execution_count"];

pub(crate) struct NotebookRules<'a> {
    documents: [Option<&'a Document<'a>>; 3],
    names: [Vec<String>; 3],
    conflicts: &'a mut dyn Conflicts,
    /// The cell that is merged just now.
    cell: Current,
    notes: BTreeSet<String>,
}

/// What is known about the cell that is merged just now.
#[derive(Default)]
struct Current {
    name: String,
    /// Who changed its source.
    by_ours: bool,
    by_theirs: bool,
}

type Values<'v> = [Option<&'v Json<'v>>; 3];

impl<'a> NotebookRules<'a> {
    pub(crate) fn new(
        documents: [Option<&'a Document<'a>>; 3],
        names: [Vec<String>; 3],
        conflicts: &'a mut dyn Conflicts,
    ) -> Self {
        Self { documents, names, conflicts, cell: Current::default(), notes: BTreeSet::new() }
    }

    /// What was decided by a rule, a sentence each.
    pub(crate) fn notes(self) -> Vec<String> {
        self.notes.into_iter().collect()
    }

    /// Remembers the cell whose members come next. A cell that one side removed and the other only ran is removed.
    fn enter(&mut self, index: &str, [base, ours, theirs]: Values<'_>) -> Option<Option<String>> {
        let [_, our_names, their_names] = &self.names;
        let names = if ours.is_some() { our_names } else { their_names };
        let name = index.parse::<usize>().ok().and_then(|index| names.get(index)).cloned();
        let changed = |side: Option<&Json>| side.and_then(source) != base.and_then(source);
        self.cell =
            Current { name: name.unwrap_or_default(), by_ours: changed(ours), by_theirs: changed(theirs) };
        let (Some(base), None, Some(kept)) = (base, ours.and(theirs), ours.or(theirs)) else { return None };
        if !only_ran(base, kept) {
            return None;
        }
        self.notes.insert(format!(
            "the cell {} was removed on one side and only run on the other: it is gone",
            self.cell.name
        ));
        Some(None)
    }

    /// Merges a source line by line.
    fn source(&mut self, values: Values<'_>) -> Result<Option<Option<String>>, Failure> {
        let [Some(base), Some(ours), Some(theirs)] =
            values.map(|value| value.map_or(Some(String::new()), text))
        else {
            return Ok(None);
        };
        let key = format!(r#"{{"cell":{},"#, quote(&self.cell.name));
        let merged =
            lines::merge_reporting([&base, &ours, &theirs], "source", self.conflicts, &|mut conflict, _| {
                conflict.key = conflict.key.replacen('{', &key, 1);
                conflict.message = format!("in the cell {} {}", self.cell.name, conflict.message);
                conflict
            })?;
        Ok(Some(Some(self.written(&merged, values))))
    }

    /// A source as ours writes it: one string, or an array with one for each line.
    fn written(&self, merged: &str, [_, ours, theirs]: Values<'_>) -> String {
        let [_, our_document, their_document] = self.documents;
        let written =
            |document: Option<&Document>, value: Option<&Json>| Some(document?.spelled(value?).to_owned());
        let sides = [(ours, written(our_document, ours)), (theirs, written(their_document, theirs))];
        let is_filled =
            |value: Option<&Json>| value.and_then(Json::elements).is_some_and(|parts| !parts.is_empty());
        if sides.iter().all(|(value, _)| value.is_some_and(|value| value.as_str().is_some())) {
            return quote(merged);
        }
        let like =
            sides.iter().find(|(value, _)| is_filled(*value)).and_then(|(_, written)| written.as_deref());
        let inside = like.and_then(|text| text.strip_prefix('[')?.strip_suffix(']')).unwrap_or_default();
        let space = |char: char| !char.is_ascii_whitespace();
        let before = inside.find(space).and_then(|end| inside.get(..end)).unwrap_or_default();
        let after = inside.rfind(space).and_then(|end| inside.get(end + 1..)).unwrap_or_default();
        let parts: Vec<String> = lines::split(merged).into_iter().map(quote).collect();
        if parts.is_empty() {
            return "[]".into();
        }
        let comma = if before.is_empty() { ", ".to_owned() } else { format!(",{before}") };
        format!("[{before}{}{after}]", parts.join(&comma))
    }

    /// Outputs, or the count of runs, that both sides changed.
    fn run(&mut self, member: &str, [_, ours, theirs]: Values<'_>) -> Option<Option<String>> {
        let spelled = |side: usize, value: Option<&Json>| {
            let document = self.documents.get(side).copied().flatten();
            Some(document?.spelled(value?).to_owned())
        };
        let name = &self.cell.name;
        let (stands, note) = match (self.cell.by_ours, self.cell.by_theirs) {
            (false, true) => (
                spelled(2, theirs),
                format!("the outputs of the cell {name} are theirs, who changed its source"),
            ),
            (true, false) => {
                (spelled(1, ours), format!("the outputs of the cell {name} are ours, who changed its source"))
            }
            (false, false) => {
                (spelled(1, ours), format!("both sides ran the cell {name}: its outputs are ours"))
            }
            (true, true) => {
                let empty = if member == "outputs" { "[]" } else { "null" };
                let note = format!(
                    "both sides changed and ran the cell {name}: its outputs are dropped, so run it again"
                );
                (Some(empty.to_owned()), note)
            }
        };
        self.notes.insert(note);
        Some(stands)
    }

    /// A number of the format that both sides raised: the higher one.
    fn higher(&self, [_, ours, theirs]: Values<'_>) -> Option<Option<String>> {
        let number = ours.and_then(Json::as_u64)?.max(theirs.and_then(Json::as_u64)?);
        Some(Some(number.to_string()))
    }
}

/// Whether a side did nothing with a cell but run it.
fn only_ran(base: &Json<'_>, side: &Json<'_>) -> bool {
    let rest = rest(side);
    let base = self::rest(base);
    base.len() == rest.len()
        && base.iter().all(|member| {
            rest.iter().any(|other| other.name == member.name && other.value.same(&member.value))
        })
}

/// The members of a cell that running it does not change.
fn rest<'c>(cell: &'c Json<'c>) -> Vec<&'c Member<'c>> {
    let members = cell.members().unwrap_or_default().iter();
    members.filter(|member| !RUN.contains(&&*member.name)).collect()
}

impl Rules for NotebookRules<'_> {
    fn names(&self, at: &Pointer, sides: [&[Json]; 3]) -> Option<Names> {
        if at.parts() == ["cells"] {
            return Some(Names { names: self.names.clone(), by_place: false });
        }
        Arrays::Items.names(sides)
    }

    fn merge(&mut self, at: &Pointer, values: [Option<&Json>; 3]) -> Result<Option<Option<String>>, Failure> {
        let parts: Vec<&str> = at.parts().iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["cells", index] => Ok(self.enter(index, values)),
            ["cells", _, "source"] => self.source(values),
            ["cells", _, member] if RUN.contains(member) => Ok(self.run(member, values)),
            ["nbformat_minor"] => Ok(self.higher(values)),
            ["metadata", "language_info", ..] => {
                let [_, ours, _] = values;
                self.notes.insert("`language_info`, which a kernel writes, is that of ours".into());
                let document = self.documents.get(1).copied().flatten();
                Ok(Some(ours.and_then(|ours| Some(document?.spelled(ours).to_owned()))))
            }
            _ => Ok(None),
        }
    }

    fn clash(&mut self, clash: &Clash<'_>) -> Result<Option<Decision>, Failure> {
        let mut conflict = clash.conflict("x-notebook-conflict", "both-changed");
        if let ["cells", _, rest @ ..] =
            clash.at.parts().iter().map(String::as_str).collect::<Vec<_>>().as_slice()
        {
            let mut inner = Pointer::default();
            rest.iter().for_each(|part| inner.push(*part));
            let name = &self.cell.name;
            conflict.key = match rest {
                [] => format!(r#"{{"cell":{}}}"#, quote(name)),
                _ => format!(r#"{{"cell":{},"at":{}}}"#, quote(name), quote(&inner.to_string())),
            };
            let what = conflict.message.split_once(' ').map_or("", |(_, what)| what);
            conflict.message = match rest {
                [] => format!("the cell {name} {what}"),
                _ => format!("in the cell {name} {inner} {what}"),
            };
        }
        self.conflicts.report(conflict)
    }
}
