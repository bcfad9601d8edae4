//! The sides' rows, key by key: all rows of one key at a time.

use crate::cursor::{Cursor, RowRef};
use crate::error::Result;
use crate::plan::Plan;
use crate::side::{PerSide, Side};

/// All rows of one key.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) rows: PerSide<Vec<RowRef>>,
}

impl Group {
    /// A row that has the key: of the first side that has one.
    pub(crate) fn first(&self) -> Option<&RowRef> {
        Side::ALL.iter().find_map(|side| self.rows.get(*side).first())
    }

    pub(crate) fn counts(&self) -> PerSide<u64> {
        PerSide::from_fn(|side| self.rows.get(side).len() as u64)
    }
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Nothing, before this side gets its next batch.
    Wants(Side),
    /// The rows of a key are complete: see [`Groups::group`].
    Group,
    /// There are no more.
    End,
}

/// Walks over three sorted streams at once. It holds one batch of each side, and those of the key under work.
#[derive(Debug)]
pub(crate) struct Groups {
    cursors: PerSide<Cursor>,
    key: Option<RowRef>,
    group: Group,
    /// The group was handed out and is to be cleared.
    complete: bool,
}

impl Groups {
    pub(crate) fn new() -> Groups {
        Groups { cursors: PerSide::from_fn(Cursor::new), key: None, group: Group::default(), complete: false }
    }

    /// Gives a side its next batch, which it must have wanted; none: there are no more.
    pub(crate) fn feed(
        &mut self,
        plan: &Plan,
        side: Side,
        batch: Option<arrow::array::RecordBatch>,
    ) -> Result<()> {
        self.cursors.get_mut(side).feed(plan, batch)
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    pub(crate) fn next(&mut self, plan: &Plan) -> Result<Next> {
        if std::mem::take(&mut self.complete) {
            self.key = None;
            Side::ALL.into_iter().for_each(|side| self.group.rows.get_mut(side).clear());
        }
        let key = match &self.key {
            Some(key) => key.clone(),
            None => {
                if let Some(side) = self.wanting() {
                    return Ok(Next::Wants(side));
                }
                let Some(least) = self.least(plan) else { return Ok(Next::End) };
                self.key.insert(least).clone()
            }
        };
        for side in Side::ALL {
            let rows = self.group.rows.get_mut(side);
            self.cursors.get_mut(side).collect(plan, &key, rows)?;
        }
        // The rows of the key may go on in the next batch.
        if let Some(side) = self.wanting() {
            return Ok(Next::Wants(side));
        }
        self.complete = true;
        Ok(Next::Group)
    }

    fn wanting(&self) -> Option<Side> {
        Side::ALL.into_iter().find(|side| self.cursors.get(*side).wants())
    }

    fn least(&self, plan: &Plan) -> Option<RowRef> {
        let peeks = Side::ALL.into_iter().filter_map(|side| self.cursors.get(side).peek());
        peeks.min_by(|a, b| a.compare(b, &plan.key))
    }
}
