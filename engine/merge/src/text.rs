//! The merger for single objects that hold lines of text. It is used where `merge.toml` names it.
//!
//! Options: `max-bytes`, the largest text that is merged (4 MiB if it is not set, at most 64 MiB).

use anabranch_types::Entry;
use async_trait::async_trait;
use bytes::Bytes;
use similar::{MergeResolution, TextMerge};

use crate::{
    Choice, Conflict, ConflictKind, DiffInput, DiffOutcome, Failure, FailureReason, MergeEdit, MergeInput,
    MergeOutcome, MergeReport, Merger, MergerDescription, ObjectAttributes, Resolution, UnitKind, UnitView,
    ViewError,
};

/// The largest text that is merged when the options do not say, in bytes.
const BYTES_MAX_DEFAULT: u64 = 4 * 1024 * 1024;
/// The largest value of `max-bytes`.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Merges UTF-8 texts line by line.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextMerger;

/// What the merge of three texts comes to. Pure.
#[derive(Clone, PartialEq, Debug)]
enum TextPlan {
    Merged(String),
    Conflicts(Vec<Conflict>),
}

/// One side of the object: its entry and text; empty where the side lacks it.
struct TextSide {
    entry: Option<Entry>,
    text: String,
}

#[async_trait]
impl Merger for TextMerger {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "text".into(), version: "1".into(), unit: UnitKind::Object }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        if let Some(edits) = input.fast_path() {
            return MergeOutcome::Merged { edits, report: MergeReport::new("text") };
        }
        match merge(&input).await {
            Ok(outcome) => outcome,
            Err(failure) => MergeOutcome::Failed(failure),
        }
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        for (name, value) in options.as_object().into_iter().flatten() {
            if name != "max-bytes" {
                return Err(format!("option {name:?} is unknown: a text takes max-bytes"));
            }
            if value.as_u64().is_none_or(|bytes| bytes == 0 || bytes > BYTES_MAX) {
                return Err(format!("option max-bytes takes a number of bytes, at most {BYTES_MAX}"));
            }
        }
        Ok(())
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        let limit = bytes_max(input.options);
        let mut before = String::new();
        let mut after = String::new();
        for (view, text) in [(input.before, &mut before), (input.after, &mut after)] {
            let Some(entry) = view.stat("").await? else { continue };
            match read(view, &entry, limit).await? {
                Some(read) => *text = read,
                None => {
                    return Ok(DiffOutcome {
                        notes: vec!["it is not UTF-8".into()],
                        ..DiffOutcome::default()
                    });
                }
            }
        }
        let (mut added, mut removed) = (0_usize, 0_usize);
        let (before, after) = (lines(&before), lines(&after));
        for op in similar::capture_diff_slices(similar::Algorithm::Myers, &before, &after) {
            if op.tag() != similar::DiffTag::Equal {
                removed += op.old_range().len();
                added += op.new_range().len();
            }
        }
        let details = Some(serde_json::json!({ "lines_added": added, "lines_removed": removed }));
        let notes = vec![format!("{added} lines added, {removed} removed")];
        Ok(DiffOutcome { notes, details, ..DiffOutcome::default() })
    }
}

async fn merge(input: &MergeInput<'_>) -> Result<MergeOutcome, Failure> {
    let limit = bytes_max(input.options);
    let report = MergeReport::new("text");
    let mut sides = Vec::with_capacity(3);
    for view in [input.base, input.ours, input.theirs] {
        let entry = view.stat("").await.map_err(failure)?;
        let text = match &entry {
            Some(entry) => read(view, entry, limit).await.map_err(failure)?,
            None => Some(String::new()),
        };
        let Some(text) = text else {
            let message = format!("it is not UTF-8 on {}", view.label());
            return Ok(MergeOutcome::Conflicts { conflicts: vec![whole(input, message)], report });
        };
        sides.push(TextSide { entry, text });
    }
    let [base, ours, theirs] = sides.as_slice() else {
        return Err(Failure { reason: FailureReason::Broken, message: "a merge has three sides".into() });
    };
    let (Some(our_entry), Some(their_entry)) = (&ours.entry, &theirs.entry) else {
        let gone = if ours.entry.is_none() { input.ours } else { input.theirs };
        let message = format!("removed on {}, changed on the other side", gone.label());
        return Ok(MergeOutcome::Conflicts { conflicts: vec![whole(input, message)], report });
    };
    let Some(attributes) = ObjectAttributes::merged(base.entry.as_ref(), our_entry, their_entry) else {
        let message = "its content type or metadata were changed differently".to_owned();
        return Ok(MergeOutcome::Conflicts { conflicts: vec![whole(input, message)], report });
    };
    match plan(input.root, &base.text, &ours.text, &theirs.text, input.resolutions) {
        TextPlan::Conflicts(conflicts) => Ok(MergeOutcome::Conflicts { conflicts, report }),
        TextPlan::Merged(text) => write(input, text, attributes, ours, theirs, report).await,
    }
}

/// Writes the merged text, unless a side already is it.
async fn write(
    input: &MergeInput<'_>,
    text: String,
    attributes: ObjectAttributes,
    ours: &TextSide,
    theirs: &TextSide,
    mut report: MergeReport,
) -> Result<MergeOutcome, Failure> {
    let is = |side: &TextSide| {
        let same = |entry: &Entry| ObjectAttributes::of(entry) == attributes;
        side.text == text && side.entry.as_ref().is_some_and(same)
    };
    let path = String::new();
    let edits = match &theirs.entry {
        _ if is(ours) => Vec::new(),
        Some(entry) if is(theirs) => vec![MergeEdit::Link { path, entry: entry.clone() }],
        _ => {
            report.bytes_written = text.len() as u64;
            let entry = input.writer.write(Bytes::from(text), attributes).await.map_err(failure)?;
            vec![MergeEdit::Put { path, entry }]
        }
    };
    Ok(MergeOutcome::Merged { edits, report })
}

fn bytes_max(options: &serde_json::Value) -> u64 {
    options.get("max-bytes").and_then(serde_json::Value::as_u64).unwrap_or(BYTES_MAX_DEFAULT).min(BYTES_MAX)
}

/// The text of an object; `None` when it is not UTF-8.
async fn read(view: &dyn UnitView, entry: &Entry, limit: u64) -> Result<Option<String>, ViewError> {
    if entry.size > limit {
        return Err(ViewError::TooLarge {
            path: String::new(),
            side: view.label().to_owned(),
            size: entry.size,
            limit,
        });
    }
    let body = view.read("", entry, 0, entry.size).await?;
    Ok(String::from_utf8(body.to_vec()).ok())
}

fn failure(error: ViewError) -> Failure {
    let reason = match &error {
        ViewError::TooLarge { .. } => FailureReason::Limit,
        ViewError::NotFound { .. } | ViewError::Storage { .. } => FailureReason::Storage,
    };
    Failure { reason, message: error.to_string() }
}

/// The conflict of an object that cannot be merged by lines.
fn whole(input: &MergeInput<'_>, message: String) -> Conflict {
    let change = input.changes.first();
    let value = |entry: Option<&Entry>| {
        entry.map(|entry| serde_json::json!({ "size": entry.size, "etag": entry.etag() }))
    };
    Conflict {
        table: None,
        path: input.root.to_owned(),
        kind: ConflictKind::ObjectConflict,
        key: None,
        column: None,
        message,
        rule: "text".into(),
        base: value(change.and_then(|change| change.base.as_ref())),
        ours: value(change.and_then(|change| change.ours.as_ref())),
        theirs: value(change.and_then(|change| change.theirs.as_ref())),
        choices: Conflict::sides(),
    }
}

/// Merges three texts. A resolution takes one side of the lines that it is about.
fn plan(root: &str, base: &str, ours: &str, theirs: &str, resolutions: &[Resolution]) -> TextPlan {
    let (base_lines, our_lines, their_lines) = (lines(base), lines(ours), lines(theirs));
    let merge = TextMerge::from_lines(base, ours, theirs);
    let mut text = String::with_capacity(ours.len().max(theirs.len()));
    let mut conflicts = Vec::new();
    for region in merge.regions() {
        let base = part(&base_lines, region.base_range());
        let ours = part(&our_lines, region.ours_range());
        let theirs = part(&their_lines, region.theirs_range());
        match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => {
                text.push_str(&ours)
            }
            MergeResolution::Theirs => text.push_str(&theirs),
            _ => {
                let conflict = lines_conflict(root, region.base_range(), [&base, &ours, &theirs]);
                match resolution_of(&conflict, resolutions) {
                    Some("ours") => text.push_str(&ours),
                    Some("theirs") => text.push_str(&theirs),
                    Some("base") => text.push_str(&base),
                    _ => conflicts.push(conflict),
                }
            }
        }
    }
    if conflicts.is_empty() {
        return TextPlan::Merged(text);
    }
    Conflict::sort(&mut conflicts);
    TextPlan::Conflicts(conflicts)
}

/// The lines of a text with their ends, split as `similar` splits them.
fn lines(text: &str) -> Vec<&str> {
    use similar::DiffableStr;
    text.tokenize_lines()
}

fn part(lines: &[&str], range: std::ops::Range<usize>) -> String {
    lines.get(range).unwrap_or_default().concat()
}

fn lines_conflict(
    root: &str,
    base_range: std::ops::Range<usize>,
    [base, ours, theirs]: [&str; 3],
) -> Conflict {
    let line = base_range.start.saturating_add(1);
    let message = match base_range.len() {
        0 => format!("both sides inserted different lines before line {line} of the base"),
        1 => format!("both sides changed line {line} of the base"),
        count => format!("both sides changed lines {line} to {} of the base", line.saturating_add(count - 1)),
    };
    let mut choices = Conflict::sides();
    choices.push(Choice { id: "base".into(), label: "keep the lines of the merge base".into() });
    Conflict {
        table: None,
        path: root.to_owned(),
        kind: ConflictKind::TextConflict,
        key: Some(serde_json::json!({ "line": line, "lines": base_range.len() })),
        column: None,
        message,
        rule: "text".into(),
        base: Some(base.into()),
        ours: Some(ours.into()),
        theirs: Some(theirs.into()),
        choices,
    }
}

fn resolution_of<'r>(conflict: &Conflict, resolutions: &'r [Resolution]) -> Option<&'r str> {
    let id = conflict.id();
    resolutions
        .iter()
        .find(|resolution| resolution.conflict == id)
        .map(|resolution| resolution.choice.as_str())
}

#[cfg(test)]
mod tests;
