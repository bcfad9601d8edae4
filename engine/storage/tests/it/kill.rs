//! A process that is killed while it writes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anabranch_storage::{LocalStorage, ObjectStorage, ObjectStorageExt, PutMode, SegmentWriter};
use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Address, ObjectKey};
use bytes::Bytes;
use futures::TryStreamExt;

const FOLDER: &str = "ANABRANCH_TEST_KILL_FOLDER";
const ROUND: &str = "ANABRANCH_TEST_KILL_ROUND";

fn body(key: &str) -> Bytes {
    key.as_bytes().repeat(2_000).into()
}

/// The process that is killed. Says on stderr what it was promised, after each promise. Run by itself, it
/// only checks that nobody left its variables set.
#[test]
fn writer_process() {
    let (Ok(folder), Ok(round)) = (std::env::var(FOLDER), std::env::var(ROUND)) else {
        assert!(std::env::var(FOLDER).is_err() && std::env::var(ROUND).is_err());
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let storage = Arc::new(LocalStorage::open(Path::new(&folder)).unwrap());
        let ids = Arc::new(SeededIds::new(round.parse().unwrap()));
        let writer = SegmentWriter::new(storage.clone(), Arc::new(ManualClock::at(0)), ids);
        for ordinal in 0_u64.. {
            let name = format!("put/{round}/{}/{ordinal}", ordinal % 5);
            let putting = async {
                let key = ObjectKey::new(name.as_str());
                storage.put(&key, body(&name), PutMode::Create).await.unwrap();
                storage.put(&ObjectKey::new("counter"), body(&name), PutMode::Overwrite).await.unwrap();
                eprintln!("put {name}");
            };
            let appending = async {
                let text = format!("small/{round}/{ordinal}");
                let Address { object, offset, length } = writer.append(text.clone().into()).await.unwrap();
                eprintln!("appended {text} {object} {offset} {length}");
            };
            tokio::join!(putting, appending);
        }
    });
}

#[tokio::test]
async fn what_was_promised_before_a_kill_is_there_and_the_rest_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut promised = BTreeMap::new();
    for (round, lines) in [1, 2, 7, 30, 61].into_iter().enumerate() {
        promised.extend(run_and_kill(folder.path(), round, lines));
        let storage = LocalStorage::open(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("%tmp")).unwrap().count(), 0);
        for (text, address) in &promised {
            match address {
                Some(address) => assert_eq!(storage.read(address).await.unwrap(), text.as_bytes()),
                None => {
                    assert_eq!(storage.get(&ObjectKey::new(text.as_str()), None).await.unwrap(), body(text))
                }
            }
        }
        let listed: Vec<_> = storage.list("put/", None).try_collect().await.unwrap();
        for object in listed {
            assert_eq!(storage.get(&object.key, None).await.unwrap(), body(object.key.as_str()));
        }
        if let Ok(counter) = storage.get(&ObjectKey::new("counter"), None).await {
            let name = &counter[..counter.len() / 2_000];
            assert_eq!(counter, body(std::str::from_utf8(name).unwrap()), "one whole version");
        }
    }
    assert!(promised.len() >= 101);
}

/// Runs the process until it has said so many lines, kills it, and answers all that it said.
fn run_and_kill(folder: &Path, round: usize, lines: usize) -> BTreeMap<String, Option<Address>> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writer_process", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut promises: Vec<String> = said.by_ref().take(lines).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    promises.extend(said.map(Result::unwrap));
    assert!(promises.len() >= lines, "the process ended by itself: {promises:?}");
    promises.iter().filter_map(|line| read_promise(line)).collect()
}

/// Reads a line of the process; one that the kill cut off is no promise.
fn read_promise(line: &str) -> Option<(String, Option<Address>)> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["put", name] => Some((name.to_string(), None)),
        ["appended", text, object, offset, length] => {
            let (offset, length) = (offset.parse().ok()?, length.parse().ok()?);
            Some((text.to_string(), Some(Address { object: ObjectKey::new(*object), offset, length })))
        }
        other => panic!("the process said {other:?}"),
    }
}
