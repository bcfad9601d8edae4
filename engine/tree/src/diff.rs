//! The differences between two trees.

use std::cmp::Ordering;

use anabranch_types::Entry;

use crate::ahead::ReadAhead;
use crate::cursor::{Cursor, Head};
use crate::scan::entry_at;
use crate::{Key, KeyRange, Session, Tree, TreeError};

/// A batch ends when it has this many items.
pub(crate) const BATCH: usize = 1024;

/// Whoever wants to know only whether two trees differ has its answer after so many leaves, most of the time.
const STEPS_ALONE: usize = 4;

/// A key whose entry differs between two trees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The key.
    pub key: Key,
    /// Its entry in the first tree.
    pub before: Option<Entry>,
    /// Its entry in the second tree.
    pub after: Option<Entry>,
}

impl Difference {
    /// Whether both entries hold the same thing, and differ in address or time only: equal bytes written again.
    pub fn same_content(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.same_content(after),
            _ => false,
        }
    }
}

/// The differences between two trees, in order of key; made by [`crate::Session::diff`].
pub struct DiffCursor {
    before: Cursor,
    after: Cursor,
    ahead: ReadAhead,
}

/// What to do next, decided from both heads.
enum Step {
    Done,
    /// Both heads are the same subtree.
    SkipBoth,
    /// Both heads are equal entries; the next ones may be as well.
    SkipEqual,
    Removed,
    Added,
    Changed,
    Open {
        before: bool,
        after: bool,
    },
}

impl DiffCursor {
    pub(crate) fn new(session: &Session, before: &Tree, after: &Tree, range: &KeyRange) -> DiffCursor {
        let cursor = |tree| Cursor::within(session, tree, &range.start, range.end.as_deref());
        let ahead = ReadAhead::after(STEPS_ALONE);
        DiffCursor { before: cursor(before), after: cursor(after), ahead }
    }

    /// The next differences, some hundreds to a few thousand; none at the end. Never an empty batch.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Difference>>, TreeError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.step() {
                Step::Done => break,
                Step::SkipEqual if Cursor::skip_equal(&mut self.before, &mut self.after) => {}
                Step::SkipEqual | Step::SkipBoth => {
                    self.before.skip();
                    self.after.skip();
                }
                Step::Removed => {
                    let (key, before) = entry_at(&self.before)?;
                    batch.push(Difference { key, before: Some(before), after: None });
                    self.before.skip();
                }
                Step::Added => {
                    let (key, after) = entry_at(&self.after)?;
                    batch.push(Difference { key, before: None, after: Some(after) });
                    self.after.skip();
                }
                Step::Changed => {
                    let (key, before) = entry_at(&self.before)?;
                    let (_, after) = entry_at(&self.after)?;
                    batch.push(Difference { key, before: Some(before), after: Some(after) });
                    self.before.skip();
                    self.after.skip();
                }
                Step::Open { before, after } => self.open(before, after).await?,
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    async fn open(&mut self, before: bool, after: bool) -> Result<(), TreeError> {
        let level = match self.before.head() {
            Head::Subtree(subtree) if before && after => Some(subtree.level),
            _ => None,
        };
        if level == Some(0)
            && let Some(start) = self.before.head_start()
        {
            self.ahead.reach(start).await;
        }
        if before {
            self.before.open().await?;
        }
        if after {
            self.after.open().await?;
        }
        if level == Some(1) {
            let leaves = [self.before.siblings(), self.after.siblings()];
            let from = self.before.head_start().unwrap_or_default();
            self.ahead.expect(self.before.session(), &leaves, (from, self.before.end()));
        }
        Ok(())
    }

    /// What begins first cannot be in the other tree as it is, so it is opened. When both begin at the same key, the
    /// higher one is opened: the lower one may be inside it.
    fn step(&self) -> Step {
        let (before, after) = (self.before.head(), self.after.head());
        let first = match (self.before.head_start(), self.after.head_start()) {
            (None, None) => return Step::Done,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) => before.cmp(after),
        };
        match (first, before, after) {
            (Ordering::Less, Head::Row(_), _) => Step::Removed,
            (Ordering::Less, ..) => Step::Open { before: true, after: false },
            (Ordering::Greater, _, Head::Row(_)) => Step::Added,
            (Ordering::Greater, ..) => Step::Open { before: false, after: true },
            (_, Head::Row(before), Head::Row(after)) if before.same_entry(&after) => Step::SkipEqual,
            (_, Head::Row(_), Head::Row(_)) => Step::Changed,
            (_, Head::Subtree(before), Head::Subtree(after)) if before.id == after.id => Step::SkipBoth,
            (_, Head::Subtree(before), Head::Subtree(after)) => {
                Step::Open { before: before.level >= after.level, after: after.level >= before.level }
            }
            (_, Head::Subtree(_), _) => Step::Open { before: true, after: false },
            _ => Step::Open { before: false, after: true },
        }
    }
}
