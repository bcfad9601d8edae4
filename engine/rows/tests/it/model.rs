//! The plain model: written from the rules in `docs/merge-semantics.md`, over maps of vectors.

use std::collections::{BTreeMap, BTreeSet};

use anabranch_rows::{Identity, MergeOptions, PerSide, Side};
use proptest::prelude::*;

use crate::support::{Row, any_identity, any_sides, merge, merged_rows};

/// Rows of the result, and the places of conflicts: a key and perhaps a column.
type Answer = (Vec<Row>, BTreeSet<(Row, Option<usize>)>);

fn group<K: Ord>(sides: &PerSide<Vec<Row>>, key: impl Fn(&Row) -> K) -> BTreeMap<K, PerSide<Vec<Row>>> {
    let mut groups: BTreeMap<K, PerSide<Vec<Row>>> = BTreeMap::new();
    for side in Side::ALL {
        for row in sides.get(side) {
            groups.entry(key(row)).or_default().get_mut(side).push(row.clone());
        }
    }
    for group in groups.values_mut() {
        Side::ALL.into_iter().for_each(|side| group.get_mut(side).sort());
    }
    groups
}

fn merge_keyed(sides: &PerSide<Vec<Row>>, row_ids: bool, cell_wise: bool) -> Answer {
    let mut answer = Answer::default();
    for (key, PerSide { base, ours, theirs }) in group(sides, |row| vec![row[0]]) {
        if base.is_empty() && row_ids {
            answer.0.extend(ours.into_iter().chain(theirs));
        } else if base == theirs || ours == theirs {
            answer.0.extend(ours);
        } else if base == ours {
            answer.0.extend(theirs);
        } else if let ([b], [o], [t], true) = (&base[..], &ours[..], &theirs[..], cell_wise) {
            let mut row = o.clone();
            for column in 0..row.len() {
                if b[column] == o[column] {
                    row[column] = t[column];
                } else if b[column] != t[column] && o[column] != t[column] {
                    answer.1.insert((key.clone(), Some(column)));
                }
            }
            answer.0.push(row);
        } else {
            answer.1.insert((key, None));
            answer.0.extend(ours);
        }
    }
    answer.0.sort();
    answer
}

/// Every way to say which of the shared deletions and insertions were one edit made twice: each takes as many as
/// there can be. What they all agree on is the answer.
fn merge_bag(sides: &PerSide<Vec<Row>>) -> Answer {
    let counts: Vec<(Row, i64, i64, i64)> = group(sides, Row::clone)
        .into_iter()
        .map(|(row, group)| {
            (row, group.base.len() as i64, group.ours.len() as i64, group.theirs.len() as i64)
        })
        .collect();
    let shared = |sign: i64| -> Vec<usize> {
        let of = |(index, (_, b, o, t)): (usize, &(Row, i64, i64, i64))| {
            let both = (sign * (o - b)).min(sign * (t - b)).max(0);
            std::iter::repeat_n(index, both as usize)
        };
        counts.iter().enumerate().flat_map(of).collect()
    };
    let (deletions, insertions) = (shared(-1), shared(1));
    let pairs = deletions.len().min(insertions.len());
    let same_whole = counts.iter().all(|(_, _, o, t)| o == t) && pairs > 0;

    let mut seen: Vec<BTreeSet<Option<i64>>> = vec![BTreeSet::new(); counts.len()];
    for deleted in choices(&deletions, pairs) {
        for inserted in choices(&insertions, pairs) {
            let times = |list: &[usize], index| list.iter().filter(|i| **i == index).count() as i64;
            let rest: i64 = counts
                .iter()
                .enumerate()
                .map(|(i, (_, b, o, t))| (o - b).max(0) + (t - b).max(0) - 2 * times(&inserted, i))
                .sum();
            for (index, (_, b, o, t)) in counts.iter().enumerate() {
                let count = o + t - b + times(&deleted, index) - times(&inserted, index);
                let outcome = if same_whole {
                    Some(*o)
                } else if count >= 0 {
                    Some(count)
                } else {
                    (rest == 0).then_some(0)
                };
                seen[index].insert(outcome);
            }
        }
    }
    let mut answer = Answer::default();
    for ((row, _, ours, _), outcomes) in counts.into_iter().zip(seen) {
        let decided = outcomes.first().copied().flatten().filter(|_| outcomes.len() == 1);
        let count = decided.unwrap_or_else(|| {
            answer.1.insert((row.clone(), None));
            ours
        });
        answer.0.extend(std::iter::repeat_n(row, count as usize));
    }
    answer
}

/// All ways to take `count` of these.
fn choices(all: &[usize], count: usize) -> BTreeSet<Vec<usize>> {
    match (count, all.split_first()) {
        (0, _) => BTreeSet::from([vec![]]),
        (_, None) => BTreeSet::new(),
        (_, Some((first, rest))) => {
            let with = choices(rest, count - 1).into_iter().map(|mut taken| {
                taken.push(*first);
                taken.sort();
                taken
            });
            with.chain(choices(rest, count)).collect()
        }
    }
}

fn merge_plainly(options: &MergeOptions, sides: &PerSide<Vec<Row>>) -> Answer {
    match options.identity {
        Identity::Key(_) => merge_keyed(sides, false, options.cell_wise),
        Identity::RowId(_) => {
            // A row without an id in the base is outside what row ids promise: the engine takes it as a key.
            merge_keyed(sides, true, options.cell_wise)
        }
        Identity::Bag => merge_bag(sides),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_engine_agrees_with_the_model(
        mut options in any_identity(),
        cell_wise in any::<bool>(),
        sides in any_sides(),
        batch_rows in 1usize..4,
        out_rows in 1usize..4,
    ) {
        options.cell_wise = cell_wise;
        options.batch_rows = out_rows;
        let (rows, conflicts) = merge_plainly(&options, &sides);
        let (merged, report) = merge(&options, &sides, batch_rows);
        let mut rows = rows;
        rows.sort();
        prop_assert_eq!(merged_rows(&merged), rows.clone());
        prop_assert_eq!(report.rows, rows.len() as u64);
        prop_assert_eq!(report.conflict_count, report.conflicts.len() as u64);
        let found: BTreeSet<(Row, Option<usize>)> = report
            .conflicts
            .iter()
            .map(|conflict| {
                let key = conflict.key.as_object().unwrap().values().map(|v| v.as_i64()).collect();
                let column = conflict.column.as_ref().map(|c| ["k", "a", "b"].iter().position(|n| n == c).unwrap());
                (key, column)
            })
            .collect();
        prop_assert_eq!(found, conflicts);
    }
}
