//! A file that groups of small bodies are appended to.
//!
//! The file is filled with zeros and synced before the first group, so that a group costs one overwrite of
//! allocated blocks and one `fdatasync` without a journal entry. Each group begins on a block of its own:
//! what was answered is never in a block that is written again, so a torn write cannot reach it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::Bytes;

use super::files::{Folder, WriteError, failed, write_failed};
use super::{blocking, layout};
use crate::{PutMode, PutOutcome, Segment, StorageError};

/// The unit in which disks write.
const BLOCK_BYTES: u64 = 4_096;

/// How many zeros are written at a time.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A segment that is open for appending.
#[derive(Debug)]
pub(crate) struct LocalSegment {
    folder: Arc<Folder>,
    key: ObjectKey,
    file: Arc<File>,
    capacity: u64,
    /// Where the next group begins.
    next: u64,
    failed: bool,
}

/// Makes the object `key` with `capacity` bytes, durable. Blocks.
pub(crate) fn open(folder: Arc<Folder>, key: ObjectKey, capacity: u64) -> Result<LocalSegment, StorageError> {
    let place = layout::place(&key)?;
    let made = zero_filled(&folder, capacity)
        .map_err(WriteError::Before)
        .and_then(|(temporary, file)| Ok((folder.publish(&key, &place, temporary, &PutMode::Create)?, file)));
    match made {
        Ok((PutOutcome::Stored(_), file)) => {
            Ok(LocalSegment { folder, key, file: Arc::new(file), capacity, next: 0, failed: false })
        }
        Ok((PutOutcome::Refused, _)) => Err(StorageError::Failed {
            action: "opening a segment",
            key: key.to_string(),
            storage: folder.name().to_string(),
            source: "the key is taken already".into(),
        }),
        Err(error) => Err(write_failed(folder.name(), &key, error)),
    }
}

fn zero_filled(folder: &Folder, capacity: u64) -> io::Result<(super::files::Temporary, File)> {
    let mut temporary = folder.temporary()?;
    let mut rest = capacity;
    while rest > 0 {
        let piece = usize::try_from(rest.min(ZEROS.len() as u64)).unwrap_or(ZEROS.len());
        temporary.file.write_all(ZEROS.get(..piece).unwrap_or(&ZEROS))?;
        rest -= piece as u64;
    }
    let file = temporary.file.try_clone()?;
    Ok((temporary, file))
}

#[async_trait]
impl Segment for LocalSegment {
    async fn append(&mut self, group: Bytes) -> Result<Option<u64>, StorageError> {
        let (offset, end) = (self.next, self.next.saturating_add(group.len() as u64));
        if self.failed || end > self.capacity {
            return Ok(None);
        }
        // Set until the write is known to have worked: after a failed sync the kernel may have dropped the
        // bytes and would call the next sync a success. Also stays set if this future is dropped.
        self.failed = true;
        let file = Arc::clone(&self.file);
        let written = blocking(move || {
            file.write_all_at(&group, offset)?;
            file.sync_data()
        })
        .await;
        written.map_err(|error| failed(self.folder.name(), "appending to a segment", &self.key, error))?;
        self.failed = false;
        self.next = end.next_multiple_of(BLOCK_BYTES);
        Ok(Some(offset))
    }
}

impl Drop for LocalSegment {
    fn drop(&mut self) {
        // Gives back what no group took. Not while a dropped append may still write behind it.
        if !self.failed
            && let Err(error) = self.file.set_len(self.next.min(self.capacity))
        {
            tracing::warn!(key = %self.key, storage = self.folder.name(), %error, "a segment keeps its unused end");
        }
    }
}
