//! Multipart uploads: parts are objects of their own until the upload is completed.
//!
//! Completing writes one object of all parts, puts it at the path under the condition, and only then removes the
//! records: a crash in between leaves the upload as it was. Giving an upload up removes its parts, and one that nobody
//! has completed within [`LIFETIME_MS`] is given up when the next one begins.

mod complete;
mod records;

use anabranch_auth::{Action, Principal};
use anabranch_refs::{Edit, Expect, Operation, ScanRange};
use anabranch_repository::{Paged, Paging, Repository};
use anabranch_types::{Address, ObjectPath};
use futures::{StreamExt, TryStreamExt};

use crate::body::{Announced, Intake, SMALL_BYTES_MAX, take_in};
use crate::objects::{check_attributes, content_type, writable};
use crate::{
    App, AppError, BodyError, BodyStream, ByteRange, PartInfo, SourceObject, UploadInfo, UploadInput,
};
use records::{PartRecord, Read, UploadRecord, decode, part_key, partition, put, upload_key};

/// How long an upload may take before it is given up: seven days.
pub(crate) const LIFETIME_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// S3's limit for one upload.
const PARTS_MAX: u32 = 10_000;
/// Records removed in one write.
const REMOVED_AT_ONCE: usize = 100;
/// Old uploads looked for when a new one begins.
const SWEPT_AT_ONCE: usize = 20;
/// Objects removed at the same time.
const REMOVALS_AT_A_TIME: usize = 16;
/// How often a record is written while others change it.
const TRIES_MAX: usize = 20;

fn no_upload(upload_id: &str) -> AppError {
    AppError::NotFound {
        kind: "upload",
        name: upload_id.chars().take(100).collect(),
        hint: ": it was completed or aborted, or never begun".into(),
    }
}

impl App {
    /// Begins an upload and answers its id.
    pub async fn create_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        input: UploadInput,
    ) -> Result<String, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        check_attributes(&path, &input.attributes)?;
        let upload_id = hex::encode(self.parts.ids.id16());
        let branch = branch.as_str().to_owned();
        let record = UploadRecord {
            content_type: content_type(&input.attributes),
            metadata: input.attributes.metadata,
            ..UploadRecord::new(branch, path.into_string(), self.now_ms(), input.checksum)
        };
        self.apply_records(&repository, &[put(upload_key(&upload_id), Expect::Any, &record)?]).await?;
        if let Err(error) = self.give_up_old_uploads(&repository, &upload_id).await {
            tracing::warn!(repository = %repository.info().name, %error, "old uploads could not be removed");
        }
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
        let upload = self.upload(&repository, branch, path, upload_id).await?;
        check_number(upload_id, number)?;
        let further = upload.record.planned().map(|planned| planned.algorithm);
        let intake = take_in(&repository, body, Announced { size, md5: expected_md5, further }).await?;
        self.keep_part(&repository, upload, upload_id, number, intake).await
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
        let planned = self.upload(&repository, branch, path, upload_id).await?.record.planned();
        let (parts, more) = self.parts_page(&repository, upload_id, after, amount.clamp(1, 1000)).await?;
        Ok((parts.into_iter().map(|(number, part)| part.info(number, planned)).collect(), more))
    }

    /// The uploads of a repository that are on their way, in order of id.
    pub async fn list_uploads(
        &self,
        who: &Principal,
        repository: &str,
        paging: Paging,
    ) -> Result<Paged<UploadInfo>, AppError> {
        let repository = self.open(who, Action::ListObjects, repository).await?;
        let after = paging.after.map(|after| upload_key(&after));
        let (records, more) =
            self.uploads_page(&repository, &paging.prefix, after, paging.amount.clamp(1, 1000)).await?;
        let next = records.last().filter(|_| more).map(|(id, _)| id.clone()).unwrap_or_default();
        let on_their_way = records.into_iter().filter(|(_, record)| !record.aborted);
        let results = on_their_way
            .map(|(upload_id, record)| UploadInfo {
                upload_id,
                branch: record.branch,
                path: record.path,
                started_ms: record.started_ms,
            })
            .collect();
        Ok(Paged { results, more, next })
    }

    /// Gives an upload up: its parts are removed. Also on a branch that is protected: the branch does not change.
    pub async fn abort_upload(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        upload_id: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::AbortUpload, repository, branch).await?;
        let upload = self.upload(&repository, branch, path, upload_id).await?;
        self.give_up(&repository, upload_id, upload).await
    }

    /// The record of an upload that is on its way to that path.
    async fn upload(
        &self,
        repository: &Repository,
        branch: &str,
        path: &str,
        upload_id: &str,
    ) -> Result<Read<UploadRecord>, AppError> {
        if upload_id.len() != 32 || !upload_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(no_upload(upload_id));
        }
        let read: Option<Read<UploadRecord>> = self.read_record(repository, &upload_key(upload_id)).await?;
        let here = |read: &Read<UploadRecord>| {
            read.record.branch == branch && read.record.path == path && !read.record.aborted
        };
        read.filter(here).ok_or_else(|| no_upload(upload_id))
    }

    async fn uploads_page(
        &self,
        repository: &Repository,
        prefix: &str,
        after: Option<String>,
        amount: usize,
    ) -> Result<(Vec<(String, UploadRecord)>, bool), AppError> {
        let range = ScanRange { prefix: upload_key(prefix), after };
        let page =
            self.parts.refs.scan(&partition(repository), &range, amount).await.map_err(AppError::internal)?;
        let mut records = Vec::with_capacity(page.rows.len());
        for (key, row) in &page.rows {
            records.push((key.trim_start_matches("upload/").to_owned(), decode(key, &row.value)?));
        }
        Ok((records, page.more))
    }

    /// Records a part whose bytes are stored; they are removed again if the upload ended meanwhile.
    async fn keep_part(
        &self,
        repository: &Repository,
        mut upload: Read<UploadRecord>,
        upload_id: &str,
        number: u32,
        intake: Intake,
    ) -> Result<PartInfo, AppError> {
        let address = intake.address.clone();
        let part = PartRecord::new(intake.address, intake.checksum.to_hex(), intake.further, self.now_ms());
        let key = part_key(upload_id, number);
        for _ in 0..TRIES_MAX {
            let replaced: Option<Read<PartRecord>> = self.read_record(repository, &key).await?;
            let expect = replaced.as_ref().map_or(Expect::Absent, |replaced| Expect::Is(replaced.version));
            let still_there = Edit {
                key: upload_key(upload_id),
                expect: Expect::Is(upload.version),
                operation: Operation::Check,
            };
            if self.apply_records(repository, &[still_there, put(key.clone(), expect, &part)?]).await? {
                if let Some(replaced) = replaced.filter(|_| !upload.record.taken) {
                    discard(repository, vec![replaced.record.address()]).await?;
                }
                return Ok(part.info(number, upload.record.planned()));
            }
            let (branch, path) = (upload.record.branch.clone(), upload.record.path.clone());
            upload = match self.upload(repository, &branch, &path, upload_id).await {
                Ok(upload) => upload,
                Err(error) => {
                    discard(repository, vec![address]).await?;
                    return Err(error);
                }
            };
        }
        discard(repository, vec![address]).await?;
        Err(AppError::busy(upload.record.branch, TRIES_MAX))
    }

    /// Marks an upload as given up, removes its parts, and then its record: what a crash leaves is found again.
    async fn give_up(
        &self,
        repository: &Repository,
        upload_id: &str,
        mut upload: Read<UploadRecord>,
    ) -> Result<(), AppError> {
        let key = upload_key(upload_id);
        for _ in 0..TRIES_MAX {
            let marked = UploadRecord { aborted: true, ..upload.record.clone() };
            let mark = put(key.clone(), Expect::Is(upload.version), &marked)?;
            if upload.record.aborted || self.apply_records(repository, &[mark]).await? {
                let taken = upload.record.taken;
                return self.forget(repository, upload_id, |_| !taken).await;
            }
            // Somebody completed it, or gave it up as well.
            let Some(read) = self.read_record(repository, &key).await? else { return Ok(()) };
            upload = read;
        }
        Err(AppError::busy(upload.record.branch, TRIES_MAX))
    }

    /// Gives some uploads up that are older than their lifetime: those whose ids follow that of a new one. Ids are
    /// random, so that every old upload has its turn.
    async fn give_up_old_uploads(&self, repository: &Repository, new_id: &str) -> Result<(), AppError> {
        let after = Some(upload_key(new_id));
        let (mut uploads, more) = self.uploads_page(repository, "", after, SWEPT_AT_ONCE).await?;
        if !more {
            uploads.extend(self.uploads_page(repository, "", None, SWEPT_AT_ONCE).await?.0);
        }
        let oldest_ms = self.now_ms().saturating_sub(LIFETIME_MS);
        for (upload_id, record) in uploads {
            if record.started_ms >= oldest_ms && !record.aborted {
                continue;
            }
            if let Some(upload) = self.read_record(repository, &upload_key(&upload_id)).await? {
                self.give_up(repository, &upload_id, upload).await?;
            }
        }
        Ok(())
    }

    /// Removes the parts of an upload, with their bytes where `removable` says so, and its own record last: a crash in
    /// between can be followed by another call.
    async fn forget(
        &self,
        repository: &Repository,
        upload_id: &str,
        removable: impl Fn(&PartRecord) -> bool + Send,
    ) -> Result<(), AppError> {
        let remove = |key: String| Edit { key, expect: Expect::Any, operation: Operation::Delete };
        loop {
            let (parts, more) = self.parts_page(repository, upload_id, 0, REMOVED_AT_ONCE).await?;
            let unneeded = parts.iter().map(|(_, part)| part).filter(|part| removable(part));
            discard(repository, unneeded.map(PartRecord::address).collect()).await?;
            let edits: Vec<Edit> =
                parts.iter().map(|(number, _)| remove(part_key(upload_id, *number))).collect();
            if !edits.is_empty() {
                self.apply_records(repository, &edits).await?;
            }
            if !more {
                break;
            }
        }
        self.apply_records(repository, &[remove(upload_key(upload_id))]).await?;
        Ok(())
    }
}

/// Removes the bytes of parts. Small ones share segments and are left there.
async fn discard(repository: &Repository, addresses: Vec<Address>) -> Result<(), AppError> {
    let own = addresses.into_iter().filter(|address| address.length > SMALL_BYTES_MAX as u64);
    let removals: Vec<_> = own.map(|address| discard_one(repository.clone(), address)).collect();
    futures::stream::iter(removals).buffer_unordered(REMOVALS_AT_A_TIME).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn discard_one(repository: Repository, address: Address) -> Result<(), AppError> {
    Ok(repository.discard(&address).await?)
}

fn check_number(upload_id: &str, number: u32) -> Result<(), AppError> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    let message = format!("part number {number} is not between 1 and {PARTS_MAX}");
    Err(AppError::InvalidPart { upload_id: upload_id.to_owned(), message })
}
