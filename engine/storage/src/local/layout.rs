//! Which file holds which object. Pure.
//!
//! A key's segments become folders and its last one a file, with `%` and everything outside printable ASCII
//! written as `%XX`, so that neither case folding of accents nor Unicode normalization of a file system can make
//! two keys one. A folder's name ends in a bare `%`: so `a` (a file) and `a/b` (in the folder `a%`) live side
//! by side, and names that no key can have remain for the storage itself.

use std::path::PathBuf;

use anabranch_types::ObjectKey;

use crate::key::refused;
use crate::{StorageError, check_key};

/// The folder of files on their way, below the root. No segment is written like this.
pub(crate) const TEMPORARIES: &str = "%tmp";

/// The longest file name that common file systems take, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Where an object lies, relative to the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The folders, outermost first.
    pub(crate) folders: Vec<String>,
    /// The file in the last of them.
    pub(crate) file: String,
}

impl Place {
    /// The folder and the file, relative to the root.
    pub(crate) fn paths(&self) -> (PathBuf, PathBuf) {
        let folder: PathBuf = self.folders.iter().collect();
        let file = folder.join(&self.file);
        (folder, file)
    }
}

/// Finds the place of `key`, or refuses it.
pub(crate) fn place(key: &ObjectKey) -> Result<Place, StorageError> {
    check_key(key)?;
    let mut names: Vec<String> = key.as_str().split('/').map(encode).collect();
    let file = names.pop().unwrap_or_default();
    for name in &mut names {
        name.push('%');
    }
    if names.iter().chain([&file]).any(|name| name.len() > FILE_NAME_BYTES_MAX) {
        return Err(refused(key, "a segment is longer than a file name may be (255 bytes, a folder's 254)"));
    }
    Ok(Place { folders: names, file })
}

fn encode(segment: &str) -> String {
    let mut name = String::with_capacity(segment.len() + 1);
    for byte in segment.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// What a name in a folder stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// An object with this last segment.
    Object(String),
    /// A folder with this segment.
    Folder(String),
}

/// Reads a file name back. `None`: it is not one of ours.
pub(crate) fn read_name(name: &str) -> Option<Named> {
    let (body, is_folder) = match name.strip_suffix('%') {
        Some(body) => (body, true),
        None => (name, false),
    };
    let segment = decode(body)?;
    Some(if is_folder { Named::Folder(segment) } else { Named::Object(segment) })
}

fn decode(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let segment = String::from_utf8(bytes).ok()?;
    // A foreign file may decode and still not be what we would have written.
    (!segment.is_empty() && encode(&segment) == name).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(key: &str, expect: Expect) {
        let answer = match place(&ObjectKey::new(key)) {
            Ok(place) => place.paths().1.display().to_string(),
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&answer);
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_do_not_meet() {
        check("a", expect!["a"]);
        check("a/b", expect!["a%/b"]);
        check("a%/b", expect!["a%25%/b"]);
        check("%tmp", expect!["%25tmp"]);
        check("data/00000/Ünïcode", expect!["data%/00000%/%C3%9Cn%C3%AFcode"]);
    }

    #[test]
    fn a_name_that_no_file_can_have_is_refused() {
        assert!(place(&ObjectKey::new("x".repeat(255))).is_ok());
        assert!(place(&ObjectKey::new("x".repeat(256))).is_err());
        assert!(place(&ObjectKey::new("x".repeat(255) + "/a")).is_err());
        check(
            &"ü".repeat(43),
            expect![[
                r#"object key "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" is refused: a segment is longer than a file name may be (255 bytes, a folder's 254)"#
            ]],
        );
    }

    #[test]
    fn names_of_others_are_not_read() {
        for name in ["%tmp", "%", "%4", "a%zz", "%41", "%c3%9c", "lost+found%%"] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_segment_is_read_back(segment in "[^/\\p{Cc}]{1,60}") {
            let name = encode(&segment);
            prop_assert!(name.is_ascii());
            prop_assert_eq!(read_name(&name), Some(Named::Object(segment.clone())));
            prop_assert_eq!(read_name(&format!("{name}%")), Some(Named::Folder(segment)));
        }
    }
}
