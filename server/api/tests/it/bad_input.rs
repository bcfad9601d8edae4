//! Requests that cannot be meant, and failures of the server itself.

use std::sync::Arc;

use anabranch_auth::{Identity, Keys, KeysError};
use async_trait::async_trait;
use axum::body::Body;
use expect_test::expect;
use http::Request;

use crate::server::{Server, admin, text};

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_the_place() {
    let server = Server::with_sales().await;
    server.check("POST /repositories\n\n{\"name\": 7}", expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: name: invalid type: integer `7`, expected a string at line 1 column 10"
        }
    "#]]).await;
    server
        .check(
            "POST /repositories\n\n{\"default_branch\": \"x\"}",
            expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: missing field `name` at line 1 column 23"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories\n\n{\"name\": ",
            expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: name: EOF while parsing a value at line 1 column 9"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories\n\n{\"name\": \"new\"} trailing",
            expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: trailing characters at line 1 column 17"
        }
    "#]],
        )
        .await;
    server
        .check("POST /repositories/sales/branches/main/objects/delete\n\n{\"paths\": [\"a\", 1]}", expect![[r#"
            400
            {
              "message": "the JSON body cannot be read: paths[1]: invalid type: integer `1`, expected a string at line 1 column 17"
            }
        "#]])
        .await;
    server.check("POST /repositories/sales/refs/main/merge/main\n\n[]", expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: invalid length 0, expected struct Merge with 8 elements at line 1 column 2"
        }
    "#]]).await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let server = Server::new().await;
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(9 << 20));
    server
        .check(
            &format!("POST /repositories\n\n{body}"),
            expect![[r#"
        413
        {
          "message": "the JSON body is larger than 8 MiB"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn what_is_nowhere_is_said_to_be_nowhere() {
    let server = Server::new().await;
    server
        .check(
            "GET /nowhere",
            expect![[r#"
        404
        {
          "message": "there is no operation at /api/v1/nowhere"
        }
    "#]],
        )
        .await;
    server
        .check(
            "PATCH /repositories",
            expect![[r#"
        405
        {
          "message": "/api/v1/repositories has no operation for the method PATCH"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories?amount=1001",
            expect![[r#"
        400
        {
          "message": "amount is 1001: give -1 to 1000"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories?amount=-2",
            expect![[r#"
        400
        {
          "message": "amount is -2: give -1 to 1000"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories?amount=x",
            expect![[r#"
        400
        {
          "message": "the query of the request cannot be read: amount: invalid digit found in string"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories?bare=maybe\n\n{\"name\": \"new\"}",
            expect![[r#"
        400
        {
          "message": "the query of the request cannot be read: bare: give 'true' or 'false'"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/%ff",
            expect![[r#"
        400
        {
          "message": "the path of the request cannot be read: Invalid URL: Invalid UTF-8 in `repository`"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn credentials_are_asked_for_and_checked() {
    let server = Server::new().await;
    server
        .check(
            "GET /repositories\nAs: nobody\nShow: www-authenticate",
            expect![[r#"
                401
                www-authenticate: Basic realm="anabranch", charset="UTF-8"
                {
                  "message": "this needs credentials: send access key id and secret by basic authentication, or a token"
                }
            "#]],
        )
        .await;
    server
        .check(
            "GET /repositories\nAs: unknown\nShow: www-authenticate",
            expect![[r#"
                401
                www-authenticate: Basic realm="anabranch", charset="UTF-8"
                {
                  "message": "access key id or secret are wrong"
                }
            "#]],
        )
        .await;
    for header in ["Basic !!", "Bearer x", "", "Basic"] {
        let request = Request::builder().uri("/api/v1/repositories").header("authorization", header);
        let response = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 401, "{header:?}");
    }
}

/// Keys that cannot be looked up.
struct NoKeys;

#[async_trait]
impl Keys for NoKeys {
    async fn find(&self, _: &str) -> Result<Option<Identity>, KeysError> {
        Err(KeysError { reason: "the disk is on fire".into() })
    }
}

#[tokio::test]
async fn a_failure_of_the_server_shows_an_id_and_nothing_else() {
    let server = Server::with_keys(Arc::new(NoKeys)).await;
    server
        .check(
            "GET /repositories\nX-Request-Id: req-1\nShow: x-request-id\nShow: retry-after",
            expect![[r#"
        503
        x-request-id: req-1
        retry-after: 1
        {
          "message": "the server cannot answer now: try again; its log has the reason under request req-1"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn every_answer_has_an_id_and_hostile_ones_are_replaced() {
    let server = Server::new().await;
    for (given, kept) in [("abc-1", true), ("a b", false), ("\u{fc}", false), (&"x".repeat(65), false)] {
        let request = admin("GET", "/config").header("x-request-id", given).body(Body::empty()).unwrap();
        let response = server.send(request).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(id == given, kept, "{given:?} became {id:?}");
        assert!(!id.is_empty());
        assert!(text(response).await.contains("version_config"));
    }
}
