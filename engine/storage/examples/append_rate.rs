//! Measures how many small objects a second a local folder takes durably, at several numbers of callers.
//!
//! Usage: `append_rate FOLDER [SECONDS]`. Prints the disk's own `fdatasync` latency beside it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement ends at the first error")]

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anabranch_storage::counting::CountingStorage;
use anabranch_storage::{ObjectStorageExt, SegmentWriter, open_local};
use anabranch_types::test_support::{ManualClock, SeededIds};
use bytes::Bytes;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "append-rate-data".to_string());
    let seconds: u64 = arguments.next().map_or(3, |text| text.parse().unwrap());
    sync_latency(Path::new(&folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for callers in [1, 8, 64, 256] {
        runtime.block_on(measure(Path::new(&folder), callers, Duration::from_secs(seconds)));
    }
}

async fn measure(folder: &Path, callers: u64, duration: Duration) {
    let storage = Arc::new(CountingStorage::new(open_local(folder).unwrap()));
    let (clock, ids) =
        (Arc::new(ManualClock::at(1_767_225_600_000)), Arc::new(SeededIds::new(process_seed(callers))));
    let writer = Arc::new(SegmentWriter::new(storage.clone(), clock, ids));
    let body = Bytes::from(vec![7; 1_024]);
    let (done, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (writer, body, done) = (Arc::clone(&writer), body.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut last = None;
                while began.elapsed() < duration {
                    last = Some(writer.append(body.clone()).await.unwrap());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                last
            })
        })
        .collect();
    for task in tasks {
        if let Some(address) = task.await.unwrap() {
            assert_eq!(storage.read(&address).await.unwrap(), body);
        }
    }
    let (done, elapsed, counts) = (done.load(Ordering::Relaxed), began.elapsed(), storage.take());
    println!(
        "{callers:4} callers: {:8.0} objects/s of 1 KiB, {:.1} a group, {} segments",
        done as f64 / elapsed.as_secs_f64(),
        done as f64 / counts.appends as f64,
        counts.segments,
    );
}

/// Keys must be fresh in a folder that an earlier run used.
fn process_seed(callers: u64) -> u64 {
    u64::from(std::process::id()) << 16 | callers
}

fn sync_latency(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("latency-probe");
    let file = std::fs::File::create(&path).unwrap();
    file.write_all_at(&vec![0; 8 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let mut times: Vec<Duration> = (0..100)
        .map(|at| {
            let began = Instant::now();
            file.write_all_at(&[1; 65_536], at * 65_536).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("fdatasync of 64 KiB in place: median {:?}, 90th percentile {:?}", times[50], times[90]);
    std::fs::remove_file(path).unwrap();
}
