//! Random edits of both sides, against the three-way merge of plain maps.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_merge::MergeOutcome;
use proptest::prelude::*;

use crate::support::{merger, shown, stock_case};

/// A row by its key.
type Rows = BTreeMap<i64, (i64, i64)>;

#[derive(Clone, Debug)]
enum Step {
    Put(i64, i64, i64),
    Note(i64, i64),
    Amount(i64, i64),
    Remove(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..12_i64, 0..3_i64, 0..3_i64).prop_map(|(key, note, amount)| Step::Put(key, note, amount)),
        (0..8_i64, 0..3_i64).prop_map(|(key, note)| Step::Note(key, note)),
        (0..8_i64, 0..3_i64).prop_map(|(key, amount)| Step::Amount(key, amount)),
        (0..8_i64).prop_map(Step::Remove),
    ];
    proptest::collection::vec(step, 0..5)
}

fn run(base: &Rows, steps: &[Step]) -> Rows {
    let mut rows = base.clone();
    for step in steps {
        match *step {
            Step::Put(key, note, amount) => drop(rows.insert(key, (note, amount))),
            Step::Note(key, note) => {
                rows.entry(key).and_modify(|row| row.0 = note);
            }
            Step::Amount(key, amount) => {
                rows.entry(key).and_modify(|row| row.1 = amount);
            }
            Step::Remove(key) => drop(rows.remove(&key)),
        }
    }
    rows
}

fn pick<T: PartialEq + Copy>(base: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || base == theirs {
        Some(ours)
    } else if base == ours {
        Some(theirs)
    } else {
        None
    }
}

/// The merged rows, and the keys that cannot be decided.
fn model(base: &Rows, ours: &Rows, theirs: &Rows) -> (Rows, BTreeSet<i64>) {
    let (mut merged, mut open) = (Rows::new(), BTreeSet::new());
    for key in base.keys().chain(ours.keys()).chain(theirs.keys()) {
        let rows = [base, ours, theirs].map(|side| side.get(key).copied());
        let [b, o, t] = rows;
        match (pick(b, o, t), rows) {
            (Some(Some(row)), _) => drop(merged.insert(*key, row)),
            (Some(None), _) => {}
            (None, [Some(b), Some(o), Some(t)]) => match (pick(b.0, o.0, t.0), pick(b.1, o.1, t.1)) {
                (Some(note), Some(amount)) => drop(merged.insert(*key, (note, amount))),
                _ => drop(open.insert(*key)),
            },
            _ => drop(open.insert(*key)),
        }
    }
    (merged, open)
}

/// In which order the rows of files stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Ascending,
    Descending,
    /// In none, as a rule.
    Other,
}

fn spelled(rows: &Rows, order: Order) -> String {
    let mut keys: Vec<&i64> = rows.keys().collect();
    match order {
        Order::Ascending => {}
        Order::Descending => keys.reverse(),
        Order::Other => keys.sort_by_key(|key| (*key * 7) % 5),
    }
    keys.iter().map(|key| format!("{key}:{}:{} ", rows[key].0, rows[key].1)).collect()
}

fn read(text: &str) -> Vec<(i64, (i64, i64))> {
    let cell = |cell: &str| cell.parse::<i64>().unwrap();
    let row = |row: &str| {
        let cells: Vec<i64> = row.split(':').map(cell).collect();
        (cells[0], (cells[1], cells[2]))
    };
    text.split_whitespace().map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn a_merge_is_that_of_plain_maps(
        initial in proptest::collection::btree_map(0..8_i64, (0..3_i64, 0..3_i64), 0..8),
        ours in steps(), theirs in steps(),
        order in prop_oneof![Just(Order::Ascending), Just(Order::Descending), Just(Order::Other)],
    ) {
        let (ours, theirs) = (run(&initial, &ours), run(&initial, &theirs));
        let (expected, open) = model(&initial, &ours, &theirs);
        let [base_text, ours_text, theirs_text] = [&initial, &ours, &theirs].map(|rows| spelled(rows, order));
        let case = stock_case(&base_text, &ours_text, &theirs_text).open();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(case.run(merger()));
        match &outcome {
            MergeOutcome::Merged { .. } => {
                prop_assert!(open.is_empty());
                let body = case.merged_bodies(&outcome).unwrap().remove("").unwrap();
                let rows = read(&shown(&body));
                prop_assert_eq!(rows.iter().copied().collect::<Rows>(), expected.clone());
                prop_assert_eq!(rows.len(), expected.len());
                let keys = |rows: &[(i64, (i64, i64))]| -> Vec<i64> { rows.iter().map(|(key, _)| *key).collect() };
                let (merged, before, other) = (keys(&rows), keys(&read(&ours_text)), keys(&read(&theirs_text)));
                let descends = |keys: &[i64]| keys.iter().rev().is_sorted();
                if ours == initial {
                    // Theirs' file as it is.
                    prop_assert_eq!(merged, other);
                } else if before.is_sorted() && other.is_sorted() {
                    prop_assert!(merged.is_sorted());
                } else if descends(&before) && descends(&other) {
                    prop_assert!(descends(&merged));
                } else {
                    // Ours' rows stand as they stood, and theirs' new ones behind them.
                    let kept = before.iter().filter(|key| expected.contains_key(key));
                    let new = other.iter().filter(|key| !ours.contains_key(key) && expected.contains_key(key));
                    prop_assert_eq!(merged, kept.chain(new).copied().collect::<Vec<_>>());
                }
            }
            MergeOutcome::Conflicts { conflicts, .. } => {
                let keys = conflicts.iter().map(|one| one.key.as_ref().unwrap()["id"].as_i64().unwrap());
                prop_assert_eq!(keys.collect::<BTreeSet<_>>(), open);
            }
            MergeOutcome::Failed(failure) => prop_assert!(false, "{failure:?}"),
        }
    }
}
