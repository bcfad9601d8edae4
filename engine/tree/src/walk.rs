//! The three-way walk: where two trees differ from their common base.

use anabranch_types::Entry;

use crate::ahead::ReadAhead;
use crate::cursor::{Cursor, Head};
use crate::diff::BATCH;
use crate::scan::entry_at;
use crate::{Key, KeyRange, Session, Tree, TreeError, after_key};

/// A place where base, ours and theirs are not all equal.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all items are entries, so a box would only cost")]
pub enum WalkItem {
    /// A key that at least one side changed.
    Entry {
        /// The key.
        key: Key,
        /// Its entry in base.
        base: Option<Entry>,
        /// Its entry in ours.
        ours: Option<Entry>,
        /// Its entry in theirs.
        theirs: Option<Entry>,
    },
    /// Base and theirs are equal in this range, and ours may differ in it. Not opened.
    OnlyOurs {
        /// The range. It begins at a key of one of the trees; it ends after one, or before the next one.
        range: KeyRange,
    },
    /// Base and ours are equal in this range, and theirs may differ in it. Not opened.
    OnlyTheirs {
        /// The range. It begins at a key of one of the trees; it ends after one, or before the next one.
        range: KeyRange,
    },
}

/// The items of a three-way walk, in order of key, not overlapping; made by [`crate::Session::three_way`].
pub struct WalkCursor {
    base: Cursor,
    ours: Cursor,
    theirs: Cursor,
    end: Option<Vec<u8>>,
    /// The last item, if it is a range that the next one may continue.
    last: Option<WalkItem>,
    batch: Vec<WalkItem>,
    ahead: ReadAhead,
}

/// One of the three trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Base,
    Ours,
    Theirs,
}

/// What to do next, decided from the three heads.
#[derive(Debug)]
enum Step {
    Done,
    /// Ours and theirs hold the same subtree: whatever base holds there, both sides did the same.
    Same,
    /// Base and another side hold the same subtree: only this side may differ there.
    Only(Side),
    /// Only this tree has keys before the next key of the others.
    Alone(Side),
    /// All that begins at the first key are entries.
    Rows,
    /// Open the subtrees of this level that begin at the first key.
    Open(u8),
}

impl WalkCursor {
    pub(crate) fn new(
        session: &Session,
        base: &Tree,
        ours: &Tree,
        theirs: &Tree,
        range: &KeyRange,
    ) -> WalkCursor {
        let cursor = |tree| Cursor::within(session, tree, &range.start, range.end.as_deref());
        WalkCursor {
            base: cursor(base),
            ours: cursor(ours),
            theirs: cursor(theirs),
            end: range.end.clone(),
            last: None,
            batch: Vec::new(),
            ahead: ReadAhead::default(),
        }
    }

    /// The next items, some hundreds to a few thousand; none at the end. Never an empty batch.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<WalkItem>>, TreeError> {
        while self.batch.len() < BATCH {
            match self.step() {
                Step::Done => {
                    self.batch.extend(self.last.take());
                    break;
                }
                Step::Same => self.skip_same(),
                Step::Only(side) => self.skip_only(side),
                Step::Alone(side) => self.take_alone(side)?,
                Step::Rows => self.take_rows()?,
                Step::Open(level) => self.open(level).await?,
            }
        }
        let batch = std::mem::take(&mut self.batch);
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn cursor(&self, side: Side) -> &Cursor {
        match side {
            Side::Base => &self.base,
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }

    fn cursor_mut(&mut self, side: Side) -> &mut Cursor {
        match side {
            Side::Base => &mut self.base,
            Side::Ours => &mut self.ours,
            Side::Theirs => &mut self.theirs,
        }
    }

    /// Whether the heads of two trees are the same subtree.
    fn same_subtree(&self, left: Side, right: Side) -> bool {
        match (self.cursor(left).head(), self.cursor(right).head()) {
            (Head::Subtree(left), Head::Subtree(right)) => left.id == right.id,
            _ => false,
        }
    }

    fn starts(&self) -> [(Side, Option<&[u8]>); 3] {
        [Side::Base, Side::Ours, Side::Theirs].map(|side| (side, self.cursor(side).head_start()))
    }

    fn first(&self) -> Option<&[u8]> {
        self.starts().into_iter().filter_map(|(_, start)| start).min()
    }

    fn step(&self) -> Step {
        let Some(first) = self.first() else {
            return Step::Done;
        };
        let at_first = |side| self.cursor(side).head_start() == Some(first);
        if at_first(Side::Ours) && self.same_subtree(Side::Ours, Side::Theirs) {
            return Step::Same;
        }
        if at_first(Side::Base) && self.same_subtree(Side::Base, Side::Theirs) {
            return Step::Only(Side::Ours);
        }
        if at_first(Side::Base) && self.same_subtree(Side::Base, Side::Ours) {
            return Step::Only(Side::Theirs);
        }
        let mut highest = None;
        let mut alone = None;
        for side in [Side::Base, Side::Ours, Side::Theirs].into_iter().filter(|side| at_first(*side)) {
            alone = match alone {
                None => Some(Some(side)),
                Some(_) => Some(None),
            };
            if let Head::Subtree(subtree) = self.cursor(side).head() {
                highest = highest.max(Some(subtree.level));
            }
        }
        match (alone.flatten(), highest) {
            // A subtree that begins behind us may hold no key before the others' next one.
            (Some(side), Some(level)) if self.begins_behind(side) => Step::Open(level),
            (Some(side), _) => Step::Alone(side),
            (None, None) => Step::Rows,
            (None, Some(level)) => Step::Open(level),
        }
    }

    fn begins_behind(&self, side: Side) -> bool {
        match self.cursor(side).head() {
            Head::Subtree(subtree) => self.cursor(side).head_start() != Some(subtree.first_key.as_bytes()),
            _ => false,
        }
    }

    /// The next key after the heads of two trees, at most the end.
    fn next_of(&self, left: Side, right: Side) -> Option<Vec<u8>> {
        [self.cursor(left).next_key(), self.cursor(right).next_key(), self.end.as_deref()]
            .into_iter()
            .flatten()
            .min()
            .map(<[u8]>::to_vec)
    }

    fn skip_same(&mut self) {
        let next = self.next_of(Side::Ours, Side::Theirs);
        self.flush();
        self.ours.skip();
        self.theirs.skip();
        pass(&mut self.base, next.as_deref());
        self.seek_all(next.as_deref());
    }

    fn skip_only(&mut self, side: Side) {
        let other = if side == Side::Ours { Side::Theirs } else { Side::Ours };
        let next = self.next_of(Side::Base, other);
        let start = self.base.head_start().unwrap_or_default().to_vec();
        let last = match self.base.head() {
            Head::Subtree(subtree) => subtree.last_key.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        self.base.skip();
        self.cursor_mut(other).skip();
        let passed = pass(self.cursor_mut(side), next.as_deref());
        self.seek_all(next.as_deref());
        let end = match passed {
            Passed::Upto(its_last) => Some(after_key(last.as_slice().max(&its_last))),
            Passed::Within => next,
        };
        // A range that ends in the middle of a node must not reach beyond the end of the walk.
        let end = match (end, &self.end) {
            (Some(end), Some(limit)) => Some(end.min(limit.clone())),
            (end, limit) => end.or_else(|| limit.clone()),
        };
        self.push_range(side, KeyRange { start, end });
    }

    fn take_alone(&mut self, side: Side) -> Result<(), TreeError> {
        if matches!(self.cursor(side).head(), Head::Row(_)) {
            return self.take_rows();
        }
        let start = self.cursor(side).head_start().unwrap_or_default().to_vec();
        let next = self
            .starts()
            .into_iter()
            .filter(|(other, _)| *other != side)
            .filter_map(|(_, start)| start)
            .chain(self.end.as_deref())
            .min()
            .map(<[u8]>::to_vec);
        let passed = pass(self.cursor_mut(side), next.as_deref());
        self.seek_all(next.as_deref());
        let end = match passed {
            Passed::Upto(last) => Some(after_key(&last)),
            Passed::Within => next,
        };
        match side {
            // Both sides removed what base has here.
            Side::Base => self.flush(),
            _ => self.push_range(side, KeyRange { start, end }),
        }
        Ok(())
    }

    fn take_rows(&mut self) -> Result<(), TreeError> {
        if Cursor::skip_equal_of_three(&mut self.base, &mut self.ours, &mut self.theirs) {
            self.flush();
            return Ok(());
        }
        let Some(first) = self.first().map(<[u8]>::to_vec) else {
            return Ok(());
        };
        let row = |side| match self.cursor(side).head() {
            Head::Row(row) if row.key == first => Some(row),
            _ => None,
        };
        let rows = [row(Side::Base), row(Side::Ours), row(Side::Theirs)];
        let all_equal = match rows {
            [Some(base), Some(ours), Some(theirs)] => base.same_entry(&ours) && base.same_entry(&theirs),
            _ => false,
        };
        let [has_base, has_ours, has_theirs] = rows.map(|row| row.is_some());
        self.flush();
        if !all_equal {
            let entry = |has: bool, cursor: &Cursor| match has {
                true => entry_at(cursor).map(Some),
                false => Ok(None),
            };
            let (base, ours, theirs) = (
                entry(has_base, &self.base)?,
                entry(has_ours, &self.ours)?,
                entry(has_theirs, &self.theirs)?,
            );
            let Some(key) = [&base, &ours, &theirs].into_iter().flatten().next().map(|(key, _)| key.clone())
            else {
                return Ok(());
            };
            let value = |found: Option<(Key, Entry)>| found.map(|(_, entry)| entry);
            self.batch.push(WalkItem::Entry {
                key,
                base: value(base),
                ours: value(ours),
                theirs: value(theirs),
            });
        }
        for (side, has) in [(Side::Base, has_base), (Side::Ours, has_ours), (Side::Theirs, has_theirs)] {
            if has {
                self.cursor_mut(side).skip();
            }
        }
        Ok(())
    }

    async fn open(&mut self, level: u8) -> Result<(), TreeError> {
        let Some(first) = self.first().map(<[u8]>::to_vec) else {
            return Ok(());
        };
        if level == 0 {
            self.ahead.reach(&first).await;
        }
        for side in [Side::Base, Side::Ours, Side::Theirs] {
            let cursor = self.cursor_mut(side);
            let opens = match cursor.head() {
                Head::Subtree(subtree) => {
                    subtree.level == level && cursor.head_start() == Some(first.as_slice())
                }
                _ => false,
            };
            if opens {
                cursor.open().await?;
            }
        }
        if level == 1 {
            let leaves = [self.base.siblings(), self.ours.siblings(), self.theirs.siblings()];
            self.ahead.expect(self.base.session(), &leaves, (&first, self.end.as_deref()));
        }
        Ok(())
    }

    /// Brings all three trees to `next`; to their ends without one.
    fn seek_all(&mut self, next: Option<&[u8]>) {
        if let Some(next) = next {
            for side in [Side::Base, Side::Ours, Side::Theirs] {
                self.cursor_mut(side).seek(next);
            }
        }
    }

    /// Adds a range, joined to the one before if nothing lies between them.
    fn push_range(&mut self, side: Side, range: KeyRange) {
        match (&mut self.last, side) {
            (Some(WalkItem::OnlyOurs { range: before }), Side::Ours)
            | (Some(WalkItem::OnlyTheirs { range: before }), Side::Theirs) => before.end = range.end,
            _ => {
                self.flush();
                self.last = Some(match side {
                    Side::Theirs => WalkItem::OnlyTheirs { range },
                    _ => WalkItem::OnlyOurs { range },
                });
            }
        }
    }

    fn flush(&mut self) {
        self.batch.extend(self.last.take());
    }
}

/// How far a cursor got.
enum Passed {
    /// It lies between two nodes; the last key behind it, empty if there was none.
    Upto(Vec<u8>),
    /// It lies within a node that was not opened.
    Within,
}

/// Goes past everything below `next` without opening anything.
fn pass(cursor: &mut Cursor, next: Option<&[u8]>) -> Passed {
    let mut last = Vec::new();
    loop {
        let behind = match cursor.head() {
            Head::End => return Passed::Upto(last),
            Head::Row(row) => row.key,
            Head::Subtree(subtree) => subtree.last_key.as_bytes(),
        };
        if next.is_some_and(|next| behind >= next) {
            let within = match cursor.head() {
                Head::Subtree(subtree) => next.is_some_and(|next| subtree.first_key.as_bytes() < next),
                _ => false,
            };
            return if within { Passed::Within } else { Passed::Upto(last) };
        }
        last.clear();
        last.extend_from_slice(behind);
        cursor.skip();
    }
}
