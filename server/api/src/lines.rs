//! Answers of one JSON value a line.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LINK, VARY};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::error::ApiError;
use crate::wire::Pagination;

/// One value a line; the address of the next page is in a header, because a line of another kind would be taken for a
/// value.
pub(crate) fn lines<T: Serialize>(
    values: &[T],
    pagination: &Pagination,
    query: &[(String, String)],
) -> Result<Response, ApiError> {
    let mut body = String::new();
    for value in values {
        body.push_str(&serde_json::to_string(value).map_err(ApiError::unavailable)?);
        body.push('\n');
    }
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    if pagination.has_more {
        let next = next_page(query, &pagination.next_offset);
        let next = HeaderValue::try_from(next).map_err(ApiError::unavailable)?;
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// The same query with another beginning, as a `Link`.
fn next_page(query: &[(String, String)], after: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let kept = query.iter().filter(|(name, _)| name != "after");
    let mut query: String =
        kept.map(|(name, value)| format!("{}={}&", encoded(name), encoded(value))).collect();
    query.push_str(&format!("after={}", encoded(after)));
    format!("<?{query}>; rel=\"next\"")
}
