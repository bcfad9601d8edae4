//! Takes a request body in: small ones into a shared segment, large ones into an object of their own.

use anabranch_repository::Repository;
use anabranch_types::{Address, Checksum};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};

use crate::checksum::{ChecksumHasher, ObjectChecksum};
use crate::{AppError, BodyError, BodyStream, ChecksumAlgorithm};

/// Bodies up to this size share segments that are synced once per group; larger ones are objects of their own.
pub const SMALL_BYTES_MAX: usize = 256 * 1024;
/// The largest body of one request: S3's limit for one PUT.
pub(crate) const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Bytes that are stored, durable and referred to by nothing yet.
pub(crate) struct Intake {
    pub(crate) address: Address,
    pub(crate) size: u64,
    pub(crate) checksum: Checksum,
    /// The further checksum that was asked for.
    pub(crate) further: Option<ObjectChecksum>,
}

/// What the client announced of its body, and what it wants to be known of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Announced {
    pub(crate) size: Option<u64>,
    pub(crate) md5: Option<[u8; 16]>,
    /// The algorithm of a checksum beside the MD5.
    pub(crate) further: Option<ChecksumAlgorithm>,
}

/// The hashes that a body goes through on its way in.
struct Hashes {
    md5: Md5,
    further: Option<(ChecksumAlgorithm, ChecksumHasher)>,
}

impl Hashes {
    fn new(announced: Announced) -> Self {
        let further = announced.further.map(|algorithm| (algorithm, ChecksumHasher::new(algorithm)));
        Hashes { md5: Md5::new(), further }
    }

    fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        if let Some((_, hasher)) = &mut self.further {
            hasher.update(data);
        }
    }

    /// Compares with what was announced.
    fn finish(self, size: u64, announced: Announced) -> Result<Sums, AppError> {
        let md5 = check(self.md5, size, announced)?;
        let further =
            self.further.map(|(algorithm, hasher)| ObjectChecksum { algorithm, value: hasher.finish() });
        Ok(Sums { md5, further })
    }
}

struct Sums {
    md5: Checksum,
    further: Option<ObjectChecksum>,
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
    let mut hasher = Hashes::new(announced);
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
    let sums = hasher.finish(size, announced)?;
    let address = repository.write_small(head.freeze()).await?;
    Ok(Intake { address, size, checksum: sums.md5, further: sums.further })
}

async fn take_in_large(
    repository: &Repository,
    head: Bytes,
    mut hasher: Hashes,
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
    match hasher.finish(size, announced) {
        Ok(Sums { md5, further }) => {
            Ok(Intake { address: upload.finish().await?, size, checksum: md5, further })
        }
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
