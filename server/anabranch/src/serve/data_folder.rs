//! The folder that holds everything of a server: its format file, its lock, its keys.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anabranch_auth::{KeyPair, ServerKey};
use anabranch_types::IdSource;
use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

const FORMAT_VERSION: u32 = 1;
const FORMAT_FILE: &str = "anabranch.json";
const KEY_FILE: &str = "admin-key.json";
const SERVER_KEY_FILE: &str = "server-key";

#[derive(Serialize, Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    access_key_id: String,
    secret_access_key: String,
}

/// An open data folder. Locked as long as the value lives: a second server is refused.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, which is made if it is absent. Refuses one that another process has open, one that a newer
    /// version wrote, and one that holds something else.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("the data folder {}", path.display()))?;
        let lock_path = path.join("lock");
        let format_path = path.join(FORMAT_FILE);
        if !format_path.exists() && !lock_path.exists() && holds_something(&path)? {
            bail!("{} is not empty and no data folder of a server: name another with --data", path.display());
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("the lock {} cannot be opened", lock_path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "another server has the data folder {} open: stop it, or name another with --data",
                path.display()
            );
        }
        check_format(&format_path)?;
        Ok(DataFolder { path, _lock: lock })
    }

    /// A path below the folder.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The administrator's key pair that the first start made, and whether it was made now.
    pub(crate) fn admin_key(&self, ids: &dyn IdSource) -> anyhow::Result<(KeyPair, bool)> {
        let path = self.join(KEY_FILE);
        if path.exists() {
            let pair = read_admin_key(&self.path)?;
            return Ok((pair, false));
        }
        let mut secret = [0; 30];
        ids.fill(&mut secret);
        let stored = StoredKey {
            access_key_id: format!("AKIA{}", hex::encode_upper(&ids.id16()[..8])),
            secret_access_key: hex::encode(secret),
        };
        write_whole(&path, &serde_json::to_vec_pretty(&stored)?)?;
        Ok((KeyPair::new(stored.access_key_id, stored.secret_access_key), true))
    }

    /// What secrets are encrypted with; made by the first start that is given none.
    pub(crate) fn server_key(&self, ids: &dyn IdSource) -> anyhow::Result<ServerKey> {
        let path = self.join(SERVER_KEY_FILE);
        if path.exists() {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("the server key {} cannot be read", path.display()))?;
            return ServerKey::parse(&text)
                .with_context(|| format!("the server key {} is damaged", path.display()));
        }
        let key = ServerKey::generate(ids);
        write_whole(&path, format!("{}\n", key.to_hex().expose()).as_bytes())?;
        Ok(key)
    }
}

/// Reads the key pair that the first start left in a data folder.
pub(crate) fn read_admin_key(folder: &Path) -> anyhow::Result<KeyPair> {
    let path = folder.join(KEY_FILE);
    let text = fs::read(&path).with_context(|| format!("the key file {} cannot be read", path.display()))?;
    let stored: StoredKey = serde_json::from_slice(&text).with_context(|| {
        format!("the key file {} is damaged: remove it, and the next start makes a new pair", path.display())
    })?;
    Ok(KeyPair::new(stored.access_key_id, stored.secret_access_key))
}

fn holds_something(path: &Path) -> anyhow::Result<bool> {
    Ok(fs::read_dir(path).with_context(|| format!("the data folder {}", path.display()))?.next().is_some())
}

fn check_format(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return write_whole(path, &serde_json::to_vec_pretty(&Format { format: FORMAT_VERSION })?);
    }
    let text =
        fs::read(path).with_context(|| format!("the format file {} cannot be read", path.display()))?;
    let found: Format = serde_json::from_slice(&text)
        .with_context(|| format!("the format file {} is damaged", path.display()))?;
    if found.format > FORMAT_VERSION {
        bail!(
            "{} says that a newer server wrote this folder (format {}; this one reads up to {FORMAT_VERSION}): \
             start a newer server on it",
            path.display(),
            found.format
        );
    }
    Ok(())
}

/// Writes a small file so that it is there whole or not at all, readable by its owner only.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemIds;

    #[test]
    fn a_second_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let error = DataFolder::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("another server"), "{error}");
        drop(first);
        DataFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_of_a_newer_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataFolder::open(folder.path()).unwrap());
        fs::write(folder.path().join(FORMAT_FILE), r#"{"format": 99}"#).unwrap();
        let error = DataFolder::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("newer server"), "{error}");
    }

    #[test]
    fn a_folder_with_something_else_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
        let error = DataFolder::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("not empty"), "{error}");
    }

    #[test]
    fn the_server_key_is_made_once_and_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let open = DataFolder::open(folder.path()).unwrap();
        let first = open.server_key(&SystemIds).unwrap();
        let second = open.server_key(&SystemIds).unwrap();
        assert!(first.to_hex().equals(second.to_hex().expose()));
        let mode = fs::metadata(open.join(SERVER_KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(open.join(SERVER_KEY_FILE), "short").unwrap();
        let error = open.server_key(&SystemIds).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }

    #[test]
    fn the_key_pair_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let open = DataFolder::open(folder.path()).unwrap();
        let (first, made) = open.admin_key(&SystemIds).unwrap();
        assert!(made);
        let (second, made) = open.admin_key(&SystemIds).unwrap();
        assert!(!made);
        assert_eq!(first.access_key_id, second.access_key_id);
        assert!(first.secret.equals(second.secret.expose()));
    }
}
