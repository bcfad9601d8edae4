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
    /// Apache Iceberg: `metadata/*.metadata.json`. A `version-hint.text` alone names a file that is gone.
    Iceberg,
    /// Apache Hudi: anything below `.hoodie/`.
    Hudi,
    /// Lance: `_versions/*.manifest`.
    Lance,
    /// Zarr, version 2 of its format: `.zgroup`, `.zarray` or `.zmetadata` in the folder itself.
    Zarr2,
    /// Zarr, version 3 of its format: `zarr.json` in the folder itself.
    Zarr3,
}

impl TableFormat {
    /// All formats; the first one that a folder has names it.
    pub const ALL: [TableFormat; 6] = [
        TableFormat::Delta,
        TableFormat::Iceberg,
        TableFormat::Hudi,
        TableFormat::Lance,
        TableFormat::Zarr2,
        TableFormat::Zarr3,
    ];

    /// What the paths of the format's own files begin with, below the root: the folder that holds them, with its `/`, or
    /// the first letters of their names.
    pub fn marker_folder(self) -> &'static str {
        match self {
            TableFormat::Delta => "_delta_log/",
            TableFormat::Iceberg => "metadata/",
            TableFormat::Hudi => ".hoodie/",
            TableFormat::Lance => "_versions/",
            TableFormat::Zarr2 => ".z",
            TableFormat::Zarr3 => "zarr.json",
        }
    }

    /// Whether a file of this name, without what [`TableFormat::marker_folder`] says, shows that the folder is a table.
    pub fn is_marker(self, name: &str) -> bool {
        match self {
            TableFormat::Delta => is_delta_marker(name),
            TableFormat::Iceberg => {
                !name.contains('/')
                    && (name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz"))
            }
            TableFormat::Hudi => !name.is_empty(),
            TableFormat::Lance => !name.contains('/') && name.len() > 9 && name.ends_with(".manifest"),
            // `.zattrs` alone describes nothing.
            TableFormat::Zarr2 => matches!(name, "group" | "array" | "metadata"),
            TableFormat::Zarr3 => name.is_empty(),
        }
    }

    /// Whether the format is one of the versions of Zarr.
    pub fn is_zarr(self) -> bool {
        matches!(self, TableFormat::Zarr2 | TableFormat::Zarr3)
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableFormat::Delta => "Delta",
            TableFormat::Iceberg => "Iceberg",
            TableFormat::Hudi => "Hudi",
            TableFormat::Lance => "Lance",
            TableFormat::Zarr2 => "Zarr v2",
            TableFormat::Zarr3 => "Zarr v3",
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

/// The folders above a key that may be tables, in the order of [`folders_above`].
///
/// None lies in a `.hoodie`: the metadata table of Hudi is a Hudi table by its files, and a part of the table that it tells of.
pub fn table_folders_above(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_inside = |folder: &[u8]| folder.split(|byte| *byte == b'/').any(|part| part == b".hoodie");
    folders_above(key).filter(move |folder| !is_inside(folder))
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
        assert!(iceberg.is_marker("v3.metadata.json") && !iceberg.is_marker("version-hint.text"));
        assert!(!iceberg.is_marker("snap-1.avro") && !iceberg.is_marker("a/v3.metadata.json"));
        assert!(TableFormat::Hudi.is_marker("hoodie.properties"));
        let lance = TableFormat::Lance;
        assert!(lance.is_marker("1.manifest") && lance.is_marker("18446744073709551614.manifest"));
        assert!(
            !lance.is_marker(".manifest") && !lance.is_marker("x/1.manifest") && !lance.is_marker("1.txn")
        );
        assert!(TableFormat::Zarr2.is_marker("array") && !TableFormat::Zarr2.is_marker("attrs"));
        assert!(TableFormat::Zarr3.is_marker("") && !TableFormat::Zarr3.is_marker(".bak"));
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
    fn no_table_lies_in_what_belongs_to_a_hudi_table() {
        let folders = |key: &str| -> Vec<String> {
            table_folders_above(key.as_bytes()).map(|f| String::from_utf8_lossy(f).into_owned()).collect()
        };
        assert_eq!(folders("t/.hoodie/metadata/.hoodie/1.deltacommit"), ["t", ""]);
        assert_eq!(folders(".hoodie/hoodie.properties"), [""]);
        assert_eq!(folders("t/x.hoodie/a"), ["t/x.hoodie", "t", ""]);
    }

    #[test]
    fn only_commits_have_a_version() {
        assert_eq!(delta_version("00000000000000000012.json"), Some(12));
        for name in ["00000000000000000012.checkpoint.parquet", "12.json", "99999999999999999999.json"] {
            assert_eq!(delta_version(name), None, "{name}");
        }
    }
}
