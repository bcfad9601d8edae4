//! Between the values of the contract and those of the engine. Pure.

use std::collections::BTreeSet;

use anabranch_merge::{Choice, Conflict, ConflictKind, ConflictValue, ObjectAttributes, UnitKind};
use anabranch_types::{Entry, split_attribute};
use base64::Engine as _;
use serde_json::json;

use crate::bindings::diffs::Change;
use crate::bindings::output;
use crate::bindings::types::{self, Attributes, ChangeKind, Value};
use crate::bridge::Side;
use crate::state::{Unit, cut};

/// Names content by where it lies: no checksum that somebody could forge tells equal from different.
pub(crate) fn object_id(entry: &Entry) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.address.offset.to_le_bytes());
    hasher.update(&entry.address.length.to_le_bytes());
    hasher.update(entry.address.object.as_str().as_bytes());
    hex::encode(hasher.finalize().as_bytes().get(..16).unwrap_or_default())
}

pub(crate) fn entry(path: String, entry: &Entry) -> types::Entry {
    types::Entry { path, size: entry.size, id: object_id(entry) }
}

pub(crate) fn entry_change(change: anabranch_merge::EntryChange) -> types::EntryChange {
    let side = |side: &Option<Entry>| side.as_ref().map(|found| entry(change.path.clone(), found));
    types::EntryChange { before: side(&change.before), after: side(&change.after), path: change.path.clone() }
}

pub(crate) fn entry_merge(merge: anabranch_merge::EntryMerge) -> types::EntryMerge {
    let side = |side: &Option<Entry>| side.as_ref().map(|found| entry(merge.path.clone(), found));
    types::EntryMerge {
        base: side(&merge.base),
        ours: side(&merge.ours),
        theirs: side(&merge.theirs),
        path: merge.path.clone(),
    }
}

/// What users attached: what the server keeps beside it is no business of plugins.
pub(crate) fn attributes(entry: &Entry) -> Attributes {
    Attributes {
        content_type: entry.content_type.clone(),
        modified_ms: u64::try_from(entry.modified_ms).unwrap_or_default(),
        metadata: entry.user_metadata().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// Attributes that a plugin gives an object. The error says which are not its to give.
pub(crate) fn carried(given: Attributes, path: &str) -> Result<ObjectAttributes, String> {
    let mut attributes = ObjectAttributes { content_type: given.content_type, ..ObjectAttributes::default() };
    let wrong = |name: &str, why: &str| {
        Err(format!("it gave {:?} metadata {:?}, {why}", cut(path, 200), cut(name, 200)))
    };
    for (name, value) in given.metadata {
        if name.is_empty() || split_attribute(&name).is_some() {
            return wrong(&name, "a name that the server keeps for itself");
        }
        if attributes.metadata.insert(name.clone(), value).is_some() {
            return wrong(&name, "a name twice");
        }
    }
    Ok(attributes)
}

pub(crate) fn side(side: types::Side) -> Side {
    match side {
        types::Side::Base => Side::Base,
        types::Side::Ours => Side::Ours,
        types::Side::Theirs => Side::Theirs,
    }
}

/// A conflict as the engine lists it. `objects` are the ids of the objects that its values base, ours and theirs are
/// excerpts of: the id of a conflict must follow from what it shows, not only from where that lies. The error says what is
/// wrong with it.
pub(crate) fn conflict(
    unit: &Unit,
    what: output::Conflict,
    objects: [Option<String>; 3],
) -> Result<Conflict, String> {
    let wrong = |why: String| Err(format!("it reported a conflict that {why}"));
    let kind = match serde_json::from_value(json!(what.kind)) {
        Ok(ConflictKind::MergerFailed) | Err(_) => {
            return wrong(format!("has the kind {:?}, which is none of the list", cut(&what.kind, 100)));
        }
        Ok(ConflictKind::Plugin(kind)) if !is_plain(&kind) => {
            return wrong(format!("has the kind {:?}: letters, digits and - are taken", cut(&kind, 100)));
        }
        Ok(kind) => kind,
    };
    if what.message.is_empty() || what.rule.is_empty() {
        return wrong(format!("has no message or no rule, of kind {kind}"));
    }
    let path = match (unit.kind, what.path.as_str()) {
        (_, "") => unit.root.clone(),
        (_, path) => {
            if let Err(rule) = crate::paths::check(&unit.root, unit.kind, path) {
                return wrong(format!("is at {rule}"));
            }
            if unit.root.is_empty() { path.to_owned() } else { format!("{}/{path}", unit.root) }
        }
    };
    let choices = match choices(what.choices) {
        Ok(choices) => choices,
        Err(why) => return wrong(why),
    };
    let read = |value: Option<Value>, object| value.map(|value| shown(unit, value, object)).transpose();
    let [of_base, of_ours, of_theirs] = objects;
    let values = (read(what.base, of_base), read(what.ours, of_ours), read(what.theirs, of_theirs));
    let (base, ours, theirs) = match values {
        (Ok(base), Ok(ours), Ok(theirs)) => (base, ours, theirs),
        (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => return wrong(why),
    };
    let key = match what.key {
        none if none.is_empty() => None,
        key => Some(serde_json::from_str(&key).unwrap_or(ConflictValue::String(key))),
    };
    let table = (unit.kind == UnitKind::Folder).then(|| unit.root.clone());
    let (column, message, rule) = (what.column, what.message, what.rule);
    Ok(Conflict { table, path, kind, key, column, message, rule, base, ours, theirs, choices })
}

/// Whether a kind of a plugin's own can be shown and searched for as any other.
fn is_plain(kind: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    kind.len() <= 100 && kind.bytes().all(plain)
}

/// Notes that fit into a report. The error says how much that is.
pub(crate) fn notes(given: Vec<String>) -> Result<Vec<String>, String> {
    const NOTES_MAX: usize = 1_000;
    const BYTES_MAX: usize = 64 * 1024;
    let bytes: usize = given.iter().map(String::len).sum();
    if given.len() > NOTES_MAX || bytes > BYTES_MAX {
        return Err(format!(
            "it gave {} notes of {bytes} bytes; {NOTES_MAX} and {BYTES_MAX} at most are taken",
            given.len()
        ));
    }
    Ok(given)
}

fn choices(given: Vec<output::Choice>) -> Result<Vec<Choice>, String> {
    if given.is_empty() {
        return Ok(Conflict::sides());
    }
    let mut ids = BTreeSet::new();
    for choice in &given {
        if choice.id.is_empty() || !ids.insert(choice.id.as_str()) {
            return Err(format!("has the choice {:?} twice, or without an id", cut(&choice.id, 100)));
        }
    }
    Ok(given.into_iter().map(|choice| Choice { id: choice.id, label: choice.label }).collect())
}

/// A value as JSON; an excerpt with the id of its object, where that is known.
fn shown(unit: &Unit, value: Value, object: Option<String>) -> Result<ConflictValue, String> {
    match value {
        Value::Text(text) => Ok(text.into()),
        Value::Json(text) => serde_json::from_str(&text).map_err(|error| format!("holds no JSON: {error}")),
        Value::Bytes(bytes) => {
            Ok(json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }))
        }
        Value::Excerpt(excerpt) => {
            let path = &excerpt.path;
            crate::paths::check(&unit.root, unit.kind, path).map_err(|rule| format!("shows {rule}"))?;
            let side = match excerpt.side {
                types::Side::Base => "base",
                types::Side::Ours => "ours",
                types::Side::Theirs => "theirs",
            };
            let (offset, length) = (excerpt.offset, excerpt.length);
            let mut shown = json!({ "side": side, "path": path, "offset": offset, "length": length });
            if let (Some(object), Some(fields)) = (object, shown.as_object_mut()) {
                fields.insert("object".to_owned(), object.into());
            }
            Ok(shown)
        }
    }
}

/// A change of a diff as JSON. A value that is none of the unit's is shown as such.
pub(crate) fn change(unit: &Unit, change: Change) -> ConflictValue {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Modified => "modified",
    };
    let read = |value: Option<Value>| match value.map(|value| shown(unit, value, None)) {
        None => ConflictValue::Null,
        Some(Ok(value)) => value,
        Some(Err(why)) => json!({ "unreadable": why }),
    };
    json!({
        "kind": kind,
        "what": change.what,
        "path": change.path,
        "key": change.key,
        "before": read(change.before),
        "after": read(change.after),
    })
}

fn value_bytes(value: &Option<Value>) -> usize {
    match value {
        None => 0,
        Some(Value::Text(text) | Value::Json(text)) => text.len(),
        Some(Value::Bytes(bytes)) => bytes.len().saturating_mul(2),
        Some(Value::Excerpt(excerpt)) => excerpt.path.len().saturating_add(64),
    }
}

/// How many bytes the host keeps for attributes, about.
pub(crate) fn attribute_bytes(attributes: &ObjectAttributes) -> u64 {
    let metadata = attributes.metadata.iter().map(|(name, value)| name.len() + value.len() + 64);
    (attributes.content_type.len() + metadata.sum::<usize>()) as u64
}

/// How many bytes the host keeps for a conflict, about.
pub(crate) fn conflict_bytes(what: &output::Conflict) -> u64 {
    let choices: usize = what.choices.iter().map(|choice| choice.id.len() + choice.label.len() + 64).sum();
    let texts = what.kind.len() + what.path.len() + what.key.len() + what.message.len() + what.rule.len();
    let values = value_bytes(&what.base) + value_bytes(&what.ours) + value_bytes(&what.theirs);
    let column = what.column.as_ref().map_or(0, String::len);
    (256 + choices + texts + values + column) as u64
}

/// How many bytes the host keeps for a change, about.
pub(crate) fn change_bytes(change: &Change) -> u64 {
    let texts = change.what.len() + change.path.len() + change.key.len();
    (128 + texts + value_bytes(&change.before) + value_bytes(&change.after)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(change: impl FnOnce(&mut output::Conflict)) -> Result<Conflict, String> {
        let unit = Unit { root: "tables/orders".into(), kind: UnitKind::Folder };
        let mut what = output::Conflict {
            kind: "row-conflict".into(),
            path: "part-1.parquet".into(),
            key: r#"{"id": 7}"#.into(),
            column: Some("price".into()),
            message: "both sides changed the price".into(),
            rule: "cells".into(),
            base: Some(Value::Json("1".into())),
            ours: Some(Value::Text("2".into())),
            theirs: Some(Value::Bytes(vec![3])),
            choices: Vec::new(),
        };
        change(&mut what);
        conflict(&unit, what, [None, None, None])
    }

    #[test]
    fn a_conflict_becomes_one_of_the_engine() {
        let conflict = reported(|_| {}).unwrap();
        assert_eq!(conflict.table.as_deref(), Some("tables/orders"));
        assert_eq!(conflict.path, "tables/orders/part-1.parquet");
        assert_eq!(conflict.key, Some(json!({ "id": 7 })));
        assert_eq!(conflict.base, Some(json!(1)));
        assert_eq!(conflict.ours, Some(json!("2")));
        assert_eq!(conflict.theirs, Some(json!({ "base64": "Aw==" })));
        assert_eq!(conflict.choices, Conflict::sides());
        assert_eq!(reported(|what| what.path.clear()).unwrap().path, "tables/orders");
        assert_eq!(reported(|what| what.key = "/a/0".into()).unwrap().key, Some(json!("/a/0")));
        assert!(reported(|what| what.kind = "x-my-own".into()).is_ok());
    }

    #[test]
    fn a_conflict_that_breaks_the_contract_is_named() {
        let choice = || output::Choice { id: "a".into(), label: String::new() };
        let excerpt = |path: &str| {
            Value::Excerpt(types::Excerpt {
                side: types::Side::Ours,
                path: path.into(),
                offset: 0,
                length: 1,
            })
        };
        let refused = |change: &dyn Fn(&mut output::Conflict), expected: &str| {
            let why = reported(|what| change(what)).unwrap_err();
            assert!(why.starts_with("it reported a conflict that ") && why.contains(expected), "{why}");
        };
        refused(&|what| what.kind = "merger-failed".into(), "has the kind \"merger-failed\"");
        refused(&|what| what.kind = "of-tomorrow".into(), "has the kind \"of-tomorrow\"");
        refused(&|what| what.kind = "x-\u{7}".into(), "letters, digits and -");
        refused(&|what| what.message.clear(), "has no message or no rule");
        refused(&|what| what.rule.clear(), "has no message or no rule");
        refused(&|what| what.path = "../x".into(), "is at path \"../x\"");
        refused(&|what| what.base = Some(Value::Json("{".into())), "holds no JSON");
        refused(&|what| what.ours = Some(excerpt("/x")), "shows path \"/x\"");
        refused(&|what| what.choices = vec![choice(), choice()], "has the choice \"a\" twice");
    }

    #[test]
    fn attributes_that_the_server_keeps_are_not_a_plugins_to_give() {
        let given = |names: &[&str]| Attributes {
            content_type: "text/plain".into(),
            modified_ms: 0,
            metadata: names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect(),
        };
        assert_eq!(carried(given(&["origin"]), "a").unwrap().metadata.len(), 1);
        for (names, expected) in [
            (&["tag:team"][..], "\"tag:team\", a name that the server keeps"),
            (&["checksum:CRC32"], "a name that the server keeps"),
            (&["a", "a"], "\"a\", a name twice"),
        ] {
            let refused = carried(given(names), "a").unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
