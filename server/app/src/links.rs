//! Addresses that this server signs: whoever holds one may read or write one object for a while, without credentials.
//!
//! Two things are signed here, both with a key that all servers of an installation share. A *link* is an address of
//! this server itself, for what its storage signs no address of: objects in a local folder, and small objects that
//! share a stored one. A *place* is a key that was given to a client to write an object to: it carries in itself for
//! which repository, branch and path, and until when, so that nothing has to be kept.

use std::fmt;
use std::time::Duration;

use anabranch_repository::RepositoryInfo;
use anabranch_storage::KeyParts;
use anabranch_types::{Address, Checksum, Clock, Entry, IdSource, ObjectKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::AppError;

/// How long a signed address can be used.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long what was written to a place can be linked.
pub(crate) const PLACE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

type Signer = Hmac<Sha256>;

/// What signatures are made with. All servers of one installation share it; it is never printed.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

impl LinkKey {
    /// The key that follows from the installation's secret.
    pub fn derived_from(secret: &[u8]) -> Self {
        let mut key = [0; 32];
        if let Ok(mut signer) = Signer::new_from_slice(secret) {
            signer.update(b"anabranch links, version 1");
            key = signer.finalize().into_bytes().into();
        }
        LinkKey(key)
    }

    /// A signer that has taken `fields`, each with its length before it.
    fn signer(&self, kind: &str, fields: &[&[u8]]) -> Result<Signer, AppError> {
        let mut signer = Signer::new_from_slice(&self.0).map_err(AppError::internal)?;
        for field in [kind.as_bytes()].iter().chain(fields) {
            signer.update(&(field.len() as u64).to_be_bytes());
            signer.update(field);
        }
        Ok(signer)
    }
}

/// What a link permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkPurpose {
    /// To read one object.
    Read,
    /// To write one object, once.
    Write,
}

impl LinkPurpose {
    fn name(self) -> &'static [u8] {
        match self {
            LinkPurpose::Read => b"read",
            LinkPurpose::Write => b"write",
        }
    }
}

/// An address of this server. Everything in it is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The repository.
    pub repository: String,
    /// What it permits.
    pub purpose: LinkPurpose,
    /// Which stored object, and which of its bytes.
    pub address: Address,
    /// The object's entity tag; empty for a write.
    pub etag: String,
    /// Its media type; empty for a write.
    pub content_type: String,
    /// When it was written, in milliseconds since the Unix epoch; 0 for a write.
    pub modified_ms: i64,
    /// When the link ends, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
    /// The signature, in hexadecimal.
    pub signature: String,
}

impl Link {
    /// The link by which `entry` can be read.
    pub(crate) fn to_read(
        key: &LinkKey,
        repository: &RepositoryInfo,
        entry: &Entry,
        expires_ms: i64,
    ) -> Result<Link, AppError> {
        let link = Link {
            repository: repository.name.to_string(),
            purpose: LinkPurpose::Read,
            address: entry.address.clone(),
            etag: entry.etag(),
            content_type: entry.content_type.clone(),
            modified_ms: entry.modified_ms,
            expires_ms,
            signature: String::new(),
        };
        link.signed(key, repository)
    }

    /// The link by which the object `object` can be written.
    pub(crate) fn to_write(
        key: &LinkKey,
        repository: &RepositoryInfo,
        object: &ObjectKey,
        expires_ms: i64,
    ) -> Result<Link, AppError> {
        let link = Link {
            repository: repository.name.to_string(),
            purpose: LinkPurpose::Write,
            address: Address { object: object.clone(), offset: 0, length: 0 },
            etag: String::new(),
            content_type: String::new(),
            modified_ms: 0,
            expires_ms,
            signature: String::new(),
        };
        link.signed(key, repository)
    }

    fn signed(mut self, key: &LinkKey, repository: &RepositoryInfo) -> Result<Link, AppError> {
        self.signature = hex::encode(self.signer(key, repository)?.finalize().into_bytes());
        Ok(self)
    }

    fn signer(&self, key: &LinkKey, repository: &RepositoryInfo) -> Result<Signer, AppError> {
        key.signer(
            "link",
            &[
                repository.name.as_str().as_bytes(),
                // A repository of the same name that is made later is another one.
                &repository.created_ms.to_be_bytes(),
                self.purpose.name(),
                self.address.object.as_str().as_bytes(),
                &self.address.offset.to_be_bytes(),
                &self.address.length.to_be_bytes(),
                self.etag.as_bytes(),
                self.content_type.as_bytes(),
                &self.modified_ms.to_be_bytes(),
                &self.expires_ms.to_be_bytes(),
            ],
        )
    }

    /// Fails unless this server signed exactly this link and it has not ended.
    pub(crate) fn check(
        &self,
        key: &LinkKey,
        repository: &RepositoryInfo,
        purpose: LinkPurpose,
        now_ms: i64,
    ) -> Result<(), AppError> {
        let signature = hex::decode(&self.signature).unwrap_or_default();
        // Compared in constant time.
        if self.purpose != purpose || self.signer(key, repository)?.verify_slice(&signature).is_err() {
            return Err(AppError::BadLink { reason: "its signature does not fit".into() });
        }
        if now_ms >= self.expires_ms {
            return Err(AppError::BadLink { reason: "it has ended".into() });
        }
        Ok(())
    }

    /// The entry that a reading link stands for.
    pub(crate) fn entry(&self) -> Result<Entry, AppError> {
        let (checksum, parts) = parse_etag(&self.etag)
            .ok_or_else(|| AppError::BadLink { reason: "its entity tag cannot be read".into() })?;
        Ok(Entry {
            size: self.address.length,
            address: self.address.clone(),
            checksum,
            parts,
            modified_ms: self.modified_ms,
            content_type: self.content_type.clone(),
            metadata: std::collections::BTreeMap::new(),
        })
    }
}

/// The checksum and the number of parts in an entity tag of S3's form: `<md5>` or `<md5>-<parts>`.
pub(crate) fn parse_etag(etag: &str) -> Option<(Checksum, u32)> {
    let (md5, parts) = match etag.trim().trim_matches('"').split_once('-') {
        Some((md5, parts)) => (md5.to_owned(), parts.parse().ok().filter(|parts| *parts > 0)?),
        None => (etag.trim().trim_matches('"').to_owned(), 0),
    };
    let bytes: [u8; 16] = hex::decode(md5).ok()?.try_into().ok()?;
    Some((Checksum::from_md5(bytes), parts))
}

/// For what a place was given away.
pub(crate) struct PlaceOwner<'a> {
    pub(crate) repository: &'a RepositoryInfo,
    pub(crate) branch: &'a str,
    pub(crate) path: &'a str,
}

impl PlaceOwner<'_> {
    fn tag(&self, key: &LinkKey, parts: &KeyParts) -> Result<[u8; 6], AppError> {
        let signer = key.signer(
            "place",
            &[
                self.repository.name.as_str().as_bytes(),
                &self.repository.created_ms.to_be_bytes(),
                self.branch.as_bytes(),
                self.path.as_bytes(),
                &parts.time_ms.to_be_bytes(),
                &parts.random,
            ],
        )?;
        let full: [u8; 32] = signer.finalize().into_bytes().into();
        let [a, b, c, d, e, f, ..] = full;
        // A tag of zero is what the server's own keys have.
        Ok([a, b, c, d, e, f | 1])
    }

    /// A fresh key that can be linked to this path of this branch, and to no other.
    pub(crate) fn place(
        &self,
        key: &LinkKey,
        clock: &dyn Clock,
        ids: &dyn IdSource,
    ) -> Result<ObjectKey, AppError> {
        let parts = KeyParts::fresh(clock, ids);
        Ok(KeyParts { tag: self.tag(key, &parts)?, ..parts }.key())
    }

    /// Fails unless the key was made by [`PlaceOwner::place`] for the same, and not too long ago.
    pub(crate) fn check(&self, key: &LinkKey, object: &ObjectKey, now_ms: i64) -> Result<(), AppError> {
        let invalid = |why: &str| AppError::Invalid {
            message: format!(
                "{object} {why} path {:?} of branch {}: ask for an address for this path, write the object there, then \
                 link it",
                self.path, self.branch
            ),
        };
        let parts = KeyParts::of(object).ok_or_else(|| invalid("is no address that was given for"))?;
        // The tag decides only whether a caller who may write here anyway names a key that it was given.
        if self.tag(key, &parts)? != parts.tag {
            return Err(invalid("is no address that was given for"));
        }
        let made_ms = i64::try_from(parts.time_ms).unwrap_or(i64::MAX);
        let lifetime_ms = i64::try_from(PLACE_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        if now_ms.saturating_sub(made_ms) > lifetime_ms {
            return Err(invalid("was given too long ago for"));
        }
        Ok(())
    }
}

/// Whether the object at an address is one entry's alone: then its storage may sign an address of it.
pub(crate) fn is_alone(entry: &Entry) -> bool {
    let given_away = || KeyParts::of(&entry.address.object).is_some_and(|parts| parts.tag != [0; 6]);
    entry.size > crate::SMALL_BYTES_MAX as u64
        || anabranch_repository::is_outside(&entry.address.object)
        || given_away()
}

/// Where the bytes of an entry lie, as clients are told: `#OFFSET+LENGTH` at the end says that others share the object.
pub fn physical_address(namespace: &str, entry: &Entry) -> String {
    let address = &entry.address;
    if anabranch_repository::is_outside(&address.object) {
        return address.object.to_string();
    }
    let whole = format!("{}/{}", namespace.trim_end_matches('/'), address.object);
    match is_alone(entry) {
        true => whole,
        false => format!("{whole}#{}+{}", address.offset, address.length),
    }
}

#[cfg(test)]
mod tests;
