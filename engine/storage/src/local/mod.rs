//! Objects in a local folder, durable and atomic.
//!
//! A write goes to a temporary file in the same file system, is synced, and becomes visible by a link (which
//! fails if the key is taken) or a rename; then its folder is synced, and every folder above it that is new. The
//! folder belongs to one process.

mod files;
mod layout;
mod list;
mod segment;
mod upload;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::{
    ListedObject, ObjectStorage, ObjectUpload, PutMode, PutOutcome, Segment, StorageError, StoredObject,
};
use files::{Folder, etag_of, failed, write_failed};

/// How many bytes a piece of a stream has at most.
const PIECE_BYTES: u64 = 1 << 20;

/// Up to how many bytes are read on the caller's own thread where they are in memory.
const CACHED_READ_BYTES_MAX: usize = 128 << 10;

/// The folders that are open in this process, so that a second opening neither sweeps away the first one's
/// temporary files nor has locks of its own.
static OPEN_FOLDERS: Mutex<BTreeMap<PathBuf, Weak<Folder>>> = Mutex::new(BTreeMap::new());

/// Objects in a local folder. Must be used inside a tokio runtime: file work runs on its blocking threads.
#[derive(Clone, Debug)]
pub struct LocalStorage {
    folder: Arc<Folder>,
}

/// Opens the folder at `path`, which is made if it is absent. See [`LocalStorage::open`].
pub fn open_local(path: &Path) -> Result<Arc<dyn ObjectStorage>, StorageError> {
    Ok(Arc::new(LocalStorage::open(path)?))
}

impl LocalStorage {
    /// Opens the folder at `path`, which is made if it is absent, and sweeps the temporary files of a crash.
    ///
    /// A folder that is open in this process already is shared with that opening. That no other process
    /// has it open is for the caller to see to. Does a few blocking file operations.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let refused = |error: io::Error| StorageError::Failed {
            action: "opening the folder",
            key: "the storage".to_string(),
            storage: format!("file://{}", path.display()),
            source: Box::new(error),
        };
        create_durably(path).map_err(refused)?;
        let root = path.canonicalize().map_err(refused)?;
        // The process that made it may have been killed before it synced; a parent that may not be read was
        // not written by us.
        match root.parent().map_or(Ok(()), files::sync_folder) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(refused(error)),
            _ => {}
        }
        let mut open = OPEN_FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = open.get(&root).and_then(Weak::upgrade) {
            return Ok(LocalStorage { folder });
        }
        let folder = Arc::new(Folder::open(root.clone()).map_err(refused)?);
        open.retain(|_, folder| folder.strong_count() > 0);
        open.insert(root, Arc::downgrade(&folder));
        Ok(LocalStorage { folder })
    }

    /// Runs blocking work of this folder on `key`.
    async fn run<T: Send + 'static>(
        &self,
        key: &ObjectKey,
        work: impl FnOnce(&Arc<Folder>, &ObjectKey) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (folder, owned) = (Arc::clone(&self.folder), key.clone());
        unblocked(self.folder.name().to_string(), key, move || work(&folder, &owned)).await
    }
}

/// Makes a folder and those above it that are missing, and syncs whatever folder has a new one in it.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        _ => files::sync_folder(parent),
    }
}

/// Runs blocking work on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Runs blocking work on a thread for it; if that thread is lost, the end of the work is unknown.
async fn unblocked<T: Send + 'static>(
    storage: String,
    key: &ObjectKey,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(lost) => Err(StorageError::Unknown { key: key.to_string(), storage, source: Box::new(lost) }),
    }
}

#[async_trait]
impl ObjectStorage for LocalStorage {
    fn name(&self) -> &str {
        self.folder.name()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<PutOutcome, StorageError> {
        let place = layout::place(key)?;
        self.run(key, move |folder, key| {
            let written = folder.written(&body).map_err(files::WriteError::Before);
            written
                .and_then(|temporary| folder.publish(key, &place, temporary, &mode))
                .map_err(|error| write_failed(folder.name(), key, error))
        })
        .await
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Bytes, StorageError> {
        let path = self.folder.root().join(layout::place(key)?.paths().1);
        if let Some(bytes) = range.as_ref().and_then(|range| read_cached(&path, range)) {
            return Ok(bytes);
        }
        self.run(key, move |folder, key| {
            let (file, range) = open_range(folder, key, &path, range)?;
            let bytes =
                read_exact(&file, range).map_err(|error| failed(folder.name(), "reading", key, error))?;
            Ok(bytes)
        })
        .await
    }

    async fn get_stream(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let path = self.folder.root().join(layout::place(key)?.paths().1);
        if let Some(bytes) = range.as_ref().and_then(|range| read_cached(&path, range)) {
            return Ok(stream::once(std::future::ready(Ok(bytes))).boxed());
        }
        let (file, range) = self.run(key, move |folder, key| open_range(folder, key, &path, range)).await?;
        let (storage, key, file) = (self.clone(), key.clone(), Arc::new(file));
        let pieces = stream::try_unfold(range.start, move |start| {
            let (storage, key, file) = (storage.clone(), key.clone(), Arc::clone(&file));
            let end = range.end.min(start.saturating_add(PIECE_BYTES));
            async move {
                if start >= end {
                    return Ok(None);
                }
                let read = storage.run(&key, move |folder, key| {
                    read_exact(&file, start..end)
                        .map_err(|error| failed(folder.name(), "reading", key, error))
                });
                Ok(Some((read.await?, end)))
            }
        });
        Ok(pieces.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<StoredObject, StorageError> {
        let path = self.folder.root().join(layout::place(key)?.paths().1);
        self.run(key, move |folder, key| {
            let found = fs::metadata(path).map_err(|error| failed(folder.name(), "reading", key, error))?;
            Ok(StoredObject { size: found.len(), etag: etag_of(&found) })
        })
        .await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let place = layout::place(key)?;
        self.run(key, move |folder, key| {
            folder.remove(key, &place).map_err(|error| failed(folder.name(), "deleting", key, error))
        })
        .await
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> BoxStream<'static, Result<ListedObject, StorageError>> {
        let walk = list::Walk::new(self.folder.root(), prefix, after);
        let (storage, prefix) = (self.clone(), ObjectKey::new(prefix));
        let batches = stream::try_unfold(walk, move |mut walk| {
            let (storage, prefix) = (storage.clone(), prefix.clone());
            async move {
                let step = storage.run(&prefix, move |folder, prefix| {
                    let batch = walk.next_batch();
                    let batch = batch.map_err(|error| failed(folder.name(), "listing", prefix, error))?;
                    Ok((batch, walk))
                });
                let (batch, walk) = step.await?;
                Ok((!batch.is_empty()).then(|| (stream::iter(batch.into_iter().map(Ok)), walk)))
            }
        });
        batches.try_flatten().boxed()
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn ObjectUpload>, StorageError> {
        let place = layout::place(key)?;
        let begun = self.run(key, |folder, key| {
            folder.temporary().map_err(|error| write_failed(folder.name(), key, error.into()))
        });
        let temporary = begun.await?;
        Ok(Box::new(upload::LocalUpload::new(Arc::clone(&self.folder), key.clone(), place, temporary)))
    }

    async fn open_segment(
        &self,
        key: &ObjectKey,
        capacity: u64,
    ) -> Result<Option<Box<dyn Segment>>, StorageError> {
        let open = |folder: &Arc<Folder>, key: &ObjectKey, capacity| {
            segment::open(Arc::clone(folder), key.clone(), capacity)
        };
        let segment = self.run(key, move |folder, key| open(folder, key, capacity)).await?;
        Ok(Some(Box::new(segment)))
    }
}

/// Opens an object and checks the range against its size. The file stays the same one if it is replaced.
fn open_range(
    folder: &Folder,
    key: &ObjectKey,
    path: &Path,
    range: Option<Range<u64>>,
) -> Result<(File, Range<u64>), StorageError> {
    let open = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let (file, size) = open().map_err(|error| failed(folder.name(), "reading", key, error))?;
    let range = range.unwrap_or(0..size);
    if range.start > range.end || range.end > size {
        return Err(StorageError::RangeOutside {
            key: key.to_string(),
            size,
            start: range.start,
            end: range.end,
        });
    }
    Ok((file, range))
}

fn read_exact(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // What is read is not written with zeros before.
        let at = range.start.saturating_add(bytes.len() as u64);
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes.into())
}

/// Reads a small range of an object on this thread, if none of it has to be fetched from the disk: that takes a few
/// microseconds, a way to another thread and back takes more. None when it has to be, or anything else is odd; the
/// ordinary way finds out what.
fn read_cached(path: &Path, range: &Range<u64>) -> Option<Bytes> {
    let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
    if length == 0 || length > CACHED_READ_BYTES_MAX {
        return None;
    }
    let file = File::open(path).ok()?;
    let mut bytes = vec![0; length];
    let mut target = [io::IoSliceMut::new(&mut bytes)];
    let read = rustix::io::preadv2(&file, &mut target, range.start, rustix::io::ReadWriteFlags::NOWAIT);
    (read == Ok(length)).then(|| bytes.into())
}
