//! An S3 endpoint over memory, to try a client on: one repository `sales` with the branches `main` and `dev`.
//!
//! `cargo run -p anabranch-s3 --example memory -- 127.0.0.1:9000`, then use the access key `AKIDLAKE` and
//! the secret `secret-of-the-lake`.

use std::error::Error;
use std::sync::Arc;

use anabranch_app::{App, AppParts, CreateRepositoryInput};
use anabranch_auth::sigv4::Policy;
use anabranch_auth::{
    Authenticator, Directory, DirectoryParts, KeyPair, Principal, Role, ServerKey, ServerKeys,
};
use anabranch_merge::Registry;
use anabranch_refs::MemoryStore;
use anabranch_repository::{Catalog, CatalogParts, RepositoryError, StorageOpener};
use anabranch_s3::{DoorParts, service};
use anabranch_storage::open_memory;
use anabranch_storage::{ObjectStorage, StorageError};
use anabranch_types::test_support::SeededIds;
use anabranch_types::{Clock, RepositoryName};

#[derive(Debug)]
struct Memory;

#[async_trait::async_trait]
impl StorageOpener for Memory {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        Ok(open_memory(namespace.trim_start_matches("mem://")))
    }

    fn resolve(&self, _: Option<&str>, repository: &RepositoryName) -> Result<String, RepositoryError> {
        Ok(format!("mem://{repository}"))
    }
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where a real clock is made")]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or_default()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(SeededIds::new(1));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let catalog = Catalog::new(CatalogParts {
        refs: store.clone(),
        staging: store.clone(),
        storages: Arc::new(Memory),
        registry: Arc::new(Registry::new()),
        clock: clock.clone(),
        ids: ids.clone(),
        cache_bytes: 64 << 20,
    });
    let directory = Directory::open(DirectoryParts {
        refs: store.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        server_keys: ServerKeys::only(ServerKey::generate(ids.as_ref())),
        admin: KeyPair::new("AKIDLAKE", "secret-of-the-lake"),
    });
    let directory = Arc::new(directory.await?);
    let authenticator = Arc::new(Authenticator::new(directory.clone(), clock.clone()));
    let app = App::new(AppParts { catalog, refs: store, directory, clock, ids: ids.clone() });
    let admin = Principal::new("admin", Role::Admin);
    let repository = CreateRepositoryInput {
        name: "sales".into(),
        storage_namespace: None,
        default_branch: None,
        metadata: Default::default(),
    };
    app.create_repository(&admin, repository).await?;
    app.create_branch(&admin, "sales", "dev", "main", false).await?;
    let domains = vec!["s3.localhost".to_owned()];
    let door = service(DoorParts { app, authenticator, ids, domains, policy: Policy::default() });
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("S3 on http://{}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(door)).await?;
    Ok(())
}
