//! Repositories.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, flag};
use crate::page::{non_empty, page, paging};
use crate::wire::{
    Error, FsckReport, Metadata, Repository, RepositoryCreation, RepositoryList, RepositoryMetadataKeys,
    RepositoryMetadataSet,
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
    /// Not supported yet.
    search: Option<String>,
}

/// Lists repositories in order of name.
#[utoipa::path(
    get, path = "/repositories", operation_id = "listRepositories", tag = "repositories", params(ListQuery),
    responses((status = 200, body = RepositoryList), (status = 501, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<RepositoryList>, ApiError> {
    if non_empty(query.search).is_some() {
        return Err(ApiError::not_implemented("searching repositories is not supported: use prefix"));
    }
    let asked = paging(query.prefix, query.after, query.amount)?;
    let (pagination, results) = page(app.list_repositories(&who, asked).await?, Repository::from);
    Ok(Json(RepositoryList { pagination, results }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreateQuery {
    /// Not supported: a repository has a default branch from the start.
    #[serde(default, deserialize_with = "flag")]
    bare: Option<bool>,
}

/// Makes a repository with its default branch.
#[utoipa::path(
    post, path = "/repositories", operation_id = "createRepository", tag = "repositories", params(CreateQuery),
    request_body = RepositoryCreation,
    responses((status = 201, body = Repository), (status = 501, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<CreateQuery>,
    JsonBody(creation): JsonBody<RepositoryCreation>,
) -> Result<(StatusCode, Json<Repository>), ApiError> {
    let unsupported = [
        (query.bare.unwrap_or(false), "bare repositories are"),
        (creation.read_only.unwrap_or(false), "read_only is"),
        (creation.storage_id.as_deref().is_some_and(|id| !id.is_empty()), "storage_id is"),
    ];
    if let Some((_, what)) = unsupported.iter().find(|(asked, _)| *asked) {
        return Err(ApiError::not_implemented(format!("{what} not supported: leave it out")));
    }
    let info = match creation.sample_data.unwrap_or(false) {
        true => app.create_sample_repository(&who, creation.into()).await?,
        false => app.create_repository(&who, creation.into()).await?,
    };
    Ok((StatusCode::CREATED, Json(info.into())))
}

/// Looks a repository up.
#[utoipa::path(
    get, path = "/repositories/{repository}", operation_id = "getRepository", tag = "repositories",
    params(("repository" = String, Path)),
    responses((status = 200, body = Repository), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<Json<Repository>, ApiError> {
    Ok(Json(app.repository(&who, &repository).await?.into()))
}

/// Deletes a repository. Its objects stay in their storage.
#[utoipa::path(
    delete, path = "/repositories/{repository}", operation_id = "deleteRepository", tag = "repositories",
    params(("repository" = String, Path), ("force" = Option<bool>, Query, description = "Without effect.")),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.delete_repository(&who, &repository).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the maker of a repository attached.
#[utoipa::path(
    get, path = "/repositories/{repository}/metadata", operation_id = "getRepositoryMetadata", tag = "repositories",
    params(("repository" = String, Path)),
    responses((status = 200, body = Metadata), (status = "4XX", body = Error))
)]
pub(crate) async fn metadata(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<Json<Metadata>, ApiError> {
    Ok(Json(app.repository_metadata(&who, &repository).await?))
}

/// Attaches names and values to a repository.
#[utoipa::path(
    post, path = "/repositories/{repository}/metadata", operation_id = "setRepositoryMetadata", tag = "repositories",
    params(("repository" = String, Path)), request_body = RepositoryMetadataSet,
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn set_metadata(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(set): JsonBody<RepositoryMetadataSet>,
) -> Result<StatusCode, ApiError> {
    app.change_repository_metadata(&who, &repository, set.metadata, Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes names and their values away from a repository. Those that are not there are no errors.
#[utoipa::path(
    delete, path = "/repositories/{repository}/metadata", operation_id = "deleteRepositoryMetadata",
    tag = "repositories", params(("repository" = String, Path)), request_body = RepositoryMetadataKeys,
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete_metadata(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(keys): JsonBody<RepositoryMetadataKeys>,
) -> Result<StatusCode, ApiError> {
    app.change_repository_metadata(&who, &repository, Metadata::new(), keys.keys).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Walks and verifies everything that the refs of a repository reach. Changes nothing. Of our own.
#[utoipa::path(
    post, path = "/repositories/{repository}/fsck", operation_id = "checkRepository", tag = "repositories",
    params(("repository" = String, Path)),
    responses((status = 200, body = FsckReport), (status = "4XX", body = Error))
)]
pub(crate) async fn fsck(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<Json<FsckReport>, ApiError> {
    Ok(Json(app.fsck(&who, &repository).await?.into()))
}
