//! Compiled plugins, kept by the digest of what was installed.
//!
//! `<folder>/<digest>/<wasmtime version>-<compatibility hash>-<adapter>`, because what a module becomes depends on the adapter
//! of this server. Loading one runs it as it is, without any check, so
//! the folder must be one that the server alone writes.

use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::PluginError;

/// The version of the runtime, as the names of compiled plugins show it. A test compares it with the lock file.
pub(crate) const RUNTIME: &str = "48.0.8";

/// The folder of compiled plugins.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// `<wasmtime version>-<compatibility hash>-<adapter>`.
    file: String,
}

impl Cache {
    /// Opens the folder, or makes it. Refuses one into which others may write.
    pub(crate) fn open(folder: PathBuf, engine: &Engine) -> Result<Self, PluginError> {
        let adapter = blake3::hash(crate::encode::ADAPTER).to_hex();
        let adapter = adapter.as_str().get(..8).unwrap_or_default();
        let cache = Cache { file: format!("{RUNTIME}-{}-{adapter}", compatibility(engine)), folder };
        make_private(&cache.folder).map_err(|error| cache.error(&cache.folder, &error.to_string()))?;
        cache.check_private(&cache.folder)?;
        Ok(cache)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest).join(&self.file)
    }

    /// The compiled plugin, if it is there and this runtime can load it.
    #[expect(
        unsafe_code,
        reason = "what is loaded was compiled by this server, into a folder that only it writes"
    )]
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Result<Option<Component>, PluginError> {
        let path = self.path(digest);
        if !path.exists() {
            return Ok(None);
        }
        for folder in [Some(self.folder.as_path()), path.parent(), Some(path.as_path())].into_iter().flatten()
        {
            self.check_private(folder)?;
        }
        // SAFETY: the file was written by `store`, and nobody else can write it or the folders above.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Ok(Some(component)),
            // A file of another build of the runtime, or a broken one: it is compiled again and replaced.
            Err(_) => Ok(None),
        }
    }

    /// Keeps a compiled plugin: whole or not at all, also through a crash.
    pub(crate) fn store(&self, component: &Component, digest: &str) -> Result<(), PluginError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(digest);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
        let write = || {
            make_private(path.parent().unwrap_or(&self.folder))?;
            let bytes = component.serialize().map_err(std::io::Error::other)?;
            let mut file = std::fs::File::create_new(&temporary)?;
            make_file_private(&file)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| {
            // Best effort: what is left is a temporary file that nothing reads.
            let _ = std::fs::remove_file(&temporary);
            self.error(&path, &error.to_string())
        })
    }

    #[cfg(unix)]
    fn check_private(&self, path: &Path) -> Result<(), PluginError> {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).map_err(|error| self.error(path, &error.to_string()))?;
        let mode = metadata.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(self.error(path, "others may write there: take that away (chmod go-w)"));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_private(&self, _path: &Path) -> Result<(), PluginError> {
        Ok(())
    }

    fn error(&self, path: &Path, message: &str) -> PluginError {
        PluginError::Cache { path: path.display().to_string(), message: message.to_owned() }
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(unix)]
fn make_file_private(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_file_private(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// What of runtime and settings compiled plugins depend on, hashed the same way in every build.
fn compatibility(engine: &Engine) -> String {
    #[derive(Default)]
    struct Stable(blake3::Hasher);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            let hash = self.0.finalize();
            hash.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
        }
    }
    let mut hasher = Stable::default();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_runtime_is_the_one_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{}\"", super::RUNTIME)));
    }
}
