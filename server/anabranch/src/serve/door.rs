//! Which door a request comes through.

use http::HeaderName;
use http::request::Parts;

/// The doors of the one port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    /// The S3 gateway.
    S3,
    /// REST, and whatever has no other door.
    Rest,
    /// Health and metrics: served whatever else goes on.
    Own,
}

impl Door {
    /// The door of a request. S3 comes first: a bucket may be called `livez`.
    pub(super) fn of(parts: &Parts, domains: &[String]) -> Door {
        if anabranch_s3::is_s3_request(parts, domains) {
            return Door::S3;
        }
        match parts.uri.path() {
            "/livez" | "/readyz" | "/healthcheck" | "/metrics" => Door::Own,
            _ => Door::Rest,
        }
    }

    /// How metrics and the log call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Door::S3 => "s3",
            Door::Rest => "rest",
            Door::Own => "own",
        }
    }

    /// The header of an answer that holds the id of its request.
    pub(super) fn request_id_header(self) -> HeaderName {
        match self {
            Door::S3 => HeaderName::from_static("x-amz-request-id"),
            Door::Rest | Door::Own => HeaderName::from_static("x-request-id"),
        }
    }
}
