//! Plugins that are run here and now, as a server would run them.

use std::path::Path;
use std::sync::Arc;

use anabranch_plugin_host::{EngineOptions, Limits, Plugin, PluginEngine};
use anyhow::Context;
use bytes::Bytes;

/// A runtime whose compiled plugins go away with it.
pub(super) struct Runtime {
    engine: PluginEngine,
    _compiled: tempfile::TempDir,
}

impl Runtime {
    pub(super) fn start() -> anyhow::Result<Self> {
        let compiled = tempfile::tempdir().context("no temporary folder can be made")?;
        let engine = PluginEngine::new(EngineOptions::new(compiled.path().join("plugins")))?;
        Ok(Runtime { engine, _compiled: compiled })
    }

    /// The plugin in a file.
    pub(super) async fn open(&self, file: &Path) -> anyhow::Result<Arc<Plugin>> {
        self.take(read(file)?).await.with_context(|| file.display().to_string())
    }

    /// The plugin of these bytes.
    pub(super) async fn take(&self, bytes: Bytes) -> anyhow::Result<Arc<Plugin>> {
        Ok(self.engine.install(bytes, Limits::default()).await?)
    }
}

pub(super) fn read(file: &Path) -> anyhow::Result<Bytes> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Bytes::from(bytes))
}

/// Writes a file, with the folders above it.
pub(super) fn write(file: &Path, body: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(file, body).with_context(cannot)
}
