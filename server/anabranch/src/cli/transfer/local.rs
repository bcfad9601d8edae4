//! Files of this machine: what a folder holds, and where an object may be written.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// What the name of an unfinished download begins with.
pub(super) const PART_PREFIX: &str = ".anabranch-";

/// A file below a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct LocalFile {
    /// Where it is.
    pub(in crate::cli) file: PathBuf,
    /// Its path below the folder, with slashes.
    pub(in crate::cli) path: String,
    pub(in crate::cli) size: u64,
}

/// All files below a folder in order, and what was left out: links to folders, devices, unfinished downloads. Links to
/// files are followed.
pub(in crate::cli) fn files(root: &Path) -> anyhow::Result<(Vec<LocalFile>, Vec<PathBuf>)> {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let unreadable = || format!("the folder {} cannot be read", folder.display());
        for item in fs::read_dir(&folder).with_context(unreadable)? {
            let item = item.with_context(unreadable)?;
            let path = item.path();
            let name = item.file_name();
            let Some(name) = name.to_str() else {
                bail!("the name of {} is not UTF-8: rename it, or leave it out", path.display());
            };
            let relative = format!("{prefix}{name}");
            let kind = item.file_type().with_context(unreadable)?;
            if kind.is_dir() {
                folders.push((path, format!("{relative}/")));
                continue;
            }
            let facts = fs::metadata(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            if facts.is_file() && !is_part(name) {
                found.push(LocalFile { file: path, path: relative, size: facts.len() });
            } else {
                left_out.push(path);
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    left_out.sort();
    Ok((found, left_out))
}

fn is_part(name: &str) -> bool {
    name.starts_with(PART_PREFIX) && name.ends_with(".part")
}

/// Where an object of this path lies below a folder. A path that would lead out of it, or that no file can have, is
/// refused: what objects are called is up to others.
pub(in crate::cli) fn below(folder: &Path, relative: &str) -> anyhow::Result<PathBuf> {
    let mut path = folder.to_owned();
    for name in relative.split('/') {
        if matches!(name, "" | "." | "..") || name.contains('\0') {
            bail!("no file can have this path: get the object by itself, and name the file");
        }
        path.push(name);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_found_in_order_and_links_to_folders_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::write(root.join("b/c/two"), "22").unwrap();
        fs::write(root.join("a"), "1").unwrap();
        fs::write(root.join(".anabranch-0123.part"), "half").unwrap();
        std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("z")).unwrap();
        let (found, left_out) = files(root).unwrap();
        let found: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!(found, [("a", 1), ("b/c/two", 2), ("z", 1)]);
        assert_eq!(left_out, [root.join(".anabranch-0123.part"), root.join("loop")]);
    }

    #[test]
    fn no_object_is_written_outside_the_folder() {
        let folder = Path::new("/tmp/x");
        assert_eq!(below(folder, "a/b").unwrap(), Path::new("/tmp/x/a/b"));
        for bad in ["../a", "a/../b", "/etc/passwd", "a//b", "a/", ".", "a\0b", ""] {
            assert!(below(folder, bad).is_err(), "{bad}");
        }
    }
}
