//! Writing an object in one request, and knowing whether it landed.
//!
//! Each write carries a fresh id in the object's metadata. A conditional write is sent by the client that
//! does not repeat requests: so a refusal answers either the first request (the race is lost) or a repeated
//! one (whose first try may have landed, and the id on the object tells).

use std::time::Duration;

use anabranch_types::ObjectKey;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Attributes, Error, GetOptions, ObjectStore, PutMode, PutOptions, PutResult, UpdateVersion,
};

use super::RemoteStorage;
use crate::{ETag, PutOutcome, StorageError};

/// How often a conditional write is sent.
const ATTEMPTS: u32 = 6;

/// The pause before the second attempt; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// Who made the object that has the key now.
pub(super) enum Present {
    /// This write.
    Ours(ETag),
    /// Another write.
    Other(Option<String>),
    /// Nobody: there is none.
    Absent,
}

impl RemoteStorage {
    /// A fresh write id.
    pub(super) fn write_id(&self) -> String {
        hex::encode(self.ids.id16())
    }

    /// The metadata of an object that this write makes.
    pub(super) fn marked(&self, write_id: &str) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.insert(self.write_id.clone(), write_id.to_string().into());
        attributes
    }

    /// Stores an object whatever is there.
    pub(super) async fn overwrite(
        &self,
        key: &ObjectKey,
        path: &Path,
        body: Bytes,
    ) -> Result<ETag, StorageError> {
        let write_id = self.write_id();
        let options = PutOptions { attributes: self.marked(&write_id), ..PutOptions::default() };
        match self.client.put_opts(path, body.into(), options).await {
            Ok(result) => Ok(etag_of(result)),
            Err(error) => self.recognise(key, path, &write_id, error).await,
        }
    }

    /// Asks who made the object after a write ended in `error`.
    pub(super) async fn recognise(
        &self,
        key: &ObjectKey,
        path: &Path,
        write_id: &str,
        error: Error,
    ) -> Result<ETag, StorageError> {
        if let Ok(Present::Ours(etag)) = self.present(path, write_id).await {
            return Ok(etag);
        }
        Err(if is_definite(&error) { self.failed("writing", key, error) } else { self.unknown(key, error) })
    }

    /// Stores an object under a condition.
    pub(super) async fn put_if(
        &self,
        key: &ObjectKey,
        path: &Path,
        body: Bytes,
        mode: PutMode,
    ) -> Result<PutOutcome, StorageError> {
        let write_id = self.write_id();
        let mut pause = PAUSE_FIRST;
        let mut doubt: Option<Error> = None;
        for attempt in 1..=ATTEMPTS {
            let options = PutOptions {
                mode: mode.clone(),
                attributes: self.marked(&write_id),
                ..PutOptions::default()
            };
            let error = match self.once.put_opts(path, body.clone().into(), options).await {
                Ok(result) => return Ok(PutOutcome::Stored(etag_of(result))),
                Err(error) => error,
            };
            if is_refusal(&error) {
                match self.judge_refusal(path, &write_id, &mode, doubt.is_some()).await {
                    Ok(Some(outcome)) => return Ok(outcome),
                    Ok(None) => {}
                    Err(asking) => return Err(self.unknown(key, doubt.unwrap_or(asking))),
                }
            } else if is_definite(&error) {
                return Err(match doubt {
                    None => self.failed("writing", key, error),
                    Some(doubt) => self.unknown(key, doubt),
                });
            } else {
                doubt = Some(error);
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        match (self.present(path, &write_id).await, doubt) {
            (Ok(Present::Ours(etag)), _) => Ok(PutOutcome::Stored(etag)),
            (Err(error), None) | (_, Some(error)) => Err(self.unknown(key, error)),
            (Ok(_), None) => Err(StorageError::Failed {
                action: "writing",
                key: key.to_string(),
                storage: self.name.to_string(),
                source: "the server kept answering that another write was under way".into(),
            }),
        }
    }

    /// What a refusal means. `None`: the condition holds after all, so the write is to be sent again.
    ///
    /// S3 answers 409 to a write that races with another, and the crate reports it like a taken key although
    /// neither may be there. So a refusal is believed only if the object that is there gives the reason.
    async fn judge_refusal(
        &self,
        path: &Path,
        write_id: &str,
        mode: &PutMode,
        in_doubt: bool,
    ) -> Result<Option<PutOutcome>, Error> {
        let still_holds = |found: Option<&str>| match mode {
            PutMode::Create => found.is_none(),
            PutMode::Update(UpdateVersion { e_tag, .. }) => found.is_some() && found == e_tag.as_deref(),
            PutMode::Overwrite => true,
        };
        match self.present(path, write_id).await? {
            Present::Ours(etag) => Ok(Some(PutOutcome::Stored(etag))),
            Present::Absent if still_holds(None) => Ok(None),
            Present::Other(etag) if still_holds(etag.as_deref()) => Ok(None),
            Present::Absent | Present::Other(_) if in_doubt => Err(Error::Generic {
                store: "remote",
                source: "a lost write may have landed and been replaced since".into(),
            }),
            Present::Absent | Present::Other(_) => Ok(Some(PutOutcome::Refused)),
        }
    }

    async fn present(&self, path: &Path, write_id: &str) -> Result<Present, Error> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.client.get_opts(path, options).await {
            Ok(found) => {
                let ours = found.attributes.get(&self.write_id).is_some_and(|id| id.as_ref() == write_id);
                Ok(match (ours, found.meta.e_tag) {
                    (true, etag) => Present::Ours(ETag(etag.unwrap_or_default())),
                    (false, etag) => Present::Other(etag),
                })
            }
            Err(Error::NotFound { .. }) => Ok(Present::Absent),
            Err(error) => Err(error),
        }
    }
}

/// The version that a write made.
pub(super) fn etag_of(result: PutResult) -> ETag {
    ETag(result.e_tag.unwrap_or_default())
}

fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. })
}

/// Whether the server certainly did not do what it was asked.
fn is_definite(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
            | Error::NotImplemented { .. }
            | Error::NotSupported { .. }
    )
}
