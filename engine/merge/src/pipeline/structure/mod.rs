//! Files and folders that belong to no merger: what may not stand beside one another although no path is the same.
//!
//! Objects are decided path by path. That is right for each object and can be wrong for what they are together: two jobs
//! that both overwrote a partition leave the rows of both, a summary names files that are gone. This step looks at
//! the places that both sides changed and makes such a mixture a conflict, resolved by taking the whole place from
//! one side.
//!
//! 1. [`places`]: where both sides changed something (pure, from the walk).
//! 2. [`read`], [`summary`]: what they did there (reads; in proportion to what changed there).
//! 3. [`folder`], [`case`], [`names`]: whether it fits together (pure); [`report`]: the words.
//! 4. [`take`]: what becomes of the place.
//!
//! A client's own transaction passes it by, and so does what `merge.toml` gives to `builtin:three-way`.

mod case;
mod folder;
mod names;
mod places;
mod read;
mod report;
mod scope;
mod summary;
mod take;

pub(super) use names::is_harmless;
pub(super) use scope::Scope;
pub(super) use take::take_scope;

use anabranch_tree::{Session, Tree, TreeError};

use super::check::TakenWhole;
use super::edits::Edits;
use super::finder::RootFinder;
use super::model::{Mode, PipelineInput};
use super::survey::{Side, Survey};
use crate::{Conflict, ConflictKind};

/// A merge as it stands: when objects and units are decided, and again when the structure is.
pub(super) struct Decided {
    pub(super) tree: Tree,
    pub(super) conflicts: Vec<Conflict>,
    /// How many conflicts are about objects and folders that no merger takes.
    pub(super) undecided_objects: u64,
    pub(super) taken: Vec<TakenWhole>,
}

/// Makes mixtures conflicts, or takes their places from the side that a resolution or the strategy chose. What is not
/// decided is as on ours afterwards. Conflicts of single objects in such a place are part of its conflict.
pub(super) async fn settle(
    session: &Session,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    survey: &Survey,
    mut decided: Decided,
) -> Result<Decided, TreeError> {
    if input.mode == Mode::ClientTransaction {
        return Ok(decided);
    }
    let mut edits = Edits::default();
    for finding in read::find(session, input, finder, survey).await? {
        let side = chosen(input, &finding.conflict);
        let from = match side {
            Some(Side::Base) => &input.base,
            Some(Side::Theirs) => &input.theirs,
            Some(Side::Ours) | None => &input.ours,
        };
        take_scope(session, finder, &mut edits, &decided.tree, from, &finding.scope).await?;
        decided.drop_conflicts_in(&finding.scope, survey);
        if finding.scope.reaches_into_units() {
            decided.taken.retain(|unit| !finding.scope.contains(&unit.root.folder));
        }
        if side.is_none() {
            decided.undecided_objects = decided.undecided_objects.saturating_add(1);
            decided.conflicts.push(finding.conflict);
        }
    }
    decided.tree = with(session, decided.tree, edits).await?;
    let described = take::describe_what_is_there(session, input, survey, &decided.tree).await?;
    for path in described.settled {
        decided.drop_conflicts_in(&Scope::Paths(vec![path]), survey);
    }
    decided.tree = with(session, decided.tree, described.edits).await?;
    Ok(decided)
}

impl Decided {
    /// Drops the conflicts of single objects in a scope, and those of units if it reaches into them.
    fn drop_conflicts_in(&mut self, scope: &Scope, survey: &Survey) {
        let is_object = |conflict: &Conflict| {
            let alone = conflict.table.as_ref().is_none_or(|table| *table == conflict.path);
            alone && survey.objects.binary_search_by(|change| change.path.cmp(&conflict.path)).is_ok()
        };
        let is_new = |conflict: &Conflict| Scope::of(conflict).is_some();
        let mut plain: u64 = 0;
        self.conflicts.retain(|conflict| {
            let goes = !is_new(conflict)
                && scope.contains(&conflict.path)
                && (scope.reaches_into_units() || is_object(conflict));
            // Those of a merger of single objects were counted as its unit's.
            let is_plain = conflict.table.is_none() && conflict.rule == ConflictKind::ObjectConflict.as_str();
            plain = plain.saturating_add(u64::from(goes && is_plain));
            !goes
        });
        self.undecided_objects = self.undecided_objects.saturating_sub(plain);
    }
}

async fn with(session: &Session, tree: Tree, edits: Edits) -> Result<Tree, TreeError> {
    let edits = edits.into_tree_edits()?;
    if edits.is_empty() { Ok(tree) } else { session.apply(&tree, edits).await }
}

/// The side that a conflict of structure takes: by a resolution, or else by the strategy.
fn chosen(input: &PipelineInput<'_>, conflict: &Conflict) -> Option<Side> {
    // The place is the conflict's path, whatever dataset it lies in.
    let place = Conflict { table: None, ..conflict.clone() };
    let id = conflict.id();
    let resolution = input.resolutions.iter().find(|resolution| resolution.conflict == id);
    match resolution.and_then(|resolution| super::decide::side_of_choice(&resolution.choice)) {
        Some(side) => Some(side),
        None => super::units::chosen_side(input, std::slice::from_ref(&place)),
    }
}
