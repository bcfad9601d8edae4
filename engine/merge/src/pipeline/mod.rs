//! The merge of three trees: tables by their mergers, everything else object by object.

mod model;

pub use model::{
    Labels, Mode, ObjectTotals, PipelineError, PipelineInput, PipelineOutcome, PipelineReport, Strategy,
    UnitDecision, UnitReport,
};

use anabranch_tree::{Session, Tree};

/// Merges `input.theirs` into `input.ours`, seen from `input.base`. Publishes nothing: the merged tree is new in
/// `session`, and the objects that mergers wrote are referred to by nothing else.
///
/// # Errors
/// [`PipelineError`] when the merge could not be run. Conflicts and failed mergers are values of the outcome.
pub async fn merge_trees(
    session: &Session,
    input: &PipelineInput<'_>,
) -> Result<PipelineOutcome, PipelineError> {
    let _ = (session, input);
    Err(PipelineError::NoBase)
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
    let _ = bases;
    merge_trees(session, input).await
}
