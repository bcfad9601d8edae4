//! Objects that arrive in pieces.

use bytes::Bytes;
use futures::TryStreamExt;

use super::{absent, key, keys, pattern, put};
use crate::ObjectStorage;

/// An upload is invisible until it is finished, and leaves nothing when it is aborted or dropped.
pub async fn uploads(storage: &dyn ObjectStorage) {
    let (fresh, taken) = (key("conformance/upload/new"), key("conformance/upload/taken"));
    let old = put(storage, &taken, "old").await;

    for key in [&fresh, &taken] {
        let mut upload = storage.upload(key).await.unwrap();
        upload.write("some ".into()).await.unwrap();
        drop(upload);
        let mut upload = storage.upload(key).await.unwrap();
        upload.write("bytes".into()).await.unwrap();
        upload.abort().await.unwrap();
    }
    absent(storage.head(&fresh).await, &fresh);
    assert_eq!(storage.head(&taken).await.unwrap().etag, old);

    let mut upload = storage.upload(&taken).await.unwrap();
    for piece in ["", "in ", "three", " pieces"] {
        upload.write(piece.into()).await.unwrap();
        assert_eq!(storage.get(&taken, None).await.unwrap(), "old");
        assert_eq!(keys(storage, "conformance/upload/", None).await, ["conformance/upload/taken"]);
    }
    let etag = upload.finish().await.unwrap();
    assert_eq!(storage.get(&taken, None).await.unwrap(), "in three pieces");
    assert_eq!(storage.head(&taken).await.unwrap().etag, etag);
    assert_ne!(etag, old);

    let nothing = storage.upload(&fresh).await.unwrap();
    nothing.finish().await.unwrap();
    assert_eq!(storage.head(&fresh).await.unwrap().size, 0);

    let both = key("conformance/upload/both");
    let mut first = storage.upload(&both).await.unwrap();
    let mut second = storage.upload(&both).await.unwrap();
    first.write("first".into()).await.unwrap();
    second.write("second".into()).await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(storage.get(&both, None).await.unwrap(), "second");
    first.finish().await.unwrap();
    assert_eq!(storage.get(&both, None).await.unwrap(), "first");
}

/// An object larger than every buffer and part on the way arrives whole, and its abort leaves nothing.
pub async fn uploads_of_large_objects(storage: &dyn ObjectStorage) {
    let key = key("conformance/upload-large/a");
    let piece = pattern((1 << 20) - 7);
    let pieces = 19;

    let mut upload = storage.upload(&key).await.unwrap();
    for _ in 0..pieces {
        upload.write(piece.clone()).await.unwrap();
    }
    absent(storage.head(&key).await, &key);
    upload.abort().await.unwrap();
    absent(storage.head(&key).await, &key);

    let mut upload = storage.upload(&key).await.unwrap();
    for _ in 0..pieces {
        upload.write(piece.clone()).await.unwrap();
    }
    absent(storage.head(&key).await, &key);
    let etag = upload.finish().await.unwrap();
    let head = storage.head(&key).await.unwrap();
    assert_eq!((head.size, head.etag), ((pieces * piece.len()) as u64, etag));

    let mut expected = piece.iter().copied().cycle();
    let mut bytes = 0;
    let mut stream = storage.get_stream(&key, None).await.unwrap();
    while let Some(found) = stream.try_next().await.unwrap() {
        bytes += found.len();
        assert!(
            found == expected.by_ref().take(found.len()).collect::<Bytes>(),
            "differs before byte {bytes}"
        );
    }
    assert_eq!(bytes, pieces * piece.len());
}
