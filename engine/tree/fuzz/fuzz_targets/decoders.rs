//! Every decoder that reads bytes from outside: none may panic, loop, or allocate beyond a multiple of its input.
#![no_main]

use anabranch_tree::{CommitRecord, decode_entry, encode_entry, fuzz, verify_pack};
use anabranch_types::ObjectKey;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((decoder, bytes)) = input.split_first() else {
        return;
    };
    match decoder % 5 {
        0 => {
            if let Ok(entry) = decode_entry(bytes) {
                assert_eq!(encode_entry(&entry).expect("a decoded entry can be encoded"), bytes);
            }
        }
        1 => {
            if let Ok(record) = CommitRecord::decode(bytes) {
                // Not the same bytes: records of version 1 name every pack.
                assert_eq!(CommitRecord::decode(&record.encode()).expect("a record that was encoded"), record);
            }
        }
        2 => {
            let (key, bytes) = (ObjectKey::new("packs/x"), Bytes::copy_from_slice(bytes));
            drop((verify_pack(&key, &bytes), read_shared_packs(&key, &bytes)));
        }
        3 => fuzz::node(bytes),
        _ => fuzz::delta(bytes),
    }
});
