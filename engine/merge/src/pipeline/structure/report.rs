//! Puts conflicts of structure into words and values. Pure.

use anabranch_types::Entry;

use super::folder::{FolderChanges, FolderClash};
use super::names::{dataset_of, is_partition};
use crate::pipeline::decide::{entry_value, sides_and_base};
use crate::{Conflict, ConflictKind, ConflictValue};

/// How many names a value lists.
const NAMES_MAX: usize = 10;

/// The names of ours and theirs.
pub(super) type Labels<'a> = [&'a str; 2];

/// The conflict of a folder whose data files both sides changed.
pub(super) fn folder_conflict(
    clash: FolderClash,
    folder: &str,
    [ours, theirs]: [&FolderChanges; 2],
    [ours_label, theirs_label]: Labels<'_>,
) -> Conflict {
    let what = if is_partition(folder) { "partition" } else { "folder" };
    let counts = format!("{ours_label}: {}; {theirs_label}: {}", counted(ours), counted(theirs));
    let by = |by_ours: bool| match by_ours {
        true => (ours_label, theirs_label),
        false => (theirs_label, ours_label),
    };
    let place = match folder {
        "" => "the repository's own folder".to_owned(),
        _ => format!("the {what} {folder}"),
    };
    let happened = match clash {
        FolderClash::Both => {
            format!("both {ours_label} and {theirs_label} overwrote data files of {place}")
        }
        FolderClash::VsAppended { by_ours } => {
            let (writer, other) = by(by_ours);
            format!("{writer} overwrote data files of {place}, and {other} appended to what it held before")
        }
        FolderClash::VsDeleted { by_ours } => {
            let (writer, other) = by(by_ours);
            format!("{writer} overwrote data files of {place} that {other} deleted")
        }
    };
    let message = format!(
        "{happened} ({counts}); keep one side's {what}, or repeat one side's change on top of the other"
    );
    let base = FolderChanges {
        removed: ours.removed.iter().chain(&theirs.removed).map(|(k, v)| (k.clone(), v.clone())).collect(),
        ..FolderChanges::default()
    };
    conflict(
        clash.rule(),
        (Some(dataset_of(folder)), folder),
        message,
        [changes_value(&base), changes_value(ours), changes_value(theirs)],
    )
}

/// The conflict of a summary that one side wrote while the other changed the data that it names.
pub(super) fn summary_conflict(
    dataset: &str,
    summary: &str,
    data: &str,
    [writer, other]: Labels<'_>,
    values: [ConflictValue; 3],
) -> Conflict {
    let message = format!(
        "{writer} wrote {summary}, which says what files the dataset has, and {other} changed others of its files, \
         such as {data}; keep one side's dataset, or remove {summary} and merge again"
    );
    conflict("summary-outdated", (Some(dataset), dataset), message, values)
}

/// The conflict of a marker that one side added over data that the other removed.
pub(super) fn marker_conflict(
    dataset: &str,
    marker: &str,
    gone: &str,
    [writer, other]: Labels<'_>,
    values: [ConflictValue; 3],
) -> Conflict {
    let message = format!(
        "{writer} wrote {marker}, which vouches for the files below its folder, and {other} removed all of {gone}; \
         keep one side's dataset, or remove {marker} and merge again"
    );
    conflict("marker-without-data", (Some(dataset), dataset), message, values)
}

/// The conflict of a path that is a file on one side and a folder on the other.
pub(super) fn file_and_folder(
    path: &str,
    [file, folder]: Labels<'_>,
    values: [ConflictValue; 3],
) -> Conflict {
    let message = format!(
        "{path} is a file on {file} and a folder on {folder}; keep one side's, or rename one of them on its branch"
    );
    conflict("file-and-folder", (None, path), message, values)
}

/// The conflict of paths that differ only by case.
pub(super) fn case_only(
    paths: &[String],
    [ours, theirs]: Labels<'_>,
    values: [ConflictValue; 3],
) -> Conflict {
    let message = format!(
        "{} differ only by case, and neither {ours} nor {theirs} has all of them; keep one side's, or rename one of them \
         on its branch",
        paths.join(" and ")
    );
    let first = paths.first().map(String::as_str).unwrap_or_default();
    conflict("case-only", (None, first), message, values)
}

fn conflict(
    rule: &str,
    (table, path): (Option<&str>, &str),
    message: String,
    [base, ours, theirs]: [ConflictValue; 3],
) -> Conflict {
    Conflict {
        table: table.map(str::to_owned),
        path: path.to_owned(),
        kind: ConflictKind::StructureConflict,
        key: None,
        column: None,
        message,
        rule: rule.to_owned(),
        base: Some(base),
        ours: Some(ours),
        theirs: Some(theirs),
        choices: sides_and_base(),
    }
}

fn counted(changes: &FolderChanges) -> String {
    let counts = [
        (changes.removed.len().saturating_add(changes.retired.len()), "removed"),
        (changes.modified.len(), "written anew"),
        (changes.added.len(), "added"),
    ];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

/// What a side did to a folder: the first names, the counts, and a hash that changes when anything does.
fn changes_value(changes: &FolderChanges) -> ConflictValue {
    let mut hasher = blake3::Hasher::new();
    let mut hash = |word: &str, name: &str, entry: Option<&Entry>| {
        let line = serde_json::json!([
            word,
            name,
            entry.cloned().as_ref().map(|entry| entry_value(&Some(entry.clone())))
        ]);
        hasher.update(line.to_string().as_bytes());
    };
    changes.removed.iter().for_each(|(name, entry)| hash("removed", name, Some(entry)));
    changes.retired.iter().for_each(|name| hash("retired", name, None));
    changes.modified.iter().for_each(|(name, (_, after))| hash("modified", name, Some(after)));
    changes.added.iter().for_each(|(name, entry)| hash("added", name, Some(entry)));
    let state = hasher.finalize().to_hex().chars().take(16).collect::<String>();
    let first = |names: &mut dyn Iterator<Item = &String>| names.take(NAMES_MAX).cloned().collect::<Vec<_>>();
    serde_json::json!({
        "removed": first(&mut changes.removed.keys().chain(&changes.retired)),
        "modified": first(&mut changes.modified.keys()),
        "added": first(&mut changes.added.keys()),
        "counts": [
            changes.removed.len().saturating_add(changes.retired.len()),
            changes.modified.len(),
            changes.added.len(),
        ],
        "state": state,
    })
}

/// The value of paths on one side: each with its entry.
pub(super) fn entries_value<'e>(
    entries: impl IntoIterator<Item = (&'e str, Option<&'e Entry>)>,
) -> ConflictValue {
    let values = entries.into_iter().map(|(path, entry)| {
        let value = entry_value(&entry.cloned()).unwrap_or(serde_json::Value::Null);
        (path.to_owned(), value)
    });
    serde_json::Value::Object(values.collect())
}
