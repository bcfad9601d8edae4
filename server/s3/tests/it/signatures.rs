//! Nothing is served without a signature that holds.

use anabranch_auth::KeyPair;
use anabranch_auth::sigv4::Policy;
use anabranch_auth::sigv4::sign::Signer;
use http::{HeaderMap, Method};

use crate::lake::{Lake, NOW_MS};

#[tokio::test]
async fn anonymous_and_old_signatures_are_refused() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    for (method, target) in [
        ("GET", "/"),
        ("HEAD", "/sales"),
        ("GET", "/sales/main/a"),
        ("PUT", "/sales/main/a"),
        ("DELETE", "/sales/main/a"),
        ("POST", "/sales?delete"),
        ("GET", "/sales?list-type=2"),
        ("OPTIONS", "/sales/main/a"),
        ("GET", "/sales?acl"),
    ] {
        let method: Method = method.parse().expect("a method");
        let headers = Lake::headers(0, &[]);
        let answer = lake.send(&method, target.parse().expect("a URI"), headers, Vec::new()).await;
        assert_eq!(answer.outcome(), "403 AccessDenied", "{method} {target}");
    }
    let headers = Lake::headers(0, &[("authorization", "AWS AKIDLAKE:c2lnbmF0dXJl")]);
    let answer = lake.send(&Method::GET, "/sales/main/a".parse().expect("a URI"), headers, Vec::new()).await;
    assert_eq!(answer.outcome(), "400 InvalidRequest");
    assert!(answer.text().contains("Signature Version 2 is not accepted"), "{}", answer.text());
}

#[tokio::test]
async fn wrong_keys_and_old_requests_are_refused() {
    let lake = Lake::new().await;
    let with = |id: &str, secret: &str| Signer { key: KeyPair::new(id, secret), region: "us-east-1".into() };
    let call = async |signer: &Signer| lake.call_as(signer, "GET", "/", &[], b"").await;
    assert_eq!(call(&with("AKIDOTHER", "x")).await.outcome(), "403 InvalidAccessKeyId");
    let wrong = call(&with("AKIDLAKE", "wrong-secret")).await;
    assert_eq!(wrong.outcome(), "403 SignatureDoesNotMatch");
    assert!(!wrong.text().contains("secret-of-the-lake"));
    let mut headers = Lake::headers(0, &[]);
    let uri: http::Uri = "/".parse().expect("a URI");
    let payload = "UNSIGNED-PAYLOAD";
    lake.signer.sign_header(&Method::GET, &uri, &mut headers, payload, NOW_MS).expect("signed");
    let replay = async |headers: HeaderMap| {
        lake.send(&Method::GET, "/".parse().expect("a URI"), headers, vec![]).await
    };
    assert_eq!(replay(headers.clone()).await.outcome(), "200");
    lake.clock.advance(16 * 60_000);
    assert_eq!(replay(headers).await.outcome(), "403 RequestTimeTooSkewed");
}

#[tokio::test]
async fn presigned_requests_work_until_they_expire() {
    let lake = Lake::new().await;
    let presign = |method: &Method, query: &[(&str, &str)], expires_s| {
        let target =
            lake.signer.presign(method, "localhost:8000", "/sales/main/a%20b", query, expires_s, NOW_MS);
        target.expect("a target").parse::<http::Uri>().expect("a URI")
    };
    let send = async |method: &Method, uri: http::Uri, body: &[u8]| {
        lake.send(method, uri, Lake::headers(body.len(), &[]), body.to_vec()).await
    };
    let put = presign(&Method::PUT, &[("x-amz-meta-from", "a link")], 60);
    assert_eq!(send(&Method::PUT, put, b"hello").await.outcome(), "200");
    let get = presign(&Method::GET, &[("response-content-type", "text/plain")], 60);
    let read = send(&Method::GET, get.clone(), b"").await;
    assert_eq!((read.text().as_str(), read.header("content-type")), ("hello", "text/plain"));
    assert_eq!(read.header("x-amz-meta-from"), "a link", "a header that the presigner put into the query");
    assert_eq!(send(&Method::DELETE, get.clone(), b"").await.outcome(), "403 SignatureDoesNotMatch");
    let long = presign(&Method::GET, &[], 604_801);
    assert_eq!(send(&Method::GET, long, b"").await.outcome(), "400 AuthorizationQueryParametersError");
    lake.clock.advance(61_000);
    assert_eq!(send(&Method::GET, get, b"").await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn a_fixed_region_is_named_to_who_misses_it() {
    let policy = Policy { region: Some("eu-central-1".into()), ..Policy::default() };
    let lake = Lake::with(policy, &[]).await;
    let answer = lake.call("GET", "/sales?location", &[], b"").await;
    assert_eq!(answer.outcome(), "400 AuthorizationHeaderMalformed");
    assert!(answer.text().contains("eu-central-1"), "{}", answer.text());
    let here = Signer { region: "eu-central-1".into(), ..lake.signer.clone() };
    let answer = lake.call_as(&here, "GET", "/sales?location", &[], b"").await;
    assert!(answer.text().contains("eu-central-1"), "{}", answer.text());
}

#[tokio::test]
async fn a_reader_reads_and_writes_nothing() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    let reader =
        Signer { key: KeyPair::new("AKIDREADER", "secret-of-the-reader"), region: "us-east-1".into() };
    let call = async |method: &str, target: &str, body: &[u8]| {
        lake.call_as(&reader, method, target, &[], body).await.outcome()
    };
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/sales?location"),
        ("GET", "/sales/main/a"),
        ("HEAD", "/sales/main/a"),
        ("GET", "/sales?list-type=2"),
        ("GET", "/sales?uploads"),
    ] {
        assert_eq!(call(method, target, b"").await, "200", "{method} {target}");
    }
    for (method, target, body) in [
        ("PUT", "/sales/main/b", &b"x"[..]),
        ("DELETE", "/sales/main/a", b""),
        ("POST", "/sales?delete", b"<Delete><Object><Key>main/a</Key></Object></Delete>"),
        ("POST", "/sales/main/b?uploads", b""),
        ("PUT", "/sales/main/a?tagging", b"<Tagging><TagSet></TagSet></Tagging>"),
        ("DELETE", "/sales/main/a?tagging", b""),
        ("PUT", "/another-bucket", b""),
        ("DELETE", "/sales", b""),
    ] {
        assert_eq!(call(method, target, body).await, "403 AccessDenied", "{method} {target}");
    }
}

#[tokio::test]
async fn form_uploads_are_not_served() {
    let lake = Lake::new().await;
    let form = [("content-type", "multipart/form-data; boundary=x")];
    let answer = lake.call("POST", "/sales", &form, b"--x--").await;
    assert_eq!(answer.outcome(), "501 NotImplemented");
}
