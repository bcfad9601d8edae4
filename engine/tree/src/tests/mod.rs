//! The laws of trees, against a plain map.

mod counts;
mod laws;
mod merges;
mod packs;
mod reading_ahead;
mod shared_packs;
mod single_flight;

use std::collections::BTreeMap;

use anabranch_types::{Checksum, Entry, ObjectKey};
use proptest::prelude::*;

use crate::node::object_id::two_part_key;
use crate::pack::decode_delta;
use crate::test_support::{entry, run, runtime};
use crate::{DeltaList, Difference, Key, KeyRange, Session, Tree, TreeEdit};

/// What a tree should hold: a number that stands for an entry, by key.
type Model = BTreeMap<Key, u64>;

fn key(text: &str) -> Key {
    Key::new(text.to_owned()).unwrap()
}

/// What a delta list holds.
fn listed(list: &DeltaList) -> Vec<Difference> {
    let frames = list.frames().expect("a short list");
    frames.iter().flat_map(|frame| decode_delta(frame).expect("its own encoding")).collect()
}

/// Keys with the shape of a lake: tables, logs, partitions, files beside folders, and odd ones.
fn lake_key(n: u16) -> Key {
    let file = n / 8;
    key(&match n % 8 {
        0 => format!("lake/orders/_delta_log/{file:08}.json"),
        1 | 2 => format!("lake/orders/dt={}/part-{file:04}.parquet", file % 5),
        3 => format!("lake/orders2/part-{file:04}.parquet"),
        4 => format!("lake/{}/data.csv", file % 40),
        5 => format!("a//{file}"),
        6 => format!("größe/日本-{file}"),
        _ => format!("z{}", "x".repeat(usize::from(file % 90))),
    })
}

fn keys() -> impl Strategy<Value = Key> {
    (0_u16..600).prop_map(lake_key)
}

fn models(size: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Model> {
    proptest::collection::btree_map(keys(), 0_u64..4, size)
}

fn targets() -> impl Strategy<Value = u16> {
    prop_oneof![Just(2), Just(4), Just(8), Just(16)]
}

/// A change of a model: keys put (with a number) and keys removed.
fn changes(
    size: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = BTreeMap<Key, Option<u64>>> {
    proptest::collection::btree_map(keys(), proptest::option::weighted(0.7, 0_u64..6), size)
}

fn changed(model: &Model, changes: &BTreeMap<Key, Option<u64>>) -> Model {
    let mut result = model.clone();
    for (key, change) in changes {
        match change {
            Some(n) => result.insert(key.clone(), *n),
            None => result.remove(key),
        };
    }
    result
}

fn edits_of(changes: &BTreeMap<Key, Option<u64>>) -> Vec<TreeEdit> {
    let edit = |(key, change): (&Key, &Option<u64>)| match change {
        Some(n) => TreeEdit::Put(key.clone(), entry(*n)),
        None => TreeEdit::Remove(key.clone()),
    };
    changes.iter().map(edit).collect()
}

fn build(session: &Session, model: &Model) -> Tree {
    session.build(model.iter().map(|(key, n)| (key.clone(), entry(*n)))).unwrap()
}

/// Asserts that the tree is the one built from the model: same id, and everything that its root says.
fn assert_is(session: &Session, tree: &Tree, model: &Model) {
    let rows = run(session.scan_page(tree, KeyRange::all(), usize::MAX)).unwrap();
    let expected: Vec<_> = model.iter().map(|(key, n)| (key.clone(), entry(*n))).collect();
    assert_eq!(rows, expected);
    let built = build(session, model);
    assert_eq!(tree.id(), built.id(), "the tree is not canonical");
    let whole = |tree: &Tree| {
        tree.root()
            .map(|root| (root.level, root.count, root.bytes, root.first_key.clone(), root.last_key.clone()))
    };
    assert_eq!(whole(tree), whole(&built));
    assert_eq!(tree.count(), model.len() as u64);
    assert_eq!(tree.bytes(), model.values().map(|n| entry(*n).size).sum::<u64>());
}

/// An entry as the server makes it: its object and checksum are random bytes, which do not compress.
fn own_entry(n: u64) -> Entry {
    let hash = *blake3::hash(&n.to_le_bytes()).as_bytes();
    let (mut id, mut checksum) = ([0; 12], [0; 16]);
    id.copy_from_slice(&hash[..12]);
    checksum.copy_from_slice(&hash[16..]);
    let mut own = entry(n);
    own.address.object = ObjectKey::new(two_part_key("data", &[1; 12], &id));
    own.checksum = Checksum::from_md5(checksum);
    own
}

fn range_of(a: Option<Key>, b: Option<Key>) -> KeyRange {
    let start = a.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    KeyRange { start, end: b.map(|key| key.as_bytes().to_vec()) }
}

/// Ranges with any two keys as bounds, some open, some empty, some of one prefix.
fn ranges() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        (proptest::option::of(keys()), proptest::option::of(keys())).prop_map(|(a, b)| range_of(a, b)),
        (keys(), 0_usize..20).prop_map(|(key, length)| {
            let bytes = key.as_bytes();
            KeyRange::prefix(&bytes[..length.min(bytes.len())])
        }),
    ]
}
