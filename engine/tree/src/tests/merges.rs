//! The three-way walk, and merges made from it.

use proptest::prelude::*;

use super::*;
use crate::WalkItem;
use crate::test_support::store;

fn walk(session: &Session, base: &Tree, ours: &Tree, theirs: &Tree, range: KeyRange) -> Vec<WalkItem> {
    let mut cursor = session.three_way_in(base, ours, theirs, range);
    let mut all = Vec::new();
    while let Some(batch) = run(cursor.next_batch()).unwrap() {
        assert!(!batch.is_empty());
        all.extend(batch);
    }
    all
}

fn range_of_item(item: &WalkItem) -> KeyRange {
    match item {
        WalkItem::Entry { key, .. } => KeyRange::single(key.as_bytes()),
        WalkItem::OnlyOurs { range } | WalkItem::OnlyTheirs { range } => range.clone(),
    }
}

/// The merge in which ours wins where both sides changed a key.
fn edits(items: &[WalkItem], theirs: &Tree) -> Vec<TreeEdit> {
    items
        .iter()
        .filter_map(|item| match item {
            WalkItem::OnlyOurs { .. } => None,
            WalkItem::OnlyTheirs { range } => {
                Some(TreeEdit::Take { range: range.clone(), from: theirs.clone() })
            }
            WalkItem::Entry { base, ours, .. } if base != ours => None,
            WalkItem::Entry { key, theirs: Some(theirs), .. } => {
                Some(TreeEdit::Put(key.clone(), theirs.clone()))
            }
            WalkItem::Entry { key, .. } => Some(TreeEdit::Remove(key.clone())),
        })
        .collect()
}

fn merged(base: &Model, ours: &Model, theirs: &Model) -> Model {
    let keys: std::collections::BTreeSet<&Key> =
        base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let winner = if base.get(key) == ours.get(key) { theirs } else { ours };
            winner.get(key).map(|n| (key.clone(), *n))
        })
        .collect()
}

fn same_in(range: &KeyRange, left: &Model, right: &Model) -> bool {
    let part = |model: &Model| -> Model {
        let inside = model.iter().filter(|(key, _)| range.contains(key.as_bytes()));
        inside.map(|(key, n)| (key.clone(), *n)).collect()
    };
    part(left) == part(right)
}

/// Everything that a walk promises, for one triple of trees.
fn check(target: u16, base: &Model, ours: &Model, theirs: &Model, range: KeyRange) {
    let session = store(target).session();
    let trees = [base, ours, theirs].map(|model| build(&session, model));
    let [base_tree, ours_tree, theirs_tree] = &trees;
    let items = walk(&session, base_tree, ours_tree, theirs_tree, range.clone());
    let mut covered: Vec<KeyRange> = Vec::new();
    for item in &items {
        let place = range_of_item(item);
        assert!(range.covers(&place), "{item:?} is outside of {range:?}");
        assert!(!place.is_empty(), "{item:?} is empty");
        if let Some(before) = covered.last() {
            assert!(before.end.as_ref().is_some_and(|end| *end <= place.start), "{before:?} and {place:?}");
        }
        match item {
            WalkItem::Entry { key, base: b, ours: o, theirs: t } => {
                let value = |model: &Model| model.get(key).map(|n| entry(*n));
                assert_eq!([b, o, t].map(Clone::clone), [base, ours, theirs].map(value));
                assert!(b != o || b != t, "nothing changed at {key}");
            }
            WalkItem::OnlyOurs { range } => assert!(same_in(range, base, theirs), "{range:?}"),
            WalkItem::OnlyTheirs { range } => assert!(same_in(range, base, ours), "{range:?}"),
        }
        covered.push(place);
    }
    // What is not reported is equal on both sides.
    let mut start = Some(range.start.clone());
    for place in covered.iter().map(Some).chain([None]) {
        let Some(from) = start.take() else { break };
        let end = place.map(|place| place.start.clone()).or_else(|| range.end.clone());
        let gap = KeyRange { start: from, end };
        if !gap.is_empty() {
            assert!(same_in(&gap, ours, theirs), "a difference in {gap:?} was not reported");
        }
        start = place.and_then(|place| place.end.clone());
    }
    if range == KeyRange::all() {
        let result = run(session.apply(ours_tree, edits(&items, theirs_tree))).unwrap();
        assert_is(&session, &result, &merged(base, ours, theirs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn a_merge_from_a_walk_equals_the_merge_of_the_models(
        target in targets(), base in models(0..400), left in changes(0..40), right in changes(0..40), both in changes(0..10), range in ranges(),
    ) {
        let ours = changed(&changed(&base, &left), &both);
        let theirs = changed(&changed(&base, &right), &both);
        check(target, &base, &ours, &theirs, KeyRange::all());
        check(target, &base, &ours, &theirs, range);
    }

    #[test]
    fn a_merge_of_trees_of_any_shape_equals_the_merge_of_the_models(
        target in targets(), base in models(0..120), ours in models(0..300), theirs in models(0..40), swap in any::<bool>(),
    ) {
        let (ours, theirs) = if swap { (theirs, ours) } else { (ours, theirs) };
        check(target, &base, &ours, &theirs, KeyRange::all());
        check(target, &base, &base, &theirs, KeyRange::all());
        check(target, &base, &ours, &base, KeyRange::all());
        check(target, &base, &ours, &ours, KeyRange::all());
        check(target, &Model::new(), &ours, &theirs, KeyRange::all());
        check(target, &ours, &Model::new(), &theirs, KeyRange::all());
    }
}

#[test]
fn an_unchanged_side_is_reported_as_one_unopened_range() {
    let store = store(8);
    let session = store.session();
    let base: Model = (0..400).map(|n| (lake_key(n), 0)).collect();
    let mut ours = base.clone();
    ours.insert(lake_key(7), 5);
    let (base, ours) = (build(&session, &base), build(&session, &ours));
    store.reset_counters();
    let items = walk(&session, &base, &base, &ours, KeyRange::all());
    assert!(matches!(items.as_slice(), [WalkItem::OnlyTheirs { .. }]), "{items:?}");
    let items = walk(&session, &base, &ours, &base, KeyRange::all());
    assert!(matches!(items.as_slice(), [WalkItem::OnlyOurs { .. }]), "{items:?}");
    assert!(walk(&session, &base, &ours, &ours, KeyRange::all()).is_empty());
    assert_eq!(store.counters().node_reads + store.counters().cache_hits, 0);
}
