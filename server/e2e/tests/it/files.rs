//! Files stay small enough to read. The list of exceptions only shrinks.

use std::path::{Path, PathBuf};

/// Lines of code a file may have, tests at its end not counted.
const LINES_MAX: usize = 600;
/// Longer files, with a reason each. Remove an entry when its file has shrunk; add none.
const LONGER: &[&str] = &[];

/// All Rust files below a folder of the workspace.
pub(crate) fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&super::root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target" && name != ".git") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn lines(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().count()
}

#[test]
fn files_are_short() {
    let root = super::root();
    let mut wrong = Vec::new();
    for folder in ["engine", "server", "benches"] {
        for path in sources(folder) {
            let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            let long = lines(&path) > LINES_MAX;
            match (long, LONGER.contains(&&*name)) {
                (true, false) => wrong.push(format!("{name} has {} lines", lines(&path))),
                (false, true) => wrong.push(format!("{name} is short now: take it off the list")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
