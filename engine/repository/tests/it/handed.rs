//! What a merger is handed: where its new objects go, and when the merge happens.

use std::sync::{Arc, Mutex};

use anabranch_merge::{
    ConflictKind, DiffInput, DiffOutcome, Failure, FailureReason, MergeEdit, MergeInput, MergeOutcome,
    MergeReport, Merger, MergerDescription, ObjectAttributes, Registry, UnitKind, ViewError,
};
use anabranch_repository::{MergeAnswer, Repository};
use anabranch_storage::fault::{Fault, FaultyStorage, Operation};
use anabranch_storage::{ObjectStorageExt, open_memory};
use anabranch_types::Checksum;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use md5::{Digest, Md5};

use crate::lake::{Disk, branch, commit, merge, merge_request, path};
use crate::previews::put_text;

const PIECES: [usize; 3] = [300_000, 1, 400_000];

fn piece(number: usize) -> Bytes {
    let byte = u8::try_from(number).unwrap();
    vec![byte; PIECES[number]].into()
}

/// Makes an object in pieces, and notes when.
#[derive(Default)]
struct InPieces {
    times: Mutex<Vec<i64>>,
    /// Before it writes it reads, and lets this storage fail.
    weather: Option<FaultyStorage>,
    /// Which failures may end otherwise later.
    temporary: Mutex<Vec<bool>>,
}

impl InPieces {
    /// Reads and begins an object, each in two kinds of weather.
    async fn look(&self, input: &MergeInput<'_>, storage: &FaultyStorage) {
        let entry = input.theirs.stat("").await.unwrap().unwrap();
        for fault in [Fault::Away, Fault::RequestLost] {
            storage.script(Operation::Get, [fault]);
            let failed = input.theirs.read("", &entry, 0, 3).await.unwrap_err();
            self.temporary.lock().unwrap().push(failed.is_temporary());
            storage.script(Operation::Upload, [fault]);
            let failed = input.writer.begin().await.err().unwrap();
            self.temporary.lock().unwrap().push(failed.is_temporary());
        }
    }
}

#[async_trait]
impl Merger for InPieces {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "pieces".into(), version: "1".into(), unit: UnitKind::Object }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        self.times.lock().unwrap().push(input.merge_time_ms);
        if let Some(storage) = &self.weather {
            self.look(&input, storage).await;
        }
        let write = async {
            let mut upload = input.writer.begin().await?;
            let mut md5 = Md5::new();
            for number in 0..PIECES.len() {
                md5.update(piece(number));
                upload.write(piece(number)).await?;
            }
            let attributes = ObjectAttributes { content_type: "text/x-pieces".into(), ..Default::default() };
            upload.finish(attributes, Checksum::from_md5(md5.finalize().into())).await
        };
        match write.await {
            Ok(entry) => {
                let edits = vec![MergeEdit::Put { path: String::new(), entry }];
                MergeOutcome::Merged { edits, report: MergeReport::new("pieces") }
            }
            Err(error) => {
                MergeOutcome::Failed(Failure { reason: FailureReason::Storage, message: error.to_string() })
            }
        }
    }

    fn check_options(&self, _options: &serde_json::Value) -> Result<(), String> {
        Ok(())
    }

    async fn diff(&self, _input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        Ok(DiffOutcome::default())
    }
}

/// A repository whose branches `main` and `dev` changed `t/a` differently, which the merger takes.
async fn lake(disk: &Disk) -> (Arc<InPieces>, Repository) {
    lake_with(disk, InPieces::default()).await
}

async fn lake_with(disk: &Disk, merger: InPieces) -> (Arc<InPieces>, Repository) {
    let merger = Arc::new(merger);
    let repository = disk.create_with(Registry::new().with(merger.clone())).await;
    put_text(&repository, "main", "_anabranch/merge.toml", "[[rule]]\npath = 't/*'\nmerge = 'pieces'\n")
        .await;
    put_text(&repository, "main", "t/a", "base").await;
    commit(&repository, "main", "base").await;
    repository.create_branch(&branch("dev"), "main", false).await.unwrap();
    for side in ["main", "dev"] {
        put_text(&repository, side, "t/a", side).await;
        commit(&repository, side, side).await;
    }
    (merger, repository)
}

#[tokio::test]
async fn an_object_in_pieces_is_as_one_that_was_uploaded() {
    let disk = Disk::new();
    let (_, repository) = lake(&disk).await;
    assert!(matches!(merge(&repository, "dev", "main", "m").await, MergeAnswer::Merged { .. }));
    let entry = repository.stat("main", &path("t/a")).await.unwrap().entry;
    let whole: Vec<u8> = (0..PIECES.len()).flat_map(piece).collect();
    let checksum = Checksum::from_md5(Md5::digest(&whole).into());
    assert_eq!((entry.size, entry.checksum, entry.parts), (whole.len() as u64, checksum, 0));
    assert_eq!(entry.content_type, "text/x-pieces");
    assert!(disk.storage.read(&entry.address).await.unwrap() == whole);
}

#[tokio::test]
async fn an_upload_that_breaks_leaves_no_object() {
    for operation in [Operation::Upload, Operation::UploadWrite, Operation::UploadFinish] {
        let mut disk = Disk::new();
        let storage = FaultyStorage::new(open_memory("test"));
        disk.storage = Arc::new(storage.clone());
        let (_, repository) = lake(&disk).await;
        let objects = async || -> Vec<String> {
            let listed = disk.storage.list("", None).map_ok(|object| object.key.to_string());
            listed.try_collect().await.unwrap()
        };
        let before = objects().await;
        storage.script(operation, [Fault::RequestLost]);
        let answer = merge(&repository, "dev", "main", "m").await;
        let MergeAnswer::Conflicts { conflicts, .. } = answer else { panic!("{operation:?}: {answer:?}") };
        assert_eq!(conflicts[0].kind, ConflictKind::MergerFailed, "{operation:?}");
        assert_eq!(objects().await, before, "{operation:?}");
    }
}

#[tokio::test]
async fn a_preview_and_the_merge_that_follows_happen_at_one_time() {
    let disk = Disk::new();
    let (merger, repository) = lake(&disk).await;
    let preview = repository.preview("dev", &branch("main"), merge_request("m")).await.unwrap();
    disk.clock.advance(60_000);
    assert!(matches!(merge(&repository, "dev", "main", "m").await, MergeAnswer::Merged { .. }));
    let times = merger.times.lock().unwrap().clone();
    assert!(preview.conflicts.is_empty() && times.len() >= 2, "{times:?}");
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
}

#[tokio::test]
async fn a_storage_that_is_away_is_told_from_one_that_lost_something() {
    let mut disk = Disk::new();
    let storage = FaultyStorage::new(open_memory("test"));
    disk.storage = Arc::new(storage.clone());
    let merger = InPieces { weather: Some(storage), ..InPieces::default() };
    let (merger, repository) = lake_with(&disk, merger).await;
    assert!(matches!(merge(&repository, "dev", "main", "m").await, MergeAnswer::Merged { .. }));
    assert_eq!(*merger.temporary.lock().unwrap(), [true, true, false, false]);
}
