//! `anabranch plugin new`: a project that is complete in itself, with the SDK of its language in it.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;

use super::local::write;
use crate::cli::output::{Answer, counted};

static RUST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-rust/template");
static RUST_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-rust/src");
static RUST_SDK_MANIFEST: &str = include_str!("../../../../../plugins/sdk-rust/Cargo.toml");
static PYTHON: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-python/template");
static PYTHON_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-python/sdk");
static JAVASCRIPT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-javascript/template");
static JAVASCRIPT_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-javascript/sdk");
static C: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-c/template");
static C_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-c/sdk");
static GO: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-go/template");
static GO_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-go/sdk");
static GUIDES: [&str; 5] = [
    include_str!("../../../../../plugins/sdk-rust/README.md"),
    include_str!("../../../../../plugins/sdk-python/README.md"),
    include_str!("../../../../../plugins/sdk-javascript/README.md"),
    include_str!("../../../../../plugins/sdk-c/README.md"),
    include_str!("../../../../../plugins/sdk-go/README.md"),
];
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../wit/0.1");

/// The languages that there is an SDK for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Language {
    Rust,
    Python,
    Javascript,
    C,
    Go,
}

#[derive(Args, Debug)]
pub(super) struct NewArgs {
    /// The plugin's name, and that of its folder: lower-case letters, digits and `-`.
    name: String,
    /// What it is written in.
    #[arg(long, short, value_enum, default_value = "rust")]
    language: Language,
    /// The folder in which the project's folder is made.
    #[arg(long, default_value = ".")]
    r#in: PathBuf,
}

pub(super) fn run(args: &NewArgs) -> anyhow::Result<Answer> {
    let name = args.name.as_str();
    check_name(name)?;
    let folder = args.r#in.join(name);
    if folder.exists() {
        bail!("{} is there already: choose another name, or --in another folder", folder.display());
    }
    let files = files(name, args.language)?;
    for (path, body) in &files {
        write(&folder.join(path), body)?;
    }
    let shown = folder.display();
    let count = counted(files.len() as u64, "file");
    let text = format!(
        "made {shown} ({count}); its README.md says what its tools are\n\n  anabranch plugin build {shown}\n  \
         anabranch plugin test {shown}/{name}.wasm {shown}/cases\n"
    );
    Ok(Answer::clean(text, json!({"folder": shown.to_string(), "files": files.len()})))
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || name.ends_with('-') || name.len() > 60 || !name.bytes().all(plain) {
        bail!("{name:?} is no name of a plugin: lower-case letters, digits and `-`, beginning with a letter");
    }
    Ok(())
}

/// The files of a project, by their paths in it.
fn files(name: &str, language: Language) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let [rust, python, javascript, c, go] = GUIDES;
    let (template, sdk, guide) = match language {
        Language::Rust => (&RUST, &RUST_SDK, rust),
        Language::Python => (&PYTHON, &PYTHON_SDK, python),
        Language::Javascript => (&JAVASCRIPT, &JAVASCRIPT_SDK, javascript),
        Language::C => (&C, &C_SDK, c),
        Language::Go => (&GO, &GO_SDK, go),
    };
    let mut files = Vec::new();
    for (path, body) in all(template) {
        files.push((path.to_owned(), filled(body, name)));
    }
    // A project without words of its own gets those of its SDK.
    let is_told = files.iter().any(|(path, _)| path == Path::new("README.md"));
    files.push((if is_told { "sdk/README.md" } else { "README.md" }.into(), guide.into()));
    let below = if language == Language::Rust { "sdk/src" } else { "sdk" };
    files.extend(all(sdk).into_iter().map(|(path, body)| (Path::new(below).join(path), body.to_vec())));
    match language {
        Language::Rust => files.push(("sdk/Cargo.toml".into(), RUST_SDK_MANIFEST.into())),
        // Their builders read the contract itself.
        Language::Python | Language::Javascript => {
            files.extend(
                all(&WIT).into_iter().map(|(path, body)| (Path::new("wit").join(path), body.to_vec())),
            );
        }
        Language::C | Language::Go => {}
    }
    if files.is_empty() {
        bail!("this build of the program has no template for {language:?}");
    }
    Ok(files)
}

fn all(folder: &Dir<'static>) -> Vec<(&'static Path, &'static [u8])> {
    let mut files = Vec::new();
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => files.extend(all(folder)),
            DirEntry::File(file) => files.push((file.path(), file.contents())),
        }
    }
    files
}

/// A template with the plugin's name in it; what is no text is taken as it is.
fn filled(body: &[u8], name: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let module = name.replace('-', "_");
    let text = text.replace("{{name}}", name).replace("{{crate}}", &module);
    text.replace("{{module}}", &module).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_project_without_a_gap() {
        for language in Language::value_variants() {
            let files = files("my-merge", *language).unwrap();
            let has = |path: &str| files.iter().any(|(file, _)| file == Path::new(path));
            assert!(has("plugin.toml") && has("README.md"), "{language:?}");
            assert!(files.iter().any(|(file, _)| file.starts_with("cases")), "{language:?}");
            assert!(files.iter().any(|(file, _)| file.starts_with("sdk")), "{language:?}");
            // The SDK's own guide speaks of the gaps.
            for (file, body) in files
                .into_iter()
                .filter(|(file, _)| !file.starts_with("sdk") && file != Path::new("README.md"))
            {
                let text = String::from_utf8_lossy(&body);
                assert!(!text.contains("{{name}}") && !text.contains("{{crate}}"), "{}", file.display());
                assert!(!text.contains("{{module}}"), "{}", file.display());
            }
        }
    }

    #[test]
    fn names_are_those_that_every_builder_takes() {
        for name in ["ini", "my-merge", "x2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "../a", "2x", &"a".repeat(61)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
