//! Requests that no honest client sends: a code that says what is wrong, and nothing written.

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::Service;

use crate::lake::{Lake, NOW_MS};

#[tokio::test]
async fn wrong_values_are_refused() {
    let lake = Lake::new().await;
    lake.put("main/a", b"0123456789").await;
    let id = "00000000000000000000000000000000";
    for (method, target, headers, body, outcome) in [
        ("GET", "/sales?list-type=2&max-keys=many", &[][..], "", "400 InvalidArgument"),
        ("GET", "/sales?list-type=2&max-keys=99999999999", &[], "", "400 InvalidArgument"),
        ("GET", "/sales?uploads&max-uploads=-1", &[], "", "400 InvalidArgument"),
        ("GET", "/sales/main/a?partNumber=x", &[], "", "400 InvalidArgument"),
        ("GET", "/sales/main/a?partNumber=2", &[], "", "416 InvalidPartNumber"),
        ("GET", "/sales/main/a?partNumber=0", &[], "", "400 InvalidArgument"),
        ("GET", "/sales/main/a?partNumber=10001", &[], "", "400 InvalidArgument"),
        ("GET", "/sales/main/a?partNumber=1", &[("range", "bytes=0-0")], "", "400 InvalidRequest"),
        ("PUT", "/sales/main/a?partNumber=0&uploadId=x", &[], "x", "400 InvalidArgument"),
        ("PUT", "/sales/main/a?partNumber=1&uploadId=x", &[], "x", "404 NoSuchUpload"),
        ("GET", &format!("/sales/main/a?uploadId={id}"), &[], "", "404 NoSuchUpload"),
        ("POST", "/sales?delete", &[], "<Delete>", "400 MalformedXML"),
        ("POST", "/sales?delete", &[], "<Delete></Delete>", "400 MalformedXML"),
        ("POST", "/sales?delete", &[], "{\"json\": true}", "400 MalformedXML"),
        ("POST", &format!("/sales/main/a?uploadId={id}"), &[], "<x/>", "400 MalformedXML"),
        ("PUT", "/sales/main/a?tagging", &[], "<Tagging><TagSet><Tag>", "400 MalformedXML"),
        ("PUT", "/sales/main/b", &[("x-amz-copy-source", "nonsense")], "", "400 InvalidArgument"),
        ("PUT", "/sales/main/b", &[("x-amz-copy-source", "/sales/main/none")], "", "404 NoSuchKey"),
        ("PUT", "/sales/main/b", &[("x-amz-copy-source", "/none/main/a")], "", "404 NoSuchBucket"),
        ("PUT", "/sales/main/b", &[("x-amz-checksum-crc32", "no base64")], "x", "400 BadDigest"),
        ("PUT", "/sales/main/b", &[("x-amz-checksum-md4", "AA==")], "x", "400 InvalidRequest"),
        ("PATCH", "/sales/main/a", &[], "x", "405 MethodNotAllowed"),
    ] {
        let answer = lake.call(method, target, headers, body.as_bytes()).await;
        assert_eq!(answer.outcome(), outcome, "{method} {target} {headers:?}: {}", answer.text());
        assert!(answer.header("x-amz-request-id").len() == 16, "{method} {target}");
    }
    assert_eq!(lake.list("").await, "main/a");
}

#[tokio::test]
async fn sizes_have_limits() {
    let lake = Lake::new().await;
    let length = [("content-length", "5368709121")];
    let uri: http::Uri = "/sales/main/a".parse().expect("a URI");
    let mut headers = Lake::headers(0, &length);
    lake.signer.sign_header(&Method::PUT, &uri, &mut headers, "UNSIGNED-PAYLOAD", NOW_MS).expect("signed");
    let answer = lake.send(&Method::PUT, uri, headers, Vec::new()).await;
    assert_eq!(answer.outcome(), "400 EntityTooLarge", "{}", answer.text());
    let message = vec![b' '; (8 << 20) + 1];
    let answer = lake.call("POST", "/sales?delete", &[], &message).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let many: String = (0..1001).map(|n| format!("<Object><Key>main/{n}</Key></Object>")).collect();
    let answer = lake.call("POST", "/sales?delete", &[], format!("<Delete>{many}</Delete>").as_bytes()).await;
    assert_eq!(answer.outcome(), "400 MalformedXML");
    let header = "x".repeat(70_000);
    let answer = lake.call("GET", "/sales/main/a", &[("x-custom", &header)], b"").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(lake.list("").await, "");
}

#[tokio::test]
async fn a_header_that_is_there_twice_is_refused_or_has_one_meaning() {
    let lake = Lake::new().await;
    let uri: http::Uri = "/sales/main/a".parse().expect("a URI");
    for (name, first, second, outcome) in [
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", "400 AuthorizationHeaderMalformed"),
        ("x-amz-checksum-crc32", "DUoRhQ==", "AAAAAA==", "400 InvalidRequest"),
        ("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==", "AAAAAAAAAAAAAAAAAAAAAA==", "400 InvalidRequest"),
        ("if-none-match", "*", "\"x\"", "400 InvalidRequest"),
    ] {
        let mut headers = Lake::headers(11, &[]);
        for value in [first, second] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let sign = |headers: &mut http::HeaderMap| {
            lake.signer.sign_header(&Method::PUT, &uri, headers, "UNSIGNED-PAYLOAD", NOW_MS).map(drop)
        };
        sign(&mut headers).expect("signed");
        if name == "x-amz-content-sha256" {
            headers.append(name, HeaderValue::from_static(second));
        }
        let answer = lake.send(&Method::PUT, uri.clone(), headers, b"hello world".to_vec()).await;
        assert_eq!(answer.outcome(), outcome, "{name}: {}", answer.text());
    }
    assert_eq!(lake.list("").await, "");
}

/// A body that stops in the middle, as when a client goes away.
async fn broken(lake: &Lake, target: &str, announced: usize, sent: usize) -> u16 {
    let uri: http::Uri = target.parse().expect("a URI");
    let mut headers = Lake::headers(announced, &[]);
    lake.signer.sign_header(&Method::PUT, &uri, &mut headers, "UNSIGNED-PAYLOAD", NOW_MS).expect("signed");
    let pieces = vec![Ok(Frame::data(Bytes::from(vec![b'x'; sent]))), Err(std::io::Error::other("gone"))];
    let body = StreamBody::new(futures::stream::iter(pieces).boxed());
    let mut request = Request::new(body);
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    match lake.door.clone().call(request).await {
        Ok(response) => response.status().as_u16(),
        Err(never) => match never {},
    }
}

#[tokio::test]
async fn uploads_that_break_off_leave_nothing() {
    let lake = Lake::new().await;
    let large = 3 << 20;
    assert_eq!(broken(&lake, "/sales/main/small", 100, 50).await, 400);
    assert_eq!(broken(&lake, "/sales/main/large", large, large - 1).await, 400);
    let begun = lake.call("POST", "/sales/main/parts?uploads", &[], b"").await;
    let id = begun.elements("UploadId").remove(0);
    assert_eq!(
        broken(&lake, &format!("/sales/main/parts?partNumber=1&uploadId={id}"), large, large - 1).await,
        400
    );
    let parts = lake.call("GET", &format!("/sales/main/parts?uploadId={id}"), &[], b"").await;
    assert!(parts.elements("PartNumber").is_empty(), "{}", parts.text());
    assert_eq!(lake.list("").await, "");
    assert_eq!(lake.stored_bytes(1 << 20).await, 0, "their space is free again");
}

#[tokio::test]
async fn more_bytes_than_announced_write_nothing() {
    let lake = Lake::new().await;
    let uri: http::Uri = "/sales/main/a".parse().expect("a URI");
    let mut headers = Lake::headers(3, &[]);
    lake.signer.sign_header(&Method::PUT, &uri, &mut headers, "UNSIGNED-PAYLOAD", NOW_MS).expect("signed");
    let answer = lake.send(&Method::PUT, uri, headers, b"hello".to_vec()).await;
    assert_eq!(answer.outcome(), "400 IncompleteBody", "{}", answer.text());
    assert_eq!(lake.list("").await, "");
}
