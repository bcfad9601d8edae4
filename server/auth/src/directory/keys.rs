//! The access keys of a user. To replace one: make a second, move to it, delete the first.

use anabranch_refs::{Expect, RefUpdate};
use anabranch_types::IdSource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::store::{busy, delete, put};
use super::{Directory, DirectoryError, KeyInfo, Listing, NewKey, Page, lookup};
use crate::record::{KeyRecord, Link, UserRecord};
use crate::{AccountName, KeyPair, Secret};

/// How many keys a user has at most.
const KEYS_MAX: usize = 20;
const RACES_MAX: usize = 20;

impl Directory {
    /// Makes another key for a user. The secret is in the answer and nowhere else.
    pub async fn create_key(&self, user: &AccountName) -> Result<NewKey, DirectoryError> {
        let name = user.as_str();
        for _ in 0..RACES_MAX {
            let (mut owner, version) = self.store.expect::<UserRecord>(name).await?;
            if owner.keys.len() >= KEYS_MAX {
                return Err(DirectoryError::invalid(format!(
                    "user {user} has {KEYS_MAX} access keys already: delete one first"
                )));
            }
            let pair = fresh_pair(self.store.ids.as_ref());
            let record = KeyRecord {
                user: Link { name: user.clone(), uid: owner.uid },
                created_ms: self.now_ms(),
                sealed: lookup::seal(
                    &self.server_keys,
                    self.store.ids.as_ref(),
                    &pair.access_key_id,
                    &pair.secret,
                )?,
            };
            owner.keys.push(pair.access_key_id.clone());
            let edits =
                [put(name, &owner, Expect::Is(version)), put(&pair.access_key_id, &record, Expect::Absent)];
            let update = self.store.apply("making an access key", &edits).await?;
            if let RefUpdate::Applied(_) = update {
                // Its absence may have been asked for, and kept.
                self.cache.clear();
                return Ok(NewKey { pair, created_ms: record.created_ms });
            }
        }
        Err(busy::<UserRecord>(name))
    }

    /// Lists the keys of a user in order of id.
    pub async fn list_keys(
        &self,
        user: &AccountName,
        page: &Page,
    ) -> Result<Listing<KeyInfo>, DirectoryError> {
        let (owner, _) = self.store.expect::<UserRecord>(user.as_str()).await?;
        let mut keys = Vec::with_capacity(owner.keys.len());
        for id in &owner.keys {
            if let Some((record, _)) = self.store.get::<KeyRecord>(id).await? {
                keys.push(KeyInfo { access_key_id: id.clone(), created_ms: record.created_ms });
            }
        }
        Ok(Listing::cut(keys, page, |key| &key.access_key_id))
    }

    /// Looks a key of a user up.
    pub async fn key(&self, user: &AccountName, access_key_id: &str) -> Result<KeyInfo, DirectoryError> {
        let (owner, _) = self.store.expect::<UserRecord>(user.as_str()).await?;
        match self.store.get::<KeyRecord>(access_key_id).await? {
            Some((record, _)) if owner.owns(&record, user.as_str()) => {
                Ok(KeyInfo { access_key_id: access_key_id.to_owned(), created_ms: record.created_ms })
            }
            _ => Err(DirectoryError::not_found("access key", access_key_id)),
        }
    }

    /// Deletes a key: it stops on this server now, elsewhere within the lifetime of its cache.
    pub async fn delete_key(&self, user: &AccountName, access_key_id: &str) -> Result<(), DirectoryError> {
        let name = user.as_str();
        for _ in 0..RACES_MAX {
            let (mut owner, version) = self.store.expect::<UserRecord>(name).await?;
            if !owner.keys.iter().any(|id| id == access_key_id) {
                return Err(DirectoryError::not_found("access key", access_key_id));
            }
            owner.keys.retain(|id| id != access_key_id);
            let edits =
                [put(name, &owner, Expect::Is(version)), delete::<KeyRecord>(access_key_id, Expect::Any)];
            let update = self.store.apply("deleting an access key", &edits).await?;
            self.cache.clear();
            if let RefUpdate::Applied(_) = update {
                return Ok(());
            }
        }
        Err(busy::<UserRecord>(name))
    }
}

/// An id of 20 characters that looks like those of S3 services, and a secret of 40 that needs escaping nowhere.
fn fresh_pair(ids: &dyn IdSource) -> KeyPair {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; 16];
    ids.fill(&mut random);
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).copied().map_or('A', char::from);
    let id: String = "AKIA".chars().chain(random.into_iter().map(letter)).collect();
    let mut secret = [0; 30];
    ids.fill(&mut secret);
    KeyPair { access_key_id: id, secret: Secret::new(URL_SAFE_NO_PAD.encode(secret)) }
}
