//! Which part of a collection is which.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use anabranch_plugin::json::Arrays;
use anabranch_plugin::sequence;

use crate::read::{Key, Kind, Node};

/// What a part of a collection is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Key(Key),
    Element(String),
}

/// Names of the parts of a collection on three sides, each once on a side: parts with one name are one. A side that lacks the
/// collection has no parts. `None`: it is one value.
pub(crate) fn names_of(sides: [Option<&Node>; 3], arrays: &Arrays) -> Option<[Vec<Name>; 3]> {
    let [_, ours, _] = sides;
    let names = match (&ours?.kind, arrays) {
        (Kind::Sequence(_), Arrays::Items) => by_place(sides)?,
        _ => {
            let mut names: [Vec<Name>; 3] = Default::default();
            for (names, side) in names.iter_mut().zip(sides) {
                *names = side.map_or(Some(Vec::new()), |node| own_names(node, arrays))?;
            }
            names
        }
    };
    let distinct = |names: &Vec<Name>| names.iter().collect::<HashSet<_>>().len() == names.len();
    names.iter().all(distinct).then_some(names)
}

/// Names that a collection has by itself.
fn own_names(node: &Node, arrays: &Arrays) -> Option<Vec<Name>> {
    match (&node.kind, arrays) {
        (Kind::Mapping(_), _) => Some(node.keys()?.into_iter().map(Name::Key).collect()),
        (Kind::Sequence(elements), Arrays::Position) => {
            Some((0..elements.len()).map(|index| Name::Element(index.to_string())).collect())
        }
        (Kind::Sequence(elements), Arrays::Key(key)) => {
            let name = |element: &Node| {
                let is_key = |(name, _): &&(Node, Node)| name.key().is_some_and(|name| name.text == *key);
                let (_, value) = element.entries().iter().find(is_key)?;
                value.key().map(|value| Name::Element(value.text))
            };
            elements.iter().map(name).collect()
        }
        _ => None,
    }
}

fn by_place(sides: [Option<&Node>; 3]) -> Option<[Vec<Name>; 3]> {
    let elements = sides.map(|side| {
        let elements = side.and_then(Node::elements).unwrap_or_default();
        elements.iter().map(|node| Element { print: print(node), node }).collect::<Vec<_>>()
    });
    let [base, ours, theirs] = &elements;
    let names = sequence::aligned_names([base, ours, theirs], &|one, other| similar(one.node, other.node))?;
    Some(names.map(|names| names.into_iter().map(Name::Element).collect()))
}

/// An element, equal to those that say the same.
struct Element<'a> {
    print: String,
    node: &'a Node,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Eq for Element<'_> {}

impl Hash for Element<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.print.hash(state);
    }
}

/// What a value says, as a text: equal texts say the same.
fn print(node: &Node) -> String {
    let inner = match &node.kind {
        Kind::Text(text) => format!("t{text:?}"),
        Kind::Plain(text) => format!("p{text:?}"),
        Kind::Alias(name) => format!("*{name:?}"),
        Kind::Sequence(elements) => format!("[{}]", elements.iter().map(print).collect::<Vec<_>>().join(",")),
        Kind::Mapping(entries) => {
            let entry = |(key, value): &(Node, Node)| format!("{}:{}", print(key), print(value));
            let mut entries: Vec<String> = entries.iter().map(entry).collect();
            entries.sort_unstable();
            format!("{{{}}}", entries.join(","))
        }
    };
    match &node.tag {
        Some(tag) => format!("{tag:?}{inner}"),
        None => inner,
    }
}

/// Whether two mappings may be states of one: at least half of what is in them is the same. Other values never may, but
/// sequences.
fn similar(one: &Node, other: &Node) -> bool {
    let (same, all) = likeness(one, other);
    2 * same >= all
}

/// How many values in two mappings are the same, and of how many; nested mappings count by what is in them.
fn likeness(one: &Node, other: &Node) -> (usize, usize) {
    match (&one.kind, &other.kind) {
        (Kind::Sequence(_), Kind::Sequence(_)) => (1, 1),
        (Kind::Mapping(entries), Kind::Mapping(others)) => {
            let (mut same, mut all, mut shared) = (0, 0, 0);
            let by_key: HashMap<Key, &Node> =
                others.iter().filter_map(|(key, value)| Some((key.key()?, value))).collect();
            for (key, value) in entries {
                let Some(other) = key.key().and_then(|key| by_key.get(&key)) else { continue };
                shared += 1;
                let (inner_same, inner_all) = match value.same(other) {
                    true => (1, 1),
                    false if other.elements().is_some() => (0, 1),
                    false => likeness(value, other),
                };
                same += inner_same;
                all += inner_all;
            }
            (same, all + entries.len().max(others.len()) - shared)
        }
        _ => (0, 1),
    }
}

/// Whether both sides changed an element, and on one side it is hardly the one of the base any more: what the other side did
/// to that is not for it.
pub(crate) fn replaced([base, ours, theirs]: [Option<&Node>; 3]) -> bool {
    let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) else { return false };
    let both_changed = !base.same(ours) && !base.same(theirs) && !ours.same(theirs);
    both_changed && !(similar(base, ours) && similar(base, theirs))
}
