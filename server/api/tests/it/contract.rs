//! The document of the interface, and how much of lakeFS's it serves.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use expect_test::expect_file;
use http::Request;

use crate::server::Server;

const OPERATIONS: &str = include_str!("../../lakefs/operations.txt");
const NOT_SERVED: &str = include_str!("../../lakefs/not_served.txt");

/// Operations of our own, which lakeFS does not have.
const OURS: [&str; 5] = ["checkRepository", "diffTables", "headLink", "readLink", "writeLink"];

/// What needs no credentials, with its answer to an empty request. The links need the signature in their address.
const OPEN: [(&str, u16); 4] =
    [("headLink", 400), ("healthCheck", 204), ("readLink", 400), ("writeLink", 400)];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// Operation ids, each with its method and path.
fn served() -> BTreeMap<String, (String, String)> {
    let document = serde_json::to_value(anabranch_api::openapi()).unwrap();
    let mut found = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let before = found.insert(id.clone(), (method.to_uppercase(), path.clone()));
            assert!(before.is_none(), "{id} stands twice");
        }
    }
    found
}

/// The path with its parameters nameless.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// `UPDATE_EXPECT=1` writes the file anew.
#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let document = anabranch_api::openapi().to_pretty_json().unwrap();
    expect_file!["../../openapi.json"].assert_eq(&format!("{document}\n"));
}

#[test]
fn what_is_served_stands_where_lakefs_clients_look_for_it() {
    let mut published = BTreeMap::new();
    for line in lines(OPERATIONS) {
        let mut words = line.split(' ');
        let (id, method, path) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        published.insert(id, (method, path));
    }
    for (id, (method, path)) in served() {
        if OURS.contains(&id.as_str()) {
            assert!(!published.contains_key(id.as_str()), "{id} is lakeFS's");
            continue;
        }
        let (published_method, published_path) = published[id.as_str()];
        assert_eq!(method, published_method, "{id}");
        assert_eq!(shape(&path), shape(published_path), "{id}");
    }
}

#[test]
fn the_list_of_operations_that_are_not_served_is_true() {
    let served: BTreeSet<_> = served().into_keys().collect();
    let missing: Vec<_> = lines(OPERATIONS)
        .filter_map(|line| line.split(' ').next())
        .filter(|id| !served.contains(*id))
        .collect();
    let listed: Vec<_> = lines(NOT_SERVED).map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(listed, missing, "lakefs/not_served.txt: take out what is served; it only shrinks");
}

#[tokio::test]
async fn nothing_but_the_health_check_is_served_without_credentials() {
    let server = Server::with_sales().await;
    for (id, (method, path)) in served() {
        let path: String = path.replace(['{', '}'], "");
        let request =
            Request::builder().method(&*method).uri(format!("/api/v1{path}")).body(Body::empty()).unwrap();
        let status = server.send(request).await.status();
        let expected = OPEN.iter().find(|(open, _)| *open == id).map_or(401, |(_, status)| *status);
        assert_eq!(status, expected, "{id}: {method} {path}");
    }
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let server = Server::with_sales().await;
    for (id, (method, path)) in served() {
        if matches!(method.as_str(), "GET" | "HEAD")
            || ["checkRepository", "writeLink"].contains(&id.as_str())
        {
            continue;
        }
        let path = path.replace("{repository}", "sales").replace("{branch}", "main");
        let path =
            path.replace("{tag}", "v1").replace("{sourceRef}", "main").replace("{destinationBranch}", "main");
        let body = "{\"name\": \"new\", \"id\": \"t\", \"ref\": \"main\", \"source\": \"main\", \"message\": \"m\", \
                    \"type\": \"reset\", \"src_path\": \"a.txt\", \"metadata\": {}, \"keys\": [], \"set\": {}, \"staging\": {\"physical_address\": \"x\"}, \
                    \"physical_address\": \"x\", \"checksum\": \"x\", \"size_bytes\": 1, \"commit\": {\"message\": \"m\"}, PATHS}";
        let paths = if id == "importStart" { "\"paths\": []" } else { "\"paths\": [\"a.txt\"]" };
        let body = body.replace("PATHS", paths);
        let query = "path=a.txt&dest_path=b.txt&id=0123&ref=main";
        let answer = server.answer(&format!("{method} {path}?{query}\nAs: reader\n\n{body}")).await;
        assert!(answer.starts_with("403\n"), "{id}: {answer}");
    }
}
