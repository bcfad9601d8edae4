//! The key of an object within a repository.

use std::fmt;

/// A path that no object can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} is refused: {rule}")]
pub struct InvalidPath {
    /// What was given, cut to a length that can be shown.
    pub path: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// The key of an object: UTF-8, 1 to 1,024 bytes, compared and ordered bytewise.
///
/// Two Unicode forms of one text are two paths, as on S3. A `.` or `..` segment is refused, because
/// clients, tools and local folders resolve it differently; so is NUL. Empty segments (`a//b`) are
/// kept: they are legal keys on S3. A first segment that begins with `@` is reserved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath(String);

impl ObjectPath {
    /// The most bytes a path may have: the limit of S3.
    pub const BYTES_MAX: usize = 1024;

    /// Checks `path` and takes it.
    pub fn new(path: impl Into<String>) -> Result<Self, InvalidPath> {
        let path = path.into();
        match check(&path) {
            Ok(()) => Ok(ObjectPath(path)),
            Err(rule) => Err(InvalidPath { path: path.chars().take(200).collect(), rule }),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as bytes: the key in the tree.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Gives the text back.
    pub fn into_string(self) -> String {
        self.0
    }
}

fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.len() > ObjectPath::BYTES_MAX {
        return Err("it is longer than 1,024 bytes");
    }
    if path.contains('\0') {
        return Err("it holds a NUL character");
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("it has a segment '.' or '..'");
    }
    if path.starts_with('@') {
        return Err("a first segment that begins with '@' is reserved");
    }
    Ok(())
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused_and_odd_ones_kept() {
        for bad in ["", "a/../b", "..", "./a", "a/.", "a\0b", "@tables/x"] {
            assert!(ObjectPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(ObjectPath::new("x".repeat(1025)).is_err());
        for good in ["a", "a//b", "/a", "a/", "é", "e\u{301}", "a b%25", "..a/b..", "日本"] {
            assert!(ObjectPath::new(good).is_ok(), "{good:?}");
        }
        assert!(ObjectPath::new("x".repeat(1024)).is_ok());
        assert_ne!(ObjectPath::new("é"), ObjectPath::new("e\u{301}"), "Unicode forms stay apart");
    }
}
