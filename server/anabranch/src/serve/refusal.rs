//! What a client reads when a limit of the server is reached, in the words of its door.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use super::door::Door;

/// Why a request is not served, or not to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// As many requests as the server takes are under way.
    Busy,
    /// The headers are too long.
    Header {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is too long.
    Body {
        /// The limit in bytes.
        limit: u64,
    },
    /// The client sends its body too slowly.
    Slow,
    /// The server took too long.
    Long,
    /// The server ends.
    Stopping,
}

impl Refusal {
    /// How metrics call it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Refusal::Busy => "requests",
            Refusal::Header { .. } => "header_bytes",
            Refusal::Body { .. } => "body_bytes",
            Refusal::Slow => "body_idle",
            Refusal::Long => "request_time",
            Refusal::Stopping => "stopping",
        }
    }

    fn message(self) -> String {
        match self {
            Refusal::Busy => "the server has as many requests as it takes at a time: try again".to_owned(),
            Refusal::Header { limit } => format!("the request line and headers have more than {limit} bytes"),
            Refusal::Body { limit } => {
                format!("the body of the request has more than {limit} bytes: use a multipart upload")
            }
            Refusal::Slow => "the body of the request came too slowly: nothing of it was stored".to_owned(),
            Refusal::Long => "the request took longer than the server allows: look whether it took place \
                before trying again"
                .to_owned(),
            Refusal::Stopping => {
                "the server ends: look whether the request took place before trying again".to_owned()
            }
        }
    }

    fn rest_status(self) -> StatusCode {
        match self {
            Refusal::Busy | Refusal::Long | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Header { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::Body { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// S3's code and status.
    fn s3_code(self) -> (&'static str, StatusCode) {
        match self {
            Refusal::Busy => ("SlowDown", StatusCode::SERVICE_UNAVAILABLE),
            Refusal::Header { .. } => ("RequestHeaderSectionTooLarge", StatusCode::BAD_REQUEST),
            Refusal::Body { .. } => ("EntityTooLarge", StatusCode::BAD_REQUEST),
            Refusal::Slow => ("RequestTimeout", StatusCode::BAD_REQUEST),
            Refusal::Long | Refusal::Stopping => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The answer. Its message never repeats anything that the client sent.
    pub(super) fn answer(self, door: Door, request_id: &str) -> Response {
        let message = self.message();
        let mut response = match door {
            Door::S3 => {
                let (code, status) = self.s3_code();
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
                     <RequestId>{request_id}</RequestId></Error>"
                );
                (status, [(CONTENT_TYPE, "application/xml")], body).into_response()
            }
            Door::Rest | Door::Own => {
                (self.rest_status(), Json(serde_json::json!({ "message": message }))).into_response()
            }
        };
        let headers = response.headers_mut();
        if matches!(self, Refusal::Busy | Refusal::Long | Refusal::Stopping) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Ok(id) = HeaderValue::try_from(request_id) {
            headers.insert(door.request_id_header(), id);
        }
        if self != Refusal::Busy {
            // What is left of the body is not read.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        response
    }
}
