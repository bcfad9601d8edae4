//! The door itself: signature, limits and body checks in front of s3s, request ids behind it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use anabranch_app::App;
use anabranch_auth::sigv4::{Payload, Policy, Signed};
use anabranch_auth::{Authenticator, Peer};
use anabranch_types::{IdSource, RepositoryName};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Error, S3Result, s3_error};
use tokio::sync::Notify;

use crate::body::{BoxError, Verdict, WireBody, announced_length, checked};
use crate::checksum::Checksums;
use crate::error;
use crate::gateway::{Caller, Gateway};
use crate::keep_alive::{kept_alive, may_take_long};
use crate::recognise::{Domains, strip_signature};

/// The body of an answer.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// The largest object of one request: the limit of S3.
const OBJECT_BYTES_MAX: u64 = 5 << 30;

/// The largest message in XML: a deletion of 1,000 long keys, or the list of 10,000 parts.
const XML_BYTES_MAX: usize = 8 << 20;

/// Names and values of all headers together: far more than any client sends.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What the door is made from.
pub struct DoorParts {
    /// The use cases.
    pub app: App,
    /// Who is calling; tells the time that signatures are judged by.
    pub authenticator: Arc<Authenticator>,
    /// Makes the ids of requests.
    pub ids: Arc<dyn IdSource>,
    /// The domains below which buckets are hosts: `s3.example.org` makes `BUCKET.s3.example.org` work.
    /// Requests to any other host are path-style.
    pub domains: Vec<String>,
    /// What signatures are accepted.
    pub policy: Policy,
}

/// The S3 door as a service. Cheap to clone.
#[derive(Clone)]
pub struct S3Door {
    shared: Arc<Shared>,
}

struct Shared {
    s3s: S3Service,
    authenticator: Arc<Authenticator>,
    ids: Arc<dyn IdSource>,
    policy: Policy,
}

/// Makes the S3 door. It never fails: what goes wrong is an answer with S3's code for it. Every request
/// must be signed; give it those that [`is_s3_request`](crate::is_s3_request) recognises, with the [`Peer`] that they
/// come from among their extensions.
pub fn service(parts: DoorParts) -> S3Door {
    let gateway = Gateway { app: parts.app, region: parts.policy.region.clone() };
    let mut builder = S3ServiceBuilder::new(gateway);
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_BYTES_MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_validation(BucketNames);
    if !parts.domains.is_empty() {
        builder.set_host(Domains(parts.domains));
    }
    let shared = Shared {
        s3s: builder.build(),
        authenticator: parts.authenticator,
        ids: parts.ids,
        policy: parts.policy,
    };
    S3Door { shared: Arc::new(shared) }
}

/// A bucket has the name of a repository.
struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        RepositoryName::new(name).is_ok()
    }
}

impl<B> tower::Service<Request<B>> for S3Door
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let request_id = hex::encode_upper(shared.ids.seed64().to_be_bytes());
        async move {
            let response = if may_take_long(request.method(), request.uri(), request.headers()) {
                let (begun, id) = (Arc::new(Notify::new()), request_id.clone());
                let told = Some(Arc::clone(&begun));
                let answer = async move { shared.answer(request, &id, told).await }.boxed();
                kept_alive(answer, begun, request_id.clone()).await
            } else {
                shared.answer(request, &request_id, None).await
            };
            Ok(dressed(response, &request_id))
        }
        .boxed()
    }
}

impl Shared {
    /// Serves a request; `begun` is told when work begins that may take long.
    async fn answer(
        &self,
        request: Request<WireBody>,
        request_id: &str,
        begun: Option<Arc<Notify>>,
    ) -> Response<ResponseBody> {
        let verdict = Verdict::default();
        let mut response = match self.serve(request, request_id, begun, &verdict).await {
            Ok(response) => response,
            Err(error) => written(error, request_id),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            // An operation only knows that its body failed; the verdict says why.
            if let Some(refusal) = verdict.take() {
                response = written(refusal.into(), request_id);
            }
        }
        if response.status() == StatusCode::OK && response.headers().contains_key(CONTENT_RANGE) {
            // Of a HEAD; s3s says so for a GET alone.
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    }

    /// Checks a request and hands it to s3s.
    async fn serve(
        &self,
        request: Request<WireBody>,
        request_id: &str,
        begun: Option<Arc<Notify>>,
        verdict: &Verdict,
    ) -> S3Result<Response<ResponseBody>> {
        let (mut parts, body) = request.into_parts();
        check_size(&parts.headers)?;
        let signed = Signed { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        let peer = parts.extensions.get::<Peer>().copied();
        let (principal, verified) = self
            .authenticator
            .signature(&self.policy, signed, peer)
            .await
            .map_err(|error| error::of_signature(&error))?;
        check_method(&parts.method)?;
        refuse_form_upload(&parts.headers)?;
        parts.uri = strip_signature(&parts.uri, &mut parts.headers)
            .ok_or_else(|| s3_error!(InvalidURI, "the target cannot be read"))?;
        let length = announced_length(&parts.headers, &verified.payload).map_err(S3Error::from)?;
        check_length(&parts, length)?;
        let checksums = announced_checksums(&parts)?;
        let algorithm = checksums.algorithm();
        let framed = matches!(verified.payload, Payload::Chunked { .. });
        let checked = checked(body, verified, length, checksums, verdict);
        if framed {
            unframe(&mut parts.headers, length.unwrap_or_default());
        }
        let caller = Caller { principal, request_id: request_id.to_owned(), checksum: algorithm, begun };
        parts.extensions.insert(caller);
        let answer = self.s3s.call(Request::from_parts(parts, checked)).await;
        let response = answer.map_err(|failure| {
            tracing::error!(request_id, error = ?failure, "an S3 answer could not be written");
            s3_error!(InternalError, "the answer could not be written; the server's log names the reason")
        })?;
        Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }
}

/// The answer with what every answer says.
fn dressed(mut response: Response<ResponseBody>, request_id: &str) -> Response<ResponseBody> {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert("x-amz-request-id", id);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    // Whatever an object holds and however a link to it asks for it to be shown, no script of it runs as ours.
    headers.insert(http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}

fn written(mut error: S3Error, request_id: &str) -> Response<ResponseBody> {
    error.set_request_id(request_id);
    match error.to_http_response() {
        Ok(response) => response.map(|body| body.map_err(BoxError::from).boxed_unsync()),
        Err(_) => {
            let mut response = Response::new(UnsyncBoxBody::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn check_size(headers: &HeaderMap) -> S3Result<()> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(s3_error!(
            RequestHeaderSectionTooLarge,
            "the headers have {bytes} bytes; at most {HEADER_BYTES_MAX} are accepted"
        ));
    }
    Ok(())
}

fn check_method(method: &Method) -> S3Result<()> {
    const OF_S3: [Method; 6] =
        [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS];
    if OF_S3.contains(method) {
        return Ok(());
    }
    Err(s3_error!(MethodNotAllowed, "S3 has no operation with the method {method}"))
}

/// Uploads by HTML forms carry a signature of their own in the form, which nothing here checks.
fn refuse_form_upload(headers: &HeaderMap) -> S3Result<()> {
    let form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data"));
    if form {
        return Err(s3_error!(NotImplemented, "uploads by HTML forms are not supported; use PUT"));
    }
    Ok(())
}

fn check_length(parts: &http::request::Parts, length: Option<u64>) -> S3Result<()> {
    let of_object = parts.method == Method::PUT && is_object_body(parts.uri.query().unwrap_or_default());
    if let Some(length) = length.filter(|length| !of_object && *length > XML_BYTES_MAX as u64) {
        return Err(s3_error!(
            MaxMessageLengthExceeded,
            "the message has {length} bytes; at most {XML_BYTES_MAX} are accepted"
        ));
    }
    if let Some(length) = length.filter(|length| *length > OBJECT_BYTES_MAX) {
        return Err(s3_error!(
            EntityTooLarge,
            "the body has {length} bytes; one request takes at most {OBJECT_BYTES_MAX}: use a multipart upload"
        ));
    }
    let takes_body = [Method::PUT, Method::POST].contains(&parts.method);
    if takes_body && length.is_none() && parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(s3_error!(MissingContentLength, "the header content-length is missing"));
    }
    Ok(())
}

fn announced_checksums(parts: &http::request::Parts) -> S3Result<Checksums> {
    let query = parts.uri.query().unwrap_or_default();
    let completes =
        parts.method == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId="));
    if completes {
        // Completing an upload announces the checksum of the object, not of this body.
        return Ok(Checksums::default());
    }
    let by_application = parts.method == Method::PUT && is_object_body(query);
    Checksums::announced(&parts.headers, !by_application).map_err(S3Error::from)
}

/// Whether the body of a PUT is that of an object or a part, and not a message about one.
fn is_object_body(query: &str) -> bool {
    const OF_BODIES: [&str; 3] = ["partNumber", "uploadId", "x-id"];
    let names = query.split('&').filter(|pair| !pair.is_empty());
    names.map(|pair| pair.split('=').next().unwrap_or_default()).all(|name| OF_BODIES.contains(&name))
}

/// After the framing is taken off, the headers speak of the object.
fn unframe(headers: &mut HeaderMap, length: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.remove("x-amz-decoded-content-length");
    headers.remove("x-amz-trailer");
    headers.remove(TRANSFER_ENCODING);
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if encoding.is_some_and(|value| value.trim().eq_ignore_ascii_case("aws-chunked")) {
        headers.remove(CONTENT_ENCODING);
    }
}

impl std::fmt::Debug for S3Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("S3Door")
    }
}
