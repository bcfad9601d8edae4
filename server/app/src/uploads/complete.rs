//! The end of an upload: one object of all parts.

use std::collections::BTreeMap;

use anabranch_auth::{Action, Principal};
use anabranch_refs::Expect;
use anabranch_repository::{ObjectInfo, Repository};
use anabranch_types::{Address, Checksum, Entry, ObjectPath};
use md5::{Digest, Md5};

use super::records::{PartRecord, Read, UploadRecord, put, upload_key};
use super::{TRIES_MAX, no_upload};
use crate::checksum::of_parts;
use crate::objects::{place, writable};
use crate::parts;
use crate::{
    App, AppError, BodyError, ChecksumKind, CompleteInput, ObjectChecksum, UploadChecksum, WantedPart,
};

/// S3's least size of every part but the last.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

impl App {
    /// Makes one object of the named parts and puts it at the upload's path.
    pub async fn complete_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
        input: CompleteInput,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let mut upload = match self.upload(&repository, branch, path, upload_id).await {
            Ok(upload) => upload,
            Err(missing) => {
                return self.completed(&repository, branch, path, &input.parts).await?.ok_or(missing);
            }
        };
        let target = writable(&repository, branch).await?;
        let stored = self.all_parts(&repository, upload_id).await?;
        let planned = upload.record.planned();
        let parts = chosen(upload_id, &input.parts, &stored, planned)?;
        let sizes: Vec<u64> = parts.iter().map(|part| part.length).collect();
        let size = sizes.iter().sum();
        check_size(size, input.size)?;
        check_kind(planned, input.kind)?;
        let further = object_checksum(planned, &parts, input.checksum.as_ref())?;
        let address = match &*parts {
            // A single part is taken as it lies: no byte moves. From here on nobody may remove it.
            [only] => {
                upload = self.take(&repository, upload_id, upload).await?;
                only.address()
            }
            parts => {
                let addresses: Vec<Address> = parts.iter().map(|part| part.address()).collect();
                match repository.join(&addresses).await {
                    Ok(address) => address,
                    Err(error) => {
                        // Parts that were given up or replaced meanwhile are the client's doing.
                        self.upload(&repository, branch, path, upload_id).await?;
                        let stored = self.all_parts(&repository, upload_id).await?;
                        chosen(upload_id, &input.parts, &stored, planned)?;
                        return Err(error.into());
                    }
                }
            }
        };
        let mut entry = Entry {
            size,
            checksum: checksum_of_parts(&parts)?,
            parts: u32::try_from(parts.len()).map_err(AppError::internal)?,
            modified_ms: self.now_ms(),
            content_type: upload.record.content_type,
            metadata: upload.record.metadata,
            address,
        };
        if let Some(further) = further {
            further.attach(&mut entry);
        }
        let path = ObjectPath::new(path)?;
        parts::attach(&path, &mut entry, sizes);
        let kept = entry.address.object.clone();
        let info = place(&repository, &target, path, entry, input.condition).await?;
        self.forget(&repository, upload_id, |part| part.object != kept.as_str()).await?;
        Ok(info)
    }

    /// What a path holds, if it is what completing these parts makes: a client whose reply was lost asks again, and an
    /// upload that is completed is no more.
    async fn completed(
        &self,
        repository: &Repository,
        branch: &str,
        path: &str,
        parts: &[WantedPart],
    ) -> Result<Option<ObjectInfo>, AppError> {
        let mut md5s = Md5::new();
        for part in parts {
            let Ok(md5) = hex::decode(part.etag.trim_matches('"')) else { return Ok(None) };
            md5s.update(md5);
        }
        let etag = format!("{:x}-{}", md5s.finalize(), parts.len());
        match repository.stat(branch, &ObjectPath::new(path)?).await.map_err(AppError::from) {
            Ok(info) if info.entry.etag() == etag => Ok(Some(info)),
            Ok(_) | Err(AppError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes that the bytes of a part may belong to an object from now on.
    async fn take(
        &self,
        repository: &Repository,
        upload_id: &str,
        mut upload: Read<UploadRecord>,
    ) -> Result<Read<UploadRecord>, AppError> {
        for _ in 0..TRIES_MAX {
            if upload.record.taken {
                return Ok(upload);
            }
            let taken = UploadRecord { taken: true, ..upload.record.clone() };
            let edit = put(upload_key(upload_id), Expect::Is(upload.version), &taken)?;
            self.apply_records(repository, &[edit]).await?;
            let (branch, path) = (upload.record.branch, upload.record.path);
            upload = self.upload(repository, &branch, &path, upload_id).await?;
        }
        Err(no_upload(upload_id))
    }
}

fn check_size(size: u64, announced: Option<u64>) -> Result<(), AppError> {
    match announced {
        Some(announced) if announced != size => Err(AppError::Body(BodyError::Mismatch {
            what: "size",
            announced: announced.to_string(),
            received: size.to_string(),
        })),
        _ => Ok(()),
    }
}

fn check_kind(planned: Option<UploadChecksum>, said: Option<ChecksumKind>) -> Result<(), AppError> {
    match planned.zip(said) {
        Some((planned, said)) if planned.kind != said => Err(AppError::Invalid {
            message: format!(
                "the upload was begun for a checksum of type {}, and cannot be completed with {}",
                planned.kind.name(),
                said.name()
            ),
        }),
        _ => Ok(()),
    }
}

/// The parts that the client named, checked: in order, there, unchanged, and large enough.
fn chosen<'a>(
    upload_id: &str,
    wanted: &[WantedPart],
    stored: &'a BTreeMap<u32, PartRecord>,
    planned: Option<UploadChecksum>,
) -> Result<Vec<&'a PartRecord>, AppError> {
    let refuse = |message: String| AppError::InvalidPart { upload_id: upload_id.to_owned(), message };
    if wanted.is_empty() {
        return Err(refuse("no parts are named".into()));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    let mut last = 0;
    for (position, WantedPart { number, etag, checksum }) in wanted.iter().enumerate() {
        if *number <= last {
            return Err(refuse(format!("part {number} is not in ascending order")));
        }
        last = *number;
        let part = stored.get(number).ok_or_else(|| refuse(format!("part {number} was not uploaded")))?;
        if etag.trim_matches('"') != part.md5 {
            return Err(refuse(format!("part {number} has entity tag {}, not {etag}", part.md5)));
        }
        let known = part.info(*number, planned).checksum;
        if let (Some(said), Some(known)) = (checksum, known)
            && said.algorithm == known.algorithm
            && said.value != known.value
        {
            let name = known.algorithm.name();
            return Err(refuse(format!("part {number} has {name} {}, not {}", known.value, said.value)));
        }
        if position + 1 < wanted.len() && part.length < PART_BYTES_MIN {
            let message = format!("part {number} has {} bytes: all but the last need 5 MiB", part.length);
            return Err(AppError::PartTooSmall { upload_id: upload_id.to_owned(), message });
        }
        parts.push(part);
    }
    Ok(parts)
}

/// The checksum of the object, compared with the one that the client says it has.
fn object_checksum(
    planned: Option<UploadChecksum>,
    parts: &[&PartRecord],
    said: Option<&ObjectChecksum>,
) -> Result<Option<ObjectChecksum>, AppError> {
    let sums: Option<Vec<(&str, u64)>> =
        parts.iter().map(|part| Some((part.checksum.as_deref()?, part.length))).collect();
    let made = planned.zip(sums).and_then(|(planned, sums)| of_parts(planned.algorithm, planned.kind, &sums));
    let Some(said) = said else { return Ok(made) };
    match made {
        Some(made) if made.algorithm == said.algorithm => {
            let without_count = made.value.split('-').next().unwrap_or_default();
            if said.value == made.value || said.value == without_count {
                return Ok(Some(made));
            }
            Err(AppError::Body(BodyError::Mismatch {
                what: made.algorithm.name(),
                announced: said.value.clone(),
                received: made.value,
            }))
        }
        made => Err(AppError::Invalid {
            message: format!(
                "the upload was begun for {}, and cannot be completed with {}: name the algorithm when it is begun",
                made.map_or("no checksum", |made| made.algorithm.name()),
                said.algorithm.name()
            ),
        }),
    }
}

/// S3's entity tag of an object of parts: the MD5 of their MD5s.
fn checksum_of_parts(parts: &[&PartRecord]) -> Result<Checksum, AppError> {
    let mut md5s = Md5::new();
    for part in parts {
        md5s.update(hex::decode(&part.md5).map_err(AppError::internal)?);
    }
    Ok(Checksum::from_md5(md5s.finalize().into()))
}
