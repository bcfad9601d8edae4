//! Merges of whole trees, text in and text out, and the laws against a plain map.
//!
//! `t/#3` stands for `t/_delta_log/00000000000000000003.json`, and `d@1` in a path for `d=1`.

mod cases;
mod counts;
mod demands;
mod laws;
mod structure;
mod structure_bases;
mod structure_cases;
mod structure_laws;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use anabranch_tree::{Key, KeyRange, PackSource, Session, Tree, TreeError, TreeParams, TreeStore};
use anabranch_types::{Entry, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;

use crate::test_support::{MERGE_TIME_MS, MemoryObjects, RecordingWriter};
use crate::*;

/// Packs in memory.
#[derive(Default)]
struct MemoryPacks(Mutex<BTreeMap<String, Bytes>>);

#[async_trait]
impl PackSource for MemoryPacks {
    async fn read(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes, TreeError> {
        let packs = self.0.lock().unwrap();
        let bytes = packs.get(pack.as_str()).ok_or(TreeError::PackMissing { pack: pack.clone() })?;
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }
}

/// A place where trees and objects are made and merged.
struct Lake {
    session: Session,
    objects: Arc<MemoryObjects>,
    writer: RecordingWriter,
    registry: Registry,
}

type Contents = BTreeMap<String, Entry>;

impl Lake {
    fn new(registry: Registry) -> Lake {
        // Small nodes, so that a few dozen keys make several levels.
        let store =
            TreeStore::new(Arc::new(MemoryPacks::default()), TreeParams { seed: 7, target: 4 }, 1 << 20);
        let objects = MemoryObjects::new();
        let writer = RecordingWriter::new(&objects);
        Lake { session: store.session(), objects, writer, registry }
    }

    fn entry(&self, body: &str, modified_ms: i64) -> Entry {
        self.objects.put(body.to_owned(), modified_ms, ObjectAttributes::default())
    }

    fn tree(&self, contents: &Contents) -> Tree {
        let entries = contents.iter().map(|(key, entry)| (Key::new(key.clone()).unwrap(), entry.clone()));
        self.session.build(entries).unwrap()
    }

    async fn contents(&self, tree: &Tree) -> Contents {
        let mut contents = Contents::new();
        let mut cursor = self.session.scan(tree, KeyRange::all());
        while let Some(batch) = cursor.next_batch(100).await.unwrap() {
            contents.extend(batch.into_iter().map(|(key, entry)| (key.as_str().to_owned(), entry)));
        }
        contents
    }

    fn input(&self, base: &Tree, ours: &Tree, theirs: &Tree) -> PipelineInput<'_> {
        PipelineInput {
            base: base.clone(),
            ours: ours.clone(),
            theirs: theirs.clone(),
            labels: Labels { base: "base".into(), ours: "main".into(), theirs: "dev".into() },
            source: "dev".into(),
            mode: Mode::Mergers,
            registry: &self.registry,
            resolutions: &[],
            strategy: None,
            by_rows: false,
            merge_time_ms: MERGE_TIME_MS,
            seed: [9; 32],
            reader: &*self.objects,
            writer: &self.writer,
        }
    }

    async fn merge(&self, base: &Tree, ours: &Tree, theirs: &Tree) -> PipelineOutcome {
        merge_trees(&self.session, &self.input(base, ours, theirs)).await.unwrap()
    }

    /// Reads `base: a=1 b=2 | ours: a=9 | theirs: -b`; sides are edits of the base, of which there may be several.
    fn parse(&self, text: &str) -> (Vec<Contents>, Contents, Contents) {
        let apply = |contents: &mut Contents, edits: &str| {
            for edit in edits.split_whitespace() {
                match edit.strip_prefix('-') {
                    Some(path) => {
                        assert!(contents.remove(&long(path)).is_some(), "{path} is not there: {text}");
                    }
                    None => {
                        let (path, body) = edit.split_once('=').unwrap();
                        let body = body.replace('~', "\n");
                        contents.insert(long(path), self.entry(&body, test_support::WRITTEN_MS));
                    }
                }
            }
        };
        let mut bases: Vec<Contents> = Vec::new();
        let mut sides = [None, None];
        for part in text.split('|') {
            let (name, edits) = part.split_once(':').unwrap();
            let mut contents = bases.first().cloned().unwrap_or_default();
            apply(&mut contents, edits);
            match name.trim() {
                "base" => bases.push(contents),
                "ours" => sides[0] = Some(contents),
                "theirs" => sides[1] = Some(contents),
                other => panic!("{other}?"),
            }
        }
        let [ours, theirs] = sides;
        (bases, ours.unwrap(), theirs.unwrap())
    }

    /// The outcome as text: the merged contents, the units, then the conflicts.
    async fn show(&self, outcome: &PipelineOutcome) -> String {
        let mut words = Vec::new();
        for (key, entry) in self.contents(outcome.tree()).await {
            let body = self.objects.body(&entry.address).unwrap();
            words.push(format!("{}={}", short(&key), String::from_utf8_lossy(&body).replace('\n', "~")));
        }
        let mut lines = vec![words.join(" ")];
        for unit in &outcome.report().units {
            let by = unit.merger.as_ref().map(|merger| format!(" by {merger}")).unwrap_or_default();
            lines.push(format!("[{}] {:?}{by}", unit.root, unit.decision));
        }
        for conflict in outcome.conflicts() {
            let choices: Vec<&str> = conflict.choices.iter().map(|choice| choice.id.as_str()).collect();
            lines.push(format!("! {conflict} ({})", choices.join(" ")));
        }
        lines.join("\n")
    }
}

fn long(path: &str) -> String {
    let path = &path.replace('@', "=");
    match path.split_once('#') {
        Some((folder, version)) => format!("{folder}_delta_log/{:0>20}.json", version),
        None => path.to_owned(),
    }
}

fn short(path: &str) -> String {
    let Some((folder, rest)) = path.split_once("_delta_log/") else {
        return path.to_owned();
    };
    match delta_version(rest) {
        Some(version) => format!("{folder}#{version}"),
        None => path.to_owned(),
    }
}

/// A merger for tests: theirs' new commits get the next versions of ours' log; other files are taken over; a file that
/// both sides changed is a conflict. `options.edit` makes it edit that path, `options.fail` makes it fail. There may be no
/// object of the name `options.no`, and for each `ref-NAME` there is a `NAME` in `options.refers`.
struct AppendMerger;

#[async_trait]
impl Merger for AppendMerger {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "append".into(), version: "1".into(), unit: UnitKind::Folder }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        if let Some(why) = input.options.get("fail").and_then(|why| why.as_str()) {
            return MergeOutcome::Failed(Failure { reason: FailureReason::Limit, message: why.into() });
        }
        let log = input.ours.walk("_delta_log/", None, 1000).await.unwrap();
        let versions = log.iter().filter_map(|(path, _)| delta_version(path.strip_prefix("_delta_log/")?));
        let mut next = versions.max().map_or(0, |last| last + 1);
        let mut edits = Vec::new();
        let mut conflicts = Vec::new();
        for change in input.changes.iter().filter(|change| change.base != change.theirs) {
            let Some(entry) = &change.theirs else {
                edits.push(MergeEdit::Remove { path: change.path.clone() });
                continue;
            };
            if change.path.starts_with("_delta_log/") {
                let body = input.theirs.read(&change.path, entry, 0, entry.size).await.unwrap();
                let entry = input.writer.write(body, ObjectAttributes::default()).await.unwrap();
                edits.push(MergeEdit::Put { path: format!("_delta_log/{next:020}.json"), entry });
                next += 1;
            } else if change.ours != change.base && change.ours != change.theirs {
                conflicts.push(Conflict {
                    table: Some(input.root.into()),
                    path: format!("{}/{}", input.root, change.path),
                    kind: ConflictKind::DataFilePathCollision,
                    key: None,
                    column: None,
                    message: "two files of one name".into(),
                    rule: "append".into(),
                    base: None,
                    ours: None,
                    theirs: None,
                    choices: Conflict::sides(),
                });
            } else {
                edits.push(MergeEdit::Link { path: change.path.clone(), entry: entry.clone() });
            }
        }
        if let Some(path) = input.options.get("edit").and_then(|path| path.as_str()) {
            edits.push(MergeEdit::Remove { path: path.into() });
        }
        let report = MergeReport::new("append");
        edits.sort_by(|left, right| left.path().cmp(right.path()));
        if conflicts.is_empty() {
            MergeOutcome::Merged { edits, report }
        } else {
            MergeOutcome::Conflicts { conflicts, report }
        }
    }

    fn check_options(&self, _: &serde_json::Value) -> Result<(), String> {
        Ok(())
    }

    fn demands(&self, options: &serde_json::Value) -> Demands {
        let refers = options.get("refers").and_then(|root| root.as_str());
        let refers_to = refers.map(str::to_owned).into_iter().collect();
        Demands { of_rows: options.get("no").is_some(), refers_to }
    }

    async fn violations(&self, input: ViolationsInput<'_>) -> Result<Vec<Conflict>, Failure> {
        let violation = |kind, message| Conflict {
            table: Some(input.root.into()),
            path: input.root.into(),
            kind,
            key: None,
            column: None,
            message,
            rule: "append".into(),
            base: None,
            ours: None,
            theirs: None,
            choices: vec![Choice { id: ACCEPT_CHOICE.into(), label: String::new() }],
        };
        let mut found = Vec::new();
        let after = &input.states.after;
        if let Some(no) = input.options.get("no").and_then(|no| no.as_str()).filter(|_| input.own_rows)
            && after.stat(no).await.unwrap().is_some()
        {
            found.push(violation(ConflictKind::ConstraintViolation, format!("there is {no}")));
        }
        if let Some(root) = input.options.get("refers").and_then(|root| root.as_str()) {
            let other = input.units.open(root).await.unwrap();
            let Some(other) = other.map(|states| states.after) else { return Ok(found) };
            for (path, _) in after.walk("ref-", None, 100).await.unwrap() {
                let name = path.trim_start_matches("ref-");
                if other.stat(name).await.unwrap().is_none() {
                    let message = format!("there is no {name} in {root}");
                    found.push(violation(ConflictKind::ReferenceViolation, message));
                }
            }
        }
        Ok(found)
    }

    async fn diff(&self, _: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        Ok(DiffOutcome::default())
    }
}

fn registry() -> Registry {
    Registry::new().with_format(TableFormat::Delta, Arc::new(AppendMerger)).with(Arc::new(TextMerger))
}
