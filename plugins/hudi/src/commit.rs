//! What a completed commit says that it did: the base files that it wrote, and the file groups that it replaced.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{BaseFile, Group, base_file};
use crate::value::Value;

/// A completed `commit` or `replacecommit`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commit {
    pub(crate) time: String,
    /// What the writer was asked to do, in small letters: `bulk_insert`, `upsert`, `cluster`.
    pub(crate) operation: String,
    pub(crate) writes: Vec<Write>,
    /// What no reader looks at any more from this instant on.
    pub(crate) replaced: BTreeSet<Group>,
    /// Partitions that it overwrote or dropped, also where nothing was in them.
    pub(crate) partitions: BTreeSet<String>,
    /// The table's schema from this instant on, as Avro writes it.
    pub(crate) schema: Option<String>,
}

/// One base file that a commit wrote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) path: String,
    pub(crate) file: BaseFile,
    /// How many records the file holds.
    pub(crate) records: u64,
    pub(crate) inserts: u64,
    pub(crate) updates: u64,
    pub(crate) deletes: u64,
}

/// Records that a commit inserted, updated and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) inserts: u64,
    pub(crate) updates: u64,
    pub(crate) deletes: u64,
}

/// What of a commit cannot be merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unmergeable {
    /// It cannot be understood; what is wrong with it.
    Broken(String),
    /// It wrote log files.
    LogFiles(String),
    /// It wrote files of change data capture.
    ChangeDataCapture(String),
    /// It has a schema history for schema evolution on read.
    SchemaOnRead,
}

impl Commit {
    /// Understands the metadata of a completed instant.
    ///
    /// # Errors
    ///
    /// What of it cannot be merged.
    pub(crate) fn of(time: &str, metadata: &Value) -> Result<Self, Unmergeable> {
        let stats = metadata.get("partitionToWriteStats");
        let stats = stats.ok_or_else(|| Unmergeable::Broken("it has no partitionToWriteStats".into()))?;
        let mut commit = Commit { time: time.to_owned(), ..Commit::default() };
        for (partition, writes) in stats.entries() {
            for stat in writes.elements() {
                commit.writes.push(write(partition, stat)?);
            }
        }
        for (partition, files) in
            metadata.get("partitionToReplaceFileIds").map(Value::entries).unwrap_or_default()
        {
            commit.partitions.insert(partition.clone());
            for file_id in files.elements() {
                let file_id = file_id.as_str();
                let file_id =
                    file_id.ok_or_else(|| Unmergeable::Broken("a replaced file id is no text".into()))?;
                commit.replaced.insert(Group { partition: partition.clone(), file_id: file_id.to_owned() });
            }
        }
        commit.partitions.extend(commit.writes.iter().map(|write| write.file.group.partition.clone()));
        commit.operation =
            metadata.get("operationType").and_then(Value::as_str).unwrap_or("unknown").to_ascii_lowercase();
        let extra =
            |name: &str| metadata.get("extraMetadata")?.get(name)?.as_str().filter(|text| !text.is_empty());
        commit.schema = extra("schema").map(str::to_owned);
        if extra("latest_schema").is_some() {
            return Err(Unmergeable::SchemaOnRead);
        }
        Ok(commit)
    }

    /// Whether it put other records in the place of all that partitions held, whoever had written those.
    pub(crate) fn overwrites(&self, is_replace: bool) -> bool {
        is_replace && self.operation != "cluster"
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        if self.operation == "cluster" {
            return counts;
        }
        for write in &self.writes {
            counts.inserts = counts.inserts.saturating_add(write.inserts);
            counts.updates = counts.updates.saturating_add(write.updates);
            counts.deletes = counts.deletes.saturating_add(write.deletes);
        }
        counts
    }
}

fn write(partition: &str, stat: &Value) -> Result<Write, Unmergeable> {
    let broken = |why: &str| Unmergeable::Broken(why.to_owned());
    let path = stat.get("path").and_then(Value::as_str).ok_or_else(|| broken("a write has no path"))?;
    let has = |name: &str| {
        stat.get(name).is_some_and(|value| !matches!(value, Value::Null) && !value.entries().is_empty())
    };
    if has("cdcStats") {
        return Err(Unmergeable::ChangeDataCapture(path.to_owned()));
    }
    if path.contains(".log.") {
        return Err(Unmergeable::LogFiles(path.to_owned()));
    }
    let file = base_file(path).ok_or_else(|| broken(&format!("it wrote {path}, which is no base file")))?;
    let file_id = stat.get("fileId").and_then(Value::as_str);
    if file.group.partition != partition || file_id != Some(&file.group.file_id) {
        return Err(broken(&format!("it says that {path} belongs to another file group than its name does")));
    }
    let count = |name: &str| stat.get(name).and_then(Value::as_u64).unwrap_or_default();
    Ok(Write {
        path: path.to_owned(),
        file,
        records: count("numWrites"),
        inserts: count("numInserts"),
        updates: count("numUpdateWrites"),
        deletes: count("numDeletes"),
    })
}

/// What a side's commits since the merge base did to each file group, in order of their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Touched {
    /// The instants that wrote or replaced it, each with what it was.
    pub(crate) by: Vec<String>,
    /// Its last base file on this side; `None` where it was replaced.
    pub(crate) last: Option<String>,
    /// Whether records may have come into it.
    pub(crate) inserted: bool,
}

/// The file groups that commits touched.
pub(crate) fn touched(commits: &[Commit]) -> BTreeMap<Group, Touched> {
    let mut groups: BTreeMap<Group, Touched> = BTreeMap::new();
    for commit in commits {
        let by = format!("{} {}", commit.operation, commit.time);
        for group in &commit.replaced {
            let entry = groups.entry(group.clone()).or_default();
            entry.last = None;
            entry.by.push(by.clone());
        }
        for write in &commit.writes {
            let entry = groups.entry(write.file.group.clone()).or_default();
            entry.last = Some(write.path.clone());
            entry.inserted |= write.inserts > 0 || write.updates + write.deletes == 0;
            if entry.by.last() != Some(&by) {
                entry.by.push(by.clone());
            }
        }
    }
    groups
}
