//! The structure check: no table may come out as a mixture that neither side wrote and no merger produced.
//!
//! It looks at the finished tree and not at how it was made, so that a mistake in the merge cannot hide itself.

use std::sync::Arc;

use anabranch_tree::{Session, Tree, TreeError};

use super::finder::{Root, RootFinder, unit_ranges};
use super::model::{PipelineError, PipelineInput};
use super::survey::Side;

/// A unit that has to be in the result as it is on one side.
pub(super) struct TakenWhole {
    pub(super) root: Arc<Root>,
    pub(super) side: Side,
    /// Whether the units within it come from the same side.
    pub(super) with_nested: bool,
}

/// Checks that each of these units is in `result` exactly as on its side.
pub(super) async fn no_mixture(
    session: &Session,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    result: &Tree,
    taken: &[TakenWhole],
) -> Result<(), PipelineError> {
    for unit in taken {
        if is_mixed(session, input, finder, result, unit).await.map_err(PipelineError::Tree)? {
            return Err(PipelineError::Mixture {
                root: unit.root.folder.clone(),
                ours: input.labels.ours.clone(),
                theirs: input.labels.theirs.clone(),
            });
        }
    }
    Ok(())
}

async fn is_mixed(
    session: &Session,
    input: &PipelineInput<'_>,
    finder: &mut RootFinder<'_>,
    result: &Tree,
    unit: &TakenWhole,
) -> Result<bool, TreeError> {
    let side = match unit.side {
        Side::Base => &input.base,
        Side::Ours => &input.ours,
        Side::Theirs => &input.theirs,
    };
    for range in unit_ranges(&unit.root.folder) {
        let mut diff = session.diff(result, side, range);
        while let Some(batch) = diff.next_batch().await? {
            for change in batch {
                let same = change.same_content();
                if unit.with_nested && !same {
                    return Ok(true);
                }
                let owner = if same { None } else { finder.owner(change.key.as_bytes()).await? };
                if owner.is_some_and(|owner| owner.folder == unit.root.folder) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
