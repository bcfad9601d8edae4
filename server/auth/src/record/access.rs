//! Policies, access keys, and what proves that all servers have one server key.

use super::wire::{Reader, put_bytes, put_list, put_text};
use super::{Link, Named, Record, RecordError, Uid, link, put_link};
use crate::server_key::{Fingerprint, Sealed};
use crate::{Grant, Pattern, Role};

const VERSION: u8 = 1;

/// A policy. Its name is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PolicyRecord {
    pub(crate) uid: Uid,
    pub(crate) created_ms: i64,
    pub(crate) grants: Vec<Grant>,
}

impl Record for PolicyRecord {
    const KIND: &'static str = "policy";
    const PREFIX: &'static str = "policy/";

    /// `version u8 | uid 16 | created_ms i64 | grants list of (role u8, repositories text, branches text)`.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid.0);
        out.extend(self.created_ms.to_le_bytes());
        put_list(&mut out, &self.grants, |out, grant| {
            out.push(match grant.role {
                Role::ReadOnly => 0,
                Role::ReadWrite => 1,
                Role::Admin => 2,
            });
            put_text(out, grant.repositories.as_str());
            put_text(out, grant.branches.as_str());
        });
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Self::KIND, VERSION, bytes)?;
        let record = PolicyRecord {
            uid: Uid(reader.array("uid")?),
            created_ms: reader.i64("created_ms")?,
            grants: reader.list("grants", grant)?,
        };
        reader.finish()?;
        Ok(record)
    }
}

impl Named for PolicyRecord {
    fn uid(&self) -> Uid {
        self.uid
    }
}

fn grant(reader: &mut Reader<'_>) -> Result<Grant, RecordError> {
    let role = match reader.array("role")? {
        [0] => Role::ReadOnly,
        [1] => Role::ReadWrite,
        [2] => Role::Admin,
        _ => return Err(reader.damaged("role")),
    };
    let repositories = Pattern::new(reader.text("repositories")?);
    let branches = Pattern::new(reader.text("branches")?);
    Ok(Grant {
        role,
        repositories: repositories.map_err(|_| reader.damaged("repositories"))?,
        branches: branches.map_err(|_| reader.damaged("branches"))?,
    })
}

/// An access key. Its id is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyRecord {
    pub(crate) user: Link,
    pub(crate) created_ms: i64,
    pub(crate) sealed: Sealed,
}

impl Record for KeyRecord {
    const KIND: &'static str = "access key";
    const PREFIX: &'static str = "key/";

    /// `version u8 | user (name, uid) | created_ms i64 | fingerprint 16 | nonce 24 | encrypted secret bytes`.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_link(&mut out, &self.user);
        out.extend(self.created_ms.to_le_bytes());
        out.extend(self.sealed.fingerprint.0);
        out.extend(self.sealed.nonce);
        put_bytes(&mut out, &self.sealed.text);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Self::KIND, VERSION, bytes)?;
        let record = KeyRecord {
            user: link(&mut reader)?,
            created_ms: reader.i64("created_ms")?,
            sealed: Sealed {
                fingerprint: Fingerprint(reader.array("fingerprint")?),
                nonce: reader.array("nonce")?,
                text: reader.bytes("secret")?.to_vec(),
            },
        };
        reader.finish()?;
        Ok(record)
    }
}

/// Which server key this installation has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CheckRecord {
    pub(crate) fingerprint: Fingerprint,
}

impl CheckRecord {
    /// The one name under its prefix.
    pub(crate) const NAME: &'static str = "check";
}

impl Record for CheckRecord {
    const KIND: &'static str = "server key";
    const PREFIX: &'static str = "server-key/";

    /// `version u8 | fingerprint 16`.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.fingerprint.0);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Self::KIND, VERSION, bytes)?;
        let record = CheckRecord { fingerprint: Fingerprint(reader.array("fingerprint")?) };
        reader.finish()?;
        Ok(record)
    }
}
