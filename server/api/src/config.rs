//! Health, and facts about the server.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::wire::{Config, Error, StatsEventsList, StorageConfig, VersionConfig};

/// Answers that the server runs.
#[utoipa::path(
    get, path = "/healthcheck", operation_id = "healthCheck", tag = "server", security(()),
    responses((status = 204, description = "It runs."))
)]
pub(crate) async fn health_check() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// What clients ask before they begin.
#[utoipa::path(
    get, path = "/config", operation_id = "getConfig", tag = "server",
    responses((status = 200, body = Config), (status = "4XX", body = Error))
)]
pub(crate) async fn get_config(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Json<Config>, ApiError> {
    app.may_read_server(&who)?;
    Ok(Json(Config::of_this_server(app.facts())))
}

/// Which version this is.
#[utoipa::path(
    get, path = "/config/version", operation_id = "getLakeFSVersion", tag = "server",
    responses((status = 200, body = VersionConfig), (status = "4XX", body = Error))
)]
pub(crate) async fn get_version(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Json<VersionConfig>, ApiError> {
    app.may_read_server(&who)?;
    Ok(Json(VersionConfig::of_this_server()))
}

/// What the storage can do.
#[utoipa::path(
    get, path = "/config/storage", operation_id = "getStorageConfig", tag = "server",
    responses((status = 200, body = StorageConfig), (status = "4XX", body = Error))
)]
pub(crate) async fn get_storage_config(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Json<StorageConfig>, ApiError> {
    app.may_read_server(&who)?;
    Ok(Json(StorageConfig::of_this_server(app.facts())))
}

/// Takes the numbers of uses that clients of lakeFS report, and forgets them.
///
/// Such clients report without being asked: they are not to fail for it, and nothing of it is kept or sent on.
#[utoipa::path(
    post, path = "/statistics", operation_id = "postStatsEvents", tag = "server", request_body = StatsEventsList,
    responses((status = 204, description = "Taken, and forgotten."), (status = "4XX", body = Error))
)]
pub(crate) async fn forget_statistics(
    State(app): State<App>,
    Caller(who): Caller,
    JsonBody(_): JsonBody<StatsEventsList>,
) -> Result<StatusCode, ApiError> {
    app.may_read_server(&who)?;
    Ok(StatusCode::NO_CONTENT)
}
