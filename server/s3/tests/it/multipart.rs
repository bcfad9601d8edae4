//! Multipart uploads.

use crate::lake::{Answer, Lake};

const MIB: usize = 1 << 20;

async fn begin(lake: &Lake, key: &str) -> String {
    begin_with(lake, key, &[]).await
}

async fn begin_with(lake: &Lake, key: &str, extra: &[(&str, &str)]) -> String {
    let mut headers = vec![("x-amz-meta-a", "b")];
    headers.extend_from_slice(extra);
    let answer = lake.call("POST", &format!("/sales/{key}?uploads"), &headers, b"").await;
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

/// Status, length, range and number of parts of an answer.
fn shown(answer: &Answer) -> String {
    let header = |name| answer.header(name);
    let facts = ["content-length", "content-range", "x-amz-mp-parts-count"].map(header);
    format!("{} {}", answer.outcome(), facts.join(" | "))
}

#[tokio::test]
async fn a_part_is_read_by_its_number() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/big").await;
    let mut etags = Vec::new();
    // Numbers may have gaps; they are counted anew from the first.
    for (number, length) in [(2, 5 * MIB), (5, 5 * MIB), (6, 5 * MIB + 1), (9, 3)] {
        let body = vec![b'a' + number as u8; length];
        etags.push((number, part(&lake, "main/big", &id, number, &body).await.header("etag").to_owned()));
    }
    let parts: Vec<(u32, &str)> = etags.iter().map(|(number, etag)| (*number, &**etag)).collect();
    assert_eq!(complete(&lake, "main/big", &id, &parts, &[]).await.outcome(), "200");
    // It stays so in a commit, and in a copy.
    lake.commit("main").await;
    lake.call("PUT", "/sales/main/copy", &[("x-amz-copy-source", "sales/main@/big")], b"").await;
    for (number, expected) in [
        (1, "206 5242880 | bytes 0-5242879/15728644 | 4"),
        (2, "206 5242880 | bytes 5242880-10485759/15728644 | 4"),
        (3, "206 5242881 | bytes 10485760-15728640/15728644 | 4"),
        (4, "206 3 | bytes 15728641-15728643/15728644 | 4"),
        (5, "416 InvalidPartNumber"),
    ] {
        for key in ["main/big", "main@/big", "main/copy"] {
            let target = format!("/sales/{key}?partNumber={number}");
            let read = lake.call("GET", &target, &[], b"").await;
            let head = lake.call("HEAD", &target, &[], b"").await;
            if number == 5 {
                assert_eq!((read.outcome(), head.status), (expected.into(), 416), "{key}");
                continue;
            }
            assert_eq!(shown(&read), expected, "{key}");
            assert_eq!(shown(&head), expected, "HEAD of {key}");
            assert_eq!(read.body.len().to_string(), read.header("content-length"));
        }
    }
    let last = lake.call("GET", "/sales/main/big?partNumber=4", &[("if-match", "\"x\"")], b"").await;
    assert_eq!(last.outcome(), "412 PreconditionFailed");
    assert_eq!(lake.call("GET", "/sales/main/big?partNumber=4", &[], b"").await.text(), "jjj");
    let whole = lake.call("HEAD", "/sales/main/big", &[], b"").await;
    assert_eq!(shown(&whole), "200 15728644 |  | ", "who asks for no part is told of none");
    assert!(whole.headers.keys().all(|name| !name.as_str().contains("parts")), "{:?}", whole.headers);
}

#[tokio::test]
async fn an_object_in_one_piece_is_its_own_first_part() {
    let lake = Lake::new().await;
    lake.put("main/a", b"alpha").await;
    lake.put("main/empty", b"").await;
    for (target, expected) in [
        ("main/a?partNumber=1", "206 5 | bytes 0-4/5 | "),
        ("main/empty?partNumber=1", "200 0 |  | "),
        ("main/a?partNumber=2", "416 InvalidPartNumber"),
    ] {
        let read = lake.call("GET", &format!("/sales/{target}"), &[], b"").await;
        let found = if read.status == 416 { read.outcome() } else { shown(&read) };
        assert_eq!(found, expected, "{target}");
    }
}

#[tokio::test]
async fn an_upload_is_given_up_on_a_branch_that_was_protected_meanwhile() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/big").await;
    let etag = part(&lake, "main/big", &id, 1, &vec![b'a'; MIB]).await.header("etag").to_owned();
    let rules = ["main".to_owned()];
    lake.app.set_branch_protection(&crate::lake::admin(), "sales", &rules, None).await.expect("rules");
    let kept = lake.stored_bytes(MIB as u64).await;
    assert_eq!(part(&lake, "main/big", &id, 2, b"x").await.outcome(), "403 AccessDenied");
    let done = complete(&lake, "main/big", &id, &[(1, &etag)], &[]).await;
    assert_eq!(done.outcome(), "403 AccessDenied");
    let given_up = lake.call("DELETE", &format!("/sales/main/big?uploadId={id}"), &[], b"").await;
    assert_eq!(given_up.outcome(), "204", "{}", given_up.text());
    assert!(kept >= MIB as u64 && lake.stored_bytes(MIB as u64).await == 0, "its space is free again");
    assert!(lake.call("GET", "/sales?uploads", &[], b"").await.elements("Key").is_empty());
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

#[tokio::test]
async fn a_part_that_is_too_small_has_its_own_code() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/a").await;
    let one = part(&lake, "main/a", &id, 1, b"small").await.header("etag").to_owned();
    let two = part(&lake, "main/a", &id, 2, b"tail").await.header("etag").to_owned();
    let refused = complete(&lake, "main/a", &id, &[(1, &one), (2, &two)], &[]).await;
    assert_eq!(refused.outcome(), "400 EntityTooSmall", "{}", refused.text());
}

#[tokio::test]
async fn completing_again_answers_again() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/a").await;
    let etag = part(&lake, "main/a", &id, 1, b"x").await.header("etag").to_owned();
    let first = complete(&lake, "main/a", &id, &[(1, &etag)], &[("if-none-match", "*")]).await;
    assert_eq!(first.outcome(), "200");
    let again = complete(&lake, "main/a", &id, &[(1, &etag)], &[("if-none-match", "*")]).await;
    assert_eq!(again.outcome(), "200", "the first reply may have been lost");
    assert_eq!(again.elements("ETag"), first.elements("ETag"));
    lake.put("main/a", b"other").await;
    let too_late = complete(&lake, "main/a", &id, &[(1, &etag)], &[]).await;
    assert_eq!(too_late.outcome(), "404 NoSuchUpload");
    assert_eq!(lake.get("main/a").await.text(), "other");
}

/// An algorithm, a kind, what the checksums of two parts and of the object are, and what a wrong one is.
async fn checksum_of_parts(algorithm: &str, kind: &str, composite: bool) {
    let lake = Lake::new().await;
    let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
    let announced = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
    let id = begin_with(&lake, "main/big", &announced).await;
    let first = vec![b'a'; 5 * MIB];
    let one = part(&lake, "main/big", &id, 1, &first).await;
    let two = part(&lake, "main/big", &id, 2, b"tail").await;
    assert!(!one.header(&header).is_empty() && !two.header(&header).is_empty(), "{algorithm}");
    let listed = lake.call("GET", &format!("/sales/main/big?uploadId={id}"), &[], b"").await;
    assert_eq!(
        listed.elements(&format!("Checksum{algorithm}")),
        [one.header(&header), two.header(&header)],
        "{}",
        listed.text()
    );
    let parts = [(1, one.header("etag")), (2, two.header("etag"))];
    let wrong = complete(&lake, "main/big", &id, &parts, &[(&header, "AAAAAA==")]).await;
    assert_eq!(wrong.outcome(), "400 BadDigest", "{algorithm}");
    let size = complete(&lake, "main/big", &id, &parts, &[("x-amz-mp-object-size", "5")]).await;
    assert_eq!(size.outcome(), "400 InvalidRequest", "{algorithm}");
    let other = if kind == "COMPOSITE" { "FULL_OBJECT" } else { "COMPOSITE" };
    let other = complete(&lake, "main/big", &id, &parts, &[("x-amz-checksum-type", other)]).await;
    assert_eq!(other.status, 400, "{algorithm}");
    let done = complete(&lake, "main/big", &id, &parts, &[]).await;
    assert_eq!(done.outcome(), "200", "{algorithm}: {}", done.text());
    let value = done.elements(&format!("Checksum{algorithm}")).remove(0);
    assert_eq!(done.elements("ChecksumType"), [kind]);
    assert_eq!(value.ends_with("-2"), composite, "{value}");
    let read = lake.call("GET", "/sales/main/big", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!(read.header(&header), value);
    if !composite {
        // What one PUT of all bytes would say.
        let whole = [&first[..], b"tail"].concat();
        let put = lake.call("PUT", "/sales/main/whole", &[(&header, &value)], &whole).await;
        assert_eq!(put.outcome(), "200", "{algorithm}: {}", put.text());
    }
    let parts = lake
        .call("GET", "/sales/main/big?attributes", &[("x-amz-object-attributes", "ObjectParts")], b"")
        .await;
    assert_eq!(parts.elements("PartsCount"), ["2"], "{}", parts.text());
}

#[tokio::test]
async fn objects_of_parts_have_whole_and_composite_checksums() {
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME"] {
        checksum_of_parts(algorithm, "FULL_OBJECT", false).await;
    }
    for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256"] {
        checksum_of_parts(algorithm, "COMPOSITE", true).await;
    }
}

#[tokio::test]
async fn checksums_of_parts_that_do_not_fit_are_refused() {
    let lake = Lake::new().await;
    let both = [("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-type", "FULL_OBJECT")];
    assert_eq!(lake.call("POST", "/sales/main/a?uploads", &both, b"").await.outcome(), "400 InvalidRequest");
    let id = begin_with(&lake, "main/a", &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let target = format!("/sales/main/a?partNumber=1&uploadId={id}");
    let wrong = lake.call("PUT", &target, &[("x-amz-checksum-crc32", "AAAAAA==")], b"x").await;
    assert_eq!(wrong.outcome(), "400 BadDigest");
    let etag = part(&lake, "main/a", &id, 1, b"x").await.header("etag").to_owned();
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>\
         <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>"
    );
    let refused = lake.call("POST", &format!("/sales/main/a?uploadId={id}"), &[], body.as_bytes()).await;
    assert_eq!(refused.outcome(), "400 InvalidPart", "{}", refused.text());
    let sha = complete(&lake, "main/a", &id, &[(1, &etag)], &[("x-amz-checksum-sha256", "AAAA")]).await;
    assert_eq!(sha.outcome(), "400 InvalidArgument", "{}", sha.text());
}

#[tokio::test]
async fn pages_of_parts_and_uploads() {
    let lake = Lake::new().await;
    let id = begin(&lake, "main/a").await;
    for number in [2, 5, 7, 10_000] {
        part(&lake, "main/a", &id, number, b"x").await;
    }
    let page = async |query: &str| {
        let answer = lake.call("GET", &format!("/sales/main/a?uploadId={id}{query}"), &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let next = answer.elements("NextPartNumberMarker").first().cloned().unwrap_or_default();
        format!("{} next {next}", answer.elements("PartNumber").join(" "))
    };
    assert_eq!(page("").await, "2 5 7 10000 next ");
    assert_eq!(page("&max-parts=2").await, "2 5 next 5");
    assert_eq!(page("&max-parts=2&part-number-marker=5").await, "7 10000 next ");
    assert_eq!(page("&part-number-marker=10000").await, " next ");
    let other = begin(&lake, "main/b").await;
    let uploads = lake.call("GET", "/sales?uploads&max-uploads=1", &[], b"").await;
    assert_eq!(uploads.elements("UploadId"), [id]);
    let next = format!("/sales?uploads&key-marker={}", uploads.elements("NextKeyMarker")[0]);
    assert_eq!(lake.call("GET", &next, &[], b"").await.elements("UploadId"), [other]);
}

#[tokio::test]
async fn what_is_not_needed_any_more_is_removed() {
    let lake = Lake::new().await;
    let large = vec![b'a'; 6 * MIB];
    let id = begin(&lake, "main/a").await;
    part(&lake, "main/a", &id, 1, &large).await;
    assert_eq!(lake.stored_bytes(MIB as u64).await, 6 * MIB as u64);
    part(&lake, "main/a", &id, 1, &large[1..]).await;
    assert_eq!(lake.stored_bytes(MIB as u64).await, 6 * MIB as u64 - 1, "a replaced part");
    let aborted = lake.call("DELETE", &format!("/sales/main/a?uploadId={id}"), &[], b"").await;
    assert_eq!(aborted.status, 204);
    assert_eq!(lake.stored_bytes(MIB as u64).await, 0, "the parts of an upload that was given up");
    let id = begin(&lake, "main/a").await;
    let one = part(&lake, "main/a", &id, 1, &large).await.header("etag").to_owned();
    let two = part(&lake, "main/a", &id, 2, &large).await.header("etag").to_owned();
    part(&lake, "main/a", &id, 3, &large).await;
    assert_eq!(complete(&lake, "main/a", &id, &[(1, &one), (2, &two)], &[]).await.outcome(), "200");
    assert_eq!(lake.stored_bytes(MIB as u64).await, 12 * MIB as u64, "the object alone");
    let id = begin(&lake, "main/b").await;
    let one = part(&lake, "main/b", &id, 1, &large).await.header("etag").to_owned();
    part(&lake, "main/b", &id, 2, &large).await;
    assert_eq!(complete(&lake, "main/b", &id, &[(1, &one)], &[]).await.outcome(), "200");
    assert_eq!(lake.stored_bytes(MIB as u64).await, 18 * MIB as u64, "the one part is the object");
    assert!(lake.get("main/a").await.body.len() == 12 * MIB && lake.get("main/b").await.body == large);
}

#[tokio::test]
async fn a_part_that_an_object_may_refer_to_is_never_removed() {
    let lake = Lake::new().await;
    lake.put("main/a", b"there").await;
    let large = vec![b'a'; 6 * MIB];
    let id = begin(&lake, "main/a").await;
    let etag = part(&lake, "main/a", &id, 1, &large).await.header("etag").to_owned();
    let lost = complete(&lake, "main/a", &id, &[(1, &etag)], &[("if-none-match", "*")]).await;
    assert_eq!(lost.outcome(), "412 PreconditionFailed");
    lake.call("DELETE", &format!("/sales/main/a?uploadId={id}"), &[], b"").await;
    assert_eq!(lake.stored_bytes(MIB as u64).await, 6 * MIB as u64, "left to the collection of garbage");
    assert_eq!(complete(&lake, "main/a", &id, &[(1, &etag)], &[]).await.outcome(), "404 NoSuchUpload");
}

#[tokio::test]
async fn uploads_that_nobody_completes_are_given_up() {
    let lake = Lake::new().await;
    let old = begin(&lake, "main/old").await;
    part(&lake, "main/old", &old, 1, &vec![b'a'; 2 * MIB]).await;
    lake.clock.advance(6 * 24 * 3_600_000);
    let younger = begin(&lake, "main/younger").await;
    assert_eq!(part(&lake, "main/old", &old, 2, b"x").await.status, 200, "seven days are not over");
    lake.clock.advance(25 * 3_600_000);
    begin(&lake, "main/new").await;
    assert_eq!(part(&lake, "main/old", &old, 3, b"x").await.outcome(), "404 NoSuchUpload");
    assert_eq!(lake.stored_bytes(MIB as u64).await, 0);
    assert_eq!(part(&lake, "main/younger", &younger, 1, b"x").await.status, 200);
}
