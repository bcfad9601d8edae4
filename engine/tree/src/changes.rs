//! Changing a tree entry by entry, and learning what that changed.

use anabranch_types::Entry;

use crate::ahead::ReadAhead;
use crate::apply::{EncodedRow, copy_until};
use crate::builder::Builder;
use crate::cursor::{Cursor, Head};
use crate::scan::entry_at;
use crate::{DeltaList, Key, Session, Tree, TreeError, after_key};

/// A key, and the entry that it is to have; none removes it.
pub type Change = (Key, Option<Entry>);

/// A tree after changes, and what they changed.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The tree.
    pub tree: Tree,
    /// What differs from the tree before.
    pub delta: DeltaList,
}

/// Applies changes to a tree, batch after batch, so that the next batch can be fetched meanwhile; made by
/// [`Session::applier`]. Equal content written again is no change: the entry stays as it was.
pub struct Applier {
    session: Session,
    tree: Tree,
    builder: Builder,
    base: Cursor,
    row: EncodedRow,
    behind: Option<Key>,
    delta: DeltaList,
}

impl Applier {
    pub(crate) fn new(session: &Session, tree: &Tree) -> Applier {
        Applier {
            session: session.clone(),
            tree: tree.clone(),
            builder: Builder::new(session),
            base: Cursor::new(session, tree),
            row: EncodedRow::default(),
            behind: None,
            delta: DeltaList::default(),
        }
    }

    /// Applies the next changes, in order of key. The leaves of the tree that they fall into are read ahead.
    ///
    /// # Errors
    /// [`TreeError::OutOfOrder`] when keys do not ascend, over batches too. After an error the applier is of no use.
    pub async fn apply(&mut self, changes: Vec<Change>) -> Result<(), TreeError> {
        let keys = changes.iter().map(|(key, _)| key.clone());
        let mut ahead = ReadAhead::of_keys(&self.session, &self.tree, keys);
        for (key, after) in changes {
            if let Some(behind) = self.behind.take().filter(|behind| *behind >= key) {
                return Err(TreeError::out_of_order(key.as_bytes(), behind.as_bytes()));
            }
            self.behind = Some(key.clone());
            ahead.reach(key.as_bytes()).await;
            self.apply_one(key, after).await?;
        }
        Ok(())
    }

    async fn apply_one(&mut self, key: Key, after: Option<Entry>) -> Result<(), TreeError> {
        let (base, builder) = (&mut self.base, &mut self.builder);
        copy_until(base, builder, Some(key.as_bytes())).await?;
        let before = entry_before(base, builder, key.as_bytes()).await?;
        let is_change = match (&before, &after) {
            (None, None) => false,
            (Some(before), Some(after)) => !before.same_content(after),
            _ => true,
        };
        if !is_change {
            return Ok(());
        }
        if let Some(after) = &after {
            builder.settle(key.as_bytes()).await?;
            builder.push_row(self.row.encode(&key, after)?)?;
        }
        base.seek(&after_key(key.as_bytes()));
        self.delta.push(&key, before.as_ref(), after.as_ref())
    }

    /// The tree with all changes, and what they were.
    pub async fn finish(mut self) -> Result<Applied, TreeError> {
        copy_until(&mut self.base, &mut self.builder, None).await?;
        let tree = self.builder.finish(&[self.tree.id()]).await?;
        Ok(Applied { tree, delta: self.delta })
    }
}

/// What a key holds in a tree whose cursor has passed everything below the key.
async fn entry_before(
    cursor: &mut Cursor,
    builder: &mut Builder,
    key: &[u8],
) -> Result<Option<Entry>, TreeError> {
    loop {
        match cursor.head() {
            Head::Subtree(subtree) if subtree.first_key.as_bytes() == key => {
                builder.know(subtree);
                cursor.open().await?;
            }
            Head::Row(row) if row.key == key => return entry_at(cursor).map(|(_, entry)| Some(entry)),
            _ => return Ok(None),
        }
    }
}
