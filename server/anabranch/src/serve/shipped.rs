//! Plugins that come with the server. What they are stands in manifests, so that one is compiled only when it is first used.

use std::sync::Arc;

use anabranch_merge::{
    ChangesPage, DiffInput, DiffOutcome, Failure, FailureReason, MergeInput, MergeOutcome, Merger,
    MergerDescription, RowDiffError, TableFormat, UnitKind, ViewError,
};
use anabranch_plugin_host::{PluginError, PluginMerger, Schema, check_none};
use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::plugins::Plugins;

/// A component and its manifest.
struct Shipped {
    component: &'static [u8],
    manifest: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped {
            component: include_bytes!(concat!("../../../../plugins/shipped/", $name, ".wasm")),
            manifest: include_str!(concat!("../../../../plugins/shipped/", $name, ".json")),
        }),*]
    };
}

/// Mergers of single objects, in the order in which their patterns are asked.
static OBJECTS: &[Shipped] = shipped!["csv", "json", "jsonl", "notebook", "yaml"];

/// Mergers of tables.
static TABLES: &[Shipped] = shipped!["hudi"];
/// The format whose tables each of [`TABLES`] takes.
const FORMATS: [TableFormat; 1] = [TableFormat::Hudi];

/// What a plugin says of itself, kept beside its component. A test compares both.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Manifest {
    name: String,
    version: String,
    digest: String,
    /// Patterns of the objects that it takes.
    patterns: Vec<String>,
    options_schema: Option<serde_json::Value>,
}

/// What a merger takes where rules name none.
pub(super) enum Takes {
    /// Objects whose paths match these patterns.
    Objects(Vec<String>),
    /// The tables of a format.
    Tables(TableFormat),
}

/// The mergers that come with the server, each with what it takes where rules name none.
pub(super) fn mergers(plugins: &Arc<Plugins>) -> anyhow::Result<Vec<(Takes, ShippedMerger)>> {
    let objects = OBJECTS.iter().map(|shipped| {
        let (manifest, merger) = made(shipped, UnitKind::Object, plugins)?;
        Ok((Takes::Objects(manifest.patterns.iter().map(|pattern| anywhere(pattern)).collect()), merger))
    });
    let tables = TABLES.iter().zip(FORMATS).map(|(shipped, format)| {
        let (_, merger) = made(shipped, UnitKind::Folder, plugins)?;
        Ok((Takes::Tables(format), merger))
    });
    objects.chain(tables).collect()
}

fn made(
    shipped: &'static Shipped,
    unit: UnitKind,
    plugins: &Arc<Plugins>,
) -> anyhow::Result<(Manifest, ShippedMerger)> {
    let manifest: Manifest =
        serde_json::from_str(shipped.manifest).context("the manifest of a plugin cannot be read")?;
    let schema = manifest.options_schema.clone().map(Schema::new).transpose();
    let schema = schema.map_err(|why| anyhow::anyhow!("plugin {}: {why}", manifest.name))?;
    let merger = ShippedMerger {
        name: manifest.name.clone(),
        digest: manifest.digest.clone(),
        unit,
        schema,
        component: shipped.component,
        plugins: Arc::clone(plugins),
        merger: OnceCell::new(),
    };
    Ok((manifest, merger))
}

/// A pattern without a `/` is meant for the last part of a path.
fn anywhere(pattern: &str) -> String {
    if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") }
}

/// Merges units of one kind by a plugin that comes with the server.
pub(super) struct ShippedMerger {
    name: String,
    digest: String,
    unit: UnitKind,
    schema: Option<Schema>,
    component: &'static [u8],
    plugins: Arc<Plugins>,
    merger: OnceCell<PluginMerger>,
}

impl ShippedMerger {
    async fn merger(&self) -> Result<&PluginMerger, PluginError> {
        let load = || async {
            let plugin = self.plugins.load(Bytes::from_static(self.component)).await?;
            PluginMerger::new(self.name.clone(), plugin, self.unit)
        };
        self.merger.get_or_try_init(load).await
    }

    fn broken(&self, error: &PluginError) -> String {
        format!("plugin {} cannot be run: {error}", self.name)
    }

    fn not_compared(&self, input: &DiffInput<'_>, error: &PluginError) -> ViewError {
        let (path, side) = (input.root.to_owned(), input.after.label().to_owned());
        ViewError::Storage { path, side, message: self.broken(error), temporary: false }
    }
}

#[async_trait]
impl Merger for ShippedMerger {
    fn description(&self) -> MergerDescription {
        let (name, version) = (self.name.clone(), self.digest.clone());
        MergerDescription { name, version, unit: self.unit }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        match self.merger().await {
            Ok(merger) => merger.merge(input).await,
            Err(error) => {
                let message = self.broken(&error);
                MergeOutcome::Failed(Failure { reason: FailureReason::Broken, message })
            }
        }
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        match &self.schema {
            Some(schema) => schema.check(options),
            None => check_none(options),
        }
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        match self.merger().await {
            Ok(merger) => merger.diff(input).await,
            Err(error) => Err(self.not_compared(&input, &error)),
        }
    }

    async fn diff_page(&self, input: DiffInput<'_>, page: &ChangesPage) -> Result<DiffOutcome, RowDiffError> {
        match self.merger().await {
            Ok(merger) => merger.diff_page(input, page).await,
            Err(error) => Err(RowDiffError::View(self.not_compared(&input, &error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use anabranch_plugin_host::{EngineOptions, Limits, PluginEngine};
    use expect_test::expect_file;

    use super::*;

    /// `UPDATE_EXPECT=1` writes the manifests anew.
    #[tokio::test]
    async fn manifests_say_what_the_plugins_say() {
        let folder = tempfile::tempdir().unwrap();
        let engine = PluginEngine::new(EngineOptions::new(folder.path().join("plugins"))).unwrap();
        for shipped in OBJECTS.iter().chain(TABLES) {
            let bytes = Bytes::from_static(shipped.component);
            let plugin = engine.install(bytes, Limits::default()).await.unwrap();
            let objects = plugin.claims().iter().filter(|claim| claim.unit == UnitKind::Object);
            let manifest = Manifest {
                name: plugin.name().to_owned(),
                version: plugin.version().to_owned(),
                digest: plugin.digest(),
                patterns: objects.flat_map(|claim| claim.patterns.clone()).collect(),
                options_schema: plugin.options_schema().cloned(),
            };
            let text = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
            let file = format!("../../../../plugins/shipped/{}.json", plugin.name());
            expect_file![file].assert_eq(&text);
        }
    }
}
