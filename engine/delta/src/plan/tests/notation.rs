//! The notation. Sides are separated by `|`, commits by `;`, and a commit is a list of words:
//!
//! `+a` adds a file · `-a` removes it · `@1` behind a file names its deletion vector · `~` rows only arranged anew ·
//! `op=NAME` the operation · `mode=overwrite` · `txn=app/3` · `set=key:value` a property · `unset=key` ·
//! `col=name:type` a new column · `feature=name` · `domain=name:value` · `cdc=file` · `part` (first commit of the
//! base) partitions the table by `p`, so that the file `p=x/a` is in partition x.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::action::{Action, Commit};
use crate::plan::{Finding, History, PlanInput, Planned, plan};
use crate::snapshot::{Snapshot, SnapshotBuilder};

pub(super) const MERGE_TIME_MS: i64 = 1_700_000_000_000;

/// A side: its commits as text.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) commits: Vec<String>,
    metadata: Value,
    protocol: Value,
}

impl Table {
    pub(super) fn new() -> Table {
        let schema = json!({"type": "struct", "fields": [
            {"name": "id", "type": "long", "nullable": true, "metadata": {}}
        ]});
        let metadata = json!({
            "id": "table-1", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_string(), "partitionColumns": [], "configuration": {},
        });
        let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
        Table { commits: Vec::new(), metadata, protocol }
    }

    /// Appends a commit in the notation.
    pub(super) fn commit(&mut self, words: &str) {
        let words: Vec<&str> = words.split_whitespace().collect();
        let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(&format!("{name}=")));
        let layout = words.contains(&"~");
        let mut parameters = serde_json::Map::new();
        if let Some(mode) = value("mode") {
            parameters.insert("mode".into(), mode.into());
        }
        let default = if layout {
            "OPTIMIZE"
        } else if words.iter().any(|w| w.starts_with('-')) {
            "DELETE"
        } else {
            "WRITE"
        };
        let info = json!({"timestamp": 1, "operation": value("op").unwrap_or(default), "operationParameters": parameters});
        let mut actions = vec![json!({"commitInfo": info})];
        let mut described = self.commits.is_empty();
        let mut protocol = described;
        let mut rest = Vec::new();
        for word in &words {
            if *word == "part" {
                self.metadata["partitionColumns"] = json!(["p"]);
            } else if let Some(name) = word.strip_prefix('+') {
                rest.push(json!({"add": self.file(name, !layout, true)}));
            } else if let Some(name) = word.strip_prefix('-') {
                rest.push(json!({"remove": self.file(name, !layout, false)}));
            } else if let Some((key, text)) = word.split_once('=') {
                match key {
                    "txn" => {
                        let (app, version) = text.split_once('/').unwrap();
                        rest.push(json!({"txn": {"appId": app, "version": version.parse::<i64>().unwrap()}}));
                    }
                    "set" => {
                        let (name, value) = text.split_once(':').unwrap();
                        self.metadata["configuration"][name] = value.into();
                        described = true;
                    }
                    "unset" => {
                        self.metadata["configuration"].as_object_mut().unwrap().remove(text);
                        described = true;
                    }
                    "id" => {
                        self.metadata["id"] = text.into();
                        described = true;
                    }
                    "col" => {
                        let (name, kind) = text.split_once(':').unwrap();
                        let mut schema: Value =
                            serde_json::from_str(self.metadata["schemaString"].as_str().unwrap()).unwrap();
                        schema["fields"].as_array_mut().unwrap().retain(|field| field["name"] != name);
                        if kind != "none" {
                            let field = json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
                            schema["fields"].as_array_mut().unwrap().push(field);
                        }
                        self.metadata["schemaString"] = schema.to_string().into();
                        described = true;
                    }
                    "feature" => {
                        self.protocol["minReaderVersion"] = 3.into();
                        self.protocol["minWriterVersion"] = 7.into();
                        let mut features = self.protocol["writerFeatures"].as_array().cloned().unwrap_or_default();
                        features.push(text.into());
                        self.protocol["writerFeatures"] = features.into();
                        protocol = true;
                    }
                    "domain" => {
                        let (name, value) = text.split_once(':').unwrap();
                        rest.push(json!({"domainMetadata": {"domain": name, "configuration": value, "removed": false}}));
                    }
                    "cdc" => rest.push(json!({"cdc": {
                        "path": format!("_change_data/{text}"), "partitionValues": {}, "size": 1, "dataChange": false
                    }})),
                    "unknown" => rest.push(json!({text: {"x": 1}})),
                    _ => {}
                }
            }
        }
        if protocol {
            actions.push(json!({"protocol": self.protocol}));
        }
        if described {
            actions.push(json!({"metaData": self.metadata}));
        }
        actions.extend(rest);
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        self.commits.push(lines.join("\n"));
    }

    fn file(&self, name: &str, data_change: bool, add: bool) -> Value {
        let (path, vector) = name.split_once('@').map_or((name, None), |(path, vector)| (path, Some(vector)));
        let partition = path.split_once('/').and_then(|(folder, _)| folder.strip_prefix("p="));
        let values = partition.map_or(json!({}), |value| json!({"p": value}));
        let mut file =
            json!({"path": path, "partitionValues": values, "size": 10, "dataChange": data_change});
        if add {
            file["modificationTime"] = 1.into();
            file["stats"] = json!({"numRecords": 10}).to_string().into();
        } else {
            file["deletionTimestamp"] = 1.into();
        }
        if let Some(vector) = vector {
            file["deletionVector"] = json!({
                "storageType": "i", "pathOrInlineDv": vector, "sizeInBytes": 1, "cardinality": 1
            });
        }
        file
    }

    pub(super) fn parsed(&self) -> Vec<Arc<Commit>> {
        let parse = |(version, text): (usize, &String)| {
            Arc::new(Commit::parse(version as u64, version as i64, text.as_bytes()).unwrap())
        };
        self.commits.iter().enumerate().map(parse).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut builder = SnapshotBuilder::default();
        for commit in self.parsed() {
            builder.apply(&commit).unwrap();
        }
        builder.build(self.commits.len() as u64 - 1).unwrap()
    }

    /// What the reader would find: the commits after the newest one shared with the base.
    pub(super) fn history(&self, base: &Table) -> History {
        let common = self.commits.iter().zip(&base.commits).take_while(|(left, right)| left == right).count();
        History {
            commits: (common > 0).then(|| self.parsed().split_off(common)),
            extends_base: common == base.commits.len(),
        }
    }
}

/// The three sides of a case.
pub(super) struct Sides {
    pub(super) base: Table,
    pub(super) ours: Table,
    pub(super) theirs: Table,
}

impl Sides {
    pub(super) fn parse(text: &str) -> Sides {
        let mut sides: BTreeMap<&str, &str> = BTreeMap::new();
        for side in text.split('|') {
            let (name, commits) = side.split_once(':').unwrap();
            sides.insert(name.trim(), commits);
        }
        let mut base = Table::new();
        let commits = |table: &mut Table, side: &str| {
            sides[side]
                .split(';')
                .filter(|commit| !commit.trim().is_empty())
                .for_each(|commit| table.commit(commit));
        };
        commits(&mut base, "base");
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        commits(&mut ours, "ours");
        commits(&mut theirs, "theirs");
        Sides { base, ours, theirs }
    }

    pub(super) fn plan(&self) -> Planned {
        self.plan_with(self.ours.history(&self.base), self.theirs.history(&self.base))
    }

    pub(super) fn plan_with(&self, ours_history: History, theirs_history: History) -> Planned {
        let planned = plan(PlanInput {
            base: &self.base.snapshot(),
            ours: &self.ours.snapshot(),
            theirs: &self.theirs.snapshot(),
            ours_history,
            theirs_history,
            refuse_cleaned: false,
            merge_time_ms: MERGE_TIME_MS,
            seed: [7; 32],
            source: "dev",
            shared: None,
            merged: None,
        });
        // These tables have no rows: files that both sides changed are conflicts.
        planned.without_rows()
    }
}

/// A plan as text: one line a version, or one line a conflict.
pub(super) fn print(planned: &Planned, ours: &Snapshot) -> String {
    let mut lines: Vec<String> = Vec::new();
    match planned {
        Planned::Broken(message) => lines.push(format!("BROKEN {message}")),
        Planned::Rows(wanted) => lines.push(format!("ROWS {:?}", wanted.component.versions)),
        Planned::Conflicts { findings, notes, .. } => {
            let mut conflicts: Vec<_> =
                findings.iter().cloned().map(|finding: Finding| finding.into_conflict("t")).collect();
            anabranch_merge::Conflict::sort(&mut conflicts);
            lines.extend(conflicts.iter().map(ToString::to_string));
            lines.extend(notes.iter().map(|note| format!("note: {note}")));
        }
        Planned::Ready(plan) => {
            let merged = crate::lint::lint(ours, &plan.commits, &plan.live).unwrap();
            for commit in &plan.commits {
                let parsed = Commit::parse(commit.version, 0, commit.text().as_bytes()).unwrap();
                let words: Vec<String> = parsed.actions.iter().filter_map(word).collect();
                lines.push(format!("v{} {}: {}", commit.version, parsed.operation(), words.join(" ")));
            }
            let live: Vec<String> =
                merged.files.values().map(|add| name(&add.key, add.vector_id())).collect();
            lines.push(format!("live: {}", live.join(" ")));
            lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
        }
    }
    lines.join("\n") + "\n"
}

fn name(key: &str, vector: &str) -> String {
    if vector.is_empty() { key.to_owned() } else { format!("{key}@{}", &vector[1..]) }
}

fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::CommitInfo(_) => return None,
        Action::Add(add) => {
            let row_id = add.object().unwrap().read::<i64>("baseRowId").unwrap();
            let row_id = row_id.map(|id| format!("#{id}")).unwrap_or_default();
            format!("+{}{row_id}", name(&add.key, add.vector_id()))
        }
        Action::Remove(remove) => format!("-{}", name(&remove.key, remove.vector_id())),
        Action::Txn(txn) => format!("txn={}/{}", txn.app_id, txn.version),
        Action::Domain(domain) => format!("domain={}:{}", domain.domain, domain.configuration),
        Action::Metadata(metadata) => {
            let fields = metadata.schema["fields"].as_array().unwrap();
            let columns: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
            format!("metaData({} {:?})", columns.join(","), metadata.configuration)
        }
        Action::Protocol(protocol) => format!(
            "protocol({},{} {:?})",
            protocol.min_reader_version, protocol.min_writer_version, protocol.writer_features
        ),
        Action::Cdc(cdc) => format!("cdc={}", cdc.path.key()),
        Action::Unknown { name, .. } => format!("unknown={name}"),
    })
}
