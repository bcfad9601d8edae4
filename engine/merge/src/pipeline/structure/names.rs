//! What the name of an object says about it, by the customs of writers of files in folders. Pure.

/// Endings of files that readers of a folder take for data.
const DATA_ENDINGS: [&str; 12] = [
    ".parquet", ".orc", ".avro", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".arrow", ".feather", ".ipc",
    ".parq",
];

/// Endings that a compression adds.
const COMPRESSIONS: [&str; 9] =
    [".gz", ".gzip", ".bz2", ".zst", ".zstd", ".snappy", ".lz4", ".xz", ".deflate"];

/// Files below a dataset that name its data files, each at this path below the dataset: a reader that has one looks at
/// nothing else. With a `/` at the end: every file in that folder.
pub(super) const SUMMARIES: [&str; 5] =
    ["_metadata", "_manifest", "_manifest/", "_spark_metadata/", "_symlink_format_manifest/"];

/// Files that vouch for data below their folder without naming it.
pub(super) const MARKERS: [&str; 2] = ["_SUCCESS", "_common_metadata"];

/// What the names of commit files of Databricks' DBIO begin with.
pub(super) const DBIO_COMMIT: &str = "_committed_";

/// The folder that a key lies in, without a `/` at the end, and its name there.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// Whether a name is one that readers of a folder pass over.
pub(super) fn is_hidden(name: &str) -> bool {
    name.is_empty() || name.starts_with(['.', '_'])
}

/// Whether any part of a path is one that readers pass over.
pub(super) fn is_hidden_below(relative: &str) -> bool {
    relative.split('/').any(is_hidden)
}

/// Whether a name in a folder is that of a data file. In a Hive partition every file that is not hidden is one: Hive
/// itself writes names without an ending.
pub(super) fn is_data(folder: &str, name: &str) -> bool {
    if is_hidden(name) {
        return false;
    }
    is_partition(folder) || has_data_ending(name) || is_engine_name(name)
}

fn has_data_ending(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let bare = COMPRESSIONS.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    DATA_ENDINGS.iter().any(|ending| bare.ends_with(ending))
}

/// `part-00000…` of Hadoop and Spark, `000000_0` of Hive: names without an ending.
fn is_engine_name(name: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let hadoop = ["part-", "part-r-", "part-m-"].iter().filter_map(|prefix| name.strip_prefix(prefix));
    let hive = name.len() > 6 && digits(name) == 6 && name.as_bytes().get(6) == Some(&b'_');
    hive || hadoop.into_iter().any(|rest| digits(rest) >= 5)
}

/// Whether a folder is a partition in Hive's layout: a part of its path is `key=value`.
pub(super) fn is_partition(folder: &str) -> bool {
    folder.split('/').any(is_key_value)
}

fn is_key_value(part: &str) -> bool {
    part.split_once('=').is_some_and(|(key, _)| !key.is_empty() && !is_hidden(key))
}

/// The dataset that a folder belongs to: what lies above its first part `key=value`, or the folder itself.
pub(super) fn dataset_of(folder: &str) -> &str {
    let mut end = 0;
    for part in folder.split('/') {
        if is_key_value(part) {
            return folder.get(..end).unwrap_or_default().trim_end_matches('/');
        }
        end = end.saturating_add(part.len()).saturating_add(1);
    }
    folder
}

/// Whether a file says nothing that a reader acts on, so that two versions of it are as good as one.
pub(in crate::pipeline) fn is_harmless(path: &str) -> bool {
    matches!(split(path).1, "_SUCCESS" | ".DS_Store")
}

/// The file whose bytes a Hadoop checksum file describes: `x` for `.x.crc`.
pub(super) fn described_by(path: &str) -> Option<String> {
    let (folder, name) = split(path);
    let data = name.strip_prefix('.')?.strip_suffix(".crc").filter(|data| !data.is_empty())?;
    Some(in_folder(folder, data))
}

/// The Hadoop checksum file of a file: `.x.crc` for `x`.
pub(super) fn checksum_of(path: &str) -> String {
    let (folder, name) = split(path);
    in_folder(folder, &format!(".{name}.crc"))
}

/// Whether a file records a transaction of Databricks' DBIO protocol: which files it added and removed.
pub(super) fn is_dbio_commit(name: &str) -> bool {
    name.starts_with(DBIO_COMMIT) && name != DBIO_COMMIT
}

/// The path of a name in a folder.
pub(super) fn in_folder(folder: &str, name: &str) -> String {
    format!("{}{name}", crate::roots::folder_prefix(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_from_what_readers_pass_over() {
        for name in
            ["a.parquet", "B.CSV", "x.json.gz", "part-00000", "part-r-00000", "000000_0", "p.snappy.parquet"]
        {
            assert!(is_data("sales", name), "{name}");
        }
        for name in
            ["_SUCCESS", ".a.parquet.crc", "_metadata", "readme.md", "a.txt", "image.png", "part-of.txt", ""]
        {
            assert!(!is_data("sales", name), "{name}");
        }
        assert!(is_data("sales/day=1", "blob") && !is_data("sales/day=1", "_committed_1"));
    }

    #[test]
    fn the_dataset_lies_above_the_first_key() {
        for (folder, dataset) in [
            ("lake/sales/year=1/day=2", "lake/sales"),
            ("year=1/x", ""),
            ("lake/sales", "lake/sales"),
            ("", ""),
            ("a=b", ""),
            ("lake/_tmp=1/x", "lake/_tmp=1/x"),
            ("lake/=1", "lake/=1"),
        ] {
            assert_eq!(dataset_of(folder), dataset, "{folder}");
        }
    }

    #[test]
    fn checksum_files_are_paired_with_what_they_describe() {
        assert_eq!(described_by("d/.a.parquet.crc").as_deref(), Some("d/a.parquet"));
        assert_eq!(described_by(".a.crc").as_deref(), Some("a"));
        for path in ["d/a.crc", "d/.crc", "d/..crc", "d/.a"] {
            assert_eq!(described_by(path), None, "{path}");
        }
        assert_eq!(checksum_of("d/a"), "d/.a.crc");
        assert_eq!(described_by(&checksum_of("x/y/z")).as_deref(), Some("x/y/z"));
    }
}
