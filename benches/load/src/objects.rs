//! S3 PUT and GET of several sizes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;

use crate::load::{Until, drive, watched};
use crate::report::{Goal, Row};
use crate::s3::S3;
use crate::target::Target;

/// One size, how many at a time, and what is to be reached: requests a second for small ones, MB a second for others.
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
    pub(crate) workers: usize,
    pub(crate) put: Goal,
    pub(crate) get: Goal,
}

pub(crate) const SIZES: [Size; 4] = [
    Size { name: "1 kB", bytes: 1000, workers: 20, put: Goal::AtLeast(6000.0), get: Goal::AtLeast(15_000.0) },
    Size { name: "1 MB", bytes: 1_000_000, workers: 8, put: Goal::None, get: Goal::None },
    Size {
        name: "16 MB",
        bytes: 16_000_000,
        workers: 8,
        put: Goal::AtLeast(500.0),
        get: Goal::AtLeast(2500.0),
    },
    Size { name: "64 MB", bytes: 64_000_000, workers: 4, put: Goal::None, get: Goal::None },
];

fn clients(address: SocketAddr, target: &Target, count: usize) -> anyhow::Result<Vec<S3>> {
    (0..count).map(|_| S3::new(address, target)).collect()
}

/// Bytes that no compression shortens.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Measures one size below `prefix`, which is `/BUCKET/` or `/BUCKET/BRANCH/`.
pub(crate) async fn measure(
    target: &Target,
    label: &str,
    prefix: &str,
    size: &Size,
    time: Duration,
    is_compared: bool,
) -> anyhow::Result<Vec<Row>> {
    let body = Bytes::from(noise(size.bytes));
    let (address, workers) = (target.address, size.workers);
    let written = RefCell::new(BTreeMap::new());
    let key = |number: u64| format!("{prefix}s{}/{number}", size.bytes);
    // Few large objects fill a disk fast: they are written over again.
    let keys_max = (2_000_000_000 / size.bytes as u64).max(workers as u64);
    let memory = target.memory_mb();
    let outcome = watched(
        target,
        clients(address, target, workers)?,
        Until::Time(time),
        async |s3: &mut S3, number| {
            let tag = s3.put(&key(number % keys_max), body.clone()).await?;
            written.borrow_mut().insert(number % keys_max, tag);
            Ok(())
        },
    )
    .await;
    let goal = |goal| if is_compared { goal } else { Goal::None };
    let row = |verb: &str, goal, outcome: &crate::load::Outcome| {
        let what = format!("{label} {verb} {}, {workers} at a time", size.name);
        if size.bytes < 100_000 {
            Row::rate(what, goal, outcome)
        } else {
            let rate = outcome.per_second() * size.bytes as f64 / 1e6;
            Row::new(what, goal, rate, " MB/s").of(outcome)
        }
    };
    let put = row("PUT", goal(size.put), &outcome);
    let written = written.into_inner();
    ensure!(!written.is_empty(), "no PUT of {} went well: {:?}", size.name, outcome.errors.first());
    let all: Vec<u64> = written.keys().copied().collect();
    let outcome = watched(
        target,
        clients(address, target, workers)?,
        Until::Time(time),
        async |s3: &mut S3, number| {
            // Comparing all bytes of all answers would measure the comparison.
            s3.get(&key(all[number as usize % all.len()]), &body, number % 16 == 0).await
        },
    )
    .await;
    let mut get = row("GET", goal(size.get), &outcome);
    if let (Some((before, _)), Some((after, most))) = (memory, target.memory_mb()) {
        get = get.note(format!(
            "the server's memory: {before:.0} MB before, {after:.0} MB after, {most:.0} MB at most"
        ));
    }
    // Every PUT that was acknowledged can be read, once each.
    let looked = drive(
        clients(address, target, workers)?,
        Until::Steps(all.len() as u64),
        async |s3: &mut S3, index| {
            let read = s3.get(&key(all[index as usize]), &body, true).await;
            read.context("an object that was written is LOST or damaged")
        },
    );
    crate::writes::whole(looked.await)?;
    Ok(vec![put, get])
}
