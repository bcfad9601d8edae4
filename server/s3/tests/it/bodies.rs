//! Bodies are what they say they are, or nothing is written.

use crate::lake::Lake;

const CRC32_OF_HELLO_WORLD: &str = "DUoRhQ==";

#[tokio::test]
async fn chunked_bodies_arrive() {
    let lake = Lake::new().await;
    let chunks: [&[u8]; 2] = [b"hello ", b"world"];
    let trailer = [("x-amz-checksum-crc32", CRC32_OF_HELLO_WORLD)];
    for (key, signed, trailers) in
        [("main/signed", true, &[][..]), ("main/both", true, &trailer), ("main/unsigned", false, &trailer)]
    {
        let answer = lake.put_chunked(key, signed, &chunks, trailers, |_| {}).await;
        assert_eq!(answer.outcome(), "200", "{key}: {}", answer.text());
        let read = lake.get(key).await;
        assert_eq!(read.text(), "hello world", "{key}");
        assert_eq!(read.header("content-encoding"), "", "the framing is no encoding of the object");
    }
}

#[tokio::test]
async fn spoilt_bodies_write_nothing() {
    let lake = Lake::new().await;
    let chunks: [&[u8]; 2] = [b"hello ", b"world"];
    let trailer = [("x-amz-checksum-crc32", CRC32_OF_HELLO_WORLD)];
    let flip = |body: &mut Vec<u8>| {
        let at = body.windows(5).position(|window| window == b"world").expect("the data");
        body[at] = b'W';
    };
    let cut = |body: &mut Vec<u8>| body.truncate(body.len() / 2);
    let answer = lake.put_chunked("main/a", true, &chunks, &[], flip).await;
    assert_eq!(answer.outcome(), "403 SignatureDoesNotMatch");
    let answer = lake.put_chunked("main/a", false, &chunks, &trailer, flip).await;
    assert_eq!(answer.outcome(), "400 BadDigest");
    let answer = lake.put_chunked("main/a", false, &chunks, &trailer, cut).await;
    assert_eq!(answer.outcome(), "400 IncompleteBody");
    let wrong = [("x-amz-checksum-crc32", "AAAAAA==")];
    let answer = lake.put_chunked("main/a", true, &chunks, &wrong, |_| {}).await;
    assert_eq!(answer.outcome(), "400 BadDigest");
    let answer = lake.call("PUT", "/sales/main/a", &wrong, b"hello world").await;
    assert_eq!(answer.outcome(), "400 BadDigest");
    let answer =
        lake.call("PUT", "/sales/main/a", &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], b"x").await;
    assert_eq!(answer.outcome(), "400 BadDigest");
    let answer = lake.call("PUT", "/sales/main/a", &[("content-md5", "nonsense")], b"x").await;
    assert_eq!(answer.outcome(), "400 InvalidDigest");
    assert_eq!(lake.list("").await, "");
}

#[tokio::test]
async fn checksums_in_headers_are_checked_and_echoed() {
    let lake = Lake::new().await;
    let sum = [("x-amz-checksum-crc32", CRC32_OF_HELLO_WORLD), ("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==")];
    let answer = lake.call("PUT", "/sales/main/a", &sum, b"hello world").await;
    assert_eq!(answer.outcome(), "200", "{}", answer.text());
    assert_eq!(answer.header("x-amz-checksum-crc32"), CRC32_OF_HELLO_WORLD);
}

#[tokio::test]
async fn a_digest_that_does_not_fit_writes_nothing() {
    let lake = Lake::new().await;
    let uri: http::Uri = "/sales/main/a".parse().expect("a URI");
    let mut headers = Lake::headers(5, &[]);
    let digest = anabranch_auth::sigv4::sign::payload_digest(b"hello");
    let now_ms = crate::lake::NOW_MS;
    lake.signer.sign_header(&http::Method::PUT, &uri, &mut headers, &digest, now_ms).expect("signed");
    let answer = lake.send(&http::Method::PUT, uri, headers, b"hellO".to_vec()).await;
    assert_eq!(answer.outcome(), "400 XAmzContentSHA256Mismatch");
    assert_eq!(lake.get("main/a").await.status, 404);
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let lake = Lake::new().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(lake.put("main/large", &body).await.outcome(), "200");
    let read = lake.get("main/large").await;
    assert!(read.body == body, "{} bytes", read.body.len());
    let spoilt = [("x-amz-checksum-crc32", "AAAAAA==")];
    assert_eq!(lake.call("PUT", "/sales/main/large", &spoilt, &body[1..]).await.outcome(), "400 BadDigest");
    assert!(lake.get("main/large").await.body == body, "what was there stays");
}
