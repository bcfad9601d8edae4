//! Applying edits to a tree.

use anabranch_types::{Entry, NodeId};

use crate::builder::Builder;
use crate::cursor::{Cursor, Head};
use crate::node::{Row, put_attributes, put_body};
use crate::{Key, KeyRange, Session, Tree, TreeError, after_key};

/// One edit of a tree.
#[derive(Clone, Debug)]
pub enum TreeEdit {
    /// The key has this entry, whether or not it had one.
    Put(Key, Entry),
    /// The key has no entry, whether or not it had one.
    Remove(Key),
    /// The range holds exactly what `from` has in it. Whole subtrees are taken over unread.
    Take {
        /// Which keys.
        range: KeyRange,
        /// The tree that they come from: of the same repository (same [`crate::TreeParams`]).
        from: Tree,
    },
}

impl TreeEdit {
    /// The first key that the edit is about.
    pub fn start(&self) -> &[u8] {
        match self {
            TreeEdit::Put(key, _) | TreeEdit::Remove(key) => key.as_bytes(),
            TreeEdit::Take { range, .. } => &range.start,
        }
    }
}

/// Edits must be sorted and apart.
pub(crate) fn check_order(edits: &[TreeEdit]) -> Result<(), TreeError> {
    let mut behind: Option<&TreeEdit> = None;
    for edit in edits {
        let start = edit.start();
        let in_order = match behind {
            None => true,
            Some(TreeEdit::Put(key, _) | TreeEdit::Remove(key)) => start > key.as_bytes(),
            Some(TreeEdit::Take { range, .. }) => range.end.as_deref().is_some_and(|end| start >= end),
        };
        if !in_order {
            let previous = match behind {
                Some(TreeEdit::Take { range, .. }) => range.end.as_deref().unwrap_or_default(),
                Some(edit) => edit.start(),
                None => &[],
            };
            return Err(TreeError::out_of_order(start, previous));
        }
        if !matches!(edit, TreeEdit::Take { range, .. } if range.is_empty()) {
            behind = Some(edit);
        }
    }
    Ok(())
}

pub(crate) async fn apply(session: &Session, tree: &Tree, edits: Vec<TreeEdit>) -> Result<Tree, TreeError> {
    check_order(&edits)?;
    let mut builder = Builder::new(session);
    let mut base = Cursor::new(session, tree);
    let mut roots = vec![tree.id()];
    let mut sources: Vec<(NodeId, Cursor)> = Vec::new();
    let mut row = EncodedRow::default();
    for edit in &edits {
        match edit {
            TreeEdit::Put(key, entry) => {
                copy_until(&mut base, &mut builder, Some(key.as_bytes())).await?;
                builder.settle(key.as_bytes()).await?;
                builder.push_row(row.encode(key, entry)?)?;
                base.seek(&after_key(key.as_bytes()));
            }
            TreeEdit::Remove(key) => {
                copy_until(&mut base, &mut builder, Some(key.as_bytes())).await?;
                base.seek(&after_key(key.as_bytes()));
            }
            TreeEdit::Take { range, .. } if range.is_empty() => {}
            TreeEdit::Take { range, from } => {
                copy_until(&mut base, &mut builder, Some(&range.start)).await?;
                let place = match sources.iter().position(|(id, _)| *id == from.id()) {
                    Some(place) => place,
                    None => {
                        roots.push(from.id());
                        sources.push((from.id(), Cursor::new(session, from)));
                        sources.len().saturating_sub(1)
                    }
                };
                if let Some((_, source)) = sources.get_mut(place) {
                    source.seek(&range.start);
                    copy_until(source, &mut builder, range.end.as_deref()).await?;
                }
                match &range.end {
                    Some(end) => base.seek(end),
                    None => base = Cursor::new(session, &Tree::empty()),
                }
            }
        }
    }
    copy_until(&mut base, &mut builder, None).await?;
    builder.finish(&roots).await
}

/// Moves everything below `until` from the cursor to the builder, whole subtrees where they fit.
pub(crate) async fn copy_until(
    cursor: &mut Cursor,
    builder: &mut Builder,
    until: Option<&[u8]>,
) -> Result<(), TreeError> {
    let beyond = |key: &[u8]| until.is_some_and(|until| key >= until);
    loop {
        match cursor.head() {
            Head::End => return Ok(()),
            Head::Row(row) => {
                if beyond(row.key) {
                    return Ok(());
                }
                builder.settle(row.key).await?;
                cursor.take_rows(until, |row| builder.push_row(row))?;
            }
            Head::Subtree(subtree) => {
                if beyond(subtree.first_key.as_bytes()) {
                    return Ok(());
                }
                let whole = !cursor.head_is_cut() && !beyond(subtree.last_key.as_bytes());
                if whole && builder.push_subtree(subtree, cursor.next_key_owned()).await? {
                    cursor.skip();
                } else {
                    builder.know(subtree);
                    cursor.open().await?;
                }
            }
        }
    }
}

/// Encodes entries into buffers that are used again.
#[derive(Default)]
pub(crate) struct EncodedRow {
    body: Vec<u8>,
    attributes: Vec<u8>,
}

impl EncodedRow {
    pub(crate) fn encode<'a>(&'a mut self, key: &'a Key, entry: &Entry) -> Result<Row<'a>, TreeError> {
        self.body.clear();
        self.attributes.clear();
        put_body(&mut self.body, entry)
            .and_then(|()| put_attributes(&mut self.attributes, entry))
            .map_err(|error| named(error, key))?;
        Ok(Row { key: key.as_bytes(), body: &self.body, attributes: &self.attributes })
    }
}

fn named(error: TreeError, of: &Key) -> TreeError {
    match error {
        TreeError::EntryTooLarge { field, bytes, bytes_max, .. } => {
            TreeError::EntryTooLarge { key: of.as_str().to_owned(), field, bytes, bytes_max }
        }
        other => other,
    }
}
