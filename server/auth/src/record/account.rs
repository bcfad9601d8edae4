//! Users and groups.

use super::wire::{Reader, put_list, put_text};
use super::{Link, Named, Record, RecordError, Uid, link, put_link};

const VERSION: u8 = 1;

/// A user. Its name is the key of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UserRecord {
    pub(crate) uid: Uid,
    pub(crate) created_ms: i64,
    pub(crate) groups: Vec<Link>,
    pub(crate) policies: Vec<Link>,
    /// The ids of its access keys.
    pub(crate) keys: Vec<String>,
}

impl Record for UserRecord {
    const KIND: &'static str = "user";
    const PREFIX: &'static str = "user/";

    /// `version u8 | uid 16 | created_ms i64 | groups list of (name, uid) | policies likewise | keys list of text`.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid.0);
        out.extend(self.created_ms.to_le_bytes());
        put_list(&mut out, &self.groups, put_link);
        put_list(&mut out, &self.policies, put_link);
        put_list(&mut out, &self.keys, |out, key| put_text(out, key));
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Self::KIND, VERSION, bytes)?;
        let record = UserRecord {
            uid: Uid(reader.array("uid")?),
            created_ms: reader.i64("created_ms")?,
            groups: reader.list("groups", link)?,
            policies: reader.list("policies", link)?,
            keys: reader.list("keys", |reader| reader.text("key"))?,
        };
        reader.finish()?;
        Ok(record)
    }
}

impl Named for UserRecord {
    fn uid(&self) -> Uid {
        self.uid
    }
}

/// A group. Its name is the key of the record; its members are recorded with the users.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupRecord {
    pub(crate) uid: Uid,
    pub(crate) created_ms: i64,
    pub(crate) description: String,
    pub(crate) policies: Vec<Link>,
}

impl Record for GroupRecord {
    const KIND: &'static str = "group";
    const PREFIX: &'static str = "group/";

    /// `version u8 | uid 16 | created_ms i64 | description text | policies list of (name, uid)`.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid.0);
        out.extend(self.created_ms.to_le_bytes());
        put_text(&mut out, &self.description);
        put_list(&mut out, &self.policies, put_link);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(Self::KIND, VERSION, bytes)?;
        let record = GroupRecord {
            uid: Uid(reader.array("uid")?),
            created_ms: reader.i64("created_ms")?,
            description: reader.text("description")?,
            policies: reader.list("policies", link)?,
        };
        reader.finish()?;
        Ok(record)
    }
}

impl Named for GroupRecord {
    fn uid(&self) -> Uid {
        self.uid
    }
}
