//! All doors on one port: S3 is known by its signature, the rest by its path.

use std::convert::Infallible;
use std::sync::Arc;

use anabranch_api::Options;
use anabranch_app::App;
use anabranch_auth::Authenticator;
use anabranch_auth::sigv4::Policy;
use anabranch_s3::{DoorParts, S3Door};
use anabranch_types::IdSource;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Router, middleware};
use tower::ServiceExt;
use tracing::Instrument;

use super::door::Door;
use super::guard::Guard;
use super::health::{self, Health};
use super::metrics::{Metrics, Requests};
use super::observe::{Observed, Operations};
use super::stop::Stop;
use super::traces;
use crate::config::{GatewaySettings, Limits};
use crate::system::SystemIds;

/// What the doors are made from.
pub(super) struct Parts {
    pub(super) app: App,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) options: Options,
    pub(super) gateway: GatewaySettings,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    /// Whether `/metrics` is served here.
    pub(super) serves_metrics: bool,
    pub(super) stop: Stop,
}

/// Everything that is served on the main address.
pub(super) fn router(parts: Parts) -> Router {
    let ids = Arc::new(SystemIds);
    let s3 = anabranch_s3::service(DoorParts {
        app: parts.app.clone(),
        authenticator: Arc::clone(&parts.authenticator),
        ids: ids.clone(),
        domains: parts.gateway.domains.clone(),
        policy: Policy { region: parts.gateway.region, ..Policy::default() },
    });
    let front = Arc::new(Front {
        s3,
        domains: parts.gateway.domains.into(),
        guard: Guard::new(parts.limits, parts.stop),
        metrics: Arc::new(parts.metrics.requests.clone()),
        operations: Operations::of_rest(),
        ids: ids.clone(),
    });
    let mut own = health::router(parts.health);
    if parts.serves_metrics {
        own = own.merge(health::guarded_metrics(parts.metrics, Arc::clone(&parts.authenticator)));
    }
    own.merge(anabranch_api::router(parts.app, parts.authenticator, parts.options, ids))
        .layer(middleware::from_fn_with_state(front, answer))
}

/// What every request passes before its door.
struct Front {
    s3: S3Door,
    domains: Arc<[String]>,
    guard: Guard,
    metrics: Arc<Requests>,
    operations: Operations,
    ids: Arc<dyn IdSource>,
}

async fn answer(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let door = Door::of(&parts, &front.domains);
    let mut observed =
        Observed::begin(&mut parts, door, &front.operations, Arc::clone(&front.metrics), front.ids.as_ref());
    if door == Door::Own {
        let response = next.run(Request::from_parts(parts, body)).await;
        return observed.follow(response);
    }
    let slot = match front.guard.admit(&parts) {
        Ok(slot) => slot,
        Err(refusal) => {
            observed.refused(refusal.reason());
            let response = refusal.answer(door, observed.request_id());
            return observed.follow(response);
        }
    };
    let span = observed.span();
    traces::continue_from(&span, &parts.headers);
    let (body, progress) = front.guard.body(body);
    observed.admitted(slot, Arc::clone(&progress));
    let request = Request::from_parts(parts, body);
    let work = async {
        if door != Door::S3 {
            return next.run(request).await;
        }
        let answered: Result<_, Infallible> = front.s3.clone().oneshot(request).await;
        match answered {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    };
    let finished = front.guard.finish(&progress, work).instrument(span.clone()).await;
    let response = match finished {
        Ok(response) => response,
        Err(refusal) => {
            observed.refused(refusal.reason());
            refusal.answer(door, observed.request_id())
        }
    };
    observed.describe(&span, response.status());
    observed.follow(response)
}
