//! What differs in the words of a plugin, page by page. What there is, is told by a merger that makes it up.

use std::sync::Arc;

use anabranch_merge::{
    ChangesPage, DiffInput, DiffOutcome, MergeInput, MergeOutcome, MergeReport, Merger, MergerDescription,
    Registry, RowDiffError, TableFormat, UnitKind, ViewError,
};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::server::Server;

/// Lists three changes.
struct Placer;

#[async_trait]
impl Merger for Placer {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "placer".into(), version: "1".into(), unit: UnitKind::Folder }
    }

    async fn merge(&self, _: MergeInput<'_>) -> MergeOutcome {
        MergeOutcome::Merged { edits: Vec::new(), report: MergeReport::new("told") }
    }

    fn check_options(&self, _: &Value) -> Result<(), String> {
        Ok(())
    }

    async fn diff(&self, _: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        Ok(DiffOutcome::default())
    }

    async fn diff_page(&self, _: DiffInput<'_>, page: &ChangesPage) -> Result<DiffOutcome, RowDiffError> {
        let wrong = || RowDiffError::Invalid("after is no place".into());
        let skip: usize = page.after.as_deref().map_or(Ok(0), |after| after.parse().map_err(|_| wrong()))?;
        let change = |key: usize| {
            let key = format!("/{key}");
            json!({"kind": "modified", "what": "x-place", "path": "", "key": key, "before": 1, "after": 2})
        };
        let end = (skip + page.limit).min(3);
        let changes: Vec<Value> = (skip..end).map(change).collect();
        let mut details =
            json!({"added": 0, "removed": 0, "modified": 3, "complete": true, "changes": changes});
        if end < 3 {
            details["next"] = end.to_string().into();
        }
        Ok(DiffOutcome { details: Some(details), ..DiffOutcome::default() })
    }
}

const TABLE: &str = "/repositories/sales/refs/main/diff/dev/tables/t";

#[tokio::test]
async fn changes_come_in_pages_as_rows_do() {
    let registry = Registry::new().with_format(TableFormat::Delta, Arc::new(Placer));
    let server = Server::with_registry(registry).await;
    server.post("/repositories", r#"{"name": "sales"}"#).await;
    server.put("main", "t/_delta_log/00000000000000000000.json", "{}").await;
    server.commit("main", "base").await;
    server.branch("dev", "main").await;
    server.put("dev", "t/_delta_log/00000000000000000001.json", "{}").await;
    server.commit("dev", "changed").await;

    let first = server.json(&format!("{TABLE}?limit=2")).await;
    assert_eq!(first["changes"]["results"].as_array().unwrap().len(), 2);
    assert_eq!(
        first["changes"]["pagination"],
        json!({"has_more": true, "next_offset": "2", "results": 2, "max_per_page": 1000})
    );
    let rest = server.json(&format!("{TABLE}?limit=2&after=2")).await;
    assert_eq!(rest["changes"]["results"][0]["key"], "/2");
    assert_eq!(rest["changes"]["pagination"]["has_more"], false);
    assert_eq!((&rest["rows"], &rest["changes"]["modified"]), (&Value::Null, &json!(3)));

    let lines = format!("GET {TABLE}?limit=2\nAccept: application/x-ndjson\nShow: link");
    let lines = server.answer(&lines).await;
    assert!(lines.starts_with("200\nlink: <?limit=2&after=2>; rel=\"next\"\n"), "{lines}");
    assert_eq!(lines.matches("\"what\":\"x-place\"").count(), 2, "{lines}");
    let page = server.answer(&format!("GET {TABLE}?limit=2\nAccept: text/markdown")).await;
    assert!(page.contains("This page has 2 changes; more follow."), "{page}");
    let wrong = server.answer(&format!("GET {TABLE}?after=x")).await;
    assert!(wrong.starts_with("400") && wrong.contains("after is no place"), "{wrong}");
}
