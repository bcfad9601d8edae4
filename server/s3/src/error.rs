//! What S3 calls an error: the one place where codes and statuses are chosen.

use anabranch_app::{AppError, BodyError};
use anabranch_auth::sigv4::SigV4Error;
use anabranch_auth::sigv4::chunked::ChunkError;
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};

/// A request that was refused for what its body turned out to be. Kept until the operation has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// S3's code.
    pub(crate) code: S3ErrorCode,
    /// What is wrong.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: S3ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let unknown = refusal.code.status_code().is_none();
        let mut error = S3Error::with_message(refusal.code, refusal.message);
        if unknown {
            error.set_status_code(StatusCode::BAD_REQUEST);
        }
        error
    }
}

impl From<ChunkError> for Refusal {
    fn from(error: ChunkError) -> Self {
        let code = match error {
            ChunkError::Malformed { .. } => S3ErrorCode::InvalidRequest,
            ChunkError::Mismatch { .. } => S3ErrorCode::SignatureDoesNotMatch,
            ChunkError::Length { .. } | ChunkError::Truncated { .. } => S3ErrorCode::IncompleteBody,
        };
        Refusal::new(code, error.to_string())
    }
}

/// A signature that was not accepted.
pub(crate) fn of_signature(error: &SigV4Error) -> S3Error {
    let code = match error {
        SigV4Error::Anonymous | SigV4Error::UnsignedHeader { .. } | SigV4Error::Expired { .. } => {
            S3ErrorCode::AccessDenied
        }
        SigV4Error::Version2 | SigV4Error::Algorithm { .. } => S3ErrorCode::InvalidRequest,
        SigV4Error::Missing { .. }
        | SigV4Error::Malformed { .. }
        | SigV4Error::Region { .. }
        | SigV4Error::Service { .. } => S3ErrorCode::AuthorizationHeaderMalformed,
        SigV4Error::Lifetime { .. } => S3ErrorCode::AuthorizationQueryParametersError,
        SigV4Error::Skewed { .. } => S3ErrorCode::RequestTimeTooSkewed,
        SigV4Error::UnknownKey { .. } => S3ErrorCode::InvalidAccessKeyId,
        SigV4Error::Day { .. } | SigV4Error::AbsentHeader { .. } | SigV4Error::Mismatch => {
            S3ErrorCode::SignatureDoesNotMatch
        }
        SigV4Error::TooMany(_) => S3ErrorCode::SlowDown,
        SigV4Error::Keys { .. } => S3ErrorCode::ServiceUnavailable,
    };
    S3Error::with_message(code, error.to_string())
}

/// What the application answered about a bucket, and a key of it if there is one.
///
/// A failure of the server itself is logged here with the request's id, which is all that the client is
/// shown of it.
pub(crate) fn of_app(error: AppError, request_id: &str, bucket: &str, key: Option<&str>) -> S3Error {
    let at = match key {
        Some(key) => format!("bucket {bucket}, key {key:?}"),
        None => format!("bucket {bucket}"),
    };
    if let AppError::Internal(source) | AppError::Unavailable(source) = &error {
        let source: &(dyn std::error::Error + 'static) = source.as_ref();
        tracing::error!(request_id, %at, error = source, "an S3 request failed");
        let what = match error {
            AppError::Unavailable(_) => "the server cannot answer now: try again",
            _ => "the server failed",
        };
        let message = format!("{what} ({at}); its log names the reason under {request_id}");
        return S3Error::with_message(code_of(&error), message);
    }
    let mut answer = S3Error::with_message(code_of(&error), format!("{error} ({at})"));
    match error {
        AppError::RangeNotSatisfiable { size, .. } => {
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
                answer.set_headers(HeaderMap::from_iter([(http::header::CONTENT_RANGE, range)]));
            }
        }
        AppError::NoSuchPart { .. } => answer.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE),
        AppError::Gone { .. } => answer.set_status_code(StatusCode::GONE),
        _ => {}
    }
    answer
}

fn code_of(error: &AppError) -> S3ErrorCode {
    match error {
        AppError::Denied(_) | AppError::Protected { .. } => S3ErrorCode::AccessDenied,
        AppError::NotFound { kind: "repository", .. } => S3ErrorCode::NoSuchBucket,
        AppError::NotFound { kind: "upload", .. } => S3ErrorCode::NoSuchUpload,
        AppError::NotFound { .. } => S3ErrorCode::NoSuchKey,
        AppError::AlreadyExists { kind: "repository", .. } => S3ErrorCode::BucketAlreadyOwnedByYou,
        AppError::AlreadyExists { .. } | AppError::Conflict { .. } => S3ErrorCode::OperationAborted,
        AppError::BadLink { .. } => S3ErrorCode::AccessDenied,
        AppError::Invalid { .. } => S3ErrorCode::InvalidArgument,
        AppError::ReadOnlyRef { .. } => S3ErrorCode::MethodNotAllowed,
        AppError::NothingToCommit { .. } => S3ErrorCode::InvalidRequest,
        AppError::PreconditionFailed { .. } => S3ErrorCode::PreconditionFailed,
        AppError::RangeNotSatisfiable { .. } => S3ErrorCode::InvalidRange,
        AppError::NoSuchPart { .. } => S3ErrorCode::Custom("InvalidPartNumber".into()),
        AppError::PartsUnknown { .. } => S3ErrorCode::NotImplemented,
        AppError::TooLarge { .. } => S3ErrorCode::EntityTooLarge,
        AppError::InvalidPart { .. } => S3ErrorCode::InvalidPart,
        AppError::PartTooSmall { .. } => S3ErrorCode::EntityTooSmall,
        AppError::NotEmpty { .. } => S3ErrorCode::BucketNotEmpty,
        AppError::Gone { .. } => S3ErrorCode::Custom("Gone".into()),
        AppError::Busy { .. } | AppError::Contended { .. } => S3ErrorCode::SlowDown,
        AppError::Body(BodyError::Mismatch { what: "length", .. }) => S3ErrorCode::IncompleteBody,
        AppError::Body(BodyError::Mismatch { what: "size", .. }) => S3ErrorCode::InvalidRequest,
        AppError::Body(BodyError::Mismatch { .. }) => S3ErrorCode::BadDigest,
        AppError::Body(_) => S3ErrorCode::IncompleteBody,
        AppError::Internal(_) => S3ErrorCode::InternalError,
        AppError::Unavailable(_) => S3ErrorCode::ServiceUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(error: AppError) -> String {
        let answer = of_app(error, "REQ1", "sales", Some("main/a"));
        let status = answer.status_code().map_or(0, |status| status.as_u16());
        format!("{status} {}: {}", answer.code().as_str(), answer.message().unwrap_or_default())
    }

    #[test]
    fn errors_have_a_code_a_status_and_name_bucket_and_key() {
        let missing = |kind| AppError::NotFound { kind, name: "x".into(), hint: String::new() };
        let at = "(bucket sales, key \"main/a\")";
        for (error, expected) in [
            (missing("repository"), format!("404 NoSuchBucket: repository x does not exist {at}")),
            (missing("object"), format!("404 NoSuchKey: object x does not exist {at}")),
            (missing("upload"), format!("404 NoSuchUpload: upload x does not exist {at}")),
            (
                AppError::ReadOnlyRef { reference: "v1".into() },
                format!("405 MethodNotAllowed: v1 is no branch: only branches can be written to {at}"),
            ),
            (
                AppError::PreconditionFailed { path: "a".into(), actual: None },
                format!("412 PreconditionFailed: precondition failed for a: it does not exist {at}"),
            ),
            (
                AppError::Busy { kind: "branch", name: "main".into(), limit: "50 tries".into() },
                format!("503 SlowDown: branch main kept moving for 50 tries: try again {at}"),
            ),
            (
                AppError::Gone { what: "mem://x".into(), reason: "restart".into() },
                format!("410 Gone: mem://x is gone: restart {at}"),
            ),
        ] {
            assert_eq!(shown(error), expected);
        }
    }

    #[test]
    fn a_store_that_is_away_is_worth_another_try() {
        let away = anabranch_refs::RefsError::Unavailable {
            action: "reading a record",
            store: "Postgres db:5432".into(),
            source: "connection refused".into(),
        };
        assert_eq!(
            shown(AppError::internal(away)),
            "503 ServiceUnavailable: the server cannot answer now: try again (bucket sales, key \"main/a\"); \
             its log names the reason under REQ1"
        );
    }

    #[test]
    fn a_failure_of_the_server_shows_an_id_and_no_details() {
        let failure = AppError::internal(std::io::Error::other("disk sda is full"));
        assert_eq!(
            shown(failure),
            "500 InternalError: the server failed (bucket sales, key \"main/a\"); its log names the reason under REQ1"
        );
    }
}
