//! Reads cases from folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;

use super::expect::Expect;

/// What is read of one case, at most.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Files by their paths below a side, parts joined by `/`.
pub(super) type Files = BTreeMap<String, Bytes>;

/// A merge that is written down.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) base: Files,
    pub(super) ours: Files,
    pub(super) theirs: Files,
    /// None where there is no folder of that name.
    pub(super) expected: Option<Files>,
    pub(super) expect: Expect,
}

/// The cases in a folder, in order of name: the folders in it, or itself where it is a case.
pub(super) fn cases(folder: &Path) -> anyhow::Result<Vec<Case>> {
    if is_case(folder) {
        return Ok(vec![case(folder)?]);
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in entries(folder)? {
        if is_case(&entry) {
            folders.push(entry);
        }
    }
    folders.iter().map(|folder| case(folder)).collect()
}

fn is_case(folder: &Path) -> bool {
    ["ours", "theirs"].iter().any(|side| folder.join(side).is_dir())
}

fn case(folder: &Path) -> anyhow::Result<Case> {
    let mut left = BYTES_MAX;
    let mut side = |name: &str| -> anyhow::Result<Option<Files>> {
        let side = folder.join(name);
        if !side.is_dir() {
            return Ok(None);
        }
        let mut files = Files::new();
        read_into(&mut files, &side, "", &mut left)?;
        Ok(Some(files))
    };
    let (base, ours, theirs) = (side("base")?, side("ours")?, side("theirs")?);
    let expected = side("expected")?;
    let file = folder.join("expect.toml");
    let expect = match std::fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} is not valid", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Expect::default(),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let [base, ours, theirs] = [base, ours, theirs].map(Option::unwrap_or_default);
    Ok(Case { name, base, ours, theirs, expected, expect })
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("{} cannot be read", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        paths.push(entry.with_context(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_into(files: &mut Files, folder: &Path, prefix: &str, left: &mut u64) -> anyhow::Result<()> {
    for path in entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("{}: its name is not UTF-8", path.display());
        };
        // What keeps an empty folder in git.
        if name == ".gitkeep" {
            continue;
        }
        let inside = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            read_into(files, &path, &inside, left)?;
            continue;
        }
        let body = super::super::local::read(&path)?;
        let Some(rest) = left.checked_sub(body.len() as u64) else {
            bail!("{}: a case has at most {BYTES_MAX} bytes", path.display());
        };
        *left = rest;
        files.insert(inside, body);
    }
    Ok(())
}
