//! Tags.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::page::{page, paging};
use crate::wire::{Error, Ref, RefList, TagCreation};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// What the names begin with.
    prefix: Option<String>,
    /// The name after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
}

/// Lists tags in order of name.
#[utoipa::path(
    get, path = "/repositories/{repository}/tags", operation_id = "listTags", tag = "tags",
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
    let (pagination, results) = page(app.list_tags(&who, &repository, asked).await?, Ref::from);
    Ok(Json(RefList { pagination, results }))
}

/// Makes a tag.
#[utoipa::path(
    post, path = "/repositories/{repository}/tags", operation_id = "createTag", tag = "tags",
    params(("repository" = String, Path)), request_body = TagCreation,
    responses((status = 201, body = Ref), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(creation): JsonBody<TagCreation>,
) -> Result<(StatusCode, Json<Ref>), ApiError> {
    let force = creation.force.unwrap_or(false);
    let tag = app.create_tag(&who, &repository, &creation.id, &creation.r#ref, force).await?;
    Ok((StatusCode::CREATED, Json(tag.into())))
}

/// Looks a tag up.
#[utoipa::path(
    get, path = "/repositories/{repository}/tags/{tag}", operation_id = "getTag", tag = "tags",
    params(("repository" = String, Path), ("tag" = String, Path)),
    responses((status = 200, body = Ref), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, tag)): PathOf<(String, String)>,
) -> Result<Json<Ref>, ApiError> {
    Ok(Json(app.tag(&who, &repository, &tag).await?.into()))
}

/// Deletes a tag.
#[utoipa::path(
    delete, path = "/repositories/{repository}/tags/{tag}", operation_id = "deleteTag", tag = "tags",
    params(
        ("repository" = String, Path), ("tag" = String, Path),
        ("force" = Option<bool>, Query, description = "Without effect.")
    ),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, tag)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.delete_tag(&who, &repository, &tag).await?;
    Ok(StatusCode::NO_CONTENT)
}
