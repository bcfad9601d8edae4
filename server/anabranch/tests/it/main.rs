//! The binary as a person runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod files;
mod imports;
mod lake;
mod merging;
mod profiles;
mod row_diffs;
mod verbs;

use std::process::{Command, Output};

fn anabranch(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anabranch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANABRANCH_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_quickstart_merges_two_branches_of_one_table() {
    let output = anabranch(&["quickstart"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let after = shown.split("$ anabranch merge").nth(1).expect("the merge is shown");
    assert!(after.contains("version 5, 4326 rows"), "2699 + 915 - 8 + 720: {after}");
    assert!(after.contains("2 January: 935") && after.contains("5 January: 720"), "{after}");
    let folder =
        shown.split("its data in ").nth(1).and_then(|rest| rest.split(".\n").next()).expect("a folder");
    assert!(!std::path::Path::new(folder).exists(), "it cleans up after itself");
}

#[test]
fn the_quickstart_keeps_its_folder_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let output = anabranch(&["quickstart", "--keep", &kept.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(kept.join("refs.sqlite").exists() && kept.join("admin-key.json").exists());
    assert!(text(&output.stdout).contains("anabranch serve --data"));
}

#[test]
fn an_error_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["log", "sales", "main", "--data", &folder.path().to_string_lossy()];
    let output = anabranch(&arguments);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.starts_with("anabranch: ") && said.trim_end().lines().count() == 1, "{said}");
    assert!(said.contains("--data"), "it says what to do: {said}");
}
