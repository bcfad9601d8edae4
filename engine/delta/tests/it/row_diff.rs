//! The rows that differ between two states of a table, against tables made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_delta::{DeltaMerger, RowBudget};
use anabranch_merge::test_support::{MemoryObjects, MemoryUnit, entry_changes};
use anabranch_merge::{
    ChangedRow, DiffInput, Merger, RowChange, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals,
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use roaring::RoaringTreemap;
use serde_json::{Map, Value, json};

type Cells = (&'static str, Option<i64>);

/// A file: its rows by position, those that a deletion vector hides, and its partition.
#[derive(Clone, Debug, Default)]
struct File {
    rows: Vec<(i64, Cells)>,
    hidden: BTreeSet<usize>,
    day: Option<&'static str>,
}

/// A state of a table.
#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<&'static str, File>,
    configuration: BTreeMap<&'static str, &'static str>,
    /// Columns of the schema that no file has.
    more: Vec<&'static str>,
    partitioned: bool,
}

fn state<const N: usize>(files: [(&'static str, &[(i64, Cells)]); N]) -> State {
    let file = |rows: &[(i64, Cells)]| File { rows: rows.to_vec(), ..File::default() };
    State { files: files.map(|(name, rows)| (name, file(rows))).into(), ..State::default() }
}

fn parquet(rows: &[(i64, Cells)]) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, cells)| cells.0)));
    let numbers: ArrayRef = Arc::new(rows.iter().map(|(_, cells)| cells.1).collect::<Int64Array>());
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names), ("n", numbers)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A deletion vector that stands in its action.
fn vector(hidden: &BTreeSet<usize>) -> Value {
    let mut data = 1_681_511_377_u32.to_le_bytes().to_vec();
    hidden.iter().map(|row| *row as u64).collect::<RoaringTreemap>().serialize_into(&mut data).unwrap();
    let size = data.len();
    data.resize(size.next_multiple_of(4), 0);
    json!({"storageType": "i", "pathOrInlineDv": z85::encode(&data), "sizeInBytes": size, "cardinality": hidden.len()})
}

impl State {
    fn unit(&self, label: &str, objects: &Arc<MemoryObjects>) -> MemoryUnit {
        let mut unit = MemoryUnit::new(label, objects);
        let field =
            |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
        let mut fields = vec![field("id", "long"), field("name", "string"), field("n", "long")];
        fields.extend(self.more.iter().map(|name| field(name, "string")));
        let partitions = if self.partitioned { vec!["day"] } else { Vec::new() };
        fields.extend(partitions.iter().map(|name| field(name, "date")));
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        let mut actions = vec![
            json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}}),
            json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
                "partitionColumns": partitions, "configuration": self.configuration, "createdTime": 0}}),
        ];
        for (path, file) in &self.files {
            let body = parquet(&file.rows);
            let mut add = json!({"path": path, "partitionValues": {}, "size": body.len(), "modificationTime": 0,
                "dataChange": true, "stats": json!({"numRecords": file.rows.len()}).to_string()});
            if self.partitioned {
                add["partitionValues"] = json!({"day": file.day});
            }
            if !file.hidden.is_empty() {
                add["deletionVector"] = vector(&file.hidden);
            }
            actions.push(json!({"add": add}));
            unit.put(*path, body);
        }
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        unit.put("_delta_log/00000000000000000000.json", text);
        unit
    }

    /// The live rows as JSON shows them.
    fn rows(&self) -> Vec<Value> {
        let live = |file: &File| {
            let all = file.rows.clone().into_iter().enumerate();
            let hidden = file.hidden.clone();
            all.filter(move |(row, _)| !hidden.contains(row)).map(|(_, row)| row).collect::<Vec<_>>()
        };
        let rows = self.files.values().flat_map(live);
        rows.map(|(id, (name, n))| json!({"id": id, "name": name, "n": n})).collect()
    }
}

struct Case {
    merger: DeltaMerger,
    before: MemoryUnit,
    after: MemoryUnit,
    options: Value,
}

impl Case {
    fn new(before: &State, after: &State, options: Value) -> Case {
        let objects = MemoryObjects::new();
        let (before, after) = (before.unit("main", &objects), after.unit("dev", &objects));
        Case { merger: DeltaMerger::new(), before, after, options }
    }

    async fn ask(&self, request: &RowDiffRequest) -> Result<RowDiffPage, RowDiffError> {
        let changes = entry_changes(&self.before, &self.after);
        let input = DiffInput {
            root: "tables/t",
            before: &self.before,
            after: &self.after,
            changes: &changes,
            options: &self.options,
        };
        self.merger.diff_rows(input, request).await
    }

    async fn all(&self) -> RowDiffPage {
        self.ask(&everything()).await.unwrap()
    }

    /// The data files that were read, and from which side.
    fn read(&self) -> BTreeSet<(&'static str, String)> {
        let reads = |side, unit: &MemoryUnit| {
            let all = unit.accesses().into_iter();
            let files = all.filter(|one| one.method == "read" && one.path.ends_with(".parquet"));
            files.map(|one| (side, one.path)).collect::<Vec<_>>()
        };
        reads("before", &self.before).into_iter().chain(reads("after", &self.after)).collect()
    }
}

fn everything() -> RowDiffRequest {
    RowDiffRequest { limit: 1_000, after: None, columns: Vec::new() }
}

fn keys() -> Value {
    json!({"keys": ["id"]})
}

fn totals(added: u64, removed: u64, modified: u64, cells: u64) -> RowTotals {
    RowTotals { added, removed, modified, cells }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    value.as_object().cloned()
}

fn row(change: RowChange, key: Value, columns: &[&str], before: Value, after: Value) -> ChangedRow {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    ChangedRow { change, copies: 1, key: object(key), columns, before: object(before), after: object(after) }
}

const SAME: &[(i64, Cells)] = &[(1, ("a", Some(1))), (2, ("b", None))];

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_a_changed_row_names_its_columns_and_only_files_that_differ_are_read() {
    let before = state([
        ("same.parquet", SAME),
        ("old.parquet", &[(3, ("c", Some(3))), (4, ("d", Some(4))), (5, ("e", Some(5)))]),
    ]);
    let after = state([
        ("same.parquet", SAME),
        ("new.parquet", &[(5, ("e", Some(5))), (3, ("x", None))]),
        ("more.parquet", &[(6, ("f", None))]),
    ]);
    let case = Case::new(&before, &after, keys());
    let page = case.all().await;
    use RowChange::{Added, Changed, Removed};
    let null = Value::Null;
    let expected = [
        row(
            Changed,
            json!({"id": 3}),
            &["name", "n"],
            json!({"name": "c", "n": 3}),
            json!({"name": "x", "n": null}),
        ),
        row(Removed, json!({"id": 4}), &[], json!({"id": 4, "name": "d", "n": 4}), null.clone()),
        row(Added, json!({"id": 6}), &[], null, json!({"id": 6, "name": "f", "n": null})),
    ];
    assert_eq!(page.rows, expected);
    assert_eq!((page.totals, page.next), (totals(1, 1, 1, 2), None));
    assert_eq!(
        (page.keys, page.columns),
        (vec!["id".to_owned()], ["id", "name", "n"].map(str::to_owned).to_vec())
    );
    let read = [("before", "old"), ("after", "more"), ("after", "new")];
    assert_eq!(case.read(), read.map(|(side, name)| (side, format!("{name}.parquet"))).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_rows_are_a_multiset() {
    let before = state([("a.parquet", &[(1, ("a", None)), (1, ("a", None)), (2, ("b", None))])]);
    let after = state([("b.parquet", &[(2, ("b", None)), (3, ("c", None)), (3, ("c", None))])]);
    let page = Case::new(&before, &after, json!({})).all().await;
    assert_eq!((page.totals, page.keys.len()), (totals(2, 2, 0, 0), 0));
    let shown: Vec<_> = page.rows.iter().map(|row| (row.change, row.copies, row.key.is_none())).collect();
    assert_eq!(shown, [(RowChange::Removed, 2, true), (RowChange::Added, 2, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_with_another_deletion_vector_only_what_one_hides_is_compared() {
    let mut before = state([("a.parquet", &[(1, ("a", None)), (2, ("b", None)), (3, ("c", None))])]);
    let mut after = before.clone();
    after.files.get_mut("a.parquet").unwrap().hidden = [1].into();
    let case = Case::new(&before, &after, json!({}));
    let page = case.all().await;
    assert_eq!(page.totals, totals(0, 1, 0, 0));
    assert_eq!(page.rows[0].before.as_ref().unwrap()["id"], 2);
    assert_eq!(
        case.read(),
        [("before", "a.parquet".to_owned())].into(),
        "after hides nothing that before has not"
    );

    before.files.get_mut("a.parquet").unwrap().hidden = [0, 1].into();
    after.files.get_mut("a.parquet").unwrap().hidden = [1, 2].into();
    after.files.extend(state([("b.parquet", &[(3, ("z", None))])]).files);
    let page = Case::new(&before, &after, keys()).all().await;
    assert_eq!(page.totals, totals(1, 0, 1, 1), "row 1 is back, row 3 moved with another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_columns_and_states_may_be_partitioned_differently() {
    let mut before = state([("a.parquet", SAME)]);
    before.partitioned = true;
    before.files.get_mut("a.parquet").unwrap().day = Some("2026-01-01");
    let mut after = before.clone();
    let mut moved = after.files.remove("a.parquet").unwrap();
    moved.day = None;
    after.files.insert("b.parquet", moved);
    let page = Case::new(&before, &after, keys()).all().await;
    assert_eq!(page.totals, totals(0, 0, 2, 2));
    let null = json!({"day": null});
    let expected = row(RowChange::Changed, json!({"id": 1}), &["day"], json!({"day": "2026-01-01"}), null);
    assert_eq!(page.rows[0], expected);

    let mut flat = state([("c.parquet", SAME)]);
    flat.more = vec!["day"];
    let case = Case::new(&state([("a.parquet", SAME)]), &flat, keys());
    assert_eq!(case.all().await.totals, totals(0, 0, 0, 0), "a new column without values changes no row");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_columns_that_are_asked_for_are_compared() {
    let before = state([("a.parquet", &[(1, ("a", Some(1))), (2, ("b", Some(2)))])]);
    let after = state([("b.parquet", &[(1, ("z", Some(1))), (2, ("b", Some(3)))])]);
    let case = Case::new(&before, &after, keys());
    let only = |columns: &[&str]| RowDiffRequest {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..everything()
    };
    let page = case.ask(&only(&["n"])).await.unwrap();
    assert_eq!(page.totals, totals(0, 0, 1, 1));
    assert_eq!((page.columns.join(" "), &page.rows[0].columns), ("id n".into(), &vec!["n".to_owned()]));
    let refused = case.ask(&only(&["colour"])).await.unwrap_err();
    assert!(matches!(&refused, RowDiffError::Invalid(why) if why.contains("\"colour\"")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_add_up_and_belong_to_one_comparison() {
    let rows: Vec<(i64, Cells)> = (0..25).map(|id| (id, ("a", None))).collect();
    let case = Case::new(&state([]), &state([("a.parquet", &rows)]), keys());
    let mut seen = Vec::new();
    let mut request = RowDiffRequest { limit: 10, ..everything() };
    loop {
        let page = case.ask(&request).await.unwrap();
        assert_eq!(page.totals, totals(25, 0, 0, 0), "totals are of all pages");
        seen.extend(page.rows.iter().map(|row| row.key.as_ref().unwrap()["id"].as_i64().unwrap()));
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
        assert_eq!(seen.len() % 10, 0);
    }
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    let first = case.ask(&RowDiffRequest { limit: 10, ..everything() }).await.unwrap();
    let other = Case::new(&state([]), &state([("b.parquet", &rows)]), keys());
    let refused = other.ask(&RowDiffRequest { after: first.next, ..everything() }).await.unwrap_err();
    assert!(refused.to_string().contains("another comparison"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_many_rows_goes_over_pages_too() {
    let before: Vec<(i64, Cells)> = (0..5).map(|n| (7, ("a", Some(n)))).collect();
    let after: Vec<(i64, Cells)> = (10..15).map(|n| (7, ("a", Some(n)))).collect();
    let case = Case::new(&state([("a.parquet", &before)]), &state([("b.parquet", &after)]), keys());
    let mut request = RowDiffRequest { limit: 4, ..everything() };
    let mut sizes = Vec::new();
    loop {
        let page = case.ask(&request).await.unwrap();
        sizes.push(page.rows.len());
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_is_all_added_and_a_dropped_one_all_removed() {
    let table = state([("a.parquet", SAME)]);
    let mut case = Case::new(&table, &table, json!({}));
    case.before = MemoryUnit::new("main", &MemoryObjects::new());
    assert_eq!(case.all().await.totals, totals(2, 0, 0, 0));
    std::mem::swap(&mut case.before, &mut case.after);
    assert_eq!(case.all().await.totals, totals(0, 2, 0, 0));
    case.before = MemoryUnit::new("main", &MemoryObjects::new());
    assert_eq!(case.all().await, RowDiffPage::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_compared_says_why() {
    let before = state([("a.parquet", SAME)]);
    let mut after = state([("b.parquet", &[(1, ("b", None))])]);
    let refused = async |after: &State, options: Value| {
        Case::new(&before, after, options).ask(&everything()).await.unwrap_err()
    };
    let error = refused(&after, json!({"keys": ["sku"]})).await;
    assert!(matches!(&error, RowDiffError::Invalid(why) if why.contains("sku")), "{error:?}");
    let error = refused(&after, json!({"keys": 1})).await;
    assert!(matches!(&error, RowDiffError::Invalid(why) if why.contains("merge.toml")), "{error:?}");
    after.configuration.insert("delta.columnMapping.mode", "name");
    let error = refused(&after, json!({})).await;
    assert!(
        matches!(&error, RowDiffError::Unsupported(why) if why.contains("maps its columns")),
        "{error:?}"
    );

    let after = state([("b.parquet", SAME)]);
    let mut case = Case::new(&before, &after, json!({}));
    case.after.remove("b.parquet");
    let error = case.ask(&everything()).await.unwrap_err();
    assert!(matches!(&error, RowDiffError::Damaged(why) if why.contains("b.parquet")), "{error:?}");
    for reads in 0..40 {
        let case = Case::new(&before, &after, json!({}));
        case.after.fail_after(reads);
        match case.ask(&everything()).await {
            Ok(_) => assert!(reads > 3),
            Err(error) => assert!(matches!(error, RowDiffError::View(_)), "{reads}: {error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_goes_to_disk_or_is_refused() {
    let rows =
        |name: &'static str| (0..30_000).map(|id| (id, (name, Some(id)))).collect::<Vec<(i64, Cells)>>();
    let mut changed = rows("a");
    changed[7].1.0 = "b";
    let mut case = Case::new(&state([("a.parquet", &rows("a"))]), &state([("b.parquet", &changed)]), keys());
    case.merger = DeltaMerger::with_budget(RowBudget { memory_bytes: 1 << 18, ..RowBudget::default() });
    let refused = case.ask(&everything()).await.unwrap_err();
    assert!(
        matches!(&refused, RowDiffError::TooLarge(why) if why.contains("bytes of memory")),
        "{refused:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let spilling =
        RowBudget { memory_bytes: 4 << 20, folder: Some(folder.path().to_owned()), disk_bytes: 1 << 30 };
    case.merger = DeltaMerger::with_budget(spilling);
    let page = case.all().await;
    assert_eq!((page.totals, page.rows.len()), (totals(0, 0, 1, 1), 1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left on disk");
}

const FILES: [&str; 3] = ["0.parquet", "1.parquet", "2.parquet"];
const NEW_FILES: [&str; 3] = ["new-0.parquet", "new-1.parquet", "new-2.parquet"];

/// What becomes of a file.
#[derive(Clone, Debug)]
enum Fate {
    Stays,
    Hides(BTreeSet<usize>),
    Becomes(BTreeMap<i64, Cells>),
}

fn cells() -> impl Strategy<Value = Cells> {
    (prop::sample::select(vec!["a", "b"]), prop::option::of(0_i64..2))
}

/// Rows of one file: no two files share an id.
fn rows_of(file: i64) -> impl Strategy<Value = BTreeMap<i64, Cells>> {
    prop::collection::btree_map((0_i64..4).prop_map(move |id| id * 3 + file), cells(), 1..5)
}

fn hidden() -> impl Strategy<Value = BTreeSet<usize>> {
    prop::collection::btree_set(0_usize..4, 0..3)
}

fn fate(file: i64) -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Stays), hidden().prop_map(Fate::Hides), rows_of(file).prop_map(Fate::Becomes)]
}

fn states() -> impl Strategy<Value = (State, State)> {
    let file = |number: i64| (rows_of(number), hidden(), fate(number));
    (file(0), file(1), file(2)).prop_map(|(a, b, c)| {
        let (mut before, mut after) = (State::default(), State::default());
        for ((rows, hidden, fate), number) in [a, b, c].into_iter().zip(0..) {
            let (old, new) = (FILES[number], NEW_FILES[number]);
            let file = File { rows: rows.into_iter().collect(), hidden, day: None };
            before.files.insert(old, file.clone());
            match fate {
                Fate::Stays => drop(after.files.insert(old, file)),
                Fate::Hides(hidden) => drop(after.files.insert(old, File { hidden, ..file })),
                Fate::Becomes(rows) => {
                    let rows = rows.into_iter().collect();
                    after.files.insert(new, File { rows, ..File::default() });
                }
            }
        }
        (before, after)
    })
}

/// Applies a diff: each row that is removed or changed must be there.
fn applied(mut rows: Vec<Value>, diff: &RowDiffPage) -> Vec<Value> {
    for change in &diff.rows {
        let holds = |row: &Value, cells: &Option<Map<String, Value>>| {
            cells.iter().flatten().all(|(column, value)| row[column] == *value)
        };
        for _ in 0..change.copies {
            if change.change == RowChange::Added {
                rows.push(Value::Object(change.after.clone().unwrap()));
                continue;
            }
            let found = rows.iter().position(|row| holds(row, &change.key) && holds(row, &change.before));
            let found = found.unwrap_or_else(|| panic!("no such row: {change:?} in {rows:?}"));
            if change.change == RowChange::Removed {
                rows.remove(found);
            } else {
                for (column, value) in change.after.iter().flatten() {
                    rows[found][column] = value.clone();
                }
            }
        }
    }
    rows
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_diff_applied_to_the_rows_before_gives_the_rows_after((before, after) in states(), with_keys in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = if with_keys { keys() } else { json!({}) };
        let page = runtime.block_on(Case::new(&before, &after, options).all());
        prop_assert_eq!(sorted(applied(before.rows(), &page)), sorted(after.rows()));
        let changed = page.rows.iter().filter(|row| row.change == RowChange::Changed).count() as u64;
        prop_assert_eq!(changed, page.totals.modified);
        prop_assert!(with_keys || changed == 0);
    }
}
