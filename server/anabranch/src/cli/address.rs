//! An object or folder of any repository in one word: `REPOSITORY/REF/PATH`.

use std::fmt;
use std::str::FromStr;

/// Where something lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) repository: String,
    pub(super) reference: String,
    /// Empty: everything on the ref.
    pub(super) path: String,
}

impl FromStr for Address {
    type Err = String;

    /// Reads `REPOSITORY/REF/PATH`, as bucket and key of the S3 door; `s3://` and `lakefs://` may stand before it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix("s3://").or_else(|| text.strip_prefix("lakefs://")).unwrap_or(text);
        let mut parts = bare.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(repository), Some(reference), path) if !repository.is_empty() && !reference.is_empty() => {
                Ok(Address {
                    repository: repository.to_owned(),
                    reference: reference.to_owned(),
                    path: path.unwrap_or_default().to_owned(),
                })
            }
            _ => Err("write REPOSITORY/REF/PATH".into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.repository, self.reference, self.path)
    }
}

/// A path as the beginning of all paths below it: with a slash at its end, or empty for everything.
pub(super) fn folder(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() { String::new() } else { format!("{path}/") }
}

/// Whether a path means everything below it.
pub(super) fn is_folder(path: &str) -> bool {
    path.is_empty() || path.ends_with('/')
}

/// The last name of a path.
pub(super) fn name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_bucket_and_key() {
        let parsed = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(parsed("sales/main/a/b.csv"), Ok("sales/main/a/b.csv".into()));
        assert_eq!(parsed("s3://sales/main/a/"), Ok("sales/main/a/".into()));
        assert_eq!(parsed("lakefs://sales/main"), Ok("sales/main/".into()));
        for wrong in ["", "sales", "/main/a", "sales//a", "s3://sales"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_ends_in_one_slash() {
        assert_eq!([folder(""), folder("/"), folder("a"), folder("a/b//")], ["", "", "a/", "a/b/"]);
        assert_eq!([name("a/b"), name("a/b/"), name("a"), name("")], ["b", "b", "a", ""]);
    }
}
