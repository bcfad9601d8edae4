//! Listing a local folder in bytewise order of key.
//!
//! Going through folders one by one is that order only if a folder sorts as its name with a `/` behind it:
//! `a-b` and `a.b` come before `a/…`, because `-` and `.` are smaller than `/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use anabranch_types::ObjectKey;

use super::layout::{self, Named};
use crate::ListedObject;

/// How many objects one step finds.
const BATCH_OBJECTS: usize = 256;

/// A listing under way. Holds the names of the folders on the path to where it stands, never all objects.
#[derive(Debug)]
pub(crate) struct Walk {
    prefix: String,
    after: Option<String>,
    levels: Vec<IntoIter<Child>>,
}

/// An object or a folder on the way.
#[derive(Debug)]
struct Child {
    /// The object's key, or what the keys of the folder begin with.
    key: String,
    path: PathBuf,
    is_folder: bool,
}

impl Walk {
    /// A walk that begins at `root`. Touches no file yet.
    pub(crate) fn new(root: &Path, prefix: &str, after: Option<&ObjectKey>) -> Self {
        let root = Child { key: String::new(), path: root.to_path_buf(), is_folder: true };
        Walk {
            prefix: prefix.to_string(),
            after: after.map(|key| key.as_str().to_string()),
            levels: vec![vec![root].into_iter()],
        }
    }

    /// The next objects; none at the end. Blocks.
    pub(crate) fn next_batch(&mut self) -> io::Result<Vec<ListedObject>> {
        let mut batch = Vec::new();
        while let Some(level) = self.levels.last_mut() {
            let Some(child) = level.next() else {
                self.levels.pop();
                continue;
            };
            if child.is_folder {
                let children = self.read_folder(&child)?;
                self.levels.push(children.into_iter());
            } else if let Some(size) = size_of(&child.path)? {
                batch.push(ListedObject { key: ObjectKey::new(child.key), size });
                if batch.len() == BATCH_OBJECTS {
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn read_folder(&self, folder: &Child) -> io::Result<Vec<Child>> {
        let mut children = Vec::new();
        for entry in fs::read_dir(&folder.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let (segment, is_folder) = match name.to_str().and_then(layout::read_name) {
                Some(Named::Object(segment)) => (segment, false),
                Some(Named::Folder(segment)) => (segment + "/", true),
                None => continue,
            };
            let key = format!("{}{segment}", folder.key);
            if self.may_hold(&key, is_folder) {
                children.push(Child { key, path: entry.path(), is_folder });
            }
        }
        children.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(children)
    }

    /// Whether `key`, or a key below this folder, belongs to the listing.
    fn may_hold(&self, key: &str, is_folder: bool) -> bool {
        let in_prefix = key.starts_with(&self.prefix) || (is_folder && self.prefix.starts_with(key));
        let is_after = match self.after.as_deref() {
            Some(after) => key > after || (is_folder && after.starts_with(key)),
            None => true,
        };
        in_prefix && is_after
    }
}

/// The size of an object; `None` if it was removed since its folder was read.
fn size_of(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
