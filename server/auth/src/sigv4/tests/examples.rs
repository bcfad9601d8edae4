//! The examples that AWS publishes for S3, with the signatures that it states.

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

fn example(method: &str, uri: &str, extra: &[(&str, &str)], payload: &str, signed: &str, signature: &str) {
    let authorization = authorization(signed, signature);
    let mut headers = vec![
        ("host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", payload),
        ("authorization", &authorization),
    ];
    headers.extend_from_slice(extra);
    let sample = Sample::new(method, uri, &headers);
    sample.verify().unwrap_or_else(|error| panic!("{method} {uri}: {error}"));
}

#[test]
fn get_object() {
    example(
        "GET",
        "/test.txt",
        &[("range", "bytes=0-9")],
        EMPTY,
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
}

#[test]
fn put_object() {
    example(
        "PUT",
        "/test$file.text",
        &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
}

#[test]
fn get_bucket_lifecycle() {
    example(
        "GET",
        "/?lifecycle",
        &[],
        EMPTY,
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn list_objects() {
    example(
        "GET",
        "/?max-keys=2&prefix=J",
        &[],
        EMPTY,
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn presigned_get() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
               &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let sample = Sample::new("GET", uri, &[("host", "examplebucket.s3.amazonaws.com")]);
    let verified = sample.verify().expect("the published signature");
    assert!(verified.presigned);
    assert_eq!(verified.payload, Payload::Unsigned);
    assert!(sample.verify_at(NOW_MS + 86_400_000).is_ok());
    let late = sample.verify_at(NOW_MS + 86_402_000).expect_err("too late").to_string();
    assert_eq!(late, "the presigned request expired 2 s ago");
}

fn streamed(payload: &str, trailer: Option<&str>, signature: &str) -> Verified {
    let mut headers = vec![
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", payload),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    let names = match trailer {
        None => {
            headers.push(("content-length", "66824"));
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
             x-amz-decoded-content-length;x-amz-storage-class"
        }
        Some(trailer) => {
            headers.push(("x-amz-trailer", trailer));
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class;x-amz-trailer"
        }
    };
    let authorization = authorization(names, signature);
    headers.push(("authorization", &authorization));
    Sample::new("PUT", "/examplebucket/chunkObject.txt", &headers).verify().expect("the published signature")
}

fn decode(verified: Verified, with_trailer: bool, body: Vec<u8>) -> Vec<(String, String)> {
    let mut decoder = chunked::Decoder::new(Some(verified.chunk_signer), with_trailer, 66_560);
    let mut out = Vec::new();
    decoder.push(body.into(), &mut out).expect("published chunks");
    assert_eq!(out.concat(), vec![b'a'; 66_560]);
    decoder.finish().expect("a complete body")
}

fn body(signatures: [&str; 3], tail: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend(vec![b'a'; 65_536]);
    body.extend(format!("\r\n400;chunk-signature={second}\r\n").into_bytes());
    body.extend(vec![b'a'; 1024]);
    body.extend(format!("\r\n0;chunk-signature={last}\r\n{tail}").into_bytes());
    body
}

#[test]
fn chunked_put() {
    let verified = streamed(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        None,
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    assert_eq!(verified.payload, Payload::Chunked { signed: true, trailer: false });
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    assert_eq!(decode(verified, false, body(signatures, "\r\n")), []);
}

#[test]
fn chunked_put_with_trailer() {
    let verified = streamed(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        Some("x-amz-checksum-crc32c"),
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:\
                   d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let trailers = decode(verified, true, body(signatures, trailer));
    assert_eq!(trailers, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
}
