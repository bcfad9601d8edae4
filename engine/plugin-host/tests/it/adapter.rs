//! The built WASI adapter is the one of its source.

use std::path::Path;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Builds `adapter/wasi-adapter.wat`: a core module that carries the world `adapter` of the contract.
fn built() -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut module = wat::parse_file(here.join("adapter/wasi-adapter.wat")).expect("the adapter is a module");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(here.join("../../wit/0.1")).expect("the contract is read");
    let world = resolve.select_world(&[package], Some("adapter")).expect("the contract has the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world fits");
    module
}

#[test]
fn the_adapter_is_built_from_its_source() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapter/wasi-adapter.wasm");
    let built = built();
    if std::fs::read(&committed).expect("it is there") != built {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasi-adapter.wasm");
        std::fs::write(&fresh, built).expect("it can be written");
        panic!("the adapter changed: copy {} to {}", fresh.display(), committed.display());
    }
}
