//! Records by key.

use anabranch_plugin::json::{self, Arrays, Clash, Document, Kind, Names, Pointer, Rules, quote};
use anabranch_plugin::records::plain::{self, Ends, Line, split};
use anabranch_plugin::records::{self, Record, Row};
use anabranch_plugin::{
    Changes, Conflict, Conflicts, Decision, Failure, Json, Merged, RowTotals, Side, Value,
};

/// A record as it is written. It is read when it is needed: most records are the same on all sides.
#[derive(Clone, Debug)]
enum Entry<'t> {
    Line(Line<'t>),
    /// One that was merged.
    Merged(String, &'t str),
}

impl Entry<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Line(line) => line.text,
            Self::Merged(text, _) => text,
        }
    }

    fn end(&self) -> &str {
        match self {
            Self::Line(line) => line.end,
            Self::Merged(_, end) => end,
        }
    }

    /// What it says. It was read before, so it can be.
    fn document(&self) -> Result<Document<'_>, Failure> {
        Document::read(self.text().as_bytes())
            .map_err(|error| Failure::new("internal", format!("a record came out broken: {error}")))
    }

    fn shown(&self) -> Option<Value> {
        self.document().ok().map(|document| Value::Json(document.root().compact()))
    }
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
            || match (self.document(), other.document()) {
                (Ok(one), Ok(other)) => one.root().same(other.root()),
                _ => false,
            }
    }
}

impl Row for Entry<'_> {
    fn cells_changed(&self, other: &Self) -> u64 {
        let (Ok(before), Ok(after)) = (self.document(), other.document()) else { return 0 };
        let (before, after) = (before.root(), after.root());
        let members = |json: &Json<'_>| json.members().map_or(0, <[_]>::len);
        let kept = before.members().unwrap_or_default().iter().map(|member| {
            let other = after.get(&member.name);
            (other.is_some(), other.is_some_and(|value| value.same(&member.value)))
        });
        let (shared, same) = kept.fold((0, 0), |(shared, same), (is_shared, is_same)| {
            (shared + usize::from(is_shared), same + usize::from(is_same))
        });
        (members(before) + members(after) - shared - same) as u64
    }
}

pub(crate) fn merge(
    texts: [&str; 3],
    labels: &[String; 3],
    key: &[String],
    conflicts: &mut dyn Conflicts,
) -> Result<Merged, Failure> {
    let mut sides: [Vec<Record<Entry<'_>>>; 3] = Default::default();
    let mut ends = None;
    for (index, ((records, text), label)) in sides.iter_mut().zip(texts).zip(labels).enumerate() {
        let mut lines = match plain::rows(text) {
            Ok(lines) => lines,
            Err(why) => return Ok(Merged::Whole(format!("on {label} {why}"))),
        };
        if index == 1 {
            ends = Some(Ends::of(&lines));
        } else {
            // A record that is not ours' ends as ours' lines do.
            lines.iter_mut().for_each(|line| line.end = "");
        }
        match read(&lines, key) {
            Ok(read) => *records = read,
            Err(why) => return Ok(Merged::Whole(format!("on {label} {why}"))),
        }
    }
    let [base, ours, theirs] = &sides;
    let merged = records::merge(base, ours, theirs, &mut |key, values| record(key, values, conflicts))?;
    let lines = merged.records.iter().map(|record| (record.value.text(), record.value.end()));
    let text = ends.map(|ends| ends.write(lines)).unwrap_or_default();
    let mut notes = Vec::new();
    if merged.order_clash {
        notes.push("both sides moved records, differently: they are in the order of ours".into());
    }
    Ok(Merged::Object { bytes: text.into(), rows: Some(merged.rows), notes })
}

/// The records of an object by key. The error says which line is none.
fn read<'t>(lines: &[Line<'t>], key: &[String]) -> Result<Vec<Record<Entry<'t>>>, String> {
    let mut records = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        let record = Json::parse(line.text.as_bytes()).map_err(|error| {
            format!("line {number} is not JSON: column {}: {}", error.column, error.message)
        })?;
        let key = key_of(&record, key).map_err(|why| format!("line {number} {why}"))?;
        records.push(Record { key, value: Entry::Line(*line) });
    }
    match records::duplicate(&records) {
        Some(key) => Err(format!("two records have the key {key}")),
        None => Ok(records),
    }
}

/// The key of a record as a JSON object.
fn key_of(record: &Json<'_>, names: &[String]) -> Result<String, String> {
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
fn record<'t>(
    key: &str,
    sides: [Option<&Entry<'t>>; 3],
    conflicts: &mut dyn Conflicts,
) -> Result<Option<Entry<'t>>, Failure> {
    let [Some(base), Some(ours), Some(theirs)] = sides else { return whole(key, sides, conflicts) };
    let mut rules = Members { key, conflicts };
    let text = json::merge(Some(&base.document()?), &ours.document()?, &theirs.document()?, &mut rules)?;
    let end = match ours {
        Entry::Line(line) => line.end,
        Entry::Merged(_, end) => end,
    };
    Ok(Some(Entry::Merged(text, end)))
}

/// The conflict about a record that one side removed, or that both added.
fn whole<'t>(
    key: &str,
    sides: [Option<&Entry<'t>>; 3],
    conflicts: &mut dyn Conflicts,
) -> Result<Option<Entry<'t>>, Failure> {
    let [base, ours, theirs] = sides;
    let (kind, rule, what) = match (base, ours) {
        (None, _) => ("duplicate-key", "added-on-both", "added on both sides, differently"),
        (_, None) => ("row-conflict", "removed-and-changed", "removed on ours and changed on theirs"),
        _ => ("row-conflict", "removed-and-changed", "changed on ours and removed on theirs"),
    };
    let mut choices = vec![("ours", "keep the destination's"), ("theirs", "take the source's")];
    if base.is_some() {
        choices.push(("base", "go back to the merge base"));
    }
    let conflict = Conflict::new(kind, key, format!("the record {key} was {what}"), rule)
        .with_values(sides.map(|entry| entry.and_then(Entry::shown)))
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
    fn names(&self, _: &Pointer, sides: [&[Json]; 3]) -> Option<Names> {
        Arrays::Items.names(sides)
    }

    fn clash(&mut self, clash: &Clash<'_>) -> Result<Option<Decision>, Failure> {
        let mut conflict = clash.conflict("row-conflict", "both-changed");
        conflict.key = self.key.to_owned();
        conflict.column = Some(match clash.at.parts() {
            [name] => name.clone(),
            _ => clash.at.to_string(),
        });
        conflict.message = format!("in the record {} {}", self.key, conflict.message);
        let mut decision = self.conflicts.report_row(conflict)?;
        // A record is one line, so a value that somebody gives is one.
        if let Some(Decision { value: Some(Value::Json(text)), .. }) = &mut decision
            && let Ok(json) = Json::parse(text.as_bytes())
        {
            *text = json.compact();
        }
        Ok(decision)
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
    was: &[Record<Entry<'_>>],
    is: &[Record<Entry<'_>>],
    changes: &mut Changes<'_>,
) -> Result<RowTotals, Failure> {
    let mut rows = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    for (key, was, is) in records::pairs(was, is) {
        if was != is {
            records::count(&mut rows, was, is);
            changes.emit("row", key.as_str(), was.and_then(Entry::shown), is.and_then(Entry::shown))?;
        }
    }
    Ok(rows)
}
