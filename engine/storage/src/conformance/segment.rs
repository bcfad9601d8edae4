//! Segments, where the storage can append.

use bytes::Bytes;

use super::{key, pattern};
use crate::ObjectStorage;

/// What was appended is readable at its offset while the segment grows and when it is closed.
///
/// A storage that cannot append has nothing to show here; its groups are objects, which the other suites cover.
pub async fn segments(storage: &dyn ObjectStorage) {
    let key = key("conformance/segment/a");
    let Some(mut segment) = storage.open_segment(&key, 100_000).await.unwrap() else { return };
    let mut written: Vec<(u64, Bytes)> = Vec::new();
    for length in [1, 5_000, 0, 4_096, 4_097, 30_000] {
        let body = pattern(length);
        let offset = segment.append(body.clone()).await.unwrap().unwrap();
        written.push((offset, body));
        for (offset, body) in &written {
            let range = *offset..offset + body.len() as u64;
            assert!(storage.get(&key, Some(range)).await.unwrap() == body, "{length} at {offset}");
        }
    }
    for pair in written.windows(2) {
        assert!(pair[0].0 + pair[0].1.len() as u64 <= pair[1].0, "groups do not overlap");
    }
    assert_eq!(segment.append(pattern(90_000)).await.unwrap(), None, "a group that does not fit is refused");
    let last = segment.append(Bytes::from_static(b"last")).await.unwrap().unwrap();
    written.push((last, Bytes::from_static(b"last")));
    drop(segment);
    for (offset, body) in &written {
        assert!(storage.get(&key, Some(*offset..offset + body.len() as u64)).await.unwrap() == body);
    }
    assert!(storage.open_segment(&key, 100_000).await.is_err(), "a taken key is refused");
    assert!(storage.get(&key, Some(0..1)).await.unwrap() == pattern(1));
}
