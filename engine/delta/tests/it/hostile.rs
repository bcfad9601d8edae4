//! Broken and foreign logs: a conflict that names the object, and no panic.

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::{MemoryUnit, UnitCase};
use anabranch_merge::{Conflict, MergeOutcome};
use bytes::Bytes;

use crate::fixtures::{Bodies, case, fixture, merge, side};

async fn conflicts(case: &UnitCase) -> Vec<Conflict> {
    match merge(&DeltaMerger::new(), case).await.outcome {
        MergeOutcome::Conflicts { conflicts, .. } => conflicts,
        other => panic!("{}: {other:#?}", case.name),
    }
}

/// The one conflict, as `kind path`.
async fn conflict(case: &UnitCase) -> String {
    let conflicts = conflicts(case).await;
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    format!("{} {}", conflicts[0].kind, conflicts[0].path)
}

fn log(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// The fixture with a change to theirs.
fn broken(change: impl FnOnce(&mut Bodies)) -> UnitCase {
    let mut case = fixture("append-append");
    change(&mut case.theirs);
    case
}

#[tokio::test]
async fn a_gap_names_the_missing_version() {
    let case = broken(|theirs| drop(theirs.remove(&log(1))));
    assert_eq!(conflict(&case).await, format!("table-damaged tables/append-append/{}", log(1)));
}

#[tokio::test]
async fn broken_commits_are_named() {
    let whole = side("append-append", "theirs")[&log(3)].clone();
    let mut bodies: Vec<Bytes> = (1..12)
        .map(|part| whole.slice(..whole.len() * part / 12))
        .filter(|cut| !cut.ends_with(b"}"))
        .collect();
    for text in [
        "{\"add\":{\"path\":\"../../x\",\"size\":1,\"dataChange\":true}}",
        "{\"add\":{\"path\":\"_delta_log/x\",\"size\":1,\"dataChange\":true}}",
        "{\"add\":{\"path\":\"a%00\",\"size\":1,\"dataChange\":true}}",
        "{\"add\":{\"path\":\"a\",\"size\":1e400,\"dataChange\":true}}",
        "{\"add\":{\"path\":\"a\",\"size\":1,\"dataChange\":true}}\n{\"add\":{\"path\":\"a\",\"size\":1,\"dataChange\":true}}",
        "{\"metaData\":{\"id\":\"x\",\"schemaString\":\"[]\"}}",
        "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}",
        "{\"remove\":{\"path\":\"a\",\"dataChange\":true,\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"short\",\"cardinality\":1}}}",
        "\u{0}",
        "[[[[[[",
    ] {
        bodies.push(Bytes::from(text));
    }
    bodies.push(Bytes::from_static(b"\xff\xfe"));
    bodies.push(Bytes::from("[".repeat(100_000)));
    bodies.push(Bytes::from(format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000))));
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let case = broken(|theirs| drop(theirs.insert(log(3), body)));
        assert_eq!(
            conflict(&case).await,
            format!("table-damaged tables/append-append/{}", log(3)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_enormous_commit_is_refused_before_it_is_read() {
    let case = fixture("append-append");
    let mut open = case.open();
    let mut entry = open.theirs.entries()[&log(3)].clone();
    (entry.size, entry.address.length) = (2 << 30, 2 << 30);
    open.theirs.put_entry(log(3), entry);
    let MergeOutcome::Conflicts { conflicts, .. } = open.run(&DeltaMerger::new()).await else {
        panic!("a conflict")
    };
    assert_eq!(conflicts[0].kind.as_str(), "table-damaged");
    assert!(conflicts[0].path.ends_with(&log(3)) && conflicts[0].message.contains("2147483648 bytes"));
    let read = |unit: &MemoryUnit| {
        unit.accesses().iter().any(|access| access.method == "read" && access.path == log(3))
    };
    assert!(!read(&open.theirs));
}

#[tokio::test]
async fn features_nobody_knows_and_catalogs_are_refused() {
    for (feature, kind) in [("quantumStorage", "unsupported-feature"), ("catalogManaged", "catalog-managed")]
    {
        let protocol = format!(
            "{{\"protocol\":{{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[{feature:?}],\"writerFeatures\":[{feature:?}]}}}}"
        );
        let case = broken(|theirs| drop(theirs.insert(log(5), protocol.into())));
        let kinds: Vec<String> =
            conflicts(&case).await.iter().map(|conflict| conflict.kind.to_string()).collect();
        assert!(kinds.contains(&kind.to_owned()), "{feature}: {kinds:?}");
    }
}

#[tokio::test]
async fn checkpoint_garbage_is_named() {
    let name = "classic-checkpoint";
    let bodies = side(name, "theirs");
    let checkpoint = bodies.keys().find(|path| path.ends_with(".checkpoint.parquet")).unwrap().clone();
    let whole = bodies[&checkpoint].clone();
    let mut garbage: Vec<Vec<u8>> = vec![Vec::new(), b"PAR1".to_vec(), whole[..whole.len() / 2].to_vec()];
    for at in (4..whole.len()).step_by(97) {
        let mut flipped = whole.to_vec();
        flipped[at] ^= 0xff;
        garbage.push(flipped);
    }
    for body in garbage {
        let mut case = fixture(name);
        case.theirs.insert(checkpoint.clone(), body.into());
        // A flipped bit may hit a value that does not matter here; what must not happen is a panic or a wrong file.
        if let MergeOutcome::Conflicts { conflicts, .. } = merge(&DeltaMerger::new(), &case).await.outcome {
            assert!(!conflicts.is_empty());
        }
    }
    let mut case = fixture(name);
    case.theirs.insert(checkpoint.clone(), Bytes::from_static(b"PAR1 nothing PAR1"));
    assert_eq!(conflict(&case).await, format!("table-damaged tables/{name}/{checkpoint}"));
}

#[tokio::test]
async fn files_that_are_missing_foreign_or_different_are_named() {
    let added = |theirs: &Bodies, ours: &Bodies| {
        theirs.keys().find(|path| path.ends_with(".parquet") && !ours.contains_key(*path)).unwrap().clone()
    };
    let whole = fixture("append-append");
    let file = added(&whole.theirs, &whole.ours);
    let missing = broken(|theirs| drop(theirs.remove(&file)));
    assert_eq!(conflict(&missing).await, format!("missing-data-file tables/append-append/{file}"));

    let mut other = fixture("append-append");
    other.ours.insert(file.clone(), Bytes::from_static(b"something else"));
    assert_eq!(conflict(&other).await, format!("data-file-path-collision tables/append-append/{file}"));

    let absolute = "{\"add\":{\"path\":\"s3://repo/dev/x.parquet\",\"partitionValues\":{},\"size\":1,\"modificationTime\":1,\"dataChange\":true}}";
    let absolute = broken(|theirs| drop(theirs.insert(log(5), absolute.into())));
    assert_eq!(conflict(&absolute).await, "absolute-path-into-branch tables/append-append");
}

#[tokio::test]
async fn tables_dropped_created_and_half_deleted() {
    let name = "append-append";
    let (base, ours) = (side(name, "base"), side(name, "ours"));
    let dropped = case(name, base.clone(), ours.clone(), Bodies::new());
    assert_eq!(conflict(&dropped).await, format!("table-deleted-modified tables/{name}"));
    let created = case(name, Bodies::new(), ours.clone(), side("overwrite", "theirs"));
    assert_eq!(conflict(&created).await, format!("table-created-both tables/{name}"));
    let mut half = base.clone();
    half.retain(|path, _| !path.starts_with("_delta_log/"));
    assert_eq!(conflict(&case(name, base, ours, half)).await, format!("table-damaged tables/{name}"));
}
