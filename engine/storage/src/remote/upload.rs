//! An object that arrives in pieces: one request if it is small, else a multipart upload in bounded memory.

use std::collections::VecDeque;

use anabranch_types::ObjectKey;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, PutMultipartOptions};
use tokio::task::JoinHandle;

use super::RemoteStorage;
use super::put::etag_of;
use crate::{ETag, ObjectUpload, StorageError};

/// The size of the first parts. S3 takes no smaller ones than 5 MiB, except the last.
const PART_BYTES: usize = 8 << 20;

/// After so many parts their size doubles, up to 64 MiB, because S3 takes at most 10,000 parts.
const PARTS_OF_ONE_SIZE: usize = 1_000;
const DOUBLINGS_MAX: usize = 3;

/// How many parts are on their way at a time.
const PARTS_IN_FLIGHT: usize = 4;

/// An upload under way. Dropped, it is aborted as far as that can still be sent.
pub(super) struct RemoteUpload {
    storage: RemoteStorage,
    key: ObjectKey,
    path: Path,
    write_id: String,
    buffer: BytesMut,
    multipart: Option<Box<dyn MultipartUpload>>,
    parts: usize,
    in_flight: VecDeque<JoinHandle<Result<(), Error>>>,
    /// Set while bytes are being sent: after an error, or a dropped write, some are missing for good.
    broken: bool,
}

impl RemoteUpload {
    pub(super) fn new(storage: RemoteStorage, key: ObjectKey, path: Path) -> Self {
        let write_id = storage.write_id();
        RemoteUpload {
            storage,
            key,
            path,
            write_id,
            buffer: BytesMut::new(),
            multipart: None,
            parts: 0,
            in_flight: VecDeque::new(),
            broken: false,
        }
    }

    fn require_whole(&self) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Failed {
                action: "going on with the upload",
                key: self.key.to_string(),
                storage: self.storage.name.to_string(),
                source: "an earlier write of it failed or was given up".into(),
            });
        }
        Ok(())
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES << (self.parts / PARTS_OF_ONE_SIZE).min(DOUBLINGS_MAX)
    }

    async fn send_part(&mut self, part: Bytes) -> Result<(), StorageError> {
        if self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.await_oldest_part().await?;
        }
        let mut multipart = match self.multipart.take() {
            Some(multipart) => multipart,
            None => self.begin().await?,
        };
        self.parts += 1;
        self.in_flight.push_back(tokio::spawn(multipart.put_part(part.into())));
        self.multipart = Some(multipart);
        Ok(())
    }

    async fn begin(&mut self) -> Result<Box<dyn MultipartUpload>, StorageError> {
        let options = PutMultipartOptions {
            attributes: self.storage.marked(&self.write_id),
            ..PutMultipartOptions::default()
        };
        let begun = self.storage.client.put_multipart_opts(&self.path, options).await;
        begun.map_err(|error| self.storage.failed("beginning the upload", &self.key, error))
    }

    async fn await_oldest_part(&mut self) -> Result<(), StorageError> {
        let Some(part) = self.in_flight.pop_front() else { return Ok(()) };
        let sent = part.await.unwrap_or_else(|source| Err(Error::JoinError { source }));
        sent.map_err(|error| self.storage.failed("uploading a part", &self.key, error))
    }
}

#[async_trait]
impl ObjectUpload for RemoteUpload {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        self.require_whole()?;
        self.broken = true;
        while !bytes.is_empty() {
            let room = self.part_bytes().saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if self.buffer.len() >= self.part_bytes() {
                let part = self.buffer.split().freeze();
                self.send_part(part).await?;
            }
        }
        self.broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ETag, StorageError> {
        self.require_whole()?;
        let rest = self.buffer.split().freeze();
        if self.parts == 0 {
            return self.storage.overwrite(&self.key, &self.path, rest).await;
        }
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        while !self.in_flight.is_empty() {
            self.await_oldest_part().await?;
        }
        let Some(multipart) = self.multipart.as_mut() else {
            return Err(self.storage.unknown(
                &self.key,
                Error::Generic { store: "remote", source: "the upload was not begun".into() },
            ));
        };
        let completed = multipart.complete().await;
        let result = match completed {
            Ok(result) => Ok(etag_of(result)),
            // If the reply of a completion was lost, the repeated one finds no upload any more.
            Err(error) => self.storage.recognise(&self.key, &self.path, &self.write_id, error).await,
        };
        if result.is_ok() {
            self.multipart = None;
        }
        result
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StorageError> {
        for part in self.in_flight.drain(..) {
            part.abort();
        }
        match self.multipart.take() {
            Some(mut multipart) => multipart
                .abort()
                .await
                .map_err(|error| self.storage.failed("aborting the upload", &self.key, error)),
            None => Ok(()),
        }
    }
}

impl Drop for RemoteUpload {
    fn drop(&mut self) {
        for part in self.in_flight.drain(..) {
            part.abort();
        }
        let Some(mut multipart) = self.multipart.take() else { return };
        let (storage, key) = (self.storage.clone(), self.key.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = multipart.abort().await {
                    tracing::warn!(%key, storage = %storage.name, %error, "parts of an upload stay behind");
                }
            });
        }
    }
}
