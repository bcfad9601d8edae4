//! Content-derived ids: 32 bytes, shown as 64 hexadecimal characters.

use std::fmt;
use std::str::FromStr;

/// The text is not the hexadecimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id: it takes 64 hexadecimal characters")]
pub struct ParseIdError {
    /// What was given, cut to a length that can be shown.
    pub text: String,
}

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                $name(bytes)
            }

            /// The id of this content: its BLAKE3 hash.
            pub fn of(content: &[u8]) -> Self {
                $name(*blake3::hash(content).as_bytes())
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 hexadecimal characters of the id.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.to_hex()[..12])
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) => Ok($name(bytes)),
                    Err(_) => Err(ParseIdError { text: text.chars().take(80).collect() }),
                }
            }
        }
    };
}

content_id! {
    /// Names a commit: the BLAKE3 hash of its encoded record.
    CommitId
}

content_id! {
    /// Names a tree node, and by its root a whole tree: the BLAKE3 hash of the node's logical content.
    NodeId
}
