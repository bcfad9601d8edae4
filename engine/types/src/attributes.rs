//! What an entry carries beside its bytes and the metadata of its user: headers, tags, checksums, parts.
//!
//! They stand in the metadata under names of their own, `KIND:NAME`, so that copies, commits and merges carry them like
//! everything else there, and entries written before a kind was known read as ever.

/// A kind of attribute that the server keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Attribute {
    /// A header that an object is given back with: `http:content-encoding`.
    Header,
    /// A tag of S3: `tag:team`.
    Tag,
    /// A further checksum of the bytes, in base64, by the name of its algorithm: `checksum:CRC32`. `-N` at the end says
    /// that it is one of the checksums of N parts.
    Checksum,
    /// What is known of the parts that the bytes were uploaded in: `parts:sizes`.
    Parts,
}

impl Attribute {
    const ALL: [Attribute; 4] = [Attribute::Header, Attribute::Tag, Attribute::Checksum, Attribute::Parts];

    fn prefix(self) -> &'static str {
        match self {
            Attribute::Header => "http:",
            Attribute::Tag => "tag:",
            Attribute::Checksum => "checksum:",
            Attribute::Parts => "parts:",
        }
    }

    /// Whether it says something of the bytes, and not of the path: it goes where they go, and is no change of its own.
    pub fn is_of_bytes(self) -> bool {
        matches!(self, Attribute::Checksum | Attribute::Parts)
    }

    /// The name in the metadata.
    pub fn named(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }
}

/// Takes the name of an attribute apart; `None` for the name of user metadata.
pub fn split_attribute(name: &str) -> Option<(Attribute, &str)> {
    Attribute::ALL.into_iter().find_map(|kind| Some((kind, name.strip_prefix(kind.prefix())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together_and_taken_apart() {
        for kind in Attribute::ALL {
            assert_eq!(split_attribute(&kind.named("a:b")), Some((kind, "a:b")));
        }
        for user in ["tag", "http", "origin", "x-tag:a", ""] {
            assert_eq!(split_attribute(user), None, "{user:?}");
        }
    }
}
