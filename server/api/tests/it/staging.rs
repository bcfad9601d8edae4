//! Objects that clients write by themselves and link, and signed addresses.

use axum::body::Body;
use expect_test::expect;
use http::header::{ETAG, LOCATION};
use http::{Request, StatusCode};
use serde_json::Value;

use crate::server::{Server, admin, text};

const MD5_OF_GAMMA: &str = "05b048d7242cb7b8b57cfa3b1d65ecea";

/// What a signed address is asked for, without credentials: status and body.
async fn follow(server: &Server, method: &str, url: &str, body: &str, range: Option<&str>) -> (u16, String) {
    let uri = url.strip_prefix("http://127.0.0.1").unwrap_or(url);
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let response = server.send(request.body(Body::from(body.to_owned())).unwrap()).await;
    (response.status().as_u16(), text(response).await)
}

async fn address(server: &Server, path: &str) -> (String, String) {
    let found = server
        .json(&format!("/repositories/sales/branches/main/staging/backing?path={path}&presign=true"))
        .await;
    let field = |name: &str| found[name].as_str().unwrap().to_owned();
    assert!(found["presigned_url_expiry"].as_i64().unwrap() > 1_795_369_318);
    (field("physical_address"), field("presigned_url"))
}

fn link(path: &str, address: &str, checksum: &str, size: i64, headers: &str) -> String {
    format!(
        "PUT /repositories/sales/branches/main/staging/backing?path={path}{headers}\n\n{{\"staging\": \
         {{\"physical_address\": \"{address}\"}}, \"checksum\": \"{checksum}\", \"size_bytes\": {size}, \
         \"user_metadata\": {{\"by\": \"me\"}}, \"content_type\": \"text/plain\"}}"
    )
}

#[tokio::test]
async fn an_object_is_written_to_its_address_and_linked() {
    let server = Server::with_sales().await;
    let (place, url) = address(&server, "new.txt").await;
    let parts: Vec<_> = place.strip_prefix("mem://sales/").unwrap().split('/').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("data", 20, 20));
    let early = server.answer(&link("new.txt", &place, MD5_OF_GAMMA, 5, "")).await;
    assert!(early.starts_with("400") && early.contains("nothing was written"), "{early}");
    let put = Request::builder().method("PUT").uri(url.strip_prefix("http://127.0.0.1").unwrap());
    let put = server.send(put.body(Body::from("gamma")).unwrap()).await;
    assert_eq!(
        (put.status(), put.headers()[ETAG].to_str().unwrap()),
        (StatusCode::OK, &*format!("\"{MD5_OF_GAMMA}\""))
    );
    assert_eq!(server.read("main", "new.txt").await, "404", "at no path until it is linked");
    server
        .check(
            &link("new.txt", &place, MD5_OF_GAMMA, 5, ""),
            expect![[r#"
        200
        {
          "path": "new.txt",
          "path_type": "object",
          "physical_address": "mem://sales/data/KEY/KEY",
          "checksum": "05b048d7242cb7b8b57cfa3b1d65ecea",
          "size_bytes": 5,
          "mtime": 1795369319,
          "metadata": {
            "by": "me"
          },
          "content_type": "text/plain"
        }
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "new.txt").await, "gamma");
    for (what, request) in [
        ("size", link("new.txt", &place, MD5_OF_GAMMA, 6, "")),
        ("checksum", link("new.txt", &place, &"0".repeat(32), 5, "")),
        ("path", link("other.txt", &place, MD5_OF_GAMMA, 5, "")),
        (
            "address",
            link(
                "new.txt",
                "mem://sales/data/00000000000000000000/00000000000000000000",
                MD5_OF_GAMMA,
                5,
                "",
            ),
        ),
        ("elsewhere", link("new.txt", "s3://other/data", MD5_OF_GAMMA, 5, "")),
        ("negative", link("new.txt", &place, MD5_OF_GAMMA, -1, "")),
        ("empty", link("new.txt", "", MD5_OF_GAMMA, 5, "")),
    ] {
        let answer = server.answer(&request).await;
        assert!(answer.starts_with("400\n"), "{what}: {answer}");
    }
    let taken = server.answer(&link("new.txt", &place, MD5_OF_GAMMA, 5, "\nIf-None-Match: *")).await;
    assert!(taken.starts_with("412\n"), "{taken}");
}

#[tokio::test]
async fn a_signed_address_writes_once_and_ends() {
    let server = Server::with_sales().await;
    let (_, url) = address(&server, "new.txt").await;
    assert_eq!(follow(&server, "PUT", &url, "gamma", None).await.0, 200);
    assert_eq!(follow(&server, "PUT", &url, "gamma", None).await.0, 200, "the reply may have been lost");
    let (status, body) = follow(&server, "PUT", &url, "delta", None).await;
    assert_eq!(status, 403);
    assert!(body.contains("another object was written by it already"), "{body}");
    assert_eq!(follow(&server, "GET", &url, "", None).await.0, 403, "it only writes");
    let (_, other) = address(&server, "new.txt").await;
    let (_, forged) = (url.clone(), other.replace("object=data", "object=date"));
    assert_eq!(follow(&server, "PUT", &forged, "gamma", None).await.0, 403);
    server.advance(15 * 60 * 1000);
    let (status, body) = follow(&server, "PUT", &other, "gamma", None).await;
    assert_eq!(status, 403);
    assert!(body.contains("it has ended"), "{body}");
}

#[tokio::test]
async fn reads_are_signed_when_they_are_asked_to_be() {
    let server = Server::with_sales().await;
    let stat = server.json("/repositories/sales/refs/main/objects/stat?path=a.txt&presign=true").await;
    let url = stat["physical_address"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1/api/v1/links/sales?object=data"), "{url}");
    assert_eq!(stat["physical_address_expiry"].as_i64(), Some(1_795_369_319 + 900));
    assert_eq!(follow(&server, "GET", &url, "", None).await, (200, "alpha".into()));
    assert_eq!(follow(&server, "GET", &url, "", Some("bytes=1-2")).await, (206, "lp".into()));
    assert_eq!(follow(&server, "HEAD", &url, "", None).await, (200, String::new()));
    assert_eq!(follow(&server, "GET", &url, "", Some("bytes=9-")).await.0, 416);
    assert_eq!(follow(&server, "PUT", &url, "x", None).await.0, 403, "it only reads");
    assert_eq!(follow(&server, "GET", &url.replace("offset=0", "offset=1"), "", None).await.0, 403);
    assert_eq!(follow(&server, "GET", &url.replace("sales", "other"), "", None).await.0, 403);
    server
        .check(
            "GET /repositories/sales/refs/main/objects/stat?path=a.txt\nShow: content-type",
            expect![[r#"
                200
                content-type: application/json
                {
                  "path": "a.txt",
                  "path_type": "object",
                  "physical_address": "mem://sales/data/KEY/KEY#0+5",
                  "checksum": "2c1743a391305fbf367df8e4f069f9f9",
                  "size_bytes": 5,
                  "mtime": 1795369318,
                  "metadata": {},
                  "content_type": "application/octet-stream"
                }
            "#]],
        )
        .await;

    let listed = server.json("/repositories/sales/refs/main/objects/ls?presign=true&delimiter=/").await;
    let first: &Value = &listed["results"][0];
    let listed_url = first["physical_address"].as_str().unwrap();
    assert_eq!(follow(&server, "GET", listed_url, "", None).await, (200, "alpha".into()));
    assert_eq!(listed["results"][1]["physical_address"].as_str(), Some(""), "a common prefix has no address");

    let get = admin("GET", "/repositories/sales/refs/main/objects?path=dir/b.txt&presign=true");
    let get = server.send(get.header("host", "lake.example:8000").body(Body::empty()).unwrap()).await;
    assert_eq!(get.status(), StatusCode::FOUND);
    let location = get.headers()[LOCATION].to_str().unwrap().to_owned();
    let path = location.strip_prefix("http://lake.example:8000").unwrap();
    assert_eq!(follow(&server, "GET", path, "", None).await, (200, "beta".into()));
    server.advance(15 * 60 * 1000);
    assert_eq!(follow(&server, "GET", path, "", None).await.0, 403);
}

#[tokio::test]
async fn what_is_read_by_a_signed_address_is_an_attachment_too() {
    let server = Server::with_sales().await;
    let stat = server.json("/repositories/sales/refs/main/objects/stat?path=a.txt&presign=true").await;
    let url = stat["physical_address"].as_str().unwrap().strip_prefix("http://127.0.0.1").unwrap().to_owned();
    let response = server.send(Request::get(url).body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["content-disposition"], "attachment");
    assert_eq!(response.headers()["etag"].to_str().unwrap().len(), 34);
}

#[tokio::test]
async fn user_metadata_is_replaced() {
    let server = Server::with_sales().await;
    let path = "/repositories/sales/branches/main/objects/stat/user_metadata?path=a.txt";
    let set = server.answer(&format!("PUT {path}\n\n{{\"set\": {{\"a\": \"1\"}}}}")).await;
    assert_eq!(set, "201\n");
    let set = server.answer(&format!("PUT {path}\n\n{{\"set\": {{\"b\": \"2\"}}}}")).await;
    assert_eq!(set, "201\n");
    let stat = server.json("/repositories/sales/refs/main/objects/stat?path=a.txt").await;
    assert_eq!(stat["metadata"], serde_json::json!({"b": "2"}));
    assert_eq!(server.read("main", "a.txt").await, "alpha");
    let missing = server.answer(&format!("PUT {}\n\n{{\"set\": {{}}}}", path.replace("a.txt", "none"))).await;
    assert!(missing.starts_with("404\n"), "{missing}");
}

#[tokio::test]
async fn user_metadata_leaves_alone_what_the_server_keeps_beside_it() {
    let server = Server::with_sales().await;
    let reserved = "{\"set\": {\"tag:team\": \"red\"}}";
    let path = "/repositories/sales/branches/main/objects/stat/user_metadata?path=a.txt";
    let refused = server.answer(&format!("PUT {path}\n\n{reserved}")).await;
    assert!(refused.starts_with("400\n") && refused.contains("tag:team"), "{refused}");
    let (place, url) = address(&server, "new.txt").await;
    let put = Request::builder().method("PUT").uri(url.strip_prefix("http://127.0.0.1").unwrap());
    server.send(put.body(Body::from("gamma")).unwrap()).await;
    let reserved = link("new.txt", &place, MD5_OF_GAMMA, 5, "").replace("\"by\"", "\"checksum:CRC32\"");
    let refused = server.answer(&reserved).await;
    assert!(refused.starts_with("400\n") && refused.contains("checksum:CRC32"), "{refused}");
    let linked = server.answer(&link("new.txt", &place, MD5_OF_GAMMA, 5, "")).await;
    assert!(linked.starts_with("200\n"), "a refused link does not use the address up: {linked}");
}

#[tokio::test]
async fn whether_an_object_may_be_written_is_answered_before() {
    let server = Server::with_sales().await;
    let path = "/repositories/sales/branches/main/objects/stage_allowed?path=x";
    assert_eq!(server.answer(&format!("GET {path}")).await, "204\n");
    assert!(server.answer(&format!("GET {path}\nAs: reader")).await.starts_with("403\n"));
    assert!(server.answer(&format!("GET {}", path.replace("main", "none"))).await.starts_with("404\n"));
    assert!(server.answer(&format!("GET {}", path.replace("=x", "=../x"))).await.starts_with("400\n"));
}

#[tokio::test]
async fn the_repository_that_is_made_with_sample_data_holds_it() {
    let server = Server::new().await;
    server
        .post("/repositories", r#"{"name": "sales", "storage_namespace": "mem://x", "sample_data": true}"#)
        .await;
    assert_eq!(server.read("main", "README.md").await, "# A sample");
    let log = server.json("/repositories/sales/refs/main/commits").await;
    assert_eq!(log["results"][0]["message"], "Add sample data");
}

#[tokio::test]
async fn what_is_attached_to_a_repository_is_set_and_taken_away() {
    let server = Server::with_sales().await;
    let path = "/repositories/sales/metadata";
    let set = |body: &str| format!("POST {path}\n\n{{\"metadata\": {body}}}");
    assert_eq!(server.answer(&set(r#"{"a": "1", "b": "2"}"#)).await, "204\n");
    assert_eq!(server.answer(&set(r#"{"b": "3"}"#)).await, "204\n");
    assert_eq!(server.json(path).await, serde_json::json!({"a": "1", "b": "3"}));
    let keys = format!("DELETE {path}\n\n{{\"keys\": [\"a\", \"none\"]}}");
    assert_eq!(server.answer(&keys).await, "204\n");
    assert_eq!(server.json(path).await, serde_json::json!({"b": "3"}));
}
