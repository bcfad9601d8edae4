//! A comparison by a plugin, and the pages of the changes that it emits.

use std::sync::Arc;

use anabranch_merge::{ChangesPage, DiffInput, DiffOutcome, EntryChange, RowDiffError, RowTotals, ViewError};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::answers::{Answer, InputDigest};
use crate::bindings::differ;
use crate::bridge::{Lists, Served, Side};
use crate::call::{Body, Ended};
use crate::decisions::{Decisions, Learnt};
use crate::handles::{SinkHandle, SnapshotHandle};
use crate::merger::{PluginMerger, row_totals};
use crate::state::{CallState, Unit};
use crate::stop::{Ending, Stop};
use crate::{convert, inputs, report};

/// How many changes of a comparison one call keeps: enough for several pages.
pub(crate) const WINDOW_CHANGES: usize = 10_000;
/// How many bytes of them it keeps, about, beyond the first page.
pub(crate) const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// How many changes a page has at most.
pub(crate) const PAGE_CHANGES: usize = 1_000;

/// A part of the changes that a plugin emits, and what it said of all of them.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// How many changes lie before the first one here.
    start: u64,
    pub(crate) changes: Vec<Value>,
    /// Whether there are more.
    more: bool,
    added: u64,
    removed: u64,
    modified: u64,
    complete: bool,
    rows: Option<RowTotals>,
    pub(crate) notes: Vec<String>,
}

/// Where a page begins: at a change, in the window that begins at another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Place {
    window: u64,
    change: u64,
}

impl Place {
    /// Reads what [`Place::text`] wrote: a page of another comparison would leave changes out or show them twice.
    fn read(after: Option<&str>, comparison: &str) -> Result<Place, RowDiffError> {
        let Some(after) = after else { return Ok(Place::default()) };
        let number = |text: &str| text.parse::<u64>().ok();
        let parts = after.split_once('-').and_then(|(window, rest)| {
            let (change, of) = rest.split_once('-')?;
            Some((Place { window: number(window)?, change: number(change)? }, of))
        });
        match parts {
            Some((place, of)) if of == comparison && place.window <= place.change => Ok(place),
            Some((_, of)) if of.len() == comparison.len() && of != comparison => {
                Err(RowDiffError::Invalid(
                    "after is of another comparison: the refs or the rule in merge.toml changed; begin without it"
                        .to_owned(),
                ))
            }
            _ => Err(RowDiffError::Invalid(
                "after is no place in a list of changes: give the next_offset of the page before".to_owned(),
            )),
        }
    }

    fn text(self, comparison: &str) -> String {
        format!("{}-{}-{comparison}", self.window, self.change)
    }
}

impl Window {
    /// The changes of a page that begins at `change`, and where the next one does.
    fn page(&self, change: u64, limit: usize) -> (&[Value], Option<Place>) {
        let first = usize::try_from(change.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let rest = self.changes.get(first..).unwrap_or_default();
        let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let next = change.saturating_add(page.len() as u64);
        let place = if page.len() < rest.len() {
            Some(Place { window: self.start, change: next })
        } else {
            self.more.then_some(Place { window: next, change: next })
        };
        (page, place)
    }
}

impl PluginMerger {
    /// Compares, and answers with a page of the changes.
    pub(crate) async fn page_of_diff(
        &self,
        input: &DiffInput<'_>,
        page: &ChangesPage,
    ) -> Result<DiffOutcome, RowDiffError> {
        if input.changes.is_empty() {
            return Ok(DiffOutcome::default());
        }
        let digest = inputs::of_diff(self.plugin(), self.claim(), input).await?;
        let comparison = hex::encode(digest.get(..8).unwrap_or_default());
        let place = Place::read(page.after.as_deref(), &comparison)?;
        let window = self.window(input, &digest, place.window).await?;
        let (changes, next) = window.page(place.change, page.limit.clamp(1, PAGE_CHANGES));
        let mut details = json!({
            "added": window.added,
            "removed": window.removed,
            "modified": window.modified,
            "complete": window.complete,
            "changes": changes,
        });
        if let (Some(next), Some(fields)) = (next, details.as_object_mut()) {
            fields.insert("next".to_owned(), next.text(&comparison).into());
        }
        let count =
            |is: fn(&EntryChange) -> bool| input.changes.iter().filter(|change| is(change)).count() as u64;
        Ok(DiffOutcome {
            rows: window.rows,
            files_added: count(|change| change.before.is_none()),
            files_removed: count(|change| change.after.is_none()),
            notes: window.notes.clone(),
            partitions: Vec::new(),
            partitions_changed: 0,
            details: Some(details),
        })
    }

    /// The changes from the one with the number `start` on: kept ones, or those of a call.
    async fn window(
        &self,
        input: &DiffInput<'_>,
        digest: &InputDigest,
        start: u64,
    ) -> Result<Arc<Window>, ViewError> {
        let (plugin, digest) = (self.plugin(), inputs::of_window(digest, start));
        if let Some(Answer::Changes(window)) = plugin.kept(&digest, &Decisions::default()).as_deref() {
            return Ok(Arc::clone(window));
        }
        let window = Arc::new(self.compare(input, start).await?);
        plugin.keep(digest, Learnt::default(), Answer::Changes(Arc::clone(&window)));
        Ok(window)
    }

    async fn compare(&self, input: &DiffInput<'_>, start: u64) -> Result<Window, ViewError> {
        let failed = |message: String| ViewError::Storage {
            path: input.root.to_owned(),
            side: input.after.label().to_owned(),
            message,
            temporary: false,
        };
        let Ended { result, state } = self.run_diff(input, start).await;
        let summary = match result {
            Ok(Ok(summary)) => summary,
            Ok(Err(failure)) => return Err(failed(self.said(input.root, &failure, &state.words).1)),
            Err(Ending { stop: Stop::Storage(error), .. }) => return Err(error),
            Err(ending) => {
                let what = report::ending(&ending, &state.words);
                return Err(failed(report::failed(self.plugin(), input.root, &what)));
            }
        };
        let notes = convert::notes(summary.notes)
            .map_err(|what| failed(report::failed(self.plugin(), input.root, &what)))?;
        let shown = state.made.shown;
        let changes = shown.changes.into_iter().map(|change| convert::change(&state.unit, change));
        Ok(Window {
            start,
            changes: changes.collect(),
            more: shown.more,
            added: summary.added,
            removed: summary.removed,
            modified: summary.modified,
            complete: summary.complete,
            rows: summary.rows.map(row_totals),
            notes,
        })
    }

    async fn run_diff(
        &self,
        input: &DiffInput<'_>,
        start: u64,
    ) -> Ended<Result<differ::DiffSummary, crate::bindings::types::Failure>> {
        let served = Served {
            base: input.before,
            ours: input.before,
            theirs: input.after,
            lists: Lists::Diff(input.changes),
            writer: None,
        };
        let unit = Unit { root: input.root.to_owned(), kind: self.claim().unit };
        let mut state = CallState::new(self.plugin().limits().clone(), None, unit);
        state.made.shown.before = start;
        let (claim, path, options) =
            (self.claim().id.clone(), input.root.to_owned(), input.options.to_string());
        let labels = [input.before.label().to_owned(), input.after.label().to_owned()];
        let pre = self.plugin().pre().clone();
        let body: Body<_> = Box::new(move |store, instance| {
            let go = async move {
                let guest = differ::GuestIndices::new(&pre)?.load(&mut *store, instance)?;
                let state = store.data_mut();
                let [before, after] = labels;
                let input = differ::DiffInput {
                    claim,
                    path,
                    options,
                    before: state.push(SnapshotHandle { side: Side::Base, label: before })?,
                    after: state.push(SnapshotHandle { side: Side::Theirs, label: after })?,
                    files: None,
                    detail: differ::Detail::Changes,
                    columns: Vec::new(),
                    sink: state.push(SinkHandle)?,
                };
                guest.call_on_diff(store, &input).await
            };
            go.boxed()
        });
        self.plugin().call(served, state, body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_one_comparison() {
        let of = "0123456789abcdef";
        assert_eq!(Place::read(None, of), Ok(Place::default()));
        for (window, change) in [(0, 0), (0, 1_000), (10_000, 12_345)] {
            let place = Place { window, change };
            assert_eq!(Place::read(Some(&place.text(of)), of), Ok(place));
        }
        let refused = |after: &str| Place::read(Some(after), of).unwrap_err().to_string();
        assert!(refused("0-1000-fedcba9876543210").contains("begin without it"));
        for wrong in ["", "1", "1-2", "a-b-0123456789abcdef", "5-4-0123456789abcdef", "0-1-abc"] {
            assert!(refused(wrong).contains("next_offset"), "{wrong}");
        }
    }

    #[test]
    fn pages_go_through_a_window_and_on_to_the_next() {
        let window = |more| Window {
            start: 100,
            changes: (100..105).map(|number| json!(number)).collect(),
            more,
            added: 0,
            removed: 0,
            modified: 0,
            complete: false,
            rows: None,
            notes: Vec::new(),
        };
        let place = |window, change| Some(Place { window, change });
        assert_eq!(window(true).page(100, 3), (&[json!(100), json!(101), json!(102)][..], place(100, 103)));
        assert_eq!(window(true).page(103, 3), (&[json!(103), json!(104)][..], place(105, 105)));
        assert_eq!(window(false).page(103, 2), (&[json!(103), json!(104)][..], None));
        // Whoever makes up a place gets nothing from it.
        assert_eq!(window(false).page(1_000, 2), (&[][..], None));
    }
}
