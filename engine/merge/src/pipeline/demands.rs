//! What `merge.toml` demands of the result: asked once everything is decided, of the units that the merge changed and
//! of those that refer to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_tree::{KeyRange, Session, Tree, TreeError};
use async_trait::async_trait;

use super::decide::unit_conflict;
use super::finder::{Root, RootFinder};
use super::model::{Mode, PipelineInput, PipelineOutcome, UnitDecision};
use super::units::reason_word;
use crate::roots::folder_prefix;
use crate::rules::Rules;
use crate::views::TreeUnitView;
use crate::{
    ACCEPT_CHOICE, Conflict, ConflictKind, Demands, Merger, UnitKind, UnitOpener, UnitStates, UnitView,
    ViewError, ViolationsInput,
};

/// Adds the violations of the result to an outcome.
pub(super) async fn check(
    session: &Session,
    input: &PipelineInput<'_>,
    rules: &Rules,
    outcome: PipelineOutcome,
) -> Result<PipelineOutcome, TreeError> {
    let places = places(input, rules);
    if places.is_empty() || input.mode == Mode::ClientTransaction {
        return Ok(outcome);
    }
    let after = outcome.tree().clone();
    let mut finder = RootFinder::new(session, &after, &input.ours, &input.theirs, rules);
    let asked = asked(session, input, &mut finder, &after, &places).await?;
    let decisions: BTreeMap<&str, UnitDecision> =
        outcome.report().units.iter().map(|unit| (unit.root.as_str(), unit.decision)).collect();
    let open = outcome.report().units.iter().filter(|unit| unit.decision == UnitDecision::Conflicts);
    let open: BTreeSet<&str> = open.map(|unit| unit.root.as_str()).collect();
    let opener = Opener { session, input, after: &after, open };
    let mut found = Vec::new();
    for unit in asked {
        let decision = decisions.get(unit.root.folder.as_str());
        if opener.open.contains(unit.root.folder.as_str()) {
            continue;
        }
        let own_rows = unit.changed && decision != Some(&UnitDecision::Merged);
        found.extend(violations(input, &opener, &unit, own_rows).await);
    }
    found.retain(|conflict| !is_accepted(input, conflict));
    if found.is_empty() {
        return Ok(outcome);
    }
    Ok(match outcome {
        PipelineOutcome::Merged { tree, report } => {
            Conflict::sort(&mut found);
            PipelineOutcome::Conflicts { conflicts: found, decided: tree, report }
        }
        PipelineOutcome::Conflicts { mut conflicts, decided, report } => {
            conflicts.extend(found);
            Conflict::sort(&mut conflicts);
            PipelineOutcome::Conflicts { conflicts, decided, report }
        }
    })
}

fn is_accepted(input: &PipelineInput<'_>, conflict: &Conflict) -> bool {
    let id = conflict.id();
    let offered = conflict.choices.iter().any(|choice| choice.id == ACCEPT_CHOICE);
    let accepts = |one: &crate::Resolution| one.conflict == id && one.choice == ACCEPT_CHOICE;
    offered && input.resolutions.iter().any(accepts)
}

/// Where units lie that something is demanded of, or that are referred to.
struct Place {
    /// What their paths begin with.
    prefix: String,
    /// The one unit that refers to what lies here; none: the units themselves.
    referrer: Option<String>,
}

/// The places of the rules that demand something.
fn places(input: &PipelineInput<'_>, rules: &Rules) -> Vec<Place> {
    let mut places = Vec::new();
    for (path, name, options) in rules.folders_with_options() {
        let demands = match name {
            Some(name) => input.registry.get(name).map(|merger| merger.demands(options)).unwrap_or_default(),
            None => input.registry.demands_of_any(options),
        };
        if demands.is_empty() {
            continue;
        }
        let literal: String = path.chars().take_while(|c| !"*?[{\\".contains(*c)).collect();
        if literal.len() == path.len() {
            let referrer = path.trim_end_matches('/').to_owned();
            let referred = demands.refers_to.iter();
            places.extend(
                referred.map(|root| Place { prefix: folder_prefix(root), referrer: Some(referrer.clone()) }),
            );
        }
        places.push(Place { prefix: literal, referrer: None });
    }
    places
}

/// A unit that is asked.
struct Asked {
    root: Arc<Root>,
    /// Whether the merge changed the unit itself.
    changed: bool,
}

/// The units in these places that the merge changed, and those that refer to such.
async fn asked(
    session: &Session,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    after: &Tree,
    places: &[Place],
) -> Result<Vec<Asked>, TreeError> {
    let mut changed: BTreeMap<String, Arc<Root>> = BTreeMap::new();
    let mut referrers: BTreeSet<&str> = BTreeSet::new();
    for place in places {
        let mut diff = session.diff(&input.ours, after, KeyRange::prefix(place.prefix.as_bytes()));
        'place: while let Some(batch) = diff.next_batch().await? {
            for change in batch.into_iter().filter(|change| !change.same_content()) {
                if let Some(referrer) = &place.referrer {
                    referrers.insert(referrer);
                    break 'place;
                }
                if let Some(root) = finder.owner(change.key.as_bytes()).await? {
                    changed.entry(root.folder.clone()).or_insert(root);
                }
            }
        }
    }
    let mut asked: Vec<Asked> = Vec::new();
    for referrer in referrers.into_iter().filter(|referrer| !changed.contains_key(*referrer)) {
        let root = finder.owner(folder_prefix(referrer).as_bytes()).await?;
        asked.extend(root.filter(|root| root.folder == referrer).map(|root| Asked { root, changed: false }));
    }
    asked.extend(changed.into_values().map(|root| Asked { root, changed: true }));
    Ok(asked)
}

/// The violations of one unit. A merger that fails at it is a conflict without choices, as when it merges.
async fn violations(
    input: &PipelineInput<'_>,
    opener: &Opener<'_>,
    unit: &Asked,
    own_rows: bool,
) -> Vec<Conflict> {
    let root = &unit.root;
    let Some(rule) = &root.rule else { return Vec::new() };
    let merger = match &rule.merger {
        Some(name) => input.registry.get(name),
        None => root.format().and_then(|format| input.registry.for_format(format)),
    };
    let Some(merger) = merger else { return Vec::new() };
    let demands = merger.demands(&rule.options);
    if demands.refers_to.is_empty() && !own_rows {
        return Vec::new();
    }
    let states = opener.states(&root.folder);
    let found = merger.violations(ViolationsInput {
        root: &root.folder,
        states,
        options: &rule.options,
        own_rows: own_rows && demands.of_rows,
        units: opener,
        resolutions: input.resolutions,
    });
    match found.await {
        Ok(found) => found,
        Err(failure) => {
            let mut conflict = unit_conflict(root, ConflictKind::MergerFailed, failure.message, &[]);
            conflict.rule = reason_word(failure.reason).to_owned();
            conflict.choices.clear();
            vec![conflict]
        }
    }
}

/// Opens units of ours and of the result.
struct Opener<'a> {
    session: &'a Session,
    input: &'a PipelineInput<'a>,
    after: &'a Tree,
    /// The units that are in conflict.
    open: BTreeSet<&'a str>,
}

impl Opener<'_> {
    fn states(&self, root: &str) -> UnitStates<'_> {
        let view = |tree, label| -> Box<dyn UnitView + '_> {
            Box::new(TreeUnitView::new(self.session, tree, self.input.reader, label, root, UnitKind::Folder))
        };
        UnitStates {
            before: view(&self.input.ours, &self.input.labels.ours),
            after: view(self.after, &self.input.labels.ours),
        }
    }
}

#[async_trait]
impl UnitOpener for Opener<'_> {
    async fn open(&self, root: &str) -> Result<Option<UnitStates<'_>>, ViewError> {
        Ok(Some(root).filter(|root| !self.open.contains(root)).map(|root| self.states(root)))
    }
}

impl crate::Registry {
    /// What options demand of a unit whose merger follows from its format.
    fn demands_of_any(&self, options: &serde_json::Value) -> Demands {
        let of = |merger: &Arc<dyn Merger>| merger.demands(options);
        self.of_formats().map(of).find(|demands| !demands.is_empty()).unwrap_or_default()
    }
}
