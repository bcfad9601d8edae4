//! Laws that every merge keeps.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_rows::range::KeyRange;
use anabranch_rows::{
    Choice, Identity, MergeOptions, MergeReport, OpenRows, Origin, PerSide, Resolver, RowCodec, RowConflict,
    Side, key_columns, merge_batches, survey_batches,
};
use proptest::prelude::*;

use crate::support::{
    Row, any_identity, any_rows, any_sides, bag, by_key, merge, merged_rows, rows, schema, sorted,
};

fn plainly(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn merging_a_state_with_itself_is_that_state(options in any_identity(), x in any_rows()) {
        let sides = PerSide { base: x.clone(), ours: x.clone(), theirs: x.clone() };
        let (merged, report) = merge(&options, &sides, 3);
        prop_assert_eq!(merged_rows(&merged), plainly(x));
        prop_assert_eq!(report.clone(), MergeReport { rows: report.rows, ..MergeReport::default() });
        prop_assert!(merged.iter().all(|b| b.origins.iter().all(|o| *o == Origin::Ours) && b.gone_as.is_empty()));
    }

    #[test]
    fn an_unchanged_side_takes_the_other(options in any_identity(), base in any_rows(), changed in any_rows()) {
        for side in [Side::Ours, Side::Theirs] {
            let mut sides = PerSide { base: base.clone(), ours: base.clone(), theirs: base.clone() };
            *sides.get_mut(side) = changed.clone();
            let (merged, report) = merge(&options, &sides, 2);
            prop_assert_eq!(merged_rows(&merged), plainly(changed.clone()));
            prop_assert_eq!(report.conflict_count, 0);
        }
    }

    #[test]
    fn swapping_the_sides_swaps_labels_only(options in any_identity(), sides in any_sides()) {
        let swapped = PerSide {
            base: sides.base.clone(), ours: sides.theirs.clone(), theirs: sides.ours.clone(),
        };
        let (merged, report) = merge(&options, &sides, 2);
        let (merged_swapped, report_swapped) = merge(&options, &swapped, 3);
        prop_assert_eq!(report.conflict_count, report_swapped.conflict_count);
        for (conflict, other) in report.conflicts.iter().zip(&report_swapped.conflicts) {
            prop_assert_eq!(conflict.place(), other.place());
            prop_assert_eq!(&conflict.base, &other.base);
            prop_assert_eq!(&conflict.ours, &other.theirs);
            prop_assert_eq!(&conflict.theirs, &other.ours);
        }
        if report.conflict_count == 0 {
            prop_assert_eq!(merged_rows(&merged), merged_rows(&merged_swapped));
            prop_assert_eq!(report.from_base, report_swapped.from_base);
        }
    }

    #[test]
    fn numbers_and_rows_that_are_gone_account_for_the_result(options in any_identity(), sides in any_sides()) {
        let (merged, report) = merge(&options, &sides, 3);
        let result = merged_rows(&merged);
        for (delta, before) in [(report.from_ours, &sides.ours), (report.from_base, &sides.base)] {
            prop_assert_eq!(before.len() as u64 + delta.added - delta.removed, result.len() as u64);
            prop_assert!(delta.cells >= delta.changed);
        }
        // Ours without what is gone, with what came from elsewhere.
        let mut expected = plainly(sides.ours.clone());
        for gone in merged.iter().flat_map(|batch| rows(&batch.gone)) {
            let at = expected.iter().position(|row| *row == gone);
            prop_assert!(at.is_some(), "{:?} was not in ours", gone);
            expected.remove(at.unwrap());
        }
        for batch in &merged {
            let came = rows(&batch.rows).into_iter().zip(&batch.origins);
            expected.extend(came.filter(|(_, origin)| **origin != Origin::Ours).map(|(row, _)| row));
        }
        prop_assert_eq!(plainly(expected), result);
    }

    #[test]
    fn what_is_left_without_open_rows_is_there_whatever_is_decided(
        options in any_identity(),
        cell_wise in any::<bool>(),
        sides in any_sides(),
        choices in prop::collection::vec(0_usize..4, 9),
    ) {
        let options = MergeOptions { cell_wise, open_rows: OpenRows::LeftOut, ..options };
        let (merged, report) = merge(&options, &sides, 3);
        let left = merged_rows(&merged);
        let batches = PerSide::from_fn(|side| sorted(&options.identity, sides.get(side), 3));
        let among = [Choice::Ours, Choice::Theirs, Choice::Base, Choice::Both];
        let numbered: BTreeMap<String, usize> =
            report.conflicts.iter().enumerate().map(|(number, conflict)| (conflict.place(), number)).collect();
        let resolver = move |conflict: &RowConflict| {
            let choice = among[choices[numbered[&conflict.place()] % choices.len()]].clone();
            let fits = conflict.column.is_none() || choice != Choice::Both;
            Some(if fits { choice } else { Choice::Theirs })
        };
        let (decided, decided_report) =
            merge_batches(schema(), &options, &batches, Some(Box::new(resolver))).unwrap();
        prop_assert_eq!(decided_report.conflict_count, 0);
        let mut result = merged_rows(&decided);
        for row in &left {
            let at = result.iter().position(|other| other == row);
            prop_assert!(at.is_some(), "{:?} depends on what is decided", row);
            result.remove(at.unwrap());
        }
        // And what comes beside is of the rows in conflict.
        let key: &[usize] = if options.identity == Identity::Bag { &[0, 1, 2] } else { &[0] };
        let open: BTreeSet<Row> = report
            .conflicts
            .iter()
            .map(|conflict| conflict.key.as_object().unwrap().values().map(|value| value.as_i64()).collect())
            .collect();
        for row in result {
            let of: Row = key.iter().map(|column| row[*column]).collect();
            prop_assert!(open.contains(&of), "{:?} is not in conflict and was left out", row);
        }
    }

    #[test]
    fn copies_that_come_part_by_part_are_merged_as_those_that_are_held(
        sides in any_sides(),
        copies in prop::collection::vec(1_usize..9, 9),
        held in 1_usize..4,
        choice in prop::sample::select(vec![Choice::Ours, Choice::Theirs, Choice::Base, Choice::Both]),
        decides in any::<bool>(),
    ) {
        // Each row as often as its value says.
        let many = |rows: &Vec<Row>| -> Vec<Row> {
            let times = |row: &Row| copies[row.iter().flatten().sum::<i64>() as usize % copies.len()];
            rows.iter().flat_map(|row| std::iter::repeat_n(row.clone(), times(row))).collect()
        };
        let sides = PerSide { base: many(&sides.base), ours: many(&sides.ours), theirs: many(&sides.theirs) };
        let batches = PerSide::from_fn(|side| sorted(&Identity::Bag, sides.get(side), 2));
        let run = |options: &MergeOptions| {
            let choice = choice.clone();
            let resolver: Resolver = Box::new(move |_| Some(choice.clone()));
            let (merged, report) =
                merge_batches(schema(), options, &batches, Some(resolver).filter(|_| decides)).unwrap();
            let mut gone: Vec<Row> = merged.iter().flat_map(|batch| rows(&batch.gone)).collect();
            gone.sort();
            let mut origins: Vec<(Row, Origin)> =
                merged.iter().flat_map(|batch| rows(&batch.rows).into_iter().zip(batch.origins.clone())).collect();
            origins.sort_by_key(|(row, origin)| (row.clone(), *origin as u8));
            (merged_rows(&merged), gone, origins, report)
        };
        let in_parts = MergeOptions { group_rows_max: held, batch_rows: 3, ..bag() };
        prop_assert_eq!(run(&in_parts), run(&bag()));
        let by_bytes = MergeOptions { group_bytes_max: 1, ..bag() };
        prop_assert_eq!(run(&by_bytes), run(&bag()));
    }

    #[test]
    fn merging_theirs_once_more_changes_nothing(sides in any_sides()) {
        let options = by_key();
        let (merged, report) = merge(&options, &sides, 3);
        if report.conflict_count == 0 {
            let result = merged_rows(&merged);
            let again =
                PerSide { base: sides.theirs.clone(), ours: result.clone(), theirs: sides.theirs.clone() };
            prop_assert_eq!(merged_rows(&merge(&options, &again, 2).0), result);
        }
    }

    #[test]
    fn ranges_one_after_the_other_are_the_whole(
        options in any_identity(),
        sides in any_sides(),
        cuts in prop::collection::btree_set(prop::option::of(0i64..7), 0..4),
    ) {
        let (whole, whole_report) = merge(&options, &sides, 2);
        let codec = RowCodec::new(&schema()).unwrap();
        let cuts: Vec<Vec<u8>> = cuts
            .into_iter()
            .map(|cut| {
                let array = std::sync::Arc::new(arrow::array::Int64Array::from(vec![cut])) as arrow::array::ArrayRef;
                codec.encode_column(0, &array).unwrap().row(0).data().to_vec()
            })
            .collect();
        let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
        let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
        let ranges: Vec<KeyRange> = starts.zip(ends).map(|(start, end)| KeyRange { start, end }).collect();
        let batches = PerSide::from_fn(|side| sorted(&options.identity, sides.get(side), 2));
        let in_range = |range: &KeyRange| MergeOptions { range: range.clone(), ..options.clone() };
        let survey = ranges
            .iter()
            .map(|range| survey_batches(schema(), &in_range(range), &batches).unwrap().0)
            .fold(anabranch_rows::BagSurvey::default(), anabranch_rows::BagSurvey::plus);
        let mut result = Vec::new();
        let mut report = MergeReport::default();
        for range in &ranges {
            let mut merge = anabranch_rows::RowMerge::new(schema(), &in_range(range), Some(survey)).unwrap();
            let mut left = PerSide::from_fn(|side| batches.get(side).iter());
            loop {
                match merge.step().unwrap() {
                    anabranch_rows::Step::Wants(side) => {
                        merge.feed(side, left.get_mut(side).next().cloned()).unwrap();
                    }
                    anabranch_rows::Step::Batch(batch) => result.extend(rows(&batch.rows)),
                    anabranch_rows::Step::Done => break,
                }
            }
            report = report.plus(merge.finish(), options.conflicts_max);
        }
        prop_assert_eq!(result, whole.iter().flat_map(|b| rows(&b.rows)).collect::<Vec<_>>());
        prop_assert_eq!(report, whole_report);
    }
}

#[test]
fn a_stream_out_of_order_is_refused() {
    let identity = Identity::Key(vec!["k".into()]);
    let row = |k: i64| vec![Some(k), None, None];
    let mut merge = anabranch_rows::RowMerge::new(schema(), &MergeOptions::new(identity), None).unwrap();
    for side in Side::ALL {
        assert!(matches!(merge.step().unwrap(), anabranch_rows::Step::Wants(wanted) if wanted == side));
        merge.feed(side, Some(crate::support::batch(&[row(2), row(1)]))).unwrap();
    }
    assert!(merge.step().is_err());
}

#[test]
fn conflicts_beyond_the_maximum_are_counted() {
    let mut options = by_key();
    options.conflicts_max = 2;
    let rows = |a: i64| (0..5).map(|k| vec![Some(k), Some(a), None]).collect::<Vec<_>>();
    let sides = PerSide { base: rows(0), ours: rows(1), theirs: rows(2) };
    let (_, report) = merge(&options, &sides, 2);
    assert_eq!((report.conflicts.len(), report.conflict_count), (2, 5));
}

#[test]
fn keys_are_found_by_name() {
    assert!(key_columns(&schema(), &Identity::Key(vec!["nothing".into()]), &[]).is_err());
    assert_eq!(key_columns(&schema(), &Identity::Bag, &["a".into()]).unwrap(), [0, 2]);
}
