//! Protected branches: the rules, and what they forbid at this door.

use expect_test::expect;

use crate::server::Server;

const RULES: &str = "/repositories/sales/settings/branch_protection";
const OLD: &str = "/repositories/sales/branch_protection";

async fn status(server: &Server, request: &str) -> String {
    server.answer(request).await.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_protected_branch_takes_merges_and_nothing_else() {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("dev", "new.txt", "new").await;
    let base = server.commit("dev", "work").await;
    server.put("main", "staged.txt", "before the rule").await;
    server
        .check(
            &format!("PUT {RULES}\n\n[{{\"pattern\": \"rel-*\"}}, {{\"pattern\": \"m?in\"}}]"),
            expect![[r#"
                204
            "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches/main/objects?path=a.txt\n\nchanged",
            expect![[r#"
                403
                {
                  "message": "branch main of repository sales is protected by the rule \"m?in\": object:write is refused there; work on another branch and merge it"
                }
            "#]],
        )
        .await;
    for request in [
        "DELETE /repositories/sales/branches/main/objects?path=a.txt",
        "POST /repositories/sales/branches/main/objects/delete\n\n{\"paths\": [\"a.txt\"]}",
        "POST /repositories/sales/branches/main/objects/copy?dest_path=b.txt\n\n{\"src_path\": \"a.txt\"}",
        "POST /repositories/sales/branches/main/commits\n\n{\"message\": \"m\"}",
        "PUT /repositories/sales/branches/main\n\n{\"type\": \"reset\"}",
        "PUT /repositories/sales/branches/main/hard_reset?ref=main~1&force=true",
        "DELETE /repositories/sales/branches/main",
    ] {
        assert_eq!(status(&server, request).await, "403", "{request}");
    }
    assert_eq!(server.read("main", "a.txt").await, "alpha");
    // Other branches are free, and their work comes in by a merge.
    server.put("dev", "more.txt", "more").await;
    server.commit("dev", "more").await;
    assert_eq!(status(&server, "POST /repositories/sales/refs/dev/merge/main\n\n{}").await, "200");
    assert_eq!(server.read("main", "more.txt").await, "more");
    let revert = format!("POST /repositories/sales/branches/main/revert\n\n{{\"ref\": \"{base}\"}}");
    assert_eq!(status(&server, &revert).await, "204", "what undoes a commit is a commit that can be seen");
}

#[tokio::test]
async fn rules_are_replaced_as_they_were_read() {
    let server = Server::with_sales().await;
    let etag = async || {
        let answer = server.answer(&format!("GET {RULES}\nShow: etag")).await;
        answer.lines().nth(1).unwrap().strip_prefix("etag: ").unwrap().to_owned()
    };
    let set = async |etag: &str, pattern: &str| {
        status(&server, &format!("PUT {RULES}\nif-match: {etag}\n\n[{{\"pattern\": \"{pattern}\"}}]")).await
    };
    let before = etag().await;
    assert_eq!(before, "\"none\"");
    assert_eq!(set(&before, "main").await, "204");
    let first = etag().await;
    assert_eq!(set(&before, "other").await, "412", "somebody set rules meanwhile");
    assert_eq!(set(first.trim_matches('"'), "rel-*").await, "204", "with and without quotes");
    assert_eq!(set(&first, "other").await, "412");
    server
        .check(
            &format!("GET {RULES}"),
            expect![[r#"
                200
                [
                  {
                    "pattern": "rel-*"
                  }
                ]
            "#]],
        )
        .await;
    assert_eq!(status(&server, &format!("PUT {RULES}\n\n[]")).await, "204", "without a condition");
    assert_eq!(server.json(RULES).await, serde_json::json!([]));
}

#[tokio::test]
async fn single_rules_are_added_and_removed_where_older_clients_do_so() {
    let server = Server::with_sales().await;
    let rule = |pattern: &str| format!("{{\"pattern\": \"{pattern}\"}}");
    assert_eq!(status(&server, &format!("POST {OLD}\n\n{}", rule("main"))).await, "204");
    assert_eq!(status(&server, &format!("POST {OLD}\n\n{}", rule("main"))).await, "409");
    assert_eq!(status(&server, &format!("POST {OLD}\n\n{}", rule("a/b"))).await, "400");
    assert_eq!(server.json(OLD).await, serde_json::json!([{"pattern": "main"}]));
    assert_eq!(status(&server, &format!("DELETE {OLD}\n\n{}", rule("other"))).await, "404");
    assert_eq!(status(&server, &format!("DELETE {OLD}\n\n{}", rule("main"))).await, "204");
    assert_eq!(status(&server, &format!("GET {OLD}/set_allowed")).await, "204");
    assert_eq!(status(&server, &format!("GET {OLD}/set_allowed\nAs: reader")).await, "403");
}

#[tokio::test]
async fn a_repository_made_anew_has_no_rules() {
    let server = Server::with_sales().await;
    assert_eq!(status(&server, &format!("PUT {RULES}\n\n[{{\"pattern\": \"*\"}}]")).await, "204");
    assert_eq!(status(&server, "DELETE /repositories/sales").await, "204");
    server.advance(1);
    server.post("/repositories", r#"{"name": "sales", "storage_namespace": "mem://again"}"#).await;
    assert_eq!(server.json(RULES).await, serde_json::json!([]));
    server.put("main", "a.txt", "free").await;
}
