//! Logging in and out, and what clients ask before that.

use std::sync::Arc;

use anabranch_auth::{Authenticator, Peer};
use axum::Json;
use axum::extract::Extension;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Options;
use crate::authenticate::{SESSION_COOKIE, of_basic};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::wire::{AuthenticationToken, Error, LoginInformation, Setup, SetupState};

/// What logging in needs beside the request.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) options: Options,
}

/// Logs in with an access key: the token for an `Authorization: Bearer` header, and the same as a cookie.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "auth", security(()), request_body = LoginInformation,
    responses((status = 200, body = AuthenticationToken), (status = "4XX", body = Error))
)]
pub(crate) async fn login(
    Extension(door): Extension<Door>,
    peer: Option<Extension<Peer>>,
    JsonBody(given): JsonBody<LoginInformation>,
) -> Result<(HeaderMap, Json<AuthenticationToken>), ApiError> {
    let peer = peer.map(|Extension(peer)| peer);
    let authenticator = &door.authenticator;
    let token = authenticator.login(&given.access_key_id, &given.secret_access_key, peer).await;
    let token = token.map_err(of_basic)?;
    let left_s = token.expires_s.saturating_sub(authenticator.now_ms().div_euclid(1000));
    let headers = cookie(token.text.expose(), left_s, door.options)?;
    let body =
        AuthenticationToken { token: token.text.expose().to_owned(), token_expiration: token.expires_s };
    Ok((headers, Json(body)))
}

/// Logs a browser out: its cookie is removed. Of our own.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "auth", security(()),
    responses((status = 204))
)]
pub(crate) async fn logout(Extension(door): Extension<Door>) -> Result<(StatusCode, HeaderMap), ApiError> {
    Ok((StatusCode::NO_CONTENT, cookie("", 0, door.options)?))
}

/// Whether the server is set up. The first start does that.
#[utoipa::path(
    get, path = "/setup_lakefs", operation_id = "getSetupState", tag = "auth", security(()),
    responses((status = 200, body = SetupState))
)]
pub(crate) async fn setup_state() -> Json<SetupState> {
    Json(SetupState { state: "initialized".into(), comm_prefs_missing: false })
}

/// Always refused: the first start has set the server up.
#[utoipa::path(
    post, path = "/setup_lakefs", operation_id = "setup", tag = "auth", security(()), request_body = Setup,
    responses((status = 409, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn setup(JsonBody(_): JsonBody<Setup>) -> ApiError {
    let message = "this server is set up: its first start made the administrator's key pair and printed it once, \
                   or took the one of its configuration";
    ApiError::refused(StatusCode::CONFLICT, message)
}

/// Scripts cannot read the cookie, other sites cannot send it.
fn cookie(token: &str, max_age_s: i64, options: Options) -> Result<HeaderMap, ApiError> {
    let secure = if options.secure_cookies { "; Secure" } else { "" };
    let text =
        format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).map_err(ApiError::unavailable)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(SET_COOKIE, value), (CACHE_CONTROL, HeaderValue::from_static("no-store"))]))
}
