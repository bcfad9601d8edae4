//! The diff against plain rows.

use proptest::prelude::*;

use super::*;

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
