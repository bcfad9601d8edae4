//! Commits, logs and diffs.

use expect_test::expect;
use serde_json::Value;

use crate::server::Server;

async fn messages(server: &Server, query: &str) -> Vec<String> {
    let answer = server.answer(&format!("GET /repositories/sales/refs/main/commits{query}")).await;
    let (_, json) = answer.split_once('\n').unwrap();
    let page: Value = serde_json::from_str(json).unwrap();
    let results = page["results"].as_array().unwrap();
    results.iter().map(|commit| commit["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_commit_holds_what_its_maker_said() {
    let server = Server::with_sales().await;
    server.put("main", "c.txt", "gamma").await;
    server
        .check(
            "POST /repositories/sales/branches/main/commits\n\n\
             {\"message\": \"third\", \"metadata\": {\"by\": \"etl\"}, \"date\": 1700000000}",
            expect![[r#"
                201
                {
                  "id": "ID",
                  "parents": [
                    "ID"
                  ],
                  "committer": "admin",
                  "message": "third",
                  "creation_date": 1700000000,
                  "meta_range_id": "ID",
                  "metadata": {
                    "by": "etl"
                  },
                  "generation": 3,
                  "version": 1
                }
            "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches/main/commits\n\n{\"message\": \"empty\"}",
            expect![[r#"
            400
            {
              "message": "branch main has no changes to commit"
            }
        "#]],
        )
        .await;
    server
        .check(
            "POST /repositories/sales/branches/main/commits?source_metarange=x\n\n{\"message\": \"m\"}",
            expect![[r#"
                501
                {
                  "message": "source_metarange is not supported: stage the objects"
                }
            "#]],
        )
        .await;
    let by_branch = server.answer("GET /repositories/sales/commits/main").await;
    assert!(by_branch.contains("third"), "{by_branch}");
    server
        .check(
            "GET /repositories/sales/commits/main~9",
            expect![[r#"
        404
        {
          "message": "ref main~9 does not exist: the history is not that long"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_log_is_paged_and_filtered() {
    let server = Server::with_sales().await;
    for (path, message) in [("a.txt", "second"), ("dir/b.txt", "third"), ("c.txt", "fourth")] {
        server.put("main", path, message).await;
        server.commit("main", message).await;
    }
    assert_eq!(messages(&server, "?amount=2").await, ["fourth", "third"]);
    assert_eq!(messages(&server, "?objects=a.txt&objects=c.txt").await, ["fourth", "second", "first"]);
    assert_eq!(messages(&server, "?prefixes=dir/").await, ["third", "first"]);
    assert_eq!(messages(&server, "?since=2026-11-22T17:42:01Z").await, ["fourth", "third"]);
    assert_eq!(messages(&server, "?stop_at=main~1").await, ["fourth", "third"]);

    let first = server
        .answer("GET /repositories/sales/refs/main/commits?amount=1&limit=True&first_parent=False")
        .await;
    assert!(first.contains("\"has_more\": false"), "{first}");
    server
        .check(
            "GET /repositories/sales/refs/main/commits?since=yesterday",
            expect![[r#"
        400
        {
          "message": "since is no time: write it as 2026-11-22T17:41:58Z"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/main/commits?after=main",
            expect![[r#"
        400
        {
          "message": "after: \"main\" is not an id: it takes 64 hexadecimal characters"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/main/commits?amount=many",
            expect![[r#"
        400
        {
          "message": "amount is \"many\": give a whole number"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_log_goes_on_where_its_page_ended() {
    let server = Server::with_sales().await;
    let mut commits = vec![];
    for number in 0..5 {
        server.put("main", "a.txt", &number.to_string()).await;
        commits.push(server.commit("main", &format!("n{number}")).await);
    }
    let after = &commits[3];
    assert_eq!(messages(&server, &format!("?amount=2&after={after}")).await, ["n2", "n1"]);
}

#[tokio::test]
async fn diffs_compare_two_commits_or_what_the_right_one_brings() {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("main", "on-main.txt", "m").await;
    server.commit("main", "on main").await;
    server.put("dev", "a.txt", "changed").await;
    server.put("dev", "dir/c.txt", "gamma").await;
    server.delete("dev", "dir/b.txt").await;
    server.commit("dev", "on dev").await;
    server
        .check(
            "GET /repositories/sales/refs/main/diff/dev",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 3,
            "max_per_page": 1000
          },
          "results": [
            {
              "type": "changed",
              "path": "a.txt",
              "path_type": "object",
              "size_bytes": 7
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
            }
          ]
        }
    "#]],
        )
        .await;
    let two_dot = server.answer("GET /repositories/sales/refs/main/diff/dev?type=two_dot").await;
    assert!(two_dot.contains("on-main.txt"), "{two_dot}");
    server
        .check(
            "GET /repositories/sales/refs/main/diff/dev?delimiter=/&prefix=a&include_right_stats=true",
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
                      "type": "changed",
                      "path": "a.txt",
                      "path_type": "object",
                      "size_bytes": 7,
                      "right": {
                        "checksum": "8977dfac2f8e04cb96e66882235f5aba",
                        "mtime": 1795369320,
                        "content_type": "application/octet-stream",
                        "metadata": {}
                      }
                    }
                  ]
                }
            "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/main/diff/dev?type=four_dot",
            expect![[r#"
        400
        {
          "message": "type: give 'two_dot' or 'three_dot'"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales/refs/main/diff/dev/tables",
            expect![[r#"
                200
                {
                  "format": 1,
                  "left": "main",
                  "right": "dev",
                  "pagination": {
                    "has_more": false,
                    "next_offset": "",
                    "results": 0,
                    "max_per_page": 1000
                  },
                  "results": []
                }
            "#]],
        )
        .await;
}

#[tokio::test]
async fn a_changed_table_is_named_by_the_diff_of_tables() {
    let server = Server::with_sales().await;
    server.branch("dev", "main").await;
    server.put("dev", "t/_delta_log/00000000000000000000.json", "{}").await;
    server.put("dev", "t/part-0.parquet", "PAR1").await;
    server.commit("dev", "a table").await;
    server
        .check(
            "GET /repositories/sales/refs/main/diff/dev/tables",
            expect![[r#"
                200
                {
                  "format": 1,
                  "left": "main",
                  "right": "dev",
                  "pagination": {
                    "has_more": false,
                    "next_offset": "",
                    "results": 1,
                    "max_per_page": 1000
                  },
                  "results": [
                    {
                      "root": "t",
                      "change": "added",
                      "merger": null,
                      "objects_changed": 2,
                      "rows": null,
                      "files_added": 0,
                      "files_removed": 0,
                      "partitions_changed": 0,
                      "notes": [],
                      "details": null,
                      "failure": null
                    }
                  ]
                }
            "#]],
        )
        .await;
}
