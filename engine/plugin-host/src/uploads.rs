//! The new objects that a call is writing, on the side of the storage.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anabranch_merge::{NewObject, ObjectAttributes, UnitUpload, ViewError};
use anabranch_types::Checksum;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::behind::Behind;
use crate::bridge::{Piece, Served};
use crate::handles::StoredObject;
use crate::retry::patiently;

/// How many bytes of an object that is copied are in memory at a time.
const COPY_BYTES: u64 = 4 * 1024 * 1024;

/// The objects that are begun, by number. Dropped, they leave nothing.
pub(crate) struct Uploads<'a> {
    served: Served<'a>,
    behind: &'a Behind,
    open: HashMap<u64, Open<'a>>,
    /// How long the checksums took that were waited for.
    hashing: Duration,
}

/// An object that is begun.
struct Open<'a> {
    upload: Box<dyn UnitUpload + 'a>,
    md5: Md5,
}

impl<'a> Uploads<'a> {
    /// None yet. Checksums are computed behind everything else, as is what the plugin itself does.
    pub(crate) fn new(served: Served<'a>, behind: &'a Behind) -> Self {
        Uploads { served, behind, open: HashMap::new(), hashing: Duration::ZERO }
    }

    /// How long checksums took that were waited for since this was asked last. They wait for a core like the plugin.
    pub(crate) fn take_hashing(&mut self) -> Duration {
        std::mem::take(&mut self.hashing)
    }

    /// Appends to an object, which is begun first if it is not. One that fails is gone.
    pub(crate) async fn append(&mut self, number: u64, piece: Piece) -> Result<(), ViewError> {
        let mut open = match self.open.remove(&number) {
            Some(open) => open,
            None => {
                let writer = self.served.writer()?;
                Open { upload: patiently(|| writer.begin()).await?, md5: Md5::new() }
            }
        };
        match piece {
            Piece::Bytes(bytes) => self.write(&mut open, bytes).await?,
            Piece::Range { object, offset, length } => self.copy(&mut open, &object, offset, length).await?,
        }
        self.open.insert(number, open);
        Ok(())
    }

    /// Finishes an object; one that was not begun is small, and written at once.
    pub(crate) async fn finish(&mut self, number: u64, rest: Bytes) -> Result<NewObject, ViewError> {
        let Some(mut open) = self.open.remove(&number) else {
            let writer = self.served.writer()?;
            return patiently(|| writer.write(rest.clone(), ObjectAttributes::default())).await;
        };
        if !rest.is_empty() {
            self.write(&mut open, rest).await?;
        }
        let Open { upload, md5 } = open;
        upload.finish(ObjectAttributes::default(), Checksum::from_md5(md5.finalize().into())).await
    }

    async fn write(&mut self, open: &mut Open<'a>, bytes: Bytes) -> Result<(), ViewError> {
        let begun = Instant::now();
        let hashed = hashed(self.behind, std::mem::take(&mut open.md5), bytes.clone());
        let hash = async {
            let md5 = hashed.await;
            (md5, begun.elapsed())
        };
        let (written, (md5, took)) = tokio::join!(open.upload.write(bytes), hash);
        // All of it counts, though the bytes were written meanwhile: that is mostly over before.
        self.hashing = self.hashing.saturating_add(took);
        open.md5 = md5?;
        written
    }

    /// Copies a range of an object, in pieces.
    async fn copy(
        &mut self,
        open: &mut Open<'a>,
        object: &StoredObject,
        mut offset: u64,
        mut length: u64,
    ) -> Result<(), ViewError> {
        while length > 0 {
            let bytes = self.served.read_range(object, offset, length.min(COPY_BYTES)).await?;
            let read = bytes.len() as u64;
            if read == 0 {
                return Err(object.is_short());
            }
            self.write(open, bytes).await?;
            offset = offset.saturating_add(read);
            length = length.saturating_sub(read);
        }
        Ok(())
    }

    /// Gives an object up.
    pub(crate) fn abandon(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

/// Adds `bytes` to a checksum.
async fn hashed(behind: &Behind, mut md5: Md5, bytes: Bytes) -> Result<Md5, ViewError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    behind.spawn(async move {
        md5.update(&bytes);
        // Where nobody waits any more the call is over.
        let _ = tell.send(md5);
    });
    told.await.map_err(|_| ViewError::Storage {
        path: String::new(),
        side: "the result".into(),
        message: "the host broke down".into(),
        temporary: false,
    })
}
