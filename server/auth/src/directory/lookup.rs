//! Whose key it is: the look-up of every request, behind a cache of short life.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anabranch_types::IdSource;

use super::{ADMIN, Directory, DirectoryError};
use crate::record::{KeyRecord, PolicyRecord, UserRecord};
use crate::server_key::Sealed;
use crate::{Identity, KeyPair, Keys, KeysError, Principal, Role, Secret, ServerKeys};

/// How long an answer is believed, in milliseconds: this long a key that was revoked on another server still works.
const LIFETIME_MS: i64 = 1_000;
/// How many answers are kept at most.
const ENTRIES_MAX: usize = 10_000;
/// The ids of our keys are shorter; longer ones are not looked up.
const ID_BYTES_MAX: usize = 128;

/// Recent answers, the negative ones too.
#[derive(Default)]
pub(super) struct Cache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// How often the cache was cleared. An answer that was read before the last time is not kept.
    generation: u64,
    answers: HashMap<String, (i64, Option<Identity>)>,
}

impl Cache {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No change is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: something was changed on this server.
    pub(super) fn clear(&self) {
        let mut entries = self.entries();
        entries.generation = entries.generation.wrapping_add(1);
        entries.answers.clear();
    }

    /// The answer for an id, if it is young enough; else the generation to keep a new one under.
    fn get(&self, id: &str, now_ms: i64) -> Result<Option<Identity>, u64> {
        let entries = self.entries();
        match entries.answers.get(id) {
            Some((at_ms, answer)) if (0..LIFETIME_MS).contains(&now_ms.saturating_sub(*at_ms)) => {
                Ok(answer.clone())
            }
            _ => Err(entries.generation),
        }
    }

    fn keep(&self, id: &str, asked_ms: i64, generation: u64, answer: &Option<Identity>) {
        let mut entries = self.entries();
        if entries.generation != generation {
            return;
        }
        if entries.answers.len() >= ENTRIES_MAX {
            entries.answers.retain(|_, (at_ms, _)| asked_ms.saturating_sub(*at_ms) < LIFETIME_MS);
        }
        if entries.answers.len() < ENTRIES_MAX {
            entries.answers.insert(id.to_owned(), (asked_ms, answer.clone()));
        }
    }
}

#[async_trait::async_trait]
impl Keys for Directory {
    async fn find(&self, access_key_id: &str) -> Result<Option<Identity>, KeysError> {
        if access_key_id == self.admin.access_key_id {
            let principal = Principal::new(ADMIN, Role::Admin);
            return Ok(Some(Identity { key: self.admin.clone(), principal }));
        }
        if access_key_id.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        let now_ms = self.now_ms();
        let generation = match self.cache.get(access_key_id, now_ms) {
            Ok(answer) => return Ok(answer),
            Err(generation) => generation,
        };
        let answer = self.load(access_key_id).await?;
        self.cache.keep(access_key_id, now_ms, generation, &answer);
        Ok(answer)
    }
}

impl Directory {
    async fn load(&self, access_key_id: &str) -> Result<Option<Identity>, DirectoryError> {
        let Some((key, _)) = self.store.get::<KeyRecord>(access_key_id).await? else {
            return Ok(None);
        };
        let name = key.user.name.as_str();
        let user = match self.store.get::<UserRecord>(name).await? {
            Some((user, _)) if user.owns(&key, name) => user,
            _ => return Ok(None),
        };
        let links = self.policy_links(&user).await?;
        let policies = self.followed::<PolicyRecord>(&links).await?;
        let mut grants: Vec<_> = policies.into_iter().flat_map(|(_, policy)| policy.grants).collect();
        grants.sort();
        grants.dedup();
        let secret = unseal(&self.server_keys, access_key_id, &key.sealed)?;
        let key = KeyPair { access_key_id: access_key_id.to_owned(), secret };
        Ok(Some(Identity { key, principal: Principal::with_grants(name, grants) }))
    }
}

pub(super) fn unseal(
    keys: &ServerKeys,
    access_key_id: &str,
    sealed: &Sealed,
) -> Result<Secret, DirectoryError> {
    let secret = keys.find(sealed.fingerprint).and_then(|key| key.unseal(access_key_id, sealed));
    secret.ok_or_else(|| DirectoryError::Sealed { access_key_id: access_key_id.to_owned() })
}

pub(super) fn seal(
    keys: &ServerKeys,
    ids: &dyn IdSource,
    access_key_id: &str,
    secret: &Secret,
) -> Result<Sealed, DirectoryError> {
    let sealed = keys.current.seal(ids, access_key_id, secret);
    sealed.ok_or_else(|| DirectoryError::Sealed { access_key_id: access_key_id.to_owned() })
}
