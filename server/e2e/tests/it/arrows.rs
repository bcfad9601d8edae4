//! Which crate may use which: a new kind of edge is a change of design, and shows as a change of this file.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every edge that is allowed, from a folder to those it uses.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("storage", &["types"]),
    ("tree", &["types"]),
    ("refs", &["types"]),
    ("merge", &["types", "tree"]),
    ("repository", &["types", "tree", "refs", "storage", "merge"]),
    // How files are read through views, and conflicts of rows in one wording.
    ("delta", &["types", "merge", "rows", "parquet"]),
    ("iceberg", &["types", "merge"]),
    ("rows", &["types"]),
    ("parquet", &["types", "merge", "rows"]),
    ("plugin-host", &["types", "merge"]),
    // Users and keys are kept in the ref-store.
    ("auth", &["types", "refs"]),
    ("app", &["types", "repository", "merge", "storage", "refs", "auth"]),
    ("s3", &["types", "app", "auth"]),
    // The merge vocabulary (conflicts, reports) goes over the wire here.
    ("api", &["types", "merge", "app", "auth"]),
    ("iceberg-rest", &["types", "app", "auth"]),
    ("e2e", &[]),
    (
        "anabranch",
        &[
            "types",
            "storage",
            "refs",
            "repository",
            "merge",
            "delta",
            "parquet",
            "plugin-host",
            "app",
            "auth",
            "s3",
            "api",
            "iceberg-rest",
        ],
    ),
    ("benches", &["types", "storage", "tree", "refs", "repository", "merge", "delta", "plugin-host"]),
    // The load generator signs its S3 requests; of a server it knows the address.
    ("load", &["auth"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(super::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata answers JSON")
}

fn folder(package: &str) -> &str {
    package.strip_prefix("anabranch-").unwrap_or(package)
}

#[test]
fn arrows_point_one_way() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let mut wrong = Vec::new();
    for package in packages {
        let from = folder(package["name"].as_str().expect("a name"));
        let Some(permitted) = allowed.get(from) else {
            wrong.push(format!("crate {from} is not in the list of edges"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
            let name = dependency["name"].as_str().expect("a name");
            // Tests may use whatever they need: they ship in nothing.
            if !name.starts_with("anabranch") || dependency["kind"] == "dev" {
                continue;
            }
            if !permitted.contains(folder(name)) {
                wrong.push(format!("{from} -> {}", folder(name)));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that are not allowed:\n{}", wrong.join("\n"));
}

#[test]
fn the_engine_knows_no_http() {
    for package in metadata()["packages"].as_array().expect("a list of packages") {
        let path = package["manifest_path"].as_str().expect("a path");
        if !path.contains("/engine/") {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
            let name = dependency["name"].as_str().expect("a name");
            let http = ["axum", "hyper", "http", "tower", "tower-http", "reqwest", "s3s"].contains(&name);
            assert!(!http || dependency["kind"] == "dev", "{path} depends on {name}");
        }
    }
}

#[test]
fn the_engine_reads_no_environment() {
    for file in super::files::sources("engine") {
        if file.to_string_lossy().contains("/tests/") || file.to_string_lossy().contains("/examples/") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a readable file");
        assert!(!text.contains("std::env::var") && !text.contains("env::var("), "{}", file.display());
    }
}

#[test]
fn there_is_one_arrow() {
    let lock = std::fs::read_to_string(super::root().join("Cargo.lock")).expect("a lock file");
    for name in ["arrow-array", "arrow-schema", "parquet"] {
        let entry = format!("name = \"{name}\"\n");
        assert_eq!(lock.matches(&entry).count(), 1, "{name} must be in the tree exactly once");
    }
}
