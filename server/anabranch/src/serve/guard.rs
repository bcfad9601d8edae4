//! The limits of one request: how many at a time, how long its headers, its body and its work may be.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::refusal::Refusal;
use super::stop::Stop;
use crate::config::Limits;

/// Holds requests to their limits.
#[derive(Clone)]
pub(super) struct Guard {
    slots: Arc<Semaphore>,
    limits: Limits,
    stop: Stop,
}

/// A place among the requests that are under way. Given back when it is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

impl Guard {
    pub(super) fn new(limits: Limits, stop: Stop) -> Self {
        Guard { slots: Arc::new(Semaphore::new(limits.requests)), limits, stop }
    }

    /// Takes a request in, before anything of its body is read.
    pub(super) fn admit(&self, parts: &Parts) -> Result<Slot, Refusal> {
        if self.stop.ended.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if target.saturating_add(bytes_of(&parts.headers)) > self.limits.header_bytes {
            return Err(Refusal::Header { limit: self.limits.header_bytes });
        }
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let announced = announced.and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.limits.body_bytes) {
            return Err(Refusal::Body { limit: self.limits.body_bytes });
        }
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refusal::Busy)
    }

    /// The body as a door reads it, and what is known of its way.
    pub(super) fn body(&self, body: Body) -> (Body, Arc<Progress>) {
        let progress = Arc::new(Progress::begin());
        if body.is_end_stream() {
            return (body, progress);
        }
        let guarded = GuardedBody {
            inner: body,
            progress: Arc::clone(&progress),
            limits: self.limits,
            waited: Duration::ZERO,
            waiting: None,
            ended: Box::pin(self.stop.ended.clone().cancelled_owned()),
        };
        (Body::new(guarded), progress)
    }

    /// The answer of `work`, or why it is none. Time that the client takes for its body does not count.
    pub(super) async fn finish(
        &self,
        progress: &Progress,
        work: impl Future<Output = Response>,
    ) -> Result<Response, Refusal> {
        let mut work = std::pin::pin!(work);
        let mut timer = std::pin::pin!(sleep_until(Instant::now() + self.limits.request_time));
        let response = loop {
            tokio::select! {
                biased;
                response = work.as_mut() => break response,
                () = self.stop.ended.cancelled() => return Err(Refusal::Stopping),
                () = timer.as_mut() => {
                    let until = progress.working_since() + self.limits.request_time;
                    if until <= Instant::now() {
                        return Err(Refusal::Long);
                    }
                    timer.as_mut().reset(until);
                }
            }
        };
        match progress.refusal() {
            // An operation only knows that its body broke off.
            Some(refusal) if !response.status().is_success() => Err(refusal),
            _ => Ok(response),
        }
    }
}

fn bytes_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// How far the body of a request is.
#[derive(Debug)]
pub(super) struct Progress {
    received: AtomicU64,
    waiting: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
    /// When the last piece of the body came; before that, when the request did.
    last: Mutex<Instant>,
}

impl Progress {
    fn begin() -> Self {
        Progress {
            received: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            refusal: Mutex::new(None),
            last: Mutex::new(Instant::now()),
        }
    }

    /// How many bytes of the body have come.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Why the body was refused, if it was.
    fn refusal(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the server works without waiting for the client.
    fn working_since(&self) -> Instant {
        match self.waiting.load(Ordering::Relaxed) {
            true => Instant::now(),
            false => *self.last.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A request body that ends in an error when it is too long, too slow, or when the server ends.
struct GuardedBody {
    inner: Body,
    progress: Arc<Progress>,
    limits: Limits,
    /// How long the client was waited for, without the wait that goes on.
    waited: Duration,
    /// Since when the client is waited for, and until when it is.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl GuardedBody {
    /// How long the client may have been waited for by now.
    fn patience(&self) -> Duration {
        let granted = self.progress.received() / self.limits.body_rate.max(1);
        self.limits.body_idle.saturating_add(Duration::from_secs(granted))
    }

    fn came(&mut self) {
        let now = Instant::now();
        if let Some((since, _)) = self.waiting.take() {
            self.waited = self.waited.saturating_add(now - since);
        }
        self.progress.waiting.store(false, Ordering::Relaxed);
        *self.progress.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn refused(&self, refusal: Refusal) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        *self.progress.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        Poll::Ready(Some(Err(axum::Error::new(BodyRefused(refusal.reason())))))
    }
}

/// The body was refused; the door's answer is replaced by the reason.
#[derive(Debug, thiserror::Error)]
#[error("a limit of the server was reached: {0}")]
struct BodyRefused(&'static str);

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.came();
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                let received =
                    self.progress.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
                let limit = self.limits.body_bytes;
                if received > limit {
                    self.refused(Refusal::Body { limit })
                } else {
                    Poll::Ready(Some(Ok(frame)))
                }
            }
            Poll::Ready(ended) => {
                self.came();
                Poll::Ready(ended)
            }
            Poll::Pending => {
                if self.waiting.is_none() {
                    let now = Instant::now();
                    let until = now + self.patience().saturating_sub(self.waited);
                    self.waiting = Some((now, Box::pin(sleep_until(until))));
                    self.progress.waiting.store(true, Ordering::Relaxed);
                }
                let out =
                    self.waiting.as_mut().is_some_and(|(_, timer)| timer.as_mut().poll(context).is_ready());
                if out {
                    return self.refused(Refusal::Slow);
                }
                if self.ended.as_mut().poll(context).is_ready() {
                    return self.refused(Refusal::Stopping);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
