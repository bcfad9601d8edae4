//! Previews and reports: what a merge would do, and what one did.

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::server::Server;

pub(crate) const MERGE: &str = "/repositories/sales/refs/dev/merge/main";

/// `main` and `dev` went apart: `dev` added `d.txt`; with `conflict`, both wrote `a.txt`.
pub(crate) async fn apart(conflict: bool) -> Server {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("main", "m.txt", "on main").await;
    if conflict {
        server.put("main", "a.txt", "main's").await;
    }
    server.commit("main", "on main").await;
    server.put("dev", "d.txt", "on dev").await;
    if conflict {
        server.put("dev", "a.txt", "dev's").await;
    }
    server.commit("dev", "on dev").await;
    server
}

async fn preview(server: &Server, body: &str) -> Value {
    server.post(&format!("{MERGE}/preview"), body).await
}

/// Compares an answer in which the id of a preview stands.
async fn check(server: &Server, request: &str, id: &Value, expected: Expect) {
    expected.assert_eq(&server.answer(request).await.replace(id.as_str().unwrap(), "PREVIEW"));
}

fn executing(id: &Value) -> String {
    format!("POST {MERGE}\n\n{{\"preview\": {id}}}")
}

#[tokio::test]
async fn what_is_shown_is_published_and_explained() {
    let server = apart(false).await;
    let head = server.answer("GET /repositories/sales/branches/main").await;
    let shown = preview(&server, "").await;
    check(
        &server,
        &format!("POST {MERGE}/preview"),
        &shown["id"],
        expect![[r#"
        200
        {
          "format": 1,
          "id": "PREVIEW",
          "source": "dev",
          "destination": "main",
          "verdict": "clean",
          "expires": 1795455721,
          "summary": {
            "base": "ID",
            "ours": "ID",
            "theirs": "ID",
            "tables": [],
            "objects_changed": 1
          },
          "conflicts": [],
          "in_the_way": [],
          "uncommitted_on_source": 0
        }
    "#]],
    )
    .await;
    assert_eq!(server.answer("GET /repositories/sales/branches/main").await, head, "nobody sees it");
    assert_eq!(shown["expires"], crate::server::NOW_MS / 1000 + 3 + 24 * 60 * 60);

    let merged = server.post(MERGE, &format!("{{\"preview\": {}}}", shown["id"])).await;
    assert_eq!(merged["summary"], shown["summary"]);
    assert_eq!(server.read("main", "d.txt").await, "on dev");
    server
        .check(
            "GET /repositories/sales/commits/main/report",
            expect![[r#"
        200
        {
          "format": 1,
          "commit": "ID",
          "source": "dev",
          "destination": "main",
          "verdict": "clean",
          "summary": {
            "base": "ID",
            "ours": "ID",
            "theirs": "ID",
            "tables": [],
            "objects_changed": 1
          },
          "conflicts": [],
          "decided": []
        }
    "#]],
        )
        .await;
    server.check("GET /repositories/sales/commits/main^2/report", expect![[r#"
        404
        {
          "message": "report of commit ID does not exist: no merge made it, or one of a server that kept no reports"
        }
    "#]]).await;
    server
        .check(
            "GET /repositories/sales/commits/nowhere/report",
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
async fn conflicts_are_a_preview_too() {
    let server = apart(true).await;
    let shown = preview(&server, "{}").await;
    assert_eq!(shown["verdict"], "conflicts");
    assert_eq!(shown["conflicts"].as_array().unwrap().len(), 1);
    let refused = server.answer(&executing(&shown["id"])).await;
    let refused: Value = serde_json::from_str(refused.strip_prefix("409\n").unwrap()).unwrap();
    assert_eq!(refused["conflicts"], shown["conflicts"], "executing it answers them");

    let decided = preview(&server, r#"{"strategy": "source-wins"}"#).await;
    assert_eq!(decided["verdict"], "clean");
    assert_ne!(decided["id"], shown["id"]);
    let body = format!(r#"{{"strategy": "source-wins", "preview": {}}}"#, decided["id"]);
    server.post(MERGE, &body).await;
    assert_eq!(server.read("main", "a.txt").await, "dev's");
}

#[tokio::test]
async fn a_preview_that_does_not_hold_any_more_publishes_nothing() {
    let server = apart(false).await;
    let first = preview(&server, "").await;
    server.put("dev", "e.txt", "more").await;
    server.commit("dev", "more").await;
    let head = server.answer("GET /repositories/sales/branches/main").await;
    check(&server, &executing(&first["id"]), &first["id"], expect![[r#"
        409
        {
          "reference": "",
          "message": "preview PREVIEW does not hold any more: dev moved from ID to ID. Nothing was published; preview again",
          "kind": "stale-preview",
          "preview": "PREVIEW",
          "moved": [
            "dev moved from ID to ID"
          ]
        }
    "#]]).await;
    let second = preview(&server, "").await;
    server.put("main", "d.txt", "in the way").await;
    check(&server, &executing(&second["id"]), &second["id"], expect![[r#"
        409
        {
          "reference": "",
          "message": "preview PREVIEW does not hold any more: d.txt has uncommitted changes now. Nothing was published; preview again",
          "kind": "stale-preview",
          "preview": "PREVIEW",
          "moved": [
            "d.txt has uncommitted changes now"
          ]
        }
    "#]]).await;
    let third = preview(&server, "").await;
    assert_eq!(third["id"], second["id"], "what is staged is not a part of it");
    assert_eq!(third["in_the_way"], serde_json::json!(["d.txt"]));
    server.advance(25 * 60 * 60 * 1000);
    check(&server, &executing(&second["id"]), &second["id"], expect![[r#"
        409
        {
          "reference": "",
          "message": "preview PREVIEW does not hold any more: it has expired. Nothing was published; preview again",
          "kind": "stale-preview",
          "preview": "PREVIEW",
          "moved": [
            "it has expired"
          ]
        }
    "#]]).await;
    assert_eq!(server.answer("GET /repositories/sales/branches/main").await, head);
}

#[tokio::test]
async fn ids_of_no_preview_and_of_another_merge_are_refused() {
    let server = apart(false).await;
    let shown = preview(&server, "").await;
    server
        .check(
            &format!("POST {MERGE}\n\n{{\"preview\": \"0123\"}}"),
            expect![[r#"
        404
        {
          "message": "preview 0123 does not exist: make a new one, they are kept for a day"
        }
    "#]],
        )
        .await;
    let elsewhere = executing(&shown["id"]).replace("refs/dev/merge/main", "refs/main/merge/dev");
    check(
        &server,
        &elsewhere,
        &shown["id"],
        expect![[r#"
        400
        {
          "message": "preview PREVIEW is of the merge of dev into main, not of main into dev"
        }
    "#]],
    )
    .await;
    server
        .check(
            "POST /repositories/sales/refs/nowhere/merge/main/preview",
            expect![[r#"
        404
        {
          "message": "ref nowhere does not exist: it names no branch, no tag and no commit"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/refs/dev/merge/nowhere/preview",
            expect![[r#"
        404
        {
          "message": "branch nowhere does not exist"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("POST {MERGE}/preview\n\n{{\"strategy\": \"ours\"}}"),
            expect![[r#"
        400
        {
          "message": "strategy is \"ours\": give 'dest-wins', 'source-wins' or nothing"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn accept_says_in_which_form() {
    let server = apart(true).await;
    let shown = preview(&server, "").await;
    let request = |accept: &str| {
        format!(
            "POST {MERGE}/preview\nAccept: {accept}\nShow: content-type\nShow: vary\nShow: content-security-policy"
        )
    };
    check(&server, &request("text/markdown"), &shown["id"], expect![[r#"
        200
        content-type: text/markdown; charset=utf-8
        vary: accept
        content-security-policy: (none)
        # Merge of `dev` into `main`: 1 conflict

        Nothing is published. A merge session decides the conflicts one by one, a strategy all at once.

        ours `ID`, theirs `ID`, merge base `ID`

        0 tables, 1 object outside tables; data files +0 -0, 0 bytes written

        ## Conflicts

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | object-conflict | `a.txt` | changed differently on main and dev | `{"size":5,"etag":"2c1743a391305fbf367df8e4f069f9f9","content_type":"application/octet-stream"}` | `{"size":6,"etag":"c07242d9d1e25c98846f2848b20096ba","content_type":"application/octet-stream"}` | `{"size":5,"etag":"e35a61128570620096ae570d3bd8a0fb","content_type":"application/octet-stream"}` | ours, theirs, base, object |
    "#]]).await;
    let page = server.answer(&request("text/html,*/*;q=0.8")).await;
    assert!(page.contains("content-type: text/html") && page.contains("default-src 'none'"), "{page}");
    assert!(page.contains("<h1>Merge of <code>dev</code> into <code>main</code>: 1 conflict</h1>"), "{page}");
    check(&server, &request("image/png"), &shown["id"], expect![[r#"
        406
        content-type: application/json
        vary: (none)
        content-security-policy: (none)
        {
          "message": "this is answered as application/json, text/markdown or text/html: name one of them in Accept"
        }
    "#]]).await;
    let json = server.answer(&request("application/json")).await;
    assert!(json.starts_with("200\ncontent-type: application/json"), "{json}");
}

#[tokio::test]
async fn who_may_see_what_differs_may_see_a_preview_and_executes_nothing() {
    let server = apart(false).await;
    let answer = server.answer(&format!("POST {MERGE}/preview\nAs: reader")).await;
    let shown: Value = serde_json::from_str(answer.strip_prefix("200\n").unwrap()).unwrap();
    let executing = executing(&shown["id"]).replace("\n\n", "\nAs: reader\n\n");
    assert!(server.answer(&executing).await.starts_with("403"));
    assert!(server.answer(&format!("POST {MERGE}/session\nAs: reader")).await.starts_with("403"));
}
