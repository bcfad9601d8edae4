//! What differs in one table, row by row: the forms of the answer. What a merger finds is told by one that makes it up.

use std::sync::Arc;

use anabranch_merge::{
    ChangedRow, DiffInput, DiffOutcome, MergeInput, MergeOutcome, MergeReport, Merger, MergerDescription,
    Registry, RowChange, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals, TableFormat, UnitKind,
    ViewError,
};
use async_trait::async_trait;
use expect_test::expect;
use serde_json::{Value, json};

use crate::server::Server;

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
        Ok(DiffOutcome { files_added: 2, files_removed: 1, notes, ..DiffOutcome::default() })
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

const TABLE: &str = "GET /repositories/sales/refs/main/diff/dev/table";

#[tokio::test]
async fn json_has_the_totals_and_a_page_of_rows() {
    let server = server(Ok(three_rows())).await;
    server
        .check(
            &format!("{TABLE}?path=t/&amount=2"),
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
          "rows": {
            "keys": [
              "id"
            ],
            "columns": [
              "id",
              "note"
            ],
            "totals": {
              "added": 1,
              "removed": 1,
              "modified": 1,
              "cells": 2
            },
            "results": [
              {
                "change": "changed",
                "copies": 1,
                "key": {
                  "id": 1
                },
                "columns": [
                  "note",
                  "amount"
                ],
                "before": {
                  "note": "n|1",
                  "amount": 0
                },
                "after": {
                  "note": "dev",
                  "amount": 5
                }
              },
              {
                "change": "removed",
                "copies": 1,
                "key": {
                  "id": 5
                },
                "columns": [],
                "before": {
                  "id": 5,
                  "note": "<b>",
                  "amount": 0
                },
                "after": null
              }
            ],
            "pagination": {
              "has_more": true,
              "next_offset": "2",
              "results": 2,
              "max_per_page": 1000
            }
          },
          "reason": null
        }
    "#]],
        )
        .await;
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
          "rows": null,
          "reason": "the table maps its columns"
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
    ] {
        let answer = server.answer(&format!("{TABLE}{query}")).await;
        assert!(answer.contains(expected), "{query}: {answer}");
    }
}
