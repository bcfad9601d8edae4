//! The rows that differ between two states of a table, against tables made by hand.

mod budget;
mod model;
mod parts;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_delta::DeltaMerger;
use anabranch_merge::test_support::{MemoryObjects, MemoryUnit, entry_changes};
use anabranch_merge::{
    ChangedRow, DiffInput, Merger, RowChange, RowDiffError, RowDiffPage, RowDiffRequest, RowTotals,
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
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
    RowDiffRequest { limit: 1_000, ..RowDiffRequest::default() }
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
