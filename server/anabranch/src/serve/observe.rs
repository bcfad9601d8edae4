//! What is seen of a request: its id, its line in the log, its metrics, its span.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anabranch_types::IdSource;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::door::Door;
use super::guard::{Progress, Slot};
use super::metrics::Requests;

/// The longest request id that is taken from a client.
const ID_BYTES_MAX: usize = 64;
/// The operation of a request that none was found for.
const UNKNOWN: &str = "unknown";

/// Which operation of REST is where: method and path as they were matched → the operation's id.
pub(super) struct Operations(HashMap<(Method, String), String>);

impl Operations {
    /// The operations of the REST door, from its own document.
    pub(super) fn of_rest() -> Self {
        let document = anabranch_api::openapi();
        let base = document.servers.iter().flatten().next().map_or("", |server| server.url.as_str());
        let mut found = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::HEAD, &item.head),
                (Method::PATCH, &item.patch),
            ];
            for (method, operation) in operations {
                if let Some(id) = operation.as_ref().and_then(|operation| operation.operation_id.clone()) {
                    found.insert((method, format!("{base}{path}")), id);
                }
            }
        }
        Operations(found)
    }

    fn name(&self, method: &Method, path: &str) -> Option<String> {
        // Where GET is served, so is HEAD.
        let find = |method: &Method| self.0.get(&(method.clone(), path.to_owned())).cloned();
        find(method).or_else(|| (method == Method::HEAD).then(|| find(&Method::GET)).flatten())
    }
}

/// A request from its first byte on. Everything is counted when the last byte of its answer is out.
pub(super) struct Observed {
    metrics: Arc<Requests>,
    door: Door,
    method: Method,
    path: String,
    client: Option<SocketAddr>,
    begun: Instant,
    operation: Option<String>,
    /// The S3 door says here which operation it found.
    s3_operation: Option<anabranch_s3::OperationSlot>,
    progress: Option<Arc<Progress>>,
    /// Given back with the last byte of the answer.
    _slot: Option<Slot>,
    request_id: String,
    status: u16,
    sent: u64,
    /// Whether the whole answer went out.
    whole: bool,
}

impl Observed {
    /// Begins to observe. Gives the request an id, if the client gave none, and to S3 a place for the operation.
    pub(super) fn begin(
        parts: &mut Parts,
        door: Door,
        operations: &Operations,
        metrics: Arc<Requests>,
        ids: &dyn IdSource,
    ) -> Self {
        let request_id = given(parts).unwrap_or_else(|| hex::encode(ids.seed64().to_be_bytes()));
        if let Ok(value) = HeaderValue::try_from(&request_id)
            && door != Door::S3
        {
            parts.headers.insert(door.request_id_header(), value);
        }
        let s3_operation = (door == Door::S3).then(|| {
            let slot = anabranch_s3::OperationSlot::default();
            parts.extensions.insert(slot.clone());
            slot
        });
        let matched = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let operation = match door {
            Door::S3 => None,
            Door::Own => Some(parts.uri.path().to_owned()),
            Door::Rest => matched.and_then(|path| operations.name(&parts.method, path)),
        };
        metrics.in_flight.with_label_values(&[door.name()]).inc();
        Observed {
            metrics,
            door,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            client: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
            begun: Instant::now(),
            operation,
            s3_operation,
            progress: None,
            _slot: None,
            request_id,
            status: 0,
            sent: 0,
            whole: false,
        }
    }

    /// The id of the request, until the door's answer says another.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// A span for everything that the request does.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::info_span!(
            target: "anabranch::trace",
            "request",
            door = self.door.name(),
            method = %self.method,
            path = %self.path,
            request_id = %self.request_id,
            operation = tracing::field::Empty,
            status = tracing::field::Empty,
        )
    }

    /// Says in the span what the request turned out to be.
    pub(super) fn describe(&self, span: &tracing::Span, status: StatusCode) {
        span.record("operation", self.operation_name());
        span.record("status", status.as_u16());
    }

    /// The request was admitted: its place, and the way of its body.
    pub(super) fn admitted(&mut self, slot: Slot, progress: Arc<Progress>) {
        self._slot = Some(slot);
        self.progress = Some(progress);
    }

    /// Notes that a limit ended the request.
    pub(super) fn refused(&self, limit: &str) {
        self.metrics.refused.with_label_values(&[self.door.name(), limit]).inc();
    }

    /// Follows the answer to its end.
    pub(super) fn follow(mut self, response: Response) -> Response {
        self.status = response.status().as_u16();
        let id = response.headers().get(self.door.request_id_header()).and_then(|id| id.to_str().ok());
        if let Some(id) = id {
            self.request_id = id.to_owned();
        }
        response.map(|inner| {
            self.whole = inner.is_end_stream();
            Body::new(ObservedBody { inner, observed: self })
        })
    }

    fn operation_name(&self) -> &str {
        let of_s3 = self.s3_operation.as_ref().and_then(anabranch_s3::OperationSlot::name);
        of_s3.or(self.operation.as_deref()).unwrap_or(UNKNOWN)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let (door, operation) = (self.door.name(), self.operation_name());
        let seconds = self.begun.elapsed().as_secs_f64();
        let received = self.progress.as_ref().map_or(0, |progress| progress.received());
        let mut digits = [0; 3];
        let status = digits_of(self.status, &mut digits);
        self.metrics.total.with_label_values(&[door, operation, status]).inc();
        self.metrics.seconds.with_label_values(&[door, operation]).observe(seconds);
        self.metrics.in_flight.with_label_values(&[door]).dec();
        self.metrics.received_bytes.with_label_values(&[door]).inc_by(received);
        self.metrics.sent_bytes.with_label_values(&[door]).inc_by(self.sent);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "anabranch::request",
                    request_id = %self.request_id,
                    door,
                    operation,
                    method = %self.method,
                    path = %self.path,
                    status = self.status,
                    ms = format_args!("{:.1}", seconds * 1000.0),
                    received,
                    sent = self.sent,
                    whole = self.whole,
                    client = self.client.map(tracing::field::display),
                    "request"
                )
            };
        }
        // The query is left out: it may hold a signature. What succeeds is many, and shown on demand.
        match self.status {
            500.. => line!(warn),
            400.. => line!(info),
            0 => line!(info),
            _ => line!(debug),
        }
    }
}

/// A status as text, without an allocation. None was answered: the client went away.
fn digits_of(status: u16, digits: &mut [u8; 3]) -> &str {
    if status == 0 {
        return "gone";
    }
    let [hundreds, tens, ones] = digits;
    let digit = |value: u16| b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or_default());
    (*hundreds, *tens, *ones) = (digit(status / 100), digit(status / 10), digit(status));
    std::str::from_utf8(digits).unwrap_or(UNKNOWN)
}

/// The id that the client gave, if it can stand in a log line.
fn given(parts: &Parts) -> Option<String> {
    let id = parts.headers.get("x-request-id")?.to_str().ok()?;
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(harmless);
    fits.then(|| id.to_owned())
}

/// The body of an answer, with the request that it belongs to.
struct ObservedBody {
    inner: Body,
    observed: Observed,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.observed.sent = self.observed.sent.saturating_add(bytes);
                // A body whose length is known is not asked for its end.
                self.observed.whole = self.inner.is_end_stream();
            }
            Poll::Ready(None) => self.observed.whole = true,
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(request_id = %self.observed.request_id, %error, "an answer broke off");
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_digits() {
        for (status, expected) in [(200, "200"), (404, "404"), (503, "503"), (0, "gone")] {
            assert_eq!(digits_of(status, &mut [0; 3]), expected);
        }
    }

    #[test]
    fn operations_are_found_by_method_and_path() {
        let operations = Operations::of_rest();
        let branches = "/api/v1/repositories/{repository}/branches";
        assert_eq!(operations.name(&Method::GET, branches).as_deref(), Some("listBranches"));
        assert_eq!(operations.name(&Method::POST, branches).as_deref(), Some("createBranch"));
        assert_eq!(operations.name(&Method::PATCH, branches), None);
    }
}
