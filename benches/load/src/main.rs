//! Load over the network: REST and S3 against a real server, and one table of what came out.
//!
//! `tools/bench-network` builds the release binary and this, and measures everything over an empty folder; `--endpoint` with keys measures a server that runs already. Every load is followed by a check that
//! nothing it acknowledged was lost. Generator and server share the machine: their figures are those of both.

#![allow(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench may end, and has a real clock"
)]

mod bare;
mod bulk;
mod connection;
mod load;
mod machine;
mod metrics;
mod objects;
mod pair;
mod plugins;
mod reads;
mod report;
mod rest;
mod s3;
mod target;
mod writes;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

use crate::report::Row;
use crate::target::{Server, Target};

/// Measures a server over the network.
#[derive(Parser)]
struct Arguments {
    /// A server that runs already, as HOST:PORT; without it one is started.
    #[arg(long, requires_all = ["access_key_id", "secret_access_key"])]
    endpoint: Option<String>,
    #[arg(long)]
    access_key_id: Option<String>,
    #[arg(long)]
    secret_access_key: Option<String>,
    /// The server's binary; left out: `anabranch` beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where data folders are made, on the disk that is to be measured; left out: the folder for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Measures two servers on this Postgres database too.
    #[arg(long, env = "ANABRANCH_TEST_POSTGRES_URL")]
    postgres: Option<String>,
    /// Only these groups: idle, merges, shared, own, staging, plugins, bulk, s3, bare, pair.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of each load that runs for a time.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many merges are made.
    #[arg(long, default_value_t = 3000)]
    merges: u64,
    /// Serves the bare handler of the s3s crate: the program starts itself this way.
    #[arg(long, hide = true)]
    serve_bare: Option<SocketAddr>,
}

impl Arguments {
    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == group)
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(listen) = arguments.serve_bare {
        return tokio::runtime::Runtime::new()?.block_on(bare::serve(listen));
    }
    // One thread: the generator is to take as little of the machine from the server as it can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    let measured = runtime.block_on(measure(&arguments, &mut rows));
    report::print(&rows);
    measured
}

fn add(rows: &mut Vec<Row>, more: impl IntoIterator<Item = Row>) {
    for row in more {
        row.announce();
        rows.push(row);
    }
}

async fn measure(arguments: &Arguments, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("no folder can be made")?;
    if arguments.endpoint.is_none() {
        add(rows, [machine::sync_latency(folder.path())?]);
        let binary = target::binary(arguments.binary.as_deref())?;
        if arguments.wants("s3") {
            add(rows, [machine::write_rate(folder.path(), 8, arguments.time())?]);
        }
        if arguments.wants("idle") {
            add(rows, machine::idle(&binary, folder.path()).await?);
        }
    }
    let server = match running(arguments)? {
        Some(target) => Started { _server: None, target },
        None => {
            let binary = target::binary(arguments.binary.as_deref())?;
            let server = Server::start(&binary, &folder.path().join("data"), &[]).await?;
            Started { target: server.target.clone(), _server: Some(server) }
        }
    };
    one_server(arguments, &server.target, rows).await?;
    drop(server);
    if arguments.endpoint.is_none() && arguments.wants("plugins") {
        let binary = target::binary(arguments.binary.as_deref())?;
        let server = Server::start(&binary, &folder.path().join("plugins"), &plugins::SETTINGS).await?;
        add(rows, plugins::beside_others(&server.target, arguments.time()).await?);
    }
    if arguments.endpoint.is_none() && arguments.wants("bare") {
        add(rows, bare_handler(arguments, folder.path()).await?);
    }
    if arguments.endpoint.is_none() && arguments.wants("pair") {
        match &arguments.postgres {
            Some(url) => {
                let binary = target::binary(arguments.binary.as_deref())?;
                add(rows, [pair::merges(&binary, folder.path(), url, arguments.merges).await?]);
            }
            None => eprintln!("two servers on one Postgres: left out, because --postgres names none"),
        }
    }
    Ok(())
}

/// The server under load, which ends with the value if it was started for it.
struct Started {
    _server: Option<Server>,
    target: Target,
}

fn running(arguments: &Arguments) -> anyhow::Result<Option<Target>> {
    let (Some(endpoint), Some(id), Some(secret)) =
        (&arguments.endpoint, &arguments.access_key_id, &arguments.secret_access_key)
    else {
        return Ok(None);
    };
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let Some(address) = address.to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        bail!("{endpoint} is no HOST:PORT");
    };
    Ok(Some(Target {
        address,
        access_key_id: id.clone(),
        secret_access_key: secret.clone(),
        wants_signatures: true,
        process: None,
    }))
}

async fn one_server(arguments: &Arguments, target: &Target, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let time = arguments.time();
    if arguments.wants("merges") {
        add(rows, [writes::merges(target, 50, arguments.merges).await?]);
    }
    if arguments.wants("shared") {
        add(rows, [writes::commits_on_one_branch(target, 20, time).await?]);
    }
    if arguments.wants("own") {
        add(rows, [writes::own_branches(target, 16, time).await?]);
    }
    if arguments.wants("staging") {
        add(rows, [writes::staging(target, 64, time).await?]);
    }
    if arguments.wants("bulk") {
        add(rows, bulk::build(target).await?);
        add(rows, reads::stats(target, 128, time).await?);
        add(rows, [reads::lists(target, 128, time).await?]);
    }
    if arguments.wants("s3") {
        rest::Rest::new(target)?.create_repository("objects", None).await?;
        for size in &objects::SIZES {
            add(rows, objects::measure(target, "S3", "/objects/main/", size, time, true).await?);
        }
    }
    Ok(())
}

/// The same S3 load against the bare handler, in a process of its own.
async fn bare_handler(arguments: &Arguments, folder: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let listen = SocketAddr::from(([127, 0, 0, 1], target::free_port()?));
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve-bare").arg(listen.to_string());
    let log = std::fs::File::create(folder.join("bare.log"))?;
    let server = Server::spawn(command, listen, log, |_| true).await?;
    let target = Target { wants_signatures: false, ..server.target.clone() };
    let mut rows = Vec::new();
    for size in &objects::SIZES[..2] {
        let label = "bare s3s handler, in memory and unsigned,";
        rows.extend(objects::measure(&target, label, "/objects/", size, arguments.time(), false).await?);
    }
    Ok(rows)
}
