//! Runs the plugins of this installation: what is installed lies in the ref-store, what is compiled in the data folder.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_app::{PluginClaim, PluginDescription, PluginHost, PluginRefusal, PluginStore};
use anabranch_merge::{Merger, PluginMergers, PluginSource, PluginSourceError, UnitKind, full_message};
use anabranch_plugin_host::{EngineOptions, Plugin, PluginEngine, PluginError, PluginMerger};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::metered::{MeteredMerger, PluginMeter};
use super::metrics::{Merges, Metrics};
use crate::config::PluginSettings;

/// The most plugins that are kept ready to run. Beyond that all are made ready anew.
const READY_MAX: usize = 256;

type Ready = Arc<OnceCell<Vec<Arc<dyn Merger>>>>;

/// The plugins of this installation, compiled when they are first used.
pub(super) struct Plugins {
    store: PluginStore,
    settings: PluginSettings,
    /// Where compiled plugins are kept.
    folder: PathBuf,
    metrics: Merges,
    meter: Arc<PluginMeter>,
    engine: OnceCell<PluginEngine>,
    /// By digest. What a digest names never changes.
    ready: Mutex<HashMap<String, Ready>>,
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Plugins {
    /// The plugins of a store. Starts nothing: a server without plugins pays for none.
    pub(super) fn new(
        store: PluginStore,
        settings: &PluginSettings,
        folder: PathBuf,
        metrics: &Metrics,
    ) -> Self {
        Plugins {
            store,
            settings: settings.clone(),
            folder,
            metrics: metrics.merges.clone(),
            meter: Arc::new(PluginMeter::new(&metrics.plugins)),
            engine: OnceCell::new(),
            ready: Mutex::default(),
        }
    }

    /// Checks and compiles a plugin.
    pub(super) async fn load(&self, bytes: Bytes) -> Result<Arc<Plugin>, PluginError> {
        self.engine().await?.install(bytes, self.settings.limits.clone()).await
    }

    async fn engine(&self) -> Result<&PluginEngine, PluginError> {
        self.engine.get_or_try_init(|| async { self.start() }).await
    }

    fn start(&self) -> Result<PluginEngine, PluginError> {
        let mut options = EngineOptions::new(self.folder.clone());
        options.calls_max = self.settings.calls;
        options.answers_bytes = self.settings.answers_bytes;
        options.meter = self.meter.clone();
        options.stack_bytes = self.settings.limits.stack_bytes;
        options.table_elements = self.settings.limits.table_elements;
        options.compile.component_bytes = self.settings.component_bytes;
        options.compile.seconds = self.settings.compile_seconds;
        PluginEngine::new(options)
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<String, Ready>> {
        // No change is left half done.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the mergers of a plugin are kept once they are made.
    fn place_of(&self, digest: &str) -> Ready {
        let mut ready = self.ready();
        if ready.len() >= READY_MAX && !ready.contains_key(digest) {
            ready.clear();
        }
        Arc::clone(ready.entry(digest.to_owned()).or_default())
    }

    fn mergers_of(&self, plugin: &Arc<Plugin>) -> Vec<Arc<dyn Merger>> {
        let metered =
            |merger| -> Arc<dyn Merger> { Arc::new(MeteredMerger::new(Arc::new(merger), &self.metrics)) };
        PluginMerger::all_of(plugin).into_iter().map(metered).collect()
    }

    /// The mergers of an installed plugin; an `Err` within says why this server cannot run it.
    async fn make(
        &self,
        digest: &str,
        merges: bool,
    ) -> Result<Result<Vec<Arc<dyn Merger>>, String>, PluginSourceError> {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(error) => return Ok(Err(format!("this server cannot run it: {error}"))),
        };
        // Where nothing was compiled, or what was cannot be used, the bytes are there.
        if let Ok(Some(plugin)) = engine.open(digest, merges, self.settings.limits.clone()).await {
            return Ok(Ok(self.mergers_of(&plugin)));
        }
        let bytes = self.store.bytes(digest).await.map_err(|error| failed(&error))?;
        let Some(bytes) = bytes else { return Ok(Err("it was removed".to_owned())) };
        Ok(match self.load(bytes).await {
            Ok(plugin) => Ok(self.mergers_of(&plugin)),
            Err(error) => Err(format!("this server cannot run it: {error}")),
        })
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> PluginSourceError {
    PluginSourceError { message: full_message(error) }
}

/// Why an attempt to make a plugin ready ended without mergers.
enum NotMade {
    Absent(String),
    Failed(PluginSourceError),
}

#[async_trait]
impl PluginSource for Plugins {
    async fn mergers(&self, component: &str) -> Result<PluginMergers, PluginSourceError> {
        let (name, digest) = component.split_once('@').unwrap_or((component, ""));
        let Some(plugin) = self.store.get(digest).await.map_err(|error| failed(&error))? else {
            return Ok(PluginMergers::Absent("it is not installed here".to_owned()));
        };
        if plugin.description.name != name {
            let why = format!("the plugin of this digest is called {:?}", plugin.description.name);
            return Ok(PluginMergers::Absent(why));
        }
        if !plugin.enabled {
            return Ok(PluginMergers::Absent("an administrator disabled it".to_owned()));
        }
        let place = self.place_of(digest);
        let made = place.get_or_try_init(|| async {
            match self.make(digest, plugin.description.merges).await {
                Ok(Ok(mergers)) => Ok(mergers),
                Ok(Err(why)) => Err(NotMade::Absent(why)),
                Err(error) => Err(NotMade::Failed(error)),
            }
        });
        match made.await {
            Ok(mergers) => Ok(PluginMergers::Ready(mergers.clone())),
            Err(NotMade::Absent(why)) => Ok(PluginMergers::Absent(why)),
            Err(NotMade::Failed(error)) => Err(error),
        }
    }
}

#[async_trait]
impl PluginHost for Plugins {
    fn bytes_max(&self) -> u64 {
        self.settings.component_bytes
    }

    async fn describe(&self, bytes: Bytes) -> Result<PluginDescription, PluginRefusal> {
        match self.load(bytes).await {
            Ok(plugin) => Ok(description(&plugin)),
            Err(error @ (PluginError::Cache { .. } | PluginError::Runtime(_))) => {
                Err(PluginRefusal::Failed(error.to_string()))
            }
            Err(error) => Err(PluginRefusal::Refused(error.to_string())),
        }
    }
}

fn description(plugin: &Plugin) -> PluginDescription {
    let claims = plugin.claims().iter().map(|claim| PluginClaim {
        id: claim.id.clone(),
        unit: match claim.unit {
            UnitKind::Object => "object".to_owned(),
            UnitKind::Folder => "folder".to_owned(),
        },
        patterns: claim.patterns.clone(),
        markers: claim.markers.clone(),
        media_types: claim.media_types.clone(),
    });
    PluginDescription {
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        summary: plugin.summary().to_owned(),
        digest: plugin.digest(),
        merges: plugin.merges(),
        claims: claims.collect(),
        options_schema: plugin.options_schema().cloned(),
    }
}
