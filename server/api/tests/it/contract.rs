//! The document of the interface, and how much of lakeFS's it serves.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect_file;

const OPERATIONS: &str = include_str!("../../lakefs/operations.txt");
const NOT_SERVED: &str = include_str!("../../lakefs/not_served.txt");

/// Operations of our own, which lakeFS does not have.
const OURS: [&str; 27] = [
    "abandonMergeSession",
    "beginMergeSession",
    "checkRepository",
    "chooseForConflict",
    "chooseForConflicts",
    "completeMergeSession",
    "diffTable",
    "diffTableRows",
    "diffTables",
    "disablePlugin",
    "enablePlugin",
    "forgetChoice",
    "getMergeReport",
    "getMergeSession",
    "getMergeSessionOutcome",
    "getPlugin",
    "headLink",
    "installPlugin",
    "listMergeSessionConflicts",
    "listMergeSessions",
    "listPlugins",
    "logout",
    "previewMerge",
    "readLink",
    "removePlugin",
    "uploadForConflict",
    "writeLink",
];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// Operation ids, each with its method and path.
pub(crate) fn served() -> BTreeMap<String, (String, String)> {
    let document = serde_json::to_value(anabranch_api::openapi()).unwrap();
    let mut found = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let before = found.insert(id.clone(), (method.to_uppercase(), path.clone()));
            assert!(before.is_none(), "{id} stands twice");
        }
    }
    found
}

/// The path with its parameters nameless.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// `UPDATE_EXPECT=1` writes the file anew.
#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let document = anabranch_api::openapi().to_pretty_json().unwrap();
    expect_file!["../../openapi.json"].assert_eq(&format!("{document}\n"));
}

#[test]
fn what_is_served_stands_where_lakefs_clients_look_for_it() {
    let mut published = BTreeMap::new();
    for line in lines(OPERATIONS) {
        let mut words = line.split(' ');
        let (id, method, path) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        published.insert(id, (method, path));
    }
    for (id, (method, path)) in served() {
        if OURS.contains(&id.as_str()) {
            assert!(!published.contains_key(id.as_str()), "{id} is lakeFS's");
            continue;
        }
        let (published_method, published_path) = published[id.as_str()];
        assert_eq!(method, published_method, "{id}");
        assert_eq!(shape(&path), shape(published_path), "{id}");
    }
}

#[test]
fn the_list_of_operations_that_are_not_served_is_true() {
    let served: BTreeSet<_> = served().into_keys().collect();
    let missing: Vec<_> = lines(OPERATIONS)
        .filter_map(|line| line.split(' ').next())
        .filter(|id| !served.contains(*id))
        .collect();
    let listed: Vec<_> = lines(NOT_SERVED).map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(listed, missing, "lakefs/not_served.txt: take out what is served; it only shrinks");
}
