//! What is counted, and how Prometheus reads it.

use anyhow::Context;
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::process;

/// Bounds of the latency histograms, in seconds: from a cached read to a merge of many tables.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Bounds of the memory of a plugin, in bytes: 1 MiB to 1 GiB.
const MEMORY_BYTES: [f64; 6] =
    [1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 268_435_456.0, 1_073_741_824.0];

/// All metrics of a server. Counting is a few atomic additions.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Registry,
    pub(super) requests: Requests,
    pub(super) connections: Connections,
    pub(super) backends: Backends,
    pub(super) merges: Merges,
    pub(super) plugins: PluginCalls,
    process: ProcessGauges,
}

/// Requests by door and operation.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) total: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) refused: IntCounterVec,
    pub(super) received_bytes: IntCounterVec,
    pub(super) sent_bytes: IntCounterVec,
}

/// Open connections.
#[derive(Clone)]
pub(super) struct Connections {
    open: IntGauge,
    total: IntCounter,
    pub(super) refused: IntCounter,
}

/// Operations of ref-store, staging and object storages.
#[derive(Clone)]
pub(super) struct Backends {
    pub(super) total: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) bytes: IntCounterVec,
}

/// How merges of tables end.
#[derive(Clone)]
pub(super) struct Merges {
    pub(super) units: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) conflicts: IntCounterVec,
}

/// What calls of plugins use.
#[derive(Clone)]
pub(super) struct PluginCalls {
    pub(super) calls: IntCounterVec,
    pub(super) fuel: IntCounterVec,
    pub(super) memory: HistogramVec,
    pub(super) bytes: IntCounterVec,
    pub(super) answers: IntCounterVec,
}

#[derive(Clone)]
struct ProcessGauges {
    resident: IntGauge,
    files: IntGauge,
    files_max: IntGauge,
    cpu_seconds: prometheus::Gauge,
}

impl Metrics {
    /// Metrics at zero.
    pub(super) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        let build = make.gauges("anabranch_build_info", "The version of the server.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let (requests, backend) = (["door", "operation", "status"], ["backend", "operation", "outcome"]);
        Ok(Metrics {
            requests: Requests {
                total: make.counters(
                    "anabranch_requests_total",
                    "Requests that were answered.",
                    &requests,
                )?,
                seconds: make.histograms(
                    "anabranch_request_seconds",
                    "From the first byte of a request to the last of its answer.",
                    &requests[..2],
                )?,
                in_flight: make.gauges("anabranch_requests_in_flight", "Requests under way.", &["door"])?,
                refused: make.counters(
                    "anabranch_requests_refused_total",
                    "Requests that a limit of the server ended.",
                    &["door", "limit"],
                )?,
                received_bytes: make.counters(
                    "anabranch_received_bytes_total",
                    "Bytes of request bodies.",
                    &["door"],
                )?,
                sent_bytes: make.counters(
                    "anabranch_sent_bytes_total",
                    "Bytes of response bodies.",
                    &["door"],
                )?,
            },
            connections: Connections {
                open: make.register(IntGauge::new("anabranch_connections", "Open connections.")?)?,
                total: make
                    .register(IntCounter::new("anabranch_connections_total", "Accepted connections.")?)?,
                refused: make.register(IntCounter::new(
                    "anabranch_connections_refused_total",
                    "Connections beyond the limit.",
                )?)?,
            },
            backends: Backends {
                total: make.counters(
                    "anabranch_backend_operations_total",
                    "Calls of a backend.",
                    &backend,
                )?,
                seconds: make.histograms(
                    "anabranch_backend_seconds",
                    "How long a backend took.",
                    &backend[..2],
                )?,
                bytes: make.counters(
                    "anabranch_backend_bytes_total",
                    "Bytes read from and written to object storages.",
                    &["backend", "direction"],
                )?,
            },
            merges: Merges {
                units: make.counters(
                    "anabranch_merge_units_total",
                    "Tables and objects that mergers worked on, previews and repeated merges included.",
                    &["merger", "outcome"],
                )?,
                seconds: make.histograms(
                    "anabranch_merge_unit_seconds",
                    "How long a merger took.",
                    &["merger"],
                )?,
                conflicts: make.counters(
                    "anabranch_merge_conflicts_total",
                    "Conflicts that mergers found.",
                    &["merger", "kind"],
                )?,
            },
            plugins: PluginCalls {
                calls: make.counters("anabranch_plugin_calls_total", "Calls of plugins.", &["plugin"])?,
                fuel: make.counters(
                    "anabranch_plugin_fuel_total",
                    "Instructions of plugins, roughly.",
                    &["plugin"],
                )?,
                memory: make.histograms_of(
                    "anabranch_plugin_memory_bytes",
                    "The memory of a call at its most.",
                    &["plugin"],
                    &MEMORY_BYTES,
                )?,
                bytes: make.counters(
                    "anabranch_plugin_bytes_total",
                    "Bytes that plugins read and wrote.",
                    &["plugin", "direction"],
                )?,
                answers: make.counters(
                    "anabranch_plugin_answers_total",
                    "Answers of plugins that were wanted: kept ones, and those that a call was made for.",
                    &["plugin", "outcome"],
                )?,
            },
            process: ProcessGauges {
                resident: make.register(IntGauge::new("process_resident_memory_bytes", "Memory in use.")?)?,
                files: make.register(IntGauge::new("process_open_fds", "Open files and sockets.")?)?,
                files_max: make.register(IntGauge::new("process_max_fds", "The limit of open files.")?)?,
                cpu_seconds: make
                    .register(prometheus::Gauge::new("process_cpu_seconds_total", "Processor time.")?)?,
            },
            registry,
        })
    }

    /// Everything in the text format of Prometheus.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let now = process::usage();
        self.process.resident.set(now.resident_bytes);
        self.process.files.set(now.open_files);
        self.process.files_max.set(now.open_files_max);
        self.process.cpu_seconds.set(now.cpu_seconds);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).context("metrics cannot be written")?;
        String::from_utf8(text).context("metrics are no text")
    }
}

impl Connections {
    /// Counts a connection as open until the value is dropped.
    pub(super) fn opened(&self) -> OpenConnection {
        self.total.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }
}

/// A connection that counts as open.
pub(super) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn register<T: Collector + Clone + 'static>(&self, metric: T) -> anyhow::Result<T> {
        self.registry.register(Box::new(metric.clone())).context("a metric cannot be registered")?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> anyhow::Result<HistogramVec> {
        self.histograms_of(name, help, labels, &SECONDS)
    }

    fn histograms_of(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> anyhow::Result<HistogramVec> {
        self.register(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels)?)
    }
}
