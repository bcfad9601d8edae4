//! The new objects that a call is writing, on the side of the storage.

use std::collections::HashMap;

use anabranch_merge::{NewObject, ObjectAttributes, UnitUpload, ViewError};
use bytes::Bytes;

use crate::bridge::{Piece, Served};
use crate::handles::StoredObject;
use crate::retry::patiently;

/// How many bytes of an object that is copied are in memory at a time.
const COPY_BYTES: u64 = 4 * 1024 * 1024;

/// The objects that are begun, by number. Dropped, they leave nothing.
pub(crate) struct Uploads<'a> {
    served: Served<'a>,
    open: HashMap<u64, Box<dyn UnitUpload + 'a>>,
}

impl<'a> Uploads<'a> {
    pub(crate) fn new(served: Served<'a>) -> Self {
        Uploads { served, open: HashMap::new() }
    }

    /// Appends to an object, which is begun first if it is not. One that fails is gone.
    pub(crate) async fn append(&mut self, number: u64, piece: Piece) -> Result<(), ViewError> {
        let mut upload = match self.open.remove(&number) {
            Some(upload) => upload,
            None => {
                let writer = self.served.writer()?;
                patiently(|| writer.begin()).await?
            }
        };
        match piece {
            Piece::Bytes(bytes) => upload.write(bytes).await?,
            Piece::Range { object, offset, length } => {
                copy(self.served, &mut *upload, &object, offset, length).await?;
            }
        }
        self.open.insert(number, upload);
        Ok(())
    }

    /// Finishes an object; one that was not begun is small, and written at once.
    pub(crate) async fn finish(&mut self, number: u64, rest: Bytes) -> Result<NewObject, ViewError> {
        let Some(mut upload) = self.open.remove(&number) else {
            let writer = self.served.writer()?;
            return patiently(|| writer.write(rest.clone(), ObjectAttributes::default())).await;
        };
        if !rest.is_empty() {
            upload.write(rest).await?;
        }
        upload.finish(ObjectAttributes::default()).await
    }

    /// Gives an object up.
    pub(crate) fn abandon(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

/// Copies a range of an object, in pieces.
async fn copy(
    served: Served<'_>,
    upload: &mut dyn UnitUpload,
    object: &StoredObject,
    mut offset: u64,
    mut length: u64,
) -> Result<(), ViewError> {
    while length > 0 {
        let bytes = served.read_range(object, offset, length.min(COPY_BYTES)).await?;
        let read = bytes.len() as u64;
        if read == 0 {
            return Err(object.is_short());
        }
        upload.write(bytes).await?;
        offset = offset.saturating_add(read);
        length = length.saturating_sub(read);
    }
    Ok(())
}
