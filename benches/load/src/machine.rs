//! The machine and an idle server: what every other figure has to be read beside.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::report::{Goal, Row};
use crate::target::Server;

/// How long the disk below `folder` takes to make a small append durable.
pub(crate) fn sync_latency(folder: &Path) -> anyhow::Result<Row> {
    let mut file = tempfile::tempfile_in(folder).context("no file can be made in the data folder")?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[share * (times.len() - 1) / 100].as_secs_f64() * 1e3;
    let note = format!("p90 {:.2} ms, p99 {:.2} ms", at(90), at(99));
    Ok(Row::new("the disk: append of 4 KiB and fdatasync", Goal::None, at(50), " ms").note(note))
}

/// How fast files of 16 MB are written and synced by so many threads at once, by nobody's server.
pub(crate) fn write_rate(folder: &Path, threads: usize, time: Duration) -> anyhow::Result<Row> {
    const FILE_BYTES: usize = 16_000_000;
    let folder = tempfile::tempdir_in(folder).context("no folder can be made in the data folder")?;
    let piece = vec![7; 500_000];
    let began = Instant::now();
    let write = |thread: usize| {
        let mut files = 0_usize;
        while began.elapsed() < time {
            // Always a new file, as a server writes objects: memory that a file held before is given back faster.
            let name = folder.path().join(format!("{thread}-{files}"));
            let mut file = std::fs::File::create(name)?;
            for _ in 0..FILE_BYTES / piece.len() {
                file.write_all(&piece)?;
            }
            file.sync_all()?;
            files += 1;
        }
        std::io::Result::Ok(files)
    };
    let files = std::thread::scope(|scope| {
        let write = &write;
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || write(thread))).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).sum::<std::io::Result<usize>>()
    })?;
    let rate = (files * FILE_BYTES) as f64 / 1e6 / began.elapsed().as_secs_f64();
    let what = format!("the disk: files of 16 MB written and synced, {threads} at a time, no server");
    Ok(Row::new(what, Goal::None, rate, " MB/s"))
}

/// Time to ready, and memory of a server that does nothing.
pub(crate) async fn idle(binary: &Path, folder: &Path) -> anyhow::Result<Vec<Row>> {
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    let data = folder.join("idle");
    for _ in 0..5 {
        let server = Server::start(binary, &data, &[]).await?;
        ready.push(server.ready_after.as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.extend(server.target.memory_mb().map(|(now, _)| now));
    }
    let first = ready.first().copied().unwrap_or_default();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Ok(vec![
        Row::new("idle server, resident", Goal::AtMost(60.0), median(memory), " MB"),
        Row::new("ready after start", Goal::AtMost(300.0), median(ready), " ms")
            .note(format!("the first start, over an empty folder: {first:.0} ms")),
    ])
}
