//! Merges one unit that both sides changed: hands it to its merger and checks what comes back.

use std::collections::BTreeMap;

use anabranch_tree::{KeyRange, Session, Tree, TreeError};
use anabranch_types::{Entry, ObjectPath};

use super::decide::{
    Assignment, assign, decide_entry, object_choice, object_conflict, side_of_choice, unit_conflict,
};
use super::finder::{Root, unit_ranges};
use super::model::{PipelineInput, Strategy};
use super::survey::Side;
use super::zarr::merge_chunks;
use crate::roots::{TableFormat, delta_version, folder_prefix};
use crate::rules::{OnFailure, RULES_PATH, Rule};
use crate::transaction::{LogProblem, check_log_union};
use crate::views::TreeUnitView;
use crate::{
    Conflict, ConflictKind, Decision, EntryMerge, Failure, FailureReason, MergeEdit, MergeInput,
    MergeOutcome, MergeReport, Merger, OBJECT_CHOICE, Resolution, UnitKind,
};

/// How many entries of a log are fetched at a time.
const LOG_PAGE: usize = 1_000;

/// How the merge of one unit ended.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum UnitEnd {
    /// Merged: what ours' paths hold from now on, with full paths in order.
    Merged { edits: Vec<(String, Option<Entry>)>, report: MergeReport },
    /// Not decided.
    Conflicts { conflicts: Vec<Conflict>, report: Option<MergeReport> },
    /// The strategy or a resolution takes this side whole.
    Taken { side: Side, report: Option<MergeReport> },
}

/// The end of a unit, and the merger that was asked.
pub(super) struct UnitMerge {
    pub(super) end: UnitEnd,
    pub(super) merger: Option<String>,
}

/// Merges a folder that both sides changed.
pub(super) async fn merge_folder(
    session: &Session,
    input: &PipelineInput<'_>,
    root: &Root,
    changes: &[EntryMerge],
) -> Result<UnitMerge, TreeError> {
    let labels = [input.labels.ours.as_str(), input.labels.theirs.as_str()];
    let leftovers = has_leftovers(session, input, root).await?;
    match assign(root, input.mode, leftovers, labels) {
        Assignment::Refused(kind, message) => {
            let conflict = unit_conflict(root, kind, message, changes);
            Ok(UnitMerge { end: settle(input, vec![conflict], None, true), merger: None })
        }
        Assignment::Transaction => {
            let end = merge_transaction(session, input, root, changes).await?;
            Ok(UnitMerge { end, merger: None })
        }
        Assignment::Named(name) => {
            let merger = input.registry.get(&name).cloned();
            let (end, missing) = match merger {
                Some(merger) => (ask(session, input, root, UnitKind::Folder, changes, &*merger).await, None),
                None => (unknown_merger(input, root, changes, &name), Some(name.clone())),
            };
            Ok(UnitMerge { end, merger: missing.or(Some(name)) })
        }
        Assignment::Format(format) => match input.registry.for_format(format) {
            Some(merger) => {
                let end = ask(session, input, root, UnitKind::Folder, changes, &**merger).await;
                Ok(UnitMerge { end, merger: Some(merger.description().name) })
            }
            None => {
                let chunks = if format.is_zarr() { merge_chunks(changes) } else { None };
                if let Some(edits) = chunks {
                    let end = UnitEnd::Merged { edits, report: MergeReport::new("object") };
                    return Ok(UnitMerge { end, merger: None });
                }
                let message = format!("both sides changed the {format} table, and no merger takes it");
                let conflict = unit_conflict(root, ConflictKind::StructureConflict, message, changes);
                Ok(UnitMerge { end: settle(input, vec![conflict], None, true), merger: None })
            }
        },
    }
}

/// Merges an object that both sides changed differently and for which a rule names a merger.
pub(super) async fn merge_object(
    session: &Session,
    input: &PipelineInput<'_>,
    change: &EntryMerge,
    rule: &Rule,
    name: &str,
) -> UnitMerge {
    let root = Root::object(&change.path, rule);
    let changes = std::slice::from_ref(change);
    let mut end = match input.registry.get(name) {
        Some(merger) => ask(session, input, &root, UnitKind::Object, changes, &**merger).await,
        None => unknown_merger(input, &root, changes, name),
    };
    if let UnitEnd::Conflicts { conflicts, .. } = &mut end {
        if let Some(object) = uploaded(input, conflicts) {
            let edits = vec![(change.path.clone(), Some(object.clone()))];
            end = UnitEnd::Merged { edits, report: MergeReport::new("object") };
        } else {
            // A failure that no rule makes resolvable stays so.
            let resolvable = conflicts.iter_mut().filter(|conflict| !conflict.choices.is_empty());
            resolvable.for_each(|conflict| conflict.choices.push(object_choice()));
        }
    }
    UnitMerge { end, merger: Some(name.to_owned()) }
}

/// The object that somebody uploaded for one of these conflicts of a single object: it takes the place of all of it.
pub(super) fn uploaded<'i>(input: &PipelineInput<'i>, conflicts: &[Conflict]) -> Option<&'i Entry> {
    conflicts.iter().filter(|conflict| !conflict.choices.is_empty()).find_map(|conflict| {
        let id = conflict.id();
        let of_it = |resolution: &&Resolution| resolution.conflict == id;
        let resolution = input.resolutions.iter().find(of_it)?;
        resolution.object.as_ref().filter(|_| resolution.choice == OBJECT_CHOICE)
    })
}

/// Whether the side that lost a table's log has other objects in the table's folder.
async fn has_leftovers(session: &Session, input: &PipelineInput<'_>, root: &Root) -> Result<bool, TreeError> {
    let tree = match (root.base, root.ours, root.theirs) {
        (Some(_), None, Some(_)) => &input.ours,
        (Some(_), Some(_), None) => &input.theirs,
        _ => return Ok(false),
    };
    for range in unit_ranges(&root.folder) {
        if session.any_in(tree, &range).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs a merger and checks that it kept its contract.
async fn ask(
    session: &Session,
    input: &PipelineInput<'_>,
    root: &Root,
    unit: UnitKind,
    changes: &[EntryMerge],
    merger: &dyn Merger,
) -> UnitEnd {
    let takes = merger.description().unit;
    if takes != unit {
        let message = format!("merger {:?} takes a {takes:?}, not a {unit:?}", merger.description().name);
        return failed(input, root, changes, Failure { reason: FailureReason::Broken, message });
    }
    let view = |tree, label| TreeUnitView::new(session, tree, input.reader, label, &root.folder, unit);
    let base = view(&input.base, &input.labels.base);
    let ours = view(&input.ours, &input.labels.ours);
    let theirs = view(&input.theirs, &input.labels.theirs);
    let prefix = unit_prefix(&root.folder, unit);
    let relative: Vec<EntryMerge> = changes
        .iter()
        .map(|change| {
            let path = change.path.get(prefix.len()..).unwrap_or_default().to_owned();
            EntryMerge { path, ..change.clone() }
        })
        .collect();
    let no_options = serde_json::json!({});
    let outcome = merger
        .merge(MergeInput {
            root: &root.folder,
            unit,
            base: &base,
            ours: &ours,
            theirs: &theirs,
            changes: &relative,
            options: root.rule.as_ref().map_or(&no_options, |rule| &rule.options),
            resolutions: input.resolutions,
            prefer: input.strategy.filter(|_| input.by_rows),
            merge_time_ms: input.merge_time_ms,
            seed: seed_of(&input.seed, &root.folder),
            source: &input.source,
            writer: input.writer,
        })
        .await;
    match outcome {
        MergeOutcome::Merged { edits, report } => match absolute_edits(&root.folder, unit, edits) {
            Ok(edits) => UnitEnd::Merged { edits, report },
            Err(message) => failed(input, root, changes, Failure { reason: FailureReason::Broken, message }),
        },
        MergeOutcome::Conflicts { conflicts, .. } if conflicts.is_empty() => {
            let message = "the merger reported conflicts but listed none".to_owned();
            failed(input, root, changes, Failure { reason: FailureReason::Broken, message })
        }
        MergeOutcome::Conflicts { conflicts, report } => settle(input, conflicts, Some(report), true),
        MergeOutcome::Failed(failure) => failed(input, root, changes, failure),
    }
}

/// What every path of a unit begins with.
fn unit_prefix(root: &str, unit: UnitKind) -> String {
    match unit {
        UnitKind::Folder => folder_prefix(root),
        UnitKind::Object => root.to_owned(),
    }
}

/// The seed of one unit: no two units of a merge make the same ids.
fn seed_of(seed: &[u8; 32], root: &str) -> [u8; 32] {
    *blake3::keyed_hash(seed, root.as_bytes()).as_bytes()
}

/// Checks a merger's edits, and gives them their full paths.
fn absolute_edits(
    root: &str,
    unit: UnitKind,
    edits: Vec<MergeEdit>,
) -> Result<Vec<(String, Option<Entry>)>, String> {
    let prefix = unit_prefix(root, unit);
    let mut absolute: Vec<(String, Option<Entry>)> = Vec::with_capacity(edits.len());
    for edit in edits {
        let full = format!("{prefix}{}", edit.path());
        if unit == UnitKind::Object && !edit.path().is_empty() {
            return Err(format!("the merger of the object {root} edited {full}"));
        }
        ObjectPath::new(full.clone())
            .map_err(|error| format!("the merger of {root} edited a path: {error}"))?;
        if absolute.last().is_some_and(|(previous, _)| *previous >= full) {
            return Err(format!("the merger of {root} edited {full} out of order or twice"));
        }
        let entry = match edit {
            MergeEdit::Put { entry, .. } | MergeEdit::Link { entry, .. } => Some(entry),
            MergeEdit::Remove { .. } => None,
        };
        absolute.push((full, entry));
    }
    Ok(absolute)
}

/// A rule names a merger that this server does not have: that is a failure, never another rule.
fn unknown_merger(input: &PipelineInput<'_>, root: &Root, changes: &[EntryMerge], name: &str) -> UnitEnd {
    let component = name.trim_end_matches('/');
    let message = match input.registry.why_absent(component) {
        Some(why) => format!("{RULES_PATH} names plugin {component:?}, which cannot be used: {why}"),
        None => format!("{RULES_PATH} names merger {name:?}, which this server does not have"),
    };
    failed(input, root, changes, Failure { reason: FailureReason::Broken, message })
}

/// A failure is a conflict without choices, unless the rule makes it resolvable.
pub(super) fn failed(
    input: &PipelineInput<'_>,
    root: &Root,
    changes: &[EntryMerge],
    failure: Failure,
) -> UnitEnd {
    let resolvable = root.rule.as_ref().is_some_and(|rule| rule.on_failure == OnFailure::Conflict);
    let mut conflict = unit_conflict(root, ConflictKind::MergerFailed, failure.message, changes);
    conflict.rule = reason_word(failure.reason).to_owned();
    if !resolvable {
        conflict.choices.clear();
    }
    settle(input, vec![conflict], None, resolvable)
}

/// A reason in kebab-case: the `rule` of a conflict `merger-failed`.
pub(super) fn reason_word(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::Storage => "storage",
        FailureReason::Limit => "limit",
        FailureReason::VerificationDisagrees => "verification-disagrees",
        FailureReason::Declined => "declined",
        FailureReason::Broken => "broken",
    }
}

/// Conflicts of a unit, or the side that a resolution or the strategy takes.
pub(super) fn settle(
    input: &PipelineInput<'_>,
    conflicts: Vec<Conflict>,
    report: Option<MergeReport>,
    resolvable: bool,
) -> UnitEnd {
    match chosen_side(input, &conflicts).filter(|_| resolvable) {
        Some(side) => UnitEnd::Taken { side, report },
        None => UnitEnd::Conflicts { conflicts, report },
    }
}

/// The side that all of these conflicts take: by resolutions that agree, or else by the strategy.
pub(super) fn chosen_side(input: &PipelineInput<'_>, conflicts: &[Conflict]) -> Option<Side> {
    let by_resolution = |conflict: &Conflict| {
        let id = conflict.id();
        let resolution = input.resolutions.iter().find(|resolution| resolution.conflict == id)?;
        // A merger's own words and values are for the merger, which has already seen them.
        side_of_choice(&resolution.choice)
            .filter(|_| conflict.choices.iter().any(|c| c.id == resolution.choice))
    };
    let is_whole = |conflict: &Conflict| {
        let names_unit = conflict.table.as_ref().is_none_or(|table| *table == conflict.path);
        names_unit && conflict.key.is_none() && conflict.column.is_none()
    };
    let whole = conflicts.len() == 1 && conflicts.iter().all(is_whole);
    let resolved = conflicts.first().filter(|_| whole).and_then(by_resolution);
    resolved.or(match input.strategy {
        Some(Strategy::DestWins) => Some(Side::Ours),
        Some(Strategy::SourceWins) => Some(Side::Theirs),
        None => None,
    })
}

/// A client's own transaction: object by object, when the union of both logs is one log.
async fn merge_transaction(
    session: &Session,
    input: &PipelineInput<'_>,
    root: &Root,
    changes: &[EntryMerge],
) -> Result<UnitEnd, TreeError> {
    let labels = [input.labels.ours.as_str(), input.labels.theirs.as_str()];
    let mut edits = Vec::new();
    let mut conflicts = Vec::new();
    for change in changes {
        match decide_entry(change) {
            Decision::Ours => {}
            Decision::Theirs => edits.push((change.path.clone(), change.theirs.clone())),
            // Checkpoints and hints follow from the commits: when those fit together, ours' are as good as theirs'.
            Decision::Conflict if is_derived_from_log(&root.folder, &change.path) => {}
            Decision::Conflict => conflicts.push(object_conflict(change, Some(&root.folder), labels)),
        }
    }
    let ours = log_of(session, &input.ours, &root.folder).await?;
    let theirs = log_of(session, &input.theirs, &root.folder).await?;
    for problem in check_log_union(&ours, &theirs) {
        let message = format!("the logs of {} and {} do not fit together: {problem}", labels[0], labels[1]);
        let mut conflict = unit_conflict(root, ConflictKind::StructureConflict, message, changes);
        conflict.rule = "delta-tx".into();
        conflict.key = Some(match problem {
            LogProblem::TwoContents { version } | LogProblem::Gap { missing: version, .. } => {
                serde_json::json!({ "version": version })
            }
        });
        conflicts.push(conflict);
    }
    if conflicts.is_empty() {
        return Ok(UnitEnd::Merged { edits, report: MergeReport::new("object") });
    }
    Ok(settle(input, conflicts, None, true))
}

/// Whether a file of a Delta log is no commit, but made from commits: a checkpoint, a checksum, `_last_checkpoint`.
fn is_derived_from_log(folder: &str, path: &str) -> bool {
    let log = format!("{}{}", folder_prefix(folder), TableFormat::Delta.marker_folder());
    path.strip_prefix(log.as_str()).is_some_and(|name| delta_version(name).is_none())
}

/// The commits of a Delta log, by version.
async fn log_of(session: &Session, tree: &Tree, folder: &str) -> Result<BTreeMap<u64, Entry>, TreeError> {
    let prefix = format!("{}{}", folder_prefix(folder), TableFormat::Delta.marker_folder());
    let mut log = BTreeMap::new();
    let mut cursor = session.scan(tree, KeyRange::prefix(prefix.as_bytes()));
    while let Some(batch) = cursor.next_batch(LOG_PAGE).await? {
        for (key, entry) in batch {
            if let Some(version) = key.as_str().get(prefix.len()..).and_then(delta_version) {
                log.insert(version, entry);
            }
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_outside_the_contract_are_refused() {
        let remove = |path: &str| MergeEdit::Remove { path: path.into() };
        let check =
            |unit, paths: &[&str]| absolute_edits("t", unit, paths.iter().map(|p| remove(p)).collect());
        assert!(check(UnitKind::Folder, &["a", "b/c"]).is_ok());
        assert!(check(UnitKind::Folder, &["b", "a"]).is_err());
        assert!(check(UnitKind::Folder, &["a", "a"]).is_err());
        assert!(check(UnitKind::Folder, &["../x"]).is_err());
        assert!(check(UnitKind::Object, &[""]).is_ok());
        assert!(check(UnitKind::Object, &["x"]).is_err());
    }
}
