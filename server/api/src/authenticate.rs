//! Who is calling: nothing but what clients need before they log in is served before this is known.

use std::sync::Arc;

use anabranch_auth::basic::{BasicError, is_basic};
use anabranch_auth::{Authenticator, Peer, Principal, TokenError};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::error::ApiError;

/// The cookie of a login, by the name that lakeFS clients know.
pub(crate) const SESSION_COOKIE: &str = "internal_auth_session";

/// Checks the credentials and hands the principal on, or answers 401.
pub(crate) async fn layer(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let peer = request.extensions().get::<Peer>().copied();
    let principal = identify(&authenticator, request.headers(), peer).await?;
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
}

/// A header goes before the cookie, which browsers send along without being asked.
async fn identify(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    peer: Option<Peer>,
) -> Result<Principal, ApiError> {
    if let Some(header) = headers.get(AUTHORIZATION) {
        let header = header
            .to_str()
            .map_err(|_| ApiError::unauthorized("the Authorization header is not plain text"))?;
        return match bearer(header) {
            Some(token) => authenticator.token(token).await.map_err(of_token),
            None if is_basic(header) => authenticator.basic(header, peer).await.map_err(of_basic),
            None => Err(ApiError::unauthorized(
                "the Authorization header is malformed: it begins with neither 'Basic ' nor 'Bearer '",
            )),
        };
    }
    match session(headers) {
        Some(token) => authenticator.token(token).await.map_err(of_token),
        None => Err(ApiError::unauthorized(
            "this needs credentials: send access key id and secret by basic authentication, or a token",
        )),
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token in the session cookie.
fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == SESSION_COOKIE && !value.is_empty()).then_some(value)
    })
}

pub(crate) fn of_basic(error: BasicError) -> ApiError {
    match error {
        BasicError::Keys { source } => ApiError::unavailable(source),
        BasicError::TooMany(_) => ApiError::refused(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        BasicError::Malformed { .. } | BasicError::Refused => ApiError::unauthorized(error.to_string()),
    }
}

fn of_token(error: TokenError) -> ApiError {
    match error {
        TokenError::Keys { source } => ApiError::unavailable(source),
        other => ApiError::unauthorized(other.to_string()),
    }
}

/// Who is calling. A handler that asks for it cannot run without.
pub(crate) struct Caller(pub(crate) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Principal>() {
            Some(principal) => Ok(Caller(principal.clone())),
            None => Err(ApiError::unauthorized("nobody checked who is calling")),
        }
    }
}
