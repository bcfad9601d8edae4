//! A process that ends between any two writes: whatever it acknowledged is there for the next one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anabranch_refs::{
    ConditionalRow, Dropped, Edit, Fence, Page, Partition, RefUpdate, RefsBackend, RefsError, ScanRange,
    Staged, StagedPage, StagedRow, StagedValue, StagingStore, Token, Versioned, WriteId,
};
use anabranch_repository::{MergeAnswer, RepositoryError, ResetScope, WriteCondition};
use anabranch_storage::{
    ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, StorageError, StoredObject,
};
use anabranch_types::{CommitId, ObjectKey, TagName};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::lake::{
    Disk, branch, commit_request, contents, create_request, lake_name, merge_request, path, pick_request,
};

/// Lets so many writes through; then the process is dead: every call fails.
#[derive(Debug)]
struct Life {
    left: AtomicUsize,
    /// Whether the last write takes place without being answered.
    last_is_done: bool,
}

/// What a dying process still does with a write.
enum Last {
    Answered,
    Unanswered,
    Nothing,
}

impl Life {
    fn write(&self) -> Last {
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match before {
            Err(_) => Last::Nothing,
            Ok(1) if self.last_is_done => Last::Unanswered,
            Ok(1) => Last::Nothing,
            Ok(_) => Last::Answered,
        }
    }

    fn is_over(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

#[derive(Debug)]
struct Mortal<S: ?Sized> {
    life: Arc<Life>,
    inner: Arc<S>,
}

fn dead_refs() -> RefsError {
    RefsError::Failed { action: "anything", store: "a dead process".into(), source: "dead".into() }
}

fn dead_storage() -> StorageError {
    let (key, storage) = ("any".to_owned(), "a dead process".to_owned());
    StorageError::Failed { action: "anything", key, storage, source: "dead".into() }
}

impl<S: ?Sized> Mortal<S> {
    async fn write<T, E>(&self, write: impl Future<Output = Result<T, E>>, dead: fn() -> E) -> Result<T, E> {
        match self.life.write() {
            Last::Answered => write.await,
            Last::Unanswered => {
                write.await?;
                Err(dead())
            }
            Last::Nothing => Err(dead()),
        }
    }

    async fn read<T, E>(&self, read: impl Future<Output = Result<T, E>>, dead: fn() -> E) -> Result<T, E> {
        if self.life.is_over() { Err(dead()) } else { read.await }
    }
}

#[async_trait]
impl RefsBackend for Mortal<dyn RefsBackend> {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        self.read(self.inner.get(partition, key), dead_refs).await
    }

    async fn scan(&self, partition: &Partition, range: &ScanRange, limit: usize) -> Result<Page, RefsError> {
        self.read(self.inner.scan(partition, range, limit), dead_refs).await
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        self.write(self.inner.apply(partition, edits, id), dead_refs).await
    }
}

#[async_trait]
impl StagingStore for Mortal<dyn StagingStore> {
    async fn put(&self, fence: &Fence, rows: &[StagedRow]) -> Result<Staged, RefsError> {
        self.write(self.inner.put(fence, rows), dead_refs).await
    }

    async fn put_if(&self, fence: &Fence, row: &ConditionalRow) -> Result<Staged, RefsError> {
        self.write(self.inner.put_if(fence, row), dead_refs).await
    }

    async fn get(&self, tokens: &[Token], path: &str) -> Result<Option<StagedValue>, RefsError> {
        self.read(self.inner.get(tokens, path), dead_refs).await
    }

    async fn scan(
        &self,
        tokens: &[Token],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StagedPage, RefsError> {
        self.read(self.inner.scan(tokens, prefix, after, limit), dead_refs).await
    }

    async fn drop_chunk(&self, token: &Token) -> Result<Dropped, RefsError> {
        self.write(self.inner.drop_chunk(token), dead_refs).await
    }
}

#[async_trait]
impl ObjectStorage for Mortal<dyn ObjectStorage> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        self.write(self.inner.put(key, body, mode), dead_storage).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        self.read(self.inner.get(key, range), dead_storage).await
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        self.read(self.inner.get_stream(key, range), dead_storage).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        self.read(self.inner.head(key), dead_storage).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.write(self.inner.delete(key), dead_storage).await
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        self.inner.list(prefix, after)
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        self.read(self.inner.upload(key), dead_storage).await
    }
}

fn mortal(disk: &Disk, writes: usize, last_is_done: bool) -> (Disk, Arc<Life>) {
    let life = Arc::new(Life { left: AtomicUsize::new(writes + 1), last_is_done });
    let refs = Mortal::<dyn RefsBackend> { life: Arc::clone(&life), inner: Arc::clone(&disk.refs) };
    let staging = Mortal::<dyn StagingStore> { life: Arc::clone(&life), inner: Arc::clone(&disk.staging) };
    let storage = Mortal::<dyn ObjectStorage> { life: Arc::clone(&life), inner: Arc::clone(&disk.storage) };
    let (clock, ids) = (Arc::clone(&disk.clock), Arc::clone(&disk.ids));
    let disk =
        Disk { refs: Arc::new(refs), staging: Arc::new(staging), storage: Arc::new(storage), clock, ids };
    (disk, life)
}

/// What was acknowledged, and what was begun and may have happened.
#[derive(Default)]
struct Seen {
    main: BTreeMap<String, u8>,
    /// The write that was under way, if the process ended in it.
    unsure: Option<String>,
    /// What the tag may name; none: there may be no tag.
    tag: Vec<Option<CommitId>>,
}

/// Does some of everything until it ends or the process dies. Objects are put and never deleted, so that "nothing
/// acknowledged is lost" is "every path is there".
async fn live(disk: &Disk, seen: &mut Seen) -> Result<(), RepositoryError> {
    let catalog = disk.catalog();
    catalog.create_repository(create_request()).await?;
    let lake = catalog.repository(&lake_name()).await?;
    let main = branch("main");
    let write = async |seen: &mut Seen, on: &str, at: &str| {
        let body = Bytes::from(at.to_owned());
        let address = lake.write_small(body).await?;
        let entry = anabranch_types::Entry {
            size: address.length,
            address,
            checksum: anabranch_types::Checksum::from_md5([5; 16]),
            parts: 0,
            modified_ms: 1,
            content_type: String::new(),
            metadata: BTreeMap::new(),
        };
        if on == "main" {
            seen.unsure = Some(at.to_owned());
        }
        lake.put(&branch(on), &path(at), entry, WriteCondition::Absent).await?;
        if on == "main" {
            seen.main.insert(at.to_owned(), 5);
            seen.unsure = None;
        }
        Ok::<(), RepositoryError>(())
    };
    write(seen, "main", "1").await?;
    lake.commit(&main, commit_request("one")).await?;
    let tag = TagName::new("latest").unwrap();
    seen.tag = vec![None, Some(lake.resolve("main").await?.commit)];
    let tagged = lake.create_tag(&tag, "main").await?;
    seen.tag = vec![Some(tagged)];
    lake.create_branch(&branch("dev"), "main", false).await?;
    write(seen, "dev", "dev/1").await?;
    lake.commit(&branch("dev"), commit_request("dev one")).await?;
    write(seen, "main", "2").await?;
    write(seen, "main", "3").await?;
    lake.commit(&main, commit_request("two")).await?;
    seen.tag.push(Some(lake.resolve("main").await?.commit));
    let tagged = lake.replace_tag(&tag, "main").await?;
    seen.tag = vec![Some(tagged)];
    write(seen, "main", "4").await?;
    seen.unsure = Some("dev/1".to_owned());
    let merged = lake.merge("dev", &main, merge_request("merge")).await?;
    assert!(matches!(merged, MergeAnswer::Merged { .. }), "{merged:?}");
    seen.main.insert("dev/1".to_owned(), 5);
    write(seen, "dev", "dev/2").await?;
    lake.reset(&branch("dev"), &ResetScope::Object(path("dev/2"))).await?;
    lake.commit(&main, commit_request("three")).await?;
    seen.main.remove("4");
    seen.unsure = Some("4".to_owned());
    lake.revert(&main, pick_request("main", 0, "undo three")).await?;
    seen.unsure = None;
    lake.delete_branch(&branch("dev")).await?;
    Ok(())
}

async fn check_after_death(writes: usize, last_is_done: bool) -> bool {
    let disk = Disk::new();
    let (dying, life) = mortal(&disk, writes, last_is_done);
    let mut seen = Seen::default();
    let ended = live(&dying, &mut seen).await;
    assert_eq!(ended.is_err(), life.is_over(), "only death ends it early: {ended:?}");
    let context = format!("after {writes} writes, last one done: {last_is_done}: {ended:?}");
    match disk.catalog().repository(&lake_name()).await {
        Err(RepositoryError::NotFound { .. }) => assert!(seen.main.is_empty(), "{context}"),
        Err(error) => panic!("{context}: {error:?}"),
        Ok(lake) => {
            let mut found = contents(&lake, "main", 100).await;
            if let Some(unsure) = &seen.unsure {
                found.remove(unsure);
                seen.main.remove(unsure);
            }
            assert_eq!(found, seen.main, "{context}");
            let tag = match lake.tag(&TagName::new("latest").unwrap()).await {
                Ok(tag) => Some(tag.commit),
                Err(RepositoryError::NotFound { .. }) => None,
                Err(error) => panic!("{context}: {error:?}"),
            };
            assert!(seen.tag.is_empty() || seen.tag.contains(&tag), "{context}: {tag:?}, not {:?}", seen.tag);
            let report = lake.fsck().await.unwrap();
            assert!(report.is_clean(), "{context}: {:?}", report.problems);
            // The next process goes on where this one ended.
            let uncommitted = lake.uncommitted_count(&branch("main")).await.unwrap();
            let before = contents(&lake, "main", 100).await;
            match lake.commit(&branch("main"), commit_request("after")).await {
                Ok(_) => assert!(uncommitted > 0, "{context}"),
                Err(RepositoryError::NothingToCommit { .. }) => assert_eq!(uncommitted, 0, "{context}"),
                Err(error) => panic!("{context}: {error:?}"),
            }
            assert_eq!(contents(&lake, "main@", 100).await, before, "{context}");
        }
    }
    life.is_over()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_the_process_ends() {
    for last_is_done in [false, true] {
        let mut writes = 0;
        while check_after_death(writes, last_is_done).await {
            writes += 1;
        }
        assert!(writes > 30, "only {writes} writes were seen");
    }
}
