//! Listing a folder of a tree.

use anabranch_types::Entry;

use crate::Key;

/// Where a listing goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListAfter<'a> {
    /// After this key, which need not exist. With a delimiter, a common prefix is still listed when a later key is in it,
    /// as with `start-after` of S3.
    Key(&'a str),
    /// After everything that begins with this prefix: the marker of a page that ended in a common prefix.
    CommonPrefix(&'a str),
}

/// One line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListItem {
    /// An entry.
    Entry(Key, Entry),
    /// A prefix that ends in the delimiter and stands for every key that begins with it.
    CommonPrefix(String),
}

impl ListItem {
    /// The key or the common prefix: what listings are ordered by.
    pub fn name(&self) -> &str {
        match self {
            ListItem::Entry(key, _) => key.as_str(),
            ListItem::CommonPrefix(prefix) => prefix,
        }
    }

    /// How to list on after this item.
    pub fn as_after(&self) -> ListAfter<'_> {
        match self {
            ListItem::Entry(key, _) => ListAfter::Key(key.as_str()),
            ListItem::CommonPrefix(prefix) => ListAfter::CommonPrefix(prefix),
        }
    }
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListPage {
    /// The items, in bytewise order of name.
    pub items: Vec<ListItem>,
    /// Whether there are more after these.
    pub more: bool,
}
