//! What the ref-store keeps of an upload: one record for itself, `upload/<id>`, and one for each part,
//! `part/<id>/<number>`, in the partition of its repository.

use std::collections::BTreeMap;

use anabranch_refs::{Edit, Expect, Operation, Partition, RefUpdate, ScanRange, Version, WriteId};
use anabranch_repository::Repository;
use anabranch_types::{Address, ObjectKey};
use serde::{Deserialize, Serialize};

use crate::{App, AppError, ChecksumAlgorithm, ChecksumKind, ObjectChecksum, PartInfo, UploadChecksum};

const FORMAT_VERSION: u8 = 1;

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    pub(super) format: u8,
    pub(super) branch: String,
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) started_ms: i64,
    /// Algorithm and kind of the object's checksum; absent in uploads that were begun before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<(String, String)>,
    /// An object may refer to the only part as it lies: its bytes are not to be removed any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) taken: bool,
    /// It was given up, and its parts are being removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) aborted: bool,
}

impl UploadRecord {
    pub(super) fn new(branch: String, path: String, started_ms: i64, checksum: UploadChecksum) -> Self {
        UploadRecord {
            format: FORMAT_VERSION,
            branch,
            path,
            content_type: String::new(),
            metadata: BTreeMap::new(),
            started_ms,
            checksum: Some((checksum.algorithm.name().to_owned(), checksum.kind.name().to_owned())),
            taken: false,
            aborted: false,
        }
    }

    /// What the checksum of the object will be.
    pub(super) fn planned(&self) -> Option<UploadChecksum> {
        let (algorithm, kind) = self.checksum.as_ref()?;
        Some(UploadChecksum {
            algorithm: ChecksumAlgorithm::parse(algorithm)?,
            kind: ChecksumKind::parse(kind)?,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) format: u8,
    pub(super) object: String,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) md5: String,
    pub(super) modified_ms: i64,
    /// Its checksum by the algorithm of the upload, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<String>,
}

impl PartRecord {
    pub(super) fn new(
        address: Address,
        md5: String,
        checksum: Option<ObjectChecksum>,
        modified_ms: i64,
    ) -> Self {
        PartRecord {
            format: FORMAT_VERSION,
            object: address.object.as_str().to_owned(),
            offset: address.offset,
            length: address.length,
            md5,
            modified_ms,
            checksum: checksum.map(|checksum| checksum.value),
        }
    }

    pub(super) fn address(&self) -> Address {
        Address { object: ObjectKey::new(&*self.object), offset: self.offset, length: self.length }
    }

    pub(super) fn info(&self, number: u32, planned: Option<UploadChecksum>) -> PartInfo {
        let checksum = planned.zip(self.checksum.clone());
        PartInfo {
            number,
            etag: self.md5.clone(),
            size: self.length,
            modified_ms: self.modified_ms,
            checksum: checksum.map(|(planned, value)| ObjectChecksum { algorithm: planned.algorithm, value }),
        }
    }
}

/// A record that was read, and the version that it had.
pub(super) struct Read<T> {
    pub(super) record: T,
    pub(super) version: Version,
}

pub(super) fn partition(repository: &Repository) -> Partition {
    Partition(format!("uploads/{}/{}", repository.info().name, repository.info().created_ms))
}

pub(super) fn upload_key(upload_id: &str) -> String {
    format!("upload/{upload_id}")
}

pub(super) fn part_key(upload_id: &str, number: u32) -> String {
    format!("part/{upload_id}/{number:05}")
}

/// An edit that puts a record.
pub(super) fn put(key: String, expect: Expect, record: &impl Serialize) -> Result<Edit, AppError> {
    let value = serde_json::to_vec(record).map_err(AppError::internal)?;
    Ok(Edit { key, expect, operation: Operation::Put { value: value.into(), fence: None } })
}

pub(super) fn decode<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, AppError> {
    #[derive(Deserialize)]
    struct Format {
        format: u8,
    }
    let damaged = |error: String| AppError::internal(std::io::Error::other(format!("record {key} {error}")));
    match serde_json::from_slice::<Format>(value) {
        Ok(Format { format }) if format > FORMAT_VERSION => {
            Err(damaged(format!("has format {format}, which a newer server wrote")))
        }
        _ => serde_json::from_slice(value).map_err(|error| damaged(format!("is damaged: {error}"))),
    }
}

impl App {
    pub(super) async fn read_record<T: for<'a> Deserialize<'a>>(
        &self,
        repository: &Repository,
        key: &str,
    ) -> Result<Option<Read<T>>, AppError> {
        let row = self.parts.refs.get(&partition(repository), key).await.map_err(AppError::internal)?;
        row.map(|row| Ok(Read { record: decode(key, &row.value)?, version: row.version })).transpose()
    }

    /// Applies edits together; false if one of them expected something else.
    pub(super) async fn apply_records(
        &self,
        repository: &Repository,
        edits: &[Edit],
    ) -> Result<bool, AppError> {
        let write_id = WriteId(self.parts.ids.id16());
        match self.parts.refs.apply(&partition(repository), edits, write_id).await {
            Ok(RefUpdate::Applied(_)) => Ok(true),
            Ok(RefUpdate::Rejected { .. }) => Ok(false),
            Err(error) => Err(AppError::internal(error)),
        }
    }

    /// The parts whose number is greater than `after`, in order, and whether more follow.
    pub(super) async fn parts_page(
        &self,
        repository: &Repository,
        upload_id: &str,
        after: u32,
        amount: usize,
    ) -> Result<(Vec<(u32, PartRecord)>, bool), AppError> {
        let prefix = format!("part/{upload_id}/");
        let range = ScanRange { prefix: prefix.clone(), after: Some(part_key(upload_id, after)) };
        let page =
            self.parts.refs.scan(&partition(repository), &range, amount).await.map_err(AppError::internal)?;
        let mut parts = Vec::with_capacity(page.rows.len());
        for (key, row) in &page.rows {
            let number = key.trim_start_matches(&prefix).parse().map_err(AppError::internal)?;
            parts.push((number, decode(key, &row.value)?));
        }
        Ok((parts, page.more))
    }

    /// All parts, by number.
    pub(super) async fn all_parts(
        &self,
        repository: &Repository,
        upload_id: &str,
    ) -> Result<BTreeMap<u32, PartRecord>, AppError> {
        let mut stored = BTreeMap::new();
        let mut after = 0;
        loop {
            let (page, more) = self.parts_page(repository, upload_id, after, 1000).await?;
            after = page.last().map_or(u32::MAX, |(number, _)| *number);
            stored.extend(page);
            if !more {
                return Ok(stored);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_before_are_read_and_newer_ones_refused() {
        let old =
            br#"{"format":1,"branch":"main","path":"a","content_type":"x","metadata":{},"started_ms":5}"#;
        let upload: UploadRecord = decode("upload/1", old).expect("an old record");
        assert!(upload.planned().is_none() && !upload.taken && !upload.aborted);
        let old = br#"{"format":1,"object":"o","offset":1,"length":2,"md5":"m","modified_ms":3}"#;
        let part: PartRecord = decode("part/1/00001", old).expect("an old record");
        assert_eq!(part.info(1, Some(UploadChecksum::default())).checksum, None);
        for bad in [&br#"{"format":2}"#[..], b"{", b"[]", b""] {
            assert!(decode::<PartRecord>("part/1/00001", bad).is_err());
        }
    }
}
