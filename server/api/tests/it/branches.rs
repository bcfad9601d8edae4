//! Branches and tags.

use expect_test::expect;

use crate::server::Server;

#[tokio::test]
async fn a_branch_is_made_at_a_commit_and_answers_its_id_as_text() {
    let server = Server::with_sales().await;
    server
        .check(
            "POST /repositories/sales/branches\nShow: content-type\n\n{\"name\": \"dev\", \"source\": \"main\"}",
            expect![[r#"
                201
                content-type: text/plain; charset=utf-8
                ID
            "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/branches/dev",
            expect![[r#"
        200
        {
          "id": "dev",
          "commit_id": "ID"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches\n\n{\"name\": \"dev\", \"source\": \"main\"}",
            expect![[r#"
            409
            {
              "message": "branch dev exists already"
            }
        "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches\n\n{\"name\": \"x\", \"source\": \"nowhere\"}",
            expect![[r#"
            404
            {
              "message": "ref nowhere does not exist: it names no branch, no tag and no commit"
            }
        "#]],
        )
        .await;
    server
        .check("POST /repositories/sales/branches\n\n{\"name\": \"a.b\", \"source\": \"main\"}", expect![[r#"
            400
            {
              "message": "\"a.b\" is no branch name: 1 to 255 letters, digits, underscores and hyphens, the first no hyphen"
            }
        "#]])
        .await;
    server
        .check(
            "DELETE /repositories/sales/branches/dev",
            expect![[r#"
        204
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/branches/dev",
            expect![[r#"
        404
        {
          "message": "branch dev does not exist"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn hidden_branches_are_listed_only_when_asked_for() {
    let server = Server::with_sales().await;
    let hidden = r#"{"name": "delta-tx-1", "source": "main", "hidden": true}"#;
    server.post("/repositories/sales/branches", hidden).await;
    server
        .check(
            "GET /repositories/sales/branches",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "id": "main",
              "commit_id": "ID"
            }
          ]
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/branches?show_hidden=True&prefix=delta",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "id": "delta-tx-1",
              "commit_id": "ID"
            }
          ]
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn tags_are_made_moved_by_force_listed_and_deleted() {
    let server = Server::with_sales().await;
    let create = "POST /repositories/sales/tags\n\n";
    server
        .check(
            &format!("{create}{{\"id\": \"v1.0\", \"ref\": \"main\"}}"),
            expect![[r#"
        201
        {
          "id": "v1.0",
          "commit_id": "ID"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{create}{{\"id\": \"v1.0\", \"ref\": \"main~1\"}}"),
            expect![[r#"
        409
        {
          "message": "tag v1.0 exists already"
        }
    "#]],
        )
        .await;
    server
        .check(
            &format!("{create}{{\"id\": \"v1.0\", \"ref\": \"nowhere\", \"force\": true}}"),
            expect![[r#"
            404
            {
              "message": "ref nowhere does not exist: it names no branch, no tag and no commit"
            }
        "#]],
        )
        .await;
    let before = server.answer("GET /repositories/sales/tags/v1.0").await;
    assert!(before.starts_with("200"), "a failed move leaves the tag: {before}");
    server
        .check(
            &format!("{create}{{\"id\": \"v1.0\", \"ref\": \"main~1\", \"force\": true}}"),
            expect![[r#"
            201
            {
              "id": "v1.0",
              "commit_id": "ID"
            }
        "#]],
        )
        .await;
    assert_eq!(server.read("v1.0", "a.txt").await, "404", "the first commit holds nothing");
    server
        .check(
            "GET /repositories/sales/tags",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "id": "v1.0",
              "commit_id": "ID"
            }
          ]
        }
    "#]],
        )
        .await;
    server
        .check(
            "DELETE /repositories/sales/tags/v1.0",
            expect![[r#"
        204
    "#]],
        )
        .await;
    server
        .check(
            "DELETE /repositories/sales/tags/v1.0",
            expect![[r#"
        404
        {
          "message": "tag v1.0 does not exist"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn uncommitted_changes_are_shown_and_thrown_away() {
    let server = Server::with_sales().await;
    server.put("main", "a.txt", "new").await;
    server.put("main", "dir/c.txt", "gamma").await;
    server.put("main", "dir/d.txt", "delta").await;
    server.delete("main", "dir/b.txt").await;
    server
        .check(
            "GET /repositories/sales/branches/main/diff",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 4,
            "max_per_page": 1000
          },
          "results": [
            {
              "type": "changed",
              "path": "a.txt",
              "path_type": "object",
              "size_bytes": 3
            },
            {
              "type": "removed",
              "path": "dir/b.txt",
              "path_type": "object",
              "size_bytes": 4
            },
            {
              "type": "added",
              "path": "dir/c.txt",
              "path_type": "object",
              "size_bytes": 5
            },
            {
              "type": "added",
              "path": "dir/d.txt",
              "path_type": "object",
              "size_bytes": 5
            }
          ]
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/branches/main/diff?delimiter=/&amount=1",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": true,
            "next_offset": "a.txt",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "type": "changed",
              "path": "a.txt",
              "path_type": "object",
              "size_bytes": 3
            }
          ]
        }
    "#]],
        )
        .await;

    let reset = "PUT /repositories/sales/branches/main\n\n";
    server
        .check(
            &format!("{reset}{{\"type\": \"object\"}}"),
            expect![[r#"
        400
        {
          "message": "path is missing: type 'object' or 'common_prefix' needs one"
        }
    "#]],
        )
        .await;
    server.check(&format!("{reset}{{\"type\": \"everything\"}}"), expect![[r#"
        400
        {
          "message": "the JSON body cannot be read: type: unknown variant `everything`, expected one of `object`, `common_prefix`, `reset` at line 1 column 21"
        }
    "#]]).await;
    server
        .check(
            &format!("{reset}{{\"type\": \"object\", \"path\": \"a.txt\"}}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "a.txt").await, "alpha");
    server
        .check(
            &format!("{reset}{{\"type\": \"common_prefix\", \"path\": \"dir/c\"}}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "dir/c.txt").await, "404");
    assert_eq!(server.read("main", "dir/d.txt").await, "delta");
    server
        .check(
            &format!("{reset}{{\"type\": \"reset\"}}"),
            expect![[r#"
        204
    "#]],
        )
        .await;
    assert_eq!(server.read("main", "dir/b.txt").await, "beta");
    assert_eq!(server.read("main", "dir/d.txt").await, "404");
}

#[tokio::test]
async fn a_branch_is_moved_to_another_commit() {
    let server = Server::with_sales().await;
    server.put("main", "c.txt", "gamma").await;
    server.commit("main", "second").await;
    server.put("main", "d.txt", "delta").await;
    let hard_reset = "PUT /repositories/sales/branches/main/hard_reset";
    server
        .check(
            &format!("{hard_reset}?ref=main~1"),
            expect![[r#"
                400
                {
                  "message": "branch main has uncommitted changes: d.txt. Commit them, reset them, or throw them away with force=true"
                }
            "#]],
        )
        .await;
    assert_eq!(server.read("main", "d.txt").await, "delta");
    for (request, expected) in
        [("?ref=main~1&force=true", "204"), ("?ref=main", "204"), ("?ref=main~9", "404")]
    {
        let answer = server.answer(&format!("{hard_reset}{request}")).await;
        assert_eq!(answer.lines().next(), Some(expected), "{request}: {answer}");
        assert_eq!(server.read("main", "d.txt").await, "404", "{request}");
        assert_eq!(server.read("main", "c.txt").await, "404", "{request}");
        assert_eq!(server.read("main", "a.txt").await, "alpha", "{request}");
    }
    server
        .check(
            hard_reset,
            expect![[r#"
                400
                {
                  "message": "the query of the request cannot be read: missing field `ref`"
                }
            "#]],
        )
        .await;
    server
        .check(
            "PUT /repositories/sales/branches/none/hard_reset?ref=main",
            expect![[r#"
                404
                {
                  "message": "branch none does not exist"
                }
            "#]],
        )
        .await;
}
