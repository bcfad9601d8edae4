//! Where merge sessions are, and what is refused in them.

use expect_test::expect;
use serde_json::{Value, json};

use crate::merge_sessions::Session;
use crate::previews::{MERGE, apart};
use crate::server::Server;

#[tokio::test]
async fn a_session_is_listed_shown_and_abandoned_on_its_branch_alone() {
    let session = Session::begin().await;
    let server = &session.server;
    let listed = server.json("/repositories/sales/merge_sessions?amount=1").await;
    assert_eq!(listed["results"][0]["id"], session.id);
    assert_eq!(listed["pagination"]["has_more"], false);
    let none = server.json("/repositories/sales/merge_sessions?prefix=x").await;
    assert_eq!(none["results"], json!([]));
    for (method, below, body) in [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("GET", "/conflicts", ""),
        ("GET", "/outcome", ""),
        ("PUT", "/conflicts/CONFLICT", r#"{"choice": "ours"}"#),
        ("PUT", "/conflicts/CONFLICT/object", "x"),
        ("DELETE", "/conflicts/CONFLICT", ""),
        ("POST", "/choices", r#"{"choice": "ours"}"#),
        ("POST", "/complete", ""),
    ] {
        let elsewhere = session.at.replace("branches/main", "branches/dev");
        let below = below.replace("CONFLICT", &session.conflict);
        let answer = server.answer(&format!("{method} {elsewhere}{below}\n\n{body}")).await;
        assert!(
            answer.starts_with("404") && answer.contains("merges into another branch"),
            "{method} {below}: {answer}"
        );
        let id = &session.id[..31];
        let beginning = format!("/repositories/sales/branches/main/merge_sessions/{id}{below}");
        let answer = server.answer(&format!("{method} {beginning}\n\n{body}")).await;
        assert!(answer.starts_with("404"), "{method} {below}: the beginning of an id is no id");
    }
    session
        .check(
            "DELETE",
            "",
            "",
            expect![[r#"
        204
    "#]],
        )
        .await;
    session.check("GET", "", "", expect![[r#"
        404
        {
          "message": "merge session SESSION does not exist for branch main: it was completed or abandoned, merges into another branch, or never began"
        }
    "#]]).await;
}

#[tokio::test]
async fn a_session_of_a_deleted_branch_can_be_abandoned() {
    let server = apart(true).await;
    server.branch("side", "main").await;
    let begun = server.post("/repositories/sales/refs/dev/merge/side/session", "").await;
    let id = begun["session"]["id"].as_str().unwrap();
    assert!(server.answer("DELETE /repositories/sales/branches/side").await.starts_with("204"));
    let at = format!("/repositories/sales/branches/side/merge_sessions/{id}");
    assert!(server.answer(&format!("GET {at}")).await.starts_with("404"));
    assert!(server.answer(&format!("DELETE {at}")).await.starts_with("204"));
    assert_eq!(server.json("/repositories/sales/merge_sessions").await["results"], json!([]));
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be_decided() {
    let server = apart(false).await;
    server
        .check(
            &format!("POST {MERGE}/session"),
            expect![[r#"
        200
        {
          "verdict": "clean",
          "session": null
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/refs/main/merge/main/session",
            expect![[r#"
        200
        {
          "verdict": "up-to-date",
          "session": null
        }
    "#]],
        )
        .await;
    assert_eq!(server.json("/repositories/sales/merge_sessions").await["results"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let session = Session::begin().await;
    let put = async |body: &str| session.answer("PUT", "/conflicts/CONFLICT", &format!("\n\n{body}")).await;
    expect![[r#"
        400
        {
          "message": "\"mine\" is no choice of the object-conflict at a.txt: it has ours, theirs, base, object"
        }
    "#]].assert_eq(&put(r#"{"choice": "mine"}"#).await);
    expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: missing field `choice` at line 1 column 2"
        }
    "#]]
    .assert_eq(&put("{}").await);
    let long = json!({"choice": "ours", "value": "x".repeat(70_000)});
    expect![[r#"
        400
        {
          "message": "the choice for a.txt takes 70089 bytes; at most 65536 are kept"
        }
    "#]]
    .assert_eq(&put(&long.to_string()).await);
    session.check("PUT", "/conflicts/00", r#"{"choice": "ours"}"#, expect![[r#"
        404
        {
          "message": "conflict 00 does not exist: merge session SESSION has none of this id with its destination as it is now"
        }
    "#]]).await;
    session.check("PUT", "/conflicts/00/object", "x", expect![[r#"
        404
        {
          "message": "conflict 00 does not exist: merge session SESSION has none of this id with its destination as it is now"
        }
    "#]]).await;
    session.check("GET", "/conflicts?after=00", "", expect![[r#"
        400
        {
          "message": "conflict 00 is none of merge session SESSION any more, because the destination moved: list from the beginning"
        }
    "#]]).await;
    session
        .check(
            "GET",
            "/conflicts?undecided=maybe",
            "",
            expect![[r#"
        400
        {
          "message": "the query of the request cannot be read: undecided: give 'true' or 'false'"
        }
    "#]],
        )
        .await;
    for strange in ["%00", "%2e%2e", "a%2fb", &"x".repeat(3_000)] {
        let at = format!("/repositories/sales/branches/main/merge_sessions/{strange}");
        let answer = session.server.answer(&format!("GET {at}")).await;
        assert!(answer.starts_with("404"), "{strange}: {answer}");
        let answer = session.answer("DELETE", &format!("/conflicts/{strange}"), "").await;
        assert!(answer.starts_with("404"), "{strange}: {answer}");
    }
}

/// A merger that failed leaves nothing to choose.
#[tokio::test]
async fn a_conflict_that_takes_no_object_refuses_one() {
    let server = Server::with_sales().await;
    server.put("main", "t/_delta_log/00000000000000000000.json", "{}").await;
    server.put("main", "t/x", "base").await;
    server.commit("main", "base").await;
    server.branch("dev", "main").await;
    for on in ["main", "dev"] {
        server.put(on, "t/x", on).await;
        server.commit(on, "change").await;
    }
    let begun = server.post(&format!("{MERGE}/session"), "").await;
    let at = format!(
        "/repositories/sales/branches/main/merge_sessions/{}",
        begun["session"]["id"].as_str().unwrap()
    );
    let conflicts: Value = server.json(&format!("{at}/conflicts")).await;
    let id = conflicts["results"][0]["conflict"]["conflict_id"].as_str().unwrap();
    server
        .check(
            &format!("PUT {at}/conflicts/{id}/object\n\nx"),
            expect![[r#"
        400
        {
          "message": "\"object\" is no choice of the structure-conflict at t: it has ours, theirs, base"
        }
    "#]],
        )
        .await;
}
