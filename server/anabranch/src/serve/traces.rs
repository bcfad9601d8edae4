//! OpenTelemetry: spans of requests and backends, sent to a collector by OTLP over HTTP.

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Tracer};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::config::TraceSettings;

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// Spans on their way to a collector.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send. A collector that does not answer costs spans, never requests.
    pub(super) fn start(settings: &TraceSettings) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.context("no HTTP client for traces can be made")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector { client, runtime: Handle::current() })
            .with_endpoint(format!("{}{PATH}", settings.endpoint.trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .context("the exporter of traces cannot be made")?;
        let share = Sampler::TraceIdRatioBased(settings.sample);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(Resource::builder().with_service_name("anabranch").build())
            .build();
        Ok(Traces { provider })
    }

    pub(super) fn tracer(&self) -> Tracer {
        self.provider.tracer("anabranch")
    }

    /// Sends what is left. Blocks until it is out, so it must not be called on a thread that serves.
    pub(crate) fn finish(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes a request's span a part of the trace that its client began, if it names one.
pub(super) fn continue_from(span: &tracing::Span, headers: &HeaderMap) {
    if !headers.contains_key("traceparent") {
        return;
    }
    let context = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    // Fails where no traces are sent.
    let _ = span.set_parent(context);
}

/// Sends by the server's own runtime: the exporter's thread has none.
#[derive(Clone, Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(reqwest::Request::try_from(request)?).await?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let body = answer.bytes().await?;
            Ok::<_, HttpError>(response.body(body)?)
        });
        sent.await?
    }
}
