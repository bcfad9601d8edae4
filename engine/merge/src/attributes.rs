//! The attributes of an object that a merger puts in the place of ours. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_types::{Entry, split_attribute};

use crate::{Decision, ThreeWay};

/// Attributes of a new object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectAttributes {
    /// The media type; empty for the storage's default.
    pub content_type: String,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
}

impl ObjectAttributes {
    /// Those of an object, without what says something of its bytes alone.
    pub fn of(entry: &Entry) -> ObjectAttributes {
        let is_of_bytes = |name: &str| split_attribute(name).is_some_and(|(kind, _)| kind.is_of_bytes());
        let metadata = entry.metadata.iter().filter(|(name, _)| !is_of_bytes(name));
        ObjectAttributes {
            content_type: entry.content_type.clone(),
            metadata: metadata.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// Those of an object with merged bytes: the three-way rule, name by name; `None` where both sides changed one
    /// differently.
    pub fn merged(base: Option<&Entry>, ours: &Entry, theirs: &Entry) -> Option<ObjectAttributes> {
        let (base, ours, theirs) = (base.map(Self::of), Self::of(ours), Self::of(theirs));
        let content_type = base.as_ref().map(|base| &base.content_type);
        let content_type = pick(content_type, Some(&ours.content_type), Some(&theirs.content_type))?;
        let names: BTreeSet<&String> = ours.metadata.keys().chain(theirs.metadata.keys()).collect();
        let mut metadata = BTreeMap::new();
        for name in names {
            let value = base.as_ref().and_then(|base| base.metadata.get(name));
            let value = pick(value, ours.metadata.get(name), theirs.metadata.get(name))?;
            metadata.extend(value.map(|value| (name.clone(), value)));
        }
        Some(ObjectAttributes { content_type: content_type.unwrap_or_default(), metadata })
    }
}

/// The value by the three-way rule; the outer `None`: there is none.
fn pick(base: Option<&String>, ours: Option<&String>, theirs: Option<&String>) -> Option<Option<String>> {
    match (ThreeWay { base, ours, theirs }).decide(|left, right| left == right) {
        Decision::Ours => Some(ours.cloned()),
        Decision::Theirs => Some(theirs.cloned()),
        Decision::Conflict => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::MemoryObjects;

    fn entry(content_type: &str, metadata: &[(&str, &str)]) -> Entry {
        let metadata = metadata.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let attributes = ObjectAttributes { content_type: content_type.into(), metadata };
        MemoryObjects::new().put("body", 0, attributes)
    }

    #[test]
    fn attributes_are_merged_name_by_name() {
        let base = entry("text/plain", &[("a", "1"), ("b", "1"), ("checksum:crc32", "x")]);
        let ours = entry("text/plain", &[("a", "2"), ("b", "1"), ("checksum:crc32", "y")]);
        let theirs = entry("text/markdown", &[("a", "1"), ("c", "3"), ("checksum:crc32", "z")]);
        let merged = ObjectAttributes::merged(Some(&base), &ours, &theirs).unwrap();
        assert_eq!(merged, ObjectAttributes::of(&entry("text/markdown", &[("a", "2"), ("c", "3")])));
        let other = entry("text/plain", &[("a", "3"), ("b", "1")]);
        assert_eq!(ObjectAttributes::merged(Some(&base), &ours, &other), None);
    }
}
