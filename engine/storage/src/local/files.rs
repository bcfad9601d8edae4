//! The file operations of a local folder: blocking, durable, atomic.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, Metadata};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anabranch_types::ObjectKey;

use super::layout::{Place, TEMPORARIES};
use crate::{ETag, PutMode, PutOutcome, StorageError};

/// Keys share this many locks.
const LOCKS: usize = 256;

/// How many folders are remembered as durable before the memory starts afresh.
const DURABLE_FOLDERS_MAX: usize = 65_536;

/// An open folder of objects.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    name: String,
    locks: Vec<Mutex<()>>,
    /// Folders whose entry in their parent is known to be on the disk.
    durable: Mutex<HashSet<PathBuf>>,
    next_temporary: AtomicU64,
    last_stamp_ns: AtomicI64,
}

/// How far a write got before it failed.
pub(crate) enum WriteError {
    /// Nothing is visible.
    Before(io::Error),
    /// The object is visible, but whether a crash would take it back is not known.
    After(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::Before(error)
    }
}

/// A file on its way. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) file: File,
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is not there any more; and what stays behind is swept at the next opening.
        let _ = fs::remove_file(&self.path);
    }
}

impl Folder {
    /// Opens or makes the folder `root`, and removes what a crash left in it.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let name = format!("file://{}", root.display());
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        let folder = Folder {
            root,
            name,
            locks,
            durable: Mutex::default(),
            next_temporary: AtomicU64::new(0),
            last_stamp_ns: AtomicI64::new(0),
        };
        fs::create_dir_all(folder.root.join(TEMPORARIES))?;
        folder.sweep()?;
        sync_folder(&folder.root)?;
        folder.require_fine_times()?;
        Ok(folder)
    }

    /// What the folder is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of all objects.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Removes the files that were on their way when the process ended.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(TEMPORARIES))? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Versions are told apart by their times, so a file system that rounds them is refused.
    fn require_fine_times(&self) -> io::Result<()> {
        let probe = self.temporary()?;
        let exact = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        probe.file.set_times(FileTimes::new().set_modified(exact))?;
        if probe.file.metadata()?.mtime_nsec() != 123_456_789 {
            return Err(io::Error::other("this file system keeps no nanosecond times; use another one"));
        }
        Ok(())
    }

    /// A new, empty file that nobody sees.
    pub(crate) fn temporary(&self) -> io::Result<Temporary> {
        let ordinal = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(TEMPORARIES).join(ordinal.to_string());
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Temporary { file, path })
    }

    /// Writes `body` to a file that nobody sees.
    pub(crate) fn written(&self, body: &[u8]) -> io::Result<Temporary> {
        let mut temporary = self.temporary()?;
        temporary.file.write_all(body)?;
        Ok(temporary)
    }

    /// Makes a written file the object `key`, durably, if `mode` allows it.
    pub(crate) fn publish(
        &self,
        key: &ObjectKey,
        place: &Place,
        temporary: Temporary,
        mode: &PutMode,
    ) -> Result<PutOutcome, WriteError> {
        let etag = self.stamp(&temporary.file)?;
        temporary.file.sync_all()?;
        let (folder, file) = place.paths();
        let target = self.root.join(file);
        self.make_durable(&folder)?;
        let _lock = self.lock(key);
        match mode {
            PutMode::Overwrite => fs::rename(&temporary.path, &target)?,
            PutMode::Create => match fs::hard_link(&temporary.path, &target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(PutOutcome::Refused),
                Err(error) => return Err(error.into()),
            },
            PutMode::Update(expected) => match fs::metadata(&target) {
                Ok(found) if etag_of(&found) == *expected => fs::rename(&temporary.path, &target)?,
                Ok(_) => return Ok(PutOutcome::Refused),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PutOutcome::Refused),
                Err(error) => return Err(error.into()),
            },
        }
        sync_folder(&self.root.join(&folder)).map_err(WriteError::After)?;
        Ok(PutOutcome::Stored(etag))
    }

    /// Removes the object `key`, durably. One that is absent is no error.
    pub(crate) fn remove(&self, key: &ObjectKey, place: &Place) -> io::Result<()> {
        let (folder, file) = place.paths();
        let _lock = self.lock(key);
        match fs::remove_file(self.root.join(file)) {
            Ok(()) => sync_folder(&self.root.join(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives the file a modification time that no earlier write of this process has, and so an etag of its own.
    ///
    /// Inode numbers are used again and the kernel's clock ticks in milliseconds: without this, two writes of
    /// one key could look the same.
    fn stamp(&self, file: &File) -> io::Result<ETag> {
        let found = modified_ns(&file.metadata()?);
        let mut stamp = found;
        let _ = self.last_stamp_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            stamp = found.max(last.saturating_add(1));
            Some(stamp)
        });
        let since_epoch = Duration::from_nanos(u64::try_from(stamp).unwrap_or(0));
        file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since_epoch))?;
        Ok(etag_of(&file.metadata()?))
    }

    /// Makes sure that the folder exists and that a crash cannot take it back, nor one above it.
    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        let Some(parent) = folder.parent() else { return Ok(()) };
        if self.durable_folders().contains(folder) {
            return Ok(());
        }
        self.make_durable(parent)?;
        match fs::create_dir(self.root.join(folder)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // Also where it exists: another write may have made it and not synced it yet.
        sync_folder(&self.root.join(parent))?;
        let mut durable = self.durable_folders();
        if durable.len() >= DURABLE_FOLDERS_MAX {
            durable.clear();
        }
        durable.insert(folder.to_path_buf());
        Ok(())
    }

    fn durable_folders(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serializes the writes of one key.
    fn lock(&self, key: &ObjectKey) -> Option<MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let index = usize::try_from(hash % LOCKS as u64).unwrap_or(0);
        self.locks.get(index).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The version of a file: its inode, time and size.
pub(crate) fn etag_of(found: &Metadata) -> ETag {
    ETag(format!("{:x}-{:x}-{:x}", found.ino(), modified_ns(found), found.len()))
}

fn modified_ns(found: &Metadata) -> i64 {
    found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec())
}

/// Puts on the disk what a folder contains.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Translates what the operating system said about `key`.
pub(crate) fn failed(storage: &str, action: &'static str, key: &ObjectKey, error: io::Error) -> StorageError {
    let (key, storage) = (key.to_string(), storage.to_string());
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::NotFound { key, storage },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full { key, storage },
        _ => StorageError::Failed { action, key, storage, source: Box::new(error) },
    }
}

/// Translates how a write failed.
pub(crate) fn write_failed(storage: &str, key: &ObjectKey, error: WriteError) -> StorageError {
    match error {
        WriteError::Before(error) if error.kind() == io::ErrorKind::NotFound => StorageError::Failed {
            action: "writing",
            key: key.to_string(),
            storage: storage.to_string(),
            source: Box::new(error),
        },
        WriteError::Before(error) => failed(storage, "writing", key, error),
        WriteError::After(error) => StorageError::Unknown {
            key: key.to_string(),
            storage: storage.to_string(),
            source: Box::new(error),
        },
    }
}
