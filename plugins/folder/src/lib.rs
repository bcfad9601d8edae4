//! Merges a folder as one unit, object by object. It is what a plugin for folders begins with: what only one side changed is in
//! the result already, the rest comes in pages, and no byte passes through the plugin.

use anabranch_plugin::bindings::anabranch::merge::diffs::Change;
use anabranch_plugin::bindings::anabranch::merge::output::{Choice, Conflict, ResultTree};
use anabranch_plugin::bindings::anabranch::merge::snapshots::{compare, compare_merge};
use anabranch_plugin::bindings::anabranch::merge::types::{
    ChangeKind, Entry, EntryChange, EntryMerge, Failure, Side, Value, Wish,
};
use anabranch_plugin::bindings::exports::anabranch::merge::{about, differ, merger};
use anabranch_plugin::run::speak;

/// The most entries that one page has.
const PAGE: u32 = 1_000;

struct Folder;

#[cfg(target_arch = "wasm32")]
anabranch_plugin::bindings::export_bindings!(Folder with_types_in anabranch_plugin::bindings);
// For this machine, where unit tests run, nothing is exported: the names are not those of a native library.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const _: fn() -> about::Description = <Folder as about::Guest>::describe;
    const _: fn(merger::MergeInput) -> Result<merger::MergeOutcome, Failure> =
        <Folder as merger::Guest>::on_merge;
    const _: fn(differ::DiffInput) -> Result<differ::DiffSummary, Failure> =
        <Folder as differ::Guest>::on_diff;
};

impl about::Guest for Folder {
    fn describe() -> about::Description {
        about::Description {
            name: "folder".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Merges a folder as one unit, object by object.".into(),
            claims: vec![about::Claim {
                id: "folder".into(),
                unit: about::UnitKind::Folder,
                patterns: Vec::new(),
                markers: Vec::new(),
                media_types: Vec::new(),
                start: about::Start::ThreeWay,
            }],
            options_schema: None,
        }
    }
}

impl merger::Guest for Folder {
    fn on_merge(input: merger::MergeInput) -> Result<merger::MergeOutcome, Failure> {
        speak();
        let changes = compare_merge(&input.base, &input.ours, &input.theirs, "");
        loop {
            let page = changes.next(PAGE)?;
            if page.is_empty() {
                break;
            }
            for change in page.iter().filter(|change| is_open(change)) {
                decide(&input.merged, change)?;
            }
        }
        Ok(merger::MergeOutcome { verdict: merger::Verdict::Done, rows: None, notes: Vec::new() })
    }
}

fn id(entry: &Option<Entry>) -> Option<&str> {
    entry.as_ref().map(|entry| entry.id.as_str())
}

/// Whether both sides changed the object, and differently: the rest the host has decided.
fn is_open(change: &EntryMerge) -> bool {
    let (base, ours, theirs) = (id(&change.base), id(&change.ours), id(&change.theirs));
    ours != theirs && base != ours && base != theirs
}

/// Asks people about an object, and does as they say.
fn decide(merged: &ResultTree, change: &EntryMerge) -> Result<(), Failure> {
    let Some(decision) = merged.conflict(&conflict(change))? else { return Ok(()) };
    match (decision.choice.as_str(), decision.object) {
        ("theirs", _) => merged.take(&change.path, Side::Theirs),
        ("base", _) => merged.take(&change.path, Side::Base),
        ("object", Some(object)) => merged.put(&change.path, &object),
        _ => merged.take(&change.path, Side::Ours),
    }
}

fn conflict(change: &EntryMerge) -> Conflict {
    let value =
        |entry: &Option<Entry>| entry.as_ref().map(|entry| Value::Text(format!("{} bytes", entry.size)));
    let what = match (&change.ours, &change.theirs) {
        (None, _) => "removed on the destination, changed on the source",
        (_, None) => "changed on the destination, removed on the source",
        _ => "changed differently on both sides",
    };
    let choice = |id: &str, label: &str| Choice { id: id.into(), label: label.into() };
    Conflict {
        kind: "object-conflict".into(),
        path: change.path.clone(),
        key: String::new(),
        column: None,
        message: format!("it was {what}"),
        rule: "folder".into(),
        base: value(&change.base),
        ours: value(&change.ours),
        theirs: value(&change.theirs),
        choices: vec![
            choice("ours", "keep the destination's"),
            choice("theirs", "take the source's"),
            choice("base", "go back to the merge base's"),
            choice("object", "put an uploaded object in its place"),
        ],
    }
}

impl differ::Guest for Folder {
    fn on_diff(input: differ::DiffInput) -> Result<differ::DiffSummary, Failure> {
        speak();
        let changes = compare(&input.before, &input.after, "");
        let mut summary = differ::DiffSummary {
            added: 0,
            removed: 0,
            modified: 0,
            rows: None,
            complete: true,
            notes: Vec::new(),
        };
        // Once nobody reads on, changes are still counted: that costs nearly nothing.
        let mut wanted = input.detail == differ::Detail::Changes;
        loop {
            let page = changes.next(PAGE)?;
            if page.is_empty() {
                return Ok(summary);
            }
            for change in &page {
                match kind(change) {
                    ChangeKind::Added => summary.added += 1,
                    ChangeKind::Removed => summary.removed += 1,
                    ChangeKind::Modified => summary.modified += 1,
                }
            }
            if wanted {
                let emitted: Vec<Change> = page.into_iter().map(shown).collect();
                wanted = input.sink.emit(&emitted)? == Wish::More;
            }
        }
    }
}

fn kind(change: &EntryChange) -> ChangeKind {
    match (&change.before, &change.after) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Modified,
    }
}

fn shown(change: EntryChange) -> Change {
    let value = |entry: Option<Entry>| entry.map(|entry| Value::Text(format!("{} bytes", entry.size)));
    Change {
        kind: kind(&change),
        what: "object".into(),
        path: change.path,
        key: String::new(),
        before: value(change.before),
        after: value(change.after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Option<Entry> {
        (!id.is_empty()).then(|| Entry { path: "a".into(), size: 1, id: id.into() })
    }

    #[test]
    fn only_what_both_sides_changed_differently_is_open() {
        let change = |base, ours, theirs| EntryMerge {
            path: "a".into(),
            base: entry(base),
            ours: entry(ours),
            theirs: entry(theirs),
        };
        for (base, ours, theirs, open) in [
            ("1", "2", "3", true),
            ("", "2", "3", true),
            ("1", "", "3", true),
            ("1", "2", "2", false),
            ("1", "1", "3", false),
            ("1", "2", "1", false),
            ("1", "", "", false),
        ] {
            assert_eq!(is_open(&change(base, ours, theirs)), open, "{base} {ours} {theirs}");
        }
    }

    #[test]
    fn a_conflict_says_what_happened_and_has_its_ways_out() {
        let removed = EntryMerge { path: "a".into(), base: entry("1"), ours: None, theirs: entry("2") };
        let conflict = conflict(&removed);
        assert!(conflict.message.contains("removed on the destination"), "{}", conflict.message);
        assert_eq!(conflict.choices.len(), 4);
    }
}
