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
