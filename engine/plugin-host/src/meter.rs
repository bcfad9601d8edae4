//! What calls of plugins used, for whoever counts it.

use std::fmt;

/// What one call used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Instructions, roughly.
    pub fuel: u64,
    /// Bytes of linear memory at the most.
    pub memory_bytes: u64,
    /// Bytes read from snapshots.
    pub read_bytes: u64,
    /// Bytes of new objects.
    pub written_bytes: u64,
}

/// Is told what calls of plugins used. Plugins are named `NAME@sha256:DIGEST`.
pub trait Meter: Send + Sync + fmt::Debug {
    /// A call has ended, whatever came of it.
    fn called(&self, plugin: &str, usage: &Usage);
    /// An answer was wanted; `kept` is whether it was there already, so that no call was needed.
    fn asked(&self, plugin: &str, kept: bool);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn called(&self, _plugin: &str, _usage: &Usage) {}

    fn asked(&self, _plugin: &str, _kept: bool) {}
}
