//! The commits of a Delta log as other engines wrote them: no bytes may panic, loop, or come out as other actions than
//! they went in.
//!
//! The modules are compiled in here, because the crate around them brings a whole query engine, which is slow to build
//! with the fuzzer's instrumentation.
#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "../../src/action/mod.rs"]
mod action;
#[path = "../../src/damage.rs"]
mod damage;
#[path = "../../src/limits.rs"]
mod limits;
#[path = "../../src/snapshot.rs"]
mod snapshot;

use action::{Action, Commit};
use libfuzzer_sys::fuzz_target;
use snapshot::SnapshotBuilder;

const TABLE: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[]}","partitionColumns":[],"configuration":{}}}"#;

fuzz_target!(|input: &[u8]| {
    let Ok(commit) = Commit::parse(1, 1, input) else {
        return;
    };
    for action in &commit.actions {
        let line = action.to_line();
        let again =
            Action::parse_line(&line).expect("an action that was read is written so that it can be read");
        assert_eq!(again.expect("it is still an action").to_line(), line);
    }
    // As the first commit, and on top of a table.
    let mut first = SnapshotBuilder::default();
    if first.apply(&commit).is_ok() {
        drop(first.build(1));
    }
    let mut second = SnapshotBuilder::default();
    let table = Commit::parse(0, 0, TABLE.as_bytes()).expect("the table");
    second.apply(&table).expect("the table");
    if second.apply(&commit).is_ok()
        && let Ok(state) = second.build(1)
    {
        let mut third = SnapshotBuilder::from_snapshot(&state);
        drop(third.apply(&commit));
    }
    let mut checkpoint = SnapshotBuilder::default();
    if commit.actions.into_iter().all(|action| checkpoint.checkpoint_action(action).is_ok()) {
        drop(checkpoint.build(1));
    }
});
