//! Objects that clients write to the store themselves and then link, and signed addresses of objects.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use anabranch_auth::{Action, Principal};
use anabranch_repository::{ObjectInfo, Repository, RepositoryError, WriteCondition};
use anabranch_storage::{SignedFor, StorageError, StoredObject};
use anabranch_types::{Address, Checksum, Entry, ObjectKey, ObjectPath, split_attribute};
use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};

use crate::body::BODY_BYTES_MAX;
use crate::imports::entry_of;
use crate::links::{LINK_LIFETIME, Link, LinkPurpose, PlaceOwner, is_alone, parse_etag};
use crate::objects::{check_attributes, check_size, check_user_names, content_type, place, writable};
use crate::{App, AppError, BodyStream, ByteRange, LinkInput, ObjectAttributes, ObjectRead};

/// How many objects that were written by links are remembered.
const WRITTEN_MAX: usize = 10_000;

/// An address at which an object can be read or written without credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignedAddress {
    /// One of the storage's own.
    Storage(String),
    /// One of this server.
    Link(Box<Link>),
}

/// A signed address and its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The address.
    pub address: SignedAddress,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
}

/// Where a client shall write an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagingPlace {
    /// What it names when it links the object.
    pub physical_address: String,
    /// Where it can write it without credentials of the store, if it asked for that.
    pub signed: Option<Signed>,
}

/// Sizes and checksums of what was written by links lately, so that linking need not read it again.
#[derive(Default)]
pub(crate) struct Written {
    inner: Mutex<Remembered>,
}

/// A storage, by its name, and an object of it.
type WrittenName = (String, ObjectKey);

#[derive(Default)]
struct Remembered {
    /// Size and MD5.
    known: HashMap<WrittenName, (u64, [u8; 16])>,
    /// The oldest first.
    order: VecDeque<WrittenName>,
}

impl Written {
    fn remember(&self, storage: &str, key: &ObjectKey, size: u64, md5: [u8; 16]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { known, order } = &mut *inner;
        let name = (storage.to_owned(), key.clone());
        if known.insert(name.clone(), (size, md5)).is_none() {
            order.push_back(name);
        }
        while order.len() > WRITTEN_MAX {
            if let Some(oldest) = order.pop_front() {
                known.remove(&oldest);
            }
        }
    }

    fn recall(&self, storage: &str, key: &ObjectKey, size: u64) -> Option<[u8; 16]> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let found = inner.known.get(&(storage.to_owned(), key.clone()));
        found.filter(|(known, _)| *known == size).map(|(_, md5)| *md5)
    }
}

impl App {
    /// Gives an address to which a client may write an object that is to be linked to `path`.
    pub async fn staging_place(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        sign: bool,
    ) -> Result<StagingPlace, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        let owner =
            PlaceOwner { repository: repository.info(), branch: branch.as_str(), path: path.as_str() };
        let object =
            owner.place(&self.settings.link_key, self.parts.clock.as_ref(), self.parts.ids.as_ref())?;
        let signed = match sign {
            false => None,
            true => Some(self.sign_write(&repository, &object).await?),
        };
        let namespace = repository.info().storage_namespace.trim_end_matches('/');
        Ok(StagingPlace { physical_address: format!("{namespace}/{object}"), signed })
    }

    async fn sign_write(&self, repository: &Repository, object: &ObjectKey) -> Result<Signed, AppError> {
        let expires_ms = self.link_end_ms();
        let url = repository.storage().signed_url(object, SignedFor::Write, LINK_LIFETIME).await;
        let address = match url.map_err(|error| storage_error(repository, error))? {
            Some(url) => SignedAddress::Storage(url),
            None => {
                let link = Link::to_write(&self.settings.link_key, repository.info(), object, expires_ms)?;
                SignedAddress::Link(Box::new(link))
            }
        };
        Ok(Signed { address, expires_ms })
    }

    fn link_end_ms(&self) -> i64 {
        let lifetime_ms = i64::try_from(LINK_LIFETIME.as_millis()).unwrap_or(0);
        self.now_ms().saturating_add(lifetime_ms)
    }

    /// Signs an address for each object, in their order.
    pub async fn sign_reads(
        &self,
        who: &Principal,
        repository: &str,
        entries: &[&Entry],
    ) -> Result<Vec<Signed>, AppError> {
        let repository = self.open(who, Action::ReadObject, repository).await?;
        let mut signed = Vec::with_capacity(entries.len());
        for entry in entries {
            signed.push(self.sign_read(&repository, entry).await?);
        }
        Ok(signed)
    }

    async fn sign_read(&self, repository: &Repository, entry: &Entry) -> Result<Signed, AppError> {
        let expires_ms = self.link_end_ms();
        if is_alone(entry) {
            let object = &entry.address.object;
            let url = repository.storage().signed_url(object, SignedFor::Read, LINK_LIFETIME).await;
            if let Some(url) = url.map_err(|error| storage_error(repository, error))? {
                return Ok(Signed { address: SignedAddress::Storage(url), expires_ms });
            }
        }
        let link = Link::to_read(&self.settings.link_key, repository.info(), entry, expires_ms)?;
        Ok(Signed { address: SignedAddress::Link(Box::new(link)), expires_ms })
    }

    /// Puts what a client wrote to the address that it was given at the path that the address was given for.
    pub async fn link(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        input: LinkInput,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        check_attributes(&path, &input.attributes)?;
        check_user_names(&input.attributes.metadata)?;
        let object = own_key(&repository, &input.physical_address)?;
        let owner =
            PlaceOwner { repository: repository.info(), branch: branch.as_str(), path: path.as_str() };
        owner.check(&self.settings.link_key, &object, self.now_ms())?;
        let stored = stored(&repository, &object, &input).await?;
        let (checksum, parts) = self.compared(&repository, &object, &stored, &input.checksum).await?;
        let entry = Entry {
            address: Address { object, offset: 0, length: stored.size },
            size: stored.size,
            checksum,
            parts,
            modified_ms: self.now_ms(),
            content_type: content_type(&input.attributes),
            metadata: input.attributes.metadata,
        };
        place(&repository, &branch, path, entry, input.condition).await
    }

    /// Puts an object that is in the store already at a path: one that was written to an address given for the path, or
    /// one of a source of imports.
    pub async fn stage(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        input: LinkInput,
    ) -> Result<ObjectInfo, AppError> {
        let opened = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        if own_key(&opened, &input.physical_address).is_ok() {
            return self.link(who, repository, branch, path, input).await;
        }
        let path = ObjectPath::new(path)?;
        let branch = writable(&opened, branch).await?;
        check_attributes(&path, &input.attributes)?;
        check_user_names(&input.attributes.metadata)?;
        let url = &input.physical_address;
        let (source, key) = self.source_of(url).await?;
        let found = source.find(&key).await.map_err(|error| match error {
            StorageError::NotFound { .. } => AppError::Invalid { message: format!("{url} does not exist") },
            error => storage_error(&opened, error),
        })?;
        let announced = input.checksum.trim().trim_matches('"');
        if found.size != input.size || found.etag != announced {
            return Err(AppError::Invalid {
                message: format!(
                    "{url} has {} bytes and the checksum {}, not {} and {announced:?}",
                    found.size, found.etag, input.size
                ),
            });
        }
        let entry = Entry {
            content_type: content_type(&input.attributes),
            metadata: input.attributes.metadata,
            ..entry_of(url, &found)
        };
        place(&opened, &branch, path, entry, input.condition).await
    }

    /// The checksum of a stored object, if it is the one that the client says.
    async fn compared(
        &self,
        repository: &Repository,
        object: &ObjectKey,
        stored: &StoredObject,
        announced: &str,
    ) -> Result<(Checksum, u32), AppError> {
        let announced = announced.trim().trim_matches('"');
        let etag = stored.etag.0.trim_matches('"');
        let found = match parse_etag(etag) {
            Some(found) => found,
            // The store does not name objects by their MD5.
            None if etag == announced => return Ok((Checksum::from_md5(Md5::digest(etag).into()), 0)),
            None => (Checksum::from_md5(self.md5_of(repository, object, stored.size).await?), 0),
        };
        if parse_etag(announced) == Some(found) {
            return Ok(found);
        }
        Err(AppError::Invalid {
            message: format!(
                "the object at {object} has the checksum {}, not {announced:?}: link it with the entity tag that the \
                 store answered",
                found.0.to_hex()
            ),
        })
    }

    async fn md5_of(
        &self,
        repository: &Repository,
        object: &ObjectKey,
        size: u64,
    ) -> Result<[u8; 16], AppError> {
        let storage = repository.storage();
        if let Some(known) = self.written.recall(storage.name(), object, size) {
            return Ok(known);
        }
        let failed = |error| storage_error(repository, error);
        let mut pieces = storage.get_stream(object, None).await.map_err(failed)?;
        let mut hasher = Md5::new();
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            hasher.update(&piece);
        }
        Ok(hasher.finalize().into())
    }

    /// Reads the object of a link, or a range of it. The link is all that the caller needs.
    pub async fn read_link(&self, link: &Link, range: Option<ByteRange>) -> Result<ObjectRead, AppError> {
        let repository = self.linked(link, LinkPurpose::Read).await?;
        let entry = link.entry()?;
        let size = entry.size;
        let range = match range {
            None => 0..size,
            Some(range) => range
                .within(size)
                .ok_or_else(|| AppError::RangeNotSatisfiable { path: "the object".into(), size })?,
        };
        let body = repository.read(&entry, Some(range.clone())).await?;
        let body = body.map(|piece| piece.map_err(AppError::from)).boxed();
        let path = ObjectPath::new("object")?;
        Ok(ObjectRead { info: ObjectInfo { path, entry }, range, body })
    }

    /// Takes the object of a link in and answers its MD5. It is durable then, and no path holds it yet.
    ///
    /// A link writes once. The same bytes once more are answered as the first time, because a reply may have been lost.
    pub async fn write_link(&self, link: &Link, mut body: BodyStream) -> Result<String, AppError> {
        let repository = self.linked(link, LinkPurpose::Write).await?;
        let (storage, object) = (repository.storage(), &link.address.object);
        let failed = |error| storage_error(&repository, error);
        let before = match storage.head(object).await {
            Ok(found) => Some(found),
            Err(StorageError::NotFound { .. }) => None,
            Err(error) => return Err(failed(error)),
        };
        let mut upload = match &before {
            Some(_) => None,
            None => Some(storage.upload(object).await.map_err(failed)?),
        };
        let (mut hasher, mut size) = (Md5::new(), 0u64);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(AppError::from).and_then(|piece| {
                size = size.saturating_add(piece.len() as u64);
                match size > BODY_BYTES_MAX {
                    true => Err(AppError::TooLarge {
                        what: "the body of one request".into(),
                        limit: "5 GiB".into(),
                    }),
                    false => Ok(piece),
                }
            });
            match (piece, upload.as_mut()) {
                (Ok(piece), Some(upload)) => {
                    hasher.update(&piece);
                    upload.write(piece).await.map_err(failed)?;
                }
                (Ok(piece), None) => hasher.update(&piece),
                (Err(error), _) => {
                    if let Some(upload) = upload.take() {
                        upload.abort().await.map_err(failed)?;
                    }
                    return Err(error);
                }
            }
        }
        let md5: [u8; 16] = hasher.finalize().into();
        match (upload, before) {
            (Some(upload), _) => {
                upload.finish().await.map_err(failed)?;
                self.written.remember(storage.name(), object, size, md5);
            }
            (None, Some(before)) => {
                let same = before.size == size && self.md5_of(&repository, object, size).await? == md5;
                if !same {
                    return Err(AppError::BadLink {
                        reason: "another object was written by it already".into(),
                    });
                }
            }
            (None, None) => {}
        }
        Ok(hex::encode(md5))
    }

    /// The repository of a link that this server signed for `purpose` and that has not ended.
    async fn linked(&self, link: &Link, purpose: LinkPurpose) -> Result<Repository, AppError> {
        let unknown = || AppError::BadLink { reason: "its signature does not fit".into() };
        let name = anabranch_types::RepositoryName::new(&*link.repository).map_err(|_| unknown())?;
        let repository = match self.catalog().repository(&name).await {
            Ok(repository) => repository,
            Err(RepositoryError::NotFound { .. }) => return Err(unknown()),
            Err(error) => return Err(error.into()),
        };
        link.check(&self.settings.link_key, repository.info(), purpose, self.now_ms())?;
        Ok(repository)
    }

    /// Sets the user metadata of an object, all of it. Its headers, tags and checksums stay.
    pub async fn set_object_metadata(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<ObjectInfo, AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        let path = ObjectPath::new(path)?;
        let branch = writable(&repository, branch).await?;
        let mut entry = repository.stat(branch.as_str(), &path).await?.entry;
        // The object must still be the one that was looked at.
        let condition = WriteCondition::Matches(entry.etag());
        check_user_names(&metadata)?;
        let attributes = ObjectAttributes { content_type: entry.content_type.clone(), metadata };
        check_attributes(&path, &attributes)?;
        entry.metadata.retain(|name, _| split_attribute(name).is_some());
        entry.metadata.extend(attributes.metadata);
        check_size(&path, &entry)?;
        place(&repository, &branch, path, entry, condition).await
    }

    /// Fails unless the caller may write an object at `path`.
    pub async fn check_writable(
        &self,
        who: &Principal,
        repository: &str,
        branch: &str,
        path: &str,
    ) -> Result<(), AppError> {
        let repository = self.open_branch(who, Action::WriteObject, repository, branch).await?;
        ObjectPath::new(path)?;
        writable(&repository, branch).await?;
        Ok(())
    }
}

/// The key of an address within the repository's own storage.
fn own_key(repository: &Repository, physical_address: &str) -> Result<ObjectKey, AppError> {
    let namespace = repository.info().storage_namespace.trim_end_matches('/');
    let key = physical_address.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/'));
    key.map(ObjectKey::new).ok_or_else(|| AppError::Invalid {
        message: format!(
            "physical address {:?} is not below {namespace}: link the address that this server gave",
            physical_address.chars().take(200).collect::<String>()
        ),
    })
}

async fn stored(
    repository: &Repository,
    object: &ObjectKey,
    input: &LinkInput,
) -> Result<StoredObject, AppError> {
    let address = &input.physical_address;
    match repository.storage().head(object).await {
        Ok(stored) if stored.size == input.size => Ok(stored),
        Ok(stored) => Err(AppError::Invalid {
            message: format!("the object at {address} has {} bytes, not {}", stored.size, input.size),
        }),
        Err(StorageError::NotFound { .. }) => Err(AppError::Invalid {
            message: format!("nothing was written to {address} yet: write the object there, then link it"),
        }),
        Err(error) => Err(storage_error(repository, error)),
    }
}

pub(crate) fn storage_error(repository: &Repository, error: StorageError) -> AppError {
    match error {
        StorageError::Withdrawn { address, reason } => AppError::Gone { what: address, reason },
        StorageError::Gone { reason, .. } => {
            AppError::Gone { what: format!("repository {}", repository.name()), reason }
        }
        error => AppError::internal(error),
    }
}
