//! The attributes of an object that a merge puts at a path. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::{
    Conflict, ConflictKind, ConflictValue, Decision, ObjectAttributes, ThreeWay, UnitKind,
};
use anabranch_types::{Entry, split_attribute};
use serde_json::json;

use crate::decisions::Decisions;
use crate::result::Carried;
use crate::state::Unit;

/// What an object is given at the path where it is put.
#[derive(Debug)]
pub(crate) struct Attributes {
    /// Those of the path; none where it has none, so that the object keeps its own.
    of_path: Option<Kept>,
    /// Those that the plugin gives.
    given: Option<ObjectAttributes>,
}

/// The attributes that the contract says for a path: `sides` are base, ours and theirs there. The error is the conflict of both sides
/// that changed them differently, where nobody decided.
pub(crate) fn merged(
    unit: &Unit,
    path: &str,
    carried: &Carried,
    sides: [Option<&Entry>; 3],
    decisions: &Decisions,
) -> Result<Attributes, Box<Conflict>> {
    let [base, ours, theirs] = sides;
    let of_path = match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(match merge(base, ours, theirs, carried) {
            Some(merged) => merged,
            None => {
                let conflict = conflict(unit, path, sides);
                let choice = decisions.about(&conflict.id()).map(|decision| decision.choice.as_str());
                match choice {
                    Some("ours") => of(ours),
                    Some("theirs") => of(theirs),
                    _ => return Err(Box::new(conflict)),
                }
            }
        }),
        (Some(side), None) | (None, Some(side)) => Some(of(side)),
        (None, None) => None,
    };
    let given = match carried {
        Carried::Given(given) => Some(given.clone()),
        Carried::ThreeWay => None,
    };
    Ok(Attributes { of_path, given })
}

impl Attributes {
    /// Gives them to an object.
    pub(crate) fn give(self, object: &mut Entry) {
        // These are of the bytes, not of the path.
        let of_bytes: Vec<_> = object
            .metadata
            .iter()
            .filter(|(name, _)| is_of_bytes(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        (object.content_type, object.metadata) = self.of_path.unwrap_or_else(|| of(object));
        if let Some(given) = self.given {
            object.content_type = given.content_type;
            object.metadata.retain(|name, _| split_attribute(name).is_some());
            object.metadata.extend(given.metadata);
        }
        object.metadata.extend(of_bytes);
    }
}

type Kept = (String, BTreeMap<String, String>);

fn is_of_bytes(name: &str) -> bool {
    split_attribute(name).is_some_and(|(kind, _)| kind.is_of_bytes())
}

fn of(entry: &Entry) -> Kept {
    let metadata = entry.metadata.iter().filter(|(name, _)| !is_of_bytes(name));
    (entry.content_type.clone(), metadata.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The three-way rule, name by name; `None` where both sides changed one differently. What the plugin gives is not
/// looked at.
fn merge(base: Option<&Entry>, ours: &Entry, theirs: &Entry, carried: &Carried) -> Option<Kept> {
    let given = matches!(carried, Carried::Given(_));
    let content_type = match given {
        true => ours.content_type.clone(),
        false => {
            let base = base.map(|entry| entry.content_type.as_str());
            pick(base, Some(&ours.content_type), Some(&theirs.content_type))?.unwrap_or_default().to_owned()
        }
    };
    let mut metadata = BTreeMap::new();
    let names: BTreeSet<&String> = ours.metadata.keys().chain(theirs.metadata.keys()).collect();
    for name in names {
        if is_of_bytes(name) || (given && split_attribute(name).is_none()) {
            continue;
        }
        let value = |entry: &'_ Entry| entry.metadata.get(name).cloned();
        let (base, ours, theirs) = (base.and_then(value), value(ours), value(theirs));
        if let Some(value) = pick(base.as_deref(), ours.as_deref(), theirs.as_deref())? {
            metadata.insert(name.clone(), value.to_owned());
        }
    }
    Some((content_type, metadata))
}

fn pick<'t>(
    base: Option<&'t str>,
    ours: Option<&'t str>,
    theirs: Option<&'t str>,
) -> Option<Option<&'t str>> {
    match (ThreeWay { base, ours, theirs }).decide(|left, right| left == right) {
        Decision::Ours => Some(ours),
        Decision::Theirs => Some(theirs),
        Decision::Conflict => None,
    }
}

fn conflict(unit: &Unit, path: &str, sides: [Option<&Entry>; 3]) -> Conflict {
    let value = |entry: Option<&Entry>| -> Option<ConflictValue> {
        let metadata =
            |entry: &Entry| entry.user_metadata().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        entry.map(|entry| {
            let metadata: BTreeMap<String, String> = metadata(entry);
            json!({ "content_type": entry.content_type, "metadata": metadata })
        })
    };
    let [base, ours, theirs] = sides;
    let full = match (unit.kind, unit.root.is_empty()) {
        (UnitKind::Object, _) => unit.root.clone(),
        (UnitKind::Folder, true) => path.to_owned(),
        (UnitKind::Folder, false) => format!("{}/{path}", unit.root),
    };
    Conflict {
        table: (unit.kind == UnitKind::Folder).then(|| unit.root.clone()),
        path: full,
        kind: ConflictKind::ObjectConflict,
        key: Some(json!("attributes")),
        column: None,
        message: "both sides changed its content type or metadata differently".into(),
        rule: "attributes".into(),
        base: value(base),
        ours: value(ours),
        theirs: value(theirs),
        choices: Conflict::sides(),
    }
}
