//! Names the concrete backends and mergers: the one place that does.

use std::sync::Arc;

use anabranch_app::{App, AppParts, AppSettings, LinkKey, PluginStore, SampleObject, ServerFacts};
use anabranch_auth::{Authenticator, Directory, DirectoryParts, KeyPair, ServerKeys};
use anabranch_delta::DeltaMerger;
use anabranch_merge::{Merger, Registry, TableFormat, TextMerger};
use anabranch_parquet::{ParquetMerger, RowBudget};
use anabranch_refs::{PostgresConfig, PostgresStore, RefsBackend, SqliteStore, StagingStore};
use anabranch_repository::{Catalog, CatalogParts};
use anabranch_types::Clock;
use anyhow::Context;

use super::data_folder::DataFolder;
use super::metered::{MeteredMerger, MeteredRefs, MeteredStaging};
use super::metrics::Metrics;
use super::namespaces::Namespaces;
use super::plugins::Plugins;
use super::shipped::{self, Takes};
use crate::config::{RefsSettings, Settings};
use crate::system::{SystemClock, SystemIds};

/// Who everything belongs to: the administrator's pair, and what secrets are encrypted with.
pub(super) struct Owner {
    pub(super) admin: KeyPair,
    pub(super) server_keys: ServerKeys,
}

/// What the doors stand on.
pub(super) struct Wired {
    pub(super) app: App,
    /// Who may call it.
    pub(super) authenticator: Arc<Authenticator>,
    /// Where repositories keep their objects.
    pub(super) namespaces: Arc<Namespaces>,
}

/// What a repository begins with if its maker asks for sample data.
static SAMPLES: [SampleObject; 3] = [
    SampleObject {
        path: "README.md",
        content_type: "text/markdown",
        bytes: include_bytes!("../../../../testdata/sample/README.md"),
    },
    SampleObject {
        path: "data/lakes.source.md",
        content_type: "text/markdown",
        bytes: include_bytes!("../../../../testdata/sample/data/lakes.source.md"),
    },
    SampleObject {
        path: "lakes.parquet",
        content_type: "application/vnd.apache.parquet",
        bytes: include_bytes!("../../../../testdata/sample/lakes.parquet"),
    },
];

/// The application over a data folder.
pub(super) async fn app(
    folder: &DataFolder,
    settings: &Settings,
    metrics: &Metrics,
    owner: Owner,
) -> anyhow::Result<Wired> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds);
    let (refs, staging) = state(folder, &settings.refs, metrics, Arc::clone(&clock)).await?;
    let objects = settings.objects.clone();
    let namespaces = Arc::new(Namespaces::new(folder.join("objects"), objects, metrics.backends.clone()));
    let metered = |merger: Arc<dyn Merger>| Arc::new(MeteredMerger::new(merger, &metrics.merges));
    let rows = row_budget(folder, settings)?;
    let store = PluginStore::new(Arc::clone(&refs), ids.clone());
    let compiled = folder.join("plugins");
    let plugins = Arc::new(Plugins::new(store, &settings.plugins, compiled, metrics));
    let registry = Registry::new()
        .with_plugins(plugins.clone())
        .with_format(TableFormat::Delta, metered(Arc::new(DeltaMerger::with_budget(rows.clone()))))
        .with(metered(Arc::new(TextMerger)));
    // Without a rule that names keys its conflict says that there could be one.
    let files: &[&str] = if settings.plugins.shipped { &["**/*.parquet"] } else { &[] };
    let registry = registry
        .with_objects(files, metered(Arc::new(ParquetMerger::with_budget(rows))))
        .map_err(anyhow::Error::msg)?;
    let registry = with_shipped(registry, &plugins, settings.plugins.shipped, metrics)?;
    let catalog = Catalog::new(CatalogParts {
        refs: Arc::clone(&refs),
        staging,
        storages: namespaces.clone(),
        registry: Arc::new(registry),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
        cache_bytes: settings.limits.cache_bytes,
    });
    let Owner { admin, server_keys } = owner;
    // All servers of an installation share the server key, so each honours what another one signed.
    let link_key = LinkKey::derived_from(server_keys.current.to_hex().expose().as_bytes());
    let parts = DirectoryParts {
        refs: Arc::clone(&refs),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
        server_keys,
        admin,
    };
    let directory = Arc::new(Directory::open(parts).await.context("users and keys cannot be opened")?);
    let authenticator = Authenticator::new(Arc::clone(&directory), Arc::clone(&clock));
    let authenticator = Arc::new(authenticator.with_session_lifetime(settings.session_lifetime));
    let parts = AppParts { catalog, refs, directory, clock, ids };
    let facts = facts(settings);
    let settings = AppSettings { link_key, facts, samples: &SAMPLES, plugins: Some(plugins) };
    let app = App::with_settings(parts, settings);
    Ok(Wired { app, authenticator, namespaces })
}

/// Objects whose lines are merged where `merge.toml` names no merger for them.
const TEXTS: [&str; 9] = [
    "**/*.txt",
    "**/*.md",
    "**/*.rst",
    "**/*.sql",
    "**/*.py",
    "**/*.toml",
    "**/*.ini",
    "**/*.cfg",
    "**/*.properties",
];

/// The mergers that come with the server, and where it is wanted what they take by itself.
fn with_shipped(
    mut registry: Registry,
    plugins: &Arc<Plugins>,
    by_name: bool,
    metrics: &Metrics,
) -> anyhow::Result<Registry> {
    let metered = |merger: Arc<dyn Merger>| Arc::new(MeteredMerger::new(merger, &metrics.merges));
    for (takes, merger) in shipped::mergers(plugins)? {
        let merger = metered(Arc::new(merger));
        let patterns: Vec<&str> = match &takes {
            Takes::Objects(patterns) if by_name => patterns.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        registry = registry.with_objects(&patterns, Arc::clone(&merger) as _).map_err(anyhow::Error::msg)?;
        if let (Takes::Tables(format), true) = (takes, by_name) {
            registry = registry.with_format(format, merger);
        }
    }
    let texts: &[&str] = if by_name { &TEXTS } else { &[] };
    registry.with_objects(texts, metered(Arc::new(TextMerger))).map_err(anyhow::Error::msg)
}

/// What merges of rows may use. The folder is emptied: what lies there is of a process that ended in between.
fn row_budget(folder: &DataFolder, settings: &Settings) -> anyhow::Result<RowBudget> {
    let spill = folder.join("tmp").join("rows");
    match std::fs::remove_dir_all(&spill) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} cannot be emptied", spill.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(&spill).with_context(|| format!("{} cannot be made", spill.display()))?;
    Ok(RowBudget {
        memory_bytes: usize::try_from(settings.limits.rows_bytes).unwrap_or(usize::MAX),
        folder: Some(spill),
        disk_bytes: settings.limits.rows_disk_bytes,
    })
}

async fn state(
    folder: &DataFolder,
    settings: &RefsSettings,
    metrics: &Metrics,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Arc<dyn RefsBackend>, Arc<dyn StagingStore>)> {
    let (name, refs, staging): (_, Arc<dyn RefsBackend>, Arc<dyn StagingStore>) = match &settings.postgres {
        Some(url) => {
            let config = PostgresConfig {
                url: url.expose().to_owned(),
                schema: settings.schema.clone(),
                connections_max: settings.connections,
                wait: settings.wait,
            };
            let store = PostgresStore::open(&config, clock).await;
            let store = Arc::new(store.context("the Postgres database cannot be opened")?);
            ("postgres", store.clone(), store)
        }
        None => {
            let path = folder.join("refs.sqlite");
            let store = SqliteStore::open(&path, clock).await;
            let store = store.with_context(|| format!("the database {} cannot be opened", path.display()))?;
            let store = Arc::new(store);
            ("sqlite", store.clone(), store)
        }
    };
    Ok((
        Arc::new(MeteredRefs::new(refs, name, &metrics.backends)),
        Arc::new(MeteredStaging::new(staging, name, &metrics.backends)),
    ))
}

/// What clients are told of this server.
fn facts(settings: &Settings) -> ServerFacts {
    let objects = &settings.objects;
    // A prefix without a bucket says nothing that a client could write to.
    let is_place = |prefix: &&String| {
        prefix.split_once("://").is_some_and(|(kind, rest)| kind == "s3" && !rest.is_empty())
    };
    let namespaces =
        objects.allow.iter().chain([&objects.default_namespace]).filter(is_place).cloned().collect();
    ServerFacts {
        public_url: settings.public_url.clone(),
        tls: settings.tls.is_some(),
        namespaces: if objects.s3.is_some() { namespaces } else { Vec::new() },
        import_sources: objects.allow_import.clone(),
    }
}
