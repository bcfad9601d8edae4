//! What a client reads when a request fails: the one place where the application's errors get a status.

use std::error::Error as StdError;
use std::sync::Arc;

use anabranch_app::AppError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_RANGE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::wire;

/// A failed request.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The client can do something about it.
    Refused(Box<Refusal>),
    /// A merge that could not be decided.
    Conflicts(Box<wire::MergeConflict>),
    /// A merge that was to publish a preview which does not hold any more.
    Stale(Box<wire::StalePreview>),
    /// A choice for a conflict that somebody else has decided otherwise.
    Decided(Box<wire::AlreadyDecided>),
    /// The server's own fault. What the client reads names the request; what failed is only logged.
    Failed {
        /// 500, or 503 when trying again may help.
        status: StatusCode,
        /// What failed.
        source: Arc<dyn StdError + Send + Sync>,
    },
}

/// What a client reads when it can do something about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

/// Travels with a response that says no more than its status, to where the request's id is known and it is logged.
#[derive(Clone)]
pub(crate) struct Failure(pub(crate) Arc<dyn StdError + Send + Sync>);

impl ApiError {
    /// An error of the client, in one sentence that says what to do.
    pub(crate) fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError::Refused(Box::new(Refusal { status, message: message.into(), header: None }))
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        ApiError::refused(StatusCode::BAD_REQUEST, message)
    }

    /// 501.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        ApiError::refused(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 401, with the challenge that makes clients send credentials.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static("Basic realm=\"anabranch\", charset=\"UTF-8\"");
        ApiError::Refused(Box::new(Refusal {
            status: StatusCode::UNAUTHORIZED,
            message: message.into(),
            header: Some((WWW_AUTHENTICATE, challenge)),
        }))
    }

    /// 503: what is needed to answer cannot be reached now.
    pub(crate) fn unavailable(source: impl StdError + Send + Sync + 'static) -> Self {
        ApiError::Failed { status: StatusCode::SERVICE_UNAVAILABLE, source: Arc::new(source) }
    }

    fn with_header(self, name: HeaderName, value: String) -> Self {
        match (self, HeaderValue::try_from(value)) {
            (ApiError::Refused(mut refusal), Ok(value)) => {
                refusal.header = Some((name, value));
                ApiError::Refused(refusal)
            }
            (error, _) => error,
        }
    }
}

/// The status of an error of the application; none for the server's own failures.
pub(crate) fn status_of(error: &AppError) -> Option<StatusCode> {
    Some(match error {
        AppError::Denied { .. }
        | AppError::Protected { .. }
        | AppError::ReadOnlyRef { .. }
        | AppError::BadLink { .. } => StatusCode::FORBIDDEN,
        AppError::NotFound { .. } => StatusCode::NOT_FOUND,
        AppError::AlreadyExists { .. } | AppError::NotEmpty { .. } | AppError::Conflict { .. } => {
            StatusCode::CONFLICT
        }
        AppError::Invalid { .. }
        | AppError::NothingToCommit { .. }
        | AppError::InvalidPart { .. }
        | AppError::PartTooSmall { .. }
        | AppError::Body(_) => StatusCode::BAD_REQUEST,
        AppError::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
        AppError::RangeNotSatisfiable { .. } | AppError::NoSuchPart { .. } => {
            StatusCode::RANGE_NOT_SATISFIABLE
        }
        AppError::PartsUnknown { .. } => StatusCode::NOT_IMPLEMENTED,
        AppError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        AppError::Gone { .. } => StatusCode::GONE,
        AppError::Busy { .. } | AppError::Contended { .. } => StatusCode::TOO_MANY_REQUESTS,
        AppError::Internal(_) | AppError::Unavailable(_) => return None,
    })
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let Some(status) = status_of(&error) else {
            let status = match error {
                AppError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            return ApiError::Failed { status, source: Arc::new(error) };
        };
        let refused = ApiError::refused(status, error.to_string());
        match error {
            AppError::RangeNotSatisfiable { size, .. } => {
                refused.with_header(CONTENT_RANGE, format!("bytes */{size}"))
            }
            AppError::Busy { .. } | AppError::Contended { .. } => {
                refused.with_header(RETRY_AFTER, "1".into())
            }
            _ => refused,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            ApiError::Refused(refusal) => {
                let body = wire::Error { message: refusal.message };
                let mut response = (refusal.status, Json(body)).into_response();
                if let Some((name, value)) = refusal.header {
                    response.headers_mut().insert(name, value);
                }
                response
            }
            ApiError::Conflicts(conflict) => (StatusCode::CONFLICT, Json(*conflict)).into_response(),
            ApiError::Stale(stale) => (StatusCode::CONFLICT, Json(*stale)).into_response(),
            ApiError::Decided(decided) => (StatusCode::CONFLICT, Json(*decided)).into_response(),
            ApiError::Failed { status, source } => {
                let mut response = status.into_response();
                response.extensions_mut().insert(Failure(source));
                response
            }
        }
    }
}
