//! Objects.

use axum::body::Body;
use expect_test::expect;
use http::StatusCode;

use crate::server::{Server, admin, text};

const UPLOAD: &str = "POST /repositories/sales/branches/main/objects?path=up.txt";
const OBJECT: &str = "/repositories/sales/refs/main/objects?path=a.txt";

#[tokio::test]
async fn an_upload_is_the_body_or_the_field_of_a_form() {
    let server = Server::with_sales().await;
    server
        .check(
            &format!("{UPLOAD}\nContent-Type: text/plain\nX-Lakefs-Meta-Owner: Ümit\n\nhello"),
            expect![[r#"
                201
                {
                  "path": "up.txt",
                  "path_type": "object",
                  "physical_address": "mem://sales/data/KEY/KEY#0+5",
                  "checksum": "5d41402abc4b2a76b9719d911017c592",
                  "size_bytes": 5,
                  "mtime": 1795369319,
                  "metadata": {
                    "owner": "Ümit"
                  },
                  "content_type": "text/plain"
                }
            "#]],
        )
        .await;
    let form = "Content-Type: multipart/form-data; boundary=XX\n\n\
                --XX\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\
                Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n\r\n--XX--\r\n";
    server
        .check(
            &format!("{UPLOAD}\n{form}"),
            expect![[r#"
        201
        {
          "path": "up.txt",
          "path_type": "object",
          "physical_address": "mem://sales/data/KEY/KEY#0+10",
          "checksum": "b202f333fba4fd38d4b8e5e693077aab",
          "size_bytes": 10,
          "mtime": 1795369319,
          "metadata": {},
          "content_type": "text/csv"
        }
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "up.txt").await, "a,b\r\n1,2\r\n");
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing_behind() {
    let server = Server::with_sales().await;
    let start = "--XX\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n";
    for body in [
        format!("{start}half of it"),
        format!("{start}all of it\r\n--XX"),
        format!("{start}one\r\n{start}two\r\n--XX--\r\n"),
        "--XX--\r\n".to_owned(),
        "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--XX--\r\n".to_owned(),
        String::new(),
    ] {
        let answer = server
            .answer(&format!("{UPLOAD}\nContent-Type: multipart/form-data; boundary=XX\n\n{body}"))
            .await;
        assert!(answer.starts_with("400\n{"), "{body:?}: {answer}");
        assert_eq!(server.read("main", "up.txt").await, "404", "{body:?}");
    }
    let answer = server.answer(&format!("{UPLOAD}\nContent-Type: multipart/form-data\n\n{start}x")).await;
    assert!(answer.starts_with("400\n{"), "a form without a boundary: {answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_behind() {
    let server = Server::with_sales().await;
    let pieces = [Ok("half"), Err(std::io::Error::other("the client went away"))];
    let request = admin("POST", "/repositories/sales/branches/main/objects?path=up.txt")
        .body(Body::from_stream(futures::stream::iter(pieces)))
        .unwrap();
    let response = server.send(request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.read("main", "up.txt").await, "404");
    server
        .check(
            &format!("{UPLOAD}\nContent-Length: 9\n\nhalf"),
            expect![[r#"
        400
        {
          "message": "the request body does not fit its length: announced 9, received 4"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_large_form_arrives_whole() {
    let server = Server::with_sales().await;
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut form = b"--XX\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n".to_vec();
    form.extend(&content);
    form.extend(b"\r\n--XX--\r\n");
    let pieces: Vec<_> = form.chunks(7919).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let request = admin("POST", "/repositories/sales/branches/main/objects?path=big")
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(Body::from_stream(futures::stream::iter(pieces)))
        .unwrap();
    let response = server.send(request).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{}", text(response).await);
    let request = admin("GET", "/repositories/sales/refs/main/objects?path=big").body(Body::empty()).unwrap();
    let read = axum::body::to_bytes(server.send(request).await.into_body(), usize::MAX).await.unwrap();
    assert!(read == content);
}

#[tokio::test]
async fn conditions_of_a_write_are_kept() {
    let server = Server::with_sales().await;
    server
        .check(
            &format!("{UPLOAD}\nIf-None-Match: *\n\none"),
            expect![[r#"
        201
        {
          "path": "up.txt",
          "path_type": "object",
          "physical_address": "mem://sales/data/KEY/KEY#0+3",
          "checksum": "f97c5d29941bfb1b2fdab0874906ab82",
          "size_bytes": 3,
          "mtime": 1795369319,
          "metadata": {},
          "content_type": "application/octet-stream"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{UPLOAD}\nIf-None-Match: *\n\ntwo"),
            expect![[r#"
        412
        {
          "message": "precondition failed for up.txt: it has entity tag f97c5d29941bfb1b2fdab0874906ab82"
        }
    "#]],
        )
        .await;
    let etag = "f97c5d29941bfb1b2fdab0874906ab82";
    let wrong = server.answer(&format!("{UPLOAD}\nIf-Match: \"00\"\n\ntwo")).await;
    assert!(wrong.starts_with("412\n"), "{wrong}");
    let right = server.answer(&format!("{UPLOAD}\nIf-Match: \"{etag}\"\n\ntwo")).await;
    assert!(right.starts_with("201\n"), "{right}");
    assert_eq!(server.read("main", "up.txt").await, "two");
    server
        .check(
            &format!("{UPLOAD}\nIf-None-Match: \"{etag}\"\n\nx"),
            expect![[r#"
        400
        {
          "message": "If-None-Match of a write takes only '*': create, never replace"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{UPLOAD}\nIf-None-Match: *\nIf-Match: *\n\nx"),
            expect![[r#"
        400
        {
          "message": "give If-None-Match or If-Match, not both"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn only_branches_are_written_to() {
    let server = Server::with_sales().await;
    server.post("/repositories/sales/tags", r#"{"id": "v1", "ref": "main"}"#).await;
    server
        .check(
            "POST /repositories/sales/branches/v1/objects?path=x\n\nx",
            expect![[r#"
        403
        {
          "message": "v1 is no branch: only branches can be written to"
        }
    "#]],
        )
        .await;
    server.check("POST /repositories/sales/branches/none/objects?path=x\n\nx", expect![[r#"
        404
        {
          "message": "branch none does not exist: create it with `anabranch branch create sales NAME --from REF`"
        }
    "#]]).await;
    server
        .check(
            "POST /repositories/sales/branches/main/objects?path=a/../b\n\nx",
            expect![[r#"
        400
        {
          "message": "path \"a/../b\" is refused: it has a segment '.' or '..'"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches/main/objects\n\nx",
            expect![[r#"
        400
        {
          "message": "the query of the request cannot be read: missing field `path`"
        }
    "#]],
        )
        .await;
    server.check("POST /repositories/sales/branches/main/objects?path=x\nAs: reader\n\nx", expect![[r#"
        403
        {
          "message": "reader is not permitted to object:write on branch main of repository sales: that needs the role read-write, and reader has read-only"
        }
    "#]]).await;
}

#[tokio::test]
async fn a_read_answers_bytes_ranges_and_what_is_known() {
    let server = Server::with_sales().await;
    let headers = "Show: content-type\nShow: content-length\nShow: content-range\nShow: etag\nShow: last-modified\n\
                   Show: accept-ranges\nShow: x-content-type-options\nShow: content-disposition";
    server
        .check(
            &format!("GET {OBJECT}\n{headers}"),
            expect![[r#"
        200
        content-type: application/octet-stream
        content-length: 5
        content-range: (none)
        etag: "2c1743a391305fbf367df8e4f069f9f9"
        last-modified: Sun, 22 Nov 2026 17:41:58 GMT
        accept-ranges: bytes
        x-content-type-options: nosniff
        content-disposition: attachment
        alpha
    "#]],
        )
        .await;
    server
        .check(
            &format!("HEAD {OBJECT}\n{headers}"),
            expect![[r#"
        200
        content-type: application/octet-stream
        content-length: 5
        content-range: (none)
        etag: "2c1743a391305fbf367df8e4f069f9f9"
        last-modified: Sun, 22 Nov 2026 17:41:58 GMT
        accept-ranges: bytes
        x-content-type-options: nosniff
        content-disposition: attachment
    "#]],
        )
        .await;
    server
        .check(
            &format!("GET {OBJECT}\nRange: bytes=1-3\n{headers}"),
            expect![[r#"
        206
        content-type: application/octet-stream
        content-length: 3
        content-range: bytes 1-3/5
        etag: "2c1743a391305fbf367df8e4f069f9f9"
        last-modified: Sun, 22 Nov 2026 17:41:58 GMT
        accept-ranges: bytes
        x-content-type-options: nosniff
        content-disposition: attachment
        lph
    "#]],
        )
        .await;
    server
        .check(
            &format!("HEAD {OBJECT}\nRange: bytes=-2\n{headers}"),
            expect![[r#"
        206
        content-type: application/octet-stream
        content-length: 2
        content-range: bytes 3-4/5
        etag: "2c1743a391305fbf367df8e4f069f9f9"
        last-modified: Sun, 22 Nov 2026 17:41:58 GMT
        accept-ranges: bytes
        x-content-type-options: nosniff
        content-disposition: attachment
    "#]],
        )
        .await;
    server
        .check(
            &format!("GET {OBJECT}\nRange: bytes=5-\nShow: content-range"),
            expect![[r#"
        416
        content-range: bytes */5
        {
          "message": "a.txt has 5 bytes: the range lies outside"
        }
    "#]],
        )
        .await;
    let etag = "2c1743a391305fbf367df8e4f069f9f9";
    server
        .check(
            &format!("GET {OBJECT}\nIf-None-Match: \"{etag}\"\nShow: etag"),
            expect![[r#"
        304
        etag: "2c1743a391305fbf367df8e4f069f9f9"
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/main/objects?path=none",
            expect![[r#"
        404
        {
          "message": "object none does not exist"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/nowhere/objects?path=a.txt",
            expect![[r#"
        404
        {
          "message": "ref nowhere does not exist: it names no branch, no tag and no commit"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_listing_is_cut_and_paged() {
    let server = Server::with_sales().await;
    server.put("main", "dir/c.txt", "gamma").await;
    let list = "GET /repositories/sales/refs/main/objects/ls";
    server
        .check(
            &format!("{list}?delimiter=/&user_metadata=false"),
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 2,
            "max_per_page": 1000
          },
          "results": [
            {
              "path": "a.txt",
              "path_type": "object",
              "physical_address": "mem://sales/data/KEY/KEY#0+5",
              "checksum": "2c1743a391305fbf367df8e4f069f9f9",
              "size_bytes": 5,
              "mtime": 1795369318,
              "content_type": "application/octet-stream"
            },
            {
              "path": "dir/",
              "path_type": "common_prefix",
              "physical_address": "",
              "checksum": "",
              "mtime": 0
            }
          ]
        }
    "#]],
        )
        .await;
    let all = server.answer(&format!("{list}?amount=2")).await;
    assert!(all.contains("\"has_more\": true") && all.contains("\"next_offset\": \"dir/b.txt\""), "{all}");
    let rest = server.answer(&format!("{list}?amount=2&after=dir/b.txt")).await;
    assert!(rest.contains("dir/c.txt") && rest.contains("\"results\": 1"), "{rest}");
    let committed = server.answer("GET /repositories/sales/refs/main@/objects/ls").await;
    assert!(!committed.contains("dir/c.txt"), "@ leaves uncommitted objects out: {committed}");
}

#[tokio::test]
async fn objects_are_deleted_and_copied() {
    let server = Server::with_sales().await;
    server
        .check(
            "DELETE /repositories/sales/branches/main/objects?path=a.txt",
            expect![[r#"
        204
    "#]],
        )
        .await;
    server
        .check(
            "DELETE /repositories/sales/branches/main/objects?path=a.txt",
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "a.txt").await, "404");
    assert_eq!(server.read("main@", "a.txt").await, "alpha");
    server
        .check(
            "POST /repositories/sales/branches/main/objects/copy?dest_path=back.txt\n\n\
             {\"src_path\": \"a.txt\", \"src_ref\": \"main@\"}",
            expect![[r#"
                201
                {
                  "path": "back.txt",
                  "path_type": "object",
                  "physical_address": "mem://sales/data/KEY/KEY#0+5",
                  "checksum": "2c1743a391305fbf367df8e4f069f9f9",
                  "size_bytes": 5,
                  "mtime": 1795369319,
                  "metadata": {},
                  "content_type": "application/octet-stream"
                }
            "#]],
        )
        .await;
    assert_eq!(server.read("main", "back.txt").await, "alpha");
    server
        .check(
            "POST /repositories/sales/branches/main/objects/delete\n\n\
             {\"paths\": [\"back.txt\", \"../x\", \"absent\"]}",
            expect![[r#"
                200
                {
                  "errors": [
                    {
                      "status_code": 400,
                      "message": "path \"../x\" is refused: it has a segment '.' or '..'",
                      "path": "../x"
                    }
                  ]
                }
            "#]],
        )
        .await;
    let many: Vec<_> = (0..1001).map(|n| format!("\"p{n}\"")).collect();
    let body = format!("{{\"paths\": [{}]}}", many.join(","));
    server
        .check(
            &format!("POST /repositories/sales/branches/main/objects/delete\n\n{body}"),
            expect![[r#"
        400
        {
          "message": "1001 paths: delete at most 1000 in one request"
        }
    "#]],
        )
        .await;
}
