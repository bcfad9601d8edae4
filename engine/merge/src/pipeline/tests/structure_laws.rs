//! The laws of a merge, over folders of data files, names that differ by case, and files where others have folders.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};

use super::{Contents, Lake, long};
use crate::{PipelineOutcome, Registry, Strategy as Winner, merge_trees};

type Model = std::collections::BTreeMap<String, u8>;
type Edit = (usize, Option<u8>);

/// Partitions and folders with their markers, enough of them that ranges of one side alone come up.
fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    for folder in ["s/d@1", "s/d@2", "raw", "t/k@1/h@2"] {
        for number in 0..12 {
            keys.push(long(&format!("{folder}/p{number:02}.parquet")));
        }
        keys.push(long(&format!("{folder}/_SUCCESS")));
        keys.push(long(&format!("{folder}/.p00.parquet.crc")));
    }
    for key in ["s/_metadata", "raw/_metadata", "a", "a/b", "A", "n/x.txt", "n/X.txt", "n/x.txt/y", "m/", "m"]
    {
        keys.push(key.to_owned());
    }
    for number in 0..40 {
        keys.push(format!("other/{number:02}"));
    }
    keys.sort();
    keys
}

fn edits(max: usize) -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..keys().len(), prop::option::weighted(0.6, 0..3_u8)), 0..max)
}

fn edited(model: &Model, edits: &[Edit]) -> Model {
    let keys = keys();
    let mut edited = model.clone();
    for (key, value) in edits {
        match value {
            Some(value) => drop(edited.insert(keys[*key].clone(), *value)),
            None => drop(edited.remove(&keys[*key])),
        }
    }
    edited
}

fn contents(lake: &Lake, model: &Model) -> Contents {
    // The body 0 is empty: a marker of a folder.
    let body = |value: &u8| if *value == 0 { String::new() } else { value.to_string() };
    model.iter().map(|(key, value)| (key.clone(), lake.entry(&body(value), 0))).collect()
}

fn verdict(outcome: &PipelineOutcome) -> BTreeSet<(String, String)> {
    outcome.conflicts().iter().map(|conflict| (conflict.rule.clone(), conflict.path.clone())).collect()
}

/// What nobody must ever see in a clean merge: files of two overwrites of one folder.
fn is_mixture(folder: &str, base: &Contents, ours: &Contents, theirs: &Contents, merged: &Contents) -> bool {
    let own = |contents: &Contents| -> Contents {
        let inside = |key: &str| {
            key.rsplit_once('/').is_some_and(|(parent, name)| parent == folder && name.starts_with('p'))
        };
        contents.iter().filter(|(key, _)| inside(key)).map(|(k, e)| (k.clone(), e.clone())).collect()
    };
    let [base, ours, theirs, merged] = [base, ours, theirs, merged].map(own);
    let replaced = |side: &Contents| {
        !base.is_empty() && !side.is_empty() && side.keys().all(|key| !base.contains_key(key)) && {
            let moved = |entry: &anabranch_types::Entry| base.values().any(|old| old.same_content(entry));
            !side.values().any(moved)
        }
    };
    replaced(&ours) && replaced(&theirs) && merged != ours && merged != theirs
}

async fn check_laws(base: &Model, ours: &Model, theirs: &Model) {
    let lake = Lake::new(Registry::new());
    let [base, ours, theirs] = [base, ours, theirs].map(|model| contents(&lake, model));
    let (base_tree, ours_tree, theirs_tree) = (lake.tree(&base), lake.tree(&ours), lake.tree(&theirs));
    let outcome = lake.merge(&base_tree, &ours_tree, &theirs_tree).await;
    let merged = lake.contents(outcome.tree()).await;
    assert_eq!(*outcome.tree(), lake.tree(&merged), "the merged tree has its canonical form");

    let swapped = lake.merge(&base_tree, &theirs_tree, &ours_tree).await;
    assert_eq!(verdict(&outcome), verdict(&swapped), "swapping sides swaps labels only");
    assert_eq!(*lake.merge(&base_tree, &base_tree, &theirs_tree).await.tree(), theirs_tree);
    assert_eq!(*lake.merge(&base_tree, &ours_tree, &base_tree).await.tree(), ours_tree);
    assert_eq!(*lake.merge(&base_tree, &ours_tree, &ours_tree).await.tree(), ours_tree);
    for strategy in [Winner::DestWins, Winner::SourceWins] {
        let mut input = lake.input(&base_tree, &ours_tree, &theirs_tree);
        input.strategy = Some(strategy);
        let outcome = merge_trees(&lake.session, &input).await.unwrap();
        assert_eq!(verdict(&outcome), BTreeSet::new(), "{strategy:?}");
    }
    if !outcome.conflicts().is_empty() {
        return;
    }
    let keys: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    for key in keys.into_iter().filter(|key| !key.ends_with(".crc")) {
        let [was, our, their, held] = [base.get(key), ours.get(key), theirs.get(key), merged.get(key)];
        match (our == was, their == was) {
            (true, _) => assert_eq!(held, their, "{key}"),
            (_, true) => assert_eq!(held, our, "{key}"),
            (false, false) => assert!(held == our || held == their, "{key}"),
        }
    }
    for folder in ["s/d=1", "s/d=2", "raw", "t/k=1/h=2"] {
        assert!(!is_mixture(folder, &base, &ours, &theirs, &merged), "{folder}");
    }
    let again = lake.merge(&theirs_tree, outcome.tree(), &theirs_tree).await;
    assert_eq!(again.tree(), outcome.tree(), "merging again changes nothing");
    let back = lake.merge(&theirs_tree, &theirs_tree, outcome.tree()).await;
    assert_eq!(back.tree(), outcome.tree(), "merging back ends in equal trees");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn structure_keeps_the_laws(start in edits(70), left in edits(10), right in edits(10)) {
        let base = edited(&Model::new(), &start);
        let (ours, theirs) = (edited(&base, &left), edited(&base, &right));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check_laws(&base, &ours, &theirs));
    }

    /// Each side writes one folder anew, or adds to it, with so many files that whole nodes come and go.
    #[test]
    fn large_folders_are_never_mixed(left in writing(), right in writing(), others in 0..60_usize) {
        let mut base = Model::new();
        for number in 0..60 {
            base.insert(long(&format!("s/d@5/p{number:03}.parquet")), 1);
        }
        for number in 0..others {
            base.insert(long(&format!("s/d@{number}/x.parquet")), 1);
        }
        let write = |side: &str, (removed, added): (usize, usize)| {
            let mut model = base.clone();
            for number in 0..removed {
                model.remove(&long(&format!("s/d@5/p{number:03}.parquet")));
            }
            for number in 0..added {
                model.insert(long(&format!("s/d@5/{side}{number:03}.parquet")), 2);
            }
            model
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let lake = Lake::new(Registry::new());
            let (ours, theirs) = (write("o", left), write("t", right));
            let [base, ours, theirs] = [&base, &ours, &theirs].map(|model| lake.tree(&contents(&lake, model)));
            let outcome = lake.merge(&base, &ours, &theirs).await;
            let rules: Vec<&str> = outcome.conflicts().iter().map(|conflict| conflict.rule.as_str()).collect();
            let rewrites = |(removed, added): (usize, usize)| removed > 0 && added > 0;
            let expected = match (rewrites(left), rewrites(right)) {
                (true, true) => vec!["partition-overwritten-both"],
                (true, false) if right.1 > 0 => vec!["partition-overwritten-vs-appended"],
                (false, true) if left.1 > 0 => vec!["partition-overwritten-vs-appended"],
                (true, false) | (false, true) if left.0 > 0 && right.0 > 0 => {
                    vec!["partition-overwritten-vs-deleted"]
                }
                _ => vec![],
            };
            assert_eq!(rules, expected, "{left:?} {right:?}");
        });
    }
}

/// How many files are removed and how many added.
fn writing() -> impl Strategy<Value = (usize, usize)> {
    prop::sample::select(vec![(0, 0), (0, 1), (0, 40), (60, 1), (60, 60), (60, 0), (7, 2), (1, 0), (60, 90)])
}
