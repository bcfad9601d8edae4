//! Users, groups, policies and credentials, as the administrator and as a user sees them.

use anabranch_api::Options;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use serde_json::Value;

use crate::server::Server;

async fn server() -> Server {
    let server = Server::with_directory(Options::default()).await;
    server.post("/repositories", r#"{"name": "sales"}"#).await;
    server
}

/// Makes a key for a user and gives the header that it is used by.
async fn key_of(server: &Server, user: &str) -> (String, String) {
    let made = server.post(&format!("/auth/users/{user}/credentials"), "").await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("access_key_id"), text("secret_access_key"));
    let header = format!("authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    (id, header)
}

/// The status of a request with these headers instead of the administrator's.
async fn status(server: &Server, request: &str, headers: &str) -> String {
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let answer = server.answer(&format!("{line}\nAs: nobody\n{headers}\n\n{body}")).await;
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_made_and_given_what_it_may_do() {
    let server = server().await;
    server
        .check(
            "POST /auth/users\n\n{\"id\": \"anna@example.org\"}",
            expect![[r#"
                201
                {
                  "id": "anna@example.org",
                  "creation_date": 1795369318,
                  "friendly_name": "anna@example.org"
                }
            "#]],
        )
        .await;
    server
        .check(
            "POST /auth/users\n\n{\"id\": \"anna@example.org\"}",
            expect![[r#"
                409
                {
                  "message": "user anna@example.org exists already"
                }
            "#]],
        )
        .await;
    server
        .check(
            "POST /auth/users\n\n{\"id\": \"a/b\"}",
            expect![[r#"
                400
                {
                  "message": "\"a/b\" is no name of a user, group or policy: 1 to 127 letters, digits and characters of '_+=.,@-', the first a letter, digit or '_'"
                }
            "#]],
        )
        .await;
    let (_, anna) = key_of(&server, "anna@example.org").await;
    let listing = "GET /repositories/sales/refs/main/objects/ls";
    assert_eq!(status(&server, listing, &anna).await, "403", "nothing was granted yet");
    server
        .check(
            "PUT /auth/groups/Viewers/members/anna@example.org",
            expect![[r#"
        201
    "#]],
        )
        .await;
    assert_eq!(status(&server, listing, &anna).await, "200");
    let write = "POST /repositories/sales/branches/main/objects?path=x\ncontent";
    assert_eq!(status(&server, write, &anna).await, "403");
    server
        .check(
            "PUT /auth/users/anna@example.org/policies/FSReadWriteAll",
            expect![[r#"
        201
    "#]],
        )
        .await;
    assert_eq!(status(&server, write, &anna).await, "201");
    let ids = |answer: Value| {
        let results = answer["results"].as_array().unwrap().clone();
        results.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(server.json("/auth/users").await), ["admin", "anna@example.org"]);
    assert_eq!(ids(server.json("/auth/users/anna@example.org/groups").await), ["Viewers"]);
    assert_eq!(ids(server.json("/auth/users/anna@example.org/policies").await), ["FSReadWriteAll"]);
    let effective = server.json("/auth/users/anna@example.org/policies?effective=true").await;
    assert_eq!(ids(effective), ["AuthManageOwnCredentials", "FSReadAll", "FSReadWriteAll"]);
    assert_eq!(ids(server.json("/auth/groups/Viewers/members").await), ["anna@example.org"]);
    assert_eq!(
        ids(server.json("/auth/groups/Viewers/policies").await),
        ["AuthManageOwnCredentials", "FSReadAll"]
    );
    server
        .check(
            "DELETE /auth/users/anna@example.org/policies/FSReadWriteAll",
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(status(&server, write, &anna).await, "403");
    server
        .check(
            "DELETE /auth/groups/Viewers/members/anna@example.org",
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(status(&server, listing, &anna).await, "403");
    server
        .check(
            "DELETE /auth/users/anna@example.org",
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(status(&server, listing, &anna).await, "401", "the key went with the user");
}

#[tokio::test]
async fn a_user_reads_itself_and_manages_its_own_keys_only() {
    let server = server().await;
    for user in ["anna", "ben"] {
        server.post("/auth/users", &format!("{{\"id\": \"{user}\"}}")).await;
    }
    let (id, anna) = key_of(&server, "anna").await;
    for (request, expected) in [
        ("GET /user", "200"),
        ("GET /auth/users/anna", "200"),
        ("GET /auth/users/anna/groups", "200"),
        ("GET /auth/users/anna/policies", "200"),
        ("GET /auth/users/anna/credentials", "200"),
        ("POST /auth/users/anna/credentials", "201"),
        ("GET /auth/users/ben", "403"),
        ("GET /auth/users/ben/credentials", "403"),
        ("POST /auth/users/ben/credentials", "403"),
        ("GET /auth/users", "403"),
        ("DELETE /auth/users/anna", "403"),
        ("PUT /auth/groups/Admins/members/anna", "403"),
        ("PUT /auth/users/anna/policies/AuthFullAccess", "403"),
    ] {
        assert_eq!(status(&server, request, &anna).await, expected, "{request}");
    }
    let other = format!("DELETE /auth/users/ben/credentials/{id}");
    assert_eq!(status(&server, &other, &anna).await, "403");
    let own = format!("DELETE /auth/users/anna/credentials/{id}");
    assert_eq!(status(&server, &own, &anna).await, "204");
    assert_eq!(status(&server, "GET /user", &anna).await, "401", "it has revoked the key that it used");
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let server = server().await;
    server.post("/auth/users", r#"{"id": "anna"}"#).await;
    let made = server.post("/auth/users/anna/credentials", "").await;
    let (id, secret) = (made["access_key_id"].as_str().unwrap(), made["secret_access_key"].as_str().unwrap());
    for path in
        ["/auth/users/anna/credentials", &format!("/auth/users/anna/credentials/{id}"), "/auth/users/anna"]
    {
        let shown = server.json(path).await.to_string();
        assert!(!shown.contains(secret), "{path}");
    }
}

#[tokio::test]
async fn policies_are_statements_that_grant_a_role() {
    let server = server().await;
    server
        .check(
            "POST /auth/policies\n\n{\"id\": \"eu\", \"statement\": [
              {\"effect\": \"allow\", \"action\": [\"fs:List*\", \"fs:Read*\"], \"resource\": \"*\"},
              {\"effect\": \"allow\", \"action\": [\"fs:*\"], \"resource\": \"arn:lakefs:fs:::repository/eu-*\"}]}",
            expect![[r#"
                201
                {
                  "id": "eu",
                  "creation_date": 1795369318,
                  "statement": [
                    {
                      "effect": "allow",
                      "resource": "*",
                      "action": [
                        "fs:Read*",
                        "fs:List*"
                      ]
                    },
                    {
                      "effect": "allow",
                      "resource": "arn:lakefs:fs:::repository/eu-*/*",
                      "action": [
                        "fs:*"
                      ]
                    }
                  ]
                }
            "#]],
        )
        .await;
    let refused = server
        .answer(
            "POST /auth/policies\n\n{\"id\": \"us\", \"statement\": [
              {\"effect\": \"allow\", \"action\": [\"fs:DeleteObject\"], \"resource\": \"*\"}]}",
        )
        .await;
    assert!(refused.starts_with("400\n"), "{refused}");
    assert!(
        refused.contains("statement 1 is not supported: its actions are 'fs:DeleteObject'; supported are")
    );
    let changed = "{\"id\": \"eu\", \"statement\": [{\"effect\": \"allow\", \"action\": [\"*\"], \"resource\": \"*\"}]}";
    let answer = server.answer(&format!("PUT /auth/policies/eu\n\n{changed}")).await;
    assert!(answer.starts_with("200\n"), "{answer}");
    let answer = server.answer(&format!("PUT /auth/policies/us\n\n{changed}")).await;
    assert!(answer.starts_with("400\n"), "another id: {answer}");
    server
        .check(
            "DELETE /auth/policies/eu",
            expect![[r#"
        204
    "#]],
        )
        .await;
    server
        .check(
            "GET /auth/policies/eu",
            expect![[r#"
                404
                {
                  "message": "policy eu does not exist"
                }
            "#]],
        )
        .await;
}

#[tokio::test]
async fn a_login_gives_a_token_and_a_cookie_that_die_with_the_key() {
    let server = server().await;
    server.post("/auth/users", r#"{"id": "anna"}"#).await;
    let made = server.post("/auth/users/anna/credentials", "").await;
    let login = format!(
        "POST /auth/login\nAs: nobody\nShow: set-cookie\nShow: cache-control\n\n{}",
        serde_json::json!({"access_key_id": made["access_key_id"], "secret_access_key": made["secret_access_key"]})
    );
    let answer = server.answer(&login).await;
    let token = answer.split("\"token\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let cookie = format!(
        "set-cookie: internal_auth_session={token}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict\n\
         cache-control: no-store\n"
    );
    assert!(answer.starts_with(&format!("200\n{cookie}")), "{answer}");
    assert!(answer.contains("\"token_expiration\": 1795412518"), "{answer}");
    let bearer = format!("authorization: Bearer {token}");
    let session = format!("cookie: theme=dark; internal_auth_session={token}");
    let used = async |headers: &str| status(&server, "GET /user", headers).await;
    assert_eq!(used(&bearer).await, "200");
    assert_eq!(used(&session).await, "200");
    assert_eq!(used(&format!("authorization: Bearer {}x", token)).await, "401");
    assert_eq!(used("cookie: internal_auth_session=").await, "401");
    let wrong_header = format!("authorization: Basic eA==\n{session}");
    assert_eq!(used(&wrong_header).await, "401", "a header goes before the cookie");
    server.advance(43_199_000);
    assert_eq!(used(&bearer).await, "200");
    server.advance(1_000);
    assert_eq!(used(&bearer).await, "401", "its time is over");
    let again = server.answer(&login).await;
    let token = again.split("\"token\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let bearer = format!("authorization: Bearer {token}");
    assert_eq!(used(&bearer).await, "200");
    let id = made["access_key_id"].as_str().unwrap();
    server
        .check(
            &format!("DELETE /auth/users/anna/credentials/{id}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(used(&bearer).await, "401", "its key is gone");
}

#[tokio::test]
async fn logging_in_with_a_wrong_secret_is_refused_and_logging_out_removes_the_cookie() {
    let server = server().await;
    let body = r#"{"access_key_id": "admin", "secret_access_key": "wrong"}"#;
    server
        .check(
            &format!("POST /auth/login\nAs: nobody\nShow: set-cookie\n\n{body}"),
            expect![[r#"
                401
                set-cookie: (none)
                {
                  "message": "access key id or secret are wrong"
                }
            "#]],
        )
        .await;
    server
        .check(
            "POST /auth/logout\nAs: nobody\nShow: set-cookie",
            expect![[r#"
                204
                set-cookie: internal_auth_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict
            "#]],
        )
        .await;
}

#[tokio::test]
async fn under_tls_the_cookie_is_sent_over_tls_only() {
    let server = Server::with_directory(Options { secure_cookies: true }).await;
    let body = r#"{"access_key_id": "admin", "secret_access_key": "secret"}"#;
    let answer = server.answer(&format!("POST /auth/login\nAs: nobody\nShow: set-cookie\n\n{body}")).await;
    assert!(answer.contains("; HttpOnly; SameSite=Strict; Secure\n"), "{answer}");
}

#[tokio::test]
async fn the_server_is_set_up_from_its_first_start() {
    let server = server().await;
    server
        .check(
            "GET /setup_lakefs\nAs: nobody",
            expect![[r#"
                200
                {
                  "state": "initialized",
                  "comm_prefs_missing": false
                }
            "#]],
        )
        .await;
    let answer = server.answer("POST /setup_lakefs\nAs: nobody\n\n{\"username\": \"me\"}").await;
    assert!(answer.starts_with("409\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn guessing_gets_slow_and_the_owner_of_the_key_does_not_notice() {
    let server = server().await;
    let peer = |last: u8| anabranch_auth::Peer(std::net::IpAddr::from([192, 0, 2, last]));
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("admin:{secret}")));
    let took_ms = async |secret: &str, from: u8| {
        let request = http::Request::builder().uri("/api/v1/user").header("authorization", basic(secret));
        let request = request.extension(peer(from)).body(axum::body::Body::empty()).unwrap();
        let before = tokio::time::Instant::now();
        let status = server.send(request).await.status().as_u16();
        (status, before.elapsed().as_millis())
    };
    assert_eq!(took_ms("secret", 1).await, (200, 0));
    for _ in 0..6 {
        assert_eq!(took_ms("guess", 2).await, (401, 0));
    }
    // The timer ticks once a millisecond, and may tick once more.
    let (status, waited) = took_ms("guess", 2).await;
    assert!(status == 401 && (100..=110).contains(&waited), "{status} after {waited} ms");
    let (status, waited) = took_ms("secret", 2).await;
    assert!(
        status == 200 && (200..=210).contains(&waited),
        "the time tells nothing: {status} after {waited} ms"
    );
    assert_eq!(took_ms("secret", 1).await, (200, 0));
}
