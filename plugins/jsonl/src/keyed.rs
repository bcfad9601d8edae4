//! Records by key.

use anabranch_plugin::json::{self, Arrays, Clash, Document, Kind, Pointer, Rules, quote};
use anabranch_plugin::records::plain::{Ends, Line, split};
use anabranch_plugin::records::{self, Record, Row};
use anabranch_plugin::{
    Changes, Conflict, Conflicts, Decision, Failure, Json, Merged, RowTotals, Side, Value,
};

/// A record: its line and what it says.
#[derive(Clone, Debug)]
struct Entry {
    document: Document,
    end: String,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.document.root().same(other.document.root())
    }
}

impl Row for Entry {
    fn cells_changed(&self, other: &Self) -> u64 {
        let is_other = |member: &&json::Member| match other.document.root().get(&member.name) {
            Some(value) => !value.same(&member.value),
            None => true,
        };
        let changed = self.members().iter().filter(is_other).count();
        let is_new = |member: &&json::Member| self.document.root().get(&member.name).is_none();
        (changed + other.members().iter().filter(is_new).count()) as u64
    }
}

impl Entry {
    fn members(&self) -> &[json::Member] {
        self.document.root().members().unwrap_or_default()
    }
}

pub(crate) fn merge(
    texts: [&str; 3],
    labels: &[String; 3],
    key: &[String],
    conflicts: &mut dyn Conflicts,
) -> Result<Merged, Failure> {
    let mut sides: [Vec<Record<Entry>>; 3] = Default::default();
    for ((records, text), label) in sides.iter_mut().zip(texts).zip(labels) {
        match read(&split(text), key) {
            Ok(read) => *records = read,
            Err(why) => return Ok(Merged::Whole(format!("on {label} {why}"))),
        }
    }
    let [base, ours, theirs] = &mut sides;
    // A record that is not ours' ends as ours' lines do.
    for record in base.iter_mut().chain(theirs.iter_mut()) {
        record.value.end.clear();
    }
    let ends = Ends::of(&split(texts[1]));
    let merged = records::merge(base, ours, theirs, &mut |key, values| record(key, values, conflicts))?;
    let lines = merged.records.iter().map(|record| (record.value.document.text(), record.value.end.as_str()));
    let mut notes = Vec::new();
    if merged.order_clash {
        notes.push("both sides moved records, differently: they are in the order of ours".into());
    }
    Ok(Merged::Object { bytes: ends.write(lines).into(), rows: Some(merged.rows), notes })
}

/// The records of an object by key. The error says which line is none.
fn read(lines: &[Line<'_>], key: &[String]) -> Result<Vec<Record<Entry>>, String> {
    let mut records = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        let document = Document::read(line.text.as_bytes()).map_err(|error| {
            format!("line {number} is not JSON: column {}: {}", error.column, error.message)
        })?;
        let key = key_of(document.root(), key).map_err(|why| format!("line {number} {why}"))?;
        records.push(Record { key, value: Entry { document, end: line.end.to_owned() } });
    }
    match records::duplicate(&records) {
        Some(key) => Err(format!("two records have the key {key}")),
        None => Ok(records),
    }
}

/// The key of a record as a JSON object.
fn key_of(record: &Json, names: &[String]) -> Result<String, String> {
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        match record.get(name) {
            Some(value) if !matches!(value.kind(), Kind::Array(_) | Kind::Object(_)) => {
                parts.push(format!("{}:{}", quote(name), value.compact()));
            }
            Some(_) => return Err(format!("has a key member {name:?} that is an array or object")),
            None => return Err(format!("has no member {name:?}, which the option key names")),
        }
    }
    Ok(format!("{{{}}}", parts.join(",")))
}

/// Merges a record that both sides changed.
fn record(
    key: &str,
    sides: [Option<&Entry>; 3],
    conflicts: &mut dyn Conflicts,
) -> Result<Option<Entry>, Failure> {
    let [Some(base), Some(ours), Some(theirs)] = sides else { return whole(key, sides, conflicts) };
    let mut rules = Members { key, conflicts };
    let text = json::merge(Some(&base.document), &ours.document, &theirs.document, &mut rules)?;
    let document = Document::read(text.as_bytes())
        .map_err(|error| Failure::new("internal", format!("the record {key} came out broken: {error}")))?;
    Ok(Some(Entry { document, end: ours.end.clone() }))
}

/// The conflict about a record that one side removed, or that both added.
fn whole(
    key: &str,
    sides: [Option<&Entry>; 3],
    conflicts: &mut dyn Conflicts,
) -> Result<Option<Entry>, Failure> {
    let [base, ours, theirs] = sides;
    let (kind, rule, what) = match (base, ours) {
        (None, _) => ("duplicate-key", "added-on-both", "added on both sides, differently"),
        (_, None) => ("row-conflict", "removed-and-changed", "removed on ours and changed on theirs"),
        _ => ("row-conflict", "removed-and-changed", "changed on ours and removed on theirs"),
    };
    let shown = |entry: Option<&Entry>| entry.map(|entry| Value::Json(entry.document.root().compact()));
    let mut choices = vec![("ours", "keep the destination's"), ("theirs", "take the source's")];
    if base.is_some() {
        choices.push(("base", "go back to the merge base"));
    }
    let conflict = Conflict::new(kind, key, format!("the record {key} was {what}"), rule)
        .with_values(sides.map(shown))
        .with_choices(&choices);
    let Some(decision) = conflicts.report_row(conflict)? else { return Ok(ours.cloned()) };
    match decision.side() {
        Some(Side::Ours) => Ok(ours.cloned()),
        Some(Side::Theirs) => Ok(theirs.cloned()),
        Some(Side::Base) => Ok(base.cloned()),
        None => Err(decision.unknown()),
    }
}

/// The members of one record, merged by path.
struct Members<'a> {
    key: &'a str,
    conflicts: &'a mut dyn Conflicts,
}

impl Rules for Members<'_> {
    fn names(&self, _: &Pointer, _: Side, elements: &[Json]) -> Option<Vec<String>> {
        Arrays::Whole.names(elements)
    }

    fn clash(&mut self, clash: &Clash<'_>) -> Result<Option<Decision>, Failure> {
        let mut conflict = clash.conflict("row-conflict", "both-changed");
        conflict.key = self.key.to_owned();
        conflict.column = Some(match clash.at.parts() {
            [name] => name.clone(),
            _ => clash.at.to_string(),
        });
        conflict.message = format!("in the record {} {}", self.key, conflict.message);
        self.conflicts.report_row(conflict)
    }
}

/// Compares the records of two states by key. The outer error says why there are no keys.
pub(crate) fn diff(
    before: &str,
    after: &str,
    key: &[String],
    changes: &mut Changes<'_>,
) -> Result<Result<RowTotals, Failure>, String> {
    let was = read(&split(before), key).map_err(|why| format!("before, {why}"))?;
    let is = read(&split(after), key).map_err(|why| format!("after, {why}"))?;
    Ok(emit(&was, &is, changes))
}

fn emit(
    was: &[Record<Entry>],
    is: &[Record<Entry>],
    changes: &mut Changes<'_>,
) -> Result<RowTotals, Failure> {
    let mut rows = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    let shown = |entry: Option<&Entry>| entry.map(|entry| Value::Json(entry.document.root().compact()));
    for (key, was, is) in records::pairs(was, is) {
        if was != is {
            records::count(&mut rows, was, is);
            changes.emit("row", key, shown(was), shown(is))?;
        }
    }
    Ok(rows)
}
