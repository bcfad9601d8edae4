//! What differs in one table, row by row: the forms of the answer. What a merger finds is told by one that makes it up.

use std::sync::Arc;

use anabranch_merge::{
    ChangedRow, DiffInput, DiffOutcome, MergeInput, MergeOutcome, MergeReport, Merger, MergerDescription,
    PartitionDiff, Registry, RowChange, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, RowTotals,
    TableFormat, UnitKind, ViewError,
};
use async_trait::async_trait;
use axum::body::Body;
use expect_test::{expect, expect_file};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::server::{Server, admin, text};

/// Says of every table what it was told.
struct Teller(Result<Vec<ChangedRow>, RowDiffError>);

#[async_trait]
impl Merger for Teller {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "teller".into(), version: "1".into(), unit: UnitKind::Folder }
    }

    async fn merge(&self, _: MergeInput<'_>) -> MergeOutcome {
        MergeOutcome::Merged { edits: Vec::new(), report: MergeReport::new("told") }
    }

    fn check_options(&self, _: &serde_json::Value) -> Result<(), String> {
        Ok(())
    }

    async fn diff(&self, _: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        let notes = vec!["column colour added".to_owned()];
        let day = |day: Option<&str>, files_added, rows| PartitionDiff {
            values: [("day".to_owned(), day.map(str::to_owned))].into(),
            files_added,
            files_removed: 1,
            rows,
        };
        let counted = RowTotals { added: 3, removed: 2, ..RowTotals::default() };
        Ok(DiffOutcome {
            files_added: 2,
            files_removed: 1,
            notes,
            partitions: vec![day(None, 0, None), day(Some("2026-01-01"), 2, Some(counted))],
            partitions_changed: 2,
            ..DiffOutcome::default()
        })
    }

    async fn diff_rows(
        &self,
        _: DiffInput<'_>,
        request: &RowDiffRequest,
    ) -> Result<RowDiffPage, RowDiffError> {
        let all = self.0.clone()?;
        let skip: usize = request.after.as_deref().map_or(0, |after| after.parse().unwrap());
        let end = skip.saturating_add(request.limit);
        let columns =
            if request.columns.is_empty() { vec!["note".to_owned()] } else { request.columns.clone() };
        Ok(RowDiffPage {
            keys: vec!["id".into()],
            columns: [vec!["id".to_owned()], columns].concat(),
            totals: RowTotals { added: 1, removed: 1, modified: 1, cells: 2 },
            next: (end < all.len()).then(|| end.to_string()),
            rows: all.into_iter().skip(skip).take(request.limit).collect(),
        })
    }

    async fn stream_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<(), RowDiffError> {
        let rows = self.0.clone()?;
        for row in rows.iter().take(request.limit) {
            assert!(sink.write(format!("{} of {}\n", row.change as u8, input.root).into()).await);
        }
        match request.condition.as_deref() {
            Some("breaks off") => Err(RowDiffError::Damaged("a file is gone".into())),
            _ => Ok(()),
        }
    }
}

fn row(change: RowChange, id: i64, columns: &[&str], before: Value, after: Value) -> ChangedRow {
    ChangedRow {
        change,
        copies: 1,
        key: json!({"id": id}).as_object().cloned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        before: before.as_object().cloned(),
        after: after.as_object().cloned(),
    }
}

fn three_rows() -> Vec<ChangedRow> {
    let before = json!({"note": "n|1", "amount": 0});
    let twice = row(RowChange::Added, 9, &[], Value::Null, json!({"id": 9, "note": null, "amount": 1.5}));
    vec![
        row(RowChange::Changed, 1, &["note", "amount"], before, json!({"note": "dev", "amount": 5})),
        row(RowChange::Removed, 5, &[], json!({"id": 5, "note": "<b>", "amount": 0}), Value::Null),
        ChangedRow { copies: 2, ..twice },
    ]
}

/// `main` and `dev` with the table `t`, which differs, and the object `a.txt`.
async fn server(told: Result<Vec<ChangedRow>, RowDiffError>) -> Server {
    let registry = Registry::new().with_format(TableFormat::Delta, Arc::new(Teller(told)));
    let server = Server::with_registry(registry).await;
    server.post("/repositories", r#"{"name": "sales"}"#).await;
    server.put("main", "t/_delta_log/00000000000000000000.json", "{}").await;
    server.put("main", "a.txt", "a").await;
    server.commit("main", "base").await;
    server.branch("dev", "main").await;
    server.put("dev", "t/_delta_log/00000000000000000001.json", "{}").await;
    server.commit("dev", "changed").await;
    server
}

const DIFF: &str = "/repositories/sales/refs/main/diff/dev";
const TABLE: &str = "GET /repositories/sales/refs/main/diff/dev/table";

/// Each form of the answer has a golden file, of the diff of one table and of all tables.
#[tokio::test]
async fn each_form_has_a_golden_file() {
    let server = server(Ok(three_rows())).await;
    let answer = async |address: &str, accept: &str| {
        let answer =
            server.answer(&format!("GET {DIFF}/{address}\nAccept: {accept}\nShow: content-type")).await;
        format!("{answer}\n")
    };
    let lines = async |address: &str| {
        let asked = admin("GET", &format!("{DIFF}/{address}")).header("accept", "application/x-ndjson");
        text(server.send(asked.body(Body::empty()).unwrap()).await).await
    };
    let rows = "tables/t?where=amount%20%3E%201&sample=0.5";
    expect_file!["golden/rows.json"].assert_eq(&answer(rows, "application/json").await);
    expect_file!["golden/rows.ndjson"].assert_eq(&lines(rows).await);
    expect_file!["golden/rows.md"].assert_eq(&answer(rows, "text/markdown").await);
    expect_file!["golden/rows.html"].assert_eq(&answer(rows, "text/html").await);
    expect_file!["golden/tables.json"].assert_eq(&answer("tables", "application/json").await);
    expect_file!["golden/tables.ndjson"].assert_eq(&lines("tables").await);
    expect_file!["golden/tables.md"].assert_eq(&answer("tables", "text/markdown").await);
    expect_file!["golden/tables.html"].assert_eq(&answer("tables", "text/html").await);
    let refused = answer("tables", "application/vnd.apache.arrow.stream").await;
    assert!(refused.starts_with("406"), "{refused}");
}

#[tokio::test]
async fn the_table_may_stand_in_the_path() {
    let server = server(Ok(three_rows())).await;
    server.put("dev", "deep/er/_delta_log/00000000000000000000.json", "{}").await;
    server.commit("dev", "a table with a folder above it").await;
    for path in ["tables/deep/er", "tables/deep%2Fer", "table?path=deep/er"] {
        let diff = server.json(&format!("{DIFF}/{path}")).await;
        assert_eq!((&diff["root"], &diff["change"]), (&json!("deep/er"), &json!("added")), "{path}");
    }
    let page = server.json(&format!("{DIFF}/tables?amount=1")).await;
    let after = page["pagination"]["next_offset"].as_str().unwrap();
    assert_eq!((page["results"][0]["root"].as_str(), after), (Some("deep/er"), "deep/er"));
    let rest = server.json(&format!("{DIFF}/tables?after={after}")).await;
    assert_eq!((&rest["results"][0]["root"], &rest["pagination"]["has_more"]), (&json!("t"), &json!(false)));
    assert_eq!(
        server.json(&format!("{DIFF}/tables?prefix=deep/")).await["results"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn typed_rows_come_as_one_stream() {
    let told = server(Ok(three_rows())).await;
    let request = |query: &str| {
        format!(
            "GET {DIFF}/tables/t{query}\nAccept: application/vnd.apache.arrow.stream\nShow: content-type\nShow: vary"
        )
    };
    told.check(
        &request(""),
        expect![[r#"
        200
        content-type: application/vnd.apache.arrow.stream
        vary: accept
        2 of t
        1 of t
        0 of t
    "#]],
    )
    .await;
    assert_eq!(told.answer(&request("?amount=5000")).await, told.answer(&request("")).await);
    assert_eq!(told.answer(&request("?limit=1")).await.lines().count(), 4);
    assert!(told.answer(&request("?amount=-2")).await.starts_with("400"));

    // What fails after the first piece breaks the answer off: it must not look whole.
    let broken = admin("GET", &format!("{DIFF}/tables/t?where=breaks%20off"));
    let broken = broken.header("accept", "application/vnd.apache.arrow.stream").body(Body::empty()).unwrap();
    let broken = told.send(broken).await;
    assert_eq!(broken.status(), 200);
    let error = broken.into_body().collect().await.unwrap_err();
    assert!(error.to_string().contains("a file is gone"), "{error}");

    // What fails before has a status.
    let refused = server(Err(RowDiffError::Unsupported("the table maps its columns".into()))).await;
    refused.check(&request(""), expect![[r#"
        400
        content-type: application/json
        vary: (none)
        {
          "message": "rows are not compared: the table maps its columns. Ask for application/json, which has what is known of the table"
        }
    "#]]).await;
    let refused = server(Err(RowDiffError::Invalid("where: at character 3: no".into()))).await;
    let answer = refused.answer(&request("?where=x")).await;
    assert!(answer.starts_with("400") && answer.contains("at character 3"), "{answer}");
}

#[tokio::test]
async fn pages_and_columns_are_passed_on() {
    let server = server(Ok(three_rows())).await;
    let answer = server.answer(&format!("{TABLE}?path=t&amount=2&after=2&columns=a&columns=b")).await;
    let page: Value = serde_json::from_str(answer.split_once('\n').unwrap().1).unwrap();
    assert_eq!(page["rows"]["columns"], json!(["id", "a", "b"]));
    assert_eq!(page["rows"]["results"].as_array().unwrap().len(), 1);
    assert_eq!(page["rows"]["pagination"]["has_more"], false);
}

#[tokio::test]
async fn lines_hold_one_row_each_and_a_header_names_the_next_page() {
    let server = server(Ok(three_rows())).await;
    let request = |query: &str| {
        format!("{TABLE}?{query}\nAccept: application/x-ndjson\nShow: link\nShow: content-type\nShow: vary")
    };
    server.check(&request("path=t&amount=2&columns=note"), expect![[r#"
        200
        link: <?path=t&amount=2&columns=note&after=2>; rel="next"
        content-type: application/x-ndjson
        vary: accept
        {"change":"changed","copies":1,"key":{"id":1},"columns":["note","amount"],"before":{"note":"n|1","amount":0},"after":{"note":"dev","amount":5}}
        {"change":"removed","copies":1,"key":{"id":5},"columns":[],"before":{"id":5,"note":"<b>","amount":0},"after":null}
    "#]]).await;
    server
        .check(
            &request("path=t&amount=2&columns=note&after=2"),
            expect![[r#"
        200
        link: (none)
        content-type: application/x-ndjson
        vary: accept
        {
          "change": "added",
          "copies": 2,
          "key": {
            "id": 9
          },
          "columns": [],
          "before": null,
          "after": {
            "id": 9,
            "note": null,
            "amount": 1.5
          }
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn markdown_shows_keys_and_what_changed() {
    let server = server(Ok(three_rows())).await;
    let request = format!("{TABLE}?path=t&amount=3\nAccept: text/markdown\nShow: content-type");
    server
        .check(
            &request,
            expect![[r#"
                200
                content-type: text/markdown; charset=utf-8
                # Table `t` changed

                rows +1 -1 \~1 (2 cells), data files +2 -1

                ## Schema and notes

                - column colour added

                ## Changed rows

                | Row | Before → after |
                | --- | --- |
                | `id` `1` | `note` <code>n&#124;1</code> → `dev`, `amount` `0` → `5` |

                ## Removed rows

                | Row | Values |
                | --- | --- |
                | `id` `5` | `note` `<b>`, `amount` `0` |

                ## Added rows

                | Row | Values |
                | --- | --- |
                | `id` `9` (2 copies) | `note` `null`, `amount` `1.5` |

                ## Partitions

                | Partition | Files | Rows of these files |
                | --- | --- | --- |
                | `day` `null` | +0 -1 | - |
                | `day` `2026-01-01` | +2 -1 | +3 -2 |
            "#]],
        )
        .await;
    let page = server.answer(&format!("{TABLE}?path=t\nAccept: text/html")).await;
    assert!(page.contains("<code>&lt;b&gt;</code>") && page.contains("<h2>Removed rows</h2>"), "{page}");
}

#[tokio::test]
async fn markdown_fits_a_comment_and_says_what_is_left_out() {
    let wide: serde_json::Map<String, Value> =
        (0..50).map(|column| (format!("column_{column}"), json!("x".repeat(300)))).collect();
    let added = |id: i64| row(RowChange::Added, id, &[], Value::Null, Value::Object(wide.clone()));
    let server = server(Ok((0..1_500).map(added).collect())).await;
    let request = format!("{TABLE}?path=t&amount=1000\nAccept: text/markdown");
    let shown = server.answer(&request).await;
    assert!(shown.chars().count() <= 65_010, "{}", shown.len());
    assert!(shown.contains("more are left out here") && shown.contains("and 38 more columns"), "{shown}");
    assert_eq!(shown, server.answer(&request).await);
}

#[tokio::test]
async fn rows_that_cannot_be_compared_have_a_reason() {
    let server = server(Err(RowDiffError::Unsupported("the table maps its columns".into()))).await;
    server
        .check(
            &format!("{TABLE}?path=t"),
            expect![[r#"
                200
                {
                  "format": 1,
                  "root": "t",
                  "change": "changed",
                  "merger": "teller",
                  "schema": [
                    "column colour added"
                  ],
                  "files": {
                    "added": 2,
                    "removed": 1
                  },
                  "partitions": {
                    "total": 2,
                    "results": [
                      {
                        "values": {
                          "day": null
                        },
                        "files": {
                          "added": 0,
                          "removed": 1
                        },
                        "rows": null
                      },
                      {
                        "values": {
                          "day": "2026-01-01"
                        },
                        "files": {
                          "added": 2,
                          "removed": 1
                        },
                        "rows": {
                          "added": 3,
                          "removed": 2,
                          "modified": 0,
                          "cells": 0
                        }
                      }
                    ]
                  },
                  "rows": null,
                  "reason": "the table maps its columns",
                  "changes": null
                }
            "#]],
        )
        .await;
    server.check(&format!("{TABLE}?path=t\nAccept: application/x-ndjson"), expect![[r#"
        400
        {
          "message": "rows are not compared: the table maps its columns. Ask for application/json, which has what is known of the table"
        }
    "#]]).await;
    server
        .check(
            &format!("{TABLE}?path=t\nAccept: text/markdown"),
            expect![[r#"
                200
                # Table `t` changed

                data files +2 -1

                Rows are not compared: the table maps its columns

                ## Schema and notes

                - column colour added

                ## Partitions

                | Partition | Files | Rows of these files |
                | --- | --- | --- |
                | `day` `null` | +0 -1 | - |
                | `day` `2026-01-01` | +2 -1 | +3 -2 |
            "#]],
        )
        .await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let server = server(Err(RowDiffError::Invalid("after is no place".into()))).await;
    for (query, expected) in [
        ("", "400"),
        ("?path=t", "after is no place"),
        ("?path=t&amount=5000", "give -1 to 1000"),
        ("?path=t&type=four_dot", "two_dot"),
        ("?path=a.txt", "table a.txt does not exist on main or dev"),
        ("?path=nowhere", "404"),
        ("?path=t\nAccept: image/png", "application/x-ndjson"),
        ("?path=t&sample=0", "0.000001 to 1"),
        ("?path=t&sample=much", "a number, such as 0.01"),
        ("?path=t&limit=5000", "give -1 to 1000"),
    ] {
        let answer = server.answer(&format!("{TABLE}{query}")).await;
        assert!(answer.contains(expected), "{query}: {answer}");
    }
}
