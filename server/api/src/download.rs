//! The answer to a read: headers, ranges, and the bytes as they come.

use std::ops::Range;

use anabranch_app::{ByteRange, ReadStream};
use anabranch_types::Entry;
use axum::body::Body;
use axum::response::Response;
use futures::StreamExt;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::request_id::chain;
use crate::time::http_date;

/// The range that is asked for. Several ranges, other units and what cannot be read are ignored, as HTTP allows: the
/// whole object is answered.
pub(crate) fn range(headers: &HeaderMap) -> Option<ByteRange> {
    parse_range(headers.get(RANGE)?.to_str().ok()?)
}

fn parse_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    match (first.trim(), last.trim()) {
        ("", last) => Some(ByteRange::Last(number(last)?)),
        (first, "") => Some(ByteRange::FromTo(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::FromTo(first, Some(last)))
        }
    }
}

/// Whether the client has the object already.
pub(crate) fn is_fresh(headers: &HeaderMap, entry: &Entry) -> bool {
    let Some(tags) = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()) else { return false };
    let etag = entry.etag();
    tags.split(',').map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.trim_matches('"') == etag
    })
}

/// 304.
pub(crate) fn not_modified(entry: &Entry) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    set(response.headers_mut(), ETAG, format!("\"{}\"", entry.etag()));
    response
}

/// 200, or 206 for a range, with everything that is known of the object. It goes out as an attachment that no
/// browser shall guess about, because anybody who may write chose its bytes and its media type.
pub(crate) fn answer(entry: &Entry, range: Range<u64>, partial: bool, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    set(headers, CONTENT_LENGTH, (range.end - range.start).to_string());
    set(headers, ETAG, format!("\"{}\"", entry.etag()));
    set(headers, LAST_MODIFIED, http_date(entry.modified_ms));
    set(headers, CONTENT_TYPE, entry.content_type.clone());
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if partial {
        let last = range.end.saturating_sub(1);
        set(headers, CONTENT_RANGE, format!("bytes {}-{last}/{}", range.start, entry.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The bytes. A failure on the way is logged here and breaks the connection: the status is out already.
pub(crate) fn body(bytes: ReadStream, repository: String, path: String) -> Body {
    Body::from_stream(bytes.inspect(move |piece| {
        if let Err(error) = piece {
            tracing::error!(%repository, %path, error = %chain(error), "reading an object broke off");
        }
    }))
}

/// Sets a header unless its value cannot be sent.
fn set(headers: &mut HeaderMap, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_everything_else_ignored() {
        assert_eq!(parse_range("bytes=0-4"), Some(ByteRange::FromTo(0, Some(4))));
        assert_eq!(parse_range("bytes=7-"), Some(ByteRange::FromTo(7, None)));
        assert_eq!(parse_range("bytes=-3"), Some(ByteRange::Last(3)));
        for ignored in
            ["", "bytes", "bytes=", "bytes=-", "bytes=4-0", "lines=0-4", "bytes=0-1,3-4", "bytes=+1-2"]
        {
            assert_eq!(parse_range(ignored), None, "{ignored}");
        }
        assert_eq!(parse_range("bytes=99999999999999999999-"), None, "more than a number holds");
    }
}
