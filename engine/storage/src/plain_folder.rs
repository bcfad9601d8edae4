//! A folder that somebody else fills, as a source of imports: each file is an object, its path the key.
//!
//! Links are not followed, neither when the folder is listed nor when a file is read: what lies elsewhere stays there.

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{ImportSource, SourceObject, StorageError, check_key};

/// How many bytes a piece of a stream has at most.
const PIECE_BYTES: u64 = 1 << 20;
/// How many objects one step of a listing finds.
const BATCH_OBJECTS: usize = 256;

/// The files below a folder, read only. Must be used inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct PlainFolder {
    name: Arc<str>,
    root: Arc<Path>,
}

impl PlainFolder {
    /// Opens the folder at `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let name = format!("local://{}", path.display());
        match path.canonicalize() {
            Ok(root) if root.is_dir() => Ok(PlainFolder { name: name.into(), root: root.into() }),
            Ok(_) => Err(StorageError::Gone { storage: name, reason: "it is no folder".into() }),
            Err(error) => Err(StorageError::Gone { storage: name, reason: error.to_string() }),
        }
    }

    /// The folder, every link on the way to it resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn failed(&self, action: &'static str, key: &str, error: io::Error) -> StorageError {
        match error.kind() {
            io::ErrorKind::NotFound => {
                StorageError::NotFound { key: key.to_owned(), storage: self.name.to_string() }
            }
            _ => StorageError::Failed {
                action,
                key: key.to_owned(),
                storage: self.name.to_string(),
                source: Box::new(error),
            },
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = Arc::clone(&self.root);
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        done.unwrap_or_else(|broken| Err(io::Error::other(broken)))
            .map_err(|error| self.failed(action, key, error))
    }
}

#[async_trait]
impl ImportSource for PlainFolder {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> BoxStream<'static, Result<SourceObject, StorageError>> {
        let walk = Walk::new(&self.root, prefix, after);
        let (folder, prefix) = (self.clone(), prefix.to_owned());
        let batches = stream::try_unfold(walk, move |mut walk| {
            let (folder, prefix) = (folder.clone(), prefix.clone());
            async move {
                let step = folder.run("listing", &prefix, move |_| Ok((walk.next_batch()?, walk)));
                let (batch, walk) = step.await?;
                Ok((!batch.is_empty()).then(|| (stream::iter(batch.into_iter().map(Ok)), walk)))
            }
        });
        batches.try_flatten().boxed()
    }

    async fn find(&self, key: &str) -> Result<SourceObject, StorageError> {
        check_key(&ObjectKey::new(key))?;
        let owned = key.to_owned();
        let found = self
            .run("reading", key, move |root| Ok(describe(owned.clone(), &open(root, &owned)?.metadata()?)));
        found.await
    }

    async fn read(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        check_key(&ObjectKey::new(key))?;
        let owned = key.to_owned();
        let opened = self.run("reading", key, move |root| {
            let file = open(root, &owned)?;
            let size = file.metadata()?.len();
            Ok((Arc::new(file), size))
        });
        let (file, size) = opened.await?;
        if range.start > range.end || range.end > size {
            let Range { start, end } = range;
            return Err(StorageError::RangeOutside { key: key.to_owned(), size, start, end });
        }
        let (folder, key) = (self.clone(), key.to_owned());
        let pieces = stream::try_unfold(range.start, move |start| {
            let (folder, key, file) = (folder.clone(), key.clone(), Arc::clone(&file));
            let end = range.end.min(start.saturating_add(PIECE_BYTES));
            async move {
                if start >= end {
                    return Ok(None);
                }
                let piece = folder.run("reading", &key, move |_| {
                    let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
                    file.read_exact_at(&mut bytes, start)?;
                    Ok(Bytes::from(bytes))
                });
                Ok(Some((piece.await?, end)))
            }
        });
        Ok(pieces.boxed())
    }

    async fn signed_url(&self, _: &str, _: Duration) -> Result<Option<String>, StorageError> {
        Ok(None)
    }
}

/// Opens a file whose key was checked. No link on the way is followed out of the folder.
fn open(root: &Path, key: &str) -> io::Result<File> {
    let wanted = root.join(key);
    if wanted.canonicalize()? != wanted {
        return Err(io::Error::new(io::ErrorKind::NotFound, "a link on its path is not followed"));
    }
    let file = File::open(&wanted)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::NotFound, "it is no file")),
    }
}

fn describe(key: String, found: &Metadata) -> SourceObject {
    let nanoseconds = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    SourceObject {
        key,
        size: found.len(),
        etag: format!("{:x}-{nanoseconds:x}-{:x}", found.ino(), found.len()),
        modified_ms: i64::try_from(nanoseconds / 1_000_000).unwrap_or(0),
    }
}

/// A listing under way. Holds the names of the folders on the path to where it stands, never all objects.
///
/// Going through folders one by one is bytewise order of key only if a folder sorts as its name with a `/` behind it.
struct Walk {
    prefix: String,
    after: Option<String>,
    levels: Vec<std::vec::IntoIter<Child>>,
}

struct Child {
    /// The object's key, or what the keys of the folder begin with.
    key: String,
    path: PathBuf,
    is_folder: bool,
}

impl Walk {
    fn new(root: &Path, prefix: &str, after: Option<&str>) -> Self {
        let root = Child { key: String::new(), path: root.to_path_buf(), is_folder: true };
        Walk {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            levels: vec![vec![root].into_iter()],
        }
    }

    /// The next objects; none at the end. Blocks.
    fn next_batch(&mut self) -> io::Result<Vec<SourceObject>> {
        let mut batch = Vec::new();
        while let Some(level) = self.levels.last_mut() {
            let Some(child) = level.next() else {
                self.levels.pop();
                continue;
            };
            if child.is_folder {
                let children = self.read_folder(&child)?;
                self.levels.push(children.into_iter());
                continue;
            }
            match fs::symlink_metadata(&child.path) {
                Ok(found) if found.is_file() => batch.push(describe(child.key, &found)),
                Ok(_) => {}
                // Removed since its folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if batch.len() == BATCH_OBJECTS {
                break;
            }
        }
        Ok(batch)
    }

    fn read_folder(&self, folder: &Child) -> io::Result<Vec<Child>> {
        let mut children = Vec::new();
        for entry in fs::read_dir(&folder.path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if !kind.is_dir() && !kind.is_file() {
                continue;
            }
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::other(format!("the file name {name:?} is not UTF-8: rename the file"))
            })?;
            let key = format!("{}{name}{}", folder.key, if kind.is_dir() { "/" } else { "" });
            if self.may_hold(&key, kind.is_dir()) {
                children.push(Child { key, path: entry.path(), is_folder: kind.is_dir() });
            }
        }
        children.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(children)
    }

    /// Whether `key`, or a key below this folder, belongs to the listing.
    fn may_hold(&self, key: &str, is_folder: bool) -> bool {
        let in_prefix = key.starts_with(&self.prefix) || (is_folder && self.prefix.starts_with(key));
        let is_after = match self.after.as_deref() {
            Some(after) => key > after || (is_folder && after.starts_with(key)),
            None => true,
        };
        in_prefix && is_after
    }
}
