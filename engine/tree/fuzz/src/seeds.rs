//! Writes one seed for each decoder to `corpus/decoders/`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::sync::Arc;

use anabranch_tree::{
    CommitToPack, DeltaList, Key, PackSource, TreeError, TreeParams, TreeStore, encode_entry, verify_pack,
};
use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Address, Checksum, Commit, Entry, ObjectKey};
use bytes::Bytes;

struct NoPacks;

#[async_trait::async_trait]
impl PackSource for NoPacks {
    async fn read(&self, pack: &ObjectKey, _: Range<u64>) -> Result<Bytes, TreeError> {
        Err(TreeError::PackMissing { pack: pack.clone() })
    }
}

fn entry(n: u64) -> Entry {
    Entry {
        address: Address { object: ObjectKey::new(format!("data/{n}")), offset: n % 3, length: n },
        size: n,
        checksum: Checksum::from_md5([n as u8; 16]),
        parts: (n % 4) as u32,
        modified_ms: n as i64,
        content_type: "text/csv".to_owned(),
        metadata: BTreeMap::from([("k".to_owned(), n.to_string())]),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = "corpus/decoders";
    fs::create_dir_all(folder)?;
    let seed = |name: &str, decoder: u8, bytes: &[u8]| {
        let mut content = vec![decoder];
        content.extend_from_slice(bytes);
        fs::write(format!("{folder}/{name}"), content)
    };
    seed("entry", 0, &encode_entry(&entry(7))?)?;
    let session = TreeStore::new(Arc::new(NoPacks), TreeParams { seed: 1, target: 8 }, 0).session();
    let rows: Vec<(Key, Entry)> =
        (0..200).map(|n| Ok((Key::new(format!("lake/t{:02}/{n:04}", n / 20))?, entry(n)))).collect::<Result<_, TreeError>>()?;
    let tree = session.build(rows.iter().cloned())?;
    let mut delta = DeltaList::default();
    for (key, entry) in &rows {
        delta.push(key, None, Some(entry))?;
    }
    let commit = Commit {
        parents: Vec::new(),
        tree: tree.id(),
        generation: 1,
        created_ms: 0,
        committer: "a".to_owned(),
        message: "b".to_owned(),
        metadata: BTreeMap::new(),
    };
    let to_pack = CommitToPack { commit, tree, delta: Some(delta) };
    let packed = session.pack(&[to_pack], &ManualClock::at(0), &SeededIds::new(1))?;
    for commit in &packed.commits {
        seed("record", 1, &commit.record.encode())?;
    }
    for pack in &packed.packs {
        seed("pack", 2, &pack.bytes)?;
        for (number, (_, location)) in verify_pack(&pack.key, &pack.bytes)?.nodes.iter().enumerate() {
            let start = location.offset as usize;
            let frame = &pack.bytes[start..start + location.length as usize];
            // The payload without the frame's header; the seeds are small enough to be stored raw or not at all.
            if frame[5] == 0 {
                seed(&format!("node-{number}"), 3, &frame[14..])?;
            }
        }
    }
    seed("delta", 4, &[1, 1, 0, 1, b'k', 1])?;
    Ok(())
}
