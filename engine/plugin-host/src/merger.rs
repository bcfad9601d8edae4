//! A plugin as a merger: the same input, the same three ends as a merger that is built in.

use std::sync::Arc;

use anabranch_merge::{
    ChangesPage, Conflict, DiffInput, DiffOutcome, Failure, FailureReason, MergeInput, MergeOutcome,
    MergeReport, Merger, MergerDescription, RowDiffError, RowTotals, Strategy, UnitKind, ViewError,
};
use async_trait::async_trait;
use futures::FutureExt;
use wasmtime::component::Resource;

use crate::answers::Answer;
use crate::bindings::{merger, types};
use crate::bridge::{Lists, Served, Side};
use crate::call::{Body, Ended};
use crate::decisions::{Decisions, Learnt};
use crate::differ::PAGE_CHANGES;
use crate::error::PluginError;
use crate::handles::{ResultHandle, SnapshotHandle};
use crate::plugin::{Claim, Plugin};
use crate::result::Settling;
use crate::state::{CallState, Unit};
use crate::stop::{Ending, Stop};
use crate::wasi::Chance;
use crate::{convert, inputs, report};

/// Merges units with a plugin. A plugin that fails publishes nothing, and nothing takes over for it.
#[derive(Debug)]
pub struct PluginMerger {
    name: String,
    plugin: Arc<Plugin>,
    claim: Claim,
}

impl PluginMerger {
    /// The merger called `name` that gives units of kind `unit` to `plugin`. Refused if the plugin does not merge, or
    /// has no claim on such units; of several claims the first is meant.
    pub fn new(name: impl Into<String>, plugin: Arc<Plugin>, unit: UnitKind) -> Result<Self, PluginError> {
        let refuse = |why: String| Err(PluginError::NotAPlugin(why));
        if !plugin.merges() {
            return refuse(format!("{} only compares: it does not export merger", plugin.name()));
        }
        let Some(claim) = plugin.claims().iter().find(|claim| claim.unit == unit).cloned() else {
            return refuse(format!("{} has no claim on units of kind {unit:?}", plugin.name()));
        };
        Ok(PluginMerger { name: name.into(), plugin, claim })
    }

    /// The merger called `name` that gives units to `plugin` under the claim with this id. Refused if the plugin does not
    /// merge, or has no such claim.
    pub fn of_claim(name: impl Into<String>, plugin: Arc<Plugin>, claim: &str) -> Result<Self, PluginError> {
        let refuse = |why: String| Err(PluginError::NotAPlugin(why));
        if !plugin.merges() {
            return refuse(format!("{} only compares: it does not export merger", plugin.name()));
        }
        let Some(claim) = plugin.claims().iter().find(|found| found.id == claim).cloned() else {
            let known: Vec<&str> = plugin.claims().iter().map(|claim| claim.id.as_str()).collect();
            return refuse(format!("{} has no claim {claim:?}, only {}", plugin.name(), known.join(", ")));
        };
        Ok(PluginMerger { name: name.into(), plugin, claim })
    }

    /// The mergers of a plugin, one for each kind of unit that it takes, under the names by which the rules of
    /// `merge.toml` find them. None for a plugin that only compares.
    pub fn all_of(plugin: &Arc<Plugin>) -> Vec<Self> {
        let units = [UnitKind::Object, UnitKind::Folder].into_iter();
        let merger = |unit| {
            let name = anabranch_merge::plugin_merger(&plugin.component(), unit);
            PluginMerger::new(name, Arc::clone(plugin), unit).ok()
        };
        units.filter_map(merger).collect()
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    fn how(&self) -> String {
        self.plugin.component()
    }

    fn failed(&self, root: &str, reason: FailureReason, what: &str) -> MergeOutcome {
        MergeOutcome::Failed(Failure { reason, message: report::failed(&self.plugin, root, what) })
    }

    fn ended(&self, root: &str, ending: &Ending, words: &crate::state::LastWords) -> MergeOutcome {
        let reason = match ending.stop {
            Stop::Limit(_) => FailureReason::Limit,
            Stop::Storage(_) => FailureReason::Storage,
            Stop::Broken(_) | Stop::GivenUp => FailureReason::Broken,
        };
        self.failed(root, reason, &report::ending(ending, words))
    }

    /// What the plugin itself said went wrong.
    pub(crate) fn said(
        &self,
        root: &str,
        failure: &types::Failure,
        words: &crate::state::LastWords,
    ) -> (FailureReason, String) {
        let reason = if failure.code == "limit" { FailureReason::Limit } else { FailureReason::Broken };
        let mut what = format!("{}: {}", failure.code, failure.message);
        if let Some(path) = &failure.path {
            what.push_str(&format!(" ({path:?})"));
        }
        report::append_words(&mut what, words);
        (reason, report::failed(&self.plugin, root, crate::state::cut(&what, 16 * 1024)))
    }

    async fn run_merge(
        &self,
        input: &MergeInput<'_>,
        decisions: Decisions,
        served: Served<'_>,
    ) -> Ended<Result<merger::MergeOutcome, types::Failure>> {
        let unit = Unit { root: input.root.to_owned(), kind: self.claim.unit };
        let mut state = CallState::new(self.plugin.limits().clone(), None, unit);
        state.decisions = decisions;
        state.chance = Chance::new(input.merge_time_ms, input.seed);
        let call = MergeCall {
            claim: self.claim.id.clone(),
            path: input.root.to_owned(),
            options: input.options.to_string(),
            labels: [input.base, input.ours, input.theirs].map(|view| view.label().to_owned()),
            prefer: input.prefer.map(|strategy| match strategy {
                Strategy::DestWins => types::Side::Ours,
                Strategy::SourceWins => types::Side::Theirs,
            }),
            merge_time_ms: u64::try_from(input.merge_time_ms).unwrap_or_default(),
            seed: input.seed.to_vec(),
        };
        let pre = self.plugin.pre().clone();
        let body: Body<_> = Box::new(move |store, instance| {
            let go = async move {
                let guest = merger::GuestIndices::new(&pre)?.load(&mut *store, instance)?;
                let input = call.input(store.data_mut())?;
                guest.call_on_merge(store, &input).await
            };
            go.boxed()
        });
        self.plugin.call(served, state, body).await
    }

    /// Runs the plugin.
    async fn merge_anew(&self, input: &MergeInput<'_>, decisions: Decisions) -> Run {
        let served = Served {
            base: input.base,
            ours: input.ours,
            theirs: input.theirs,
            lists: Lists::Merge(input.changes),
            writer: Some(input.writer),
        };
        let Ended { result, mut state } = self.run_merge(input, decisions, served).await;
        let (outcome, lasting) = match result {
            Err(ending) => (self.ended(input.root, &ending, &state.words), ending.stop.is_lasting()),
            Ok(Err(failure)) => {
                let (reason, message) = self.said(input.root, &failure, &state.words);
                (MergeOutcome::Failed(Failure { reason, message }), true)
            }
            Ok(Ok(outcome)) if outcome.verdict == merger::Verdict::Declined => {
                let what = format!("it declined: {}", outcome.notes.join("; "));
                let what = crate::state::cut(&what, 16 * 1024);
                (self.failed(input.root, FailureReason::Declined, what), true)
            }
            Ok(Ok(outcome)) => match self.settle(input, &served, &mut state, outcome).await {
                Ok(outcome) => (outcome, true),
                Err(stop) => {
                    let (lasting, words) = (stop.is_lasting(), crate::state::LastWords::default());
                    (self.ended(input.root, &Ending::from(stop), &words), lasting)
                }
            },
        };
        Run { outcome, lasting, learnt: state.decisions.into_learnt() }
    }

    /// The result of a plugin that says that it is done.
    async fn settle(
        &self,
        input: &MergeInput<'_>,
        served: &Served<'_>,
        state: &mut CallState,
        outcome: merger::MergeOutcome,
    ) -> Result<MergeOutcome, Stop> {
        let made = std::mem::take(&mut state.made);
        let settling = Settling {
            served,
            changes: input.changes,
            unit: &state.unit,
            start: self.claim.start,
            limits: &state.limits,
            decisions: &state.decisions,
        };
        let mut settled = settling.settle(made).await?;
        let mut report = MergeReport::new(self.how());
        report.rows = outcome.rows.map(row_totals);
        report.files_added = settled.files_added;
        report.files_removed = settled.files_removed;
        report.bytes_written = settled.bytes_written;
        report.notes = convert::notes(outcome.notes).map_err(Stop::Broken)?;
        if settled.conflicts.is_empty() {
            return Ok(MergeOutcome::Merged { edits: settled.edits, report });
        }
        Conflict::sort(&mut settled.conflicts);
        let mut ids: Vec<_> = settled.conflicts.iter().map(Conflict::id).collect();
        ids.sort_unstable();
        if let Some([twice, _]) = ids.array_windows().find(|[left, right]| left == right) {
            let conflict = settled.conflicts.iter().find(|conflict| conflict.id() == *twice);
            let shown = conflict.map(Conflict::to_string).unwrap_or_default();
            return Err(Stop::Broken(format!("it reported the same conflict twice: {shown}")));
        }
        Ok(MergeOutcome::Conflicts { conflicts: settled.conflicts, report })
    }
}

#[async_trait]
impl Merger for PluginMerger {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: self.name.clone(), version: self.plugin.digest(), unit: self.claim.unit }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        if let Some(edits) = input.fast_path() {
            return MergeOutcome::Merged { edits, report: MergeReport::new(self.how()) };
        }
        let (plugin, decisions) = (&self.plugin, Decisions::of(input.resolutions));
        let digest = match plugin.keeps_answers() {
            // A storage that cannot say what is there is no reason to fail: the call asks it again.
            true => inputs::of_merge(plugin, &self.claim, &input).await.ok(),
            false => None,
        };
        if let Some(Answer::Merge(kept)) =
            digest.and_then(|digest| plugin.kept(&digest, &decisions)).as_deref()
        {
            return kept.clone();
        }
        let Run { outcome, lasting, learnt } = self.merge_anew(&input, decisions).await;
        if let Some(digest) = digest.filter(|_| lasting) {
            plugin.keep(digest, learnt, Answer::Merge(outcome.clone()));
        }
        outcome
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        self.plugin.check_options(options)
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        let page = ChangesPage { limit: PAGE_CHANGES, after: None };
        match self.page_of_diff(&input, &page).await {
            Ok(outcome) => Ok(outcome),
            Err(RowDiffError::View(error)) => Err(error),
            Err(other) => Err(ViewError::Storage {
                path: input.root.to_owned(),
                side: input.after.label().to_owned(),
                message: other.to_string(),
                temporary: false,
            }),
        }
    }

    async fn diff_page(&self, input: DiffInput<'_>, page: &ChangesPage) -> Result<DiffOutcome, RowDiffError> {
        self.page_of_diff(&input, page).await
    }
}

/// How a run of a plugin ended.
struct Run {
    outcome: MergeOutcome,
    /// Whether every run on these inputs ends like this one: not where the wall clock or the storage decided, or the host itself may have.
    lasting: bool,
    learnt: Learnt,
}

/// What a merge hands to a plugin, before its handles are made.
struct MergeCall {
    claim: String,
    path: String,
    options: String,
    labels: [String; 3],
    prefer: Option<types::Side>,
    merge_time_ms: u64,
    seed: Vec<u8>,
}

impl MergeCall {
    fn input(self, state: &mut CallState) -> Result<merger::MergeInput, Stop> {
        let mut snapshot = |side, label| -> Result<Resource<SnapshotHandle>, Stop> {
            state.push(SnapshotHandle { side, label })
        };
        let [base, ours, theirs] = self.labels;
        Ok(merger::MergeInput {
            claim: self.claim,
            path: self.path,
            options: self.options,
            base: snapshot(Side::Base, base)?,
            ours: snapshot(Side::Ours, ours)?,
            theirs: snapshot(Side::Theirs, theirs)?,
            files: None,
            merged: state.push(ResultHandle)?,
            prefer: self.prefer,
            merge_time_ms: self.merge_time_ms,
            seed: self.seed,
        })
    }
}

pub(crate) fn row_totals(totals: types::RowTotals) -> RowTotals {
    let types::RowTotals { added, removed, modified, cells } = totals;
    RowTotals { added, removed, modified, cells }
}
