//! Every request has an id: in the answer's header, in the log, and in the message of an internal error.

use std::error::Error as StdError;
use std::sync::Arc;

use anabranch_types::IdSource;
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::error::Failure;
use crate::wire;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ID_BYTES_MAX: usize = 64;

/// Gives the request an id, and an internal error its message. The error is logged here, once.
pub(crate) async fn layer(State(ids): State<Arc<dyn IdSource>>, request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| hex::encode(ids.seed64().to_be_bytes()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(Failure(source)) = response.extensions_mut().remove::<Failure>() {
        tracing::error!(request_id = %id, %method, %path, error = %chain(source.as_ref()), "a request failed");
        response = failed(response.status(), &id);
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The id that the client gave, if it can stand in a log line.
fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(harmless);
    fits.then(|| id.to_owned())
}

fn failed(status: StatusCode, id: &str) -> Response {
    let message = if status == StatusCode::SERVICE_UNAVAILABLE {
        format!("the server cannot answer now: try again; its log has the reason under request {id}")
    } else {
        format!("the server failed: its log has the reason under request {id}")
    };
    let mut response = (status, Json(wire::Error { message })).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
