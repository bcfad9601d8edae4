//! Reads of ranges and in pieces.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::{absent, key, pattern, put, stored};
use crate::{ObjectStorage, ObjectStorageExt, PutMode, StorageError};

/// A range is answered exactly, or refused with the object's size.
pub async fn ranged_reads(storage: &dyn ObjectStorage) {
    let (ten, empty, none) =
        (key("conformance/read/ten"), key("conformance/read/empty"), key("conformance/read/no"));
    put(storage, &ten, "0123456789").await;
    put(storage, &empty, "").await;
    for (range, expected) in
        [(0..10, "0123456789"), (0..1, "0"), (3..7, "3456"), (9..10, "9"), (4..4, ""), (10..10, "")]
    {
        assert_eq!(storage.get(&ten, Some(range.clone())).await.unwrap(), expected, "{range:?}");
    }
    assert_eq!(storage.get(&empty, Some(0..0)).await.unwrap(), "");
    assert_eq!(storage.get(&empty, None).await.unwrap(), "");

    #[expect(clippy::reversed_empty_ranges, reason = "it is what is to be refused")]
    let outside = [
        (&ten, 0..11, 10),
        (&ten, 10..11, 10),
        (&ten, 50..60, 10),
        (&ten, 11..11, 10),
        (&ten, 7..3, 10),
        (&empty, 0..1, 0),
        (&ten, 0..u64::MAX, 10),
    ];
    for (key, range, expected_size) in outside {
        let whole = storage.get(key, Some(range.clone())).await;
        let streamed = storage.get_stream(key, Some(range.clone())).await.map(|_| Bytes::new());
        for result in [whole, streamed] {
            match result {
                Err(StorageError::RangeOutside { size, start, end, .. }) => {
                    assert_eq!((size, start..end), (expected_size, range.clone()));
                }
                other => panic!("{range:?} of {key} must be refused: {other:?}"),
            }
        }
    }
    absent(storage.get(&none, None).await, &none);
    absent(storage.get(&none, Some(0..1)).await, &none);
    absent(storage.get(&none, Some(0..0)).await, &none);
    absent(storage.get_stream(&none, None).await.map(|_| ()), &none);

    let address = anabranch_types::Address { object: ten, offset: 2, length: 3 };
    assert_eq!(storage.read(&address).await.unwrap(), "234");
}

/// A stream gives the same bytes as a read, in order and in pieces of at most 1 MiB.
pub async fn streamed_reads(storage: &dyn ObjectStorage) {
    let key = key("conformance/stream/large");
    let body = pattern((3 << 20) + 17);
    stored(storage.put(&key, body.clone(), PutMode::Create).await);
    for range in [None, Some(0..body.len() as u64), Some(1_000_000..3_000_001), Some(5..6), Some(7..7)] {
        let pieces: Vec<Bytes> =
            storage.get_stream(&key, range.clone()).await.unwrap().try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= 1 << 20 && !piece.is_empty()));
        let expected = match &range {
            Some(range) => {
                body.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap())
            }
            None => body.clone(),
        };
        assert!(pieces.concat() == expected, "{range:?}");
        assert!(storage.get(&key, range).await.unwrap() == expected);
    }
    // A reader that stops early leaves nothing broken.
    let mut stream = storage.get_stream(&key, None).await.unwrap();
    assert!(!stream.next().await.unwrap().unwrap().is_empty());
    drop(stream);
    assert_eq!(storage.head(&key).await.unwrap().size, body.len() as u64);
}
