//! Objects in S3, against a real server process that the test command starts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anabranch_storage::{
    ObjectStorage, ObjectStorageExt, PutMode, PutOutcome, RemoteStorage, S3Config, SegmentWriter,
    StorageError, conformance,
};
use anabranch_types::ObjectKey;
use anabranch_types::test_support::{ManualClock, SeededIds};
use futures::TryStreamExt;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::{Loses, lossy_proxy};

/// The server's address as `127.0.0.1:PORT`, or `None` after saying why the test is skipped.
fn server(test: &str) -> Option<String> {
    match std::env::var("ANABRANCH_TEST_S3_ENDPOINT") {
        Ok(endpoint) => Some(endpoint.trim_start_matches("http://").trim_end_matches('/').to_string()),
        Err(_) => {
            let required = std::env::var("ANABRANCH_TEST_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!required, "{test} needs a server: set ANABRANCH_TEST_S3_ENDPOINT");
            eprintln!("{test} is skipped: ANABRANCH_TEST_S3_ENDPOINT names no S3 server");
            None
        }
    }
}

/// Makes a bucket that is this run's own.
async fn make_bucket(server: &str, test: &str) -> String {
    let bucket = format!("{test}-{}", std::process::id());
    let mut connection = TcpStream::connect(server).await.unwrap();
    let request =
        format!("PUT /{bucket} HTTP/1.1\r\nHost: {server}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    bucket
}

fn open(server: &str, bucket: &str, prefix: &str, seed: u64) -> RemoteStorage {
    let config = S3Config {
        endpoint: Some(format!("http://{server}")),
        region: "us-east-1".to_string(),
        bucket: bucket.to_string(),
        prefix: prefix.to_string(),
        access_key_id: "test".to_string(),
        secret_access_key: "test-secret".to_string(),
        allow_http: true,
    };
    assert!(!format!("{config:?}").contains("test-secret"), "a secret is never printed");
    RemoteStorage::s3(&config, Arc::new(SeededIds::new(seed))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_conforms() {
    let Some(server) = server("s3_conforms") else { return };
    let bucket = make_bucket(&server, "conforms").await;
    let neighbour = open(&server, &bucket, "", 1);
    for key in ["run", "run-a", "run0"] {
        neighbour.put(&ObjectKey::new(key), "not below the prefix".into(), PutMode::Create).await.unwrap();
    }
    let storage: Arc<dyn ObjectStorage> = Arc::new(open(&server, &bucket, "run/of this", 2));
    conformance::all(storage.as_ref()).await;
    conformance::retried_writes(&storage).await;
    conformance::lost_replies(&storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_conforms_without_a_prefix() {
    let Some(server) = server("s3_conforms_without_a_prefix") else { return };
    let bucket = make_bucket(&server, "bare").await;
    let storage = open(&server, &bucket, "", 3);
    conformance::conditional_puts(&storage).await;
    conformance::listing_order(&storage).await;
    conformance::listing_pages(&storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_bodies_share_an_object_on_s3() {
    let Some(server) = server("small_bodies_share_an_object_on_s3") else { return };
    let bucket = make_bucket(&server, "segments").await;
    let storage: Arc<dyn ObjectStorage> = Arc::new(open(&server, &bucket, "", 4));
    let (clock, ids) = (Arc::new(ManualClock::at(1_767_225_600_000)), Arc::new(SeededIds::new(5)));
    let writer = SegmentWriter::new(Arc::clone(&storage), clock, ids);
    let addresses = join_all((0..100).map(|at| writer.append(format!("body {at}").into()))).await;
    for (at, address) in addresses.into_iter().enumerate() {
        assert_eq!(storage.read(&address.unwrap()).await.unwrap(), format!("body {at}"));
    }
    let objects: Vec<_> = storage.list("data/", None).try_collect().await.unwrap();
    assert!(objects.len() <= 10, "{objects:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_named() {
    let Some(server) = server("a_bucket_that_is_not_there_is_named") else { return };
    let storage = open(&server, "no-such-bucket", "", 6);
    let put = storage.put(&ObjectKey::new("a"), "x".into(), PutMode::Create).await;
    let error = put.unwrap_err();
    assert!(error.to_string().contains("no-such-bucket"), "{error}");
    let listed: Result<Vec<_>, _> = storage.list("", None).try_collect().await;
    assert!(listed.is_err());
}

async fn head_etag(storage: &RemoteStorage, key: &ObjectKey) -> PutOutcome {
    PutOutcome::Stored(storage.head(key).await.unwrap().etag)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conditional_write_whose_reply_was_lost_is_recognised() {
    let Some(server) = server("a_conditional_write_whose_reply_was_lost_is_recognised") else { return };
    let bucket = make_bucket(&server, "lost-reply").await;
    let direct = open(&server, &bucket, "", 7);
    let key = ObjectKey::new("head");

    let (proxy, left) = lossy_proxy(server.clone(), Loses::Reply, 1).await;
    let created = open(&proxy, &bucket, "", 8).put(&key, "one".into(), PutMode::Create).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), &created), (0, &head_etag(&direct, &key).await));
    let PutOutcome::Stored(etag) = created else { panic!("the create landed") };

    let (proxy, left) = lossy_proxy(server.clone(), Loses::Reply, 1).await;
    let lossy = open(&proxy, &bucket, "", 9);
    let updated = lossy.put(&key, "two".into(), PutMode::Update(etag.clone())).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), updated), (0, head_etag(&direct, &key).await));
    assert_eq!(lossy.put(&key, "three".into(), PutMode::Update(etag)).await.unwrap(), PutOutcome::Refused);

    let (proxy, left) = lossy_proxy(server.clone(), Loses::Reply, 1).await;
    let overwritten =
        open(&proxy, &bucket, "", 10).put(&key, "four".into(), PutMode::Overwrite).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), overwritten), (0, head_etag(&direct, &key).await));
    assert_eq!(direct.get(&key, None).await.unwrap(), "four");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conditional_write_that_never_arrived_is_sent_again() {
    let Some(server) = server("a_conditional_write_that_never_arrived_is_sent_again") else { return };
    let bucket = make_bucket(&server, "lost-request").await;
    let key = ObjectKey::new("head");
    let (proxy, left) = lossy_proxy(server.clone(), Loses::Request, 2).await;
    let stored = open(&proxy, &bucket, "", 11).put(&key, "one".into(), PutMode::Create).await.unwrap();
    let direct = open(&server, &bucket, "", 12);
    assert_eq!((left.load(Ordering::SeqCst), stored), (0, head_etag(&direct, &key).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_while_nothing_landed_is_no_lost_race() {
    let Some(server) = server("a_conflict_while_nothing_landed_is_no_lost_race") else { return };
    let bucket = make_bucket(&server, "conflict").await;
    let (key, direct) = (ObjectKey::new("head"), open(&server, &bucket, "", 14));
    let (proxy, left) = lossy_proxy(server.clone(), Loses::Race, 1).await;
    let created = open(&proxy, &bucket, "", 15).put(&key, "one".into(), PutMode::Create).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), &created), (0, &head_etag(&direct, &key).await));

    let PutOutcome::Stored(etag) = created else { panic!("the create landed") };
    let (proxy, left) = lossy_proxy(server.clone(), Loses::Race, 1).await;
    let lossy = open(&proxy, &bucket, "", 16);
    let updated = lossy.put(&key, "two".into(), PutMode::Update(etag.clone())).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), updated), (0, head_etag(&direct, &key).await));

    let (proxy, _) = lossy_proxy(server.clone(), Loses::Race, 1).await;
    let late = open(&proxy, &bucket, "", 17).put(&key, "three".into(), PutMode::Update(etag)).await.unwrap();
    assert_eq!(late, PutOutcome::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_last_reply_was_lost_is_recognised() {
    let Some(server) = server("an_upload_whose_last_reply_was_lost_is_recognised") else { return };
    let bucket = make_bucket(&server, "lost-upload").await;
    let key = ObjectKey::new("large");
    let (proxy, left) = lossy_proxy(server.clone(), Loses::CompletionReply, 1).await;
    let mut upload = open(&proxy, &bucket, "", 18).upload(&key).await.unwrap();
    upload.write(vec![1; 9 << 20].into()).await.unwrap();
    let etag = upload.finish().await.unwrap();
    let head = open(&server, &bucket, "", 19).head(&key).await.unwrap();
    assert_eq!((left.load(Ordering::SeqCst), head.size, head.etag), (0, 9 << 20, etag));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unanswered_write_is_unknown_when_the_server_cannot_be_asked() {
    let Some(server) = server("an_unanswered_write_is_unknown_when_the_server_cannot_be_asked") else {
        return;
    };
    let bucket = make_bucket(&server, "unknown").await;
    let key = ObjectKey::new("head");
    let (proxy, _) = lossy_proxy(server.clone(), Loses::Request, usize::MAX).await;
    let result = open(&proxy, &bucket, "", 13).put(&key, "one".into(), PutMode::Create).await;
    assert!(matches!(result, Err(StorageError::Unknown { .. })), "{result:?}");
}
