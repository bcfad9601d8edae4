//! Several merge bases: where they give different answers, none of them is chosen.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_tree::{KeyRange, Session, Tree, TreeError};
use anabranch_types::Entry;

use super::decide::{entry_value, sides_and_base};
use super::edits::Edits;
use super::finder::RootFinder;
use super::model::{PipelineError, PipelineInput, PipelineOutcome, PipelineReport, UnitDecision};
use super::structure::{Scope, take_scope};
use super::survey::Side;
use super::units::chosen_side;
use crate::rules::Rules;
use crate::{Conflict, ConflictKind};

/// A table or unit by its root, a single object by its path, or what a conflict of structure is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Unit(String),
    Object(String),
    Structure(Scope, String),
}

/// What each base answered for one place, as far as the answers differ.
#[derive(Debug, Default)]
struct Ambiguity {
    /// Per differing path: what it holds by each base's answer; a base whose answer is a conflict is not in it.
    answers: BTreeMap<String, Vec<Option<Entry>>>,
}

/// Joins the outcomes of all bases into one. With one base, it is that base's.
pub(super) async fn join(
    session: &Session,
    input: &PipelineInput<'_>,
    rules: &Rules,
    outcomes: Vec<PipelineOutcome>,
) -> Result<PipelineOutcome, PipelineError> {
    let Some((first, rest)) = outcomes.split_first() else {
        return Err(PipelineError::NoBase);
    };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    let mut finder = RootFinder::new(session, first.tree(), &input.ours, &input.theirs, rules);
    let ambiguities = compare(session, &mut finder, &outcomes).await.map_err(PipelineError::Tree)?;

    let agreed = |conflict: &&Conflict| !ambiguities.contains_key(&place_of(conflict));
    let mut conflicts: Vec<Conflict> = first.conflicts().iter().filter(agreed).cloned().collect();
    let mut report = first.report().clone();
    let mut edits = Edits::default();
    for (place, ambiguity) in &ambiguities {
        let conflict = ambiguous(session, input, place, ambiguity).await.map_err(PipelineError::Tree)?;
        // No single base can be gone back to, so only the two sides are choices.
        let side = chosen_side(input, std::slice::from_ref(&conflict)).filter(|side| *side != Side::Base);
        let tree = if side == Some(Side::Theirs) { &input.theirs } else { &input.ours };
        set_place(session, &mut finder, &mut edits, first.tree(), tree, place)
            .await
            .map_err(PipelineError::Tree)?;
        note(&mut report, place, side);
        if side.is_none() {
            conflicts.push(conflict);
        }
    }
    let edits = edits.into_tree_edits().map_err(PipelineError::Tree)?;
    let tree = session.apply(first.tree(), edits).await.map_err(PipelineError::Tree)?;
    if conflicts.is_empty() {
        return Ok(PipelineOutcome::Merged { tree, report });
    }
    Conflict::sort(&mut conflicts);
    Ok(PipelineOutcome::Conflicts { conflicts, decided: tree, report })
}

fn place_of(conflict: &Conflict) -> Place {
    match (Scope::of(conflict), &conflict.table) {
        (Some(scope), _) => Place::Structure(scope, conflict.path.clone()),
        (None, Some(table)) => Place::Unit(table.clone()),
        (None, None) => Place::Object(conflict.path.clone()),
    }
}

/// Finds the places for which the outcomes differ: in their trees, or because only some of them are conflicts there.
async fn compare(
    session: &Session,
    finder: &mut RootFinder<'_>,
    outcomes: &[PipelineOutcome],
) -> Result<BTreeMap<Place, Ambiguity>, TreeError> {
    let conflicted: Vec<BTreeSet<Place>> =
        outcomes.iter().map(|outcome| outcome.conflicts().iter().map(place_of).collect()).collect();
    let everywhere = |place: &Place| conflicted.iter().all(|places| places.contains(place));
    let mut ambiguities: BTreeMap<Place, Ambiguity> = BTreeMap::new();
    for place in conflicted.iter().flatten().filter(|place| !everywhere(place)) {
        ambiguities.entry(place.clone()).or_default();
    }
    let Some((first, rest)) = outcomes.split_first() else {
        return Ok(ambiguities);
    };
    let scopes: Vec<Place> =
        ambiguities.keys().filter(|p| matches!(p, Place::Structure(..))).cloned().collect();
    let wider = |path: &str, owned: bool| {
        let holds = |place: &&Place| {
            matches!(place, Place::Structure(scope, _)
                if scope.contains(path) && (!owned || scope.reaches_into_units()))
        };
        scopes.iter().find(holds).cloned()
    };
    for outcome in rest {
        let mut diff = session.diff(first.tree(), outcome.tree(), KeyRange::all());
        while let Some(batch) = diff.next_batch().await? {
            for change in batch.into_iter().filter(|change| !change.same_content()) {
                let path = change.key.as_str().to_owned();
                let owner = finder.owner(path.as_bytes()).await?;
                let place = match (wider(&path, owner.is_some()), owner) {
                    (Some(wider), _) => wider,
                    (None, Some(root)) => Place::Unit(root.folder.clone()),
                    (None, None) => Place::Object(path.clone()),
                };
                let answers = &mut ambiguities.entry(place).or_default().answers;
                answers.entry(path).or_insert_with(|| vec![change.before]).push(change.after);
            }
        }
    }
    Ok(ambiguities)
}

/// The conflict for a place whose answers differ. Its values are what the sides hold, so that its id follows them.
async fn ambiguous(
    session: &Session,
    input: &PipelineInput<'_>,
    place: &Place,
    ambiguity: &Ambiguity,
) -> Result<Conflict, TreeError> {
    let (table, path) = match place {
        Place::Unit(root) => (Some(root.clone()), root.clone()),
        Place::Object(path) | Place::Structure(_, path) => (None, path.clone()),
    };
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let paths: Vec<&String> = match place {
        Place::Object(path) => vec![path],
        Place::Unit(_) | Place::Structure(..) => ambiguity.answers.keys().collect(),
    };
    for path in paths {
        ours.push(entry_value(&session.get(&input.ours, path.as_bytes()).await?));
        theirs.push(entry_value(&session.get(&input.theirs, path.as_bytes()).await?));
    }
    let answers: Vec<Vec<_>> =
        ambiguity.answers.values().map(|answers| answers.iter().map(entry_value).collect()).collect();
    let kind = ConflictKind::AmbiguousBase;
    let mut choices = sides_and_base();
    choices.retain(|choice| choice.id != "base");
    Ok(Conflict {
        table,
        path,
        rule: kind.as_str().to_owned(),
        kind,
        key: None,
        column: None,
        message: format!(
            "{} and {} have several merge bases, which give different answers",
            input.labels.ours, input.labels.theirs
        ),
        base: Some(serde_json::json!(answers)),
        ours: Some(serde_json::json!(ours)),
        theirs: Some(serde_json::json!(theirs)),
        choices,
    })
}

/// Lets a place hold what it holds in `side`.
async fn set_place(
    session: &Session,
    finder: &mut RootFinder<'_>,
    edits: &mut Edits,
    result: &Tree,
    side: &Tree,
    place: &Place,
) -> Result<(), TreeError> {
    let ranges = match place {
        Place::Structure(scope, _) => {
            return take_scope(session, finder, edits, result, side, scope).await;
        }
        Place::Object(path) => vec![KeyRange::single(path.as_bytes())],
        Place::Unit(root) => super::finder::unit_ranges(root),
    };
    for range in ranges {
        let mut diff = session.diff(result, side, range);
        while let Some(batch) = diff.next_batch().await? {
            for change in batch {
                let owner = finder.owner(change.key.as_bytes()).await?;
                let inside = match place {
                    Place::Object(_) | Place::Structure(..) => true,
                    Place::Unit(root) => owner.is_some_and(|owner| owner.folder == *root),
                };
                if inside {
                    edits.set(change.key.as_str(), change.after.as_ref());
                }
            }
        }
    }
    Ok(())
}

/// Books what became of an ambiguous place.
fn note(report: &mut PipelineReport, place: &Place, side: Option<Side>) {
    match place {
        Place::Object(_) | Place::Structure(..) if side.is_none() => report.objects.conflicts += 1,
        Place::Object(_) | Place::Structure(..) => {}
        Place::Unit(root) => {
            for unit in report.units.iter_mut().filter(|unit| unit.root == *root) {
                unit.decision = match side {
                    None => UnitDecision::Conflicts,
                    Some(Side::Theirs) => UnitDecision::TookTheirs,
                    Some(Side::Ours | Side::Base) => UnitDecision::TookOurs,
                };
            }
        }
    }
}
