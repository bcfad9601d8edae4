//! Random operations on a local folder and on a plain map must give the same answers.

use std::collections::BTreeMap;

use anabranch_storage::{ETag, LocalStorage, ObjectStorage, PutMode, PutOutcome};
use anabranch_types::ObjectKey;
use futures::TryStreamExt;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Overwrite(String, u8),
    Create(String, u8),
    /// With the newest version, or one that was replaced.
    Update(String, u8, bool),
    Delete(String),
    List(String, Option<String>),
}

/// Few, short keys of characters around `/`, so that they are often each other's folder or neighbour.
fn any_key() -> impl Strategy<Value = String> {
    "[a%é.-]{0,1}[ab](/[a!~][.]{0,1}){0,2}"
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any_key(), any::<u8>()).prop_map(|(key, body)| Step::Overwrite(key, body)),
        (any_key(), any::<u8>()).prop_map(|(key, body)| Step::Create(key, body)),
        (any_key(), any::<u8>(), any::<bool>())
            .prop_map(|(key, body, newest)| Step::Update(key, body, newest)),
        any_key().prop_map(Step::Delete),
        ("[a%é]{0,1}[ab]{0,1}/{0,1}", proptest::option::of(any_key()))
            .prop_map(|(prefix, after)| Step::List(prefix, after)),
    ]
}

/// What the map knows of a key: body and version.
type Model = BTreeMap<String, (u8, ETag)>;

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(folder.path()).unwrap();
    let mut model = Model::new();
    let mut replaced = ETag("none yet".to_string());
    for step in steps {
        match step {
            Step::Overwrite(key, body) => {
                put(&storage, &mut model, &mut replaced, &key, body, PutMode::Overwrite, true).await;
            }
            Step::Create(key, body) => {
                let free = !model.contains_key(&key);
                put(&storage, &mut model, &mut replaced, &key, body, PutMode::Create, free).await;
            }
            Step::Update(key, body, newest) => {
                let version = model.get(&key).filter(|_| newest).map(|(_, etag)| etag.clone());
                let mode = PutMode::Update(version.clone().unwrap_or(replaced.clone()));
                put(&storage, &mut model, &mut replaced, &key, body, mode, version.is_some()).await;
            }
            Step::Delete(key) => {
                model.remove(&key);
                storage.delete(&ObjectKey::new(key)).await.unwrap();
            }
            Step::List(prefix, after) => check_listing(&storage, &model, &prefix, after).await,
        }
    }
    check_listing(&storage, &model, "", None).await;
    for (key, (body, etag)) in &model {
        let key = ObjectKey::new(key.as_str());
        assert_eq!(storage.get(&key, None).await.unwrap(), vec![*body; 3]);
        assert_eq!(storage.head(&key).await.unwrap().etag, *etag);
    }
}

async fn put(
    storage: &LocalStorage,
    model: &mut Model,
    replaced: &mut ETag,
    key: &str,
    body: u8,
    mode: PutMode,
    allowed: bool,
) {
    match storage.put(&ObjectKey::new(key), vec![body; 3].into(), mode).await.unwrap() {
        PutOutcome::Stored(etag) => {
            assert!(allowed, "{key} was stored against its condition");
            if let Some((_, old)) = model.insert(key.to_string(), (body, etag)) {
                *replaced = old;
            }
        }
        PutOutcome::Refused => assert!(!allowed, "{key} was refused although its condition held"),
    }
}

async fn check_listing(storage: &LocalStorage, model: &Model, prefix: &str, after: Option<String>) {
    let expected: Vec<&String> = model
        .keys()
        .filter(|key| key.starts_with(prefix) && after.as_ref().is_none_or(|after| *key > after))
        .collect();
    let after = after.clone().map(ObjectKey::new);
    let found: Vec<_> = storage.list(prefix, after.as_ref()).try_collect().await.unwrap();
    assert_eq!(found.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_local_folder_is_a_sorted_map(steps in proptest::collection::vec(any_step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
