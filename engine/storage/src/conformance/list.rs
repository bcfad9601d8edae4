//! Listings.

use bytes::Bytes;
use futures::StreamExt;

use super::{key, keys, list, put, stored};
use crate::{ObjectStorage, PutMode};

/// Keys whose order a storage of folders or of case-blind names gets wrong.
const NASTY: [&str; 26] = [
    "a", "a b", "a!", "a%", "a%2Fb", "a%41", "a+b", "a-", "a-b", "a-b/c", "a.b", "a.b/c", "a.txt", "a/b",
    "a/b-c", "a/b/c", "a/b0", "a0", "a=b", "aA", "a_", "a~", "b", "é", "e\u{301}", "𝄞/z",
];

/// A listing is in bytewise order of key and has just the keys that begin with the prefix.
pub async fn listing_order(storage: &dyn ObjectStorage) {
    const ROOT: &str = "conformance/list/";
    for name in NASTY {
        stored(storage.put(&key(format!("{ROOT}{name}")), Bytes::from(name), PutMode::Create).await);
    }
    let mut sorted: Vec<String> = NASTY.iter().map(|name| format!("{ROOT}{name}")).collect();
    sorted.sort_unstable();

    assert_eq!(keys(storage, ROOT, None).await, sorted);
    for object in list(storage, ROOT, None).await {
        assert_eq!(object.size, (object.key.as_str().len() - ROOT.len()) as u64, "{}", object.key);
        assert_eq!(storage.get(&object.key, None).await.unwrap(), object.key.as_str()[ROOT.len()..]);
    }
    for prefix in ["a", "a/", "a/b", "a-", "a.b/", "aa", "a%", "z", "é", "a/b/c", "a/b/c/"] {
        let prefix = format!("{ROOT}{prefix}");
        let expected: Vec<&String> = sorted.iter().filter(|key| key.starts_with(&prefix)).collect();
        assert_eq!(keys(storage, &prefix, None).await.iter().collect::<Vec<_>>(), expected, "{prefix}");
    }
    let all = keys(storage, "", None).await;
    assert!(all.is_sorted() && all.iter().filter(|key| key.starts_with(ROOT)).eq(&sorted));
    for nothing in ["conformance/list/a//", "conformance/list/../", "/", "conformance/list/nothing/here"] {
        assert_eq!(keys(storage, nothing, None).await, [""; 0], "{nothing}");
    }
}

/// A listing goes on after any key, whether that exists, begins with the prefix, or neither.
pub async fn listing_pages(storage: &dyn ObjectStorage) {
    const ROOT: &str = "conformance/page/";
    for name in NASTY {
        put(storage, &key(format!("{ROOT}{name}")), "x").await;
    }
    let mut sorted: Vec<String> = NASTY.iter().map(|name| format!("{ROOT}{name}")).collect();
    sorted.sort_unstable();
    let between = ["a/", "a/b/", "a/b/zz", "a,", "\u{10FFFF}"].map(|name| format!("{ROOT}{name}"));
    let outside = ["conformance", "conformance/pag", "conformance/page0", "zzz"].map(str::to_string);
    for after in sorted.iter().chain(&between).chain(&outside) {
        for prefix in [ROOT.to_string(), format!("{ROOT}a"), format!("{ROOT}a/b")] {
            let expected: Vec<&String> =
                sorted.iter().filter(|key| key.starts_with(&prefix) && *key > after).collect();
            let found = keys(storage, &prefix, Some(&key(after.as_str()))).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{prefix} after {after}");
        }
    }

    let mut paged: Vec<String> = Vec::new();
    loop {
        let after = paged.last().map(|last| key(last.as_str()));
        let page: Vec<_> = storage.list(ROOT, after.as_ref()).take(3).collect().await;
        if page.is_empty() {
            break;
        }
        paged.extend(page.into_iter().map(|object| object.unwrap().key.to_string()));
    }
    assert_eq!(paged, sorted);
}

/// A listing of many objects crosses the storage's own pages; deletes and puts on the way do not disturb it.
pub async fn listing_while_writing(storage: &dyn ObjectStorage) {
    const ROOT: &str = "conformance/many/";
    let name = |at: usize| format!("{ROOT}{at:04}");
    let objects = 1_100;
    let puts = futures::stream::iter(0..objects).map(|at| {
        let key = key(name(at));
        async move { put(storage, &key, "x").await }
    });
    assert_eq!(puts.buffer_unordered(16).count().await, objects);

    let mut listing = storage.list(ROOT, None);
    let mut seen = vec![listing.next().await.unwrap().unwrap().key.to_string()];
    storage.delete(&key(name(0))).await.unwrap();
    storage.delete(&key(name(objects - 1))).await.unwrap();
    put(storage, &key(format!("{ROOT}0000-new")), "x").await;
    while let Some(object) = listing.next().await {
        seen.push(object.unwrap().key.to_string());
    }
    assert!(seen.is_sorted());
    let untouched = (1..objects - 1).map(name);
    assert!(untouched.clone().all(|key| seen.binary_search(&key).is_ok()));
    assert_eq!(
        keys(storage, ROOT, Some(&key(format!("{ROOT}0000-new")))).await,
        untouched.collect::<Vec<_>>()
    );
}
