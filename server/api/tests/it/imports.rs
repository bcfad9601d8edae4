//! Imports: objects of a folder become one commit.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;

const IMPORT: &str = "/repositories/sales/branches/main/import";

/// A server with `sales`, and a folder that it imports from.
async fn server_and_source() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for (name, content) in
        [("raw/a.csv", "a"), ("raw/deep/b.csv", "bb"), ("raw/c.csv", "ccc"), ("rawer/d", "d")]
    {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let server = Server::with_source(root).await;
    server.post("/repositories", r#"{"name": "sales"}"#).await;
    server.put("main", "kept.txt", "kept").await;
    server.put("main", "in/a.csv", "old").await;
    server.commit("main", "first").await;
    (server, folder)
}

fn url(folder: &Path, below: &str) -> String {
    format!("local://{}/{below}", folder.canonicalize().unwrap().display())
}

fn creation(kind: &str, url: &str, destination: &str) -> Value {
    json!({
        "paths": [{"type": kind, "path": url, "destination": destination}],
        "commit": {"message": "imported", "metadata": {"by": "me"}},
    })
}

/// Starts an import and waits for its end.
async fn import(server: &Server, creation: &Value) -> Value {
    let started = server.post(IMPORT, &creation.to_string()).await;
    ended(server, started["id"].as_str().unwrap()).await
}

async fn ended(server: &Server, id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = server.json(&format!("{IMPORT}?id={id}")).await;
        if status["completed"] == true || status["error"].is_object() {
            return status;
        }
        assert!(Instant::now() < deadline, "{status}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_folder_becomes_one_commit_and_no_byte_moves() {
    let (server, folder) = server_and_source().await;
    let status = import(&server, &creation("common_prefix", &url(folder.path(), "raw"), "in")).await;
    assert_eq!((&status["completed"], &status["ingested_objects"]), (&json!(true), &json!(3)), "{status}");
    assert_eq!(status["commit"]["message"], "imported");
    assert_eq!(status["update_time"], "2026-11-22T17:41:59Z");
    assert_eq!(status["commit"]["metadata"], json!({"by": "me"}));
    let log = server.json("/repositories/sales/refs/main/commits").await;
    let messages: Vec<_> =
        log["results"].as_array().unwrap().iter().map(|commit| commit["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["imported", "first", "Repository created"]);
    for (path, content) in [
        ("in/a.csv", "a"),
        ("in/deep/b.csv", "bb"),
        ("in/c.csv", "ccc"),
        ("kept.txt", "kept"),
        ("in/d", "404"),
    ] {
        assert_eq!(server.read("main", path).await, content, "{path}");
    }
    let stat = server.json("/repositories/sales/refs/main/objects/stat?path=in/a.csv").await;
    assert_eq!(stat["physical_address"], url(folder.path(), "raw/a.csv"));
    let branches = server.json("/repositories/sales/branches?show_hidden=true").await;
    assert_eq!(branches["results"].as_array().unwrap().len(), 1, "what it staged on is gone");
    assert_eq!(server.post("/repositories/sales/fsck", "").await["problems"], json!([]));

    let again = import(&server, &creation("common_prefix", &url(folder.path(), "raw/"), "in/")).await;
    assert!(again["error"]["message"].as_str().unwrap().starts_with("no changes"), "{again}");
    std::fs::remove_file(folder.path().join("raw/c.csv")).unwrap();
    assert_eq!(server.read("main", "in/c.csv").await, "410", "its place no longer holds it");
}

#[tokio::test]
async fn one_object_and_whole_folders_come_to_where_they_are_told() {
    let (server, folder) = server_and_source().await;
    let status = import(&server, &creation("object", &url(folder.path(), "raw/c.csv"), "one.csv")).await;
    assert_eq!((&status["completed"], &status["ingested_objects"]), (&json!(true), &json!(1)), "{status}");
    assert_eq!(server.read("main", "one.csv").await, "ccc");
    let all = import(&server, &creation("common_prefix", &url(folder.path(), ""), "")).await;
    assert_eq!(all["ingested_objects"], 4, "{all}");
    assert_eq!(server.read("main", "rawer/d").await, "d");
    let missing = import(&server, &creation("object", &url(folder.path(), "raw/none"), "x")).await;
    assert!(missing["error"]["message"].as_str().unwrap().contains("does not exist"), "{missing}");
}

#[tokio::test]
async fn uncommitted_changes_stay_and_stand_in_the_way_where_they_are() {
    let (server, folder) = server_and_source().await;
    server.put("main", "elsewhere", "x").await;
    let status = import(&server, &creation("common_prefix", &url(folder.path(), "raw"), "new")).await;
    assert_eq!(status["completed"], true, "{status}");
    let staged = server.json("/repositories/sales/branches/main/diff").await;
    assert_eq!(staged["results"][0]["path"], "elsewhere");
    server.put("main", "in/c.csv", "mine").await;
    let status = import(&server, &creation("common_prefix", &url(folder.path(), "raw"), "in")).await;
    let message = status["error"]["message"].as_str().unwrap();
    assert!(message.contains("in/c.csv") && message.contains("Commit or reset"), "{message}");
    assert_eq!(server.read("main", "in/a.csv").await, "old", "nothing was published");
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_at_once() {
    let (server, folder) = server_and_source().await;
    let inside = url(folder.path(), "raw");
    for (what, creation) in [
        ("another place", creation("common_prefix", "local:///etc", "x")),
        ("another store", creation("object", "s3://bucket/key", "x")),
        ("no path", json!({"paths": [], "commit": {"message": "m"}})),
        ("a bad destination", creation("common_prefix", &inside, "../x")),
        ("an empty destination", creation("object", &url(folder.path(), "raw/a.csv"), "")),
        ("a bad kind", creation("folder", &inside, "x")),
        ("no commit", json!({"paths": []})),
        ("too much", creation("common_prefix", &inside, &"x/".repeat(600))),
    ] {
        let answer = server.answer(&format!("POST {IMPORT}\n\n{creation}")).await;
        assert!(answer.starts_with("400\n"), "{what}: {answer}");
    }
    let elsewhere = IMPORT.replace("main", "none");
    let answer =
        server.answer(&format!("POST {elsewhere}\n\n{}", creation("common_prefix", &inside, "x"))).await;
    assert!(answer.starts_with("404\n"), "{answer}");
}

#[tokio::test]
async fn an_import_that_ended_is_not_cancelled_and_an_unknown_one_is_not_found() {
    let (server, folder) = server_and_source().await;
    let started =
        server.post(IMPORT, &creation("common_prefix", &url(folder.path(), "raw"), "in").to_string()).await;
    let id = started["id"].as_str().unwrap().to_owned();
    ended(&server, &id).await;
    assert!(server.answer(&format!("DELETE {IMPORT}?id={id}")).await.starts_with("409\n"));
    for unknown in ["0".repeat(32), "x".into(), String::new()] {
        assert!(server.answer(&format!("GET {IMPORT}?id={unknown}")).await.starts_with("404\n"), "{unknown}");
        assert!(
            server.answer(&format!("DELETE {IMPORT}?id={unknown}")).await.starts_with("404\n"),
            "{unknown}"
        );
    }
    assert!(server.answer(&format!("GET {IMPORT}")).await.starts_with("400\n"));
}

#[tokio::test]
async fn an_object_of_a_source_can_be_staged() {
    let (server, folder) = server_and_source().await;
    let found = import(&server, &creation("object", &url(folder.path(), "raw/c.csv"), "c")).await;
    assert_eq!(found["completed"], true);
    let body =
        json!({"physical_address": url(folder.path(), "raw/c.csv"), "checksum": "other", "size_bytes": 3});
    let put = format!("PUT /repositories/sales/branches/main/objects?path=staged\n\n{body}");
    let refused = server.answer(&put).await;
    assert!(refused.starts_with("400\n") && refused.contains("has 3 bytes and the checksum"), "{refused}");
    let checksum = refused.split("the checksum ").nth(1).unwrap().split(',').next().unwrap();
    assert!(server.answer(&put.replace("other", checksum)).await.starts_with("201\n"));
    assert_eq!(server.read("main", "staged").await, "ccc");
    let elsewhere = put.replace(&url(folder.path(), "raw/c.csv"), "local:///etc/passwd");
    assert!(server.answer(&elsewhere).await.starts_with("400\n"));
}

#[tokio::test]
async fn branches_that_clients_left_behind_expire() {
    let server = Server::with_sales().await;
    server.branch("delta-tx-1", "main").await;
    server.branch("dev", "main").await;
    assert_eq!(server.app.expire_transactions(1_000).await.unwrap(), 0);
    server.advance(1_001);
    assert_eq!(server.app.expire_transactions(1_000).await.unwrap(), 1);
    let branches = server.json("/repositories/sales/branches").await;
    let names: Vec<_> = branches["results"].as_array().unwrap().iter().map(|branch| &branch["id"]).collect();
    assert_eq!(names, ["dev", "main"]);
}
