//! Two servers on one Postgres database, merging into one branch.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::report::{Goal, Row};
use crate::target::Server;
use crate::writes::merges_through;

const WORKERS_EACH: usize = 25;
/// All servers of one installation share their key; this one protects a throw-away database.
const SERVER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The servers share their objects as they would share a bucket: the second one's folder of objects leads to the first's.
pub(crate) async fn merges(binary: &Path, folder: &Path, postgres: &str, count: u64) -> anyhow::Result<Row> {
    let (first_data, second_data) = (folder.join("first"), folder.join("second"));
    let arguments = ["--refs-url", postgres, "--server-key", SERVER_KEY];
    // A server makes its folder; only then can the link be put into it.
    drop(Server::start(binary, &first_data, &arguments).await?);
    drop(Server::start(binary, &second_data, &arguments).await?);
    let (shared, link) = (first_data.join("objects"), second_data.join("objects"));
    std::fs::create_dir_all(&shared)?;
    if link.exists() {
        std::fs::remove_dir_all(&link)?;
    }
    std::os::unix::fs::symlink(&shared, &link).context("the objects cannot be shared")?;
    let first = Server::start(binary, &first_data, &arguments).await?;
    let second = Server::start(binary, &second_data, &arguments).await?;
    let targets = [first.target.clone(), second.target.clone()];
    let repository = format!("pair-{}", std::process::id());
    let outcome = merges_through(&targets, &repository, None, WORKERS_EACH, count).await?;
    let what = format!("two servers on one Postgres, {WORKERS_EACH} merges at a time each into one branch");
    Ok(Row::rate(what, Goal::None, &outcome)
        .p99_goal(Duration::from_millis(150))
        .note("one Postgres on this machine, objects in one local folder"))
}
