//! Reading entries in order, and counting them.

use anabranch_types::Entry;

use crate::ahead::ReadAhead;
use crate::cursor::{Cursor, Head};
use crate::node::wire::Bad;
use crate::{Key, KeyRange, Session, Totals, Tree, TreeError};

/// The entries of a range, in order of key; made by [`crate::Session::scan`].
pub struct ScanCursor {
    cursor: Cursor,
}

impl ScanCursor {
    pub(crate) fn new(session: &Session, tree: &Tree, range: &KeyRange) -> ScanCursor {
        ScanCursor { cursor: Cursor::within(session, tree, &range.start, range.end.as_deref()) }
    }

    /// The next at most `limit` entries; none at the end. Never an empty batch (a limit of 0 counts as 1).
    pub async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<(Key, Entry)>>, TreeError> {
        let mut batch = Vec::new();
        while batch.len() < limit.max(1) {
            match self.cursor.head() {
                Head::End => break,
                Head::Subtree(_) => self.cursor.open().await?,
                Head::Row(_) => {
                    batch.push(entry_at(&self.cursor)?);
                    self.cursor.skip();
                }
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// The entry at the head of a cursor, which must be a row.
pub(crate) fn entry_at(cursor: &Cursor) -> Result<(Key, Entry), TreeError> {
    let (Some(key), Head::Row(row)) = (cursor.row_key(), cursor.head()) else {
        return Err(TreeError::damaged("leaf", "a row is missing"));
    };
    let entry = row
        .entry()
        .map_err(|Bad(detail)| TreeError::damaged(format!("entry of {:?}", key.as_str()), detail))?;
    Ok((key, entry))
}

pub(crate) async fn get(session: &Session, tree: &Tree, key: &[u8]) -> Result<Option<Entry>, TreeError> {
    let mut cursor = Cursor::within(session, tree, key, None);
    loop {
        match cursor.head() {
            Head::Subtree(subtree) if subtree.first_key.as_bytes() <= key => cursor.open().await?,
            Head::Row(row) if row.key == key => return entry_at(&cursor).map(|(_, entry)| Some(entry)),
            _ => return Ok(None),
        }
    }
}

pub(crate) async fn any_in(session: &Session, tree: &Tree, range: &KeyRange) -> Result<bool, TreeError> {
    let mut cursor = Cursor::within(session, tree, &range.start, range.end.as_deref());
    loop {
        match cursor.head() {
            Head::End => return Ok(false),
            Head::Row(_) => return Ok(true),
            // Both of its bounds are keys: one of them in the range is proof enough.
            Head::Subtree(subtree)
                if range.contains(subtree.first_key.as_bytes())
                    || range.contains(subtree.last_key.as_bytes()) =>
            {
                return Ok(true);
            }
            Head::Subtree(_) => cursor.open().await?,
        }
    }
}

/// Goes through the tree once: a node that several prefixes need is opened for the first of them.
pub(crate) async fn any_with_each_prefix(
    session: &Session,
    tree: &Tree,
    prefixes: &[Vec<u8>],
) -> Result<Vec<bool>, TreeError> {
    let mut cursor = Cursor::new(session, tree);
    let keys: Vec<Key> = prefixes.iter().filter_map(|prefix| Key::new(prefix.clone()).ok()).collect();
    let mut ahead = ReadAhead::of_keys(session, tree, keys.into_iter());
    let mut answers = Vec::with_capacity(prefixes.len());
    let mut before: &[u8] = &[];
    for prefix in prefixes {
        if prefix.as_slice() < before {
            return Err(TreeError::out_of_order(prefix, before));
        }
        before = prefix;
        cursor.seek(prefix);
        // The first key from the prefix on has it, or none has.
        answers.push(loop {
            match cursor.head() {
                Head::End => break false,
                Head::Row(row) => break row.key.starts_with(prefix),
                Head::Subtree(subtree) if subtree.first_key.as_bytes() >= prefix.as_slice() => {
                    break subtree.first_key.as_bytes().starts_with(prefix);
                }
                Head::Subtree(subtree) if subtree.last_key.as_bytes().starts_with(prefix) => break true,
                Head::Subtree(_) => {
                    ahead.reach(prefix).await;
                    cursor.open().await?;
                }
            }
        });
    }
    Ok(answers)
}

pub(crate) async fn totals_in(session: &Session, tree: &Tree, range: &KeyRange) -> Result<Totals, TreeError> {
    let mut totals = Totals::default();
    let mut cursor = Cursor::within(session, tree, &range.start, range.end.as_deref());
    loop {
        let (count, bytes) = match cursor.head() {
            Head::End => return Ok(totals),
            Head::Subtree(subtree) if !cursor.head_is_cut() => (subtree.count, subtree.bytes),
            Head::Subtree(_) => {
                cursor.open().await?;
                continue;
            }
            Head::Row(_) => (1, entry_at(&cursor)?.1.size),
        };
        totals.count = totals.count.saturating_add(count);
        totals.bytes = totals.bytes.wrapping_add(bytes);
        cursor.skip();
    }
}

/// Subtrees that lie within the range whole are named by their ids.
pub(crate) async fn digest_in(
    session: &Session,
    tree: &Tree,
    range: &KeyRange,
) -> Result<[u8; 32], TreeError> {
    let mut hasher = blake3::Hasher::new();
    let mut cursor = Cursor::within(session, tree, &range.start, range.end.as_deref());
    loop {
        match cursor.head() {
            Head::End => return Ok(*hasher.finalize().as_bytes()),
            Head::Subtree(subtree) if !cursor.head_is_cut() => {
                hasher.update(b"n");
                hasher.update(subtree.id.as_bytes());
            }
            Head::Subtree(_) => {
                cursor.open().await?;
                continue;
            }
            Head::Row(row) => {
                hasher.update(b"r");
                for part in [row.key, row.body, row.attributes] {
                    hasher.update(&(part.len() as u64).to_le_bytes());
                    hasher.update(part);
                }
            }
        }
        cursor.skip();
    }
}
