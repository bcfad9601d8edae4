//! The rows that every peer keeps: a path as lakes have it, and 48 bytes.

use std::collections::BTreeMap;

use anabranch_types::{Address, Checksum, Entry, ObjectKey};

/// One row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Row {
    pub(crate) path: String,
    /// 48 hexadecimal digits.
    pub(crate) value: String,
}

/// A number that looks random (SplitMix64).
fn mixed(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn row(n: u64, version: u64) -> Row {
    let (table, day, file) = (n / 2000, n / 50 % 28 + 1, n % 50);
    let path = format!("lake/tbl_{table:05}/dt=2025-03-{day:02}/part-{file:05}-{:016x}.parquet", mixed(n));
    let seed = n + (version << 32);
    let value = format!("{:016x}{:016x}{:016x}", mixed(seed), mixed(!seed), mixed(seed.rotate_left(17)));
    Row { path, value }
}

/// `count` rows in order of path.
pub(crate) fn rows(count: u64) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..count).map(|n| row(n, 0)).collect();
    rows.sort();
    rows
}

/// About `changes` of the rows with other values, scattered, in order of path. Sides never change the same row.
pub(crate) fn changed_rows(count: u64, changes: u64, round: u64, side: u64) -> Vec<Row> {
    let chosen = (0..changes).map(|n| (mixed(n + (round << 24) + (side << 40)) % count) & !1 | side);
    let version = 1 + 2 * round + side;
    let by_path: BTreeMap<String, Row> =
        chosen.map(|n| row(n, version)).map(|row| (row.path.clone(), row)).collect();
    by_path.into_values().collect()
}

/// The entry that stands for a row. Its object is not stored: what is measured are versions, not uploads.
pub(crate) fn entry(row: &Row) -> Entry {
    let hash = *blake3::hash(row.value.as_bytes()).as_bytes();
    let mut checksum = [0; 16];
    checksum.copy_from_slice(&hash[..16]);
    let id: String = row.value.chars().take(20).map(|digit| if digit > '9' { 'v' } else { digit }).collect();
    let size = 48;
    Entry {
        address: Address {
            object: ObjectKey::new(format!("data/06l7qf5c000000000000/{id}")),
            offset: 0,
            length: size,
        },
        size,
        checksum: Checksum::from_md5(checksum),
        parts: 0,
        modified_ms: 1_700_000_000_000,
        content_type: "application/octet-stream".to_owned(),
        metadata: BTreeMap::new(),
    }
}
