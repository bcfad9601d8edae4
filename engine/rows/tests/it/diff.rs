//! The diff: applying it to the one version gives the other, whole or page by page.

use anabranch_rows::{DiffOptions, DiffRow, MergeOptions, RowChange, diff_batches, key_columns};
use proptest::prelude::*;

use crate::support::{Row, any_identity, any_sides, by_key, rows, schema, sorted};

fn diff(options: &DiffOptions, before: &[Row], after: &[Row]) -> (Vec<DiffRow>, anabranch_rows::DiffTotals) {
    let (before, after) = (sorted(&options.identity, before, 2), sorted(&options.identity, after, 3));
    diff_batches(schema(), options, &before, &after).unwrap()
}

fn apply(diff: &[DiffRow], to: &[Row]) -> Vec<Row> {
    let mut result = to.to_vec();
    for change in diff {
        for _ in 0..change.copies {
            if let Some(view) = &change.before {
                let row = rows(&view.batch().slice(view.row(), 1)).remove(0);
                let at = result.iter().position(|other| *other == row).expect("the row was there");
                result.remove(at);
            }
            if let Some(view) = &change.after {
                result.push(rows(&view.batch().slice(view.row(), 1)).remove(0));
            }
        }
    }
    result.sort();
    result
}

fn plainly(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn applying_the_difference_gives_the_other_version(
        MergeOptions { identity, .. } in any_identity(),
        sides in any_sides(),
        limit in 1usize..4,
    ) {
        let options = DiffOptions::new(identity);
        let (whole, totals) = diff(&options, &sides.ours, &sides.theirs);
        prop_assert_eq!(apply(&whole, &sides.ours), plainly(&sides.theirs));
        prop_assert!(!totals.more);
        let count = |change: RowChange| whole.iter().filter(|r| r.change == change).map(|r| r.copies).sum::<u64>();
        prop_assert_eq!(totals.delta.added, count(RowChange::Added));
        prop_assert_eq!(totals.delta.removed, count(RowChange::Removed));
        prop_assert_eq!(totals.delta.changed, count(RowChange::Changed));
        prop_assert!(diff(&options, &sides.ours, &sides.ours).0.is_empty());

        // Page by page it is the same, and each page knows the totals.
        let mut paged: Vec<DiffRow> = Vec::new();
        loop {
            let after = paged.last().map(|row| row.key.clone());
            let (page, page_totals) =
                diff(&DiffOptions { limit, after, ..options.clone() }, &sides.ours, &sides.theirs);
            prop_assert_eq!(page_totals.delta, totals.delta);
            paged.extend(page);
            if !page_totals.more {
                break;
            }
        }
        prop_assert_eq!(paged.len(), whole.len());
        prop_assert_eq!(apply(&paged, &sides.ours), plainly(&sides.theirs));
    }
}

#[test]
fn a_changed_row_shows_its_key_and_what_differs() {
    let row = |k, a, b| vec![Some(k), Some(a), Some(b)];
    let (before, after) = ([row(1, 1, 1), row(2, 2, 2)], [row(1, 1, 5), row(3, 3, 3)]);
    let (rows, totals) = diff(&DiffOptions::new(by_key().identity), &before, &after);
    let key = key_columns(&schema(), &by_key().identity, &[]).unwrap();
    let shown: Vec<String> = rows.iter().map(|row| row.to_json(&key).unwrap().to_string()).collect();
    assert_eq!(
        shown,
        [
            r#"{"change":"changed","key":{"k":1},"before":{"b":1},"after":{"b":5}}"#,
            r#"{"change":"removed","key":{"k":2},"before":{"k":2,"a":2,"b":2}}"#,
            r#"{"change":"added","key":{"k":3},"after":{"k":3,"a":3,"b":3}}"#,
        ]
    );
    assert_eq!(totals.delta.cells, 1);
}
