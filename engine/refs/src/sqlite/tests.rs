//! What only the SQLite file can do: fill up, be damaged, be old, forget.

use anabranch_types::test_support::ManualClock;
use bytes::Bytes;

use super::*;
use crate::{Expect, FenceMark, Operation, RefUpdate};

const NOW_MS: i64 = 1_700_000_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW_MS))
}

struct File {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        File { path: folder.path().join("refs.db"), _folder: folder }
    }

    async fn open(&self) -> Result<SqliteStore, RefsError> {
        SqliteStore::open(&self.path, clock()).await
    }

    /// A connection past the store, for what the store never does.
    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn execute(&self, sql: &'static str) {
        self.raw().execute_batch(sql).unwrap();
    }
}

fn id(n: u64) -> WriteId {
    WriteId(u128::from(n).to_be_bytes())
}

fn put(key: &str, expect: Expect, value: &str) -> Edit {
    let operation = Operation::Put { value: Bytes::copy_from_slice(value.as_bytes()), fence: None };
    Edit { key: key.to_owned(), expect, operation }
}

fn partition() -> Partition {
    Partition("p".to_owned())
}

/// A store whose branch `record` of partition `p` has the open area 1.
async fn with_branch(store: &SqliteStore) -> Fence {
    let token = Token([1; 16]);
    let fence = Some(FenceMark { token, head: [2; 32] });
    let operation = Operation::Put { value: Bytes::from("record"), fence };
    let edit = Edit { key: "record".to_owned(), expect: Expect::Absent, operation };
    store.apply(&partition(), &[edit], id(u64::MAX)).await.unwrap();
    Fence { partition: partition(), key: "record".to_owned(), token }
}

fn row(path: &str, entry: Vec<u8>) -> StagedRow {
    StagedRow { path: path.to_owned(), value: StagedValue::Present { entry: entry.into(), etag: "e".into() } }
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_loses_nothing_acknowledged() {
    let file = File::new();
    // The limit of pages is how SQLite itself meets a full disk, with the same answer.
    let small = Opener { path: file.path.clone(), pages_max: Some(64) };
    let store = SqliteStore::open_with(small, clock()).unwrap();
    let fence = with_branch(&store).await;
    let mut acknowledged = Vec::new();
    let full = loop {
        let path = format!("{}", acknowledged.len());
        match store.put(&fence, &[row(&path, vec![7; 4000])]).await {
            Ok(staged) => assert_eq!(staged, Staged::Done),
            Err(error) => break error,
        }
        acknowledged.push(path);
        assert!(acknowledged.len() < 100, "the disk never fills");
    };
    assert!(matches!(&full, RefsError::Full { store } if store.ends_with("refs.db")), "{full:?}");
    assert!(!acknowledged.is_empty());
    let large = "x".repeat(60_000);
    let apply = store.apply(&partition(), &[put("k", Expect::Any, &large)], id(1)).await;
    assert!(matches!(apply, Err(RefsError::Full { .. })), "{apply:?}");
    assert_eq!(RefsBackend::get(&store, &partition(), "k").await.unwrap(), None);
    store.close().await;

    let store = file.open().await.unwrap();
    for path in &acknowledged {
        let found = StagingStore::get(&store, &[fence.token], path).await.unwrap();
        assert_eq!(found, Some(row(path, vec![7; 4000]).value));
    }
    let beyond = StagingStore::get(&store, &[fence.token], &acknowledged.len().to_string()).await.unwrap();
    assert_eq!(beyond, None);
    // With room again the same write-id goes through: it was not noted.
    let apply = store.apply(&partition(), &[put("k", Expect::Any, &large)], id(1)).await.unwrap();
    assert!(matches!(apply, RefUpdate::Applied(_)));
}

#[tokio::test]
async fn write_ids_are_kept_for_ten_minutes_and_a_thousand_writes_and_not_forever() {
    let file = File::new();
    let clock = clock();
    let store = SqliteStore::open(&file.path, clock.clone()).await.unwrap();
    let edit = [put("k", Expect::Any, "v")];
    let write = async |n| store.apply(&partition(), &edit, id(n)).await.unwrap();
    let kept =
        || -> i64 { file.raw().query_row("SELECT COUNT(*) FROM write_ids", [], |row| row.get(0)).unwrap() };
    let first = write(0).await;
    for n in 1..2500 {
        write(n).await;
    }
    assert_eq!(kept(), 2500, "ten minutes are not over");
    assert_eq!(write(0).await, first);
    clock.advance(WRITE_ID_MS + 1);
    for n in 2500..2800 {
        write(n).await;
    }
    let left = kept();
    assert!((1000..1000 + 200).contains(&left), "{left}");
    let version = RefsBackend::get(&store, &partition(), "k").await.unwrap().unwrap().version;
    assert_eq!(write(1801).await, write(1801).await);
    let unchanged = RefsBackend::get(&store, &partition(), "k").await.unwrap().unwrap().version;
    assert_eq!(version, unchanged, "the last thousand are still known");
    let other = Partition("other".to_owned());
    store.apply(&other, &edit, id(1)).await.unwrap();
    let again = store.apply(&other, &edit, id(1)).await.unwrap();
    assert!(matches!(again, RefUpdate::Applied(_)));
}

const WRITE_ID_MS: i64 = crate::judge::WRITE_ID_KEPT_MS;

#[tokio::test]
async fn a_damaged_row_is_named_and_hurts_nobody_else() {
    let file = File::new();
    let store = file.open().await.unwrap();
    let fence = with_branch(&store).await;
    assert_eq!(store.put(&fence, &[row("a", vec![1]), row("b", vec![1])]).await.unwrap(), Staged::Done);
    for key in ["short", "negative", "fine"] {
        store.apply(&partition(), &[put(key, Expect::Absent, "v")], id(key.len() as u64)).await.unwrap();
    }
    file.execute(
        "UPDATE refs SET token = x'0102', head = x'03' WHERE key = CAST('short' AS BLOB);
         UPDATE refs SET version = -1 WHERE key = CAST('negative' AS BLOB);
         UPDATE staging SET etag = NULL WHERE path = CAST('a' AS BLOB);
         UPDATE write_ids SET versions = x'010203' WHERE write_id = x'00000000000000000000000000000004';",
    );
    let named = |result: Result<(), RefsError>, name: &str| match result {
        Err(RefsError::Damaged { what, .. }) => assert!(what.contains(name), "{what}"),
        other => panic!("{other:?}"),
    };
    for key in ["short", "negative"] {
        named(RefsBackend::get(&store, &partition(), key).await.map(drop), key);
        named(store.apply(&partition(), &[put(key, Expect::Any, "w")], id(90)).await.map(drop), key);
    }
    named(RefsBackend::scan(&store, &partition(), &ScanRange::default(), 10).await.map(drop), "negative");
    named(store.apply(&partition(), &[put("fine", Expect::Any, "w")], id(4)).await.map(drop), "write-id");
    named(StagingStore::get(&store, &[fence.token], "a").await.map(drop), "\"a\"");
    named(StagingStore::scan(&store, &[fence.token], "", None, 9).await.map(drop), "\"a\"");
    let conditional = |path: &str| ConditionalRow {
        row: row(path, vec![2]),
        condition: crate::Condition::Present,
        sealed: vec![],
        head: [2; 32],
        in_head: None,
    };
    // In one batch: the damaged row fails its own request only.
    let (bad_row, good_row) = (conditional("a"), conditional("b"));
    let edits = [put("fine", Expect::Any, "w")];
    let (p, bad_edits) = (partition(), [put("short", Expect::Any, "w")]);
    let (bad, good, bad_apply, good_apply) = tokio::join!(
        store.put_if(&fence, &bad_row),
        store.put_if(&fence, &good_row),
        store.apply(&p, &bad_edits, id(91)),
        store.apply(&p, &edits, id(92)),
    );
    named(bad.map(drop), "\"a\"");
    named(bad_apply.map(drop), "short");
    assert_eq!(good.unwrap(), Staged::Done);
    assert!(matches!(good_apply.unwrap(), RefUpdate::Applied(_)));
}

/// What version 1 of the server left behind.
const VERSION_1: &str = "
    CREATE TABLE schema_version (version INTEGER NOT NULL);
    INSERT INTO schema_version VALUES (1);
    CREATE TABLE refs (
        partition TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL,
        token BLOB, head BLOB, write_id BLOB, written_ms INTEGER, PRIMARY KEY (partition, key)) WITHOUT ROWID;
    CREATE TABLE staging (
        token BLOB NOT NULL, path TEXT NOT NULL, entry BLOB, etag TEXT, PRIMARY KEY (token, path)) WITHOUT ROWID;
    INSERT INTO refs VALUES ('p', 'record', CAST('main' AS BLOB), 3, x'01010101010101010101010101010101',
        x'0202020202020202020202020202020202020202020202020202020202020202',
        x'00000000000000000000000000000009', 1700000000000);
    INSERT INTO refs VALUES ('p', 'é', CAST('plain' AS BLOB), 1, NULL, NULL, NULL, NULL);
    INSERT INTO staging VALUES (x'01010101010101010101010101010101', 'lake/é', x'07', 'etag');
    INSERT INTO staging VALUES (x'01010101010101010101010101010101', 'lake/gone', NULL, NULL);
";

#[tokio::test]
async fn version_1_is_migrated_with_everything_in_it() {
    let file = File::new();
    file.execute(VERSION_1);
    for round in 0..2u64 {
        let store = file.open().await.unwrap();
        let record = RefsBackend::get(&store, &partition(), "record").await.unwrap().unwrap();
        assert_eq!((&*record.value, record.version.0), (&b"main"[..], 3));
        let plain = RefsBackend::get(&store, &partition(), "é").await.unwrap().unwrap();
        assert_eq!((&*plain.value, plain.version.0), (&b"plain"[..], 1));
        let token = Token([1; 16]);
        let page = StagingStore::scan(&store, &[token], "lake/", None, 10).await.unwrap();
        let gone = StagedRow { path: "lake/gone".to_owned(), value: StagedValue::Deleted };
        let there = StagedValue::Present { entry: Bytes::from(vec![7]), etag: "etag".to_owned() };
        assert_eq!(page.rows, [gone, StagedRow { path: "lake/é".to_owned(), value: there }]);
        // The write-id of version 1 is recognised.
        let replayed = store.apply(&partition(), &[put("record", Expect::Absent, "x")], id(9)).await.unwrap();
        assert_eq!(replayed, RefUpdate::Applied(vec![Some(crate::Version(3))]));
        // The fence works, and no version of old comes again.
        let fence = Fence { partition: partition(), key: "record".to_owned(), token };
        assert_eq!(store.put(&fence, &[]).await.unwrap(), Staged::Done);
        let edit = [put("new", Expect::Any, "x")];
        let RefUpdate::Applied(versions) = store.apply(&partition(), &edit, id(100 + round)).await.unwrap()
        else {
            panic!("rejected")
        };
        assert!(versions[0].unwrap().0 > 1 << 32);
        store.close().await;
    }
}

#[tokio::test]
async fn a_newer_schema_and_a_foreign_file_are_refused_by_name() {
    let file = File::new();
    file.open().await.unwrap().close().await;
    file.execute("UPDATE schema_version SET version = 3");
    let refused = file.open().await.unwrap_err();
    assert!(matches!(&refused, RefsError::NewerSchema { found: 3, known: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains("refs.db"), "{refused}");
    file.execute("UPDATE schema_version SET version = 0");
    assert!(matches!(file.open().await.unwrap_err(), RefsError::Damaged { .. }));
    file.execute("DELETE FROM schema_version");
    assert!(matches!(file.open().await.unwrap_err(), RefsError::Damaged { .. }));
    let foreign = File::new();
    std::fs::write(&foreign.path, "this is no database, whatever its name says, and it is long enough")
        .unwrap();
    let refused = foreign.open().await.unwrap_err();
    assert!(matches!(refused, RefsError::Damaged { .. }), "{refused:?}");
    let nowhere = SqliteStore::open(&foreign.path.join("below a file"), clock()).await.unwrap_err();
    assert!(matches!(nowhere, RefsError::Failed { action: "opening", .. }), "{nowhere:?}");
}

#[tokio::test]
async fn what_was_asked_before_close_is_done_and_what_comes_after_fails() {
    let file = File::new();
    let store = file.open().await.unwrap();
    let (p, edit) = (partition(), [put("k", Expect::Absent, "v")]);
    let (applied, ()) = tokio::join!(store.apply(&p, &edit, id(1)), store.close());
    assert!(matches!(applied.unwrap(), RefUpdate::Applied(_)));
    let late = store.apply(&p, &edit, id(2)).await;
    assert!(matches!(late, Err(RefsError::Failed { .. })), "{late:?}");
    let store = file.open().await.unwrap();
    assert_eq!(RefsBackend::get(&store, &p, "k").await.unwrap().unwrap().value, "v");
}

#[tokio::test]
async fn the_file_is_synced_fully_and_read_by_primary_key() {
    let file = File::new();
    let store = file.open().await.unwrap();
    let facts = store.readers.with(|connection| {
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let sync: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        let mut plan = connection
            .prepare("EXPLAIN QUERY PLAN SELECT value FROM refs WHERE partition = x'00' AND key = x'01'")?;
        let steps = plan.query_map([], |row| row.get(3))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok((mode, sync, steps))
    });
    let (mode, sync, steps) = facts.unwrap().unwrap();
    assert_eq!((mode.as_str(), sync), ("wal", 2));
    let search = |step: &&String| step.contains("SEARCH refs USING PRIMARY KEY (partition=? AND key=?)");
    assert_eq!(steps.iter().filter(search).count(), 1, "{steps:?}");
    let writing = store.readers.with(|connection| connection.execute("DELETE FROM refs", []));
    assert!(writing.unwrap().is_err(), "a reader can write");
}
