//! `anabranch serve`: opens the data folder, wires backends, mergers and doors, and answers requests.

mod chores;
pub(crate) mod data_folder;
mod door;
mod guard;
mod health;
mod http;
mod listen;
mod logs;
mod metered;
mod metrics;
mod namespaces;
mod observe;
mod plugins;
mod process;
mod refusal;
mod shipped;
mod stalling;
mod stop;
mod tls;
mod traces;
mod wiring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anabranch_api::Options;
use anabranch_auth::{KeyPair, ServerKeys};
use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::config::{Limits, Settings};
use crate::system::SystemIds;
use data_folder::DataFolder;
use health::Health;
use listen::Listening;
use metrics::Metrics;
use stop::Stop;
use tls::Tls;

/// Files that are not connections: the database, segments, logs, backends' own connections.
const FILES_RESERVED: usize = 512;

/// A server that accepts requests from now on.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The administrator's key pair.
    pub(crate) admin: KeyPair,
    /// Whether the pair was made by this start, and must be shown.
    pub(crate) admin_is_new: bool,
    tls: Option<Arc<Tls>>,
    stop: Stop,
    shutdown_time: Duration,
    listeners: TaskTracker,
    chores: JoinHandle<()>,
    // The folder stays locked until the last request is answered.
    _folder: DataFolder,
}

impl Running {
    /// Takes nothing new, lets requests that have begun finish within their time, and ends.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.draining.cancel();
        self.chores.abort();
        self.listeners.close();
        if tokio::time::timeout(self.shutdown_time, self.listeners.wait()).await.is_err() {
            tracing::warn!("requests that have begun do not end in time, and end with an error");
            self.stop.ended.cancel();
            self.listeners.wait().await;
        }
        Ok(())
    }

    /// Reads what may change while the server runs: the certificate.
    fn reload(&self) {
        match self.tls.as_ref().map(|tls| tls.reload()) {
            Some(Ok(())) => tracing::info!("certificate and key were read again"),
            Some(Err(error)) => {
                tracing::error!(error = format!("{error:#}"), "the former certificate stays in use");
            }
            None => tracing::info!("SIGHUP: there is no certificate to read again"),
        }
    }
}

/// Runs until the process is told to end.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let traces = logs::start(&settings.log, settings.trace.as_ref())?;
    // From here on, so that no signal is lost between start and end.
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be waited for")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let running = start(settings).await?;
    let scheme = if running.tls.is_some() { "https" } else { "http" };
    println!("anabranch listens on {scheme}://{}", running.address);
    if running.admin_is_new {
        println!("The administrator's key pair, shown this once:");
        println!("  access key id      {}", running.admin.access_key_id);
        println!("  secret access key  {}", running.admin.secret.expose());
    }
    while wait_for_signal(&mut hangup, &mut terminate).await? == Told::Reload {
        running.reload();
    }
    tracing::info!("stopping: requests that have begun are finished");
    running.stop().await?;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(|| traces.finish()).await.context("the last traces were not sent")?;
    }
    Ok(())
}

/// Starts a server and returns once it accepts requests.
pub(crate) async fn start(settings: Settings) -> anyhow::Result<Running> {
    let limits = limits_of_process(settings.limits);
    let folder = DataFolder::open(&settings.data)?;
    let (admin, admin_is_new) = match &settings.admin {
        Some(pair) => (pair.clone(), false),
        None => folder.admin_key(&SystemIds)?,
    };
    let tls = settings.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    let metrics = Metrics::new()?;
    let server_keys = match settings.server_key.clone() {
        Some(current) => current,
        None => folder.server_key(&SystemIds)?,
    };
    let server_keys = ServerKeys { current: server_keys, old: settings.old_server_keys.clone() };
    let owner = wiring::Owner { admin: admin.clone(), server_keys };
    let wired = wiring::app(&folder, &settings, &metrics, owner).await?;
    let chores = tokio::spawn(chores::run(wired.app.clone()));
    let stop = Stop::default();
    let router = http::router(http::Parts {
        app: wired.app.clone(),
        authenticator: wired.authenticator,
        options: Options { secure_cookies: tls.is_some() },
        gateway: settings.gateway,
        limits,
        metrics: metrics.clone(),
        health: Health::new(wired.app, wired.namespaces, stop.clone()),
        serves_metrics: settings.metrics_listen.is_none(),
        stop: stop.clone(),
    });
    let listeners = TaskTracker::new();
    let listen = |listener: TcpListener, tls: Option<Arc<Tls>>, router: Router| {
        let connections = metrics.connections.clone();
        let listening = Listening { listener, tls, router, limits, connections, stop: stop.clone() };
        listeners.spawn(listening.run());
    };
    if let Some(address) = settings.metrics_listen {
        listen(bind(address).await?, None, health::open_metrics(metrics.clone()));
    }
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    listen(listener, tls.clone(), router);
    let shutdown_time = limits.shutdown_time;
    Ok(Running { address, admin, admin_is_new, tls, stop, shutdown_time, listeners, chores, _folder: folder })
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// The limits, as far as the process can keep them.
fn limits_of_process(limits: Limits) -> Limits {
    let files = process::raise_file_limit();
    let room = files.saturating_sub(FILES_RESERVED).max(files / 2).max(1);
    if limits.connections > room {
        tracing::info!(
            connections = room,
            files,
            "limits.connections is lowered to what the process may open"
        );
    }
    Limits { connections: limits.connections.min(room), ..limits }
}

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Told {
    Reload,
    End,
}

async fn wait_for_signal(hangup: &mut Signal, terminate: &mut Signal) -> anyhow::Result<Told> {
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map(|()| Told::End).context("SIGINT cannot be waited for"),
        _ = terminate.recv() => Ok(Told::End),
        _ = hangup.recv() => Ok(Told::Reload),
    }
}
