//! Canonical form, edits, differences, reading and listing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::test_support::store;
use crate::{Difference, ListAfter, ListItem, TreeError};

fn all_differences(session: &Session, before: &Tree, after: &Tree, range: KeyRange) -> Vec<Difference> {
    let mut cursor = session.diff(before, after, range);
    let mut all = Vec::new();
    while let Some(batch) = run(cursor.next_batch()).unwrap() {
        assert!(!batch.is_empty());
        all.extend(batch);
    }
    all
}

fn model_differences(before: &Model, after: &Model, range: &KeyRange) -> Vec<Difference> {
    let mut keys: Vec<&Key> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| range.contains(key.as_bytes()) && before.get(*key) != after.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            before: before.get(key).map(|n| entry(*n)),
            after: after.get(key).map(|n| entry(*n)),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn edits_in_any_order_give_the_tree_that_a_bulk_build_gives(
        target in targets(),
        start in models(0..300),
        steps in proptest::collection::vec(changes(0..40), 1..4),
    ) {
        let session = store(target).session();
        let mut model = start;
        let mut tree = build(&session, &model);
        for changes in &steps {
            tree = run(session.apply(&tree, edits_of(changes))).unwrap();
            model = changed(&model, changes);
            assert_is(&session, &tree, &model);
        }
    }

    #[test]
    fn changes_report_what_they_changed_and_leave_rewritten_entries_alone(
        target in targets(), start in models(0..300), changes in changes(0..60), rewritten in changes(0..20),
        batch in 1_usize..80, in_runtime in any::<bool>(),
    ) {
        let session = store(target).session();
        let tree = build(&session, &start);
        let mut wanted: BTreeMap<Key, Option<Entry>> =
            changes.iter().map(|(key, change)| (key.clone(), change.map(entry))).collect();
        for key in rewritten.into_keys().filter(|key| !changes.contains_key(key)) {
            if let Some(n) = start.get(&key) {
                // The same bytes, written again to another place.
                let again = Entry { modified_ms: 1, address: entry(99).address, ..entry(*n) };
                wanted.insert(key, Some(again));
            }
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let apply = async {
            let mut applier = session.applier(&tree);
            for batch in wanted.chunks(batch) {
                applier.apply(batch.to_vec()).await?;
            }
            applier.finish().await
        };
        // Nodes are read ahead only where there is a runtime.
        let applied = if in_runtime { runtime().block_on(apply) } else { run(apply) }.unwrap();
        let after = changed(&start, &changes);
        assert_is(&session, &applied.tree, &after);
        prop_assert_eq!(listed(&applied.delta), model_differences(&start, &after, &KeyRange::all()));
    }

    #[test]
    fn prefixes_are_found_in_one_pass_as_one_by_one(
        target in targets(), model in models(0..300), asked in proptest::collection::btree_set((keys(), 0_usize..24), 0..40),
    ) {
        let session = store(target).session();
        let tree = build(&session, &model);
        let prefixes: std::collections::BTreeSet<Vec<u8>> =
            asked.iter().map(|(key, length)| key.as_bytes().iter().take(*length).copied().collect()).collect();
        let prefixes: Vec<Vec<u8>> = prefixes.into_iter().collect();
        let answers = run(session.any_with_each_prefix(&tree, &prefixes)).unwrap();
        let expected: Vec<bool> =
            prefixes.iter().map(|prefix| model.keys().any(|key| key.as_bytes().starts_with(prefix))).collect();
        prop_assert_eq!(answers, expected);
    }

    #[test]
    fn trees_of_an_adopted_session_can_be_used(start in models(0..200), changes in changes(0..40)) {
        let store = store(4);
        let (first, second) = (store.session(), store.session());
        let tree = build(&first, &start);
        second.adopt(&first);
        let after = run(second.apply(&tree, edits_of(&changes))).unwrap();
        assert_is(&second, &after, &changed(&start, &changes));
    }

    #[test]
    fn one_edit_at_a_time_is_the_same_as_all_at_once(target in targets(), start in models(0..200), changes in changes(0..30)) {
        let session = store(target).session();
        let tree = build(&session, &start);
        let at_once = run(session.apply(&tree, edits_of(&changes))).unwrap();
        let mut one_by_one = tree;
        for edit in edits_of(&changes).into_iter().rev() {
            one_by_one = run(session.apply(&one_by_one, vec![edit])).unwrap();
        }
        prop_assert_eq!(at_once.id(), one_by_one.id());
    }

    #[test]
    fn applying_the_differences_leads_from_one_tree_to_the_other(
        target in targets(), before in models(0..300), changes in changes(0..60), other in models(0..100), range in ranges(),
    ) {
        let session = store(target).session();
        for after in [changed(&before, &changes), other] {
            let (tree, goal) = (build(&session, &before), build(&session, &after));
            let differences = all_differences(&session, &tree, &goal, KeyRange::all());
            prop_assert_eq!(&differences, &model_differences(&before, &after, &KeyRange::all()));
            let edits = differences.into_iter().map(|difference| match difference.after {
                Some(after) => TreeEdit::Put(difference.key, after),
                None => TreeEdit::Remove(difference.key),
            });
            let applied = run(session.apply(&tree, edits.collect())).unwrap();
            prop_assert_eq!(applied.id(), goal.id());
            prop_assert_eq!(
                all_differences(&session, &tree, &goal, range.clone()),
                model_differences(&before, &after, &range)
            );
        }
    }

    #[test]
    fn taking_a_range_replaces_exactly_that_range(
        target in targets(), start in models(0..300), from in models(0..300), bounds in proptest::collection::btree_set(keys(), 2..8), open in any::<bool>(), change in changes(0..20),
    ) {
        let session = store(target).session();
        let (tree, source) = (build(&session, &start), build(&session, &from));
        let bounds: Vec<Key> = bounds.into_iter().collect();
        let mut ranges: Vec<KeyRange> =
            bounds.chunks(2).map(|pair| range_of(pair.first().cloned(), pair.get(1).cloned())).collect();
        if !open {
            ranges.retain(|range| range.end.is_some());
        }
        let in_a_range = |key: &Key| ranges.iter().any(|range| range.contains(key.as_bytes()));
        let others: BTreeMap<_, _> = change.into_iter().filter(|(key, _)| !in_a_range(key)).collect();
        let mut edits = edits_of(&others);
        edits.extend(ranges.iter().map(|range| TreeEdit::Take { range: range.clone(), from: source.clone() }));
        edits.sort_by(|a, b| a.start().cmp(b.start()));
        let result = run(session.apply(&tree, edits)).unwrap();
        let mut model = changed(&start, &others);
        model.retain(|key, _| !in_a_range(key));
        model.extend(from.iter().filter(|(key, _)| in_a_range(key)).map(|(key, n)| (key.clone(), *n)));
        assert_is(&session, &result, &model);
    }

    #[test]
    fn reading_agrees_with_the_model(target in targets(), model in models(0..300), range in ranges(), probe in keys(), limit in 1_usize..50) {
        let session = store(target).session();
        let tree = build(&session, &model);
        prop_assert_eq!(run(session.get(&tree, probe.as_bytes())).unwrap(), model.get(&probe).map(|n| entry(*n)));
        let expected: Vec<_> = model
            .iter()
            .filter(|(key, _)| range.contains(key.as_bytes()))
            .map(|(key, n)| (key.clone(), entry(*n)))
            .collect();
        prop_assert_eq!(run(session.any_in(&tree, &range)).unwrap(), !expected.is_empty());
        let totals = run(session.totals_in(&tree, &range)).unwrap();
        prop_assert_eq!(totals.count, expected.len() as u64);
        prop_assert_eq!(totals.bytes, expected.iter().map(|(_, entry)| entry.size).sum::<u64>());
        let mut cursor = session.scan(&tree, range);
        let mut rows = Vec::new();
        while let Some(batch) = run(cursor.next_batch(limit)).unwrap() {
            prop_assert!(!batch.is_empty() && batch.len() <= limit);
            rows.extend(batch);
        }
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn ranges_with_equal_digests_hold_the_same(
        target in targets(), start in models(0..300), changes in changes(0..10), range in ranges(),
    ) {
        let session = store(target).session();
        let (before, after) = (build(&session, &start), build(&session, &changed(&start, &changes)));
        let digest = |tree: &Tree| run(session.digest_in(tree, &range)).unwrap();
        prop_assert_eq!(digest(&before), digest(&build(&session, &start)));
        if digest(&before) == digest(&after) {
            prop_assert_eq!(all_differences(&session, &before, &after, range.clone()), Vec::new());
        }
    }

    #[test]
    fn listing_agrees_with_a_naive_one(
        target in targets(), model in models(0..300), prefix in keys(), cut in 0_usize..14,
        delimiter in prop_oneof![Just(None), Just(Some("/")), Just(Some("-")), Just(Some("//")), Just(Some("ö")), Just(Some(""))],
        after in proptest::option::of(keys()), limit in 1_usize..12,
    ) {
        let session = store(target).session();
        let tree = build(&session, &model);
        let prefix: String = prefix.as_str().chars().take(cut).collect();
        let expected = naive_list(&model, &prefix, delimiter, after.as_ref());
        let mut listed = Vec::new();
        let mut marker = after.map(|key| ListItem::Entry(key, entry(0)));
        loop {
            let after = marker.as_ref().map(ListItem::as_after);
            let page = run(session.list(&tree, &prefix, delimiter, after, limit)).unwrap();
            prop_assert!(page.items.len() <= limit);
            marker = page.items.last().cloned().or(marker);
            listed.extend(page.items);
            if !page.more {
                break;
            }
        }
        prop_assert_eq!(listed, expected);
    }
}

fn naive_list(model: &Model, prefix: &str, delimiter: Option<&str>, after: Option<&Key>) -> Vec<ListItem> {
    let mut items: Vec<ListItem> = Vec::new();
    for (key, n) in model.iter().filter(|(key, _)| after.is_none_or(|after| *key > after)) {
        let Some(rest) = key.as_str().strip_prefix(prefix) else { continue };
        let folder = delimiter.filter(|d| !d.is_empty()).and_then(|d| rest.find(d).map(|at| at + d.len()));
        let item = match folder {
            Some(end) => ListItem::CommonPrefix(format!("{prefix}{}", &rest[..end])),
            None => ListItem::Entry(key.clone(), entry(*n)),
        };
        if items.last() != Some(&item) {
            items.push(item);
        }
    }
    items
}

#[test]
fn a_common_prefix_as_marker_skips_everything_in_it() {
    let session = store(4).session();
    let tree = session.build(["a/1", "a/2", "b", "c/1"].map(|text| (key(text), entry(0)))).unwrap();
    let names = |after| {
        let page = run(session.list(&tree, "", Some("/"), Some(after), 10)).unwrap();
        page.items.iter().map(|item| item.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(ListAfter::CommonPrefix("a/")), ["b", "c/"]);
    assert_eq!(names(ListAfter::Key("a/")), ["a/", "b", "c/"], "as start-after of S3");
    assert_eq!(names(ListAfter::Key("a/2")), ["b", "c/"]);
}

#[test]
fn edits_that_overlap_or_are_not_sorted_are_refused() {
    let session = store(4).session();
    let put = |text| TreeEdit::Put(key(text), entry(0));
    let take = |start: &str, end: &str| TreeEdit::Take {
        range: KeyRange { start: start.into(), end: Some(end.into()) },
        from: Tree::empty(),
    };
    let apply = |edits| run(session.apply(&Tree::empty(), edits));
    for bad in [
        vec![put("b"), put("a")],
        vec![put("a"), TreeEdit::Remove(key("a"))],
        vec![take("a", "c"), put("b")],
        vec![take("a", "c"), take("b", "d")],
        vec![TreeEdit::Take { range: KeyRange::all(), from: Tree::empty() }, put("a")],
    ] {
        assert!(matches!(apply(bad), Err(TreeError::OutOfOrder { .. })));
    }
    assert_eq!(apply(vec![take("a", "c"), put("c")]).unwrap().count(), 1);
    assert!(session.build([(key("b"), entry(0)), (key("a"), entry(0))]).is_err());
}

#[test]
fn the_empty_tree_has_a_fixed_id() {
    let session = store(4).session();
    let tree = session.build([(key("a"), entry(0))]).unwrap();
    let emptied = run(session.apply(&tree, vec![TreeEdit::Remove(key("a"))])).unwrap();
    assert_eq!(emptied, Tree::empty());
    assert!(emptied.is_empty() && emptied.root().is_none());
    expect_test::expect!["c610e85212d0697cb161d4ba431ba603f273feee7dcb7927c9ff5d74ae6cbfa3"]
        .assert_eq(&emptied.id().to_hex());
}
