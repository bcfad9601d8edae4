//! Which folders are tables, from their keys alone. Pure.
//!
//! The nearest root above a path owns it. So a table that lies within another one is a unit of its own, and a
//! stray marker high up in a lake does not make one unit of everything below it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A table format that is known by its files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableFormat {
    /// Delta Lake: `_delta_log/<20 digits>.json`, or a checkpoint there.
    Delta,
    /// Apache Iceberg: `metadata/*.metadata.json`, or `metadata/version-hint.text`.
    Iceberg,
    /// Apache Hudi: anything below `.hoodie/`.
    Hudi,
}

impl TableFormat {
    /// All formats; the first one that a folder has names it.
    pub const ALL: [TableFormat; 3] = [TableFormat::Delta, TableFormat::Iceberg, TableFormat::Hudi];

    /// The folder below the root that holds the format's own files, with its `/`.
    pub fn marker_folder(self) -> &'static str {
        match self {
            TableFormat::Delta => "_delta_log/",
            TableFormat::Iceberg => "metadata/",
            TableFormat::Hudi => ".hoodie/",
        }
    }

    /// Whether a file of this name, relative to the marker folder, shows that the folder is a table.
    pub fn is_marker(self, name: &str) -> bool {
        match self {
            TableFormat::Delta => is_delta_marker(name),
            TableFormat::Iceberg => {
                name == "version-hint.text"
                    || (!name.contains('/')
                        && (name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz")))
            }
            TableFormat::Hudi => !name.is_empty(),
        }
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableFormat::Delta => "Delta",
            TableFormat::Iceberg => "Iceberg",
            TableFormat::Hudi => "Hudi",
        })
    }
}

fn is_delta_marker(name: &str) -> bool {
    let Some((version, rest)) = name.split_once('.') else {
        return false;
    };
    let is_version = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
    let is_checkpoint = rest == "checkpoint" || rest.starts_with("checkpoint.");
    is_version && (rest == "json" || is_checkpoint) && !rest.contains('/')
}

/// The version that a file of a Delta log commits: `<20 digits>.json`, relative to `_delta_log/`.
pub fn delta_version(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_version { digits.parse().ok() } else { None }
}

/// The folders above a key, the nearest first, without a `/` at the end; the last is `""`, the repository.
///
/// Nothing below `_anabranch/` belongs to a table, so its keys have no folders.
pub fn folders_above(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let own = key.starts_with(b"_anabranch/");
    let slashes = key.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    let folders = slashes.filter_map(|(at, _)| key.get(..at));
    folders.chain(std::iter::once(b"".as_slice())).filter(move |_| !own)
}

/// `folder` with the `/` that every key below it has; the repository itself has none.
pub fn folder_prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_other_files() {
        let delta = TableFormat::Delta;
        for name in [
            "00000000000000000000.json",
            "00000000000000000010.checkpoint.parquet",
            "00000000000000000010.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000010.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
        ] {
            assert!(delta.is_marker(name), "{name}");
        }
        for name in
            ["", "0.json", "_last_checkpoint", "00000000000000000000.crc", "x/00000000000000000000.json"]
        {
            assert!(!delta.is_marker(name), "{name}");
        }
        let iceberg = TableFormat::Iceberg;
        assert!(iceberg.is_marker("v3.metadata.json") && iceberg.is_marker("version-hint.text"));
        assert!(!iceberg.is_marker("snap-1.avro") && !iceberg.is_marker("a/v3.metadata.json"));
        assert!(TableFormat::Hudi.is_marker("hoodie.properties"));
    }

    #[test]
    fn the_folders_above_a_key_come_nearest_first() {
        let folders = |key: &str| -> Vec<String> {
            folders_above(key.as_bytes()).map(|f| String::from_utf8_lossy(f).into_owned()).collect()
        };
        assert_eq!(folders("a/b/c"), ["a/b", "a", ""]);
        assert_eq!(folders("a//c"), ["a/", "a", ""]);
        assert_eq!(folders("/a"), ["", ""]);
        assert_eq!(folders("a"), [""]);
        assert!(folders("_anabranch/merge.toml").is_empty());
    }

    #[test]
    fn only_commits_have_a_version() {
        assert_eq!(delta_version("00000000000000000012.json"), Some(12));
        for name in ["00000000000000000012.checkpoint.parquet", "12.json", "99999999999999999999.json"] {
            assert_eq!(delta_version(name), None, "{name}");
        }
    }
}
