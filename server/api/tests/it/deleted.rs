//! Branches that are deleted while they are merged.

use std::sync::{Arc, OnceLock};

use anabranch_merge::{
    DiffInput, DiffOutcome, MergeInput, MergeOutcome, MergeReport, Merger, MergerDescription, Registry,
    TableFormat, UnitKind, ViewError,
};
use async_trait::async_trait;
use expect_test::{Expect, expect};

use crate::server::Server;

/// Sends a request to the server in the middle of a merge.
struct Meddler {
    server: OnceLock<Server>,
    requests: &'static [&'static str],
}

#[async_trait]
impl Merger for Meddler {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "meddler".into(), version: "1".into(), unit: UnitKind::Folder }
    }

    async fn merge(&self, _: MergeInput<'_>) -> MergeOutcome {
        for request in self.requests {
            let answer = self.server.get().unwrap().answer(request).await;
            assert!(answer.starts_with('2'), "{answer}");
        }
        MergeOutcome::Merged { edits: Vec::new(), report: MergeReport::new("meddled") }
    }

    fn check_options(&self, _: &serde_json::Value) -> Result<(), String> {
        Ok(())
    }

    async fn diff(&self, _: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        Ok(DiffOutcome::default())
    }
}

const LOG: &str = "t/_delta_log/00000000000000000000.json";

/// Merges `dev` into `release` and sends `requests` meanwhile.
async fn check(requests: &'static [&'static str], expected: Expect) {
    let meddler = Arc::new(Meddler { server: OnceLock::new(), requests });
    let server =
        Server::with_registry(Registry::new().with_format(TableFormat::Delta, meddler.clone())).await;
    assert!(meddler.server.set(server.clone()).is_ok());
    server.post("/repositories", r#"{"name": "sales"}"#).await;
    server.put("main", LOG, "base").await;
    server.commit("main", "base").await;
    for branch in ["release", "dev"] {
        server.branch(branch, "main").await;
        server.put(branch, LOG, branch).await;
        server.put(branch, &format!("{branch}.txt"), branch).await;
        server.commit(branch, branch).await;
    }
    server.check("POST /repositories/sales/refs/dev/merge/release\n\n", expected).await;
}

const DELETE_RELEASE: &str = "DELETE /repositories/sales/branches/release\n\n";
const DELETE_DEV: &str = "DELETE /repositories/sales/branches/dev\n\n";
const MAKE_RELEASE: &str = "POST /repositories/sales/branches\nContent-Type: application/json\n\n{\"name\": \"release\", \"source\": \"main\"}";

#[tokio::test]
async fn a_deleted_destination_is_named() {
    check(
        &[DELETE_RELEASE],
        expect![[r#"
        404
        {
          "message": "branch release does not exist: it was deleted while the request ran"
        }
    "#]],
    )
    .await;
    check(&[DELETE_RELEASE, MAKE_RELEASE], expect![[r#"
        404
        {
          "message": "branch release does not exist: it was deleted while the request ran. There is another branch of that name now: if that one is meant, try again"
        }
    "#]]).await;
}

#[tokio::test]
async fn a_deleted_source_is_merged_as_it_was() {
    check(
        &[DELETE_DEV],
        expect![[r#"
            200
            {
              "reference": "ID",
              "summary": {
                "base": "ID",
                "ours": "ID",
                "theirs": "ID",
                "tables": [
                  {
                    "root": "t",
                    "is_object": false,
                    "format": "Delta",
                    "merger": "meddler",
                    "decision": "merged",
                    "how": "meddled",
                    "rows": null,
                    "files_added": 0,
                    "files_removed": 0,
                    "bytes_written": 0,
                    "verification": {
                      "answer": "not_needed"
                    },
                    "notes": []
                  }
                ],
                "objects_changed": 1
              }
            }
        "#]],
    )
    .await;
}
