//! What is decided of objects and units from their changes alone. Pure.

use anabranch_types::Entry;

use super::finder::Root;
use super::model::Mode;
use super::survey::Side;
use crate::roots::TableFormat;
use crate::{Choice, Conflict, ConflictKind, ConflictValue, Decision, EntryMerge, OBJECT_CHOICE, ThreeWay};

/// Decides one object.
///
/// Entries that are equal in every field decide first, equal content second: so what is taken over does not depend
/// on where the nodes of a tree begin, and an unchanged side takes the other to the last byte.
pub(super) fn decide_entry(merge: &EntryMerge) -> Decision {
    let sides =
        ThreeWay { base: merge.base.as_ref(), ours: merge.ours.as_ref(), theirs: merge.theirs.as_ref() };
    match sides.decide(|left, right| left == right) {
        Decision::Conflict => sides.decide(|left, right| left.same_content(right)),
        decided => decided,
    }
}

/// Decides a unit whose changes are listed: it is taken whole from a side that has everything which the other changed.
/// What both changed alike counts for nobody, as it must: the walk does not show it where it is a whole subtree.
pub(super) fn decide_unit(changes: &[EntryMerge]) -> Decision {
    let all = |holds: &dyn Fn(&EntryMerge) -> bool| changes.iter().all(holds);
    if all(&|change| change.base == change.theirs || change.ours == change.theirs) {
        Decision::Ours
    } else if all(&|change| change.base == change.ours || change.ours == change.theirs) {
        Decision::Theirs
    } else if all(&EntryMerge::theirs_adds_nothing) {
        Decision::Ours
    } else if all(&EntryMerge::ours_adds_nothing) {
        Decision::Theirs
    } else {
        Decision::Conflict
    }
}

/// What a unit holds after it was taken from one side: the entry of each changed path.
pub(super) fn side_of(merge: &EntryMerge, side: Side) -> &Option<Entry> {
    match side {
        Side::Base => &merge.base,
        Side::Ours => &merge.ours,
        Side::Theirs => &merge.theirs,
    }
}

/// Who is to merge a unit that both sides changed.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Assignment {
    /// The merger of this name, because a rule says so.
    Named(String),
    /// The merger that takes this format.
    Format(TableFormat),
    /// Object by object, with the check of the logs: a client's own transaction.
    Transaction,
    /// Nobody: it is a conflict of this kind.
    Refused(ConflictKind, String),
}

/// Gives a unit to whoever merges it. `leftovers` says whether the side that lost a table's log still has objects there.
pub(super) fn assign(root: &Root, mode: Mode, leftovers: bool, labels: [&str; 2]) -> Assignment {
    let is_delta = |format: Option<TableFormat>| format == Some(TableFormat::Delta);
    if mode == Mode::ClientTransaction && (is_delta(root.ours) || is_delta(root.theirs)) {
        return Assignment::Transaction;
    }
    let named = root.rule.as_ref().filter(|rule| rule.makes_unit()).and_then(|rule| rule.merger.clone());
    let [ours_label, theirs_label] = labels;
    let gone = |label: &str, other: &str, format: TableFormat| {
        if leftovers {
            let message =
                format!("the {format} log is gone on {label} but other objects are left; {other} changed it");
            Assignment::Refused(ConflictKind::TableDamaged, message)
        } else {
            let message = format!("the {format} table was removed on {label} and changed on {other}");
            Assignment::Refused(ConflictKind::TableDeletedModified, message)
        }
    };
    let mixed = |label: &str, other: &str, format: TableFormat| {
        let message =
            format!("{label} made the folder a {format} table, and {other} changed other objects in it");
        Assignment::Refused(ConflictKind::StructureConflict, message)
    };
    match (root.base, root.ours, root.theirs) {
        (_, Some(ours), Some(theirs)) if ours != theirs => {
            let message = format!("its format is {ours} on {ours_label} and {theirs} on {theirs_label}");
            Assignment::Refused(ConflictKind::StructureConflict, message)
        }
        (Some(_), Some(format), None) => gone(theirs_label, ours_label, format),
        (Some(_), None, Some(format)) => gone(ours_label, theirs_label, format),
        (None, Some(format), None) => mixed(ours_label, theirs_label, format),
        (None, None, Some(format)) => mixed(theirs_label, ours_label, format),
        (_, Some(format), Some(_)) => named.map_or(Assignment::Format(format), Assignment::Named),
        (_, None, None) => {
            let message = "no rule names a merger for it".to_owned();
            named.map_or(Assignment::Refused(ConflictKind::StructureConflict, message), Assignment::Named)
        }
    }
}

/// The conflict for a unit that cannot be merged, with a value per side that changes when the side does.
pub(super) fn unit_conflict(
    root: &Root,
    kind: ConflictKind,
    message: String,
    changes: &[EntryMerge],
) -> Conflict {
    let value = |format: Option<TableFormat>, side: Side| {
        let mut hasher = blake3::Hasher::new();
        for change in changes {
            hasher.update(
                serde_json::json!([change.path, entry_value(side_of(change, side))]).to_string().as_bytes(),
            );
        }
        let state = hasher.finalize().to_hex().chars().take(16).collect::<String>();
        Some(serde_json::json!({ "format": format.map(|format| format.to_string()), "state": state }))
    };
    Conflict {
        table: Some(root.folder.clone()),
        path: root.folder.clone(),
        rule: kind.as_str().to_owned(),
        kind,
        key: None,
        column: None,
        message,
        base: value(root.base, Side::Base),
        ours: value(root.ours, Side::Ours),
        theirs: value(root.theirs, Side::Theirs),
        choices: sides_and_base(),
    }
}

/// The conflict of an object that both sides changed differently.
pub(super) fn object_conflict(merge: &EntryMerge, table: Option<&str>, labels: [&str; 2]) -> Conflict {
    let [ours, theirs] = labels;
    let message = match (&merge.base, &merge.ours, &merge.theirs) {
        (None, ..) => format!("added with different content on {ours} and {theirs}"),
        (Some(_), None, _) => format!("removed on {ours}, changed on {theirs}"),
        (Some(_), _, None) => format!("changed on {ours}, removed on {theirs}"),
        _ => format!("changed differently on {ours} and {theirs}"),
    };
    let kind = ConflictKind::ObjectConflict;
    let mut choices = if merge.base.is_some() { sides_and_base() } else { Conflict::sides() };
    if table.is_none() {
        // Within a table, its log says which bytes an object has.
        choices.push(object_choice());
    }
    Conflict {
        table: table.map(str::to_owned),
        path: merge.path.clone(),
        rule: kind.as_str().to_owned(),
        kind,
        key: None,
        column: None,
        message,
        base: entry_value(&merge.base),
        ours: entry_value(&merge.ours),
        theirs: entry_value(&merge.theirs),
        choices,
    }
}

/// The choices of a conflict that is resolved by taking one side whole.
pub(super) fn sides_and_base() -> Vec<Choice> {
    let mut choices = Conflict::sides();
    choices.push(Choice { id: "base".into(), label: "go back to the merge base".into() });
    choices
}

/// The choice that puts an uploaded object in place.
pub(super) fn object_choice() -> Choice {
    Choice { id: OBJECT_CHOICE.into(), label: "put an uploaded object in its place".into() }
}

/// What an entry is compared by, for people and for ids of conflicts: neither address nor time.
pub(super) fn entry_value(entry: &Option<Entry>) -> Option<ConflictValue> {
    let entry = entry.as_ref()?;
    let mut value = serde_json::json!({ "size": entry.size, "etag": entry.etag() });
    if let Some(object) = value.as_object_mut() {
        if !entry.content_type.is_empty() {
            object.insert("content_type".into(), entry.content_type.clone().into());
        }
        if !entry.metadata.is_empty() {
            object.insert("metadata".into(), serde_json::json!(entry.metadata));
        }
    }
    Some(value)
}

/// The side that the id of a choice means, for conflicts that are resolved by taking one side whole.
pub(super) fn side_of_choice(choice: &str) -> Option<Side> {
    match choice {
        "ours" => Some(Side::Ours),
        "theirs" => Some(Side::Theirs),
        "base" => Some(Side::Base),
        _ => None,
    }
}
