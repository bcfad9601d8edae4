//! Writes the bindings of the Rust SDK from the contract in `wit/`.
//!
//! They are checked in, because a plugin then builds without a generator: in a second instead of half a minute.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

/// Records that hold handles, which cannot be compared.
const WITH_HANDLES: [&str; 3] = ["resolution", "merge-input", "diff-input"];

const HEADER: &str = "\
// Generated from wit/0.1 by `cargo run -p bindings`, in plugins/. Never edited: a test compares it.
";

/// Where the bindings are checked in.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk-rust/src/bindings.rs")
}

/// The bindings as the contract has them now.
///
/// # Errors
///
/// The contract cannot be read, or the generator does not understand it.
pub fn generate() -> Result<String> {
    let mut contract = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/0.1");
    let (package, _) =
        contract.push_path(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let world = contract.select_world(&[package], Some("merge-plugin"))?;
    let options = Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some("export_bindings".into()),
        default_bindings_module: Some("anabranch_plugin::bindings".into()),
        runtime_path: Some("::wit_bindgen::rt".into()),
        additional_derive_attributes: vec!["PartialEq".into()],
        additional_derive_ignore: WITH_HANDLES.map(Into::into).to_vec(),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut contract, world, &mut files)?;
    let (_, source) = files.iter().next().context("the generator wrote nothing")?;
    Ok(format!("{HEADER}{}", std::str::from_utf8(source)?))
}
