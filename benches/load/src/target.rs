//! The server under load: one that is started for the run, or one that runs already.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::connection::Connection;

const ACCESS_KEY_ID: &str = "AKIANETWORKBENCH0000";
const SECRET_ACCESS_KEY: &str = "network-bench-secret-0123456789abcdef";

/// Where a server is, and the keys to ask it with.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// Whether S3 requests must be signed.
    pub(crate) wants_signatures: bool,
    /// The process, if it is on this machine.
    pub(crate) process: Option<u32>,
}

/// A server that ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) target: Target,
    /// From the start of the process to the first answer that it is ready.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts a server over a folder and waits until it is ready.
    pub(crate) async fn start(binary: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let log = std::fs::File::create(data.with_extension("log"))?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--listen").arg(listen.to_string()).arg("--data").arg(data).args(arguments);
        Server::spawn(command, listen, log, |status| status.is_success()).await
    }

    /// Starts any program that listens there. It is ready once it gives the right answer to `/readyz`.
    pub(crate) async fn spawn(
        mut command: Command,
        listen: SocketAddr,
        log: std::fs::File,
        is_right: fn(StatusCode) -> bool,
    ) -> anyhow::Result<Self> {
        command
            .env("ANABRANCH_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("ANABRANCH_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("ANABRANCH_LOG_LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(log);
        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        let target = Target {
            address: listen,
            access_key_id: ACCESS_KEY_ID.into(),
            secret_access_key: SECRET_ACCESS_KEY.into(),
            wants_signatures: true,
            process: Some(child.id()),
        };
        loop {
            if is_ready(listen, is_right).await {
                let ready_after = began.elapsed();
                return Ok(Server { child, target, ready_after });
            }
            if let Some(status) = child.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            if began.elapsed() > Duration::from_secs(60) {
                child.kill()?;
                bail!("{command:?} is not ready after a minute");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr, is_right: fn(StatusCode) -> bool) -> bool {
    let mut headers = HeaderMap::new();
    let Ok(host) = HeaderValue::try_from(address.to_string()) else { return false };
    headers.insert(HOST, host);
    let answer = Connection::new(address).send(&Method::GET, "/readyz", headers, Bytes::new()).await;
    answer.is_ok_and(|answer| is_right(answer.status))
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Target {
    /// Resident memory of the server in MB, if it is on this machine; and the most that it ever was.
    pub(crate) fn memory_mb(&self) -> Option<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process?)).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Seconds of CPU that the server has used.
    pub(crate) fn cpu_s(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process?)).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }
}

/// The binary of the server: the one that was named, or the one beside this program.
pub(crate) fn binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("anabranch"),
    };
    if !path.exists() {
        bail!("{} is not there: build it with `cargo build --release --package anabranch`", path.display());
    }
    Ok(path)
}
