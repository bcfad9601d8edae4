//! Log lines on stderr, as text or JSON, and spans for OpenTelemetry.

use anyhow::{Context, anyhow};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::traces::Traces;
use crate::config::{LogSettings, TraceSettings};

/// Begins to log, and to trace if that is asked for. Once per process.
pub(crate) fn start(log: &LogSettings, trace: Option<&TraceSettings>) -> anyhow::Result<Option<Traces>> {
    let filter = log.level.parse::<EnvFilter>().with_context(|| format!("log.level is {:?}", log.level))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if log.json {
        lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_filter(filter).boxed()
    };
    let traces = trace.map(Traces::start).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        let ours = Targets::new()
            .with_target("anabranch::trace", LevelFilter::INFO)
            .with_target("anabranch::backend", LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(traces.tracer()).with_filter(ours)
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init()
        .map_err(|error| anyhow!("logging cannot be set up: {error}"))?;
    Ok(traces)
}
