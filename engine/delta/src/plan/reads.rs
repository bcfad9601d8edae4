//! What a side's commits read of the table before they wrote, as far as their writers say. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::history::{History, since};
use crate::action::Commit;
use crate::snapshot::Snapshot;

/// Rows that a commit read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Read {
    /// The version of the commit on its side.
    pub(crate) version: u64,
    /// What it did, in its writer's words.
    pub(crate) operation: String,
    /// Which rows it read; none: it may have read all.
    pub(crate) condition: Option<String>,
}

/// What a side's commits since the base read, and from which files they took rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// The commits that read rows.
    pub(crate) reads: Vec<Read>,
    /// The files that lost rows, and not only their place.
    pub(crate) changed: BTreeSet<Arc<str>>,
}

/// The reads of the commits that a side made since the base.
pub(crate) fn reads(base: &Snapshot, side: &Snapshot, history: &History) -> Reads {
    let since = since(base, side, history.clone());
    let removes = since.commits().iter().flat_map(|commit| commit.removes());
    Reads {
        reads: since.commits().iter().filter_map(|commit| read_of(commit)).collect(),
        changed: removes.filter(|remove| remove.data_change).map(|remove| remove.key.clone()).collect(),
    }
}

fn read_of(commit: &Commit) -> Option<Read> {
    if !commit.changes_rows() {
        return None;
    }
    let info = commit.info();
    let parameters: Option<Value> = info.and_then(|info| info.read("operationParameters").ok().flatten());
    let text = |name: &str| parameters.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let operation = commit.operation();
    let removes = commit.removes().any(|remove| remove.data_change);
    let blind: Option<bool> = info.and_then(|info| info.read("isBlindAppend").ok().flatten());
    let appends = operation.eq_ignore_ascii_case("WRITE")
        && text("mode").is_some_and(|mode| mode.eq_ignore_ascii_case("append"));
    if !removes && blind.unwrap_or(appends) {
        return None;
    }
    // Engines that write Catalyst's form, a list, leave out quotes: it cannot be read back. A merge names its other source.
    let condition =
        text("predicate").filter(|text| !text.trim().is_empty() && !text.trim_start().starts_with('['));
    let condition = condition.filter(|_| removes);
    Some(Read { version: commit.version, operation, condition })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(info: &str, action: &str) -> Option<Option<String>> {
        let text = format!("{{\"commitInfo\":{info}}}\n{action}\n");
        read_of(&Commit::parse(3, 0, text.as_bytes()).unwrap()).map(|read| read.condition)
    }

    const ADD: &str =
        r#"{"add":{"path":"f","partitionValues":{},"size":1,"modificationTime":0,"dataChange":true}}"#;
    const REMOVE: &str = r#"{"remove":{"path":"f","deletionTimestamp":0,"dataChange":true}}"#;

    #[test]
    fn who_only_appends_reads_nothing_and_others_what_they_name() {
        let append = r#"{"operation":"WRITE","operationParameters":{"mode":"Append"}}"#;
        assert_eq!(read(append, ADD), None);
        assert_eq!(read(r#"{"operation":"WRITE","isBlindAppend":true}"#, ADD), None);
        assert_eq!(read(r#"{"operation":"WRITE","isBlindAppend":false}"#, ADD), Some(None));
        assert_eq!(read(r#"{"operation":"MERGE"}"#, ADD), Some(None));
        let named = |predicate: &str| {
            let info =
                format!(r#"{{"operation":"DELETE","operationParameters":{{"predicate":{predicate:?}}}}}"#);
            read(&info, REMOVE)
        };
        assert_eq!(named("id = 2"), Some(Some("id = 2".into())));
        assert_eq!(named("[\"(id#480 = 5)\"]"), Some(None));
        assert_eq!(named(""), Some(None));
    }
}
