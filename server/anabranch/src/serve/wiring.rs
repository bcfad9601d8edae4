//! Names the concrete backends and mergers: the one place that does.

use std::sync::Arc;

use anabranch_app::{App, AppParts, AppSettings, LinkKey, SampleObject, ServerFacts};
use anabranch_delta::DeltaMerger;
use anabranch_merge::{Registry, TableFormat, TextMerger};
use anabranch_refs::{PostgresConfig, PostgresStore, RefsBackend, SqliteStore, StagingStore};
use anabranch_repository::{Catalog, CatalogParts};
use anabranch_types::Clock;
use anyhow::Context;

use super::data_folder::DataFolder;
use super::namespaces::{AllowLists, Namespaces, S3Access};
use crate::system::{SystemClock, SystemIds};

/// Decoded tree nodes kept in memory for each repository.
const NODE_CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// What `serve` knows.
pub(super) struct Wiring<'a> {
    pub(super) folder: &'a DataFolder,
    pub(super) postgres: Option<&'a str>,
    pub(super) s3: Option<S3Access>,
    pub(super) allowed: AllowLists,
    pub(super) public_url: Option<String>,
    pub(super) link_key: LinkKey,
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
pub(super) async fn app(wiring: Wiring<'_>) -> anyhow::Result<App> {
    let Wiring { folder, postgres, s3, allowed, public_url, link_key } = wiring;
    let facts = ServerFacts {
        public_url,
        tls: false,
        namespaces: allowed.namespaces.clone(),
        import_sources: allowed.import_sources.clone(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds);
    let (refs, staging) = state(folder, postgres, Arc::clone(&clock)).await?;
    let registry = Registry::new()
        .with_format(TableFormat::Delta, Arc::new(DeltaMerger::new()))
        .with(Arc::new(TextMerger));
    let catalog = Catalog::new(CatalogParts {
        refs: Arc::clone(&refs),
        staging,
        storages: Arc::new(Namespaces::new(folder.join("objects"), s3, allowed)),
        registry: Arc::new(registry),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
        cache_bytes: NODE_CACHE_BYTES,
    });
    let parts = AppParts { catalog, refs, clock, ids };
    Ok(App::with_settings(parts, AppSettings { link_key, facts, samples: &SAMPLES }))
}

async fn state(
    folder: &DataFolder,
    postgres: Option<&str>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Arc<dyn RefsBackend>, Arc<dyn StagingStore>)> {
    match postgres {
        Some(url) => {
            let config =
                PostgresConfig { url: url.to_owned(), schema: "anabranch".into(), connections_max: 20 };
            let store = PostgresStore::open(&config, clock)
                .await
                .context("the Postgres database cannot be opened")?;
            let store = Arc::new(store);
            Ok((store.clone(), store))
        }
        None => {
            let path = folder.join("refs.sqlite");
            let store = SqliteStore::open(&path, clock)
                .await
                .with_context(|| format!("the database {} cannot be opened", path.display()))?;
            let store = Arc::new(store);
            Ok((store.clone(), store))
        }
    }
}
