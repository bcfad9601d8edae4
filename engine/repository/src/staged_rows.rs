//! Staged changes of a prefix, one after the other, in order of path.

use std::collections::VecDeque;

use anabranch_refs::Token;

use crate::RepositoryError;
use crate::repository::Inner;
use crate::rollup::{Position, near_end_of};
use crate::staging_view::StagedChange;

/// Reads pages as they are needed.
pub(crate) struct StagedRows<'a> {
    inner: &'a Inner,
    tokens: &'a [Token],
    prefix: &'a str,
    page: usize,
    after: Option<String>,
    waiting: VecDeque<StagedChange>,
    more: bool,
    /// Rows that begin with this are passed over.
    skipped: Option<String>,
}

impl<'a> StagedRows<'a> {
    /// The rows of `prefix` after `position`, read `page` at a time.
    pub(crate) fn new(
        inner: &'a Inner,
        tokens: &'a [Token],
        prefix: &'a str,
        position: &Position,
        page: usize,
    ) -> StagedRows<'a> {
        let (after, skipped) = match position {
            Position::Start => (None, None),
            Position::Path(path) => (Some(path.clone()), None),
            Position::CommonPrefix(prefix) => (Some(prefix.clone()), Some(prefix.clone())),
        };
        let more = !tokens.is_empty();
        let after = after.map(|after| if skipped.is_some() { near_end_of(&after) } else { after });
        // Seeking near the end of a prefix would pass over what lies between; nothing does, but for the prefix itself.
        StagedRows { inner, tokens, prefix, page, after, waiting: VecDeque::new(), more, skipped }
    }

    /// The next row, which stays.
    pub(crate) async fn peek(&mut self) -> Result<Option<&StagedChange>, RepositoryError> {
        loop {
            if let Some(skipped) = &self.skipped {
                while self.waiting.front().is_some_and(|row| row.path.starts_with(skipped)) {
                    self.waiting.pop_front();
                }
            }
            if !self.waiting.is_empty() || !self.more {
                return Ok(self.waiting.front());
            }
            let after = self.after.as_deref();
            let (rows, more) = self.inner.staged_changes(self.tokens, self.prefix, after, self.page).await?;
            self.after = rows.last().map(|row| row.path.clone()).or(self.after.take());
            self.more = more;
            self.waiting = rows.into();
        }
    }

    /// Takes the row that [`StagedRows::peek`] showed.
    pub(crate) fn pop(&mut self) -> Option<StagedChange> {
        self.waiting.pop_front()
    }

    /// Passes over every row that begins with `prefix`; the next rows are at or after it.
    pub(crate) fn skip(&mut self, prefix: &str) {
        self.skipped = Some(prefix.to_owned());
        while self.waiting.front().is_some_and(|row| row.path.starts_with(prefix)) {
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.more {
            self.after = Some(near_end_of(prefix)).max(self.after.take());
        }
    }
}
