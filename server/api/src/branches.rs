//! Branches, and what is done to one: reset, move, revert, cherry-pick.

use anabranch_app::{App, BranchMove, ResetScope};
use anabranch_types::ObjectPath;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, flag};
use crate::merges::{Sides, listed, published};
use crate::page::{non_empty, page, paging};
use crate::wire::{
    self, BranchCreation, CherryPickCreation, Commit, Diff, DiffList, Error, MergeConflict, Ref, RefList,
    ResetCreation, ResetType, RevertCreation,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// What the names begin with.
    prefix: Option<String>,
    /// The name after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Whether hidden branches are listed too.
    #[serde(default, deserialize_with = "flag")]
    show_hidden: Option<bool>,
}

/// Lists branches in order of name.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches", operation_id = "listBranches", tag = "branches",
    params(("repository" = String, Path), ListQuery),
    responses((status = 200, body = RefList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<RefList>, ApiError> {
    let asked = paging(query.prefix, query.after, query.amount)?;
    let paged = app.list_branches(&who, &repository, asked, query.show_hidden.unwrap_or(false)).await?;
    let (pagination, results) = page(paged, Ref::from);
    Ok(Json(RefList { pagination, results }))
}

/// Makes a branch, and answers the id of its commit as plain text.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches", operation_id = "createBranch", tag = "branches",
    params(("repository" = String, Path)), request_body = BranchCreation,
    responses((status = 201, body = String, content_type = "text/plain"), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(creation): JsonBody<BranchCreation>,
) -> Result<(StatusCode, String), ApiError> {
    let hidden = creation.hidden.unwrap_or(false);
    let head = app.create_branch(&who, &repository, &creation.name, &creation.source, hidden).await?;
    Ok((StatusCode::CREATED, head.to_hex()))
}

/// Looks a branch up.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}", operation_id = "getBranch", tag = "branches",
    params(("repository" = String, Path), ("branch" = String, Path)),
    responses((status = 200, body = Ref), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
) -> Result<Json<Ref>, ApiError> {
    Ok(Json(app.branch(&who, &repository, &branch).await?.into()))
}

/// Deletes a branch and what is staged on it. Its commits stay.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branches/{branch}", operation_id = "deleteBranch", tag = "branches",
    params(
        ("repository" = String, Path), ("branch" = String, Path),
        ("force" = Option<bool>, Query, description = "Without effect.")
    ),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.delete_branch(&who, &repository, &branch).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Throws uncommitted changes of a branch away.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}", operation_id = "resetBranch", tag = "branches",
    params(("repository" = String, Path), ("branch" = String, Path)), request_body = ResetCreation,
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn reset(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    JsonBody(creation): JsonBody<ResetCreation>,
) -> Result<StatusCode, ApiError> {
    app.reset(&who, &repository, &branch, scope(creation)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a reset throws away; a path that is missing is never read as "everything".
fn scope(creation: ResetCreation) -> Result<ResetScope, ApiError> {
    let path = non_empty(creation.path);
    match (creation.r#type, path) {
        (ResetType::Reset, _) => Ok(ResetScope::All),
        (ResetType::CommonPrefix, Some(prefix)) => Ok(ResetScope::Prefix(prefix)),
        (ResetType::Object, Some(path)) => {
            let path = ObjectPath::new(path).map_err(|error| ApiError::bad_request(error.to_string()))?;
            Ok(ResetScope::Object(path))
        }
        (ResetType::CommonPrefix | ResetType::Object, None) => {
            Err(ApiError::bad_request("path is missing: type 'object' or 'common_prefix' needs one"))
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MoveQuery {
    /// What the branch is to point at: a branch, a tag or a commit.
    #[serde(rename = "ref")]
    reference: String,
    /// Whether uncommitted changes of the branch are thrown away. Without it they are refused.
    #[serde(default, deserialize_with = "flag")]
    force: Option<bool>,
}

/// Moves a branch to another commit.
///
/// Commits that it leaves behind stay, and are found by their ids.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}/hard_reset", operation_id = "hardResetBranch",
    tag = "branches", params(("repository" = String, Path), ("branch" = String, Path), MoveQuery),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn hard_reset(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<MoveQuery>,
) -> Result<StatusCode, ApiError> {
    let force = query.force.unwrap_or(false);
    match app.move_branch(&who, &repository, &branch, &query.reference, force).await? {
        BranchMove::Moved(_) => Ok(StatusCode::NO_CONTENT),
        BranchMove::Staged { paths } => Err(ApiError::bad_request(format!(
            "branch {branch} has uncommitted changes: {}. Commit them, reset them, or throw them away with force=true",
            listed(&paths)
        ))),
    }
}

/// Undoes a commit on a branch by a new commit.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/revert", operation_id = "revertBranch",
    tag = "branches",
    params(("repository" = String, Path), ("branch" = String, Path)), request_body = RevertCreation,
    responses((status = 204), (status = 409, body = MergeConflict), (status = "4XX", body = Error))
)]
pub(crate) async fn revert(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    JsonBody(creation): JsonBody<RevertCreation>,
) -> Result<StatusCode, ApiError> {
    let sides = Sides { verb: "revert", source: creation.r#ref.clone(), destination: branch.clone() };
    let input = wire::pick_input(
        creation.r#ref,
        creation.parent_number,
        creation.commit_overrides,
        creation.allow_empty,
    );
    let input = input.ok_or_else(no_such_parent)?;
    published(app.revert(&who, &repository, &branch, input).await?, &sides)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Repeats a commit on a branch by a new commit.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/cherry-pick", operation_id = "cherryPick",
    tag = "branches",
    params(("repository" = String, Path), ("branch" = String, Path)), request_body = CherryPickCreation,
    responses(
        (status = 201, body = Commit), (status = 409, body = MergeConflict), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn cherry_pick(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    JsonBody(creation): JsonBody<CherryPickCreation>,
) -> Result<(StatusCode, Json<Commit>), ApiError> {
    let sides = Sides { verb: "cherry-pick", source: creation.r#ref.clone(), destination: branch.clone() };
    let input = wire::pick_input(creation.r#ref, creation.parent_number, creation.commit_overrides, None);
    let input = input.ok_or_else(no_such_parent)?;
    let (commit, _) = published(app.cherry_pick(&who, &repository, &branch, input).await?, &sides)?;
    Ok((StatusCode::CREATED, Json(commit.into())))
}

fn no_such_parent() -> ApiError {
    ApiError::bad_request(
        "parent_number is negative: give 1 for the first parent, 0 for a commit with one parent",
    )
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffQuery {
    /// The path after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// What the paths begin with.
    prefix: Option<String>,
    /// Where paths are cut into common prefixes.
    delimiter: Option<String>,
}

/// The uncommitted changes of a branch, in order of path.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/diff", operation_id = "diffBranch", tag = "branches",
    params(("repository" = String, Path), ("branch" = String, Path), DiffQuery),
    responses((status = 200, body = DiffList), (status = "4XX", body = Error))
)]
pub(crate) async fn diff(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<DiffQuery>,
) -> Result<Json<DiffList>, ApiError> {
    let asked = paging(query.prefix, query.after, query.amount)?;
    let delimiter = non_empty(query.delimiter);
    let paged = app.diff_branch(&who, &repository, &branch, asked, delimiter.as_deref()).await?;
    let (pagination, results) = page(paged, |item| Diff::new(item, false));
    Ok(Json(DiffList { pagination, results }))
}
