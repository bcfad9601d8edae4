//! Merge sessions: conflicts that people decide one by one.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::previews::{MERGE, apart};
use crate::server::Server;

/// A session of `dev` into `main`, which changed `a.txt` differently.
pub(crate) struct Session {
    pub(crate) server: Server,
    pub(crate) id: String,
    /// Where it is.
    pub(crate) at: String,
    /// The id of the conflict at `a.txt`.
    pub(crate) conflict: String,
}

impl Session {
    pub(crate) async fn begin() -> Session {
        let server = apart(true).await;
        let begun = server.post(&format!("{MERGE}/session"), "").await;
        assert_eq!(begun["verdict"], "conflicts");
        let id = begun["session"]["id"].as_str().unwrap().to_owned();
        let at = format!("/repositories/sales/branches/main/merge_sessions/{id}");
        let conflicts = server.json(&format!("{at}/conflicts")).await;
        let conflict = conflicts["results"][0]["conflict"]["conflict_id"].as_str().unwrap().to_owned();
        Session { server, id, at, conflict }
    }

    /// A request below the session: `SESSION` and `CONFLICT` stand for the ids, in the answer too.
    pub(crate) async fn answer(&self, method: &str, below: &str, rest: &str) -> String {
        let below = below.replace("CONFLICT", &self.conflict);
        let answer = self.server.answer(&format!("{method} {}{below}{rest}", self.at)).await;
        answer.replace(&self.id, "SESSION").replace(&self.conflict, "CONFLICT")
    }

    pub(crate) async fn check(&self, method: &str, below: &str, body: &str, expected: Expect) {
        expected.assert_eq(&self.answer(method, below, &format!("\n\n{body}")).await);
    }
}

#[tokio::test]
async fn a_conflict_is_decided_and_the_merge_made() {
    let session = Session::begin().await;
    session
        .check(
            "GET",
            "",
            "",
            expect![[r#"
        200
        {
          "id": "SESSION",
          "source": "dev",
          "destination": "main",
          "squash_merge": false,
          "conflicts": 1,
          "undecided": 1,
          "creation_date": 1795369321,
          "creator": "admin",
          "summary": {
            "base": "ID",
            "ours": "ID",
            "theirs": "ID",
            "tables": [],
            "objects_changed": 1
          }
        }
    "#]],
        )
        .await;
    session
        .check(
            "GET",
            "/conflicts",
            "",
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
                      "conflict": {
                        "conflict_id": "CONFLICT",
                        "class": "conflict",
                        "table": null,
                        "path": "a.txt",
                        "kind": "object-conflict",
                        "key": null,
                        "column": null,
                        "message": "changed differently on main and dev",
                        "rule": "object-conflict",
                        "base": {
                          "size": 5,
                          "etag": "2c1743a391305fbf367df8e4f069f9f9",
                          "content_type": "application/octet-stream"
                        },
                        "ours": {
                          "size": 6,
                          "etag": "c07242d9d1e25c98846f2848b20096ba",
                          "content_type": "application/octet-stream"
                        },
                        "theirs": {
                          "size": 5,
                          "etag": "e35a61128570620096ae570d3bd8a0fb",
                          "content_type": "application/octet-stream"
                        },
                        "choices": [
                          {
                            "id": "ours",
                            "label": "keep the destination's"
                          },
                          {
                            "id": "theirs",
                            "label": "take the source's"
                          },
                          {
                            "id": "base",
                            "label": "go back to the merge base"
                          },
                          {
                            "id": "object",
                            "label": "put an uploaded object in its place"
                          }
                        ]
                      },
                      "decided": null
                    }
                  ]
                }
            "#]],
        )
        .await;
    let left = session.answer("POST", "/complete", "").await;
    let left: Value = serde_json::from_str(left.strip_prefix("409\n").unwrap()).unwrap();
    assert_eq!(left["conflicts"][0]["conflict_id"], "CONFLICT");
    assert_eq!(left["reference"], "");
    expect![
        "1 conflict of merge session SESSION left to decide: nothing was published; 'conflicts' lists them"
    ]
    .assert_eq(left["message"].as_str().unwrap());
    session
        .check(
            "PUT",
            "/conflicts/CONFLICT",
            r#"{"choice": "theirs"}"#,
            expect![[r#"
        200
        {
          "conflict_id": "CONFLICT",
          "path": "a.txt",
          "choice": "theirs",
          "value": null,
          "by": "admin",
          "date": 1795369321
        }
    "#]],
        )
        .await;
    session
        .check(
            "GET",
            "/conflicts?undecided=true",
            "",
            expect![[r#"
        200
        {
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
    session
        .check(
            "GET",
            "/outcome",
            "",
            expect![[r#"
        200
        {
          "format": 1,
          "commit": null,
          "source": "dev",
          "destination": "main",
          "verdict": "clean",
          "summary": {
            "base": "ID",
            "ours": "ID",
            "theirs": "ID",
            "tables": [],
            "objects_changed": 2
          },
          "conflicts": [],
          "decided": [
            {
              "conflict_id": "CONFLICT",
              "path": "a.txt",
              "choice": "theirs",
              "value": null,
              "by": "admin",
              "date": 1795369321
            }
          ]
        }
    "#]],
        )
        .await;
    let body = r#"{"message": "decided", "metadata": {"ticket": "7"}}"#;
    session
        .check(
            "POST",
            "/complete",
            body,
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
    let server = &session.server;
    assert_eq!(server.read("main", "a.txt").await, "dev's");
    assert_eq!(server.read("main", "d.txt").await, "on dev");
    let commit = server.json("/repositories/sales/commits/main").await;
    assert_eq!(commit["message"], "decided");
    assert_eq!(commit["metadata"], json!({"ticket": "7"}), "reserved metadata is not shown");
    let report = server.json("/repositories/sales/commits/main/report").await;
    assert_eq!(report["decided"][0]["choice"], "theirs");
    assert_eq!(report["decided"][0]["by"], "admin");
    session.check("GET", "", "", expect![[r#"
        404
        {
          "message": "merge session SESSION does not exist for branch main: it was completed or abandoned, merges into another branch, or never began"
        }
    "#]]).await;
}

#[tokio::test]
async fn an_uploaded_object_takes_the_place_of_both() {
    let session = Session::begin().await;
    let headers = "\nContent-Type: text/plain\nX-Lakefs-Meta-Author: ann\n\nboth of us";
    let answer = session.answer("PUT", "/conflicts/CONFLICT/object", headers).await;
    expect![[r#"
        200
        {
          "conflict_id": "CONFLICT",
          "path": "a.txt",
          "choice": "object",
          "value": null,
          "by": "admin",
          "date": 1795369321
        }
    "#]]
    .assert_eq(&answer);
    session
        .check(
            "PUT",
            "/conflicts/CONFLICT",
            r#"{"choice": "object"}"#,
            expect![[r#"
        400
        {
          "message": "the choice \"object\" for a.txt takes an object: upload it as the choice"
        }
    "#]],
        )
        .await;
    let form = "\nContent-Type: multipart/form-data; boundary=x\nX-Lakefs-Meta-Author: both\n\n--x\r\nContent-Disposition: form-data; \
        name=\"content\"\r\n\r\nboth of us, again\r\n--x--\r\n";
    assert!(session.answer("PUT", "/conflicts/CONFLICT/object?replace=true", form).await.starts_with("200"));
    let short = "\nContent-Length: 100\n\nless";
    assert!(session.answer("PUT", "/conflicts/CONFLICT/object", short).await.starts_with("400"));
    let long = "\nContent-Length: 6000000000\n\nx";
    assert!(session.answer("PUT", "/conflicts/CONFLICT/object", long).await.starts_with("413"));
    session.server.post(&format!("{}/complete", session.at), "").await;
    assert_eq!(session.server.read("main", "a.txt").await, "both of us, again");
    let stat = session.server.json("/repositories/sales/refs/main/objects/stat?path=a.txt").await;
    assert_eq!((&stat["metadata"], &stat["size_bytes"]), (&json!({"author": "both"}), &json!(17)));
}

#[tokio::test]
async fn somebody_elses_choice_stands_until_it_is_replaced() {
    let session = Session::begin().await;
    let place = "/conflicts/CONFLICT";
    let as_releaser = |body: &str| format!("\nAs: releaser\n\n{body}");
    session
        .check(
            "PUT",
            place,
            r#"{"choice": "ours"}"#,
            expect![[r#"
        200
        {
          "conflict_id": "CONFLICT",
          "path": "a.txt",
          "choice": "ours",
          "value": null,
          "by": "admin",
          "date": 1795369321
        }
    "#]],
        )
        .await;
    let other = as_releaser(r#"{"choice": "theirs"}"#);
    expect![[r#"
        409
        {
          "message": "admin chose \"ours\" for a.txt on 2026-11-22 17:42:01 UTC, and that stands: agree with it, or give 'replace'",
          "kind": "already-decided",
          "decided": {
            "conflict_id": "CONFLICT",
            "path": "a.txt",
            "choice": "ours",
            "value": null,
            "by": "admin",
            "date": 1795369321
          }
        }
    "#]].assert_eq(&session.answer("PUT", place, &other).await);
    let object = session.answer("PUT", "/conflicts/CONFLICT/object", &as_releaser("x")).await;
    assert!(object.starts_with("409"), "{object}");
    let same = session.answer("PUT", place, &as_releaser(r#"{"choice": "ours"}"#)).await;
    assert!(same.contains(r#""by": "admin""#), "who agrees changes nothing: {same}");
    let replaced = as_releaser(r#"{"choice": "theirs", "replace": true}"#);
    assert!(session.answer("PUT", place, &replaced).await.contains(r#""by": "releaser""#));
    session
        .check(
            "DELETE",
            place,
            "",
            expect![[r#"
        204
    "#]],
        )
        .await;
    session
        .check(
            "DELETE",
            place,
            "",
            expect![[r#"
        404
        {
          "message": "choice for conflict CONFLICT does not exist"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn one_choice_decides_many() {
    let session = Session::begin().await;
    for (body, made) in [
        (json!({"choice": "theirs", "kind": "row-conflict"}), 0),
        (json!({"choice": "theirs", "table": "t"}), 0),
        (json!({"choice": "nonsense"}), 0),
        (json!({"choice": "theirs"}), 1),
        (json!({"choice": "ours"}), 0),
        (json!({"choice": "ours", "replace": true}), 1),
    ] {
        let answer = session.server.post(&format!("{}/choices", session.at), &body.to_string()).await;
        assert_eq!(answer, json!({"made": made}), "{body}");
    }
    session
        .check(
            "POST",
            "/choices",
            r#"{"choice": "object"}"#,
            expect![[r#"
        400
        {
          "message": "an uploaded object is for one conflict: choose for that one alone"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn an_outcome_and_a_report_are_read_as_markdown() {
    let session = Session::begin().await;
    let markdown = "\nAccept: text/markdown";
    expect![[r#"
        200
        # Merge of `dev` into `main`: 1 conflict

        Nothing is published yet: this is what the choices made so far come to.

        ours `ID`, theirs `ID`, merge base `ID`

        0 tables, 1 object outside tables; data files +0 -0, 0 bytes written

        ## Conflicts

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | object-conflict | `a.txt` | changed differently on main and dev | `{"size":5,"etag":"2c1743a391305fbf367df8e4f069f9f9","content_type":"application/octet-stream"}` | `{"size":6,"etag":"c07242d9d1e25c98846f2848b20096ba","content_type":"application/octet-stream"}` | `{"size":5,"etag":"e35a61128570620096ae570d3bd8a0fb","content_type":"application/octet-stream"}` | ours, theirs, base, object |
    "#]].assert_eq(&session.answer("GET", "/outcome", markdown).await);
    session.server.post(&format!("{}/choices", session.at), r#"{"choice": "base"}"#).await;
    session.server.post(&format!("{}/complete", session.at), "").await;
    let report = "GET /repositories/sales/commits/main/report\nAccept: text/markdown";
    session.server.check(report, expect![[r#"
        200
        # Merge of `dev` into `main`: clean

        Commit `ID`.

        ours `ID`, theirs `ID`, merge base `ID`

        0 tables, 2 objects outside tables; data files +0 -0, 0 bytes written

        ## Conflicts

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | object-conflict | `a.txt` | changed differently on main and dev | `{"size":5,"etag":"2c1743a391305fbf367df8e4f069f9f9","content_type":"application/octet-stream"}` | `{"size":6,"etag":"c07242d9d1e25c98846f2848b20096ba","content_type":"application/octet-stream"}` | `{"size":5,"etag":"e35a61128570620096ae570d3bd8a0fb","content_type":"application/octet-stream"}` | ours, theirs, base, object |

        ## Decided

        | Where | Choice | Value | By | When |
        | --- | --- | --- | --- | --- |
        | `a.txt` | base | - | `admin` | 2026-11-22 17:42:01 UTC |
    "#]]).await;
}
