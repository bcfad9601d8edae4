//! Whether the server lives, whether it can serve, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use anabranch_app::App;
use anabranch_auth::{Authenticator, Peer, basic};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::metrics::Metrics;
use super::namespaces::Namespaces;
use super::stop::Stop;

/// How long ref-store and storage may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a verdict is repeated, so that many probes are not many requests to the backends.
const FRESH: Duration = Duration::from_millis(500);
/// The media type of the text format of Prometheus.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What readiness is judged by.
#[derive(Clone)]
pub(super) struct Health {
    app: App,
    namespaces: Arc<Namespaces>,
    stop: Stop,
    last: Arc<Mutex<Option<Judged>>>,
}

/// When readiness was judged, and why the server was not ready, if it was not.
type Judged = (Instant, Option<&'static str>);

impl Health {
    pub(super) fn new(app: App, namespaces: Arc<Namespaces>, stop: Stop) -> Self {
        Health { app, namespaces, stop, last: Arc::default() }
    }

    /// Why requests cannot be served now.
    async fn obstacle(&self) -> Option<&'static str> {
        if self.stop.draining.is_cancelled() {
            return Some("the server ends");
        }
        // Probes that come meanwhile wait for the one that asks.
        let mut last = self.last.lock().await;
        if let Some((_, verdict)) = last.filter(|(asked, _)| asked.elapsed() < FRESH) {
            return verdict;
        }
        let (refs, objects) =
            tokio::join!(timeout(PATIENCE, self.app.ready()), timeout(PATIENCE, self.namespaces.answers()));
        let verdict = match (refs, objects) {
            (Ok(true), Ok(true)) => None,
            (Ok(true), _) => Some("the object storage does not answer"),
            _ => Some("the ref-store does not answer"),
        };
        *last = Some((Instant::now(), verdict));
        verdict
    }
}

/// Health, for everybody.
pub(super) fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/healthcheck", get(|| async { StatusCode::NO_CONTENT }))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    match health.obstacle().await {
        None => "ready\n".into_response(),
        Some(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], format!("{why}\n")).into_response()
        }
    }
}

/// Metrics for those who have an access key.
pub(super) fn guarded_metrics(metrics: Metrics, authenticator: Arc<Authenticator>) -> Router {
    Router::new().route("/metrics", get(with_key)).with_state((metrics, authenticator))
}

/// Metrics for everybody who reaches their address.
pub(super) fn open_metrics(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(move || async move { written(&metrics) }))
}

async fn with_key(
    State((metrics, authenticator)): State<(Metrics, Arc<Authenticator>)>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    match authenticator.basic(header, peer.map(|Extension(peer)| peer)).await {
        Ok(_) => written(&metrics),
        Err(basic::BasicError::Keys { .. }) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(_) => {
            let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"anabranch\"")];
            let message = "metrics need an access key by basic authentication, or an address of their own: \
                see metrics.listen\n";
            (StatusCode::UNAUTHORIZED, challenge, message).into_response()
        }
    }
}

fn written(metrics: &Metrics) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
