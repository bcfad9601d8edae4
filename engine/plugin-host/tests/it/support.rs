//! Plugins for tests: a runtime with a folder of its own, and the components that are checked in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anabranch_merge::UnitKind;
use anabranch_plugin_host::{EngineOptions, Limits, Plugin, PluginEngine, PluginError, PluginMerger};
use bytes::Bytes;

/// A runtime and the folder of what it compiled.
pub(crate) struct Runtime {
    pub(crate) engine: PluginEngine,
    pub(crate) cache: tempfile::TempDir,
}

impl Runtime {
    pub(crate) fn new() -> Self {
        Runtime::with(|_| {})
    }

    /// A runtime with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let mut options = EngineOptions::new(cache.path().join("plugins"));
        change(&mut options);
        Runtime { engine: PluginEngine::new(options).expect("the runtime starts"), cache }
    }

    pub(crate) async fn install(
        &self,
        bytes: impl Into<Bytes>,
        limits: Limits,
    ) -> Result<Arc<Plugin>, PluginError> {
        self.engine.install(bytes.into(), limits).await
    }

    /// The line merger as a merger of single objects called `lines`.
    pub(crate) async fn lines(&self, limits: Limits) -> PluginMerger {
        let plugin = self.install(lines(), limits).await.expect("it is a plugin");
        PluginMerger::new("lines", plugin, UnitKind::Object).expect("it merges objects")
    }
}

pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/plugins")
}

/// The plugin `plugins/lines`, as it was built for the first release of the contract.
pub(crate) fn lines() -> Vec<u8> {
    std::fs::read(testdata().join("contract-0.1.wasm")).expect("it is checked in")
}
