//! Released versions of the contract never change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anabranch_plugin_host::Limits;
use sha2::{Digest, Sha256};

use crate::support::{Runtime, testdata};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// Every file below the folders of released versions, with its digest.
fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else {
            let name = entry.strip_prefix(wit()).expect("below wit").to_string_lossy().into_owned();
            let digest = hex::encode(Sha256::digest(std::fs::read(&entry).expect("a file")));
            found.insert(name, digest);
        }
    }
}

#[test]
fn released_versions_do_not_change() {
    let listed = std::fs::read_to_string(wit().join("released.sha256")).expect("the list is there");
    let listed: BTreeMap<String, String> = listed
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect();
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(wit()).expect("wit/").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files(&entry, &mut found);
        }
    }
    assert!(!listed.is_empty());
    assert_eq!(found, listed, "a released contract is frozen: what is new goes into a folder of its own");
}

#[tokio::test]
async fn a_component_of_every_released_version_is_a_plugin() {
    let digests = std::fs::read_to_string(testdata().join("digests.sha256")).expect("the list is there");
    let mut versions = 0;
    for folder in std::fs::read_dir(wit()).expect("wit/").map(|entry| entry.expect("an entry").path()) {
        if !folder.is_dir() {
            continue;
        }
        versions += 1;
        let version = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let name = format!("contract-{version}.wasm");
        let component = std::fs::read(testdata().join(&name)).expect("a component of each released version");
        let line = format!("{}  {name}\n", hex::encode(Sha256::digest(&component)));
        assert!(digests.contains(&line), "{name} is not the one that was released");
        let runtime = Runtime::new();
        let plugin = runtime.install(component, Limits::default()).await.expect("it is a plugin");
        assert!(plugin.merges() && !plugin.claims().is_empty(), "{version}");
    }
    assert!(versions > 0);
}
