//! The lossless model of a table's log: every action keeps the text that it was read from.

mod file;
mod path;
mod raw;
mod table;

use std::sync::Arc;

pub use file::{Add, Cdc, DeletionVector, Remove, VectorStorage};
pub use path::{DataPath, shown};
pub use raw::RawObject;
pub use table::{Domain, Metadata, Protocol, Txn};

use crate::limits::LINE_BYTES_MAX;

/// One action of a log.
#[derive(Clone, Debug)]
pub enum Action {
    /// Who wrote the commit, and how. No part of the table's state.
    CommitInfo(RawObject),
    /// What readers and writers must know.
    Protocol(Arc<Protocol>),
    /// Schema, partitioning and properties.
    Metadata(Arc<Metadata>),
    /// A file became live.
    Add(Arc<Add>),
    /// A file ceased to be live.
    Remove(Arc<Remove>),
    /// A file of change data.
    Cdc(Cdc),
    /// How far a streaming writer has come.
    Txn(Arc<Txn>),
    /// The configuration of a metadata domain.
    Domain(Arc<Domain>),
    /// An action that this merger does not know: its name and its whole line.
    Unknown {
        /// The name.
        name: String,
        /// The line as it was written.
        line: String,
    },
}

impl Action {
    /// Reads the action `name` from its body.
    pub fn parse(name: &str, body: &str) -> Result<Action, String> {
        let named = |error: String| format!("{name}: {error}");
        Ok(match name {
            "add" => Action::Add(Arc::new(Add::parse(body).map_err(named)?)),
            "remove" => Action::Remove(Arc::new(Remove::parse(body).map_err(named)?)),
            "cdc" => Action::Cdc(Cdc::parse(body).map_err(named)?),
            "commitInfo" => Action::CommitInfo(RawObject::parse(body).map_err(named)?),
            "protocol" => Action::Protocol(Arc::new(Protocol::parse(body).map_err(named)?)),
            "metaData" => Action::Metadata(Arc::new(Metadata::parse(body).map_err(named)?)),
            "txn" => Action::Txn(Arc::new(Txn::parse(body).map_err(named)?)),
            "domainMetadata" => Action::Domain(Arc::new(Domain::parse(body).map_err(named)?)),
            _ => {
                // Refuses nesting that other readers could not follow.
                serde_json::from_str::<serde_json::Value>(body).map_err(|error| named(error.to_string()))?;
                let name_text = serde_json::Value::from(name);
                Action::Unknown { name: name.to_owned(), line: format!("{{{name_text}:{body}}}") }
            }
        })
    }

    /// Reads one line of a commit; `None` for a line that holds no action.
    pub fn parse_line(line: &str) -> Result<Option<Action>, String> {
        let object = RawObject::parse(line)?;
        let mut present = object.fields().filter(|(_, body)| body.get() != "null");
        let Some((name, body)) = present.next() else { return Ok(None) };
        if present.next().is_some() {
            return Err("a line holds two actions".into());
        }
        match Action::parse(name, body.get())? {
            Action::Unknown { name, .. } => Ok(Some(Action::Unknown { name, line: line.to_owned() })),
            action => Ok(Some(action)),
        }
    }

    /// The action as a line of a commit, without the line's end.
    pub fn to_line(&self) -> String {
        match self {
            Action::CommitInfo(object) => line("commitInfo", &object.to_text()),
            Action::Protocol(protocol) => line("protocol", &protocol.body),
            Action::Metadata(metadata) => line("metaData", &metadata.body),
            Action::Add(add) => line("add", &add.body),
            Action::Remove(remove) => line("remove", &remove.body),
            Action::Cdc(cdc) => line("cdc", &cdc.body),
            Action::Txn(txn) => line("txn", &txn.body),
            Action::Domain(domain) => line("domainMetadata", &domain.body),
            Action::Unknown { line, .. } => line.clone(),
        }
    }
}

/// A line of a commit that holds one action.
pub fn line(name: &str, body: &str) -> String {
    format!("{{\"{name}\":{body}}}")
}

/// One version of a log.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The version.
    pub version: u64,
    /// When its object was written, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Its actions in order.
    pub actions: Vec<Action>,
}

impl Commit {
    /// Reads a commit: one JSON object a line. Empty lines and carriage returns are ignored.
    pub fn parse(version: u64, modified_ms: i64, text: &[u8]) -> Result<Commit, String> {
        let text = std::str::from_utf8(text).map_err(|error| format!("it is no UTF-8: {error}"))?;
        let mut actions = Vec::new();
        for (at, line) in text.split('\n').enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(format!(
                    "line {} has {} bytes; at most {LINE_BYTES_MAX} are read",
                    at + 1,
                    line.len()
                ));
            }
            let action = Action::parse_line(line).map_err(|error| format!("line {}: {error}", at + 1))?;
            actions.extend(action);
        }
        Ok(Commit { version, modified_ms, actions })
    }

    /// The `commitInfo`, where there is one.
    pub fn info(&self) -> Option<&RawObject> {
        self.actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        })
    }

    /// The operation as the writer called it; the empty text when it did not say.
    pub fn operation(&self) -> String {
        self.info().and_then(|info| info.read("operation").ok().flatten()).unwrap_or_default()
    }

    /// The files that became live.
    pub fn adds(&self) -> impl Iterator<Item = &Arc<Add>> {
        self.actions.iter().filter_map(|action| match action {
            Action::Add(add) => Some(add),
            _ => None,
        })
    }

    /// The files that ceased to be live.
    pub fn removes(&self) -> impl Iterator<Item = &Arc<Remove>> {
        self.actions.iter().filter_map(|action| match action {
            Action::Remove(remove) => Some(remove),
            _ => None,
        })
    }

    /// The files of change data.
    pub fn cdcs(&self) -> impl Iterator<Item = &Cdc> {
        self.actions.iter().filter_map(|action| match action {
            Action::Cdc(cdc) => Some(cdc),
            _ => None,
        })
    }

    /// Whether any file action says that rows changed.
    pub fn changes_rows(&self) -> bool {
        self.adds().any(|add| add.data_change) || self.removes().any(|remove| remove.data_change)
    }

    /// Whether the commit only arranged rows anew: files went and came, and neither rows nor the table's
    /// description changed.
    pub fn is_layout_only(&self) -> bool {
        let describes =
            |action: &Action| matches!(action, Action::Protocol(_) | Action::Metadata(_) | Action::Txn(_));
        self.removes().next().is_some() && !self.changes_rows() && !self.actions.iter().any(describes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_survives_byte_for_byte() {
        let lines = [
            r#"{"commitInfo":{"timestamp":1,"operation":"WRITE","x":{"big":123456789012345678901234567890}}}"#,
            r#"{"add":{"path":"a%20b.parquet","partitionValues":{},"size":9007199254740993,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":2}","new":[1.50]}}"#,
            r#"{"remove":{"path":"c","dataChange":true,"deletionVector":{"storageType":"i","pathOrInlineDv":"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L","sizeInBytes":40,"cardinality":6}}}"#,
            r#"{ "future" : {"a": 1} }"#,
        ];
        let text = format!("{}\r\n\n{}\n{}\n{}", lines[0], lines[1], lines[2], lines[3]);
        let commit = Commit::parse(3, 7, text.as_bytes()).unwrap();
        let printed: Vec<String> = commit.actions.iter().map(Action::to_line).collect();
        assert_eq!(printed, lines);
        let add = commit.adds().next().unwrap();
        assert_eq!((&*add.key, add.size, add.live_rows()), ("a b.parquet", 9007199254740993, Some(2)));
        assert_eq!(commit.operation(), "WRITE");
    }

    #[test]
    fn broken_lines_are_named() {
        for bad in ["{", "[]", r#"{"add":{"path":"x"}}"#, r#"{"add":{},"remove":{}}"#, r#"{"protocol":7}"#] {
            let error = Commit::parse(0, 0, bad.as_bytes()).unwrap_err();
            assert!(error.starts_with("line 1: "), "{bad}: {error}");
        }
        assert!(Commit::parse(0, 0, b"\xff").is_err());
    }

    #[test]
    fn a_deletion_vector_names_its_object() {
        let body = r#"{"path":"p","size":1,"dataChange":true,"deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":6}}"#;
        let vector = Add::parse(body).unwrap().vector.unwrap();
        let object = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
        assert_eq!(vector.storage, VectorStorage::Object(object.into()));
        assert_eq!(vector.id, "uab^-aqEH.-t@S}K{vb[*k^@4");
    }
}
