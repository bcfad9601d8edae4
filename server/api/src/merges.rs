//! Merges. At this boundary `source` is theirs and `destination` is ours.

use anabranch_app::{App, CommitInfo, MergeAnswer};
use axum::Json;
use axum::extract::State;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBodyOrDefault, PathOf};
use crate::wire::{
    Conflict, Error, FindMergeBaseResult, Merge, MergeConflict, MergeRefused, MergeResult, MergeSummary,
    StalePreview, count_conflicts,
};

/// How many paths in the way a message names.
const PATHS_SHOWN: usize = 20;

/// Merges a ref into a branch.
#[utoipa::path(
    post, path = "/repositories/{repository}/refs/{sourceRef}/merge/{destinationBranch}",
    operation_id = "mergeIntoBranch", tag = "refs",
    params(("repository" = String, Path), ("sourceRef" = String, Path), ("destinationBranch" = String, Path)),
    request_body(content = Option<Merge>),
    responses(
        (status = 200, body = MergeResult), (status = 409, body = MergeRefused), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn merge(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, source, destination)): PathOf<(String, String, String)>,
    JsonBodyOrDefault(merge): JsonBodyOrDefault<Merge>,
) -> Result<Json<MergeResult>, ApiError> {
    let input = merge.into_input().map_err(ApiError::bad_request)?;
    let answer = app.merge(&who, &repository, &source, &destination, input).await?;
    let (commit, summary) = published(answer, &Sides { verb: "merge", source, destination })?;
    Ok(Json(MergeResult { reference: commit.id.to_hex(), summary }))
}

/// The best common ancestor of two refs.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{sourceRef}/merge/{destinationBranch}",
    operation_id = "findMergeBase", tag = "refs",
    params(("repository" = String, Path), ("sourceRef" = String, Path), ("destinationBranch" = String, Path)),
    responses((status = 200, body = FindMergeBaseResult), (status = "4XX", body = Error))
)]
pub(crate) async fn find_merge_base(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, source, destination)): PathOf<(String, String, String)>,
) -> Result<Json<FindMergeBaseResult>, ApiError> {
    Ok(Json(app.merge_base(&who, &repository, &source, &destination).await?.into()))
}

/// What is brought where, for messages.
pub(crate) struct Sides {
    /// `merge`, `revert` or `cherry-pick`.
    pub(crate) verb: &'static str,
    /// What is brought.
    pub(crate) source: String,
    /// The branch that it goes to.
    pub(crate) destination: String,
}

/// The new head of a merge, revert or cherry-pick that was published, or the answer for one that was not.
pub(crate) fn published(answer: MergeAnswer, sides: &Sides) -> Result<(CommitInfo, MergeSummary), ApiError> {
    let Sides { verb, source, destination } = sides;
    match answer {
        MergeAnswer::Merged { commit, summary } => Ok((commit, summary.into())),
        MergeAnswer::Conflicts { conflicts, summary } => {
            let conflicts: Vec<Conflict> = conflicts.into_iter().map(Conflict::from).collect();
            let count = count_conflicts(&conflicts);
            Err(ApiError::Conflicts(Box::new(MergeConflict {
                reference: String::new(),
                message: format!(
                    "{count} in the {verb} of {source} into {destination}: nothing was published; \
                     'conflicts' lists all of them and the ways out"
                ),
                conflicts,
                summary: summary.into(),
            })))
        }
        MergeAnswer::NoChanges { uncommitted_on_source: 0 } => {
            Err(ApiError::bad_request(format!("no changes: {destination} has all that {source} brings")))
        }
        MergeAnswer::NoChanges { uncommitted_on_source } => {
            let count = counted(uncommitted_on_source, "uncommitted change");
            Err(ApiError::bad_request(format!(
                "no changes: {destination} has all commits of {source}. {source} has {count}, and only commits \
                 are merged: commit first"
            )))
        }
        MergeAnswer::StalePreview { preview, moved } => Err(ApiError::Stale(Box::new(StalePreview {
            reference: String::new(),
            message: format!(
                "preview {preview} does not hold any more: {}. Nothing was published; preview again",
                listed(&moved)
            ),
            kind: "stale-preview".into(),
            preview,
            moved,
        }))),
        MergeAnswer::StagedInTheWay { paths } => Err(ApiError::bad_request(format!(
            "uncommitted changes on {destination} stand where the {verb} would write: {}. Commit or reset them first",
            listed(&paths)
        ))),
    }
}

pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(crate) fn listed(paths: &[String]) -> String {
    let shown = paths.iter().take(PATHS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(PATHS_SHOWN) {
        0 => shown,
        hidden => format!("{shown} and at least {hidden} more"),
    }
}
