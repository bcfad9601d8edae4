//! Health, facts about the server, and who is calling.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::authenticate::Caller;
use crate::wire::{Config, CurrentUser, Error, StorageConfig, User, VersionConfig};

/// Answers that the server runs. The one operation without credentials.
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
pub(crate) async fn get_config(State(app): State<App>, _: Caller) -> Json<Config> {
    Json(Config::of_this_server(app.facts()))
}

/// Which version this is.
#[utoipa::path(
    get, path = "/config/version", operation_id = "getLakeFSVersion", tag = "server",
    responses((status = 200, body = VersionConfig), (status = "4XX", body = Error))
)]
pub(crate) async fn get_version(_: Caller) -> Json<VersionConfig> {
    Json(VersionConfig::of_this_server())
}

/// What the storage can do.
#[utoipa::path(
    get, path = "/config/storage", operation_id = "getStorageConfig", tag = "server",
    responses((status = 200, body = StorageConfig), (status = "4XX", body = Error))
)]
pub(crate) async fn get_storage_config(State(app): State<App>, _: Caller) -> Json<StorageConfig> {
    Json(StorageConfig::of_this_server(app.facts()))
}

/// Who is calling.
#[utoipa::path(
    get, path = "/user", operation_id = "getCurrentUser", tag = "server",
    responses((status = 200, body = CurrentUser), (status = "4XX", body = Error))
)]
pub(crate) async fn get_current_user(Caller(who): Caller) -> Json<CurrentUser> {
    let user = User {
        id: who.name().to_owned(),
        creation_date: 0,
        friendly_name: who.name().to_owned(),
        role: who.widest_role().map(|role| role.to_string()).unwrap_or_default(),
    };
    Json(CurrentUser { user })
}
