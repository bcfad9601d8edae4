//! A process that writes is killed at seeded moments; whatever it acknowledged is there afterwards.
//!
//! The child is this test binary again, told by an environment variable to write instead of to kill.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anabranch_refs::{
    Condition, ConditionalRow, Edit, Expect, Fence, FenceMark, Operation, Partition, RefUpdate, RefsBackend,
    ScanRange, Staged, StagedRow, StagedValue, StagingStore, Token, WriteId,
};
use bytes::Bytes;

const CHILD: &str = "ANABRANCH_TEST_DURABILITY_CHILD";
const CALLERS: u64 = 8;

/// A store by both of its traits.
type Both = (Arc<dyn RefsBackend>, Arc<dyn StagingStore>);

fn both<S: RefsBackend + StagingStore + 'static>(store: S) -> Both {
    let store = Arc::new(store);
    (store.clone(), store)
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_what_was_acknowledged_before_a_kill() {
    let open = async |path: String| {
        let path = std::path::Path::new(&path);
        both(anabranch_refs::SqliteStore::open(path, crate::clock()).await.unwrap())
    };
    if let Some((round, path)) = child() {
        return write_until_killed(open(path).await, round).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refs.db").display().to_string();
    for round in 0..6 {
        let test = "durability::sqlite_keeps_what_was_acknowledged_before_a_kill";
        let acknowledged = kill_after(test, round, &path);
        check(open(path.clone()).await, round, &acknowledged).await;
    }
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_what_was_acknowledged_before_a_kill() {
    use anabranch_refs::{PostgresConfig, PostgresStore};
    let open =
        async |config: PostgresConfig| both(PostgresStore::open(&config, crate::clock()).await.unwrap());
    if let Some((round, schema)) = child() {
        let url = std::env::var("ANABRANCH_TEST_POSTGRES_URL").unwrap();
        let config =
            PostgresConfig { url, schema, connections_max: 8, wait: std::time::Duration::from_secs(10) };
        return write_until_killed(open(config).await, round).await;
    }
    let Some(config) = crate::postgres::config("durability").await else { return };
    for round in 0..3 {
        let test = "durability::postgres_keeps_what_was_acknowledged_before_a_kill";
        let acknowledged = kill_after(test, round, &config.schema);
        check(open(config.clone()).await, round, &acknowledged).await;
    }
}

/// The round and the place, if this process is the one to be killed.
fn child() -> Option<(u64, String)> {
    let told = std::env::var(CHILD).ok()?;
    let (round, place) = told.split_once(' ').unwrap();
    Some((round.parse().unwrap(), place.to_owned()))
}

/// Starts the child, kills it after a seeded number of acknowledgements, and gives all that it had printed.
fn kill_after(test: &str, round: u64, place: &str) -> BTreeSet<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(CHILD, format!("{round} {place}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let moment = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 300 + 1;
    let mut acknowledged = BTreeSet::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The last line may be torn, and the test harness prints some of its own.
        let Some(name) = line.strip_prefix("done ").and_then(|rest| rest.strip_suffix(" .")) else {
            continue;
        };
        acknowledged.insert(name.to_owned());
        if acknowledged.len() as u64 == moment {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() as u64 >= moment, "the child ended by itself after {acknowledged:?}");
    acknowledged
}

fn partition(round: u64) -> Partition {
    Partition(format!("round {round}"))
}

fn fence(round: u64) -> Fence {
    Fence { partition: partition(round), key: "record".to_owned(), token: Token([round as u8 + 1; 16]) }
}

fn put(key: String, expect: Expect, fence: Option<FenceMark>) -> Edit {
    let value = Bytes::from(key.clone());
    Edit { key, expect, operation: Operation::Put { value, fence } }
}

fn staged(path: String) -> StagedRow {
    let value = StagedValue::Present { entry: Bytes::from(path.clone()), etag: "e".to_owned() };
    StagedRow { path, value }
}

/// Writes in all ways and tells of each write that was answered, until the process is killed.
async fn write_until_killed((refs, staging): Both, round: u64) {
    let mark = FenceMark { token: fence(round).token, head: [0; 32] };
    let record = [put("record".to_owned(), Expect::Absent, Some(mark))];
    let id = move |caller: u64, n: u64| WriteId(u128::from(round << 48 | caller << 32 | n).to_be_bytes());
    refs.apply(&partition(round), &record, id(CALLERS, 0)).await.unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (refs, staging) = (refs.clone(), staging.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let name = format!("{caller}-{n}");
                    // Two keys at once: a kill must leave both or none.
                    let edits = ["one", "two"].map(|key| put(format!("{key} {name}"), Expect::Absent, None));
                    let applied = refs.apply(&partition(round), &edits, id(caller, n)).await.unwrap();
                    assert!(matches!(applied, RefUpdate::Applied(_)));
                    tell(&format!("apply {name}"));
                    let rows = ["one", "two"].map(|path| staged(format!("{path} {name}")));
                    assert_eq!(staging.put(&fence(round), &rows).await.unwrap(), Staged::Done);
                    tell(&format!("put {name}"));
                    let row = ConditionalRow {
                        row: staged(format!("conditional {name}")),
                        condition: Condition::Absent,
                        sealed: vec![],
                        head: [0; 32],
                        in_head: None,
                    };
                    assert_eq!(staging.put_if(&fence(round), &row).await.unwrap(), Staged::Done);
                    tell(&format!("conditional {name}"));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

fn tell(name: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more once the parent has what it wants.
    let _ = out.write_all(format!("done {name} .\n").as_bytes()).and_then(|()| out.flush());
}

/// Whether everything acknowledged is there, and nothing by half.
async fn check((refs, staging): Both, round: u64, acknowledged: &BTreeSet<String>) {
    let page = refs.scan(&partition(round), &ScanRange::default(), usize::MAX).await.unwrap();
    let keys: BTreeSet<_> = page.rows.iter().map(|(key, _)| key.as_str()).collect();
    let page = staging.scan(&[fence(round).token], "", None, usize::MAX).await.unwrap();
    let paths: BTreeSet<_> = page.rows.iter().map(|row| row.path.as_str()).collect();
    for done in acknowledged {
        let (kind, name) = done.split_once(' ').unwrap();
        let there = match kind {
            "apply" => keys.contains(&*format!("one {name}")),
            "put" => paths.contains(&*format!("one {name}")),
            _ => paths.contains(&*format!("conditional {name}")),
        };
        assert!(there, "round {round}: {done:?} was acknowledged and is gone");
    }
    for names in [&keys, &paths] {
        let half = |first: &str| {
            let names = names.iter().filter_map(|name| name.strip_prefix(first));
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(half("one "), half("two "), "round {round}: a write took place by half");
    }
}
