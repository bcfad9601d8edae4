//! What is known of an object beside its bytes, and how it is sent to browsers.

use crate::lake::Lake;

const CRC32_OF_HELLO_WORLD: &str = "DUoRhQ==";

#[tokio::test]
async fn a_checksum_is_known_where_a_client_sent_one() {
    let lake = Lake::new().await;
    let sum = [("x-amz-checksum-crc32", CRC32_OF_HELLO_WORLD)];
    lake.call("PUT", "/sales/main/header", &sum, b"hello world").await;
    lake.put_chunked("main/trailer", false, &[b"hello ", b"world"], &sum, |_| {}).await;
    lake.put("main/none", b"hello world").await;
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    for key in ["main/header", "main/trailer"] {
        for method in ["GET", "HEAD"] {
            let target = format!("/sales/{key}");
            let asked = lake.call(method, &target, &mode, b"").await;
            assert_eq!(asked.header("x-amz-checksum-crc32"), CRC32_OF_HELLO_WORLD, "{method} {key}");
            assert_eq!(asked.header("x-amz-checksum-type"), "FULL_OBJECT");
            let unasked = lake.call(method, &target, &[], b"").await;
            assert_eq!(unasked.header("x-amz-checksum-crc32"), "");
            assert_eq!(unasked.headers.keys().filter(|name| name.as_str().contains("meta")).count(), 0);
        }
        let part = [mode[0], ("range", "bytes=0-3")];
        let part = lake.call("GET", &format!("/sales/{key}"), &part, b"").await;
        assert_eq!((part.status, part.header("x-amz-checksum-crc32")), (206, ""), "that of the whole");
    }
    let none = lake.call("HEAD", "/sales/main/none", &mode, b"").await;
    assert!(!none.headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum")));
    let listed = lake.call("GET", "/sales?list-type=2&prefix=main/header", &[], b"").await;
    assert_eq!(listed.elements("ChecksumAlgorithm"), ["CRC32"]);
    let copy = [("x-amz-copy-source", "/sales/main/header"), ("x-amz-metadata-directive", "REPLACE")];
    let copied = lake.call("PUT", "/sales/dev/copy", &copy, b"").await;
    assert_eq!(copied.elements("ChecksumCRC32"), [CRC32_OF_HELLO_WORLD], "the bytes are the same");
}

#[tokio::test]
async fn attributes_are_what_is_asked_for() {
    let lake = Lake::new().await;
    let sum = [("x-amz-checksum-crc32", CRC32_OF_HELLO_WORLD)];
    lake.call("PUT", "/sales/main/a", &sum, b"hello world").await;
    let attributes = async |key: &str, names: &str| {
        let headers = [("x-amz-object-attributes", names)];
        lake.call("GET", &format!("/sales/{key}?attributes"), &headers, b"").await
    };
    let all = attributes("main/a", "ETag,Checksum,ObjectParts, StorageClass,ObjectSize").await;
    assert_eq!(all.outcome(), "200", "{}", all.text());
    assert_eq!(all.elements("ObjectSize"), ["11"]);
    assert_eq!(all.elements("ChecksumCRC32"), [CRC32_OF_HELLO_WORLD]);
    assert_eq!(all.elements("StorageClass"), ["STANDARD"]);
    assert!(all.text().contains("5eb63bbbe01eeed093cb22bb8f5acdc3"), "{}", all.text());
    assert!(all.elements("ObjectParts").is_empty(), "it was written in one piece");
    let one = attributes("main/a", "ObjectSize").await;
    assert!(one.elements("ETag").is_empty() && one.elements("StorageClass").is_empty());
    assert_eq!(attributes("main/a", "Colour").await.outcome(), "400 InvalidArgument");
    assert_eq!(attributes("main/nothing", "ETag").await.outcome(), "404 NoSuchKey");
}

#[tokio::test]
async fn bodies_are_saved_and_not_shown() {
    let lake = Lake::new().await;
    lake.call("PUT", "/sales/main/a.html", &[("content-type", "text/html")], b"<script>").await;
    let named = [("content-disposition", "attachment; filename=\"b.html\"")];
    lake.call("PUT", "/sales/main/b.html", &named, b"<script>").await;
    let read = lake.get("main/a.html").await;
    assert_eq!(read.header("content-disposition"), "attachment");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    assert_eq!(read.header("content-security-policy"), "sandbox");
    assert_eq!(lake.get("main/b.html").await.header("content-disposition"), named[0].1);
    let shown = "/sales/main/a.html?response-content-disposition=inline";
    let shown = lake.call("GET", shown, &[], b"").await;
    assert_eq!(shown.header("content-disposition"), "inline");
    assert_eq!(shown.header("content-security-policy"), "sandbox", "no script runs as ours in any case");
    let head = lake.call("HEAD", "/sales/main/a.html", &[], b"").await;
    assert_eq!(head.header("content-disposition"), "", "copying tools read it as the writer's own");
}
