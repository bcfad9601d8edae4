//! Small packs that lie one behind the other in an object.

use std::sync::Arc;

use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Commit, ObjectKey};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::test_support::{MemoryPacks, store_over};
use crate::{
    CommitRecord, CommitToPack, PackedCommits, TreeError, TreeStore, new_shared_key, read_shared_packs,
};

/// Packs in one object, written as they come.
struct SharedObject {
    key: ObjectKey,
    bytes: Vec<u8>,
    packs: Arc<MemoryPacks>,
}

impl SharedObject {
    fn new() -> SharedObject {
        let key = new_shared_key(&ManualClock::at(1_700_000_000_000), &SeededIds::new(7));
        SharedObject { key, bytes: Vec::new(), packs: Arc::default() }
    }

    /// Appends what is no pack.
    fn fill(&mut self, filling: &[u8]) {
        self.bytes.extend_from_slice(filling);
    }

    /// Appends the only pack of a commit of this tree; the commit as it is then.
    fn commit(&mut self, session: &Session, tree: &Tree, seed: u64) -> PackedCommits {
        let commit = Commit {
            parents: Vec::new(),
            tree: tree.id(),
            generation: 1,
            created_ms: 5,
            committer: "ann".to_owned(),
            message: format!("load {seed}"),
            metadata: BTreeMap::new(),
        };
        let delta = Some(DeltaList::default());
        let commits = [CommitToPack { commit, tree: tree.clone(), delta }];
        let ids = SeededIds::new(seed);
        let mut packed = session.pack(&commits, &ManualClock::at(1_700_000_000_000), &ids).unwrap();
        let [pack] = packed.packs.as_slice() else { panic!("one small pack, not {}", packed.packs.len()) };
        let (pack, offset) = (pack.clone(), self.bytes.len() as u64);
        self.bytes.extend_from_slice(&pack.bytes);
        packed.relocate(&pack.key, &self.key, offset);
        self.packs.0.lock().unwrap().insert(self.key.clone(), self.object());
        packed
    }

    fn object(&self) -> Bytes {
        Bytes::from(self.bytes.clone())
    }
}

/// What may lie between packs: nothing, room that nobody took, or what a crash left.
fn fillings() -> impl Strategy<Value = Vec<u8>> {
    let torn = Just(b"ANBPACK\x01 and so on, but not to its end".to_vec());
    prop_oneof![
        Just(Vec::new()),
        (0..5_000_usize).prop_map(|zeros| vec![0; zeros]),
        proptest::collection::vec(any::<u8>(), 0..300),
        torn,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_shares_an_object_is_read_back(
        target in targets(), start in models(1..120),
        steps in proptest::collection::vec((changes(1..20), fillings()), 1..5),
    ) {
        let mut object = SharedObject::new();
        let store = store_over(&object.packs, target);
        let mut tree = Tree::empty();
        let mut model = Model::new();
        let mut written = Vec::new();
        let first = (start.iter().map(|(key, value)| (key.clone(), Some(*value))).collect(), Vec::new());
        for (step, (changes, filling)) in std::iter::once(first).chain(steps).enumerate() {
            object.fill(&filling);
            let session = store.session();
            let edited = run(session.apply(&tree, edits_of(&changes))).unwrap();
            let packed = object.commit(&session, &edited, step as u64);
            store.remember(&packed);
            model = changed(&model, &changes);
            tree = packed.commits[0].record.tree();
            written.push((packed.commits[0].clone(), model.clone()));
        }
        object.fill(&[0; 100]);
        // Read from the object alone, and through the nodes that were remembered.
        for store in [store_over(&object.packs, target), store] {
            for (commit, model) in &written {
                let record = CommitRecord::decode(&commit.record.encode()).unwrap();
                prop_assert_eq!(&record, &commit.record);
                prop_assert_eq!(&run(store.read_commit(&record)).unwrap(), &commit.commit);
                prop_assert_eq!(run(store.read_delta(&record)).unwrap(), Some(Vec::new()));
                assert_is(&store.session(), &record.tree(), model);
            }
        }
        let found = read_shared_packs(&object.key, &object.object());
        let commits: Vec<_> = found.iter().flat_map(|pack| pack.contents.commits.clone()).collect();
        prop_assert_eq!(commits, written.into_iter().map(|(commit, _)| commit).collect::<Vec<_>>());
        for pack in &found {
            for (_, location) in &pack.contents.nodes {
                prop_assert_eq!(&location.pack, &object.key);
                prop_assert!(pack.place.contains(&location.offset));
            }
        }
    }

    #[test]
    fn any_bytes_are_packs_or_none(bytes in proptest::collection::vec(fillings(), 0..6)) {
        let bytes = Bytes::from(bytes.concat());
        prop_assert!(read_shared_packs(&ObjectKey::new("pack-segments/x"), &bytes).is_empty());
    }
}

fn two_packs() -> (SharedObject, [PackedCommits; 2]) {
    let mut object = SharedObject::new();
    let store: Arc<TreeStore> = store_over(&object.packs, 8);
    let session = store.session();
    let tree = build(&session, &(0..100).map(|n| (lake_key(n), n.into())).collect());
    let first = object.commit(&session, &tree, 1);
    object.fill(&[0; 700]);
    let session = store.session();
    let tree = run(session.apply(&first.commits[0].record.tree(), vec![TreeEdit::Put(key("zz"), entry(9))]));
    let second = object.commit(&session, &tree.unwrap(), 2);
    (object, [first, second])
}

#[test]
fn damage_to_one_pack_spares_the_others() {
    let (object, [first, second]) = two_packs();
    let whole = object.object();
    let start_of_second = read_shared_packs(&object.key, &whole)[1].place.start as usize;
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x10;
        let found = read_shared_packs(&object.key, &Bytes::from(bytes));
        let ids: Vec<_> = found.iter().map(|pack| pack.contents.commits[0].id).collect();
        let (one, two) = (first.commits[0].id, second.commits[0].id);
        match at {
            at if at >= start_of_second => assert_eq!(ids, [one], "byte {at}"),
            at if whole[at..].starts_with(&[0; 8]) && ids.len() == 2 => assert_eq!(ids, [one, two]),
            _ => assert!(ids == [two] || ids == [one, two], "byte {at}: {ids:?}"),
        }
    }
    // A second pack needs nodes of the first: through the object that both are in.
    object.packs.0.lock().unwrap().remove(&object.key);
    let lost = run(store_over(&object.packs, 8).read_commit(&second.commits[0].record));
    assert!(matches!(lost, Err(TreeError::PackMissing { .. })), "{lost:?}");
}

#[test]
fn records_of_version_1_name_the_pack_of_every_location() {
    let place = |offset: u8, length: u8| [&[0, 7][..], b"packs/x", &[offset, length]].concat();
    let bytes = [&[1][..], &place(90, 30), &[0, 1], &place(40, 50)].concat();
    let record = CommitRecord::decode(&bytes).unwrap();
    assert_eq!((record.commit.offset, record.commit.length), (90, 30));
    let delta = record.delta.clone().unwrap();
    assert_eq!((delta.pack.as_str(), delta.offset, delta.length), ("packs/x", 40, 50));
    assert_eq!(CommitRecord::decode(&record.encode()).unwrap(), record);
    let other = [&[3][..], &bytes[1..]].concat();
    assert!(matches!(CommitRecord::decode(&other), Err(TreeError::UnknownVersion { found: 3, .. })));
}
