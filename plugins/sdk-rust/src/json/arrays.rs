//! Which element of an array is which.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::{Json, Kind};
use crate::{Failure, sequence};

/// How the elements of two arrays are told to be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrays {
    /// Elements that are equal, or stand in the place of one: see [`sequence::align`].
    Items,
    /// An array is one value.
    Whole,
    /// Elements at the same position.
    Position,
    /// Objects with the same value of this member.
    Key(String),
}

impl Arrays {
    /// What the options `arrays` (`items`, `whole`, `position`, `key`) and `key` say; `key` alone is enough.
    ///
    /// # Errors
    ///
    /// They contradict each other.
    pub fn of(options: &Json<'_>) -> Result<Self, Failure> {
        let key = options.get("key").and_then(Json::as_str);
        match (options.get("arrays").and_then(Json::as_str), key) {
            (Some("key") | None, Some(key)) => Ok(Self::Key(key.to_owned())),
            (Some("key"), None) => Ok(Self::Key("id".to_owned())),
            (Some(other), Some(_)) => {
                Err(Failure::new("bad-options", format!("`key` says nothing with `arrays = {other:?}`")))
            }
            (Some("position"), None) => Ok(Self::Position),
            (Some("whole"), None) => Ok(Self::Whole),
            _ => Ok(Self::Items),
        }
    }

    /// Names of the elements on the three sides; `None` where the array has to be taken whole.
    pub fn names(&self, sides: [&[Json]; 3]) -> Option<Names> {
        let named = |name: &dyn Fn(usize, &Json) -> Option<String>| {
            let mut names: [Vec<String>; 3] = Default::default();
            for (names, elements) in names.iter_mut().zip(sides) {
                *names = elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| name(index, element))
                    .collect::<Option<_>>()?;
            }
            Some(Names { names, by_place: false })
        };
        match self {
            Self::Whole => None,
            Self::Position => named(&|index, _| Some(index.to_string())),
            Self::Key(key) => named(&|_, element| match element.get(key)?.kind() {
                Kind::Array(_) | Kind::Object(_) | Kind::Null => None,
                _ => Some(element.get(key)?.compact()),
            }),
            Self::Items => {
                let elements = sides.map(|side| side.iter().map(Element).collect::<Vec<_>>());
                let [base, ours, theirs] = &elements;
                let names =
                    sequence::aligned_names([base, ours, theirs], &|one, other| similar(one.0, other.0))?;
                Some(Names { names, by_place: true })
            }
        }
    }
}

/// Names of elements on base, ours and theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Elements with one name are one.
    pub names: [Vec<String>; 3],
    /// The names come from places: an element may have been replaced by another. Where both sides changed one that is hardly the
    /// same any more, it is not merged inside.
    pub by_place: bool,
}

impl Names {
    pub(super) fn are_distinct(&self) -> bool {
        self.names.iter().all(|names| names.iter().collect::<HashSet<_>>().len() == names.len())
    }
}

/// An element, equal to those that say the same.
struct Element<'a>(&'a Json<'a>);

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(other.0)
    }
}

impl Eq for Element<'_> {}

impl Hash for Element<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

/// Whether two objects may be states of one: at least half of what is in them is the same. Other values never may, but arrays.
pub(super) fn similar(one: &Json<'_>, other: &Json<'_>) -> bool {
    let (same, all) = likeness(one, other);
    2 * same >= all
}

/// How many values in two objects are the same, and of how many; nested objects count by what is in them.
fn likeness(one: &Json<'_>, other: &Json<'_>) -> (usize, usize) {
    match (one.kind(), other.kind()) {
        (Kind::Array(_), Kind::Array(_)) => (1, 1),
        (Kind::Object(members), Kind::Object(others)) => {
            let (mut same, mut all, mut shared) = (0, 0, 0);
            for member in members {
                let Some(value) = other.get(&member.name) else { continue };
                shared += 1;
                let (inner_same, inner_all) = match member.value.same(value) {
                    true => (1, 1),
                    false if value.elements().is_some() => (0, 1),
                    false => likeness(&member.value, value),
                };
                same += inner_same;
                all += inner_all;
            }
            (same, all + members.len().max(others.len()) - shared)
        }
        _ => (0, 1),
    }
}
