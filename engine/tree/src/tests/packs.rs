//! Packs: written, read back, verified, damaged.

use std::sync::Arc;

use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Commit, CommitId, ObjectKey};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::test_support::{MemoryPacks, entries, store_over};
use crate::{
    CommitRecord, CommitToPack, Difference, PackedCommits, TreeError, TreeStore, read_pack_index, verify_pack,
};

fn commit_of(tree: &Tree, parent: Option<CommitId>, delta: Option<Vec<Difference>>) -> CommitToPack {
    let commit = Commit {
        parents: parent.into_iter().collect(),
        tree: tree.id(),
        generation: 1,
        created_ms: 5,
        committer: "ann".to_owned(),
        message: "load".to_owned(),
        metadata: BTreeMap::new(),
    };
    let delta = delta.map(|differences| DeltaList::of(&differences).unwrap());
    CommitToPack { commit, tree: tree.clone(), delta }
}

fn pack(session: &Session, commits: &[CommitToPack]) -> PackedCommits {
    session.pack(commits, &ManualClock::at(1_700_000_000_000), &SeededIds::new(1)).unwrap()
}

fn differences(session: &Session, before: &Tree, after: &Tree) -> Vec<Difference> {
    let mut cursor = session.diff(before, after, KeyRange::all());
    let mut all = Vec::new();
    while let Some(batch) = run(cursor.next_batch()).unwrap() {
        all.extend(batch);
    }
    all
}

fn is_damage(error: &TreeError) -> bool {
    matches!(error, TreeError::Damaged { .. } | TreeError::Commit { .. } | TreeError::UnknownVersion { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_packed_is_read_back(
        target in targets(), start in models(0..200), steps in proptest::collection::vec(changes(0..20), 1..4),
    ) {
        let packs = Arc::new(MemoryPacks::default());
        let session = store_over(&packs, target).session();
        let mut models = vec![start];
        let mut commits = vec![commit_of(&build(&session, &models[0]), None, None)];
        for changes in &steps {
            let before = commits.last().unwrap().tree.clone();
            let after = run(session.apply(&before, edits_of(changes))).unwrap();
            let delta = differences(&session, &before, &after);
            commits.push(commit_of(&after, Some(commits.last().unwrap().commit.id()), Some(delta)));
            models.push(changed(models.last().unwrap(), changes));
        }
        let packed = pack(&session, &commits);
        prop_assert_eq!(packed.packs.len(), 1, "a small batch of commits is one object");
        packs.write(&packed);
        let fresh = store_over(&packs, target);
        for ((written, to_pack), model) in packed.commits.iter().zip(&commits).zip(&models) {
            let record = CommitRecord::decode(&written.record.encode()).unwrap();
            prop_assert_eq!(&record, &written.record);
            prop_assert_eq!(run(fresh.read_commit(&record)).unwrap(), to_pack.commit.clone());
            prop_assert_eq!(run(fresh.read_delta(&record)).unwrap(), to_pack.delta.as_ref().map(listed));
            assert_is(&fresh.session(), &record.tree(), model);
        }
        // An edit of a tree that was read back writes only what is new.
        let tree = packed.commits.last().unwrap().record.tree();
        let second = fresh.session();
        let edited = run(second.apply(&tree, vec![TreeEdit::Put(key("zz"), entry(9))])).unwrap();
        let more = pack(&second, &[commit_of(&edited, None, None)]);
        let contents = verify_pack(&more.packs[0].key, &more.packs[0].bytes).unwrap();
        prop_assert!(contents.nodes.len() as u64 <= edited.root().map_or(0, |root| u64::from(root.level)) * 2 + 2);
        // From the pack alone, everything is found again.
        let whole = &packed.packs[0];
        let contents = verify_pack(&whole.key, &whole.bytes).unwrap();
        prop_assert_eq!(&contents.commits, &packed.commits);
        let index = run(read_pack_index(&*packs, &whole.key, whole.bytes.len() as u64)).unwrap();
        prop_assert_eq!(index, contents.nodes);
    }

    #[test]
    fn decoders_are_total(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = bytes;
        crate::fuzz::node(&bytes);
        crate::fuzz::delta(&bytes);
        let _ = verify_pack(&ObjectKey::new("packs/x"), &Bytes::copy_from_slice(&bytes));
        if bytes.len() > 2 {
            bytes[0] = 1;
            crate::fuzz::delta(&bytes);
            // A length, a version and a level that pass, so that the rest is reached.
            let length = (bytes.len() - 1).min(127) as u8;
            bytes[0] = length;
            bytes[1] = 1;
            bytes[2] %= 3;
            crate::fuzz::node(&bytes);
        }
    }

    #[test]
    fn a_record_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        if let Some(version) = bytes.first_mut() {
            *version = 1 + *version % 2;
        }
        let _ = CommitRecord::decode(&bytes);
    }

    #[test]
    fn any_entry_survives_a_tree_and_a_delta(all in proptest::collection::vec((entries(), entries()), 1..40)) {
        let packs = Arc::new(MemoryPacks::default());
        let session = store_over(&packs, 8).session();
        let name = |n: usize| key(&format!("k{n:03}"));
        let tree = session.build(all.iter().enumerate().map(|(n, (one, _))| (name(n), one.clone()))).unwrap();
        let other = session.build(all.iter().enumerate().map(|(n, (_, two))| (name(n), two.clone()))).unwrap();
        let delta = differences(&session, &tree, &other);
        let packed = pack(&session, &[commit_of(&tree, None, None), commit_of(&other, None, Some(delta.clone()))]);
        packs.write(&packed);
        let fresh = store_over(&packs, 8);
        let record = &packed.commits[1].record;
        prop_assert_eq!(run(fresh.read_delta(record)).unwrap(), Some(delta));
        let rows = run(fresh.session().scan_page(&record.tree(), KeyRange::all(), 1000)).unwrap();
        prop_assert_eq!(rows.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), all.into_iter().map(|(_, two)| two).collect::<Vec<_>>());
    }
}

fn one_pack() -> (Arc<MemoryPacks>, PackedCommits, Model) {
    let packs = Arc::new(MemoryPacks::default());
    let session = store_over(&packs, 8).session();
    let model: Model = (0..200).map(|n| (lake_key(n), u64::from(n % 5))).collect();
    let tree = build(&session, &model);
    let delta = differences(&session, &Tree::empty(), &tree);
    let packed = pack(&session, &[commit_of(&tree, None, Some(delta))]);
    packs.write(&packed);
    (packs, packed, model)
}

#[test]
fn every_changed_byte_of_a_pack_is_noticed() {
    let (packs, packed, model) = one_pack();
    let original = packed.packs[0].clone();
    let record = &packed.commits[0].record;
    for at in (0..original.bytes.len()).step_by(7) {
        let mut bytes = original.bytes.to_vec();
        bytes[at] ^= 0x10;
        let bytes = Bytes::from(bytes);
        assert!(is_damage(&verify_pack(&original.key, &bytes).unwrap_err()), "byte {at}");
        packs.0.lock().unwrap().insert(original.key.clone(), bytes);
        let session = store_over(&packs, 8).session();
        match run(session.scan_page(&record.tree(), KeyRange::all(), usize::MAX)) {
            Ok(rows) => assert_eq!(rows.len(), model.len(), "byte {at} is not one of a node"),
            Err(error) => assert!(is_damage(&error), "byte {at}: {error}"),
        }
    }
    for length in (0..original.bytes.len()).step_by(31) {
        assert!(verify_pack(&original.key, &original.bytes.slice(..length)).is_err(), "{length} bytes");
    }
}

#[test]
fn frames_that_are_whole_but_wrong_are_refused() {
    // With hashes and checksums made right again, only the decoders stand between a foreign writer and us.
    let (_, packed, _) = one_pack();
    let bytes = &packed.packs[0].bytes;
    let contents = verify_pack(&packed.packs[0].key, bytes).unwrap();
    let mut refused = 0;
    for (_, location) in &contents.nodes {
        let frame = &bytes[location.offset as usize..][..location.length as usize];
        let frame = crate::node::read_frame(&Bytes::copy_from_slice(frame)).unwrap();
        for at in 0..frame.raw.len() {
            for flip in [1, 0x80, 0xff] {
                let mut raw = frame.raw.to_vec();
                raw[at] ^= flip;
                let mut out = Vec::new();
                crate::node::put_frame(&mut out, frame.kind, &raw);
                let again = crate::node::read_frame(&Bytes::from(out)).unwrap();
                let node = crate::store::node_of_frame(&again, None, location);
                let whole = node.and_then(|(_, node)| crate::store::verify_node(&again, &node));
                refused += u32::from(whole.is_err());
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_damaged_delta_list_is_refused_or_another_one() {
    let (_, packed, _) = one_pack();
    let location = packed.commits[0].record.delta.clone().unwrap();
    let frame = &packed.packs[0].bytes[location.offset as usize..][..location.length as usize];
    let frame = crate::node::read_frame(&Bytes::copy_from_slice(frame)).unwrap();
    let mut refused = 0;
    for at in 0..frame.raw.len() {
        for flip in [1, 0x80, 0xff] {
            let mut raw = frame.raw.to_vec();
            raw[at] ^= flip;
            refused += u32::from(crate::pack::decode_delta(&raw).is_err());
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_node_is_found_again_after_packs_were_rewritten() {
    struct Moved(Arc<MemoryPacks>, ObjectKey);
    #[async_trait::async_trait]
    impl crate::PackSource for Moved {
        async fn read(&self, pack: &ObjectKey, range: std::ops::Range<u64>) -> Result<Bytes, TreeError> {
            self.0.read(pack, range).await
        }
        async fn locate(&self, id: &anabranch_types::NodeId) -> Result<Option<crate::Location>, TreeError> {
            let length = self.0.0.lock().unwrap()[&self.1].len() as u64;
            let index = read_pack_index(&*self.0, &self.1, length).await?;
            Ok(index.into_iter().find(|(found, _)| found == id).map(|(_, location)| location))
        }
    }
    let (packs, packed, model) = one_pack();
    let moved = ObjectKey::new("packs/elsewhere");
    let bytes = packs.0.lock().unwrap().remove(&packed.packs[0].key).unwrap();
    let tree = packed.commits[0].record.tree();
    let lost = run(store_over(&packs, 8).session().get(&tree, lake_key(3).as_bytes()));
    assert!(matches!(lost, Err(TreeError::NodeMissing { .. })), "{lost:?}");
    packs.0.lock().unwrap().insert(moved.clone(), bytes);
    let params = crate::TreeParams { seed: 42, target: 8 };
    let store = TreeStore::new(Arc::new(Moved(packs, moved)), params, 1 << 20);
    assert_is(&store.session(), &tree, &model);
}

#[test]
fn large_commits_are_cut_into_packs_of_eight_mebibytes() {
    let packs = Arc::new(MemoryPacks::default());
    let session = store_over(&packs, 256).session();
    let rows = (0..120_000_u64).map(|n| (key(&format!("lake/part-{n:012}")), own_entry(n)));
    let tree = session.build(rows).unwrap();
    let delta = differences(&session, &Tree::empty(), &tree);
    let packed = pack(&session, &[commit_of(&tree, None, Some(delta.clone()))]);
    assert!(packed.packs.len() > 1);
    for pack in &packed.packs {
        assert!(pack.bytes.len() < (8 << 20) + (1 << 19), "{} bytes", pack.bytes.len());
        verify_pack(&pack.key, &pack.bytes).unwrap();
    }
    packs.write(&packed);
    let store = store_over(&packs, 256);
    assert_eq!(run(store.read_delta(&packed.commits[0].record)).unwrap(), Some(delta));
    assert_eq!(
        run(store.session().count_in(&packed.commits[0].record.tree(), &KeyRange::all())).unwrap(),
        120_000
    );
}

#[test]
fn a_tree_of_another_session_is_refused() {
    let packs = Arc::new(MemoryPacks::default());
    let store = store_over(&packs, 8);
    let tree = store.session().build([(key("a"), entry(1))]).unwrap();
    let clock = ManualClock::at(0);
    let other = store.session();
    let answer = other.pack(&[commit_of(&tree, None, None)], &clock, &SeededIds::new(1));
    assert!(matches!(answer, Err(TreeError::ForeignNode { .. })));
    assert!(matches!(run(other.get(&tree, b"a")), Err(TreeError::NodeMissing { .. })));
}

#[test]
fn remembered_nodes_need_no_read() {
    let (packs, packed, _) = one_pack();
    let store = store_over(&packs, 8);
    store.remember(&packed);
    let session = store.session();
    assert!(run(session.get(&packed.commits[0].record.tree(), lake_key(3).as_bytes())).unwrap().is_some());
    assert_eq!(store.counters().node_reads, 0);
}
