//! Objects: stat, list, read, write, copy, delete, tag.

use std::collections::BTreeMap;

use anabranch_auth::{Action, Principal};
use anabranch_repository::{Listed, ObjectInfo, Paged, Repository, WriteAnswer, WriteCondition};
use anabranch_types::{Attribute, BranchName, Entry, ObjectPath, split_attribute};
use futures::StreamExt;

use crate::body::{Announced, take_in};
use crate::parts::part_range;
use crate::{App, AppError, ByteRange, CopyInput, ListInput, ObjectAttributes, ObjectRead, PutInput};

const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";
/// User metadata of one object: S3's limit is 2 KB; lakeFS clients put a little more.
const METADATA_BYTES_MAX: usize = 8 * 1024;
/// How often a change of tags is tried while others write the same object.
const TAG_TRIES_MAX: usize = 10;
/// What an entry's attributes may take, less what their encoding needs.
const ATTRIBUTE_BYTES_MAX: usize = 8 * 1024 - 256;

impl App {
    /// What a path of a ref holds.
    pub async fn stat(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
        path: &str,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open(who, Action::ReadObject, repository).await?;
        Ok(repository.stat(reference, &ObjectPath::new(path)?).await?)
    }

    /// Lists the objects of a ref, uncommitted ones of a branch included.
    pub async fn list_objects(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
        input: ListInput,
    ) -> Result<Paged<Listed>, AppError> {
        let repository = self.open(who, Action::ListObjects, repository).await?;
        Ok(repository
            .list(reference, &input.prefix, input.delimiter.as_deref(), input.after.as_deref(), input.amount)
            .await?)
    }

    /// Reads an object, or a range of it.
    pub async fn get_object(
        &self,
        who: &Principal,
        repository: &str,
        reference: &str,
        path: &str,
        range: Option<ByteRange>,
    ) -> Result<ObjectRead, AppError> {
        let repository = self.open(who, Action::ReadObject, repository).await?;
        let info = repository.stat(reference, &ObjectPath::new(path)?).await?;
        let size = info.entry.size;
        let range = match range {
            None => 0..size,
            Some(ByteRange::Part(number)) => part_range(path, &info.entry, number)?.range,
            Some(range) => range
                .within(size)
                .ok_or_else(|| AppError::RangeNotSatisfiable { path: path.to_owned(), size })?,
        };
        let body = repository.read(&info.entry, Some(range.clone())).await?;
        Ok(ObjectRead { info, range, body: body.map(|piece| piece.map_err(AppError::from)).boxed() })
    }

    /// Writes an object to a branch. It is durable and visible when this answers.
    pub async fn put_object(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        input: PutInput,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        check_attributes(&path, &input.attributes)?;
        let announced = Announced { size: input.size, md5: input.expected_md5, further: input.checksum };
        let intake = take_in(&repository, input.body, announced).await?;
        let mut entry = Entry {
            size: intake.size,
            checksum: intake.checksum,
            parts: 0,
            modified_ms: self.now_ms(),
            content_type: content_type(&input.attributes),
            metadata: input.attributes.metadata,
            address: intake.address,
        };
        if let Some(further) = intake.further {
            further.attach(&mut entry);
        }
        place(&repository, &branch, path, entry, input.condition).await
    }

    /// Copies an object. Within a repository no byte moves.
    pub async fn copy_object(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        input: CopyInput,
    ) -> Result<ObjectInfo, AppError> {
        let target = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let source = self.open(who, Action::ReadObject, &input.source.repository).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&target, branch).await?;
        let original = source.stat(&input.source.reference, &ObjectPath::new(&*input.source.path)?).await?;
        if let Some(wanted) = &input.source_matches {
            let actual = original.entry.etag();
            if *wanted != actual {
                return Err(AppError::PreconditionFailed { path: input.source.path, actual: Some(actual) });
            }
        }
        let mut entry = original.entry;
        if let Some(attributes) = input.attributes {
            check_attributes(&path, &attributes)?;
            entry.content_type = content_type(&attributes);
            entry.metadata.retain(|name, _| {
                split_attribute(name).is_some_and(|(kind, _)| kind == Attribute::Tag || kind.is_of_bytes())
            });
            entry.metadata.extend(attributes.metadata);
        }
        if let Some(tags) = input.tags {
            set_tags(&path, &mut entry, tags)?;
        }
        if source.info().storage_namespace != target.info().storage_namespace {
            let body = source.read(&entry, None).await?;
            let body = body.map(|piece| {
                piece.map_err(|error| crate::BodyError::Broken(format!("reading the source failed: {error}")))
            });
            let announced = Announced { size: Some(entry.size), ..Announced::default() };
            entry.address = take_in(&target, body.boxed(), announced).await?.address;
        }
        entry.modified_ms = self.now_ms();
        place(&target, &branch, path, entry, input.condition).await
    }

    /// Removes an object from a branch. One that is absent is no error.
    pub async fn delete_object(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::DeleteObject, repository, branch).await?;
        let branch = writable(&repository, branch).await?;
        Ok(repository.delete(&branch, &ObjectPath::new(path)?).await?)
    }

    /// Removes an object from a branch if it is what the caller thinks it is.
    ///
    /// # Errors
    /// [`AppError::PreconditionFailed`] with what is there instead.
    pub async fn delete_object_if(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        condition: WriteCondition,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::DeleteObject, repository, branch).await?;
        let branch = writable(&repository, branch).await?;
        let path = ObjectPath::new(path)?;
        match repository.delete_if(&branch, &path, condition).await? {
            WriteAnswer::Written => Ok(()),
            WriteAnswer::Refused { actual } => {
                Err(AppError::PreconditionFailed { path: path.into_string(), actual })
            }
        }
    }

    /// Puts tags in place of those that an object of a branch has. No byte moves, and its time stays.
    pub async fn set_object_tags(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        for _ in 0..TAG_TRIES_MAX {
            let mut entry = repository.stat(branch.as_str(), &path).await?.entry;
            set_tags(&path, &mut entry, tags.clone())?;
            // Whoever wrote other bytes meanwhile must not lose them to a change of tags.
            let unchanged = WriteCondition::Matches(entry.etag());
            if repository.put(&branch, &path, entry, unchanged).await? == WriteAnswer::Written {
                return Ok(());
            }
        }
        Err(AppError::busy(&branch, TAG_TRIES_MAX))
    }

    /// Removes objects from a branch; paths that cannot exist are answered one by one.
    pub async fn delete_objects(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        paths: Vec<String>,
    ) -> Result<Vec<(String, Result<(), AppError>)>, AppError> {
        let repository = self.open_branch(who, Action::DeleteObject, repository, branch).await?;
        let branch = writable(&repository, branch).await?;
        let mut good = Vec::with_capacity(paths.len());
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            match ObjectPath::new(&*path) {
                Ok(valid) => {
                    good.push(valid);
                    answers.push((path, Ok(())));
                }
                Err(refused) => answers.push((path, Err(refused.into()))),
            }
        }
        repository.delete_many(&branch, good).await?;
        Ok(answers)
    }
}

/// The branch, if `reference` is one: tags and commits are read-only.
pub(crate) async fn writable(repository: &Repository, reference: &str) -> Result<BranchName, AppError> {
    if let Ok(name) = BranchName::new(reference) {
        match repository.branch(&name).await.map_err(AppError::from) {
            Ok(_) => return Ok(name),
            Err(AppError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    match repository.resolve(reference).await.map_err(AppError::from) {
        Ok(_) => Err(AppError::ReadOnlyRef { reference: reference.to_owned() }),
        Err(AppError::NotFound { .. } | AppError::Invalid { .. }) => Err(AppError::NotFound {
            kind: "branch",
            name: reference.chars().take(100).collect(),
            hint: format!(
                ": create it with `anabranch branch create {} NAME --from REF`",
                repository.info().name
            ),
        }),
        Err(error) => Err(error),
    }
}

/// Puts an entry at its path under its condition.
pub(crate) async fn place(
    repository: &Repository,
    branch: &BranchName,
    path: ObjectPath,
    entry: Entry,
    condition: WriteCondition,
) -> Result<ObjectInfo, AppError> {
    match repository.put(branch, &path, entry.clone(), condition).await? {
        WriteAnswer::Written => Ok(ObjectInfo { path, entry }),
        WriteAnswer::Refused { actual } => {
            Err(AppError::PreconditionFailed { path: path.into_string(), actual })
        }
    }
}

pub(crate) fn content_type(attributes: &ObjectAttributes) -> String {
    if attributes.content_type.is_empty() {
        DEFAULT_CONTENT_TYPE.into()
    } else {
        attributes.content_type.clone()
    }
}

pub(crate) fn check_attributes(path: &ObjectPath, attributes: &ObjectAttributes) -> Result<(), AppError> {
    let bytes: usize = attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(AppError::TooLarge {
            what: format!("the user metadata of {path}"),
            limit: "8 KiB".into(),
        });
    }
    if attributes.content_type.len() > 255 {
        return Err(AppError::TooLarge {
            what: format!("the content type of {path}"),
            limit: "255 bytes".into(),
        });
    }
    Ok(())
}

/// Fails for names that stand for what the server keeps where only names of users may stand.
pub(crate) fn check_user_names(metadata: &BTreeMap<String, String>) -> Result<(), AppError> {
    match metadata.keys().find(|name| split_attribute(name).is_some()) {
        Some(name) => Err(AppError::Invalid {
            message: format!(
                "the name {name:?} in the user metadata: the server keeps headers, tags, checksums and parts under such names; \
                 take another one"
            ),
        }),
        None => Ok(()),
    }
}

fn set_tags(path: &ObjectPath, entry: &mut Entry, tags: BTreeMap<String, String>) -> Result<(), AppError> {
    entry.replace_attributes(Attribute::Tag, tags);
    check_size(path, entry)
}

/// Fails when metadata, headers, tags and checksums are too much together.
pub(crate) fn check_size(path: &ObjectPath, entry: &Entry) -> Result<(), AppError> {
    let metadata: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata + entry.content_type.len() > ATTRIBUTE_BYTES_MAX {
        return Err(AppError::TooLarge {
            what: format!("the metadata of {path} together with its tags"),
            limit: format!("{ATTRIBUTE_BYTES_MAX} bytes"),
        });
    }
    Ok(())
}
