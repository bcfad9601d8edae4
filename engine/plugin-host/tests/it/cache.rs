//! What was compiled is kept, and only taken from where nobody else writes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anabranch_plugin_host::{Limits, PluginError};

use crate::support::{Runtime, lines};

fn compiled(runtime: &Runtime) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(runtime.cache.path().join("plugins")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn a_plugin_is_compiled_once_and_a_broken_file_is_replaced() {
    let runtime = Runtime::new();
    let digest = runtime.install(lines(), Limits::default()).await.unwrap().digest();
    let files = compiled(&runtime);
    assert_eq!(files.len(), 1, "{files:?}");
    let name =
        files[0].strip_prefix(runtime.cache.path().join("plugins")).unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with(&format!("{}/48.0.", digest.trim_start_matches("sha256:"))), "{name}");
    let written = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    runtime.install(lines(), Limits::default()).await.unwrap();
    assert_eq!(std::fs::metadata(&files[0]).unwrap().modified().unwrap(), written, "it was compiled again");
    // A file of its own: the old one is mapped until the last call that ran in it is gone, and what changes such a file in place ends the
    // process.
    let broken = runtime.cache.path().join("broken");
    std::fs::write(&broken, "not compiled").unwrap();
    std::fs::rename(&broken, &files[0]).unwrap();
    runtime.install(lines(), Limits::default()).await.unwrap();
    assert!(std::fs::metadata(&files[0]).unwrap().len() > 1_000);
}

#[tokio::test]
async fn what_was_compiled_is_opened_without_its_bytes() {
    let runtime = Runtime::new();
    let unknown = runtime.engine.open(&"0".repeat(64), true, Limits::default()).await.unwrap();
    assert!(unknown.is_none());
    // A component, and a module that becomes one.
    for bytes in [lines(), std::fs::read(crate::support::testdata().join("endless.wasm")).unwrap()] {
        let installed = runtime.install(bytes, Limits::default()).await.unwrap();
        let opened =
            runtime.engine.open(&installed.digest(), true, Limits::default()).await.unwrap().unwrap();
        assert_eq!(opened.component(), installed.component());
        assert_eq!((opened.claims(), opened.merges()), (installed.claims(), true));
    }
    assert!(runtime.engine.open("../../etc", true, Limits::default()).await.unwrap().is_none());
}

#[tokio::test]
async fn compiled_plugins_that_others_may_write_are_refused() {
    let runtime = Runtime::new();
    runtime.install(lines(), Limits::default()).await.unwrap();
    std::fs::set_permissions(&compiled(&runtime)[0], std::fs::Permissions::from_mode(0o666)).unwrap();
    let refused = runtime.install(lines(), Limits::default()).await.unwrap_err();
    assert!(matches!(refused, PluginError::Cache { .. }), "{refused}");
    assert!(refused.to_string().contains("others may write there"), "{refused}");
}
