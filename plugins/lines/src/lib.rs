//! Merges UTF-8 texts line by line: the built-in merger `text` as a plugin.

mod merge;

#[allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit/0.1", world: "merge-plugin" });
}

use bindings::anabranch::merge::diffs::{Change, Sink};
use bindings::anabranch::merge::log::{self, Level};
use bindings::anabranch::merge::output::{Choice, Conflict, ResultTree};
use bindings::anabranch::merge::snapshots::Snapshot;
use bindings::anabranch::merge::types::{ChangeKind, Failure, Side, Value};
use bindings::exports::anabranch::merge::{about, differ, merger};
use merge::Region;

/// The largest text that is merged.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How much of a text one call reads.
const READ_BYTES: u32 = 1024 * 1024;

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 67108864,
                  "description": "the largest text that is merged"}
  }
}"#;

struct Lines;

bindings::export!(Lines with_types_in bindings);

/// What goes wrong is said before it is lost: a panic itself has no words on this target.
fn speak() {
    std::panic::set_hook(Box::new(|panic| log::write(Level::Error, &panic.to_string())));
}

impl about::Guest for Lines {
    fn describe() -> about::Description {
        about::Description {
            name: "lines".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Merges texts line by line.".into(),
            claims: vec![about::Claim {
                id: "text".into(),
                unit: about::UnitKind::Object,
                patterns: vec!["*.txt".into(), "*.md".into(), "*.csv".into()],
                markers: Vec::new(),
                media_types: vec!["text/plain".into()],
                start: about::Start::ThreeWay,
            }],
            options_schema: Some(OPTIONS.into()),
        }
    }
}

/// A side that lacks the object has no text; `None` where it is not UTF-8.
fn text(side: &Snapshot, limit: u64) -> Result<Option<String>, Failure> {
    let Some(entry) = side.stat("") else { return Ok(Some(String::new())) };
    if entry.size > limit {
        let message = format!("it has {} bytes on {}; at most {limit} are read", entry.size, side.label());
        return Err(Failure { code: "limit".into(), message, path: Some(String::new()) });
    }
    let object = side.open("")?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < entry.size {
        bytes.extend(object.read(bytes.len() as u64, READ_BYTES)?);
    }
    Ok(String::from_utf8(bytes).ok())
}

/// `max-bytes` of options that fit the schema. One number in one flat object needs no JSON library.
fn bytes_max(options: &str) -> u64 {
    let after = options.split_once("\"max-bytes\"").map_or("", |(_, rest)| rest);
    let digits: String =
        after.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(BYTES_MAX)
}

impl merger::Guest for Lines {
    fn on_merge(input: merger::MergeInput) -> Result<merger::MergeOutcome, Failure> {
        speak();
        let limit = bytes_max(&input.options);
        let sides = [&input.base, &input.ours, &input.theirs];
        for side in [&input.ours, &input.theirs] {
            if side.stat("").is_none() {
                let message = format!("removed on {}, changed on the other side", side.label());
                return whole(&input.merged, sides, message);
            }
        }
        let mut texts = Vec::new();
        for side in sides {
            let Some(text) = text(side, limit)? else {
                let message = format!("it is not UTF-8 on {}", side.label());
                return whole(&input.merged, sides, message);
            };
            texts.push(text);
        }
        let [base, ours, theirs] = texts.as_slice() else { return Err(internal("three sides")) };
        let mut merged = String::with_capacity(ours.len().max(theirs.len()));
        let mut open = false;
        for region in merge::regions(base, ours, theirs) {
            match region {
                Region::Text(text) => merged.push_str(&text),
                Region::Conflict { line, base, ours, theirs } => {
                    let decision = input.merged.conflict(&lines_conflict(line, &base, &ours, &theirs))?;
                    match decision.as_ref().map(|decision| decision.choice.as_str()) {
                        Some("ours") => merged.push_str(&ours.concat()),
                        Some("theirs") => merged.push_str(&theirs.concat()),
                        Some("base") => merged.push_str(&base.concat()),
                        Some(other) => {
                            return Err(internal(&format!("the choice {other:?} was not offered")));
                        }
                        None => open = true,
                    }
                }
            }
        }
        if !open {
            let writer = input.merged.create()?;
            for chunk in merged.as_bytes().chunks(READ_BYTES as usize) {
                writer.write(chunk)?;
            }
            input.merged.put("", &writer.finish()?)?;
        }
        Ok(done())
    }
}

fn done() -> merger::MergeOutcome {
    merger::MergeOutcome { verdict: merger::Verdict::Done, rows: None, notes: Vec::new() }
}

fn internal(message: &str) -> Failure {
    Failure { code: "internal".into(), message: message.into(), path: None }
}

/// The object cannot be merged by lines: a side is taken whole.
fn whole(
    merged: &ResultTree,
    sides: [&Snapshot; 3],
    message: String,
) -> Result<merger::MergeOutcome, Failure> {
    let shown = |side: &Snapshot| {
        let entry = side.stat("")?;
        Some(Value::Json(format!(r#"{{"size":{},"id":"{}"}}"#, entry.size, entry.id)))
    };
    let [base, ours, theirs] = sides;
    let decision = merged.conflict(&Conflict {
        kind: "object-conflict".into(),
        path: String::new(),
        key: String::new(),
        column: None,
        message,
        rule: "lines".into(),
        base: shown(base),
        ours: shown(ours),
        theirs: shown(theirs),
        choices: Vec::new(),
    })?;
    match decision.as_ref().map(|decision| decision.choice.as_str()) {
        Some("ours") => merged.take("", Side::Ours)?,
        Some("theirs") => merged.take("", Side::Theirs)?,
        _ => {}
    }
    Ok(done())
}

fn lines_conflict(line: usize, base: &[String], ours: &[String], theirs: &[String]) -> Conflict {
    let line = line + 1;
    let message = match base.len() {
        0 => format!("both sides inserted different lines before line {line} of the base"),
        1 => format!("both sides changed line {line} of the base"),
        count => format!("both sides changed lines {line} to {} of the base", line + count - 1),
    };
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    Conflict {
        kind: "text-conflict".into(),
        path: String::new(),
        key: format!(r#"{{"line":{line},"lines":{}}}"#, base.len()),
        column: None,
        message,
        rule: "lines".into(),
        base: Some(Value::Text(base.concat())),
        ours: Some(Value::Text(ours.concat())),
        theirs: Some(Value::Text(theirs.concat())),
        choices: vec![
            choice("ours", "keep the destination's"),
            choice("theirs", "take the source's"),
            choice("base", "keep the lines of the merge base"),
        ],
    }
}

impl differ::Guest for Lines {
    fn on_diff(input: differ::DiffInput) -> Result<differ::DiffSummary, Failure> {
        speak();
        let limit = bytes_max(&input.options);
        let mut summary = differ::DiffSummary {
            added: 0,
            removed: 0,
            modified: 0,
            rows: None,
            complete: true,
            notes: Vec::new(),
        };
        let (Some(before), Some(after)) = (text(&input.before, limit)?, text(&input.after, limit)?) else {
            summary.notes.push("it is not UTF-8".into());
            return Ok(summary);
        };
        for (removed, at, added) in merge::changes(&before, &after) {
            summary.removed += removed.len() as u64;
            summary.added += added.len() as u64;
            emit(&input.sink, at, removed, added)?;
        }
        summary.notes.push(format!("{} lines added, {} removed", summary.added, summary.removed));
        Ok(summary)
    }
}

fn emit(sink: &Sink, at: usize, removed: Vec<String>, added: Vec<String>) -> Result<(), Failure> {
    let value = |lines: &[String]| (!lines.is_empty()).then(|| Value::Text(lines.concat()));
    let kind = match (removed.is_empty(), added.is_empty()) {
        (true, _) => ChangeKind::Added,
        (_, true) => ChangeKind::Removed,
        _ => ChangeKind::Modified,
    };
    sink.emit(&[Change {
        kind,
        what: "x-lines".into(),
        path: String::new(),
        key: format!("line {}", at + 1),
        before: value(&removed),
        after: value(&added),
    }])?;
    Ok(())
}
