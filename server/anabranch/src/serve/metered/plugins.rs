//! What calls of plugins use, as metrics.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use anabranch_plugin_host::{Meter, Usage};

use crate::serve::metrics::PluginCalls;

/// How many plugins are counted by name. Further ones are counted together.
const NAMES_MAX: usize = 256;
/// What plugins beyond that are called.
const OTHERS: &str = "others";

/// Counts what calls of plugins use.
pub(crate) struct PluginMeter {
    metrics: PluginCalls,
    names: Mutex<HashSet<String>>,
}

impl PluginMeter {
    pub(crate) fn new(metrics: &PluginCalls) -> Self {
        PluginMeter { metrics: metrics.clone(), names: Mutex::default() }
    }

    /// What a plugin is called in metrics.
    fn name<'n>(&self, plugin: &'n str) -> &'n str {
        // No change is left half done.
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(plugin) {
            return plugin;
        }
        if names.len() >= NAMES_MAX {
            return OTHERS;
        }
        names.insert(plugin.to_owned());
        plugin
    }
}

impl fmt::Debug for PluginMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginMeter").finish_non_exhaustive()
    }
}

impl Meter for PluginMeter {
    fn called(&self, plugin: &str, usage: &Usage) {
        let plugin = self.name(plugin);
        self.metrics.calls.with_label_values(&[plugin]).inc();
        self.metrics.fuel.with_label_values(&[plugin]).inc_by(usage.fuel);
        self.metrics.memory.with_label_values(&[plugin]).observe(usage.memory_bytes as f64);
        for (direction, bytes) in [("read", usage.read_bytes), ("written", usage.written_bytes)] {
            self.metrics.bytes.with_label_values(&[plugin, direction]).inc_by(bytes);
        }
    }

    fn asked(&self, plugin: &str, kept: bool) {
        let outcome = if kept { "kept" } else { "called" };
        self.metrics.answers.with_label_values(&[self.name(plugin), outcome]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::metrics::Metrics;

    #[test]
    fn a_plugin_is_counted_by_name_and_too_many_together() {
        let metrics = Metrics::new().unwrap();
        let meter = PluginMeter::new(&metrics.plugins);
        let usage = Usage { fuel: 5, memory_bytes: 1 << 20, read_bytes: 7, written_bytes: 3 };
        meter.called("json@sha256:1", &usage);
        meter.called("json@sha256:1", &usage);
        meter.asked("json@sha256:1", false);
        meter.asked("json@sha256:1", true);
        for number in 0..2 * NAMES_MAX {
            meter.asked(&format!("p{number}"), true);
        }
        let text = metrics.text().unwrap();
        for line in [
            "anabranch_plugin_calls_total{plugin=\"json@sha256:1\"} 2",
            "anabranch_plugin_fuel_total{plugin=\"json@sha256:1\"} 10",
            "anabranch_plugin_bytes_total{direction=\"read\",plugin=\"json@sha256:1\"} 14",
            "anabranch_plugin_bytes_total{direction=\"written\",plugin=\"json@sha256:1\"} 6",
            "anabranch_plugin_memory_bytes_sum{plugin=\"json@sha256:1\"} 2097152",
            "anabranch_plugin_answers_total{outcome=\"kept\",plugin=\"json@sha256:1\"} 1",
            "anabranch_plugin_answers_total{outcome=\"called\",plugin=\"json@sha256:1\"} 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("anabranch_plugin_answers_total{").count(), NAMES_MAX + 2);
        let others = 2 * NAMES_MAX - (NAMES_MAX - 1);
        let line = format!("anabranch_plugin_answers_total{{outcome=\"kept\",plugin=\"others\"}} {others}\n");
        assert!(text.contains(&line), "{line}");
    }
}
