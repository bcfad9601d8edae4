//! What is stored of users, groups, policies and keys: explicit encoders, format version 1 each.
//!
//! All records lie in one partition, so that a user and its keys change together. What refers to another record
//! carries its uid beside its name: a group that was deleted and made anew has none of the old members.

mod access;
mod account;
mod wire;

use anabranch_refs::Partition;

pub(crate) use access::{CheckRecord, KeyRecord, PolicyRecord};
pub(crate) use account::{GroupRecord, UserRecord};
pub use wire::RecordError;
use wire::{Reader, put_text};

use crate::AccountName;

/// Tells a record from an earlier one of the same name. Fresh and random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Uid(pub(crate) [u8; 16]);

/// Refers to a record. Holds only as long as that record has this uid.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Link {
    pub(crate) name: AccountName,
    pub(crate) uid: Uid,
}

/// A kind of record.
pub(crate) trait Record: Sized + Send {
    /// What it is called.
    const KIND: &'static str;
    /// What its keys begin with.
    const PREFIX: &'static str;

    fn encode(&self) -> Vec<u8>;

    /// Reads what `encode` wrote. Total.
    fn decode(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// A record that others refer to.
pub(crate) trait Named: Record {
    fn uid(&self) -> Uid;
}

/// The partition of all of them.
pub(crate) fn partition() -> Partition {
    Partition("auth".to_owned())
}

/// The key of a record.
pub(crate) fn key<R: Record>(name: &str) -> String {
    format!("{}{name}", R::PREFIX)
}

fn put_link(out: &mut Vec<u8>, link: &Link) {
    put_text(out, link.name.as_str());
    out.extend(link.uid.0);
}

fn link(reader: &mut Reader<'_>) -> Result<Link, RecordError> {
    let name = AccountName::new(reader.text("name of a link")?);
    let name = name.map_err(|_| reader.damaged("name of a link"))?;
    Ok(Link { name, uid: Uid(reader.array("uid of a link")?) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::server_key::{Fingerprint, Sealed};
    use crate::{Grant, Pattern, Role};

    fn names() -> impl Strategy<Value = AccountName> {
        "[a-zA-Z0-9_][a-zA-Z0-9_+=.,@-]{0,20}".prop_map(|name| AccountName::new(name).unwrap())
    }

    fn uids() -> impl Strategy<Value = Uid> {
        any::<[u8; 16]>().prop_map(Uid)
    }

    fn links() -> impl Strategy<Value = Vec<Link>> {
        prop::collection::vec((names(), uids()).prop_map(|(name, uid)| Link { name, uid }), 0..4)
    }

    fn users() -> impl Strategy<Value = UserRecord> {
        let keys = prop::collection::vec("AKIA[A-Z0-9]{16}", 0..3);
        (uids(), any::<i64>(), links(), links(), keys).prop_map(
            |(uid, created_ms, groups, policies, keys)| UserRecord {
                uid,
                created_ms,
                groups,
                policies,
                keys,
            },
        )
    }

    fn groups() -> impl Strategy<Value = GroupRecord> {
        (uids(), any::<i64>(), ".{0,50}", links()).prop_map(|(uid, created_ms, description, policies)| {
            GroupRecord { uid, created_ms, description, policies }
        })
    }

    fn policies() -> impl Strategy<Value = PolicyRecord> {
        let roles = prop::sample::select(vec![Role::ReadOnly, Role::ReadWrite, Role::Admin]);
        let pattern = || "[a-z*?-]{1,9}".prop_map(|text| Pattern::new(text).unwrap());
        let grant = (roles, pattern(), pattern()).prop_map(|(role, repositories, branches)| Grant {
            role,
            repositories,
            branches,
        });
        (uids(), any::<i64>(), prop::collection::vec(grant, 0..4))
            .prop_map(|(uid, created_ms, grants)| PolicyRecord { uid, created_ms, grants })
    }

    fn keys() -> impl Strategy<Value = KeyRecord> {
        let sealed = (any::<[u8; 16]>(), any::<[u8; 24]>(), prop::collection::vec(any::<u8>(), 0..60));
        (names(), uids(), any::<i64>(), sealed).prop_map(|(name, uid, created_ms, (mark, nonce, text))| {
            let sealed = Sealed { fingerprint: Fingerprint(mark), nonce, text };
            KeyRecord { user: Link { name, uid }, created_ms, sealed }
        })
    }

    fn round_trips<R: Record + PartialEq + std::fmt::Debug>(record: R, cut: usize) {
        let bytes = record.encode();
        assert_eq!(R::decode(&bytes).as_ref(), Ok(&record));
        assert!(R::decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err(), "cut by {cut}");
        let mut newer = bytes.clone();
        newer[0] = 99;
        assert!(matches!(R::decode(&newer), Err(RecordError::UnknownVersion { found: 99, .. })));
        let longer = [bytes, vec![0]].concat();
        assert!(R::decode(&longer).is_err(), "a byte too many");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            (user, group, policy, key) in (users(), groups(), policies(), keys()),
            mark in any::<[u8; 16]>(),
            cut in 1usize..40,
        ) {
            round_trips(user, cut);
            round_trips(group, cut);
            round_trips(policy, cut);
            round_trips(key, cut);
            round_trips(CheckRecord { fingerprint: Fingerprint(mark) }, cut);
        }

        #[test]
        fn decoders_are_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Behind a version that is known, the rest is arbitrary.
            let known = [&[1][..], &bytes].concat();
            for bytes in [&bytes, &known] {
                let _ = UserRecord::decode(bytes);
                let _ = GroupRecord::decode(bytes);
                let _ = PolicyRecord::decode(bytes);
                let _ = KeyRecord::decode(bytes);
                let _ = CheckRecord::decode(bytes);
            }
        }
    }
}
