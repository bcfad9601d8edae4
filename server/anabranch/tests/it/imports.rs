//! Imports as a person sees them, against a server that answers them as the published contract says: a real import is
//! over before anybody could look at it.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use expect_test::expect;
use serde_json::{Value, json};

use crate::lake::Lake;

/// What the server was asked to start, and what it answers to the next questions, the last one again and again.
#[derive(Clone, Default)]
struct Imports {
    started: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Vec<Value>>>,
}

async fn start(State(imports): State<Imports>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    imports.started.lock().unwrap().push(body);
    (StatusCode::ACCEPTED, Json(json!({"id": "i1"})))
}

async fn status(State(imports): State<Imports>, Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    assert_eq!(query, [("id".to_owned(), "i1".to_owned())]);
    let mut answers = imports.answers.lock().unwrap();
    let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
    Json(answer)
}

/// Serves imports of `sales` on `main` until the test ends.
fn serve(imports: Imports) -> Lake {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let cancel = || async { StatusCode::NO_CONTENT };
            let routes = Router::new()
                .route(
                    "/api/v1/repositories/sales/branches/main/import",
                    get(status).post(start).delete(cancel),
                )
                .with_state(imports);
            axum::serve(listener, routes).await.unwrap();
        });
    });
    Lake::at(format!("http://{}", address.recv().unwrap()))
}

fn status_of(completed: bool, count: u64, more: Value) -> Value {
    let mut status =
        json!({"completed": completed, "update_time": "2026-01-01T00:00:00Z", "ingested_objects": count});
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    status
}

fn commit() -> Value {
    let id = "ab".repeat(32);
    json!({"commit": {
        "id": id, "parents": [], "committer": "admin", "message": "m", "creation_date": 1_700_000_000, "meta_range_id": "t",
    }})
}

#[test]
fn an_import_is_waited_for() {
    let imports = Imports::default();
    *imports.answers.lock().unwrap() = vec![status_of(false, 10, json!({})), status_of(true, 2500, commit())];
    let lake = serve(imports.clone());
    lake.check(
        "import start sales main s3://lake/events/ events/ -m 'all events' --meta by=ann",
        expect![[r#"
            imported 2500 objects to main: <id>
        "#]],
    );
    let started = imports.started.lock().unwrap().clone();
    expect![[r#"
        {
          "paths": [
            {
              "type": "common_prefix",
              "path": "s3://lake/events/",
              "destination": "events/"
            }
          ],
          "commit": {
            "message": "all events",
            "metadata": {
              "by": "ann"
            }
          }
        }
    "#]]
    .assert_eq(&format!("{:#}\n", started[0]));
    lake.check(
        "import status sales main i1 --json",
        expect![[r#"
        {
          "completed": true,
          "ingested_objects": 2500,
          "commit": {
            "id": "<id>",
            "parents": [],
            "committer": "admin",
            "message": "m",
            "creation_date": <moment>,
            "meta_range_id": "t",
            "metadata": {},
            "generation": 0,
            "version": 0
          },
          "error": null,
          "id": "i1"
        }
    "#]],
    );
    lake.check(
        "import start sales main s3://lake/one.csv raw/one.csv --no-wait",
        expect![[r#"
        started the import i1; `anabranch import wait sales main i1` waits for its end
    "#]],
    );
    let started = imports.started.lock().unwrap().clone();
    assert_eq!(started[1]["paths"][0]["type"], "object");
    lake.check(
        "import cancel sales main i1",
        expect![[r#"
        cancelled the import i1
    "#]],
    );
}

#[test]
fn an_import_that_failed_is_an_error() {
    let imports = Imports::default();
    let failure = json!({"error": {"message": "s3://lake/ may not be imported from"}});
    *imports.answers.lock().unwrap() = vec![status_of(false, 10, json!({})), status_of(false, 20, failure)];
    let lake = serve(imports);
    lake.check(
        "import status sales main i1",
        expect![[r#"
        the import i1 goes on: 10 objects so far
    "#]],
    );
    lake.check(
        "import wait sales main i1",
        expect![[r#"
        anabranch: the import i1 failed: s3://lake/ may not be imported from
        exit code 2
    "#]],
    );
}
