//! The merge of three trees: tables by their mergers, everything else object by object.
//!
//! 1. [`survey`]: a three-way walk, in which each changed key is traced to the unit that owns it.
//! 2. [`decide`]: what follows from the changes alone.
//! 3. [`units`]: units that both sides changed go to their mergers.
//! 4. [`edits`]: one list of edits turns ours into the result.
//! 5. [`structure`]: files and folders that belong to no merger do not come out as a mixture either.
//! 6. [`check`]: no table may come out as a mixture.
//! 7. [`demands`]: what `merge.toml` demands of the rows of the result.

mod bases;
mod check;
mod decide;
mod demands;
mod edits;
mod extents;
mod finder;
mod model;
mod structure;
mod survey;
#[cfg(test)]
mod tests;
mod units;
mod zarr;

use std::borrow::Cow;
use std::sync::Arc;

use anabranch_tree::{Session, Tree, TreeError};
use futures::{FutureExt, StreamExt, TryStreamExt};

pub use model::{
    Labels, Mode, ObjectTotals, PipelineError, PipelineInput, PipelineOutcome, PipelineReport, Strategy,
    UnitDecision, UnitReport,
};

use check::TakenWhole;
use decide::{decide_entry, decide_unit, object_conflict, side_of};
use edits::{Edits, subtract};
use finder::{Root, RootFinder, unit_ranges};
use survey::{ChangedUnit, Side, Survey, UnitChanges, survey};
use units::{UnitEnd, UnitMerge, chosen_side, failed, merge_folder, merge_object, uploaded};

use crate::rules::{OBJECT_WISE, RULES_BYTES_MAX, RULES_PATH, Rule, Rules};
use crate::{Conflict, Decision, EntryMerge, Failure, FailureReason, Registry, UnitKind};

/// How many units are merged at the same time.
const UNITS_AT_ONCE: usize = 4;

/// Merges `input.theirs` into `input.ours`, seen from `input.base`. Publishes nothing: the merged tree is new in
/// `session`, and the objects that mergers wrote are referred to by nothing else.
///
/// # Errors
/// [`PipelineError`] when the merge could not be run. Conflicts and failed mergers are values of the outcome.
pub async fn merge_trees(
    session: &Session,
    input: &PipelineInput<'_>,
) -> Result<PipelineOutcome, PipelineError> {
    let rules = load_rules(session, input).await?;
    let registry = mergers_for(input, &rules).await?;
    let input = &input.with_registry(&registry);
    let outcome = merge_from_base(session, input, &input.base, &rules).await?;
    demands::check(session, input, &rules, outcome).await.map_err(PipelineError::Tree)
}

/// Merges over each of several best merge bases (`input.base` is not looked at). Where different bases give different
/// answers for a table or an object, it is a conflict `ambiguous-base`.
///
/// # Errors
/// As [`merge_trees`]; [`PipelineError::NoBase`] when there is no base.
pub async fn merge_over_bases(
    session: &Session,
    bases: &[Tree],
    input: &PipelineInput<'_>,
) -> Result<PipelineOutcome, PipelineError> {
    let rules = load_rules(session, input).await?;
    let registry = mergers_for(input, &rules).await?;
    let input = &input.with_registry(&registry);
    let mut distinct: Vec<&Tree> = Vec::new();
    for base in bases {
        if !distinct.contains(&base) {
            distinct.push(base);
        }
    }
    let mut outcomes = Vec::with_capacity(distinct.len());
    for base in distinct {
        outcomes.push(merge_from_base(session, input, base, &rules).await?);
    }
    let outcome = bases::join(session, input, &rules, outcomes).await?;
    demands::check(session, input, &rules, outcome).await.map_err(PipelineError::Tree)
}

/// The rules of ours' `_anabranch/merge.toml`; none when there is no such file.
async fn load_rules(session: &Session, input: &PipelineInput<'_>) -> Result<Rules, PipelineError> {
    let side = || input.labels.ours.clone();
    let invalid = |message: String| PipelineError::RulesInvalid { path: RULES_PATH, side: side(), message };
    let found = session.get(&input.ours, RULES_PATH.as_bytes()).await.map_err(PipelineError::Tree)?;
    let Some(entry) = found else {
        return Ok(Rules::default());
    };
    if entry.size > RULES_BYTES_MAX {
        return Err(invalid(format!("it has {} bytes; at most {RULES_BYTES_MAX} are read", entry.size)));
    }
    let unreadable =
        |message: String| PipelineError::RulesUnreadable { path: RULES_PATH, side: side(), message };
    let body = input.reader.read(&entry.address, 0, entry.size).await.map_err(|e| unreadable(e.message))?;
    let text = std::str::from_utf8(&body).map_err(|error| invalid(error.to_string()))?;
    Rules::parse(text).map_err(invalid)
}

/// The mergers, with those of the plugins that the rules name.
async fn mergers_for<'i>(
    input: &PipelineInput<'i>,
    rules: &Rules,
) -> Result<Cow<'i, Registry>, PipelineError> {
    let registry: &'i Registry = input.registry;
    registry.for_rules(rules).await.map_err(PipelineError::Plugins)
}

/// A unit or object that both sides changed and that a merger may take.
enum Job<'s> {
    Folder(&'s ChangedUnit, &'s [EntryMerge]),
    Object(&'s EntryMerge, &'s Rule, &'s str),
}

/// What is collected on the way to the outcome.
#[derive(Default)]
struct Progress {
    edits: Edits,
    conflicts: Vec<Conflict>,
    report: PipelineReport,
    taken: Vec<TakenWhole>,
}

async fn merge_from_base(
    session: &Session,
    input: &PipelineInput<'_>,
    base: &Tree,
    rules: &Rules,
) -> Result<PipelineOutcome, PipelineError> {
    let input = &input.with_base(base);
    let mut finder = RootFinder::new(session, &input.base, &input.ours, &input.theirs, rules);
    let trees = [&input.base, &input.ours, &input.theirs];
    let surveyed = survey(session, trees, &mut finder).await.map_err(PipelineError::Tree)?;

    let mut progress = Progress::default();
    take_ranges(&mut progress, &surveyed, &input.theirs);
    let mut jobs = decide_objects(&mut progress, &surveyed.objects, input, rules);
    jobs.extend(decide_units(&mut progress, &surveyed.units, &input.theirs));
    // Boxed before they are streamed, or the compiler does not see that the whole future is `Send`.
    let runs: Vec<_> = jobs.into_iter().map(|job| run(session, input, job).boxed()).collect();
    let ends: Vec<(Job<'_>, UnitMerge)> = futures::stream::iter(runs)
        .buffered(UNITS_AT_ONCE)
        .try_collect()
        .await
        .map_err(PipelineError::Tree)?;
    for (job, merge) in ends {
        finish(&mut progress, input, &mut finder, job, merge).await.map_err(PipelineError::Tree)?;
    }

    let Progress { edits, conflicts, mut report, taken } = progress;
    let edits = edits.into_tree_edits().map_err(PipelineError::Tree)?;
    let tree = session.apply(&input.ours, edits).await.map_err(PipelineError::Tree)?;
    let decided = structure::Decided { tree, conflicts, undecided_objects: report.objects.conflicts, taken };
    let structure::Decided { tree, mut conflicts, undecided_objects, taken } =
        structure::settle(session, input, &mut finder, &surveyed, decided)
            .await
            .map_err(PipelineError::Tree)?;
    report.objects.conflicts = undecided_objects;
    check::no_mixture(session, input, &mut finder, &tree, &taken).await?;
    report.units.sort_by(|left, right| left.root.cmp(&right.root));
    if conflicts.is_empty() {
        return Ok(PipelineOutcome::Merged { tree, report });
    }
    Conflict::sort(&mut conflicts);
    Ok(PipelineOutcome::Conflicts { conflicts, decided: tree, report })
}

/// Takes over what only theirs changed and no changed unit has a part in.
fn take_ranges(progress: &mut Progress, survey: &Survey, theirs: &Tree) {
    let holes = survey.units.iter().flat_map(|unit| unit_ranges(&unit.root.folder)).collect();
    for range in subtract(&survey.theirs_only, holes) {
        progress.report.objects.ranges_taken += 1;
        progress.edits.take(range, theirs);
    }
}

/// Decides the objects outside every unit. What is left goes to the mergers of single objects.
fn decide_objects<'s>(
    progress: &mut Progress,
    objects: &'s [EntryMerge],
    input: &'s PipelineInput<'_>,
    rules: &'s Rules,
) -> Vec<Job<'s>> {
    let labels = [input.labels.ours.as_str(), input.labels.theirs.as_str()];
    let mut jobs = Vec::new();
    for change in objects {
        match decide_entry(change) {
            Decision::Ours => {}
            Decision::Theirs => put_object(progress, change, Side::Theirs),
            Decision::Conflict if structure::is_harmless(&change.path) => {
                // What one side removed stays away: a marker that is missing misleads nobody.
                if change.theirs.is_none() {
                    put_object(progress, change, Side::Theirs);
                }
            }
            Decision::Conflict => {
                let rule = input.registry.rule_for_object(rules, &change.path);
                match rule.and_then(|rule| Some((rule, rule.merger.as_deref()?))) {
                    Some((rule, merger)) if merger != OBJECT_WISE => {
                        jobs.push(Job::Object(change, rule, merger));
                    }
                    _ => {
                        let conflict = object_conflict(change, None, labels);
                        if let Some(object) = uploaded(input, std::slice::from_ref(&conflict)) {
                            progress.report.objects.put += 1;
                            progress.edits.set(&change.path, Some(object));
                            continue;
                        }
                        match chosen_side(input, std::slice::from_ref(&conflict)) {
                            Some(side) => put_object(progress, change, side),
                            None => {
                                progress.report.objects.conflicts += 1;
                                progress.conflicts.push(conflict);
                            }
                        }
                    }
                }
            }
        }
    }
    jobs
}

/// Lets an object of ours hold what it holds on a side.
fn put_object(progress: &mut Progress, change: &EntryMerge, side: Side) {
    let entry = side_of(change, side);
    if *entry == change.ours {
        return;
    }
    match entry {
        Some(_) => progress.report.objects.put += 1,
        None => progress.report.objects.removed += 1,
    }
    progress.edits.set(&change.path, entry.as_ref());
}

/// Decides the units that one side alone changed. What is left goes to the mergers.
fn decide_units<'s>(progress: &mut Progress, units: &'s [ChangedUnit], theirs: &Tree) -> Vec<Job<'s>> {
    let mut jobs = Vec::new();
    for unit in units {
        let (side, nested) = match &unit.changes {
            UnitChanges::Whole(side) => {
                if *side == Side::Theirs {
                    for range in unit_ranges(&unit.root.folder) {
                        progress.edits.take(range, theirs);
                    }
                }
                (*side, true)
            }
            UnitChanges::Listed(changes) => match decide_unit(changes) {
                Decision::Ours => (Side::Ours, false),
                Decision::Theirs => {
                    take_listed(&mut progress.edits, changes, Side::Theirs);
                    (Side::Theirs, false)
                }
                Decision::Conflict => {
                    jobs.push(Job::Folder(unit, changes));
                    continue;
                }
            },
        };
        progress.taken.push(TakenWhole { root: Arc::clone(&unit.root), side, with_nested: nested });
        let decision = if side == Side::Theirs { UnitDecision::Theirs } else { UnitDecision::Ours };
        progress.report.units.push(unit_report(&unit.root, UnitKind::Folder, None, decision, None));
    }
    jobs
}

/// Lets every changed path of a unit hold what it holds on a side. Nested units are not touched.
fn take_listed(edits: &mut Edits, changes: &[EntryMerge], side: Side) {
    for change in changes.iter().filter(|change| *side_of(change, side) != change.ours) {
        edits.set(&change.path, side_of(change, side).as_ref());
    }
}

async fn run<'s>(
    session: &Session,
    input: &PipelineInput<'_>,
    job: Job<'s>,
) -> Result<(Job<'s>, UnitMerge), TreeError> {
    let merge = match &job {
        Job::Folder(unit, changes) => merge_folder(session, input, &unit.root, changes).await?,
        Job::Object(change, rule, merger) => merge_object(session, input, change, rule, merger).await,
    };
    Ok((job, merge))
}

/// Books the end of a unit's merge.
async fn finish(
    progress: &mut Progress,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    job: Job<'_>,
    merge: UnitMerge,
) -> Result<(), TreeError> {
    let (root, changes) = match job {
        Job::Folder(unit, changes) => (Arc::clone(&unit.root), changes),
        Job::Object(change, rule, _) => {
            (Arc::new(Root::object(&change.path, rule)), std::slice::from_ref(change))
        }
    };
    let is_folder = matches!(job, Job::Folder(..));
    let mut end = merge.end;
    if let UnitEnd::Merged { edits, .. } = &end
        && is_folder
        && let Some(message) = strays_into_another_unit(finder, &root, edits).await?
    {
        end = failed(input, &root, changes, Failure { reason: FailureReason::Broken, message });
    }
    let (decision, report) = match end {
        UnitEnd::Merged { edits, report } => {
            for (path, entry) in &edits {
                progress.edits.set(path, entry.as_ref());
            }
            (UnitDecision::Merged, Some(report))
        }
        UnitEnd::Conflicts { conflicts, report } => {
            progress.conflicts.extend(conflicts);
            (UnitDecision::Conflicts, report)
        }
        UnitEnd::Taken { side, report } => {
            take_listed(&mut progress.edits, changes, side);
            if is_folder {
                progress.taken.push(TakenWhole { root: Arc::clone(&root), side, with_nested: false });
            }
            let decision = match side {
                Side::Base => UnitDecision::TookBase,
                Side::Ours => UnitDecision::TookOurs,
                Side::Theirs => UnitDecision::TookTheirs,
            };
            (decision, report)
        }
    };
    let unit = if is_folder { UnitKind::Folder } else { UnitKind::Object };
    progress.report.units.push(unit_report(&root, unit, merge.merger, decision, report));
    Ok(())
}

/// Says which edit of a merger lies in another unit, if one does: two mergers must never write one path.
async fn strays_into_another_unit(
    finder: &mut RootFinder<'_>,
    root: &Root,
    edits: &[(String, Option<anabranch_types::Entry>)],
) -> Result<Option<String>, TreeError> {
    for (path, _) in edits {
        let owner = finder.owner(path.as_bytes()).await?;
        if owner.as_ref().is_none_or(|owner| owner.folder != root.folder) {
            let message = match owner {
                Some(owner) => {
                    format!("the merger of {} edited {path}, which belongs to {}", root.folder, owner.folder)
                }
                None => format!("the merger of {} edited {path}, which does not belong to it", root.folder),
            };
            return Ok(Some(message));
        }
    }
    Ok(None)
}

fn unit_report(
    root: &Root,
    unit: UnitKind,
    merger: Option<String>,
    decision: UnitDecision,
    report: Option<crate::MergeReport>,
) -> UnitReport {
    let (root, format) = (root.folder.clone(), root.format());
    UnitReport { root, is_object: unit == UnitKind::Object, format, merger, decision, report }
}
