//! The merger: reads three logs, lets the plan decide, writes, lints and verifies.

use std::sync::Arc;

use anabranch_merge::{
    ACCEPT_CHOICE, Conflict, ConflictKind, Demands, DiffInput, DiffOutcome, Failure, FailureReason,
    MergeEdit, MergeInput, MergeOutcome, MergeReport, Merger, MergerDescription, RowDiffError, RowDiffPage,
    RowDiffRequest, RowSink, UnitKind, UnitView, Verification, ViewError, ViolationsInput, full_message,
};
use anabranch_parquet::RowTurns;
use anabranch_rows::PerSide;
use anabranch_rows::scan::SortMeter;
use async_trait::async_trait;

use crate::diff::{diff, diff_rows, stream_rows};
use crate::lint::lint;
use crate::plan::{Finding, History, Plan, PlanInput, Planned, RowsWanted, plan, reads};
use crate::read::{Log, ReadError, SnapshotCache, read_commits, read_log};
use crate::rows::{Failed, MergedRows, RowBudget, RowMeans, States, check_options, merge_rows};
use crate::snapshot::LiveFiles;
use crate::validate::{
    Places, SharedKeys, asks, demands, is_serializable, possible_skews, shared_keys, stale_reads, violations,
    violations_of_result, written,
};
use crate::verify::{Verdict, Verifier};
use crate::write::{link_objects, write_commits};

/// Merges Delta tables. Keeps log states and the verifier's states between merges; all of them are found by content,
/// so that one merger serves any number of repositories.
#[derive(Default)]
pub struct DeltaMerger {
    snapshots: SnapshotCache,
    verifier: Verifier,
    rows: RowMeans,
    row_diffs: RowTurns,
}

/// Why a merge ends before it is merged.
enum Stop {
    Conflicts { findings: Vec<Finding>, notes: Vec<String> },
    Failed(Failure),
}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Stop::Failed(Failure { reason: FailureReason::Storage, message: error.to_string() })
    }
}

fn broken(root: &str, message: impl std::fmt::Display) -> Stop {
    let message = format!("{root}: the planned log breaks its own rules, nothing is published: {message}");
    Stop::Failed(Failure { reason: FailureReason::Broken, message })
}

#[async_trait]
impl Merger for DeltaMerger {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "delta".into(), version: "3".into(), unit: UnitKind::Folder }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        match self.try_merge(&input).await {
            Ok((edits, report)) => MergeOutcome::Merged { edits, report },
            Err(Stop::Failed(failure)) => MergeOutcome::Failed(failure),
            Err(Stop::Conflicts { findings, notes }) => conclude(&input, findings, notes),
        }
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        check_options(options)
    }

    fn demands(&self, options: &serde_json::Value) -> Demands {
        demands(options)
    }

    async fn violations(&self, input: ViolationsInput<'_>) -> Result<Vec<Conflict>, Failure> {
        violations_of_result(&input, &self.snapshots, &self.rows).await
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        diff(&self.snapshots, input).await
    }

    async fn diff_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
    ) -> Result<RowDiffPage, RowDiffError> {
        let _turn = self.row_diffs.take().await;
        diff_rows(&self.snapshots, input, request, &self.rows).await
    }

    async fn stream_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<(), RowDiffError> {
        let _turn = self.row_diffs.take().await;
        stream_rows(&self.snapshots, input, request, &self.rows, sink).await
    }
}

impl DeltaMerger {
    /// A merger with empty caches.
    pub fn new() -> Self {
        DeltaMerger::default()
    }

    /// A merger that merges rows within this budget.
    pub fn with_budget(rows: RowBudget) -> Self {
        let rows = RowMeans { budget: rows, ..RowMeans::default() };
        DeltaMerger { rows, ..DeltaMerger::default() }
    }

    /// Cuts the rows of a merge into at most so many ranges of keys, however few rows there are. Otherwise it is as is good
    /// for this machine; the outcome is the same.
    #[must_use]
    pub fn with_ranges(self, ranges: usize) -> Self {
        DeltaMerger { rows: RowMeans { ranges: Some(ranges.max(1)), ..self.rows }, ..self }
    }

    /// What merges and diffs of rows have taken so far.
    pub fn row_meter(&self) -> &SortMeter {
        &self.rows.meter
    }

    async fn try_merge(&self, input: &MergeInput<'_>) -> Result<(Vec<MergeEdit>, MergeReport), Stop> {
        if let Some(edits) = input.fast_path() {
            let how = if edits.is_empty() { "unchanged" } else { "fast-forward" };
            return Ok((edits, MergeReport::new(how)));
        }
        let (base, ours, theirs) = self.read_sides(input).await?;
        let plan_input = PlanInput {
            base: &base.snapshot,
            ours: &ours.snapshot,
            theirs: &theirs.snapshot,
            ours_history: history(input.ours, "ours", &base, &ours).await?,
            theirs_history: history(input.theirs, "theirs", &base, &theirs).await?,
            refuse_cleaned: input.options.get("on-log-cleaned").is_some_and(|value| value == "refuse"),
            merge_time_ms: input.merge_time_ms,
            seed: input.seed,
            source: input.source,
            shared: None,
            merged: None,
        };
        let states = States { base: &base.snapshot, ours: &ours.snapshot, theirs: &theirs.snapshot };
        let (stale, skews) = isolation(input, &plan_input, states).await?;
        let mut reached = self.plan_with_rows(input, plan_input, states).await?;
        let violations = self.check(input, states, &reached).await?;
        reached.findings.extend(stale);
        reached.findings.extend(violations);
        let (plan, rows) = match reached {
            Reached { plan: Some(plan), rows, findings, .. } if findings.is_empty() => (plan, rows),
            Reached { plan, findings, mut notes, .. } => {
                notes.extend(plan.into_iter().flat_map(|plan| plan.notes));
                notes.extend(skews);
                return Err(Stop::Conflicts { findings, notes });
            }
        };
        let merged = lint(&ours.snapshot, &plan.commits, &plan.live)
            .map_err(|rules| broken(input.root, rules.join("; ")))?;
        let (mut edits, findings) = link_objects(input, &plan, &merged).await?;
        if !findings.is_empty() {
            return Err(Stop::Conflicts { findings, notes: plan.notes });
        }
        let (commits, bytes_written) = write_commits(input, &plan).await?;
        edits.extend(commits);
        let bytes_written = bytes_written.saturating_add(rows.as_ref().map_or(0, |rows| rows.bytes_written));
        let row_report = rows.map(|rows| {
            edits.extend(rows.edits);
            (rows.totals, rows.notes)
        });
        edits.sort_by(|left, right| left.path().cmp(right.path()));
        let verification = self.verify(input, &ours, &plan, &merged, &edits).await?;
        let mut report = MergeReport { bytes_written, verification, ..report_of(plan) };
        report.notes.extend(skews);
        if let Some((totals, notes)) = row_report {
            report.how = "rows".into();
            report.rows = Some(totals);
            report.notes.extend(notes);
        }
        Ok((edits, report))
    }

    /// Plans a merge. Where both sides changed rows of the same files, or added rows of one key, these are merged first.
    async fn plan_with_rows(
        &self,
        input: &MergeInput<'_>,
        plan_input: PlanInput<'_>,
        states: States<'_>,
    ) -> Result<Reached, Stop> {
        let mut planned = plan(plan_input.clone());
        let shared = match shared_keys(input, states, &planned, &self.rows).await {
            Ok(shared) => shared,
            Err(Failed::Unmergeable(why)) => SharedKeys::unverifiable(why),
            Err(failed) => return Err(stop(input, failed, Vec::new(), planned.into_notes())),
        };
        let mut open = unaccepted(input, shared.unverifiable_finding());
        if !shared.files.is_empty() {
            planned = plan(PlanInput { shared: Some(&shared.files), ..plan_input.clone() });
        }
        let Planned::Rows(wanted) = planned else { return Reached::of(input, planned, open) };
        let RowsWanted { component, findings, files, notes, live } = *wanted;
        open.extend(findings);
        let looked_at = asks(states, input.options, input.resolutions);
        let looked_at = looked_at.map_err(|why| stop(input, Failed::Options(why), Vec::new(), Vec::new()))?;
        let rows = match merge_rows(input, states, &component, looked_at, &self.rows).await {
            Ok(rows) => rows,
            Err(Failed::Conflicts(rows)) => {
                open.extend(rows);
                return Ok(Reached { findings: open, notes, live, ..Reached::default() });
            }
            Err(Failed::Unmergeable(why)) => {
                open.extend(files.into_iter().map(|finding| finding.because(&why)));
                open.extend(unaccepted(input, shared.violations(&why)));
                if open.is_empty() {
                    // Only rows of shared keys were to be merged, and somebody took them as they are.
                    return Reached::of(input, plan(plan_input), open);
                }
                return Ok(Reached { findings: open, notes, live, ..Reached::default() });
            }
            Err(failed) => return Err(stop(input, failed, open, notes)),
        };
        open.extend(rows.open.iter().cloned());
        let planned = plan(PlanInput { merged: Some(&rows.component), ..plan_input });
        Ok(Reached { rows: Some(rows), ..Reached::of(input, planned, open)? })
    }

    /// What the rows break that the merge brings together, as far as they are decided.
    async fn check(
        &self,
        input: &MergeInput<'_>,
        states: States<'_>,
        reached: &Reached,
    ) -> Result<Vec<Finding>, Stop> {
        let new = reached.rows.as_ref().map(|rows| written(&rows.edits)).unwrap_or_default();
        let views: PerSide<&dyn UnitView> =
            PerSide { base: input.base, ours: input.ours, theirs: input.theirs };
        let places = Places { views, new: &new };
        let found =
            violations(states, reached.live(), places, input.options, input.resolutions, &self.rows).await;
        match found {
            Ok(found) => Ok(unaccepted(input, found)),
            Err(failed) => Err(stop(input, failed, reached.findings.clone(), reached.notes.clone())),
        }
    }

    /// Reads the logs of all sides. Base comes first: the others go on from its state.
    async fn read_sides(&self, input: &MergeInput<'_>) -> Result<(Log, Log, Log), Stop> {
        let base = read_log(input.base, &self.snapshots).await;
        let ours = read_log(input.ours, &self.snapshots).await;
        let theirs = read_log(input.theirs, &self.snapshots).await;
        let mut findings = Vec::new();
        let mut logs = Vec::new();
        for (side, log) in [("base", base), ("ours", ours), ("theirs", theirs)] {
            match log {
                Ok(log) => logs.push(log),
                Err(ReadError::Damaged(damage)) => findings.push(Finding::damage(side, damage)),
                Err(ReadError::View(error)) => return Err(error.into()),
            }
        }
        if !findings.is_empty() {
            return Err(Stop::Conflicts { findings, notes: Vec::new() });
        }
        let mut logs = logs.into_iter();
        let sides = (logs.next().flatten(), logs.next().flatten(), logs.next().flatten());
        let (base, ours, theirs) = match sides {
            (Some(base), Some(ours), Some(theirs)) => return Ok((base, ours, theirs)),
            (base, ours, theirs) => (base.is_some(), ours.is_some(), theirs.is_some()),
        };
        let finding = missing_log(input, base, ours, theirs).await?;
        Err(Stop::Conflicts { findings: vec![finding], notes: Vec::new() })
    }

    async fn verify(
        &self,
        input: &MergeInput<'_>,
        ours: &Log,
        plan: &Plan,
        merged: &crate::snapshot::Snapshot,
        edits: &[MergeEdit],
    ) -> Result<Verification, Stop> {
        if plan.commits.is_empty() {
            return Ok(Verification::NotNeeded);
        }
        let verdict = self.verifier.verify(input.ours, ours, edits, merged).await;
        match verdict {
            Ok(Verdict::Agrees(key)) => {
                self.snapshots.put(key, Arc::new(merged.clone()));
                Ok(Verification::Agrees)
            }
            Ok(Verdict::CannotJudge(reason)) => Ok(Verification::Unverified { reason }),
            Ok(Verdict::Disagrees(message)) => Err(Stop::Failed(Failure {
                reason: FailureReason::VerificationDisagrees,
                message: format!(
                    "{}: what would be published is not the table that was planned: {message}",
                    input.root
                ),
            })),
            Err(ReadError::View(error)) => Err(error.into()),
            Err(ReadError::Damaged(damage)) => {
                Err(Stop::Conflicts { findings: vec![Finding::damage("ours", damage)], notes: Vec::new() })
            }
        }
    }
}

/// How far a merge was planned.
#[derive(Default)]
struct Reached {
    /// The plan, if everything is decided.
    plan: Option<Plan>,
    /// The rows that were merged for it.
    rows: Option<MergedRows>,
    /// What is not decided.
    findings: Vec<Finding>,
    notes: Vec<String>,
    /// Without a plan, the files as far as they are decided.
    live: LiveFiles,
}

impl Reached {
    /// What was planned once all rows are there, beside what else was found.
    fn of(input: &MergeInput<'_>, planned: Planned, mut findings: Vec<Finding>) -> Result<Reached, Stop> {
        match planned {
            Planned::Ready(plan) => Ok(Reached { plan: Some(plan), findings, ..Reached::default() }),
            Planned::Conflicts { findings: found, notes, live } => {
                findings.extend(found);
                Ok(Reached { findings, notes, live, ..Reached::default() })
            }
            Planned::Rows(_) => Err(broken(input.root, "its rows are merged and still contested")),
            Planned::Broken(message) => Err(broken(input.root, message)),
        }
    }

    fn live(&self) -> &LiveFiles {
        self.plan.as_ref().map_or(&self.live, |plan| &plan.live)
    }
}

/// What a stricter isolation than the usual one refuses, or what it would have refused.
async fn isolation(
    input: &MergeInput<'_>,
    plan_input: &PlanInput<'_>,
    states: States<'_>,
) -> Result<(Vec<Finding>, Vec<String>), Stop> {
    let failed = |failed| stop(input, failed, Vec::new(), Vec::new());
    let is_serializable = is_serializable(input.options).map_err(Failed::Options).map_err(failed)?;
    let ours = reads(states.base, states.ours, &plan_input.ours_history);
    let theirs = reads(states.base, states.theirs, &plan_input.theirs_history);
    if is_serializable {
        return Ok((stale_reads(input, states, [ours, theirs]).await.map_err(failed)?, Vec::new()));
    }
    Ok((Vec::new(), possible_skews(input, states, &[ours, theirs]).await.map_err(failed)?))
}

/// How a merge ends whose rows could not be read or merged, beside what was `found` already.
fn stop(input: &MergeInput<'_>, failed: Failed, mut found: Vec<Finding>, notes: Vec<String>) -> Stop {
    let failure = |reason, message| Stop::Failed(Failure { reason, message });
    match failed {
        Failed::Conflicts(findings) => {
            found.extend(findings);
            Stop::Conflicts { findings: found, notes }
        }
        Failed::Unmergeable(why) => broken(input.root, why),
        Failed::Options(why) => {
            let message = format!("{}: the options of its rule in merge.toml: {why}", input.root);
            failure(FailureReason::Broken, message)
        }
        Failed::TooLarge(why) => failure(FailureReason::Limit, format!("{}: {why}", input.root)),
        Failed::Storage(error) => error.into(),
        Failed::Engine(error) => broken(input.root, format!("its rows: {}", full_message(&error))),
    }
}

/// The violations that nobody accepted.
fn unaccepted(input: &MergeInput<'_>, violations: Vec<Finding>) -> Vec<Finding> {
    let accepted = |finding: &Finding| {
        let id = finding.clone().into_conflict(input.root).id();
        let of_it = input.resolutions.iter().find(|resolution| resolution.conflict == id);
        of_it.is_some_and(|resolution| resolution.choice == ACCEPT_CHOICE)
    };
    violations.into_iter().filter(|finding| !accepted(finding)).collect()
}

fn report_of(plan: Plan) -> MergeReport {
    MergeReport {
        rows: plan.rows,
        files_added: plan.files_added,
        files_removed: plan.files_removed,
        notes: plan.notes,
        ..MergeReport::new("metadata")
    }
}

/// The edits that make ours what theirs is.
fn theirs_whole(input: &MergeInput<'_>) -> Vec<MergeEdit> {
    let differs = input.changes.iter().filter(|change| change.ours != change.theirs);
    let edit = |change: &anabranch_merge::EntryMerge| {
        let path = change.path.clone();
        match change.theirs.clone() {
            Some(entry) => MergeEdit::Link { path, entry },
            None => MergeEdit::Remove { path },
        }
    };
    differs.map(edit).collect()
}

/// Conflicts, or the side that somebody chose for all of them.
fn conclude(input: &MergeInput<'_>, findings: Vec<Finding>, notes: Vec<String>) -> MergeOutcome {
    let mut conflicts: Vec<Conflict> =
        findings.into_iter().map(|finding| finding.into_conflict(input.root)).collect();
    Conflict::sort(&mut conflicts);
    conflicts.dedup_by_key(|conflict| conflict.id());
    let chosen = |conflict: &Conflict| {
        let id = conflict.id();
        input
            .resolutions
            .iter()
            .find(|resolution| resolution.conflict == id)
            .map(|resolution| resolution.choice.as_str())
    };
    let all = |side: &str| conflicts.iter().all(|conflict| chosen(conflict) == Some(side));
    let mut report = MergeReport { notes, ..MergeReport::new("metadata") };
    if all("ours") {
        report.how = "ours".into();
        return MergeOutcome::Merged { edits: Vec::new(), report };
    }
    if all("theirs") {
        report.how = "theirs".into();
        return MergeOutcome::Merged { edits: theirs_whole(input), report };
    }
    MergeOutcome::Conflicts { conflicts, report }
}

/// Reads the commits of a side that may be new since the base.
async fn history(view: &dyn UnitView, side: &str, base: &Log, log: &Log) -> Result<History, Stop> {
    let Some(common) = base.listing.common_version(&log.listing) else { return Ok(History::default()) };
    let (from, to) = (common.saturating_add(1), log.snapshot.version);
    let extends_base = common == base.snapshot.version;
    if !log.listing.has_commits(from, to) {
        return Ok(History { commits: None, extends_base });
    }
    match read_commits(view, &log.listing, from, to).await {
        Ok(commits) => Ok(History { commits: Some(commits), extends_base }),
        Err(ReadError::View(error)) => Err(error.into()),
        Err(ReadError::Damaged(damage)) => {
            Err(Stop::Conflicts { findings: vec![Finding::damage(side, damage)], notes: Vec::new() })
        }
    }
}

/// The conflict of a root that is no table on some side.
async fn missing_log(input: &MergeInput<'_>, base: bool, ours: bool, theirs: bool) -> Result<Finding, Stop> {
    let (kind, message) = match (base, ours, theirs) {
        (false, true, true) => (
            ConflictKind::TableCreatedBoth,
            "both sides created a table here, and nothing says that it is one",
        ),
        (true, true, false) | (true, false, true) => {
            let (side, name) = if ours { (input.theirs, "theirs") } else { (input.ours, "ours") };
            let rest = side.walk("", None, 1).await?;
            if rest.is_empty() {
                let message = if ours {
                    "theirs dropped the table, ours changed it"
                } else {
                    "ours dropped the table, theirs changed it"
                };
                (ConflictKind::TableDeletedModified, message)
            } else {
                let message = format!("{name} deleted the table's log and left other objects behind");
                return Ok(Finding::table(ConflictKind::TableDamaged, "table", message));
            }
        }
        _ => {
            (ConflictKind::TableDamaged, "one side holds a table here, the other holds objects that are none")
        }
    };
    Ok(Finding::table(kind, "table", message))
}
