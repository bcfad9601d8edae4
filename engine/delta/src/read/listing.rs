//! The objects of a log folder, sorted by what they are.

use std::collections::BTreeMap;

use anabranch_merge::UnitView;
use anabranch_types::Entry;

use super::ReadError;
use crate::damage::Damage;
use crate::limits::{CHECKPOINT_PARTS_MAX, LIST_PAGE, LOG_OBJECTS_MAX};

/// A checkpoint of one version.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Checkpoint {
    /// Its parts in order: path and entry.
    pub parts: Vec<(String, Entry)>,
}

/// What a log folder holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct LogListing {
    /// The commits.
    pub commits: BTreeMap<u64, Entry>,
    /// The complete checkpoints that can be read here: classic or in parts.
    pub checkpoints: BTreeMap<u64, Checkpoint>,
    /// The checkpoints of the second form, which are not read here.
    pub v2_checkpoints: BTreeMap<u64, String>,
    /// All objects that are not among the above.
    pub others: BTreeMap<String, Entry>,
    /// How many objects the folder holds.
    pub objects: usize,
}

/// What an object of a log folder is.
#[derive(PartialEq, Eq, Debug)]
enum LogObject {
    Commit(u64),
    Classic(u64),
    Part { version: u64, part: u32, parts: u32 },
    V2(u64),
    Other,
}

fn digits<T: std::str::FromStr>(text: &str, length: usize) -> Option<T> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn classify(name: &str) -> LogObject {
    let parts: Vec<&str> = name.split('.').collect();
    let version =
        parts.first().and_then(|first| digits::<u64>(first, 20)).filter(|v| i64::try_from(*v).is_ok());
    let Some(version) = version else { return LogObject::Other };
    match parts.get(1..) {
        Some(["json"]) => LogObject::Commit(version),
        Some(["checkpoint", "parquet"]) => LogObject::Classic(version),
        Some(["checkpoint", part, parts, "parquet"]) => match (digits(part, 10), digits(parts, 10)) {
            (Some(part), Some(parts)) => LogObject::Part { version, part, parts },
            _ => LogObject::Other,
        },
        Some(["checkpoint", id, "parquet" | "json"]) if id.len() == 36 => LogObject::V2(version),
        _ => LogObject::Other,
    }
}

impl LogListing {
    /// Lists the log folder of a side.
    pub(crate) async fn read(view: &dyn UnitView) -> Result<LogListing, ReadError> {
        let mut listing = LogListing::default();
        let mut parts: BTreeMap<(u64, u32), BTreeMap<u32, (String, Entry)>> = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = view.walk("_delta_log/", after.as_deref(), LIST_PAGE).await?;
            let full = page.len() >= LIST_PAGE;
            after = page.last().map(|(path, _)| path.clone());
            listing.objects += page.len();
            if listing.objects > LOG_OBJECTS_MAX {
                let message = format!("the log folder holds more than {LOG_OBJECTS_MAX} objects");
                return Err(Damage::damaged("_delta_log", message).into());
            }
            for (path, entry) in page {
                let name = path.strip_prefix("_delta_log/").unwrap_or_default();
                match classify(name) {
                    LogObject::Commit(version) => {
                        listing.commits.insert(version, entry);
                    }
                    LogObject::Classic(version) => {
                        listing.checkpoints.insert(version, Checkpoint { parts: vec![(path, entry)] });
                    }
                    LogObject::Part { version, part, parts: of } => {
                        parts.entry((version, of)).or_default().insert(part, (path, entry));
                    }
                    LogObject::V2(version) => {
                        listing.v2_checkpoints.insert(version, path.clone());
                        listing.others.insert(path, entry);
                    }
                    LogObject::Other => {
                        listing.others.insert(path, entry);
                    }
                }
            }
            if !full {
                break;
            }
        }
        for ((version, of), found) in parts {
            let complete = (1..=CHECKPOINT_PARTS_MAX).contains(&of) && found.keys().copied().eq(1..=of);
            if complete && !listing.checkpoints.contains_key(&version) {
                let parts = found.into_values().collect();
                listing.checkpoints.insert(version, Checkpoint { parts });
            } else {
                listing.others.extend(found.into_values());
            }
        }
        Ok(listing)
    }

    /// The newest version that the log describes; `None` when the folder holds no log.
    pub(crate) fn version(&self) -> Option<u64> {
        let commit = self.commits.keys().next_back();
        let checkpoint = self.checkpoints.keys().next_back();
        let v2 = self.v2_checkpoints.keys().next_back();
        [commit, checkpoint, v2].into_iter().flatten().max().copied()
    }

    /// Whether every commit of `from..=to` is there.
    pub(crate) fn has_commits(&self, from: u64, to: u64) -> bool {
        from > to || self.commits.range(from..=to).count() as u64 == to - from + 1
    }

    /// The newest version up to which both logs hold the same commits; `None` when they share none.
    pub(crate) fn common_version(&self, other: &LogListing) -> Option<u64> {
        let shared = self
            .commits
            .iter()
            .filter_map(|(version, entry)| Some((version, entry, other.commits.get(version)?)));
        shared.take_while(|(_, left, right)| same_object(left, right)).map(|(version, _, _)| *version).last()
    }
}

/// Whether two entries hold the same bytes.
pub(crate) fn same_object(left: &Entry, right: &Entry) -> bool {
    left.address == right.address
        || (left.size == right.size && left.checksum == right.checksum && left.parts == right.parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_log_objects() {
        let v = "00000000000000000007";
        assert_eq!(classify(&format!("{v}.json")), LogObject::Commit(7));
        assert_eq!(classify(&format!("{v}.checkpoint.parquet")), LogObject::Classic(7));
        assert_eq!(
            classify(&format!("{v}.checkpoint.0000000001.0000000002.parquet")),
            LogObject::Part { version: 7, part: 1, parts: 2 }
        );
        let uuid = "80a083e8-7026-4e79-81be-64bd76c43a11";
        assert_eq!(classify(&format!("{v}.checkpoint.{uuid}.parquet")), LogObject::V2(7));
        for other in ["_last_checkpoint", "7.json", "99999999999999999999.json", "_sidecars/x.parquet", "x"] {
            assert_eq!(classify(other), LogObject::Other, "{other}");
        }
        assert_eq!(classify(&format!("{v}.crc")), LogObject::Other);
        assert_eq!(classify(&format!("{v}.00000000000000000009.compacted.json")), LogObject::Other);
    }
}
