//! Merge, revert, cherry-pick.

use expect_test::expect;

use crate::server::Server;

const MERGE: &str = "POST /repositories/sales/refs/dev/merge/main\n\n";

/// `main` and `dev` went apart: `dev` added `d.txt` and wrote `a.txt`.
async fn apart() -> Server {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("main", "m.txt", "on main").await;
    server.commit("main", "on main").await;
    server.put("dev", "d.txt", "on dev").await;
    server.put("dev", "a.txt", "dev's").await;
    server.commit("dev", "on dev").await;
    server
}

#[tokio::test]
async fn a_clean_merge_holds_both_sides() {
    let server = apart().await;
    server
        .check(
            MERGE,
            expect![[r#"
        200
        {
          "reference": "ID",
          "summary": {
            "base": "ID",
            "ours": "ID",
            "theirs": "ID",
            "tables": [],
            "objects_changed": 2
          }
        }
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "m.txt").await, "on main");
    assert_eq!(server.read("main", "d.txt").await, "on dev");
    server
        .check(
            "GET /repositories/sales/commits/main",
            expect![[r#"
        200
        {
          "id": "ID",
          "parents": [
            "ID",
            "ID"
          ],
          "committer": "admin",
          "message": "Merge 'dev' into 'main'",
          "creation_date": 1795369321,
          "meta_range_id": "ID",
          "metadata": {},
          "generation": 4,
          "version": 1
        }
    "#]],
        )
        .await;
    server
        .check(
            MERGE,
            expect![[r#"
        400
        {
          "message": "no changes: main has all that dev brings"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn the_words_of_the_client_reach_the_merge_commit() {
    let server = apart().await;
    let body =
        r#"{"message": "take dev", "metadata": {"ticket": "7"}, "squash_merge": true, "strategy": ""}"#;
    server.post("/repositories/sales/refs/dev/merge/main", body).await;
    server
        .check(
            "GET /repositories/sales/commits/main",
            expect![[r#"
        200
        {
          "id": "ID",
          "parents": [
            "ID"
          ],
          "committer": "admin",
          "message": "take dev",
          "creation_date": 1795369321,
          "meta_range_id": "ID",
          "metadata": {
            "ticket": "7"
          },
          "generation": 4,
          "version": 1
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_conflict_is_answered_complete_and_changes_nothing() {
    let server = apart().await;
    server.put("main", "a.txt", "main's").await;
    server.delete("main", "dir/b.txt").await;
    server.commit("main", "another a").await;
    server.put("dev", "dir/b.txt", "dev's").await;
    server.commit("dev", "another b").await;
    let head = server.answer("GET /repositories/sales/branches/main").await;
    let answer = server.answer(MERGE).await;
    let (status, json) = answer.split_once('\n').unwrap();
    assert_eq!(status, "409");
    let body: serde_json::Value = serde_json::from_str(json).unwrap();
    let conflicts = body["conflicts"].as_array().unwrap();
    let lines: Vec<_> = conflicts
        .iter()
        .map(|conflict| format!("{} {} {}", conflict["kind"], conflict["path"], conflict["choices"]))
        .collect();
    expect![[r#"
        "object-conflict" "a.txt" [{"id":"ours","label":"keep the destination's"},{"id":"theirs","label":"take the source's"},{"id":"base","label":"go back to the merge base"},{"id":"object","label":"put an uploaded object in its place"}]
        "object-conflict" "dir/b.txt" [{"id":"ours","label":"keep the destination's"},{"id":"theirs","label":"take the source's"},{"id":"base","label":"go back to the merge base"},{"id":"object","label":"put an uploaded object in its place"}]"#]].assert_eq(&lines.join("\n"));
    expect!["2 conflicts in the merge of dev into main: nothing was published; 'conflicts' lists all of them and the ways out"].assert_eq(body["message"].as_str().unwrap());
    assert_eq!(body["reference"], "");
    for conflict in conflicts {
        for field in ["conflict_id", "table", "key", "column", "message", "rule", "base", "ours", "theirs"] {
            assert!(conflict.get(field).is_some(), "{field} is missing in {conflict}");
        }
    }
    assert_eq!(server.answer("GET /repositories/sales/branches/main").await, head);
    assert_eq!(server.read("main", "d.txt").await, "404");
}

#[tokio::test]
async fn a_strategy_decides_what_conflicts_and_only_that() {
    for (strategy, expected) in [("dest-wins", "main's"), ("source-wins", "dev's")] {
        let server = apart().await;
        server.put("main", "a.txt", "main's").await;
        server.commit("main", "another a").await;
        let body = format!(r#"{{"strategy": "{strategy}"}}"#);
        server.post("/repositories/sales/refs/dev/merge/main", &body).await;
        assert_eq!(server.read("main", "a.txt").await, expected, "{strategy}");
        assert_eq!(server.read("main", "d.txt").await, "on dev", "{strategy}");
    }
    let server = apart().await;
    server
        .check(
            &format!("{MERGE}{{\"strategy\": \"ours\"}}"),
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
async fn uncommitted_changes_are_named_on_either_side() {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("dev", "x.txt", "1").await;
    server.put("dev", "y.txt", "2").await;
    server.check(MERGE, expect![[r#"
        400
        {
          "message": "no changes: main has all commits of dev. dev has 2 uncommitted changes, and only commits are merged: commit first"
        }
    "#]]).await;
    server.commit("dev", "x and y").await;
    server.put("main", "x.txt", "staged").await;
    server.put("main", "z.txt", "elsewhere").await;
    server.check(MERGE, expect![[r#"
        400
        {
          "message": "uncommitted changes on main stand where the merge would write: x.txt. Commit or reset them first"
        }
    "#]]).await;
    let reset = r#"{"type": "object", "path": "x.txt"}"#;
    server
        .check(
            &format!("PUT /repositories/sales/branches/main\n\n{reset}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    server.post("/repositories/sales/refs/dev/merge/main", "").await;
    assert_eq!(server.read("main", "z.txt").await, "elsewhere", "what is staged elsewhere stays staged");
}

#[tokio::test]
async fn an_empty_merge_is_made_only_when_asked_for() {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server
        .check(
            MERGE,
            expect![[r#"
        400
        {
          "message": "no changes: main has all that dev brings"
        }
    "#]],
        )
        .await;
    server.post("/repositories/sales/refs/dev/merge/main", r#"{"allow_empty": true}"#).await;
    server.post("/repositories/sales/refs/dev/merge/main", r#"{"force": true}"#).await;
}

#[tokio::test]
async fn the_merge_base_is_the_last_common_commit() {
    let server = apart().await;
    let answer = server.json("/repositories/sales/refs/dev/merge/main").await;
    let commit = async |reference| {
        server.json(&format!("/repositories/sales/commits/{reference}")).await["id"].clone()
    };
    assert_eq!(answer["source_commit_id"], commit("dev").await);
    assert_eq!(answer["destination_commit_id"], commit("main").await);
    assert_eq!(answer["base_commit_id"], commit("main~1").await);
}

#[tokio::test]
async fn a_commit_is_undone_by_another() {
    let server = apart().await;
    server.post("/repositories/sales/refs/dev/merge/main", "").await;
    let revert = "POST /repositories/sales/branches/main/revert\n\n";
    server
        .check(
            &format!("{revert}{{\"ref\": \"main\", \"parent_number\": 0}}"),
            expect![[r#"
        400
        {
          "message": "commit ID has 2 parents: parent 0 cannot count as what was before; name one from 1 to 2"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{revert}{{\"ref\": \"main\", \"parent_number\": -1}}"),
            expect![[r#"
        400
        {
          "message": "parent_number is negative: give 1 for the first parent, 0 for a commit with one parent"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{revert}{{\"ref\": \"main\", \"parent_number\": 1}}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "d.txt").await, "404");
    assert_eq!(server.read("main", "a.txt").await, "alpha");
    server
        .check(
            "GET /repositories/sales/branches/main",
            expect![[r#"
        200
        {
          "id": "main",
          "commit_id": "ID"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_commit_is_repeated_on_another_branch() {
    let server = apart().await;
    let pick = "POST /repositories/sales/branches/main/cherry-pick\n\n";
    server
        .check(
            &format!("{pick}{{\"ref\": \"dev\", \"commit_overrides\": {{\"message\": \"picked\"}}}}"),
            expect![[r#"
                201
                {
                  "id": "ID",
                  "parents": [
                    "ID"
                  ],
                  "committer": "admin",
                  "message": "picked",
                  "creation_date": 1795369321,
                  "meta_range_id": "ID",
                  "metadata": {},
                  "generation": 4,
                  "version": 1
                }
            "#]],
        )
        .await;
    assert_eq!(server.read("main", "d.txt").await, "on dev");
    server
        .check(
            &format!("{pick}{{\"ref\": \"dev\"}}"),
            expect![[r#"
        400
        {
          "message": "no changes: main has all that dev brings"
        }
    "#]],
        )
        .await;
}
