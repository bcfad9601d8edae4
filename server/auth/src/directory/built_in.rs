//! What an installation has from the start: its server key's mark, the administrator, groups and policies.

use anabranch_refs::{Expect, RefUpdate};

use super::model::Page;
use super::store::{Store, put};
use super::{DirectoryError, lookup};
use crate::record::{CheckRecord, GroupRecord, KeyRecord, Link, PolicyRecord, Record, Uid, UserRecord};
use crate::{AccountName, Grant, Role, ServerKeys};

/// The administrator: the user of the key pair in the server's configuration.
pub const ADMIN: &str = "admin";

/// Policies, by the names that lakeFS clients know, and the role that each grants everywhere.
const POLICIES: [(&str, Option<Role>); 5] = [
    ("AuthFullAccess", Some(Role::Admin)),
    // Everybody manages its own keys: it grants nothing beyond.
    ("AuthManageOwnCredentials", None),
    ("FSFullAccess", Some(Role::ReadWrite)),
    ("FSReadAll", Some(Role::ReadOnly)),
    ("FSReadWriteAll", Some(Role::ReadWrite)),
];

const GROUPS: [(&str, &[&str]); 4] = [
    ("Admins", &["AuthFullAccess", "FSFullAccess"]),
    ("Developers", &["AuthManageOwnCredentials", "FSReadWriteAll"]),
    ("SuperUsers", &["AuthManageOwnCredentials", "FSFullAccess"]),
    ("Viewers", &["AuthManageOwnCredentials", "FSReadAll"]),
];

/// Says that the built-in records were made: what is deleted afterwards stays deleted.
struct MadeRecord;

impl Record for MadeRecord {
    const KIND: &'static str = "built-in accounts";
    const PREFIX: &'static str = "built-in/";

    fn encode(&self) -> Vec<u8> {
        vec![1]
    }

    fn decode(_: &[u8]) -> Result<Self, crate::RecordError> {
        Ok(MadeRecord)
    }
}

/// Makes the administrator's record and the built-in groups and policies, unless that was done before.
pub(super) async fn make_once(store: &Store, now_ms: i64) -> Result<(), DirectoryError> {
    const MADE: &str = "made";
    if store.get::<MadeRecord>(MADE).await?.is_some() {
        return Ok(());
    }
    let uid = || Uid(store.ids.id16());
    let mut edits = vec![put(MADE, &MadeRecord, Expect::Absent)];
    let mut policies = Vec::new();
    for (name, role) in POLICIES {
        let grants = role.map(Grant::everywhere).into_iter().collect();
        let record = PolicyRecord { uid: uid(), created_ms: now_ms, grants };
        policies.push(Link { name: AccountName::new(name)?, uid: record.uid });
        edits.push(put(name, &record, Expect::Any));
    }
    let mut admins = None;
    for (name, attached) in GROUPS {
        let policies = policies.iter().filter(|link| attached.contains(&link.name.as_str())).cloned();
        let description = "made with the installation".to_owned();
        let record =
            GroupRecord { uid: uid(), created_ms: now_ms, description, policies: policies.collect() };
        admins = admins.or(Some(Link { name: AccountName::new(name)?, uid: record.uid }));
        edits.push(put(name, &record, Expect::Any));
    }
    let groups = admins.into_iter().collect();
    let admin = UserRecord { uid: uid(), created_ms: now_ms, groups, policies: Vec::new(), keys: Vec::new() };
    edits.push(put(ADMIN, &admin, Expect::Any));
    // Refused means that another server made them at the same time.
    store.apply("making the built-in accounts", &edits).await?;
    Ok(())
}

/// Proves that the current server key is that of the installation, or makes it so if the installation's is among the
/// old ones: then all secrets are encrypted anew first. Broken off in between, the next call goes on.
pub(super) async fn check_server_key(store: &Store, keys: &ServerKeys) -> Result<(), DirectoryError> {
    let mine = CheckRecord { fingerprint: keys.current.fingerprint() };
    loop {
        let expect = match store.get::<CheckRecord>(CheckRecord::NAME).await? {
            None => Expect::Absent,
            Some((found, _)) if found == mine => return Ok(()),
            Some((found, version)) if keys.find(found.fingerprint).is_some() => {
                encrypt_anew(store, keys).await?;
                Expect::Is(version)
            }
            Some(_) => return Err(DirectoryError::OtherServerKey),
        };
        let edit = put(CheckRecord::NAME, &mine, expect);
        if let RefUpdate::Applied(_) = store.apply("marking the server key", &[edit]).await? {
            return Ok(());
        }
    }
}

async fn encrypt_anew(store: &Store, keys: &ServerKeys) -> Result<(), DirectoryError> {
    let current = keys.current.fingerprint();
    let mut page = Page { prefix: String::new(), after: None, amount: 1_000 };
    loop {
        let listing = store.list::<KeyRecord>(&page, |key| key.sealed.fingerprint != current).await?;
        for (id, _) in listing.results {
            let renewed = store.update::<KeyRecord>(&id, |mut record| {
                let secret = lookup::unseal(keys, &id, &record.sealed)?;
                record.sealed = lookup::seal(keys, store.ids.as_ref(), &id, &secret)?;
                Ok(super::store::Change::Set(record))
            });
            match renewed.await {
                // Deleted since it was listed.
                Ok(()) | Err(DirectoryError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if !listing.more {
            return Ok(());
        }
        page.after = Some(listing.next);
    }
}
