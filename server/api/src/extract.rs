//! Path, query and body of a request, with our own answer to those that cannot be read.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// The largest JSON body: 1,000 paths of 1,024 bytes, each byte escaped, fit.
const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The parameters of the path.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(PathOf(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(ApiError::bad_request(format!(
                "the path of the request cannot be read: {}",
                error.body_text()
            ))),
            Err(error) => Err(ApiError::unavailable(error)),
        }
    }
}

/// The parameters of the query.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let value = Query::<T>::from_request_parts(parts, state).await;
        value.map(|Query(value)| QueryOf(value)).map_err(|error: QueryRejection| {
            ApiError::bad_request(format!(
                "the query of the request cannot be read: {}",
                reason(&error.body_text())
            ))
        })
    }
}

/// A flag of a query, as every client writes it: `true`, and `True` from Python.
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    }
}

/// Reads an optional flag of a query.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => parse_flag(text).map(Some).ok_or_else(|| D::Error::custom("give 'true' or 'false'")),
    }
}

/// A JSON body, whatever its content type says.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse(&read(request.into_body()).await?).map(JsonBody)
    }
}

/// A JSON body that may be left out.
pub(crate) struct JsonBodyOrDefault<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for JsonBodyOrDefault<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body()).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(JsonBodyOrDefault(T::default()));
        }
        parse(&bytes).map(JsonBodyOrDefault)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    match Json::<T>::from_bytes(bytes) {
        Ok(Json(value)) => Ok(value),
        Err(error) => Err(ApiError::bad_request(format!(
            "the JSON body cannot be read: {}",
            reason(&error.body_text())
        ))),
    }
}

/// What is wrong and where, without the framework's words before it.
fn reason(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(_, reason)| reason)
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    to_bytes(body, JSON_BYTES_MAX).await.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if too_large {
            let message = format!("the JSON body is larger than {} MiB", JSON_BYTES_MAX / 1024 / 1024);
            ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, message)
        } else {
            ApiError::bad_request(format!("the request body broke off: {error}"))
        }
    })
}
