//! Users: make, look up, list, delete.

use anabranch_refs::{Expect, RefUpdate};

use super::store::{busy, delete};
use super::{ADMIN, Directory, DirectoryError, Listing, Page, UserInfo};
use crate::AccountName;
use crate::record::{KeyRecord, Uid, UserRecord};

/// How often a deletion is decided anew because the user changed meanwhile.
const RACES_MAX: usize = 20;

impl Directory {
    /// Makes a user, without keys and without grants.
    pub async fn create_user(&self, name: &AccountName) -> Result<UserInfo, DirectoryError> {
        let record = UserRecord {
            uid: Uid(self.store.ids.id16()),
            created_ms: self.now_ms(),
            groups: Vec::new(),
            policies: Vec::new(),
            keys: Vec::new(),
        };
        if !self.store.create(name.as_str(), &record).await? {
            return Err(DirectoryError::AlreadyExists { kind: "user", name: name.to_string() });
        }
        info(name.as_str(), &record)
    }

    /// Looks a user up.
    pub async fn user(&self, name: &AccountName) -> Result<UserInfo, DirectoryError> {
        let (record, _) = self.store.expect::<UserRecord>(name.as_str()).await?;
        info(name.as_str(), &record)
    }

    /// Lists users in order of name.
    pub async fn list_users(&self, page: &Page) -> Result<Listing<UserInfo>, DirectoryError> {
        let listing = self.store.list::<UserRecord>(page, |_| true).await?;
        infos(listing)
    }

    /// Deletes a user and all its keys at once: they stop on this server now, elsewhere within the lifetime of its cache.
    pub async fn delete_user(&self, name: &AccountName) -> Result<(), DirectoryError> {
        if name.as_str() == ADMIN {
            return Err(DirectoryError::invalid(format!(
                "user {ADMIN} belongs to the key pair of the server's configuration and cannot be deleted"
            )));
        }
        for _ in 0..RACES_MAX {
            let (record, version) = self.store.expect::<UserRecord>(name.as_str()).await?;
            let mut edits = vec![delete::<UserRecord>(name.as_str(), Expect::Is(version))];
            edits.extend(record.keys.iter().map(|id| delete::<KeyRecord>(id, Expect::Any)));
            let update = self.store.apply("deleting a user", &edits).await?;
            self.cache.clear();
            if let RefUpdate::Applied(_) = update {
                return Ok(());
            }
        }
        Err(busy::<UserRecord>(name.as_str()))
    }
}

pub(super) fn info(name: &str, record: &UserRecord) -> Result<UserInfo, DirectoryError> {
    Ok(UserInfo { name: AccountName::new(name)?, created_ms: record.created_ms })
}

pub(super) fn infos(listing: Listing<(String, UserRecord)>) -> Result<Listing<UserInfo>, DirectoryError> {
    let results: Result<_, DirectoryError> =
        listing.results.iter().map(|(name, record)| info(name, record)).collect();
    Ok(Listing { results: results?, more: listing.more, next: listing.next })
}

impl UserRecord {
    pub(super) fn owns(&self, key: &KeyRecord, name: &str) -> bool {
        key.user.uid == self.uid && key.user.name.as_str() == name
    }
}
