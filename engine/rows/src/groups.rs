//! The sides' rows, key by key: all rows of one key at a time.

use std::collections::BTreeMap;

use crate::cursor::{Cursor, RowRef, too_common};
use crate::error::{GroupLimit, Result};
use crate::plan::Plan;
use crate::side::{PerSide, Side};

/// All rows of one key.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The rows; where they are only counted, the last one of each side.
    pub(crate) rows: PerSide<Vec<RowRef>>,
    /// How many there are.
    counts: PerSide<u64>,
}

impl Group {
    /// A row that has the key: of the first side that has one.
    pub(crate) fn first(&self) -> Option<&RowRef> {
        Side::ALL.iter().find_map(|side| self.rows.get(*side).first())
    }

    pub(crate) fn counts(&self) -> PerSide<u64> {
        self.counts
    }
}

/// How many rows of one value, of all sides together, are held at once by a merge that knows how many there are.
const COPIES_HELD_MAX: u64 = 65_536;

/// How often the values occur that have too many copies to be held at once, by their place in the order of all values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Copies(BTreeMap<u64, PerSide<u64>>);

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Nothing, before this side gets its next batch.
    Wants(Side),
    /// Some rows of a key whose number is known, and more may come: see [`Groups::group`].
    Part,
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
    /// How many bytes the batches have that came while the rows of the key were collected: they stay. The first of each side is not
    /// counted, because any key may lie where two batches meet.
    held_bytes: usize,
    /// The sides of which one came.
    met: PerSide<bool>,
    /// Whether equal rows are only counted.
    counting: bool,
    /// The keys that have too many rows: where they are counted, those that were found.
    copies: Copies,
    /// The place of the key among all, from one.
    place: u64,
    /// The group was handed out and is to be cleared.
    complete: bool,
    /// And so are some of its rows.
    in_parts: bool,
}

impl Groups {
    /// Groups of all their rows, as many as the plan allows.
    pub(crate) fn new() -> Groups {
        let cursors = PerSide::from_fn(Cursor::new);
        Groups {
            cursors,
            key: None,
            group: Group::default(),
            held_bytes: 0,
            met: PerSide::default(),
            counting: false,
            copies: Copies::default(),
            place: 0,
            complete: false,
            in_parts: false,
        }
    }

    /// The same where the rows of these keys come part by part.
    pub(crate) fn with_copies(self, copies: Copies) -> Groups {
        Groups { copies, ..self }
    }

    /// The keys that had too many rows to be held, where they were counted.
    pub(crate) fn into_copies(self) -> Copies {
        self.copies
    }

    /// How many rows of the key under work there are in all, if they come part by part.
    pub(crate) fn in_parts(&self) -> Option<PerSide<u64>> {
        self.copies.0.get(&self.place).copied().filter(|_| !self.counting)
    }

    /// Groups that count their rows and hold one of each side, so that any number of equal rows takes no memory.
    pub(crate) fn counting() -> Groups {
        Groups { counting: true, ..Groups::new() }
    }

    /// Gives a side its next batch, which it must have wanted; none: there are no more.
    pub(crate) fn feed(
        &mut self,
        plan: &Plan,
        side: Side,
        batch: Option<arrow::array::RecordBatch>,
    ) -> Result<()> {
        let in_parts = self.in_parts().is_some();
        if let (Some(key), Some(batch), false) = (&self.key, &batch, in_parts) {
            if std::mem::replace(self.met.get_mut(side), true) {
                self.held_bytes = self.held_bytes.saturating_add(batch.get_array_memory_size());
            }
            if self.held_bytes > plan.group_bytes_max && !self.counting {
                return Err(too_common(side, plan, key, GroupLimit::Bytes(plan.group_bytes_max)));
            }
        }
        self.cursors.get_mut(side).feed(plan, batch)
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    pub(crate) fn next(&mut self, plan: &Plan) -> Result<Next> {
        if std::mem::take(&mut self.in_parts) || self.complete {
            Side::ALL.into_iter().for_each(|side| self.group.rows.get_mut(side).clear());
        }
        if std::mem::take(&mut self.complete) {
            self.key = None;
            self.group.counts = PerSide::default();
            (self.held_bytes, self.met) = (0, PerSide::default());
        }
        let key = match &self.key {
            Some(key) => key.clone(),
            None => {
                if let Some(side) = self.wanting() {
                    return Ok(Next::Wants(side));
                }
                let Some(least) = self.least(plan) else { return Ok(Next::End) };
                self.place = self.place.saturating_add(1);
                self.key.insert(least).clone()
            }
        };
        let in_parts = self.in_parts().is_some();
        let most = if in_parts { usize::MAX } else { plan.group_rows_max };
        for side in Side::ALL {
            let rows = self.group.rows.get_mut(side);
            let collected = self.cursors.get_mut(side).collect(plan, &key, rows, self.counting, most)?;
            *self.group.counts.get_mut(side) += collected;
        }
        // The rows of the key may go on in the next batch.
        if let Some(side) = self.wanting() {
            self.in_parts = in_parts && self.group.first().is_some();
            return Ok(if self.in_parts { Next::Part } else { Next::Wants(side) });
        }
        self.complete = true;
        if self.counting {
            self.note_copies(plan);
        }
        Ok(Next::Group)
    }

    fn note_copies(&mut self, plan: &Plan) {
        let PerSide { base, ours, theirs } = self.group.counts;
        let rows = base.saturating_add(ours).saturating_add(theirs);
        let most = COPIES_HELD_MAX.min(plan.group_rows_max as u64);
        if rows > most || self.held_bytes > plan.group_bytes_max / 2 {
            self.copies.0.insert(self.place, self.group.counts);
        }
    }

    fn wanting(&self) -> Option<Side> {
        Side::ALL.into_iter().find(|side| self.cursors.get(*side).wants())
    }

    fn least(&self, plan: &Plan) -> Option<RowRef> {
        let peeks = Side::ALL.into_iter().filter_map(|side| self.cursors.get(side).peek());
        peeks.min_by(|a, b| a.compare(b, &plan.key))
    }
}
