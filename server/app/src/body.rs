//! Takes a request body in: small ones into a shared segment, large ones into an object of their own.

use anabranch_repository::Repository;
use anabranch_types::{Address, Checksum};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};

use crate::{AppError, BodyError, BodyStream};

/// Bodies up to this size share segments that are synced once per group; larger ones are objects of their own.
pub const SMALL_BYTES_MAX: usize = 256 * 1024;
/// The largest body of one request: S3's limit for one PUT.
pub(crate) const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Bytes that are stored, durable and referred to by nothing yet.
pub(crate) struct Intake {
    pub(crate) address: Address,
    pub(crate) size: u64,
    pub(crate) checksum: Checksum,
}

/// What the client announced of its body.
#[derive(Clone, Copy, Default)]
pub(crate) struct Announced {
    pub(crate) size: Option<u64>,
    pub(crate) md5: Option<[u8; 16]>,
}

/// Reads `body` to its end and stores it. Memory is bounded by [`SMALL_BYTES_MAX`] plus one piece.
pub(crate) async fn take_in(
    repository: &Repository,
    mut body: BodyStream,
    announced: Announced,
) -> Result<Intake, AppError> {
    if announced.size.is_some_and(|size| size > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let mut hasher = Md5::new();
    let mut head = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        hasher.update(&piece);
        head.extend_from_slice(&piece);
        if head.len() > SMALL_BYTES_MAX {
            return take_in_large(repository, head.freeze(), hasher, body, announced).await;
        }
    }
    let size = head.len() as u64;
    let checksum = check(hasher, size, announced)?;
    let address = repository.write_small(head.freeze()).await?;
    Ok(Intake { address, size, checksum })
}

async fn take_in_large(
    repository: &Repository,
    head: Bytes,
    mut hasher: Md5,
    mut body: BodyStream,
    announced: Announced,
) -> Result<Intake, AppError> {
    let mut upload = repository.upload().await?;
    let mut size = head.len() as u64;
    upload.write(head).await?;
    while let Some(piece) = body.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                upload.abort().await?;
                return Err(error.into());
            }
        };
        size = size.saturating_add(piece.len() as u64);
        if size > BODY_BYTES_MAX {
            upload.abort().await?;
            return Err(too_large());
        }
        hasher.update(&piece);
        upload.write(piece).await?;
    }
    match check(hasher, size, announced) {
        Ok(checksum) => Ok(Intake { address: upload.finish().await?, size, checksum }),
        Err(error) => {
            upload.abort().await?;
            Err(error)
        }
    }
}

fn too_large() -> AppError {
    AppError::TooLarge {
        what: "the body of one request".into(),
        limit: "5 GiB; use a multipart upload".into(),
    }
}

fn check(hasher: Md5, size: u64, announced: Announced) -> Result<Checksum, AppError> {
    let md5: [u8; 16] = hasher.finalize().into();
    if let Some(expected) = announced.size.filter(|expected| *expected != size) {
        return Err(AppError::Body(BodyError::Mismatch {
            what: "length",
            announced: expected.to_string(),
            received: size.to_string(),
        }));
    }
    if let Some(expected) = announced.md5.filter(|expected| *expected != md5) {
        return Err(AppError::Body(BodyError::Mismatch {
            what: "MD5",
            announced: hex::encode(expected),
            received: hex::encode(md5),
        }));
    }
    Ok(Checksum::from_md5(md5))
}
