//! A whole repository: SQLite beside a local folder. Staging counts as part of a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anabranch_merge::Registry;
use anabranch_refs::SqliteStore;
use anabranch_repository::{
    Actor, Catalog, CatalogParts, CommitRequest, CreateRepository, DiffKind, DiffRequest, MergeAnswer,
    MergeRequest, Paging, Repository, RepositoryError, StorageOpener,
};
use anabranch_storage::{ObjectStorage, StorageError, open_local};
use anabranch_types::{BranchName, Clock, IdSource, ObjectPath, RepositoryName};

use crate::rows::{Row, entry};
use crate::{Peer, Round, Times};

struct Now;

impl Clock for Now {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}

struct Random;

impl IdSource for Random {
    fn fill(&self, target: &mut [u8]) {
        rand::fill(target);
    }
}

#[derive(Debug)]
struct Folders(PathBuf);

#[async_trait::async_trait]
impl StorageOpener for Folders {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        open_local(&self.0.join(namespace))
    }

    fn resolve(&self, _: Option<&str>, repository: &RepositoryName) -> Result<String, RepositoryError> {
        Ok(repository.to_string())
    }
}

/// See the module.
pub(crate) struct RepositoryPeer {
    runtime: tokio::runtime::Runtime,
    lake: Repository,
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

async fn open(folder: &Path) -> Repository {
    std::fs::create_dir_all(folder).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Now);
    let store = Arc::new(SqliteStore::open(&folder.join("refs.sqlite"), clock.clone()).await.unwrap());
    let catalog = Catalog::new(CatalogParts {
        refs: store.clone(),
        staging: store,
        storages: Arc::new(Folders(folder.to_owned())),
        registry: Arc::new(Registry::new()),
        clock,
        ids: Arc::new(Random),
        cache_bytes: 1 << 30,
    });
    let name = RepositoryName::new("lake").unwrap();
    let request = CreateRepository {
        name: name.clone(),
        storage_namespace: None,
        default_branch: branch("main"),
        metadata: BTreeMap::new(),
    };
    catalog.create_repository(request).await.unwrap();
    catalog.repository(&name).await.unwrap()
}

impl RepositoryPeer {
    pub(crate) fn new(folder: &Path) -> RepositoryPeer {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let lake = runtime.block_on(open(folder));
        RepositoryPeer { runtime, lake }
    }

    async fn commit(&self, on: &str, rows: &[Row]) {
        let entries =
            rows.iter().map(|row| (ObjectPath::new(row.path.clone()).unwrap(), entry(row))).collect();
        self.lake.put_many(&branch(on), entries).await.unwrap();
        let request = CommitRequest {
            message: "bench".into(),
            committer: Actor("bench".into()),
            metadata: BTreeMap::new(),
            allow_empty: false,
            created_ms: None,
            deadline_ms: None,
        };
        self.lake.commit(&branch(on), request).await.unwrap();
    }

    async fn merge(&self) {
        let request = MergeRequest {
            message: None,
            committer: Actor("bench".into()),
            metadata: BTreeMap::new(),
            strategy: None,
            by_rows: false,
            allow_empty: false,
            squash: false,
            preview: None,
            deadline_ms: None,
        };
        let answer = self.lake.merge("side", &branch("main"), request).await.unwrap();
        assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
    }

    /// Page by page, as a client asks.
    async fn count_differences(&self, left: &str, right: &str) -> usize {
        let (mut count, mut after) = (0, None);
        loop {
            let paging = Paging { prefix: String::new(), after, amount: 1_000 };
            let request = DiffRequest { kind: DiffKind::TwoDot, paging, delimiter: None };
            let page = self.lake.diff(left, right, &request).await.unwrap();
            count += page.results.len();
            if !page.more {
                return count;
            }
            after = Some(page.next);
        }
    }

    fn timed<T>(&self, work: impl Future<Output = T>) -> (Duration, T) {
        let start = Instant::now();
        let done = self.runtime.block_on(work);
        (start.elapsed(), done)
    }
}

impl Peer for RepositoryPeer {
    fn name(&self) -> &'static str {
        "repository"
    }

    fn load(&mut self, rows: &[Row]) -> Duration {
        self.timed(self.commit("main", rows)).0
    }

    fn round(&mut self, round: &Round) -> Times {
        let base = self.runtime.block_on(self.lake.resolve("main")).unwrap().commit.to_hex();
        let (commit, ()) = self.timed(self.commit("main", &round.ours));
        let diff = self.timed(self.count_differences(&base, "main@"));
        self.runtime.block_on(async {
            self.lake.create_branch(&branch("side"), &base, false).await.unwrap();
            self.commit("side", &round.theirs).await;
        });
        let (merge, ()) = self.timed(self.merge());
        let both = self.runtime.block_on(async {
            self.lake.delete_branch(&branch("side")).await.unwrap();
            self.count_differences(&base, "main@").await
        });
        Times { commit, diff, merge: (merge, both) }
    }
}
