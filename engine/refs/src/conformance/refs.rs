//! The cases of [`RefsBackend`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::fault::{Fault, Faulty};
use crate::{EDITS_MAX, ScanRange, VALUE_BYTES_MAX};

/// A value is absent, then there, then another, then gone.
pub async fn get_put_and_delete(store: &dyn RefsBackend) {
    let p = partition("get");
    assert_eq!(store.get(&p, "k").await.unwrap(), None);
    assert_eq!(apply(store, &p, &[]).await, RefUpdate::Applied(vec![]));
    let first = put_now(store, &p, put("k", Expect::Absent, "one")).await;
    let found = store.get(&p, "k").await.unwrap();
    assert_eq!(found, Some(Versioned { value: Bytes::from("one"), version: first }));
    let rejected = apply(store, &p, &[put("k", Expect::Absent, "two")]).await;
    assert_eq!(rejected, RefUpdate::Rejected { index: 0, actual: found });
    let second = put_now(store, &p, put("k", Expect::Is(first), "")).await;
    assert_ne!(first, second);
    assert_eq!(text(store, &p, "k").await.as_deref(), Some(""));
    assert!(matches!(apply(store, &p, &[delete("k", Expect::Is(first))]).await, RefUpdate::Rejected { .. }));
    assert_eq!(apply(store, &p, &[delete("k", Expect::Is(second))]).await, RefUpdate::Applied(vec![None]));
    assert_eq!(store.get(&p, "k").await.unwrap(), None);
    assert_eq!(apply(store, &p, &[delete("k", Expect::Any)]).await, RefUpdate::Applied(vec![None]));
    let rejected = apply(store, &p, &[put("k", Expect::Is(second), "three")]).await;
    assert_eq!(rejected, RefUpdate::Rejected { index: 0, actual: None });
    put_now(store, &p, put("k", Expect::Any, "four")).await;
    put_now(store, &p, put("k", Expect::Any, "five")).await;
    assert_eq!(text(store, &p, "k").await.as_deref(), Some("five"));
}

/// Equal keys and equal write-ids of two partitions have nothing to do with each other.
pub async fn partitions_are_apart(store: &dyn RefsBackend) {
    let (one, other) = (partition("apart"), partition("apart\0"));
    let id = write_id();
    for (partition, value) in [(&one, "one"), (&other, "other")] {
        let applied = store.apply(partition, &[put("k", Expect::Absent, value)], id).await.unwrap();
        assert!(matches!(applied, RefUpdate::Applied(_)));
    }
    assert_eq!(text(store, &one, "k").await.as_deref(), Some("one"));
    assert_eq!(text(store, &other, "k").await.as_deref(), Some("other"));
    let page = store.scan(&one, &ScanRange::default(), 10).await.unwrap();
    assert_eq!(page.rows.len(), 1);
}

/// Pages of every size hold exactly the keys of the range, in bytewise order.
pub async fn bytewise_order_and_pages(store: &dyn RefsBackend) {
    let p = partition("order");
    for key in nasty() {
        put_now(store, &p, put(&key, Expect::Absent, &key)).await;
    }
    let keys = sorted(nasty());
    for prefix in ["", "a", "a\0", "a/", "e", "\u{10ffff}", "none"] {
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        for limit in [1, 2, 3, 7, 1000] {
            let (mut range, mut seen) = (ScanRange { prefix: prefix.to_owned(), after: None }, Vec::new());
            loop {
                let page = store.scan(&p, &range, limit).await.unwrap();
                assert!(page.rows.len() <= limit);
                assert!(page.rows.iter().all(|(key, found)| found.value == key.as_bytes()));
                assert!(!page.more || page.rows.len() == limit, "a short page says that more follows");
                seen.extend(page.rows.iter().map(|(key, _)| key.clone()));
                range.after = seen.last().cloned();
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, expected, "prefix {prefix:?}, limit {limit}");
        }
    }
    let before = ScanRange { prefix: "a/".to_owned(), after: Some("A".to_owned()) };
    assert_eq!(store.scan(&p, &before, 1).await.unwrap().rows[0].0, "a/");
    let beyond = ScanRange { prefix: "a".to_owned(), after: Some("b".to_owned()) };
    assert_eq!(store.scan(&p, &beyond, 9).await.unwrap(), crate::Page { rows: vec![], more: false });
    let empty = store.scan(&p, &ScanRange::default(), 0).await.unwrap();
    assert_eq!(empty, crate::Page { rows: vec![], more: true });
}

/// One failed precondition, wherever it stands, and nothing happens; the first failed one is named.
pub async fn all_or_none(store: &dyn RefsBackend) {
    let p = partition("all or none");
    let version = put_now(store, &p, put("m", Expect::Absent, "old")).await;
    let rejected = apply(
        store,
        &p,
        &[
            put("z", Expect::Absent, "new"),
            put("a", Expect::Absent, "new"),
            put("m", Expect::Absent, "new"),
            delete("y", Expect::Is(version)),
        ],
    )
    .await;
    let actual = Some(Versioned { value: Bytes::from("old"), version });
    assert_eq!(rejected, RefUpdate::Rejected { index: 2, actual });
    let page = store.scan(&p, &ScanRange::default(), 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["m"]);
    let edits = [put("z", Expect::Absent, "1"), delete("m", Expect::Is(version)), put("a", Expect::Any, "2")];
    let RefUpdate::Applied(versions) = apply(store, &p, &edits).await else { panic!("rejected") };
    assert_eq!(versions.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(store.get(&p, "z").await.unwrap().map(|found| found.version), versions[0]);
    assert_eq!(store.get(&p, "a").await.unwrap().map(|found| found.version), versions[2]);
    assert_eq!(store.get(&p, "m").await.unwrap(), None);
}

/// A check changes nothing, its version included, and still decides.
pub async fn checks(store: &dyn RefsBackend) {
    let p = partition("checks");
    let version = put_now(store, &p, put("k", Expect::Absent, "v")).await;
    let holds = [check("k", Expect::Is(version)), check("none", Expect::Absent), put("n", Expect::Any, "1")];
    assert!(matches!(apply(store, &p, &holds).await, RefUpdate::Applied(_)));
    assert_eq!(store.get(&p, "k").await.unwrap().map(|found| found.version), Some(version));
    assert_eq!(store.get(&p, "none").await.unwrap(), None);
    let fails = [put("n", Expect::Any, "2"), check("k", Expect::Absent)];
    assert!(matches!(apply(store, &p, &fails).await, RefUpdate::Rejected { index: 1, actual: Some(_) }));
    assert_eq!(text(store, &p, "n").await.as_deref(), Some("1"));
    assert_eq!(apply(store, &p, &[check("k", Expect::Is(version))]).await, RefUpdate::Applied(vec![None]));
}

/// A deleted and remade key gets versions that it never had.
pub async fn versions_never_repeat(store: &dyn RefsBackend) {
    let p = partition("versions");
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..20 {
        let version = put_now(store, &p, put("k", Expect::Absent, "v")).await;
        assert!(seen.insert(version), "version {version:?} was given twice, again in round {round}");
        let delete = delete("k", Expect::Is(version));
        assert_eq!(apply(store, &p, &[delete]).await, RefUpdate::Applied(vec![None]));
        if round % 3 == 0 {
            apply(store, &p, &[super::delete("k", Expect::Any)]).await;
        }
    }
}

/// What lies on a limit is taken, what lies beyond is refused by name.
pub async fn limits(store: &dyn RefsBackend) {
    let p = partition("limits");
    let edits = |count| (0..count).map(|n| put(&format!("{n}"), Expect::Any, "v")).collect::<Vec<_>>();
    assert!(matches!(apply(store, &p, &edits(EDITS_MAX)).await, RefUpdate::Applied(_)));
    let too_many = store.apply(&p, &edits(EDITS_MAX + 1), write_id()).await;
    assert!(matches!(too_many, Err(RefsError::TooManyEdits { count: 101, max: 100 })), "{too_many:?}");
    let large = |bytes| [put("large", Expect::Any, &"x".repeat(bytes))];
    assert!(matches!(apply(store, &p, &large(VALUE_BYTES_MAX)).await, RefUpdate::Applied(_)));
    assert_eq!(text(store, &p, "large").await.map(|text| text.len()), Some(VALUE_BYTES_MAX));
    let too_large = store.apply(&p, &large(VALUE_BYTES_MAX + 1), write_id()).await;
    assert!(matches!(too_large, Err(RefsError::ValueTooLarge { .. })), "{too_large:?}");
    let repeated = [put("k", Expect::Any, "1"), check("k", Expect::Any)];
    let repeated = store.apply(&p, &repeated, write_id()).await;
    assert!(matches!(repeated, Err(RefsError::RepeatedKey { .. })), "{repeated:?}");
    assert_eq!(store.get(&p, "k").await.unwrap(), None);
}

/// The same write-id again is answered as then, and does nothing, also when the precondition is long past; a
/// rejected write has left no mark.
pub async fn a_write_is_recognised(store: &dyn RefsBackend) {
    let p = partition("recognised");
    let id = write_id();
    let edits = [put("k", Expect::Absent, "1"), delete("gone", Expect::Any), put("l", Expect::Any, "1")];
    let first = store.apply(&p, &edits, id).await.unwrap();
    assert_eq!(store.apply(&p, &edits, id).await.unwrap(), first);
    put_now(store, &p, put("k", Expect::Any, "2")).await;
    for _ in 0..50 {
        put_now(store, &p, put("other", Expect::Any, "v")).await;
    }
    assert_eq!(store.apply(&p, &edits, id).await.unwrap(), first);
    assert_eq!(text(store, &p, "k").await.as_deref(), Some("2"));
    let id = write_id();
    let rejected = store.apply(&p, &[put("k", Expect::Absent, "3")], id).await.unwrap();
    assert!(matches!(rejected, RefUpdate::Rejected { .. }));
    let applied = store.apply(&p, &[put("k", Expect::Any, "3")], id).await.unwrap();
    assert!(matches!(applied, RefUpdate::Applied(_)));
}

/// A long run of seeded writes does what it does to a plain map, and answers so.
pub async fn agrees_with_a_model(store: &dyn RefsBackend) {
    let p = partition("model");
    let mut model: BTreeMap<String, (String, Version)> = BTreeMap::new();
    let mut stale = Version(u64::MAX >> 1);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..250 {
        let keys: std::collections::BTreeSet<_> =
            (0..=random(3)).map(|_| format!("k{}", random(5))).collect();
        let mut edits = Vec::new();
        for key in keys {
            let expect = match (random(8), model.get(&key)) {
                (0, _) => Expect::Absent,
                (1, _) => Expect::Is(stale),
                (2 | 3, _) => Expect::Any,
                (_, Some((_, version))) => Expect::Is(*version),
                (_, None) => Expect::Absent,
            };
            edits.push(match random(5) {
                0 => check(&key, expect),
                1 => delete(&key, expect),
                _ => put(&key, expect, &format!("{round}")),
            });
        }
        let fails = |edit: &Edit| match edit.expect {
            Expect::Absent => model.contains_key(&edit.key),
            Expect::Is(version) => model.get(&edit.key).is_none_or(|(_, actual)| *actual != version),
            Expect::Any => false,
        };
        match (edits.iter().position(fails), apply(store, &p, &edits).await) {
            (Some(expected), RefUpdate::Rejected { index, actual }) => {
                assert_eq!(index, expected, "round {round}: {edits:?}");
                let expected = model.get(&edits[index].key);
                let expected = expected.map(|(value, version)| (Bytes::from(value.clone()), *version));
                assert_eq!(actual.map(|actual| (actual.value, actual.version)), expected, "round {round}");
            }
            (None, RefUpdate::Applied(versions)) => {
                assert_eq!(versions.len(), edits.len());
                for (edit, version) in edits.iter().zip(versions) {
                    match &edit.operation {
                        Operation::Put { .. } => {
                            let new = (format!("{round}"), version.unwrap());
                            stale = model.insert(edit.key.clone(), new).map_or(stale, |(_, old)| old);
                        }
                        Operation::Delete => {
                            assert_eq!(version, None);
                            stale = model.remove(&edit.key).map_or(stale, |(_, old)| old);
                        }
                        Operation::Check => assert_eq!(version, None),
                    }
                }
            }
            both => panic!("round {round}: {edits:?} gave {both:?}"),
        }
        let page = store.scan(&p, &ScanRange::default(), 10).await.unwrap();
        let found = page.rows.into_iter().map(|(key, found)| (key, found.value, found.version));
        let expected =
            model.iter().map(|(key, (value, version))| (key.clone(), Bytes::from(value.clone()), *version));
        assert!(found.eq(expected), "round {round}");
    }
}

/// A caller that gets no reply and tries again with the same write-id has written once.
pub async fn lost_replies(store: Arc<dyn RefsBackend>) {
    let faulty = Faulty::new(Shared(store));
    let p = partition("lost replies");
    let mut version = None;
    for round in 0..6 {
        let expect = version.map_or(Expect::Absent, Expect::Is);
        let edits = [put("k", expect, &format!("{round}"))];
        let id = write_id();
        let faults = [Fault::ReplyLost, Fault::RequestLost, Fault::ReplyLost];
        faulty.plan(faults.into_iter().skip(round % 3));
        for _ in 0..3 - round % 3 {
            assert!(is_unknown(&faulty.apply(&p, &edits, id).await));
        }
        let RefUpdate::Applied(versions) = faulty.apply(&p, &edits, id).await.unwrap() else {
            panic!("a retry of round {round} was taken for somebody else's write")
        };
        let found = faulty.get(&p, "k").await.unwrap().unwrap();
        assert_eq!(Some(found.version), versions[0]);
        assert_eq!(number(&found), round as u64);
        version = versions[0];
    }
}

/// Lets the wrapper own a shared store.
#[derive(Debug)]
struct Shared(Arc<dyn RefsBackend>);

#[deny(clippy::missing_trait_methods)]
#[async_trait::async_trait]
impl RefsBackend for Shared {
    async fn get(&self, partition: &Partition, key: &str) -> Result<Option<Versioned>, RefsError> {
        self.0.get(partition, key).await
    }

    async fn scan(
        &self,
        partition: &Partition,
        range: &ScanRange,
        limit: usize,
    ) -> Result<crate::Page, RefsError> {
        self.0.scan(partition, range, limit).await
    }

    async fn apply(
        &self,
        partition: &Partition,
        edits: &[Edit],
        write_id: WriteId,
    ) -> Result<RefUpdate, RefsError> {
        self.0.apply(partition, edits, write_id).await
    }
}

/// Adds one to a number by compare-and-set, until it succeeds.
async fn increment(store: &dyn RefsBackend, p: &Partition, keys: [&str; 2]) {
    loop {
        let mut edits = Vec::new();
        for key in keys.iter().take(if keys[0] == keys[1] { 1 } else { 2 }) {
            let found = store.get(p, key).await.unwrap();
            let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Is(found.version));
            edits.push(put(key, expect, &(found.as_ref().map_or(0, number) + 1).to_string()));
        }
        if let RefUpdate::Applied(_) = apply(store, p, &edits).await {
            return;
        }
    }
}

/// Writers that count on one key, which begins absent, lose no update.
pub async fn one_counter(store: Arc<dyn RefsBackend>) {
    const EACH: usize = 8;
    let p = partition("counter");
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, p) = (store.clone(), p.clone());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    increment(&*store, &p, ["n", "n"]).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.get(&p, "n").await.unwrap().as_ref().map(number), Some((WRITERS * EACH) as u64));
}

/// Writers that count on two of several keys at once, in either order, lose no update and come to an end.
pub async fn many_keys(store: Arc<dyn RefsBackend>) {
    const EACH: usize = 6;
    let p = partition("many keys");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, p) = (store.clone(), p.clone());
            tokio::spawn(async move {
                for round in 0..EACH {
                    let [one, other] = [writer % 8, (writer + round + 1) % 8].map(|n| format!("n{n}"));
                    increment(&*store, &p, [&one, &other]).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let page = store.scan(&p, &ScanRange::default(), 100).await.unwrap();
    let expected: usize = (0..WRITERS)
        .flat_map(|writer| {
            (0..EACH)
                .map(move |round| if (round + 1) % 8 == 0 || writer == writer + round + 1 { 1 } else { 2 })
        })
        .sum();
    assert_eq!(page.rows.iter().map(|(_, found)| number(found)).sum::<u64>(), expected as u64);
}

/// One write sent many times at once happens once and is answered alike.
pub async fn one_write_id_at_once(store: Arc<dyn RefsBackend>) {
    let p = partition("at once");
    for round in 0..4 {
        let id = write_id();
        let key = format!("k{round}");
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (store, p, edit) = (store.clone(), p.clone(), put(&key, Expect::Absent, "v"));
                tokio::spawn(async move { store.apply(&p, &[edit], id).await.unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for writer in writers {
            answers.push(writer.await.unwrap());
        }
        let version = store.get(&p, &key).await.unwrap().map(|found| found.version);
        assert!(version.is_some());
        assert!(answers.iter().all(|answer| *answer == RefUpdate::Applied(vec![version])), "{answers:?}");
    }
}

/// Of two writes of which each requires what the other takes away, at most one happens.
pub async fn no_write_skew(store: Arc<dyn RefsBackend>) {
    let p = partition("skew");
    for round in 0..12 {
        let [a, b] = ["a", "b"].map(|side| format!("{side}{round}"));
        let writers = [(&a, &b), (&b, &a)].map(|(absent, taken)| {
            let edits = [check(absent, Expect::Absent), put(taken, Expect::Absent, "v")];
            let (store, p) = (store.clone(), p.clone());
            tokio::spawn(async move { apply(&*store, &p, &edits).await })
        });
        let mut applied = 0;
        for writer in writers {
            applied += usize::from(matches!(writer.await.unwrap(), RefUpdate::Applied(_)));
        }
        assert_eq!(applied, 1, "round {round}");
    }
}
