//! Tables whose columns have other names in their files and their log are checked as all others.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::fixtures::{Bodies, case, side};

/// What a file calls the columns `id`, `n`, `s` and `s.x`, and whether it says their ids.
#[derive(Clone, Copy)]
struct Names {
    in_file: [&'static str; 4],
    with_ids: bool,
}

const PHYSICAL: Names = Names { in_file: ["c-id", "c-n", "c-s", "c-x"], with_ids: true };
/// In a mode of names, ids do not count; in one of ids, names do not.
const NAMES_ALONE: Names = Names { with_ids: false, ..PHYSICAL };
/// As a table that came from elsewhere has them.
const IDS_ALONE: Names = Names { in_file: ["n", "id", "of old", "id"], with_ids: true };

/// A row: `id`, `n`, and `x` of the struct `s`.
type Row = (i64, Option<i64>, i64);

#[derive(Clone)]
struct Mapped {
    bodies: Bodies,
    version: u64,
    branch: &'static str,
    mode: &'static str,
    names: Names,
    required: bool,
    properties: serde_json::Value,
}

impl Mapped {
    fn new(mode: &'static str, names: Names) -> Mapped {
        let properties = json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "5"});
        let (bodies, required) = (Bodies::new(), false);
        let mut table = Mapped { bodies, version: 0, branch: "base", mode, names, required, properties };
        let first = table.add(&[(1, Some(1), 1), (2, Some(2), 2)]);
        let protocol = json!({"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}});
        table.commit("CREATE TABLE", vec![protocol, table.description(), first]);
        table
    }

    fn description(&self) -> serde_json::Value {
        let field = |name: &str, id: i64, kind: serde_json::Value| {
            json!({"name": name, "type": kind, "nullable": !(self.required && name == "n"), "metadata": {
                "delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("c-{name}")}})
        };
        let inner = json!({"type": "struct", "fields": [field("x", 4, json!("long"))]});
        let fields = [
            field("id", 1, json!("long")),
            field("n", 2, json!("long")),
            field("s", 3, inner),
            field("p", 5, json!("long")),
        ];
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": ["p"], "configuration": self.properties, "createdTime": 0}})
    }

    fn file(&self, rows: &[Row]) -> Vec<u8> {
        let [id, n, s, x] = self.names.in_file;
        let field = |name: &str, number: i64, data_type: DataType| {
            let field = Field::new(name, data_type, true);
            let ids = [("PARQUET:field_id".to_owned(), number.to_string())];
            if self.names.with_ids { field.with_metadata(ids.into()) } else { field }
        };
        let of = |value: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<Int64Array>())
        };
        let inner: Fields = vec![field(x, 4, DataType::Int64)].into();
        let nested = StructArray::new(inner.clone(), vec![of(&|row| Some(row.2))], None);
        // Not in the order of the table.
        let fields = vec![
            field(s, 3, DataType::Struct(inner)),
            field(n, 2, DataType::Int64),
            field(id, 1, DataType::Int64),
        ];
        let columns: Vec<ArrayRef> = vec![Arc::new(nested), of(&|row| row.1), of(&|row| Some(row.0))];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn add(&mut self, rows: &[Row]) -> serde_json::Value {
        let (path, body) = (format!("{}-{}.parquet", self.branch, self.version), self.file(rows));
        let ids = rows.iter().map(|row| row.0);
        let nulls = rows.iter().filter(|row| row.1.is_none()).count();
        let stats = json!({"numRecords": rows.len(), "minValues": {"c-id": ids.clone().min()},
            "maxValues": {"c-id": ids.max()}, "nullCount": {"c-id": 0, "c-n": nulls}});
        let add = json!({"add": {"path": path, "partitionValues": {"c-p": "7"}, "size": body.len(),
            "modificationTime": 0, "dataChange": true, "stats": stats.to_string()}});
        self.bodies.insert(path, body.into());
        add
    }

    fn commit(&mut self, operation: &str, mut actions: Vec<serde_json::Value>) {
        let info = json!({"operation": operation, "operationParameters": {"mode": "Append"}});
        actions.insert(0, json!({"commitInfo": info}));
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        self.bodies.insert(format!("_delta_log/{:020}.json", self.version), text.into());
        self.version += 1;
    }

    fn on(&self, branch: &'static str) -> Mapped {
        Mapped { branch, ..self.clone() }
    }

    fn append(mut self, rows: &[Row]) -> Mapped {
        let add = self.add(rows);
        self.commit("WRITE", vec![add]);
        self
    }

    fn constrain(mut self, condition: &str) -> Mapped {
        self.properties["delta.constraints.rule"] = json!(condition);
        self.commit("ADD CONSTRAINT", vec![self.description()]);
        self
    }

    fn require(mut self) -> Mapped {
        self.required = true;
        self.commit("CHANGE COLUMN", vec![self.description()]);
        self
    }
}

fn of(base: &Mapped, ours: &Mapped, theirs: &Mapped, options: serde_json::Value) -> UnitCase {
    UnitCase { options, ..case(base.mode, base.bodies.clone(), ours.bodies.clone(), theirs.bodies.clone()) }
}

fn tables() -> [Mapped; 4] {
    [
        Mapped::new("name", PHYSICAL),
        Mapped::new("name", NAMES_ALONE),
        Mapped::new("id", PHYSICAL),
        Mapped::new("id", IDS_ALONE),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_one_side_are_asked_of_the_rows_of_the_other() {
    for base in tables() {
        let theirs = base.on("theirs").append(&[(10, Some(5), 50), (11, None, 3)]);
        let ours = |condition: &str| base.on("ours").constrain(condition);
        for good in ["id < 12", "s.x <= 50", "p = 7 AND id > 0", "n = 5 OR n IS NULL"] {
            check(&of(&base, &ours(good), &theirs, json!({})), &["merged"], &["merged"]).await;
        }
        for (bad, id) in
            [("s.x < 50", 10), ("n <> 5 OR id = 11", 10), ("p <> 7 OR id <> 11", 11), ("n > 0", 11)]
        {
            let refused =
                merge(&DeltaMerger::new(), &of(&base, &ours(bad), &theirs, json!({"keys": "id"}))).await;
            let [found] = conflicts(&refused) else { panic!("{bad}: {:#?}", refused.outcome) };
            assert_eq!(found.kind, ConflictKind::ConstraintViolation, "{bad}: {}", found.message);
            let broken = found.theirs.as_ref().unwrap();
            assert_eq!((&broken["rows"], &broken["shown"][0]["id"]), (&json!(1), &json!(id)), "{bad}");
        }
        let required = base.on("ours").require();
        check(
            &of(&base, &required, &theirs, json!({})),
            &["constraint-violation: 1 row that theirs wrote breaks NOT NULL of column n, which ours added"],
            &["constraint-violation: 1 row that ours wrote breaks NOT NULL of column n, which theirs added"],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_both_sides_are_told_apart_by_statistics_and_by_values() {
    for base in tables() {
        let ours = base.on("ours").append(&[(10, None, 0), (30, None, 0)]);
        let theirs = |id: i64| base.on("theirs").append(&[(id, None, 0)]);
        for options in [json!({"keys": ["id"]}), json!({"unique": ["id"]}), json!({"unique": ["p", "id"]})] {
            check(&of(&base, &ours, &theirs(20), options.clone()), &["merged"], &["merged"]).await;
            let refused = merge(&DeltaMerger::new(), &of(&base, &ours, &theirs(30), options)).await;
            let [found] = conflicts(&refused) else { panic!("{:#?}", refused.outcome) };
            assert_eq!(found.kind, ConflictKind::DuplicateKey);
            assert_eq!(found.key.as_ref().unwrap()["id"], json!(30));
        }
        // Beyond what the statistics allow, no file is read.
        let open = of(&base, &ours, &theirs(40), json!({"keys": ["id"], "not-null": ["id"]})).open();
        assert!(matches!(open.run(&DeltaMerger::new()).await, MergeOutcome::Merged { .. }));
        let read = [&open.ours, &open.theirs].into_iter().flat_map(|unit| unit.accesses());
        let read: Vec<_> =
            read.filter(|one| one.method == "read" && one.path.ends_with(".parquet")).collect();
        assert!(read.is_empty(), "{read:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_lead_from_and_to_tables_that_map_their_columns() {
    let plain = after(&base_table(), &[append(20, "x")]);
    for base in tables() {
        let mapped = |rows: &[Row]| [base.clone(), base.on("after").append(rows)].map(|table| table.bodies);
        let both =
            |mapped: [Bodies; 2]| [("plain", plain.clone().map(|table| table.bodies)), ("mapped", mapped)];
        let from = json!({"references": [{"columns": "n", "table": "plain", "to": "id"}]});
        let to = json!({"references": [{"columns": "n", "table": "mapped", "to": "id"}]});
        let held = Tables::of(both(mapped(&[(20, Some(20), 0)])));
        assert_eq!(held.violations("mapped", from.clone()).await, [""; 0]);
        assert_eq!(held.violations("plain", to.clone()).await, [""; 0]);
        let broken = Tables::of(both(mapped(&[(21, Some(21), 0)])));
        let missing = |key: i64, table: &str| {
            format!(
                "reference-violation {{\"n\":{key}}}: 1 row refers to a row of {table} that the merge does not have: it is not there"
            )
        };
        assert_eq!(broken.violations("mapped", from).await, [missing(21, "plain")]);
        assert_eq!(broken.violations("plain", to).await, [missing(20, "mapped")]);
        let nested = json!({"references": [{"columns": "s", "table": "plain", "to": "id"}]});
        let found = broken.violations("mapped", nested).await;
        assert!(
            found[0].starts_with("constraint-unverifiable") && found[0].contains("columns within it"),
            "{found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_found_in_files_is_unverifiable() {
    let base = Mapped::new("id", NAMES_ALONE);
    let theirs = base.on("theirs").append(&[(10, None, 0)]);
    let found = outcomes(&of(&base, &base.on("ours").constrain("id < 5"), &theirs, json!({}))).await;
    assert!(
        found[0][0].starts_with("constraint-unverifiable") && found[0][0].contains("has no field ids"),
        "{found:?}"
    );
    let base = Mapped::new("lunar", PHYSICAL);
    let theirs = base.on("theirs").append(&[(10, None, 0)]);
    let found = outcomes(&of(&base, &base.on("ours").constrain("id < 5"), &theirs, json!({}))).await;
    assert!(found[0][0].contains("delta.columnMapping.mode = \"lunar\" is not known here"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_spark_are_checked() {
    for name in ["mapped-names", "mapped-ids"] {
        let options = json!({"keys": "id", "unique": [["year", "id"]], "not-null": ["place"]});
        let of = |theirs: &str| UnitCase {
            options: options.clone(),
            ..case(name, side(name, "base"), side(name, "ours"), side(name, theirs))
        };
        let refused = merge(&DeltaMerger::new(), &of("theirs")).await;
        let [found] = conflicts(&refused) else { panic!("{name}: {:#?}", refused.outcome) };
        let row = json!({"id": 20, "total": -1, "place": {"city": "Gera", "zip": 7545}});
        assert_eq!(found.theirs, Some(json!({"rows": 1, "shown": [row]})), "{name}: {}", found.message);
        let merged = merge(&DeltaMerger::new(), &of("later")).await;
        assert!(matches!(merged.outcome, MergeOutcome::Merged { .. }), "{name}: {:#?}", merged.outcome);
    }
}
