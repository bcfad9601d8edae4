//! Multipart uploads: parts are objects of their own until the upload is completed.
//!
//! An upload is a record in the ref-store, `upload/<id>`, and one for each part, `part/<id>/<number>`, in the
//! partition of its repository. Completing writes one object of all parts, puts it at the path under the
//! condition, and only then removes the records: a crash in between leaves the upload as it was.

use std::collections::BTreeMap;

use anabranch_auth::{Action, Principal};
use anabranch_refs::{Edit, Expect, Operation, Partition, RefUpdate, ScanRange, WriteId};
use anabranch_repository::{ObjectInfo, Paged, Paging, Repository, WriteCondition};
use anabranch_types::{Address, Checksum, Entry, ObjectKey, ObjectPath};
use futures::StreamExt;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::body::{Announced, Intake, take_in};
use crate::objects::{check_attributes, content_type, place, writable};
use crate::{
    App, AppError, BodyError, BodyStream, ByteRange, ObjectAttributes, PartInfo, SourceObject, UploadInfo,
};

const FORMAT_VERSION: u8 = 1;
/// S3's limits for one upload.
const PARTS_MAX: u32 = 10_000;
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// Records removed in one write.
const REMOVED_AT_ONCE: usize = 100;

#[derive(Serialize, Deserialize)]
struct UploadRecord {
    format: u8,
    branch: String,
    path: String,
    content_type: String,
    metadata: BTreeMap<String, String>,
    started_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct PartRecord {
    format: u8,
    object: String,
    offset: u64,
    length: u64,
    md5: String,
    modified_ms: i64,
}

fn no_upload(upload_id: &str) -> AppError {
    AppError::NotFound {
        kind: "upload",
        name: upload_id.chars().take(100).collect(),
        hint: ": it was completed or aborted, or never begun".into(),
    }
}

fn partition(repository: &Repository) -> Partition {
    Partition(format!("uploads/{}/{}", repository.info().name, repository.info().created_ms))
}

fn upload_key(upload_id: &str) -> String {
    format!("upload/{upload_id}")
}

fn part_key(upload_id: &str, number: u32) -> String {
    format!("part/{upload_id}/{number:05}")
}

fn decode<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, AppError> {
    serde_json::from_slice(value).map_err(|error| {
        AppError::internal(std::io::Error::other(format!("record {key} is damaged: {error}")))
    })
}

impl App {
    /// Begins an upload and answers its id.
    pub async fn create_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        attributes: ObjectAttributes,
    ) -> Result<String, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        check_attributes(&path, &attributes)?;
        let upload_id = hex::encode(self.parts.ids.id16());
        let record = UploadRecord {
            format: FORMAT_VERSION,
            branch: branch.as_str().to_owned(),
            path: path.into_string(),
            content_type: content_type(&attributes),
            metadata: attributes.metadata,
            started_ms: self.now_ms(),
        };
        self.put_record(&repository, upload_key(&upload_id), &record).await?;
        Ok(upload_id)
    }

    /// Stores one part. A part of the same number replaces it.
    #[expect(
        clippy::too_many_arguments,
        reason = "a part is named by five things, and nothing else takes them"
    )]
    pub async fn put_part(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
        number: u32,
        body: BodyStream,
        size: Option<u64>,
        expected_md5: Option<[u8; 16]>,
    ) -> Result<PartInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        self.upload_record(&repository, branch, path, upload_id).await?;
        check_number(upload_id, number)?;
        let intake = take_in(&repository, body, Announced { size, md5: expected_md5 }).await?;
        self.keep_part(&repository, upload_id, number, intake).await
    }

    /// Stores a range of an object that exists as one part.
    #[expect(
        clippy::too_many_arguments,
        reason = "a part is named by five things, and nothing else takes them"
    )]
    pub async fn put_part_copy(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
        number: u32,
        source: SourceObject,
        range: Option<ByteRange>,
    ) -> Result<PartInfo, AppError> {
        let read = self.get_object(who, &source.repository, &source.reference, &source.path, range).await?;
        let size = read.range.end.saturating_sub(read.range.start);
        let body = read.body.map(|piece| {
            piece.map_err(|error| BodyError::Broken(format!("reading the source failed: {error}")))
        });
        self.put_part(who, repository, branch, path, upload_id, number, body.boxed(), Some(size), None).await
    }

    /// The parts of an upload whose number is greater than `after`, in order, and whether more follow.
    #[expect(clippy::too_many_arguments, reason = "an upload is named by four things, and a page by two")]
    pub async fn list_parts(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
        after: u32,
        amount: usize,
    ) -> Result<(Vec<PartInfo>, bool), AppError> {
        let repository = self.open(who, Action::ReadObject, repository).await?;
        self.upload_record(&repository, branch, path, upload_id).await?;
        let (parts, more) = self.parts_page(&repository, upload_id, after, amount.clamp(1, 1000)).await?;
        Ok((parts.into_iter().map(|(number, part)| part_info(number, &part)).collect(), more))
    }

    /// The uploads of a repository that are on their way, in order of id.
    pub async fn list_uploads(
        &self,
        who: &Principal,
        repository: &str,
        paging: Paging,
    ) -> Result<Paged<UploadInfo>, AppError> {
        let repository = self.open(who, Action::ListObjects, repository).await?;
        let range = ScanRange {
            prefix: upload_key(&paging.prefix),
            after: paging.after.map(|after| upload_key(&after)),
        };
        let page = self
            .parts
            .refs
            .scan(&partition(&repository), &range, paging.amount.clamp(1, 1000))
            .await
            .map_err(AppError::internal)?;
        let mut results = Vec::with_capacity(page.rows.len());
        for (key, row) in &page.rows {
            let record: UploadRecord = decode(key, &row.value)?;
            results.push(UploadInfo {
                upload_id: key.trim_start_matches("upload/").to_owned(),
                branch: record.branch,
                path: record.path,
                started_ms: record.started_ms,
            });
        }
        let next =
            results.last().filter(|_| page.more).map(|last| last.upload_id.clone()).unwrap_or_default();
        Ok(Paged { results, more: page.more, next })
    }

    /// Makes one object of the named parts and puts it at the upload's path.
    #[expect(
        clippy::too_many_arguments,
        reason = "an upload is named by four things, and completed under two"
    )]
    pub async fn complete_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
        wanted: &[(u32, String)],
        condition: WriteCondition,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let record = self.upload_record(&repository, branch, path, upload_id).await?;
        let branch = writable(&repository, branch).await?;
        let mut stored = BTreeMap::new();
        let mut after = 0;
        loop {
            let (page, more) = self.parts_page(&repository, upload_id, after, 1000).await?;
            after = page.last().map_or(PARTS_MAX, |(number, _)| *number);
            stored.extend(page);
            if !more {
                break;
            }
        }
        let parts = chosen(upload_id, wanted, &stored)?;
        let (address, checksum, size) = join(&repository, &parts).await?;
        let entry = Entry {
            address,
            size,
            checksum,
            parts: parts.len() as u32,
            modified_ms: self.now_ms(),
            content_type: record.content_type,
            metadata: record.metadata,
        };
        let info = place(&repository, &branch, ObjectPath::new(path)?, entry, condition).await?;
        self.forget(&repository, upload_id).await?;
        Ok(info)
    }

    /// Gives an upload up.
    pub async fn abort_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        self.upload_record(&repository, branch, path, upload_id).await?;
        self.forget(&repository, upload_id).await
    }

    async fn keep_part(
        &self,
        repository: &Repository,
        upload_id: &str,
        number: u32,
        intake: Intake,
    ) -> Result<PartInfo, AppError> {
        let record = PartRecord {
            format: FORMAT_VERSION,
            object: intake.address.object.as_str().to_owned(),
            offset: intake.address.offset,
            length: intake.size,
            md5: intake.checksum.to_hex(),
            modified_ms: self.now_ms(),
        };
        self.put_record(repository, part_key(upload_id, number), &record).await?;
        Ok(part_info(number, &record))
    }

    async fn put_record(
        &self,
        repository: &Repository,
        key: String,
        record: &impl Serialize,
    ) -> Result<(), AppError> {
        let value = serde_json::to_vec(record).map_err(AppError::internal)?;
        let edit =
            Edit { key, expect: Expect::Any, operation: Operation::Put { value: value.into(), fence: None } };
        self.apply(repository, &[edit]).await
    }

    async fn apply(&self, repository: &Repository, edits: &[Edit]) -> Result<(), AppError> {
        let write_id = WriteId(self.parts.ids.id16());
        match self.parts.refs.apply(&partition(repository), edits, write_id).await {
            Ok(RefUpdate::Applied(_)) => Ok(()),
            // No edit here expects anything, so none can be refused.
            Ok(RefUpdate::Rejected { index, .. }) => Err(AppError::internal(std::io::Error::other(format!(
                "the ref-store refused unconditional edit {index} of an upload"
            )))),
            Err(error) => Err(AppError::internal(error)),
        }
    }

    async fn upload_record(
        &self,
        repository: &Repository,
        branch: &str,
        path: &str,
        upload_id: &str,
    ) -> Result<UploadRecord, AppError> {
        if upload_id.len() != 32 || !upload_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(no_upload(upload_id));
        }
        let key = upload_key(upload_id);
        let row = self.parts.refs.get(&partition(repository), &key).await.map_err(AppError::internal)?;
        let row = row.ok_or_else(|| no_upload(upload_id))?;
        let record: UploadRecord = decode(&key, &row.value)?;
        if record.branch != branch || record.path != path {
            return Err(no_upload(upload_id));
        }
        Ok(record)
    }

    async fn parts_page(
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

    /// Removes the records of an upload, its own last: a crash in between can be followed by another call.
    async fn forget(&self, repository: &Repository, upload_id: &str) -> Result<(), AppError> {
        let remove = |key: String| Edit { key, expect: Expect::Any, operation: Operation::Delete };
        loop {
            let (parts, more) = self.parts_page(repository, upload_id, 0, REMOVED_AT_ONCE).await?;
            let edits: Vec<Edit> =
                parts.iter().map(|(number, _)| remove(part_key(upload_id, *number))).collect();
            if !edits.is_empty() {
                self.apply(repository, &edits).await?;
            }
            if !more {
                break;
            }
        }
        self.apply(repository, &[remove(upload_key(upload_id))]).await
    }
}

fn check_number(upload_id: &str, number: u32) -> Result<(), AppError> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    let message = format!("part number {number} is not between 1 and {PARTS_MAX}");
    Err(AppError::InvalidPart { upload_id: upload_id.to_owned(), message })
}

fn part_info(number: u32, part: &PartRecord) -> PartInfo {
    PartInfo { number, etag: part.md5.clone(), size: part.length, modified_ms: part.modified_ms }
}

/// The parts that the client named, checked: in order, there, unchanged, and large enough.
fn chosen<'a>(
    upload_id: &str,
    wanted: &[(u32, String)],
    stored: &'a BTreeMap<u32, PartRecord>,
) -> Result<Vec<&'a PartRecord>, AppError> {
    let refuse = |message: String| AppError::InvalidPart { upload_id: upload_id.to_owned(), message };
    if wanted.is_empty() {
        return Err(refuse("no parts are named".into()));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    let mut last = 0;
    for (position, (number, etag)) in wanted.iter().enumerate() {
        if *number <= last {
            return Err(refuse(format!("part {number} is not in ascending order")));
        }
        last = *number;
        let part = stored.get(number).ok_or_else(|| refuse(format!("part {number} was not uploaded")))?;
        if etag.trim_matches('"') != part.md5 {
            return Err(refuse(format!("part {number} has entity tag {}, not {etag}", part.md5)));
        }
        if position + 1 < wanted.len() && part.length < PART_BYTES_MIN {
            return Err(refuse(format!(
                "part {number} has {} bytes: all but the last need 5 MiB",
                part.length
            )));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// One object of all parts. A single part is taken as it lies: no byte moves.
async fn join(repository: &Repository, parts: &[&PartRecord]) -> Result<(Address, Checksum, u64), AppError> {
    let mut md5s = Md5::new();
    for part in parts {
        let bytes = hex::decode(&part.md5).map_err(AppError::internal)?;
        md5s.update(bytes);
    }
    let checksum = Checksum::from_md5(md5s.finalize().into());
    let size = parts.iter().map(|part| part.length).sum();
    let address = |part: &PartRecord| Address {
        object: ObjectKey::new(&*part.object),
        offset: part.offset,
        length: part.length,
    };
    let addresses: Vec<_> = parts.iter().map(|part| address(part)).collect();
    Ok((repository.join(&addresses).await?, checksum, size))
}
