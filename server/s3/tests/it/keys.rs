//! Objects: write, read, conditions, ranges, copies, deletions.

use crate::lake::Lake;

#[tokio::test]
async fn what_is_put_is_got() {
    let lake = Lake::new().await;
    let headers = [
        ("content-type", "text/csv"),
        ("x-amz-meta-origin", "north"),
        ("content-encoding", "gzip"),
        ("cache-control", "no-cache"),
    ];
    let put = lake.call("PUT", "/sales/main/a/b%20c.csv", &headers, b"hello").await;
    assert_eq!((put.status, put.header("etag")), (200, "\"5d41402abc4b2a76b9719d911017c592\""));
    for method in ["GET", "HEAD"] {
        let answer = lake.call(method, "/sales/main/a/b%20c.csv", &[], b"").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), "5");
        assert_eq!(answer.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
        assert_eq!(answer.header("last-modified"), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-amz-request-id").len(), 16);
        for (name, value) in headers {
            assert_eq!(answer.header(name), value, "{method} {name}");
        }
        assert_eq!(answer.text(), if method == "GET" { "hello" } else { "" });
    }
}

#[tokio::test]
async fn ranges_follow_s3() {
    let lake = Lake::new().await;
    lake.put("main/a", b"0123456789").await;
    let range = async |range: &str| lake.call("GET", "/sales/main/a", &[("range", range)], b"").await;
    for (asked, body, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let answer = range(asked).await;
        assert_eq!((answer.status, answer.text().as_str()), (206, body), "{asked}");
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), body.len().to_string());
    }
    let outside = range("bytes=10-").await;
    assert_eq!(outside.outcome(), "416 InvalidRange");
    assert_eq!(outside.header("content-range"), "bytes */10");
}

#[tokio::test]
async fn conditional_reads() {
    let lake = Lake::new().await;
    let etag = lake.put("main/a", b"hello").await.header("etag").to_owned();
    for method in ["GET", "HEAD"] {
        let get = async |name: &str, value: &str| {
            lake.call(method, "/sales/main/a", &[(name, value)], b"").await.status
        };
        assert_eq!(get("if-match", &etag).await, 200);
        assert_eq!(get("if-match", "\"other\"").await, 412);
        assert_eq!(get("if-none-match", &etag).await, 304);
        assert_eq!(get("if-none-match", "\"other\"").await, 200);
        assert_eq!(get("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT").await, 304);
        assert_eq!(get("if-unmodified-since", "Fri, 02 Jan 2026 03:04:04 GMT").await, 412);
    }
    let both = [("range", "bytes=99-"), ("if-match", "\"other\"")];
    assert_eq!(lake.call("GET", "/sales/main/a", &both, b"").await.status, 412);
}

#[tokio::test]
async fn conditional_writes_have_one_winner() {
    let lake = Lake::new().await;
    let put = async |name: &str, value: &str, body: &[u8]| {
        lake.call("PUT", "/sales/main/log/0.json", &[(name, value)], body).await
    };
    assert_eq!(put("if-match", "\"x\"", b"1").await.outcome(), "404 NoSuchKey");
    let first = put("if-none-match", "*", b"1").await;
    assert_eq!(first.outcome(), "200");
    assert_eq!(put("if-none-match", "*", b"2").await.outcome(), "412 PreconditionFailed");
    lake.commit("main").await;
    let lost = put("if-none-match", "*", b"2").await;
    assert_eq!(lost.outcome(), "412 PreconditionFailed", "also after a commit");
    assert!(
        lost.text().contains("main/log/0.json") && lost.text().contains("bucket sales"),
        "{}",
        lost.text()
    );
    assert_eq!(put("if-match", "\"x\"", b"2").await.outcome(), "412 PreconditionFailed");
    assert_eq!(put("if-match", first.header("etag"), b"2").await.outcome(), "200");
    assert_eq!(lake.get("main/log/0.json").await.text(), "2");
    assert_eq!(put("if-none-match", "\"x\"", b"2").await.outcome(), "501 NotImplemented");
}

#[tokio::test]
async fn conditional_deletions() {
    let lake = Lake::new().await;
    let etag = lake.put("main/a", b"hello").await.header("etag").to_owned();
    let delete = async |key: &str, value: &str| {
        lake.call("DELETE", &format!("/sales/{key}"), &[("if-match", value)], b"").await.outcome()
    };
    assert_eq!(delete("main/a", "\"other\"").await, "412 PreconditionFailed");
    lake.commit("main").await;
    assert_eq!(delete("main/a", "\"other\"").await, "412 PreconditionFailed", "also after a commit");
    assert_eq!(lake.get("main/a").await.text(), "hello");
    assert_eq!(delete("main/a", &etag).await, "204");
    assert_eq!(delete("main/a", &etag).await, "404 NoSuchKey");
    assert_eq!(delete("main/a", "*").await, "404 NoSuchKey");
    lake.put("main/b", b"hello").await;
    lake.put("main/c", b"other").await;
    let objects: String = ["main/b", "main/c"]
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key><ETag>{}</ETag></Object>", etag.replace('"', "&quot;")))
        .collect();
    let batch = format!("<Delete>{objects}</Delete>");
    let answer = lake.call("POST", "/sales?delete", &[], batch.as_bytes()).await;
    assert_eq!(answer.elements("Code"), ["PreconditionFailed"], "{}", answer.text());
    assert_eq!((lake.get("main/b").await.status, lake.get("main/c").await.status), (404, 200));
}

#[tokio::test]
async fn conditional_copies() {
    let lake = Lake::new().await;
    lake.put("main/a", b"hello").await;
    let etag = lake.put("main/b", b"there").await.header("etag").to_owned();
    let copy = async |target: &str, name: &str, value: &str| {
        let headers = [("x-amz-copy-source", "/sales/main/a"), (name, value)];
        lake.call("PUT", target, &headers, b"").await.outcome()
    };
    assert_eq!(copy("/sales/main/b", "if-none-match", "*").await, "412 PreconditionFailed");
    assert_eq!(copy("/sales/main/c", "if-none-match", "*").await, "200");
    assert_eq!(copy("/sales/main/b", "if-match", "\"other\"").await, "412 PreconditionFailed");
    assert_eq!(copy("/sales/main/d", "if-match", "*").await, "404 NoSuchKey");
    assert_eq!(lake.get("main/b").await.text(), "there");
    assert_eq!(copy("/sales/main/b", "if-match", &etag).await, "200");
    assert_eq!(lake.get("main/b").await.text(), "hello");
}

#[tokio::test]
async fn racing_creators_have_one_winner() {
    let lake = Lake::new().await;
    let puts = (0..8).map(|writer| {
        let lake = &lake;
        async move {
            let body = format!("writer {writer}");
            lake.call("PUT", "/sales/main/race", &[("if-none-match", "*")], body.as_bytes()).await.outcome()
        }
    });
    let mut outcomes = futures::future::join_all(puts).await;
    outcomes.sort();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "200").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "412 PreconditionFailed").count(), 7);
}

#[tokio::test]
async fn only_branches_are_written_to() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    lake.commit("main").await;
    lake.tag("v1", "main").await;
    assert_eq!(lake.get("v1/a").await.text(), "x");
    assert_eq!(lake.get("main~1/a").await.outcome(), "404 NoSuchKey");
    assert_eq!(lake.put("v1/a", b"y").await.outcome(), "405 MethodNotAllowed");
    assert_eq!(lake.put("main~1/a", b"y").await.outcome(), "405 MethodNotAllowed");
    assert_eq!(lake.put("nowhere/a", b"y").await.outcome(), "404 NoSuchKey");
    assert_eq!(lake.put("main", b"y").await.outcome(), "400 InvalidArgument");
    assert_eq!(lake.put("@tables/a", b"y").await.outcome(), "400 InvalidArgument");
    assert_eq!(lake.put("main/@tables/a", b"y").await.outcome(), "400 InvalidArgument");
    assert_eq!(lake.put("main/a/../b", b"y").await.outcome(), "400 InvalidArgument");
    let long = format!("main/{}", "x".repeat(1020));
    assert_eq!(lake.put(&long, b"y").await.outcome(), "400 KeyTooLongError");
    assert_eq!(lake.call("DELETE", "/sales/v1/a", &[], b"").await.outcome(), "405 MethodNotAllowed");
    for key in ["nothing", "main/nothing", "nowhere/a", "main", "@x/a"] {
        assert_eq!(lake.get(key).await.outcome(), "404 NoSuchKey", "{key}");
    }
}

#[tokio::test]
async fn a_branch_is_a_folder_without_a_marker() {
    let lake = Lake::new().await;
    let marker = lake.put("main/", b"").await;
    assert_eq!((marker.status, marker.header("etag")), (200, "\"d41d8cd98f00b204e9800998ecf8427e\""));
    assert_eq!(lake.put("nowhere/", b"").await.outcome(), "404 NoSuchKey");
    assert_eq!(lake.put("main/", b"x").await.outcome(), "400 InvalidArgument");
    assert_eq!(lake.put("main/folder/", b"").await.outcome(), "200");
    assert_eq!(lake.list("").await, "main/folder/");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let lake = Lake::new().await;
    for (name, value) in [("x-amz-server-side-encryption", "AES256"), ("x-amz-object-lock-legal-hold", "ON")]
    {
        let answer = lake.call("PUT", "/sales/main/a", &[(name, value)], b"x").await;
        assert_eq!(answer.outcome(), "501 NotImplemented", "{name}");
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    let large = "x".repeat(2100);
    let answer = lake.call("PUT", "/sales/main/a", &[("x-amz-meta-a", &large)], b"x").await;
    assert_eq!(answer.outcome(), "400 MetadataTooLarge");
    let version = lake.call("GET", "/sales/main/a?versionId=abc", &[], b"").await;
    assert_eq!(version.outcome(), "404 NoSuchVersion");
}

#[tokio::test]
async fn copies_keep_or_replace_what_an_object_carries() {
    let lake = Lake::new().await;
    let meta = [("x-amz-meta-origin", "north"), ("content-type", "text/csv")];
    let etag = lake.call("PUT", "/sales/main/a", &meta, b"hello").await.header("etag").to_owned();
    let copy = async |target: &str, extra: &[(&str, &str)]| {
        let mut headers = vec![("x-amz-copy-source", "/sales/main/a")];
        headers.extend_from_slice(extra);
        lake.call("PUT", target, &headers, b"").await
    };
    let kept = copy("/sales/dev/b", &[]).await;
    assert_eq!(kept.outcome(), "200");
    assert_eq!(kept.elements("ETag").len(), 1);
    let read = lake.get("dev/b").await;
    assert_eq!((read.text().as_str(), read.header("x-amz-meta-origin")), ("hello", "north"));
    let replace = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-origin", "south")];
    assert_eq!(copy("/sales/main/a", &replace).await.outcome(), "200");
    let read = lake.get("main/a").await;
    assert_eq!((read.text().as_str(), read.header("x-amz-meta-origin")), ("hello", "south"));
    assert_eq!(copy("/sales/main/a", &[]).await.outcome(), "400 InvalidRequest", "to itself");
    assert_eq!(copy("/sales/dev/c", &[("x-amz-copy-source-if-match", &etag)]).await.outcome(), "200");
    let refused = copy("/sales/dev/d", &[("x-amz-copy-source-if-none-match", &etag)]).await;
    assert_eq!(refused.outcome(), "412 PreconditionFailed");
    let missing = [("x-amz-copy-source", "/sales/main/nothing")];
    assert_eq!(lake.call("PUT", "/sales/dev/e", &missing, b"").await.outcome(), "404 NoSuchKey");
}

#[tokio::test]
async fn deletions_answer_for_each_key() {
    let lake = Lake::new().await;
    for key in ["main/a", "main/b", "dev/c"] {
        lake.put(key, b"x").await;
    }
    assert_eq!(lake.call("DELETE", "/sales/main/a", &[], b"").await.status, 204);
    assert_eq!(lake.call("DELETE", "/sales/main/a", &[], b"").await.status, 204, "again");
    assert_eq!(lake.call("DELETE", "/sales/main/", &[], b"").await.status, 204, "a folder marker");
    assert_eq!(lake.get("main/a").await.outcome(), "404 NoSuchKey");
    let keys = ["main/b", "dev/c", "main/never", "nowhere/d", "main/e/../f"];
    let body: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    let answer = delete(&lake, &format!("<Delete>{body}</Delete>")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let deleted = answer.elements("Deleted");
    assert_eq!(deleted.len(), 3, "{}", answer.text());
    assert_eq!(answer.elements("Code"), ["NoSuchKey", "InvalidArgument"]);
    assert_eq!(lake.list("").await, "");
    let quiet = delete(&lake, "<Delete><Quiet>true</Quiet><Object><Key>main/x</Key></Object></Delete>").await;
    assert!(quiet.elements("Deleted").is_empty());
    let many: String = (0..1001).map(|n| format!("<Object><Key>main/{n}</Key></Object>")).collect();
    let refused = delete(&lake, &format!("<Delete>{many}</Delete>")).await;
    assert_eq!(refused.outcome(), "400 MalformedXML");
}

async fn delete(lake: &Lake, body: &str) -> crate::lake::Answer {
    lake.call("POST", "/sales?delete", &[], body.as_bytes()).await
}
