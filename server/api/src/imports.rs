//! Imports.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::wire::{Error, ImportCreation, ImportCreationResponse, ImportStatus};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// The id that starting it answered.
    id: String,
}

/// Begins to import objects of a source: they become one commit, and no byte moves.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/import", operation_id = "importStart", tag = "import",
    params(("repository" = String, Path), ("branch" = String, Path)), request_body = ImportCreation,
    responses((status = 202, body = ImportCreationResponse), (status = "4XX", body = Error))
)]
pub(crate) async fn start(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    JsonBody(creation): JsonBody<ImportCreation>,
) -> Result<(StatusCode, Json<ImportCreationResponse>), ApiError> {
    let sources = creation.paths.into_iter().map(Into::into).collect();
    let id = app.start_import(&who, &repository, &branch, sources, creation.commit.into()).await?;
    Ok((StatusCode::ACCEPTED, Json(ImportCreationResponse { id })))
}

/// How far an import is.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/import", operation_id = "importStatus", tag = "import",
    params(("repository" = String, Path), ("branch" = String, Path), ImportQuery),
    responses((status = 200, body = ImportStatus), (status = "4XX", body = Error))
)]
pub(crate) async fn status(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ImportQuery>,
) -> Result<Json<ImportStatus>, ApiError> {
    Ok(Json(app.import_status(&who, &repository, &branch, &query.id).await?.into()))
}

/// Gives an import up that is not published yet.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branches/{branch}/import", operation_id = "importCancel",
    tag = "import", params(("repository" = String, Path), ("branch" = String, Path), ImportQuery),
    responses((status = 204), (status = 409, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ImportQuery>,
) -> Result<StatusCode, ApiError> {
    app.cancel_import(&who, &repository, &branch, &query.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
