//! JSON as it stands: member order, spelling of numbers, and where each value lies in the text.

use std::borrow::Cow;

mod arrays;
mod merge;
mod pointer;
mod read;
mod render;

pub use arrays::{Arrays, Names};
pub use merge::{Clash, Rules, diff, merge};
pub use pointer::Pointer;
pub use read::Error;

/// A JSON value.
#[derive(Clone, Debug)]
pub struct Json<'t> {
    kind: Kind<'t>,
    /// Where it lies in the text that it was read from.
    start: usize,
    end: usize,
    /// Equal values have equal hashes, however they are formatted.
    hash: u64,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is spelled.
    Number(&'t str),
    /// A string without its escapes.
    Text(Cow<'t, str>),
    /// An array.
    Array(Vec<Json<'t>>),
    /// An object: its members in order, each name once.
    Object(Vec<Member<'t>>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Member<'t> {
    /// Its name without escapes.
    pub name: Cow<'t, str>,
    /// Where the name lies in the text, with its quotes.
    start: usize,
    end: usize,
    /// Its value.
    pub value: Json<'t>,
}

/// A value together with the text that it was read from.
#[derive(Clone, Debug)]
pub struct Document<'t> {
    text: &'t str,
    root: Json<'t>,
}

impl<'t> Document<'t> {
    /// Reads a text that holds one JSON value. A byte order mark before it is passed over.
    ///
    /// # Errors
    ///
    /// It is not UTF-8 or not JSON, an object has a name twice, or it is nested too deep.
    pub fn read(bytes: &'t [u8]) -> Result<Self, Error> {
        let (text, root) = read::read(bytes)?;
        Ok(Self { text, root })
    }

    /// The value.
    pub fn root(&self) -> &Json<'t> {
        &self.root
    }

    /// The whole text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// A value of this document as it is written.
    pub fn spelled(&self, value: &Json<'_>) -> &'t str {
        self.text.get(value.start..value.end).unwrap_or_default()
    }
}

impl<'t> Json<'t> {
    /// Reads a text that holds one JSON value.
    ///
    /// # Errors
    ///
    /// As for [`Document::read`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, Error> {
        read::read(bytes).map(|(_, root)| root)
    }

    /// What it is.
    pub fn kind(&self) -> &Kind<'t> {
        &self.kind
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The members of an object.
    pub fn members(&self) -> Option<&[Member<'t>]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// A string without its escapes.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is a whole one.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.kind {
            Kind::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Whether two values say the same: members in any order, strings however escaped, numbers as they are spelled.
    pub fn same(&self, other: &Json<'_>) -> bool {
        if self.hash != other.hash {
            return false;
        }
        match (&self.kind, &other.kind) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(one), Kind::Bool(other)) => one == other,
            (Kind::Number(one), Kind::Number(other)) => one == other,
            (Kind::Text(one), Kind::Text(other)) => one == other,
            (Kind::Array(one), Kind::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            (Kind::Object(one), Kind::Object(other)) => same_members(one, other),
            _ => false,
        }
    }

    /// The value in one line, without spaces between its parts.
    pub fn compact(&self) -> String {
        let mut text = String::new();
        render::compact(self, &mut text);
        text
    }
}

fn same_members(one: &[Member<'_>], other: &[Member<'_>]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if one.iter().zip(other).all(|(one, other)| one.name == other.name) {
        return one.iter().zip(other).all(|(one, other)| one.value.same(&other.value));
    }
    let other: std::collections::HashMap<&str, &Json<'_>> =
        other.iter().map(|member| (&*member.name, &member.value)).collect();
    one.iter().all(|member| other.get(&*member.name).is_some_and(|value| value.same(&member.value)))
}

/// A text as a JSON string, with its quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    render::quote(text, &mut quoted);
    quoted
}
