//! The pipeline against a plain map that checks every key on its own.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{ProptestConfig, Strategy, prop, prop_oneof, proptest};

use super::{Contents, Lake, long};
use crate::{PipelineOutcome, Registry, Strategy as Winner, merge_trees};

/// What a key holds: a content, and a time that is not content.
type Value = (u8, u8);
type Model = BTreeMap<String, Value>;

/// Keys with tables, a table within a table, and enough neighbours that ranges of one side alone come up.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> =
        ["a", "t-x/y", "t/#0", "t/#1", "t/n/#0", "t/n/q", "t/n/r", "t/p", "u/#0", "u/x", "z", "_anabranch/k"]
            .iter()
            .map(|key| long(key))
            .collect();
    for number in 0..30 {
        keys.push(format!("f/{number:02}"));
        keys.push(format!("t/p{number:02}"));
        keys.push(format!("u/{}/{number:02}", number % 3));
    }
    keys.sort();
    keys
}

/// Which folder owns a key, when a folder is a table as soon as one side says so.
fn owner(key: &str, ours: &Model, theirs: &Model) -> Option<String> {
    let is_root = |folder: &str| {
        let log = if folder.is_empty() { "_delta_log/".to_owned() } else { format!("{folder}/_delta_log/") };
        ours.keys().chain(theirs.keys()).any(|key| key.starts_with(&log))
    };
    if key.starts_with("_anabranch/") {
        return None;
    }
    let mut folder = key;
    while let Some((parent, _)) = folder.rsplit_once('/') {
        if is_root(parent) {
            return Some(parent.to_owned());
        }
        folder = parent;
    }
    None
}

/// Decides keys that belong together: `Ok(true)` takes theirs, `Err` is a conflict.
fn decide(sides: &[[Option<Value>; 3]]) -> Result<bool, ()> {
    let content = |value: Option<Value>| value.map(|(content, _)| content);
    let contents: Vec<_> = sides.iter().map(|side| side.map(content)).collect();
    if sides.iter().all(|[base, ours, theirs]| base == theirs || ours == theirs) {
        Ok(false)
    } else if sides.iter().all(|[base, ours, theirs]| base == ours || ours == theirs) {
        Ok(true)
    } else if contents.iter().all(|[base, ours, theirs]| base == theirs || ours == theirs) {
        Ok(false)
    } else if contents.iter().all(|[base, ours, theirs]| base == ours || ours == theirs) {
        Ok(true)
    } else {
        Err(())
    }
}

/// The merge without trees and without mergers: the result, and the places in conflict.
fn model_merge(base: &Model, ours: &Model, theirs: &Model) -> (Model, BTreeSet<String>) {
    let keys: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let mut places: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for key in keys {
        places.entry(owner(key, ours, theirs).unwrap_or_else(|| key.clone())).or_default().push(key);
    }
    let mut merged = ours.clone();
    let mut conflicts = BTreeSet::new();
    for (place, keys) in places {
        let side = |model: &Model, key: &String| model.get(key).copied();
        let sides: Vec<_> =
            keys.iter().map(|key| [side(base, key), side(ours, key), side(theirs, key)]).collect();
        match decide(&sides) {
            Ok(false) => {}
            Ok(true) => {
                for key in keys {
                    match theirs.get(key) {
                        Some(value) => drop(merged.insert(key.clone(), *value)),
                        None => drop(merged.remove(key)),
                    }
                }
            }
            Err(()) => drop(conflicts.insert(place)),
        }
    }
    (merged, conflicts)
}

/// An edit of one key, or of all keys with a prefix.
#[derive(Clone, Debug)]
enum Edit {
    One(usize, Option<Value>),
    Folder(&'static str, Option<Value>),
}

fn value() -> impl Strategy<Value = Value> {
    (0..3_u8, 0..2_u8)
}

fn edits(max: usize) -> impl Strategy<Value = Vec<Edit>> {
    let some = || prop::option::weighted(0.7, value());
    let edit = prop_oneof![
        8 => (0..keys().len(), some()).prop_map(|(key, value)| Edit::One(key, value)),
        1 => (prop::sample::select(vec!["f/", "t/p1", "t/n/", "u/1/", "u/", "t/"]), some())
            .prop_map(|(prefix, value)| Edit::Folder(prefix, value)),
    ];
    prop::collection::vec(edit, 0..max)
}

fn edited(model: &Model, edits: &[Edit]) -> Model {
    let keys = keys();
    let mut edited = model.clone();
    for edit in edits {
        let (touched, value): (Vec<&String>, _) = match edit {
            Edit::One(key, value) => (vec![&keys[*key]], value),
            Edit::Folder(prefix, value) => {
                (keys.iter().filter(|key| key.starts_with(prefix)).collect(), value)
            }
        };
        for key in touched {
            match value {
                Some(value) => drop(edited.insert(key.clone(), *value)),
                None => drop(edited.remove(key)),
            }
        }
    }
    edited
}

fn contents(lake: &Lake, model: &Model) -> Contents {
    let entry = |(content, time): &Value| lake.entry(&content.to_string(), i64::from(*time));
    model.iter().map(|(key, value)| (key.clone(), entry(value))).collect()
}

fn places(outcome: &PipelineOutcome) -> BTreeSet<String> {
    outcome.conflicts().iter().map(|conflict| conflict.path.clone()).collect()
}

fn content_of(contents: &Contents) -> Vec<(&String, anabranch_types::Checksum)> {
    contents.iter().map(|(key, entry)| (key, entry.checksum)).collect()
}

async fn check_laws(base: &Model, ours: &Model, theirs: &Model) {
    let lake = Lake::new(Registry::new());
    let (base_tree, ours_tree, theirs_tree) = (
        lake.tree(&contents(&lake, base)),
        lake.tree(&contents(&lake, ours)),
        lake.tree(&contents(&lake, theirs)),
    );
    let outcome = lake.merge(&base_tree, &ours_tree, &theirs_tree).await;
    let (expected, conflicts) = model_merge(base, ours, theirs);
    assert_eq!(places(&outcome), conflicts, "conflicts");
    let merged = lake.contents(outcome.tree()).await;
    assert_eq!(merged, contents(&lake, &expected), "the merged tree");
    assert_eq!(*outcome.tree(), lake.tree(&merged), "the merged tree has its canonical form");

    // An unchanged side takes the other, to the last byte.
    assert_eq!(*lake.merge(&ours_tree, &ours_tree, &ours_tree).await.tree(), ours_tree);
    assert_eq!(*lake.merge(&base_tree, &base_tree, &theirs_tree).await.tree(), theirs_tree);
    assert_eq!(*lake.merge(&base_tree, &ours_tree, &base_tree).await.tree(), ours_tree);
    // Swapping sides swaps labels only.
    let swapped = lake.merge(&base_tree, &theirs_tree, &ours_tree).await;
    assert_eq!(places(&swapped), conflicts, "swapped");
    if let PipelineOutcome::Merged { tree, .. } = &outcome {
        let other = lake.contents(swapped.tree()).await;
        assert_eq!(content_of(&other), content_of(&merged), "swapped");
        // Merging again changes nothing, and merging back gives equal trees.
        assert_eq!(lake.merge(&theirs_tree, tree, &theirs_tree).await.tree(), tree);
        assert_eq!(lake.merge(&theirs_tree, &theirs_tree, tree).await.tree(), tree);
    }
    // Where a strategy decides, nothing is left to decide, and every table is as on one side.
    for strategy in [Winner::DestWins, Winner::SourceWins] {
        let mut input = lake.input(&base_tree, &ours_tree, &theirs_tree);
        input.strategy = Some(strategy);
        let outcome = merge_trees(&lake.session, &input).await.unwrap();
        assert_eq!(places(&outcome), BTreeSet::new(), "{strategy:?}");
        let winner = if strategy == Winner::DestWins { ours } else { theirs };
        let in_conflict =
            |key: &String| conflicts.contains(&owner(key, ours, theirs).unwrap_or_else(|| key.clone()));
        let mut decided = expected.clone();
        decided.retain(|key, _| !in_conflict(key));
        decided.extend(
            winner.iter().filter(|(key, _)| in_conflict(key)).map(|(key, value)| (key.clone(), *value)),
        );
        assert_eq!(lake.contents(outcome.tree()).await, contents(&lake, &decided), "{strategy:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn the_pipeline_merges_as_the_model_does(start in edits(90), left in edits(8), right in edits(8)) {
        let base = edited(&Model::new(), &start);
        let (ours, theirs) = (edited(&base, &left), edited(&base, &right));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check_laws(&base, &ours, &theirs));
    }
}
