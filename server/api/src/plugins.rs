//! Plugins of this installation. Only administrators change them.

use anabranch_app::App;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use futures::StreamExt;
use http::StatusCode;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::page::{PageQuery, page};
use crate::upload::plain_body;
use crate::wire::{Error, Plugin, PluginList};

/// Lists the installed plugins in order of digest.
#[utoipa::path(
    get, path = "/plugins", operation_id = "listPlugins", tag = "plugins", params(PageQuery),
    responses((status = 200, body = PluginList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PluginList>, ApiError> {
    let (pagination, results) = page(app.list_plugins(&who, query.paging()?).await?, Plugin::from);
    Ok(Json(PluginList { pagination, results }))
}

/// Installs a plugin.
///
/// It is checked and compiled before this answers, which takes seconds for large ones, and merges can use it from then on.
/// What is installed already is left as it is and answered with 200.
#[utoipa::path(
    post, path = "/plugins", operation_id = "installPlugin", tag = "plugins",
    request_body(
        content = Vec<u8>, content_type = "application/octet-stream",
        description = "A component of the contract, or a core module that carries its world."
    ),
    responses(
        (status = 200, body = Plugin, description = "It was installed already."), (status = 201, body = Plugin),
        (status = "4XX", body = Error, description = "400: it is no plugin, or over a limit; the message says which.")
    )
)]
pub(crate) async fn install(
    State(app): State<App>,
    Caller(who): Caller,
    body: Body,
) -> Result<(StatusCode, Json<Plugin>), ApiError> {
    let (installed, is_new) = app.install_plugin(&who, plain_body(body).boxed()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(installed.into())))
}

/// Looks an installed plugin up.
#[utoipa::path(
    get, path = "/plugins/{digest}", operation_id = "getPlugin", tag = "plugins", params(("digest" = String, Path)),
    responses((status = 200, body = Plugin), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(digest): PathOf<String>,
) -> Result<Json<Plugin>, ApiError> {
    Ok(Json(app.plugin(&who, &digest).await?.into()))
}

/// Removes a plugin. Merges whose rules name it fail from then on.
#[utoipa::path(
    delete, path = "/plugins/{digest}", operation_id = "removePlugin", tag = "plugins",
    params(("digest" = String, Path)), responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(digest): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.remove_plugin(&who, &digest).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets merges use a plugin again.
#[utoipa::path(
    post, path = "/plugins/{digest}/enable", operation_id = "enablePlugin", tag = "plugins",
    params(("digest" = String, Path)), responses((status = 200, body = Plugin), (status = "4XX", body = Error))
)]
pub(crate) async fn enable(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(digest): PathOf<String>,
) -> Result<Json<Plugin>, ApiError> {
    Ok(Json(app.set_plugin_enabled(&who, &digest, true).await?.into()))
}

/// Keeps merges from using a plugin. Those whose rules name it fail until it is enabled again.
#[utoipa::path(
    post, path = "/plugins/{digest}/disable", operation_id = "disablePlugin", tag = "plugins",
    params(("digest" = String, Path)), responses((status = 200, body = Plugin), (status = "4XX", body = Error))
)]
pub(crate) async fn disable(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(digest): PathOf<String>,
) -> Result<Json<Plugin>, ApiError> {
    Ok(Json(app.set_plugin_enabled(&who, &digest, false).await?.into()))
}
