//! All doors on one port: S3 is known by its signature, the rest by its path.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anabranch_api::Options;
use anabranch_app::App;
use anabranch_auth::sigv4::Policy;
use anabranch_auth::{Authenticator, Peer};
use anabranch_s3::{DoorParts, S3Door};
use anyhow::Context;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::system::SystemIds;

/// Answers requests until `stopped` turns true, then finishes those that have begun.
pub(super) async fn serve(
    listener: TcpListener,
    app: App,
    authenticator: Arc<Authenticator>,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let s3 = anabranch_s3::service(DoorParts {
        app: app.clone(),
        authenticator: Arc::clone(&authenticator),
        ids: Arc::new(SystemIds),
        domains: Vec::new(),
        policy: Policy::default(),
    });
    let router = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(app.clone())
        .merge(anabranch_api::router(app, authenticator, Options::default(), Arc::new(SystemIds)))
        .layer(middleware::from_fn_with_state(s3, divert_s3))
        .layer(middleware::from_fn(note_peer));
    // Answers are small and many: none waits for the acknowledgement of the one before.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
    });
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the server is to end as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })
        .await
        .context("serving requests failed")
}

async fn ready(State(app): State<App>) -> Response {
    match app.ready().await {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the ref-store does not answer\n").into_response(),
    }
}

/// Tells the doors where a request comes from: who guesses keys there is slowed down.
async fn note_peer(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer(address.ip()));
    next.run(request).await
}

async fn divert_s3(State(s3): State<S3Door>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_s3 = anabranch_s3::is_s3_request(&parts, &[]);
    let request = Request::from_parts(parts, body);
    if !is_s3 {
        return next.run(request).await;
    }
    let answered: Result<_, Infallible> = s3.oneshot(request).await;
    match answered {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
