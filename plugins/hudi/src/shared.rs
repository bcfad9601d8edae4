//! The files of a table that all writers share, and what the merge makes of them: properties, metadata of partitions, the metadata
//! table.
//!
//! The metadata table is a merge-on-read table of its own that follows the timeline of the table instant by instant. What two branches
//! made of it cannot be united, and a part of it that is missing would hide files from readers. So the merged table has none: its
//! files are removed and `hoodie.table.metadata.partitions` is empty, which is what Hudi itself does when a writer turns the metadata
//! table off. Readers then list the files, and the next writer that has it turned on builds it anew.

use anabranch_plugin::bindings::anabranch::merge::output::ResultTree;
use anabranch_plugin::bindings::anabranch::merge::snapshots::Snapshot;
use anabranch_plugin::bindings::anabranch::merge::types::EntryMerge;
use anabranch_plugin::{Conflict, Failure, Side, pages};

use crate::names::Place;
use crate::plan;
use crate::properties::{self, METADATA_PARTITIONS, METADATA_PARTITIONS_INFLIGHT, Properties};
use crate::{read, supported};

const PROPERTIES: &str = ".hoodie/hoodie.properties";
const METADATA_TABLE: &str = ".hoodie/metadata/";

/// What changed of the shared files.
#[derive(Default)]
pub(crate) struct Changes {
    /// Metadata of partitions that both sides created.
    partitions: Vec<String>,
    /// Files that both sides changed, and of which either will do.
    either: Vec<String>,
    /// Checksums of files that both sides changed.
    checksums: Vec<String>,
}

impl Changes {
    /// Notes a change of a path of this kind.
    pub(crate) fn add(&mut self, kind: &Place, change: EntryMerge, is_open: bool) {
        match kind {
            Place::PartitionMetadata if is_open => self.partitions.push(change.path),
            Place::Scratch | Place::IndexDefinitions if is_open => self.either.push(change.path),
            Place::Checksum if is_open => self.checksums.push(change.path),
            _ => {}
        }
    }
}

/// What becomes of the shared files.
pub(crate) struct Shared {
    properties: Text,
    takes: Vec<(String, Side)>,
    removes: Vec<String>,
    drops_metadata_table: bool,
}

/// A file as it is on a side, or a new one.
enum Text {
    Of(Side),
    New(String),
}

/// Whether the merge gives a property a value of its own.
fn is_rebuilt(name: &str) -> bool {
    name == METADATA_PARTITIONS || name == METADATA_PARTITIONS_INFLIGHT
}

/// Decides about the shared files.
///
/// # Errors
///
/// The store failed; inside, the conflicts.
pub(crate) fn plan(
    snapshots: [&Snapshot; 3],
    sides: &[Properties; 3],
    changes: Changes,
) -> Result<Result<Shared, Vec<Conflict>>, Failure> {
    let [_, ours, theirs] = snapshots;
    let mut removes = changes.checksums;
    let mut drops = false;
    for side in [ours, theirs] {
        pages::entries(side, METADATA_TABLE, &mut |entry| {
            // The marker of an empty folder has a name that no plugin can write, and no reader looks at it.
            if !entry.path.ends_with('/') {
                drops = true;
                removes.push(entry.path);
            }
            Ok(())
        })?;
    }
    let (merged, clashes) = properties::merge(&sides[0], &sides[1], &sides[2]);
    drops |= !supported::metadata_partitions(&merged).is_empty();
    let why = "was changed on both sides, and differently";
    let clashes = clashes.into_iter().filter(|clash| !is_rebuilt(&clash.name));
    let mut conflicts: Vec<Conflict> =
        clashes.map(|clash| plan::property(&clash.name, clash.values, "table-properties", why)).collect();
    let merged = if drops { merged.emptied(METADATA_PARTITIONS) } else { merged };
    let properties = match [&sides[1], &sides[2]].map(|side| side.says(&merged)) {
        [true, _] => Text::Of(Side::Ours),
        [_, true] => Text::Of(Side::Theirs),
        _ => Text::New(merged.text("Merged property by property")),
    };
    let mut takes: Vec<(String, Side)> = changes.either.into_iter().map(|path| (path, Side::Ours)).collect();
    for path in changes.partitions {
        match earlier(snapshots, &path)? {
            Ok(side) => takes.push((path, side)),
            Err(conflict) => conflicts.push(*conflict),
        }
    }
    if let Text::New(_) = properties {
        removes.push(".hoodie/.hoodie.properties.crc".into());
    }
    let shared = Shared { properties, takes, removes, drops_metadata_table: drops };
    Ok(if conflicts.is_empty() { Ok(shared) } else { Err(conflicts) })
}

/// Of the metadata of a partition that both sides created, those of the side that was first: `commitTime` is when it came into being.
fn earlier([_, ours, theirs]: [&Snapshot; 3], path: &str) -> Result<Result<Side, Box<Conflict>>, Failure> {
    let broken = |why: String| {
        let key = format!("{{\"file\":{}}}", anabranch_plugin::json::quote(path));
        let message = format!("{path}: {why}");
        Err(Box::new(plan::conflict("table-damaged", key, message, "partition-metadata")))
    };
    let mut read = Vec::with_capacity(2);
    for side in [ours, theirs] {
        let Some(bytes) = read::file(side, path)? else {
            return Ok(broken(format!("{} removed it, and the other side changed it", side.label())));
        };
        match bytes.and_then(|bytes| Properties::read(&bytes)) {
            Ok(properties) => read.push((properties.get("partitionDepth"), properties.get("commitTime"))),
            Err(why) => return Ok(broken(why)),
        }
    }
    Ok(match read.as_slice() {
        [(our_depth, our_time), (their_depth, their_time)] if our_depth == their_depth => {
            Ok(if their_time < our_time { Side::Theirs } else { Side::Ours })
        }
        _ => broken("the sides do not agree on partitionDepth".into()),
    })
}

impl Shared {
    /// Writes them.
    pub(crate) fn write(&self, merged: &ResultTree) -> Result<(), Failure> {
        match &self.properties {
            Text::Of(side) => merged.take(PROPERTIES, *side)?,
            Text::New(text) => {
                let writer = merged.create()?;
                writer.write(text.as_bytes())?;
                merged.put(PROPERTIES, &writer.finish()?)?;
            }
        }
        for (path, side) in &self.takes {
            merged.take(path, *side)?;
        }
        self.removes.iter().try_for_each(|path| merged.remove(path))
    }

    /// What is worth reading about it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let note = "the metadata table (.hoodie/metadata) was dropped: the next writer that has it turned on builds it anew";
        if self.drops_metadata_table { vec![note.to_owned()] } else { Vec::new() }
    }
}
