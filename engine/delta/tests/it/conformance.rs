//! The Delta merger keeps what every merger must keep.

use std::collections::BTreeMap;

use anabranch_delta::DeltaMerger;
use anabranch_delta::action::Commit;
use anabranch_delta::snapshot::SnapshotBuilder;
use anabranch_merge::conformance;
use anabranch_merge::test_support::UnitCase;
use bytes::Bytes;

use crate::fixtures::{case, fixture, side};

/// What a table's log lists: live files, columns and properties. Only for logs that begin with version 0.
fn meaning(bodies: &BTreeMap<String, Bytes>) -> String {
    let logs = bodies.iter().filter(|(path, _)| path.starts_with("_delta_log/") && path.ends_with(".json"));
    let mut builder = SnapshotBuilder::default();
    let mut version = None;
    for (at, (_, body)) in logs.enumerate() {
        builder.apply(&Commit::parse(at as u64, 0, body).unwrap()).unwrap();
        version = Some(at as u64);
    }
    let Some(version) = version else { return "no table".into() };
    let state = builder.build(version).unwrap();
    let files: Vec<_> =
        state.files.values().map(|add| (add.key.clone(), add.vector_id().to_owned())).collect();
    let mut columns: Vec<String> =
        state.metadata.schema["fields"].as_array().unwrap().iter().map(ToString::to_string).collect();
    columns.sort();
    for file in state.files.keys() {
        assert!(bodies.contains_key(file.as_ref()), "{file} is listed and missing");
    }
    format!("{files:?} {columns:?} {:?}", state.metadata.configuration)
}

#[tokio::test]
async fn the_merger_passes_the_suite() {
    let mut cases: Vec<UnitCase> =
        ["append-append", "same-file", "overwrite", "add-columns", "optimize-theirs"]
            .into_iter()
            .map(fixture)
            .collect();
    let name = "append-append";
    let same = side(name, "theirs");
    cases.push(case("both came to the same", side(name, "base"), same.clone(), same));
    cases.push(case("theirs dropped the table", side(name, "base"), side(name, "ours"), BTreeMap::new()));
    cases.push(case(
        "both created a table",
        BTreeMap::new(),
        side(name, "ours"),
        side("overwrite", "theirs"),
    ));
    conformance::all(&DeltaMerger::new(), &cases, &meaning).await;
}
