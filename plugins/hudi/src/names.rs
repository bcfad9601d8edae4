//! What the paths of a table say: files of the timeline, base files, and everything else that lies there.

/// Which way a table keeps its timeline: `hoodie.timeline.layout.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Table versions up to 6: instants lie in `.hoodie/`, archived ones in `.hoodie/archived/`.
    One,
    /// From table version 8 on: instants lie in `.hoodie/timeline/`, archived ones in `.hoodie/timeline/history/`.
    Two,
}

/// What a path of a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `.hoodie/hoodie.properties`.
    Properties,
    /// A file of the active timeline.
    Instant(InstantFile),
    /// A file of the archived timeline.
    Archived,
    /// A file of the metadata table.
    MetadataTable,
    /// The definitions of the indexes in the metadata table, which stay when that is dropped.
    IndexDefinitions,
    /// What a running writer leaves behind it, and no reader looks at.
    Scratch,
    /// `.hoodie_partition_metadata` of a partition.
    PartitionMetadata,
    /// A base file.
    Base(BaseFile),
    /// A log file of a file group: of a merge-on-read table, or of change data capture.
    Log,
    /// `.NAME.crc`: the checksum of the file beside it, which the local file system of Hadoop writes.
    Checksum,
    /// The marker of an empty folder, which clients leave in object stores.
    Folder,
    /// Something else; why it is not understood.
    Unknown(&'static str),
}

/// A file of the timeline: `<time>.<action>[.<state>]`, or in layout 2 `<time>_<completion>.<action>` of a completed instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstantFile {
    pub(crate) time: String,
    /// When it was completed, in layout 2.
    pub(crate) completed_at: Option<String>,
    pub(crate) action: String,
    pub(crate) state: State,
}

/// How far an instant has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Requested,
    Inflight,
    Completed,
}

/// A base file: `<partition>/<file id>_<write token>_<instant>.parquet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseFile {
    pub(crate) group: Group,
    pub(crate) instant: String,
}

/// A file group: all versions of one set of records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Group {
    /// `""` where the table has no partitions.
    pub(crate) partition: String,
    pub(crate) file_id: String,
}

const ACTIONS: [&str; 12] = [
    "commit",
    "deltacommit",
    "replacecommit",
    "clean",
    "rollback",
    "savepoint",
    "restore",
    "indexing",
    "clustering",
    "compaction",
    "logcompaction",
    "schemacommit",
];

/// Says what a path, relative to the table, is.
pub(crate) fn place(path: &str, layout: Layout) -> Place {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.ends_with("_$folder$") {
        return Place::Folder;
    }
    if name.starts_with('.') && name.ends_with(".crc") {
        return Place::Checksum;
    }
    match path.strip_prefix(".hoodie/") {
        Some(inside) => own_file(inside, layout),
        None => data_file(path, name),
    }
}

fn own_file(inside: &str, layout: Layout) -> Place {
    if inside == "hoodie.properties" {
        return Place::Properties;
    }
    let (folder, rest) = inside.split_once('/').unwrap_or(("", inside));
    match (folder, layout) {
        ("metadata", _) => Place::MetadataTable,
        (".index_defs", _) => Place::IndexDefinitions,
        (".temp" | ".heartbeat" | ".locks", _) => Place::Scratch,
        (".aux", _) if !rest.starts_with(".bootstrap/") => Place::Scratch,
        (".aux", _) => Place::Unknown("it is of a bootstrapped table"),
        (".schema", _) => Place::Unknown("it is of schema evolution on read (hoodie.schema.on.read.enable)"),
        (".bucket_index" | ".hashing_meta", _) => {
            Place::Unknown("it is of a consistent-hashing bucket index")
        }
        ("archived", Layout::One) => Place::Archived,
        ("timeline", Layout::Two) if rest.starts_with("history/") => Place::Archived,
        ("timeline", Layout::Two) | ("", Layout::One) => match instant_file(rest, layout) {
            Some(file) => Place::Instant(file),
            None => Place::Unknown("it is no instant of the timeline"),
        },
        _ => Place::Unknown("it is no file of Hudi's that is known here"),
    }
}

fn data_file(path: &str, name: &str) -> Place {
    if name == ".hoodie_partition_metadata" {
        return Place::PartitionMetadata;
    }
    if name.starts_with(".hoodie_partition_metadata.") {
        return Place::Unknown("the metadata of a partition are kept in the format of base files");
    }
    if name.starts_with('.') && name.contains(".log.") {
        return Place::Log;
    }
    match base_file(path) {
        Some(file) => Place::Base(file),
        None => Place::Unknown("it is no base file of a file group"),
    }
}

/// Reads the name of a file of the timeline. A commit in flight is `<time>.inflight`.
fn instant_file(name: &str, layout: Layout) -> Option<InstantFile> {
    let (times, rest) = name.split_once('.')?;
    let (time, completed_at) = match times.split_once('_') {
        Some((time, completed)) => (time, Some(completed)),
        None => (times, None),
    };
    let (action, state) = match rest.split_once('.') {
        Some((action, "requested")) => (action, State::Requested),
        Some((action, "inflight")) => (action, State::Inflight),
        Some(_) => return None,
        None if rest == "inflight" => ("commit", State::Inflight),
        None => (rest, State::Completed),
    };
    let is_completion_named = completed_at.is_some();
    let should_be = layout == Layout::Two && state == State::Completed;
    if !ACTIONS.contains(&action)
        || is_completion_named != should_be
        || ![Some(time), completed_at].into_iter().flatten().all(is_time)
    {
        return None;
    }
    let completed_at = completed_at.map(str::to_owned);
    Some(InstantFile { time: time.to_owned(), completed_at, action: action.to_owned(), state })
}

/// Whether this is the time of an instant: `yyyyMMddHHmmss`, with milliseconds since Hudi 0.10.
pub(crate) fn is_time(text: &str) -> bool {
    matches!(text.len(), 14 | 17) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the path of a base file.
pub(crate) fn base_file(path: &str) -> Option<BaseFile> {
    let (partition, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts = name.strip_suffix(".parquet")?.splitn(3, '_');
    let (file_id, token, instant) = (parts.next()?, parts.next()?, parts.next()?);
    if file_id.is_empty() || token.is_empty() || !is_time(instant) {
        return None;
    }
    let group = Group { partition: partition.to_owned(), file_id: file_id.to_owned() };
    Some(BaseFile { group, instant: instant.to_owned() })
}

/// A time with milliseconds, so that times of both lengths compare. Hudi counts one without as the last of its second.
pub(crate) fn comparable(time: &str) -> String {
    if time.len() == 14 { format!("{time}999") } else { time.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, layout: Layout) -> String {
        match place(path, layout) {
            Place::Instant(file) => {
                let at = file.completed_at.unwrap_or_default();
                format!("{} {at} {} {:?}", file.time, file.action, file.state)
            }
            Place::Base(file) => format!("{}|{}|{}", file.group.partition, file.group.file_id, file.instant),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn paths_say_what_they_are() {
        let (one, two) = (Layout::One, Layout::Two);
        for (path, layout, what) in [
            (".hoodie/hoodie.properties", one, "Properties"),
            (".hoodie/20240101000000000.commit", one, "20240101000000000  commit Completed"),
            (".hoodie/20240101000000000.inflight", one, "20240101000000000  commit Inflight"),
            (".hoodie/20240101000000000.commit.requested", one, "20240101000000000  commit Requested"),
            (".hoodie/20240101000000.clean", one, "20240101000000  clean Completed"),
            (
                ".hoodie/timeline/20240101000000000_20240101000001000.replacecommit",
                two,
                "20240101000000000 20240101000001000 replacecommit Completed",
            ),
            (
                ".hoodie/timeline/20240101000000000.clustering.inflight",
                two,
                "20240101000000000  clustering Inflight",
            ),
            (".hoodie/timeline/20240101000000000.commit", two, "Unknown"),
            (".hoodie/20240101000000000_20240101000001000.commit", one, "Unknown"),
            (".hoodie/timeline/20240101000000000_20240101000001000.commit", one, "Unknown"),
            (".hoodie/20240101.commit", one, "Unknown"),
            (".hoodie/20240101000000000.merge", one, "Unknown"),
            (".hoodie/archived/.commits_.archive.1_1-0-1", one, "Archived"),
            (".hoodie/timeline/history/_version_", two, "Archived"),
            (".hoodie/metadata/.hoodie/hoodie.properties", one, "MetadataTable"),
            (".hoodie/.temp/1/x.marker", one, "Scratch"),
            (".hoodie/.schema/1.schemacommit", one, "Unknown"),
            (".hoodie/.aux/.bootstrap/.partitions/x", one, "Unknown"),
            ("city=ulm/.hoodie_partition_metadata", one, "PartitionMetadata"),
            ("city=ulm/a-b-0_0-1-2_20240101000000000.parquet", one, "city=ulm|a-b-0|20240101000000000"),
            ("a-0_0-1-2_20240101000000000.parquet", two, "|a-0|20240101000000000"),
            ("city=ulm/.a-0_20240101000000000.log.1_0-1-2", one, "Log"),
            ("city=ulm/.a-0_0-1-2_20240101000000000.parquet.crc", one, "Checksum"),
            ("city=ulm/a-0.parquet", one, "Unknown"),
            ("city=ulm/a-0_1_20240101000000000.orc", one, "Unknown"),
            (".hoodie/.schema/", one, "Folder"),
            ("city=ulm_$folder$", two, "Folder"),
            ("notes.txt", one, "Unknown"),
        ] {
            assert_eq!(told(path, layout), what, "{path}");
        }
    }
}
