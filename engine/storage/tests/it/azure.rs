//! Objects in Azure Blob Storage, against a real server process that the test command starts.

use std::sync::Arc;

use anabranch_storage::{AzureConfig, ObjectStorage, PutMode, PutOutcome, RemoteStorage, conformance};
use anabranch_types::ObjectKey;
use anabranch_types::test_support::SeededIds;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::{Loses, lossy_proxy};

/// The account that every server for tests knows, and its published key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The server's address as `127.0.0.1:PORT`, or `None` after saying why the test is skipped.
fn server(test: &str) -> Option<String> {
    match std::env::var("ANABRANCH_TEST_AZURE_ENDPOINT") {
        Ok(endpoint) => Some(endpoint.trim_start_matches("http://").trim_end_matches('/').to_string()),
        Err(_) => {
            let required = std::env::var("ANABRANCH_TEST_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!required, "{test} needs a server: set ANABRANCH_TEST_AZURE_ENDPOINT");
            eprintln!("{test} is skipped: ANABRANCH_TEST_AZURE_ENDPOINT names no Azure server");
            None
        }
    }
}

/// Makes a container that is this run's own.
async fn make_container(server: &str, test: &str) -> String {
    const DATE: &str = "Sun, 22 Nov 2026 17:41:58 GMT";
    const VERSION: &str = "2021-08-06";
    let container = format!("{test}-{}", std::process::id());
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container");
    let signed = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{DATE}\nx-ms-version:{VERSION}\n{resource}");
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, KEY).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    let signature =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac.finalize().into_bytes());
    let request = format!(
        "PUT /{ACCOUNT}/{container}?restype=container HTTP/1.1\r\nHost: {server}\r\nContent-Length: 0\r\n\
         x-ms-date: {DATE}\r\nx-ms-version: {VERSION}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n\
         Connection: close\r\n\r\n"
    );
    let mut connection = TcpStream::connect(server).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    container
}

fn open(server: &str, container: &str, prefix: &str, seed: u64) -> RemoteStorage {
    let config = AzureConfig {
        endpoint: Some(format!("http://{server}/{ACCOUNT}")),
        account: ACCOUNT.to_string(),
        access_key: KEY.to_string(),
        container: container.to_string(),
        prefix: prefix.to_string(),
        allow_http: true,
    };
    assert!(!format!("{config:?}").contains(KEY), "a key is never printed");
    RemoteStorage::azure(&config, Arc::new(SeededIds::new(seed))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_conforms() {
    let Some(server) = server("azure_conforms") else { return };
    let container = make_container(&server, "conforms").await;
    let neighbour = open(&server, &container, "", 1);
    for key in ["run", "run-a", "run0"] {
        neighbour.put(&ObjectKey::new(key), "not below the prefix".into(), PutMode::Create).await.unwrap();
    }
    let storage: Arc<dyn ObjectStorage> = Arc::new(open(&server, &container, "run/of this", 2));
    conformance::all(storage.as_ref()).await;
    conformance::retried_writes(&storage).await;
    conformance::lost_replies(&storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_azure_write_whose_reply_was_lost_is_recognised() {
    let Some(server) = server("an_azure_write_whose_reply_was_lost_is_recognised") else { return };
    let container = make_container(&server, "lost").await;
    let direct = open(&server, &container, "", 3);
    let key = ObjectKey::new("head");
    let (proxy, left) = lossy_proxy(server.clone(), Loses::Reply, 1).await;
    let created = open(&proxy, &container, "", 4).put(&key, "one".into(), PutMode::Create).await.unwrap();
    let etag = direct.head(&key).await.unwrap().etag;
    assert_eq!(
        (left.load(std::sync::atomic::Ordering::SeqCst), &created),
        (0, &PutOutcome::Stored(etag.clone()))
    );

    let (proxy, left) = lossy_proxy(server.clone(), Loses::Reply, 1).await;
    let lossy = open(&proxy, &container, "", 5);
    let updated = lossy.put(&key, "two".into(), PutMode::Update(etag.clone())).await.unwrap();
    let after = direct.head(&key).await.unwrap().etag;
    assert_eq!((left.load(std::sync::atomic::Ordering::SeqCst), updated), (0, PutOutcome::Stored(after)));
    assert_eq!(lossy.put(&key, "three".into(), PutMode::Update(etag)).await.unwrap(), PutOutcome::Refused);
}
