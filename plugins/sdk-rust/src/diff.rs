//! Changes on their way to whoever reads a diff.

use crate::conflict::shown;
use crate::{Change, ChangeKind, Failure, RowTotals, Value};

/// The most changes that are handed over at once.
const PAGE_CHANGES: usize = 256;
/// The most bytes of values that are handed over at once, roughly.
const PAGE_BYTES: usize = 1024 * 1024;

/// Takes changes, counts them, and hands them over in pages.
pub struct Changes<'a> {
    page: Vec<Change>,
    page_bytes: usize,
    /// Takes a page; `false`: nobody reads on.
    reader: Option<&'a mut dyn FnMut(&[Change]) -> Result<bool, Failure>>,
    totals: Totals,
}

/// How many changes there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What is missing before.
    pub added: u64,
    /// What is missing after.
    pub removed: u64,
    /// What differs.
    pub modified: u64,
}

impl Totals {
    /// All of them.
    pub fn all(self) -> u64 {
        self.added + self.removed + self.modified
    }
}

/// What a diff says beside its changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiffReport {
    /// How much changed, where that is another number than that of the changes: lines, say, that changed together.
    pub totals: Option<Totals>,
    /// For data with rows.
    pub rows: Option<RowTotals>,
    /// One line each, for a person.
    pub notes: Vec<String>,
}

impl<'a> Changes<'a> {
    /// Hands pages to `reader` until it says `false`. Without one, changes are only counted.
    pub fn new(reader: Option<&'a mut dyn FnMut(&[Change]) -> Result<bool, Failure>>) -> Self {
        Self { page: Vec::new(), page_bytes: 0, reader, totals: Totals::default() }
    }

    /// A change of a part of the object: `what` is `row`, `column`, `cell`, `property` or `x-…`, `key` says which. What is
    /// missing before was added, what is missing after was removed.
    ///
    /// # Errors
    ///
    /// The host refused the page that became full.
    pub fn emit(
        &mut self,
        what: &str,
        key: impl Into<String>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Failure> {
        let kind = match (&before, &after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        match kind {
            ChangeKind::Added => self.totals.added += 1,
            ChangeKind::Removed => self.totals.removed += 1,
            ChangeKind::Modified => self.totals.modified += 1,
        }
        if self.reader.is_none() {
            return Ok(());
        }
        let (before, after) = (before.map(shown), after.map(shown));
        let key = key.into();
        let length = |value: &Option<Value>| match value {
            Some(Value::Text(text) | Value::Json(text)) => text.len(),
            Some(Value::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        self.page_bytes += key.len() + length(&before) + length(&after);
        self.page.push(Change { kind, what: what.into(), path: String::new(), key, before, after });
        if self.page.len() >= PAGE_CHANGES || self.page_bytes >= PAGE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// How many were emitted.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Hands over what is left. It fails where the host refuses it.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let page = std::mem::take(&mut self.page);
        self.page_bytes = 0;
        if let Some(reader) = &mut self.reader
            && !page.is_empty()
            && !reader(&page)?
        {
            self.reader = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_when_nobody_reads_on_and_counting_goes_on() {
        let mut pages = Vec::new();
        let mut reader = |page: &[Change]| {
            pages.push(page.len());
            Ok(pages.len() < 2)
        };
        let mut changes = Changes::new(Some(&mut reader));
        for row in 0..1000 {
            changes.emit("row", row.to_string(), None, Some(Value::Text("x".into()))).expect("taken");
        }
        changes.flush().expect("taken");
        assert_eq!(changes.totals(), Totals { added: 1000, removed: 0, modified: 0 });
        assert_eq!(pages, [PAGE_CHANGES, PAGE_CHANGES]);
    }
}
