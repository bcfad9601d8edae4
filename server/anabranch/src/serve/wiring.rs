//! Names the concrete backends and mergers: the one place that does.

use std::sync::Arc;

use anabranch_app::{App, AppParts};
use anabranch_auth::{Authenticator, Directory, DirectoryParts, KeyPair, ServerKeys};
use anabranch_delta::DeltaMerger;
use anabranch_merge::{Registry, TableFormat, TextMerger};
use anabranch_refs::{PostgresConfig, PostgresStore, RefsBackend, SqliteStore, StagingStore};
use anabranch_repository::{Catalog, CatalogParts};
use anabranch_types::Clock;
use anyhow::Context;

use super::data_folder::DataFolder;
use super::namespaces::{Namespaces, S3Access};
use crate::system::{SystemClock, SystemIds};

/// Decoded tree nodes kept in memory for each repository.
const NODE_CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Who everything belongs to: the administrator's pair, and what secrets are encrypted with.
pub(super) struct Owner {
    pub(super) admin: KeyPair,
    pub(super) server_keys: ServerKeys,
}

/// The application over a data folder, and who may call it.
pub(super) async fn app(
    folder: &DataFolder,
    postgres: Option<&str>,
    s3: Option<S3Access>,
    owner: Owner,
) -> anyhow::Result<(App, Arc<Authenticator>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SystemIds);
    let (refs, staging) = state(folder, postgres, Arc::clone(&clock)).await?;
    let registry = Registry::new()
        .with_format(TableFormat::Delta, Arc::new(DeltaMerger::new()))
        .with(Arc::new(TextMerger));
    let catalog = Catalog::new(CatalogParts {
        refs: Arc::clone(&refs),
        staging,
        storages: Arc::new(Namespaces::new(folder.join("objects"), s3)),
        registry: Arc::new(registry),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
        cache_bytes: NODE_CACHE_BYTES,
    });
    let Owner { admin, server_keys } = owner;
    let parts = DirectoryParts {
        refs: Arc::clone(&refs),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
        server_keys,
        admin,
    };
    let directory = Arc::new(Directory::open(parts).await.context("users and keys cannot be opened")?);
    let authenticator = Arc::new(Authenticator::new(Arc::clone(&directory), Arc::clone(&clock)));
    Ok((App::new(AppParts { catalog, refs, directory, clock, ids }), authenticator))
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
