//! Mergers that are not built in: where those of plugins come from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Merger;

/// What becomes of a plugin that rules name.
#[derive(Clone)]
pub enum PluginMergers {
    /// It is ready: one merger for each kind of unit that it takes, named as [`crate::plugin_merger`] says.
    Ready(Vec<Arc<dyn Merger>>),
    /// It cannot be used here: it is not installed, was disabled, or this server cannot run it. One clause that says so.
    Absent(String),
}

/// The plugins cannot be asked for: the store where they are kept fails.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginSourceError {
    /// What went wrong.
    pub message: String,
}

/// Where the mergers of plugins come from.
#[async_trait]
pub trait PluginSource: Send + Sync {
    /// The mergers of the plugin that rules pin as `component` (`NAME@sha256:DIGEST`).
    ///
    /// Sees everything that was installed, enabled, disabled and removed before the call, on whichever server.
    async fn mergers(&self, component: &str) -> Result<PluginMergers, PluginSourceError>;
}
