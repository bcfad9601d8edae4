//! Commits.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::page::non_empty;
use crate::wire::{Commit, CommitCreation, Error};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommitQuery {
    /// Not supported: trees of this server have another form.
    source_metarange: Option<String>,
}

/// Commits what is staged on a branch.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/commits", operation_id = "commit", tag = "commits",
    params(("repository" = String, Path), ("branch" = String, Path), CommitQuery), request_body = CommitCreation,
    responses((status = 201, body = Commit), (status = 501, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<CommitQuery>,
    JsonBody(creation): JsonBody<CommitCreation>,
) -> Result<(StatusCode, Json<Commit>), ApiError> {
    if non_empty(query.source_metarange).is_some() {
        return Err(ApiError::not_implemented("source_metarange is not supported: stage the objects"));
    }
    let commit = app.commit(&who, &repository, &branch, creation.into()).await?;
    Ok((StatusCode::CREATED, Json(commit.into())))
}

/// Looks a commit up, by any ref expression.
#[utoipa::path(
    get, path = "/repositories/{repository}/commits/{commitId}", operation_id = "getCommit", tag = "commits",
    params(("repository" = String, Path), ("commitId" = String, Path)),
    responses((status = 200, body = Commit), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, commit)): PathOf<(String, String)>,
) -> Result<Json<Commit>, ApiError> {
    Ok(Json(app.commit_info(&who, &repository, &commit).await?.into()))
}
