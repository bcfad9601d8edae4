//! Both sides change rows of the same files: random programs of copy-on-write commits against a model that knows rows only.

mod budget;
mod ranges;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_delta::{DeltaMerger, RowBudget};
use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{ConflictKind, MergeOutcome, Resolution, Strategy as Winner, Verification};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::json;

use crate::fixtures::{self, Bodies, Merged, case, fixture, merge, rows as ids_of, side};

/// The cells of a row beside its id.
pub(crate) type Cells = (String, Option<i64>);
pub(crate) type Rows = BTreeMap<i64, Cells>;

/// A table that commits as engines do that copy on write.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) bodies: Bodies,
    version: u64,
    /// The rows of each live file.
    files: BTreeMap<String, Rows>,
    /// Told apart from the files of other branches.
    branch: &'static str,
    properties: serde_json::Map<String, serde_json::Value>,
    required: Vec<&'static str>,
    generated: BTreeMap<&'static str, &'static str>,
    /// By which condition the next commit finds its rows, if it says so.
    predicate: Option<&'static str>,
}

fn parquet(rows: &Rows) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.keys().copied()));
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values(rows.values().map(|(name, _)| name.clone())));
    let numbers: ArrayRef = Arc::new(rows.values().map(|(_, number)| *number).collect::<Int64Array>());
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names), ("n", numbers)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn schema(required: &[&str], generated: &BTreeMap<&str, &str>) -> String {
    let field = |name: &str, kind: &str| {
        let expression = generated.get(name);
        let metadata =
            expression.map_or(json!({}), |expression| json!({"delta.generationExpression": expression}));
        json!({"name": name, "type": kind, "nullable": !required.contains(&name), "metadata": metadata})
    };
    json!({"type": "struct", "fields": [field("id", "long"), field("name", "string"), field("n", "long")]})
        .to_string()
}

impl Table {
    fn new(rows: &[Rows]) -> Table {
        Table::with_properties(rows, json!({}))
    }

    pub(crate) fn with_properties(rows: &[Rows], properties: serde_json::Value) -> Table {
        let serde_json::Value::Object(properties) = properties else { panic!("properties are an object") };
        let (bodies, files, required) = (Bodies::new(), BTreeMap::new(), Vec::new());
        let (branch, generated, predicate) = ("base", BTreeMap::new(), None);
        let mut table =
            Table { bodies, version: 0, files, branch, properties, required, generated, predicate };
        let mut actions =
            vec![json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 4}}), table.description()];
        for rows in rows {
            actions.push(table.add(rows.clone(), true));
        }
        table.commit("CREATE TABLE AS SELECT", actions);
        table
    }

    fn description(&self) -> serde_json::Value {
        json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema(&self.required, &self.generated), "partitionColumns": [], "configuration": self.properties,
            "createdTime": 0}})
    }

    pub(crate) fn forget_generated(&mut self) {
        self.generated.clear();
        self.commit("REPLACE COLUMNS", vec![self.description()]);
    }

    pub(crate) fn fork(&self, branch: &'static str) -> Table {
        Table { branch, ..self.clone() }
    }

    pub(crate) fn rows(&self) -> Rows {
        self.files.values().flatten().map(|(id, cells)| (*id, cells.clone())).collect()
    }

    fn add(&mut self, rows: Rows, data_change: bool) -> serde_json::Value {
        let path = format!("{}-{}-{}.parquet", self.branch, self.version, self.files.len());
        let body = parquet(&rows);
        let ids =
            json!({"minValues": {"id": rows.keys().next()}, "maxValues": {"id": rows.keys().next_back()}});
        let mut stats = json!({"numRecords": rows.len(), "nullCount": {"id": 0}});
        if data_change {
            // Layout is written without, so that both are seen.
            stats["minValues"] = ids["minValues"].clone();
            stats["maxValues"] = ids["maxValues"].clone();
        }
        let stats = stats.to_string();
        let add = json!({"add": {"path": path, "partitionValues": {}, "size": body.len(), "modificationTime": 0,
            "dataChange": data_change, "stats": stats}});
        self.bodies.insert(path.clone(), body.into());
        self.files.insert(path, rows);
        add
    }

    fn commit(&mut self, operation: &str, mut actions: Vec<serde_json::Value>) {
        let mut info = json!({"timestamp": self.version, "operation": operation});
        if operation == "WRITE" {
            info["operationParameters"] = json!({"mode": "Append"});
        } else if let Some(predicate) = self.predicate.take() {
            info["operationParameters"] = json!({"predicate": predicate});
        }
        actions.insert(0, json!({"commitInfo": info}));
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        self.bodies.insert(format!("_delta_log/{:020}.json", self.version), text.into());
        self.version += 1;
    }

    /// Writes the files that hold one of these rows anew, all in one commit.
    fn change(&mut self, operation: &str, ids: &BTreeSet<i64>, change: impl Fn(&mut Rows)) {
        let hit = |rows: &Rows| rows.keys().any(|id| ids.contains(id));
        let paths: Vec<String> =
            self.files.iter().filter(|(_, rows)| hit(rows)).map(|(path, _)| path.clone()).collect();
        self.rewrite(operation, paths, true, change);
    }

    fn rewrite(
        &mut self,
        operation: &str,
        paths: Vec<String>,
        data_change: bool,
        change: impl Fn(&mut Rows),
    ) {
        let mut rows = Rows::new();
        let mut actions = Vec::new();
        for path in paths {
            rows.extend(self.files.remove(&path).unwrap());
            actions.push(json!({"remove": {"path": path, "deletionTimestamp": 0, "dataChange": data_change,
                "extendedFileMetadata": true, "partitionValues": {}, "size": 1}}));
        }
        if actions.is_empty() {
            return;
        }
        change(&mut rows);
        if !rows.is_empty() {
            actions.push(self.add(rows, data_change));
        }
        self.commit(operation, actions);
    }

    pub(crate) fn run(&mut self, step: &Step) {
        match step {
            Step::Append(id, cells) => {
                let add = self.add(Rows::from([(*id, cells.clone())]), true);
                self.commit("WRITE", vec![add]);
            }
            Step::Rename(ids, name) => self.change("UPDATE", ids, |rows| {
                rows.iter_mut()
                    .filter(|(id, _)| ids.contains(id))
                    .for_each(|(_, cells)| cells.0 = name.clone());
            }),
            Step::Number(ids, n) => self.change("UPDATE", ids, |rows| {
                rows.iter_mut().filter(|(id, _)| ids.contains(id)).for_each(|(_, cells)| cells.1 = *n);
            }),
            Step::Where(predicate, step) => {
                self.predicate = Some(predicate);
                self.run(step);
            }
            Step::Delete(ids) => self.change("DELETE", ids, |rows| rows.retain(|id, _| !ids.contains(id))),
            Step::Constrain(condition) => {
                self.properties.insert("delta.constraints.rule".into(), json!(condition));
                self.commit("ADD CONSTRAINT", vec![self.description()]);
            }
            Step::Require(column) => {
                self.required.push(column);
                self.commit("CHANGE COLUMN", vec![self.description()]);
            }
            Step::Generate(column, expression) => {
                self.generated.insert(column, expression);
                self.commit("REPLACE COLUMNS", vec![self.description()]);
            }
            Step::Optimize => self.rewrite("OPTIMIZE", self.files.keys().cloned().collect(), false, |_| ()),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append(i64, Cells),
    Rename(BTreeSet<i64>, String),
    Number(BTreeSet<i64>, Option<i64>),
    Delete(BTreeSet<i64>),
    /// The step, which says how it found its rows.
    Where(&'static str, Box<Step>),
    Constrain(&'static str),
    Require(&'static str),
    Generate(&'static str, &'static str),
    Optimize,
}

fn cells() -> impl Strategy<Value = Cells> {
    ("[a-c]", prop::option::weighted(0.8, 0_i64..3))
}

fn some_ids() -> impl Strategy<Value = BTreeSet<i64>> {
    prop::collection::btree_set(0_i64..12, 1..3)
}

/// New rows of a branch get ids of its own, or rarely one that the other may take too.
pub(crate) fn steps(first_new: i64) -> impl Strategy<Value = Vec<Step>> {
    let id = prop_oneof![5 => first_new..first_new + 20, 1 => Just(99_i64)];
    let step = prop_oneof![
        2 => (id, cells()).prop_map(|(id, cells)| Step::Append(id, cells)),
        2 => (some_ids(), "[a-c]").prop_map(|(ids, name)| Step::Rename(ids, name)),
        2 => (some_ids(), prop::option::of(0_i64..3)).prop_map(|(ids, n)| Step::Number(ids, n)),
        2 => some_ids().prop_map(Step::Delete),
        1 => Just(Step::Optimize),
    ];
    prop::collection::vec(step, 1..4)
}

/// Drops appends of an id that is there already: the model has one row for each.
pub(crate) fn apply(table: &mut Table, steps: &[Step]) {
    for step in steps {
        if !matches!(step, Step::Append(id, _) if table.rows().contains_key(id)) {
            table.run(step);
        }
    }
}

/// What each row comes to, or the ids in conflict. With keys, cell by cell; without, row by row.
fn expected(base: &Rows, ours: &Rows, theirs: &Rows, cell_wise: bool) -> Result<Rows, BTreeSet<i64>> {
    let mut merged = Rows::new();
    let mut conflicts = BTreeSet::new();
    let ids: BTreeSet<i64> = base.keys().chain(ours.keys()).chain(theirs.keys()).copied().collect();
    for id in ids {
        let (b, o, t) = (base.get(&id), ours.get(&id), theirs.get(&id));
        let cell = |b: String, o: String, t: String| match () {
            () if o == t || b == t => Some(o),
            () if b == o => Some(t),
            () => None,
        };
        let answer = if o == t || b == t {
            Some(o.cloned())
        } else if b == o {
            Some(t.cloned())
        } else if let (true, Some(b), Some(o), Some(t)) = (cell_wise, b, o, t) {
            let name = cell(b.0.clone(), o.0.clone(), t.0.clone());
            let text = |n: Option<i64>| format!("{n:?}");
            let number = cell(text(b.1), text(o.1), text(t.1))
                .map(|n| [b.1, o.1, t.1].into_iter().find(|one| text(*one) == n).unwrap());
            name.zip(number).map(Some)
        } else {
            None
        };
        match answer {
            Some(Some(cells)) => drop(merged.insert(id, cells)),
            Some(None) => {}
            None => drop(conflicts.insert(id)),
        }
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

/// The rows of a table as its log lists them, read by the `deltalake` crate and a plain Parquet reader.
pub(crate) async fn read(bodies: &Bodies) -> Vec<(i64, Cells)> {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write(bodies, folder.path());
    let table = deltalake::open_table(url::Url::from_directory_path(folder.path()).unwrap()).await.unwrap();
    let mut rows = Vec::new();
    for file in table.snapshot().unwrap().log_data().iter() {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bodies[file.path().as_ref()].clone()).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
            let names = batch.column_by_name("name").unwrap().as_string::<i32>();
            let numbers = batch.column_by_name("n").unwrap().as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let number = numbers.is_valid(row).then(|| numbers.value(row));
                rows.push((ids.value(row), (names.value(row).to_owned(), number)));
            }
        }
    }
    rows.sort();
    rows
}

pub(crate) fn unit(base: &Table, ours: &Table, theirs: &Table, options: serde_json::Value) -> UnitCase {
    let case = case("rows", base.bodies.clone(), ours.bodies.clone(), theirs.bodies.clone());
    UnitCase { options, ..case }
}

fn conflicted_ids(merged: &Merged) -> BTreeSet<i64> {
    let MergeOutcome::Conflicts { conflicts, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    conflicts.iter().filter_map(|conflict| conflict.key.as_ref()?["id"].as_i64()).collect()
}

pub(crate) fn base_table() -> Table {
    let row = |id: i64| (id, ("a".to_owned(), Some(0)));
    Table::new(&[(0..6).map(row).collect(), (6..12).map(row).collect()])
}

fn check(ours: &[Step], theirs: &[Step], keys: bool, budget: RowBudget) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let base = base_table();
        let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
        apply(&mut our_table, ours);
        apply(&mut their_table, theirs);
        let options = if keys { json!({"keys": ["id"]}) } else { json!({}) };
        let merger = DeltaMerger::with_budget(budget);
        let merged = merge(&merger, &unit(&base, &our_table, &their_table, options.clone())).await;
        let swapped = merge(&merger, &unit(&base, &their_table, &our_table, options)).await;
        let expected = expected(&base.rows(), &our_table.rows(), &their_table.rows(), keys);
        match (&expected, &merged.outcome) {
            (Ok(rows), MergeOutcome::Merged { report, .. }) => {
                assert!(
                    matches!(report.verification, Verification::Agrees | Verification::NotNeeded),
                    "{report:?}"
                );
                let rows: Vec<(i64, Cells)> = rows.clone().into_iter().collect();
                // Without keys, two appends of one id are two rows.
                let appended_twice =
                    !keys && our_table.rows().contains_key(&99) && their_table.rows().contains_key(&99);
                let without_99 = |rows: &[(i64, Cells)]| -> Vec<(i64, Cells)> {
                    rows.iter().filter(|(id, _)| !appended_twice || *id != 99).cloned().collect()
                };
                assert_eq!(without_99(&read(&merged.bodies).await), without_99(&rows));
                assert_eq!(without_99(&read(&swapped.bodies).await), without_99(&rows), "swapped");
            }
            (Err(ids), MergeOutcome::Conflicts { .. }) if keys => {
                assert_eq!(&conflicted_ids(&merged), ids);
                assert_eq!(&conflicted_ids(&swapped), ids, "swapped");
            }
            // Without keys a change is a deletion and an insertion, so that more may be a conflict, never less.
            (_, MergeOutcome::Conflicts { .. }) if !keys => {
                assert!(matches!(swapped.outcome, MergeOutcome::Conflicts { .. }), "swapped");
            }
            (Err(ids), MergeOutcome::Merged { .. }) if !keys && ids.iter().all(|id| *id == 99) => {}
            (expected, outcome) => panic!("{expected:#?}\n{outcome:#?}"),
        }
    });
}

#[test]
fn a_key_is_found_in_the_files_that_a_compaction_which_is_left_out_had_put_together() {
    let append = || Step::Append(99, ("a".to_owned(), None));
    let ours = [append(), Step::Optimize];
    let theirs = [append(), Step::Rename(BTreeSet::from([0]), "a".to_owned())];
    check(&ours, &theirs, true, RowBudget::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn rows_with_keys_merge_as_the_model_says(ours in steps(100), theirs in steps(200)) {
        check(&ours, &theirs, true, RowBudget::default());
    }

    #[test]
    fn rows_without_keys_never_come_out_otherwise_than_the_model_says(ours in steps(100), theirs in steps(200)) {
        check(&ours, &theirs, false, RowBudget::default());
    }
}

fn only(ids: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
    ids.into_iter().collect()
}

/// Ours and theirs after one step each.
fn sides(ours: &Step, theirs: &Step) -> [Table; 3] {
    let base = base_table();
    let (mut our_table, mut their_table) = (base.fork("ours"), base.fork("theirs"));
    our_table.run(ours);
    their_table.run(theirs);
    [base, our_table, their_table]
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_different_rows_of_one_file_merge_without_keys() {
    let [base, ours, theirs] =
        sides(&Step::Rename(only([1]), "b".into()), &Step::Rename(only([2]), "c".into()));
    let merged = merge(&DeltaMerger::new(), &unit(&base, &ours, &theirs, json!({}))).await;
    let MergeOutcome::Merged { report, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    assert_eq!((report.how.as_str(), report.files_added, report.files_removed), ("rows", 1, 1));
    assert_eq!(report.verification, Verification::Agrees);
    let names: Vec<String> =
        read(&merged.bodies).await.into_iter().take(4).map(|(_, cells)| cells.0).collect();
    assert_eq!(names, ["a", "b", "c", "a"]);
    // Merged again, and back, nothing happens twice.
    let merged_table = Table { bodies: merged.bodies.clone(), ..ours.clone() };
    let again = merge(&DeltaMerger::new(), &unit(&theirs, &merged_table, &theirs, json!({}))).await;
    assert!(matches!(&again.outcome, MergeOutcome::Merged { edits, .. } if edits.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_one_row_merge_with_keys_and_policies_decide_what_clashes() {
    let [base, ours, theirs] = sides(&Step::Number(only([1]), Some(10)), &Step::Number(only([1]), Some(5)));
    let options = json!({"keys": ["id"], "policies": {"n": "sum_delta"}});
    let merged = merge(&DeltaMerger::new(), &unit(&base, &ours, &theirs, options)).await;
    let MergeOutcome::Merged { report, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    assert_eq!(report.notes, ["1 cells were decided by a policy"]);
    assert_eq!(read(&merged.bodies).await[1], (1, ("a".to_owned(), Some(15))));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_in_conflict_is_decided_on_its_own() {
    let ids = only([1, 2, 3, 4]);
    let [base, ours, theirs] = sides(&Step::Rename(ids.clone(), "b".into()), &Step::Rename(ids, "c".into()));
    let mut case = unit(&base, &ours, &theirs, json!({"keys": ["id"]}));
    let merger = DeltaMerger::new();
    let MergeOutcome::Conflicts { conflicts, .. } = merge(&merger, &case).await.outcome else { panic!() };
    assert_eq!(conflicts.len(), 4);
    assert!(
        conflicts
            .iter()
            .all(|one| one.kind == ConflictKind::RowConflict && one.column.as_deref() == Some("name"))
    );
    for (conflict, choice) in conflicts.iter().zip(["ours", "theirs", "base", "value"]) {
        let value = (choice == "value").then(|| json!("z"));
        let resolution = Resolution { conflict: conflict.id(), choice: choice.into(), value, object: None };
        case.resolutions.push(resolution);
    }
    let merged = merge(&merger, &case).await;
    assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome);
    let mut chosen: Vec<String> =
        read(&merged.bodies).await[1..5].iter().map(|(_, cells)| cells.0.clone()).collect();
    chosen.sort();
    assert_eq!(chosen, ["a", "b", "c", "z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_decides_single_rows_and_the_rest_is_merged() {
    let base = base_table();
    let (mut ours, mut theirs) = (base.fork("ours"), base.fork("theirs"));
    ours.run(&Step::Rename(only([1, 2]), "b".into()));
    theirs.run(&Step::Rename(only([1, 3]), "c".into()));
    for (prefer, expected) in [(Winner::DestWins, ["b", "b", "c"]), (Winner::SourceWins, ["c", "b", "c"])] {
        let case = UnitCase { prefer: Some(prefer), ..unit(&base, &ours, &theirs, json!({"keys": ["id"]})) };
        let merged = merge(&DeltaMerger::new(), &case).await;
        assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{:#?}", merged.outcome);
        let mut names = read(&merged.bodies).await;
        names.retain(|(id, _)| (1..4).contains(id));
        let names: Vec<&str> = names.iter().map(|(_, cells)| cells.0.as_str()).collect();
        assert_eq!(names, expected, "{prefer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_table_in_conflict_is_taken_whole() {
    let row = only([1]);
    let [base, ours, theirs] = sides(&Step::Rename(row.clone(), "b".into()), &Step::Rename(row, "c".into()));
    let mut case = unit(&base, &ours, &theirs, json!({}));
    let merger = DeltaMerger::new();
    let MergeOutcome::Conflicts { conflicts, .. } = merge(&merger, &case).await.outcome else { panic!() };
    assert!(conflicts.iter().all(|one| one.choices.iter().map(|c| c.id.as_str()).eq(["ours", "theirs"])));
    for conflict in &conflicts {
        let theirs =
            Resolution { conflict: conflict.id(), choice: "theirs".into(), value: None, object: None };
        case.resolutions.push(theirs);
    }
    assert_eq!(merge(&merger, &case).await.bodies, theirs.bodies);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_goes_to_disk_or_fails_with_the_limit() {
    let rows =
        |from: i64| (from..from + 30_000).map(|id| (id, (format!("row {id}"), Some(id)))).collect::<Rows>();
    let base = Table::new(&[rows(0)]);
    let (mut ours, mut theirs) = (base.fork("ours"), base.fork("theirs"));
    ours.run(&Step::Rename(only([7]), "b".into()));
    theirs.run(&Step::Delete(only([29_000])));
    let case = unit(&base, &ours, &theirs, json!({}));
    let small = RowBudget { memory_bytes: 1 << 18, ..RowBudget::default() };
    let refused = merge(&DeltaMerger::with_budget(small), &case).await;
    let MergeOutcome::Failed(failure) = &refused.outcome else { panic!("{:#?}", refused.outcome) };
    assert!(failure.message.contains("bytes of memory"), "{}", failure.message);

    let folder = tempfile::tempdir().unwrap();
    let spilling =
        RowBudget { memory_bytes: 6 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    let merged = merge(&DeltaMerger::with_budget(spilling), &case).await;
    let MergeOutcome::Merged { report, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    assert_eq!(report.rows.unwrap().removed, 1);
    let read = read(&merged.bodies).await;
    assert_eq!((read.len(), read[7].1.0.as_str()), (29_999, "b"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left on disk");
}

/// Tables that real engines wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_a_file_that_ours_compacted_merges() {
    let merger = DeltaMerger::new();
    let name = "optimize-dropped";
    let merged = merge(&merger, &fixture(name).swapped()).await;
    let MergeOutcome::Merged { report, .. } = &merged.outcome else { panic!("{:#?}", merged.outcome) };
    assert_eq!(report.verification, Verification::Agrees);
    let (base, ours, theirs) = (ids_of(name, "base"), ids_of(name, "ours"), ids_of(name, "theirs"));
    let kept = |id: &i64| !base.contains(id) || (ours.contains(id) && theirs.contains(id));
    let mut expected: Vec<i64> = ours.iter().chain(&theirs).copied().filter(|id| kept(id)).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(fixtures::ids(&merged.bodies).await, expected);
    if let Some(read) = fixtures::foreign_ids(&merged.bodies) {
        for (engine, ids) in read {
            assert_eq!(ids, expected, "as {engine} reads it");
        }
    }
    assert!(side(name, "ours").contains_key("_delta_log/00000000000000000000.json"));
}
