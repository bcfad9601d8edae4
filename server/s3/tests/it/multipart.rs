//! Multipart uploads.

use crate::lake::{Answer, Lake};

async fn begin(lake: &Lake, key: &str) -> String {
    let answer = lake.call("POST", &format!("/sales/{key}?uploads"), &[("x-amz-meta-a", "b")], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.elements("UploadId").remove(0)
}

async fn part(lake: &Lake, key: &str, id: &str, number: u32, body: &[u8]) -> Answer {
    lake.call("PUT", &format!("/sales/{key}?partNumber={number}&uploadId={id}"), &[], body).await
}

async fn complete(lake: &Lake, key: &str, id: &str, parts: &[(u32, &str)], extra: &[(&str, &str)]) -> Answer {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    lake.call("POST", &format!("/sales/{key}?uploadId={id}"), extra, body.as_bytes()).await
}

#[tokio::test]
async fn parts_become_one_object() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/big").await;
    let first = vec![b'a'; 5 << 20];
    let one = part(&lake, "main/big", &id, 1, &first).await.header("etag").to_owned();
    let two = part(&lake, "main/big", &id, 2, b"tail").await.header("etag").to_owned();
    let listed = lake.call("GET", &format!("/sales/main/big?uploadId={id}"), &[], b"").await;
    assert_eq!(listed.elements("PartNumber"), ["1", "2"]);
    assert_eq!(listed.elements("Size"), ["5242880", "4"]);
    let uploads = lake.call("GET", "/sales?uploads", &[], b"").await;
    assert_eq!(
        (uploads.elements("Key"), uploads.elements("UploadId")),
        (vec!["main/big".into()], vec![id.clone()])
    );
    assert_eq!(lake.get("main/big").await.status, 404, "not visible yet");
    let done = complete(&lake, "main/big", &id, &[(1, &one), (2, &two)], &[("if-none-match", "*")]).await;
    assert_eq!(done.outcome(), "200", "{}", done.text());
    let read = lake.get("main/big").await;
    assert_eq!(read.body.len(), (5 << 20) + 4);
    assert!(read.header("etag").ends_with("-2\""), "{}", read.header("etag"));
    assert_eq!(read.header("x-amz-meta-a"), "b");
    assert!(lake.call("GET", "/sales?uploads", &[], b"").await.elements("Key").is_empty());
    assert_eq!(part(&lake, "main/big", &id, 3, b"x").await.outcome(), "404 NoSuchUpload");
}

#[tokio::test]
async fn completing_is_conditional_and_strict() {
    let lake = Lake::new().await;
    lake.put("main/a", b"there").await;
    let id = begin(&lake, "main/a").await;
    let etag = part(&lake, "main/a", &id, 1, b"new").await.header("etag").to_owned();
    let taken = complete(&lake, "main/a", &id, &[(1, &etag)], &[("if-none-match", "*")]).await;
    assert_eq!(taken.outcome(), "412 PreconditionFailed");
    let other = "&quot;00000000000000000000000000000000&quot;";
    assert_eq!(complete(&lake, "main/a", &id, &[(1, other)], &[]).await.outcome(), "400 InvalidPart");
    assert_eq!(complete(&lake, "main/a", &id, &[(2, &etag)], &[]).await.outcome(), "400 InvalidPart");
    let twice = complete(&lake, "main/a", &id, &[(1, &etag), (1, &etag)], &[]).await;
    assert_eq!(twice.outcome(), "400 InvalidPartOrder");
    assert_eq!(complete(&lake, "main/a", &id, &[], &[]).await.outcome(), "400 MalformedXML");
    assert_eq!(lake.get("main/a").await.text(), "there");
    assert_eq!(complete(&lake, "main/a", &id, &[(1, &etag)], &[]).await.outcome(), "200");
    assert_eq!(lake.get("main/a").await.text(), "new");
}

#[tokio::test]
async fn parts_are_copied_and_uploads_given_up() {
    let lake = Lake::new().await;
    lake.put("main/source", b"0123456789").await;
    let id = begin(&lake, "dev/copy").await;
    let target = format!("/sales/dev/copy?partNumber=1&uploadId={id}");
    let headers = [("x-amz-copy-source", "sales/main/source"), ("x-amz-copy-source-range", "bytes=2-5")];
    let copied = lake.call("PUT", &target, &headers, b"").await;
    assert_eq!(copied.outcome(), "200", "{}", copied.text());
    let etag = copied.elements("ETag").remove(0);
    assert_eq!(complete(&lake, "dev/copy", &id, &[(1, &etag)], &[]).await.outcome(), "200");
    assert_eq!(lake.get("dev/copy").await.text(), "2345");
    let id = begin(&lake, "dev/other").await;
    assert_eq!(lake.call("DELETE", &format!("/sales/dev/other?uploadId={id}"), &[], b"").await.status, 204);
    assert_eq!(part(&lake, "dev/other", &id, 1, b"x").await.outcome(), "404 NoSuchUpload");
    let wrong = lake.call("PUT", &target, &[("x-amz-copy-source-range", "bytes=2-"), headers[0]], b"").await;
    assert_eq!(wrong.outcome(), "400 InvalidArgument");
    assert_eq!(part(&lake, "dev/other", &id, 10_001, b"x").await.outcome(), "400 InvalidArgument");
}
