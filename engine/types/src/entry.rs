//! What a path of a tree refers to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Attribute, split_attribute};

/// The name of an object in a repository's object storage, relative to its storage namespace. Cheap to clone.
///
/// Objects that the server writes are `data/<slice>/<id>`, both parts 20 base32hex characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Takes `key` as it is.
    pub fn new(key: impl Into<String>) -> Self {
        ObjectKey(key.into().into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Where bytes lie: a range of one immutable object. Small objects share a segment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// The object.
    pub object: ObjectKey,
    /// Where in the object the bytes begin.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// What the content of an entry is checked by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 16]);

impl Checksum {
    /// The checksum with these bytes: the MD5 of the body.
    ///
    /// A multipart upload has the MD5 of its parts' MD5s, as on S3.
    pub const fn from_md5(bytes: [u8; 16]) -> Self {
        Checksum(bytes)
    }

    /// The bytes of the checksum.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The 32 hexadecimal characters of the checksum.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// What a path of a tree or of the staging area refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where the bytes lie.
    pub address: Address,
    /// How many bytes the object has. Equals `address.length`.
    pub size: u64,
    /// The checksum of the bytes; also the entity tag.
    pub checksum: Checksum,
    /// How many parts a multipart upload had; 0 for an object written in one piece. Part of the entity tag.
    pub parts: u32,
    /// When it was written, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// The media type, as the client named it.
    pub content_type: String,
    /// User metadata, and what the server keeps beside it: see [`Attribute`].
    pub metadata: BTreeMap<String, String>,
}

impl Entry {
    /// Whether two entries hold the same thing: size, checksum, content type, user metadata and tags.
    ///
    /// Address and time do not count, so that writing equal bytes again is no change. Neither do further checksums of
    /// the bytes, and the sizes of their parts: one client sends them, the next does not.
    pub fn same_content(&self, other: &Entry) -> bool {
        self.size == other.size
            && self.checksum == other.checksum
            && self.parts == other.parts
            && self.content_type == other.content_type
            && compared(&self.metadata).eq(compared(&other.metadata))
    }

    /// What users attached, without what the server keeps beside it.
    pub fn user_metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let user = self.metadata.iter().filter(|(name, _)| split_attribute(name).is_none());
        user.map(|(name, value)| (&**name, &**value))
    }

    /// The attributes of one kind, in order of name.
    pub fn attributes(&self, kind: Attribute) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().filter_map(move |(name, value)| match split_attribute(name) {
            Some((found, name)) if found == kind => Some((name, &**value)),
            _ => None,
        })
    }

    /// Puts these attributes in place of all of their kind.
    pub fn replace_attributes(
        &mut self,
        kind: Attribute,
        attributes: impl IntoIterator<Item = (String, String)>,
    ) {
        self.metadata.retain(|name, _| split_attribute(name).is_none_or(|(found, _)| found != kind));
        self.metadata.extend(attributes.into_iter().map(|(name, value)| (kind.named(&name), value)));
    }

    /// The entity tag without quotes, as S3 writes it: `<md5>` or `<md5>-<parts>`.
    pub fn etag(&self) -> String {
        match self.parts {
            0 => self.checksum.to_hex(),
            parts => format!("{}-{parts}", self.checksum.to_hex()),
        }
    }
}

/// What of the metadata tells contents apart.
fn compared(metadata: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    metadata.iter().filter(|(name, _)| !split_attribute(name).is_some_and(|(kind, _)| kind.is_of_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(metadata: &[(&str, &str)]) -> Entry {
        Entry {
            address: Address { object: ObjectKey::new("data/x"), offset: 0, length: 1 },
            size: 1,
            checksum: Checksum::from_md5([1; 16]),
            parts: 0,
            modified_ms: 0,
            content_type: String::new(),
            metadata: metadata.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn a_further_checksum_is_no_change_and_a_tag_is_one() {
        let plain = entry(&[("origin", "north")]);
        assert!(plain.same_content(&entry(&[("origin", "north"), ("checksum:CRC32", "AAAAAA==")])));
        assert!(entry(&[("checksum:SHA1", "x"), ("origin", "north")]).same_content(&plain));
        assert!(entry(&[("parts:sizes", "5*2"), ("origin", "north")]).same_content(&plain));
        assert!(!plain.same_content(&entry(&[("origin", "north"), ("tag:team", "blue")])));
        assert!(!plain.same_content(&entry(&[("origin", "south")])));
        assert!(!plain.same_content(&entry(&[])));
    }

    #[test]
    fn attributes_are_set_and_read_by_kind() {
        let mut entry = entry(&[("origin", "north"), ("http:expires", "never"), ("tag:old", "1")]);
        entry.replace_attributes(Attribute::Tag, [("team".to_owned(), "blue".to_owned())]);
        assert_eq!(entry.attributes(Attribute::Tag).collect::<Vec<_>>(), [("team", "blue")]);
        assert_eq!(entry.attributes(Attribute::Header).collect::<Vec<_>>(), [("expires", "never")]);
        assert_eq!(entry.user_metadata().collect::<Vec<_>>(), [("origin", "north")]);
    }
}
