//! Who is calling: nothing but the health check is served before this is known.

use std::sync::Arc;

use anabranch_auth::basic::{self, BasicError};
use anabranch_auth::{Keys, Principal};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::error::ApiError;

/// Checks the credentials and hands the principal on, or answers 401.
pub(crate) async fn layer(
    State(keys): State<Arc<dyn Keys>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
        ApiError::unauthorized(
            "this needs credentials: send access key id and secret by basic authentication",
        )
    })?;
    let header =
        header.to_str().map_err(|_| ApiError::unauthorized("the Authorization header is not plain text"))?;
    let principal = basic::authenticate(keys.as_ref(), header).await.map_err(|error| match error {
        BasicError::Keys { source } => ApiError::unavailable(source),
        other => ApiError::unauthorized(other.to_string()),
    })?;
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
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
