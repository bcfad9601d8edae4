//! Listing a folder of a tree.

use anabranch_types::Entry;

use crate::cursor::{Cursor, Head};
use crate::scan::entry_at;
use crate::{Key, KeyRange, Session, Tree, TreeError, after_key, after_prefix};

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

pub(crate) async fn list(
    session: &Session,
    tree: &Tree,
    prefix: &str,
    delimiter: Option<&str>,
    after: Option<ListAfter<'_>>,
    limit: usize,
) -> Result<ListPage, TreeError> {
    let range = KeyRange::prefix(prefix.as_bytes());
    let mut cursor = Cursor::within(session, tree, &range.start, range.end.as_deref());
    match after {
        None => {}
        Some(ListAfter::Key(key)) => cursor.seek(&after_key(key.as_bytes())),
        Some(ListAfter::CommonPrefix(marker)) => match after_prefix(marker.as_bytes()) {
            Some(end) => cursor.seek(&end),
            None => return Ok(ListPage::default()),
        },
    }
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
    let mut page = ListPage::default();
    loop {
        // The first key of a subtree is known unread, unless the subtree begins before the place where the list goes on.
        let next = match cursor.head() {
            Head::End => return Ok(page),
            Head::Row(row) => row.key,
            Head::Subtree(subtree) if cursor.head_start() == Some(subtree.first_key.as_bytes()) => {
                subtree.first_key.as_bytes()
            }
            Head::Subtree(_) => {
                cursor.open().await?;
                continue;
            }
        };
        if page.items.len() >= limit {
            page.more = true;
            return Ok(page);
        }
        if let Some(common) = common_prefix(next, prefix, delimiter) {
            let end = after_prefix(common.as_bytes());
            page.items.push(ListItem::CommonPrefix(common));
            match end {
                Some(end) => cursor.seek(&end),
                None => return Ok(page),
            }
        } else if matches!(cursor.head(), Head::Row(_)) {
            let (key, entry) = entry_at(&cursor)?;
            page.items.push(ListItem::Entry(key, entry));
            cursor.skip();
        } else {
            cursor.open().await?;
        }
    }
}

/// What `key` is rolled up into: up to the first delimiter after the prefix.
fn common_prefix(key: &[u8], prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    let (folder, _) = key.strip_prefix(prefix)?.split_once(delimiter?)?;
    let end = prefix.len().saturating_add(folder.len()).saturating_add(delimiter?.len());
    key.get(..end).map(str::to_owned)
}
